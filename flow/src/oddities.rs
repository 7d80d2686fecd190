//! What a log holds that this version does not know: told once each, never a reason to stop.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Unknown and mistyped things, by place, with how often each was met.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Oddities {
    /// Fields that no known version has, by path.
    pub unknown_fields: BTreeMap<String, u64>,
    /// Enum values that no known version has, as `path=value`.
    pub unknown_values: BTreeMap<String, u64>,
    /// Fields whose value has another type than any known version writes, or is out of range, by path.
    pub mistyped: BTreeMap<String, u64>,
    /// How many were met after the lists were full.
    pub more: u64,
}

/// Most places that one list names; a hostile log could otherwise fill memory with names.
const MOST: usize = 100;

/// Longest name that is kept whole.
const LONGEST: usize = 200;

impl Oddities {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.unknown_fields.is_empty() && self.unknown_values.is_empty() && self.mistyped.is_empty() && self.more == 0
    }

    pub(crate) fn unknown_field(&mut self, path: &str, key: &str) {
        count(&mut self.unknown_fields, &mut self.more, place(path, key), 1);
    }

    pub(crate) fn unknown_value(&mut self, path: &str, field: &str, value: &str) {
        count(&mut self.unknown_values, &mut self.more, format!("{}={value}", place(path, field)), 1);
    }

    pub(crate) fn mistyped(&mut self, path: &str, field: &str) {
        count(&mut self.mistyped, &mut self.more, place(path, field), 1);
    }

    /// Adds what another decoder met.
    pub fn merge(&mut self, other: Self) {
        for (key, times) in other.unknown_fields {
            count(&mut self.unknown_fields, &mut self.more, key, times);
        }
        for (key, times) in other.unknown_values {
            count(&mut self.unknown_values, &mut self.more, key, times);
        }
        for (key, times) in other.mistyped {
            count(&mut self.mistyped, &mut self.more, key, times);
        }
        self.more += other.more;
    }
}

fn place(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn count(map: &mut BTreeMap<String, u64>, more: &mut u64, mut key: String, times: u64) {
    if let Some((end, _)) = key.char_indices().nth(LONGEST) {
        key.truncate(end);
        key.push('…');
    }
    if let Some(seen) = map.get_mut(&key) {
        *seen += times;
    } else if map.len() < MOST {
        map.insert(key, times);
    } else {
        *more += times;
    }
}
