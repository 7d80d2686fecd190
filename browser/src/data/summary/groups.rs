//! Groups and what is counted of them.

use std::collections::HashMap;

use super::latency::Latency;
use super::table::Summary;
use super::{Kind, MOST};
use crate::data::class::{CLASSES, Class, FAILED};

/// What is counted of a row besides its class.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    pub latency: Option<u64>,
    /// First digit of an HTTP status.
    pub status: Option<u8>,
    /// The row goes back to the client.
    pub is_reply: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub classes: [u64; CLASSES],
    pub failed: u64,
    pub replies: u64,
    /// By the first digit of the status, from 1 to 5.
    pub statuses: [u64; 6],
    pub first: Option<i64>,
    pub last: Option<i64>,
    pub latency: Latency,
}

impl Group {
    pub(super) fn total(&self) -> u64 {
        self.classes.iter().sum()
    }

    pub(super) fn of(&self, class: Class) -> u64 {
        self.classes.get(class as usize).copied().unwrap_or_default()
    }
}

#[derive(Debug, Default)]
pub(super) struct Groups {
    /// By its key: cells with `\0` between.
    by_key: HashMap<Box<str>, Group>,
    pub(super) others: Group,
    pub(super) rows: u64,
    pub(super) latency: Latency,
}

impl Groups {
    pub(super) fn add(&mut self, key: &str, class: u8, time: Option<i64>, sample: Sample) {
        self.rows += 1;
        if !self.by_key.contains_key(key) && self.by_key.len() < MOST {
            self.by_key.insert(key.into(), Group::default());
        }
        let group = self.by_key.get_mut(key).unwrap_or(&mut self.others);
        if let Some(count) = group.classes.get_mut(Class::of_byte(class) as usize) {
            *count += 1;
        }
        group.failed += u64::from(class & FAILED != 0);
        group.replies += u64::from(sample.is_reply);
        if let Some(count) = sample.status.and_then(|status| group.statuses.get_mut(usize::from(status))) {
            *count += 1;
        }
        if let Some(time) = time {
            group.first = Some(group.first.map_or(time, |first| first.min(time)));
            group.last = Some(group.last.map_or(time, |last| last.max(time)));
        }
        if let Some(latency) = sample.latency {
            group.latency.add(latency);
            self.latency.add(latency);
        }
    }

    /// Groups with their keys, the largest first.
    pub(super) fn sorted(&self, rank: impl Fn(&Group) -> u64) -> Vec<(Vec<&str>, &Group)> {
        let mut groups: Vec<(&str, &Group)> = self.by_key.iter().map(|(key, group)| (&**key, group)).collect();
        groups.sort_by(|a, b| rank(b.1).cmp(&rank(a.1)).then_with(|| a.0.cmp(b.0)));
        groups.into_iter().map(|(key, group)| (key.split('\0').collect(), group)).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn summary(&self, kind: Kind) -> Summary {
        super::table::of(self, kind)
    }
}
