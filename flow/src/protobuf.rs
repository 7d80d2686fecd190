//! Hubble's API messages ↔ rows.
//!
//! The envelope is `observer.ExportEvent`; `observer.GetFlowsResponse` has the same field numbers for what it can hold
//! (`flow`, `node_status`, `lost_events`, `node_name`, `time`), so its bytes are read and written alike. In the answers about
//! agent and debug events only the number of the body is another one ([`Envelope`]).

mod decode;
mod encode;

pub use decode::{Decoder, Invalid};
pub use encode::encode_row;

/// Which message an event travels in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Envelope {
    /// `observer.ExportEvent` or `observer.GetFlowsResponse`.
    #[default]
    Flows,
    /// `observer.GetAgentEventsResponse`.
    AgentEvents,
    /// `observer.GetDebugEventsResponse`.
    DebugEvents,
}

impl Envelope {
    /// The number that a field has in `observer.ExportEvent`.
    fn exported(self, number: u32) -> Option<u32> {
        /// The numbers of the bodies there.
        const BODIES: std::ops::RangeInclusive<u32> = 1..=5;
        match (self, number) {
            (Self::AgentEvents, 1) => Some(4),
            (Self::DebugEvents, 1) => Some(5),
            (Self::AgentEvents | Self::DebugEvents, number) if BODIES.contains(&number) => None,
            (_, number) => Some(number),
        }
    }
}

/// Key in `extra` under which the fields of a message that this version does not know are kept, as base64 of their bytes.
const UNKNOWN: &str = "@unknown";

/// Key in `extensions` for the bytes of a message whose type is not known here, as base64.
const BYTES: &str = "@bytes";
