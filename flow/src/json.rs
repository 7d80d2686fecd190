//! Flow logs as JSON lines: the exporter's own encoding, in and out.
//!
//! `decode` reads what the exporter, the hubble CLI and their older versions wrote; `encode` writes what the
//! exporter writes, byte for byte.

mod decode;
mod encode;
mod fast;
mod filter;
mod plain;
mod reader;
mod skim;
mod wrapped;

pub use decode::{Decoder, Line, Wants};
pub(crate) use encode::write_text;
pub use encode::{encode, encode_lines};
pub(crate) use plain::flags_text;
pub use reader::MAX_DEPTH;
pub(crate) use reader::{Next, Reader};
pub use wrapped::stream_of;

/// Why a line is rejected. It depends on the line alone, never on the columns asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Bad {
    #[error("empty line")]
    Empty,
    #[error("line longer than {} MiB", crate::lines::MAX_LINE >> 20)]
    TooLong,
    #[error("not UTF-8 at byte {0}")]
    Utf8(usize),
    #[error("text, not JSON")]
    NotJson,
    #[error("not an object")]
    NotAnObject,
    #[error("expected {what} at byte {at}")]
    Syntax { what: &'static str, at: usize },
    #[error("the line ends in the middle of a value")]
    Truncated,
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("key {0:?} comes twice")]
    DuplicateKey(String),
    #[error("two members of one choice: {0:?} and {1:?}")]
    TwoOfOneof(String, String),
    #[error("no event: none of flow, lost_events, node_status, agent_event, debug_event")]
    NoEvent,
    #[error("{0} is not an object")]
    BodyNotAnObject(String),
    #[error("a part of a container log line without its end")]
    Unfinished,
}

impl Bad {
    /// A stable word for counting.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too-long",
            Self::Utf8(_) => "not-utf8",
            Self::NotJson => "not-json",
            Self::NotAnObject => "not-an-object",
            Self::Syntax { .. } => "syntax",
            Self::Truncated => "truncated",
            Self::TooDeep => "too-deep",
            Self::DuplicateKey(_) => "duplicate-key",
            Self::TwoOfOneof(..) => "two-of-one-choice",
            Self::NoEvent => "no-event",
            Self::BodyNotAnObject(_) => "body-not-an-object",
            Self::Unfinished => "unfinished",
        }
    }
}
