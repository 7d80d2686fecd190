//! Hubble's API messages ↔ rows.
//!
//! The envelope is `observer.ExportEvent`; `observer.GetFlowsResponse` has the same field numbers for what it can hold
//! (`flow`, `node_status`, `lost_events`, `node_name`, `time`), so its bytes are read and written alike. In the answers about
//! agent and debug events only the number of the body is another one ([`Envelope`]).

mod decode;
mod encode;
mod encoder;

pub use decode::{Decoder, Invalid};
pub use encode::{encode_row, encode_row_of};
pub use encoder::{Encoder, Layout};

/// The numbers of the bodies in `observer.ExportEvent`.
const BODIES: std::ops::RangeInclusive<u32> = 1..=5;

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
    /// The number in `observer.ExportEvent` of the only body that it has; `None` if its bodies have the numbers that they
    /// have there.
    fn body(self) -> Option<u32> {
        match self {
            Self::Flows => None,
            Self::AgentEvents => Some(4),
            Self::DebugEvents => Some(5),
        }
    }

    /// The number in `observer.ExportEvent` of a field.
    fn exported(self, number: u32) -> Option<u32> {
        match self.body() {
            Some(body) if number == 1 => Some(body),
            Some(_) if BODIES.contains(&number) => None,
            _ => Some(number),
        }
    }

    /// The number of a field that has this one in `observer.ExportEvent`.
    fn number(self, exported: u32) -> Option<u32> {
        match self.body() {
            Some(body) if exported == body => Some(1),
            Some(_) if BODIES.contains(&exported) => None,
            _ => Some(exported),
        }
    }
}

/// Key in `extra` under which the fields of a message that this version does not know are kept, as base64 of their bytes.
const UNKNOWN: &str = "@unknown";

/// Key in `extensions` for the bytes of a message whose type is not known here, as base64.
const BYTES: &str = "@bytes";
