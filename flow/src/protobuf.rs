//! Hubble's API messages ↔ rows.
//!
//! The envelope is `observer.ExportEvent`; `observer.GetFlowsResponse` has the same field numbers for what it can hold
//! (`flow`, `node_status`, `lost_events`, `node_name`, `time`), so its bytes are read and written alike.

mod decode;
mod encode;

pub use decode::{Decoder, Invalid};
pub use encode::encode_row;

/// Key in `extra` under which the fields of a message that this version does not know are kept, as base64 of their bytes.
const UNKNOWN: &str = "@unknown";

/// Key in `extensions` for the bytes of a message whose type is not known here, as base64.
const BYTES: &str = "@bytes";
