//! What a row is, in one byte: what the histogram stacks, and what one jumps to.

use lookback_flow::event::{COLUMNS, Event};
use serde::{Deserialize, Serialize};

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Class {
    Forwarded = 0,
    Dropped = 1,
    /// `ERROR`, `AUDIT`.
    Warned = 2,
    /// Any other verdict, or none.
    Other = 3,
    /// A report of lost events.
    Lost = 4,
}

pub const CLASSES: usize = 5;

impl Class {
    pub const ALL: [Self; CLASSES] = [Self::Forwarded, Self::Dropped, Self::Warned, Self::Other, Self::Lost];

    #[must_use]
    pub fn of_verdict(verdict: Option<&str>) -> Self {
        match verdict {
            Some("FORWARDED" | "REDIRECTED") => Self::Forwarded,
            Some("DROPPED") => Self::Dropped,
            Some("ERROR" | "AUDIT") => Self::Warned,
            _ => Self::Other,
        }
    }

    /// Of a byte of an index.
    #[must_use]
    pub fn of_byte(byte: u8) -> Self {
        match byte & 7 {
            0 => Self::Forwarded,
            1 => Self::Dropped,
            2 => Self::Warned,
            4 => Self::Lost,
            _ => Self::Other,
        }
    }

    /// What it is called where colours do not tell.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Dropped => "dropped",
            Self::Warned => "error/audit",
            Self::Other => "other",
            Self::Lost => "lost",
        }
    }
}

/// A bit beside the class: something failed, above the packet.
pub const FAILED: u8 = 8;

/// Names of columns that a class is told by.
pub const NEEDS: [&str; 5] = ["kind", "verdict", "http_code", "dns_rcode", "l7_type"];

/// The class of a row, and whether it tells of a failure: a verdict `ERROR`, an HTTP status of 500 and up, a DNS answer with an
/// error code.
#[must_use]
pub fn classify(event: &Event<'_>, fields: &Fields) -> u8 {
    if event.kind() == "lost_events" {
        return Class::Lost as u8;
    }
    let verdict = event.text(COLUMNS.verdict);
    let class = Class::of_verdict(verdict) as u8;
    let failed = verdict == Some("ERROR")
        || event.number(fields.http_code).is_some_and(|code| code >= 500)
        || event.number(fields.dns_rcode).is_some_and(|code| code != 0)
            && event.text(COLUMNS.l7_type) == Some("RESPONSE");
    class | if failed { FAILED } else { 0 }
}

/// Columns beyond those that every event is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Fields {
    http_code: lookback_flow::columns::ColumnId,
    dns_rcode: lookback_flow::columns::ColumnId,
}

impl Default for Fields {
    fn default() -> Self {
        let known = lookback_flow::columns::ColumnId::known;
        Self { http_code: known("http_code"), dns_rcode: known("dns_rcode") }
    }
}
