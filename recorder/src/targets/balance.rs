//! What became of every event: seen = written + filtered + aggregated + waiting + lost.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Why events were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The ring between kernel and recorder was full.
    Ring,
    /// The kernel's event made no sense.
    Unreadable,
    /// The writer was too slow.
    Queue,
    /// The disk refused.
    Disk,
}

impl Cause {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::Unreadable => "unreadable",
            Self::Queue => "queue",
            Self::Disk => "disk",
        }
    }
}

/// The balance of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    pub seen: u64,
    pub written: u64,
    /// By filters, or by an `end` that has passed.
    pub filtered: u64,
    /// Told by a line that stands for several.
    pub aggregated: u64,
    /// Not on disk yet.
    pub waiting: u64,
    pub lost: BTreeMap<Cause, u64>,
}

impl Balance {
    pub fn lose(&mut self, cause: Cause, events: u64) {
        if events > 0 {
            *self.lost.entry(cause).or_default() += events;
        }
    }

    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.values().sum()
    }

    /// Whether nothing is unaccounted for.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.seen == self.written + self.filtered + self.aggregated + self.waiting + self.lost()
    }
}

impl std::fmt::Display for Balance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "seen {} = written {} + filtered {}", self.seen, self.written, self.filtered)?;
        for (what, number) in [("aggregated", self.aggregated), ("waiting", self.waiting)] {
            if number > 0 {
                write!(f, " + {what} {number}")?;
            }
        }
        write!(f, " + lost {}", self.lost())?;
        let causes: Vec<_> = self.lost.iter().map(|(cause, n)| format!("{} {n}", cause.name())).collect();
        if causes.is_empty() { Ok(()) } else { write!(f, " ({})", causes.join(", ")) }
    }
}
