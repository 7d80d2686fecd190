//! The few names that come in one place.

use super::tape::Value;

/// Names that were met in one place, the last ones, each with what it puts on the tape.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: Vec<(Box<str>, Option<Value>)>,
    next: usize,
}

impl Names {
    const MOST: usize = 16;

    pub(super) fn find(&self, name: &str) -> Option<&Option<Value>> {
        self.known.iter().find(|(known, _)| **known == *name).map(|(_, value)| value)
    }

    pub(super) fn add(&mut self, name: &str, value: Option<Value>) {
        if self.known.len() < Self::MOST {
            self.known.push((name.into(), value));
        } else if let Some(place) = self.known.get_mut(self.next) {
            *place = (name.into(), value);
            self.next = (self.next + 1) % Self::MOST;
        }
    }
}
