//! Which rows are shown, in which order: their places, times and classes.
//!
//! Rows come in nearly the order of time. What comes in order is appended; what comes late is put aside and merged in once it
//! is worth it, so that growing costs no more than sorting does.

use super::class::{Class, FAILED};
use super::part::RowRef;

/// A row on its way into an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Without a time, the end of time.
    pub time: i64,
    pub place: RowRef,
    pub class: u8,
}

/// Rows without a time come last.
pub const NO_TIME: i64 = i64::MAX;

/// What can be jumped to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Drop,
    Error,
    Loss,
    /// A minute or more in which nothing was seen.
    Gap,
}

/// Nanoseconds without any event that count as a gap.
pub const GAP: i64 = 60_000_000_000;

#[derive(Debug, Default)]
pub struct Index {
    times: Vec<i64>,
    places: Vec<RowRef>,
    classes: Vec<u8>,
    late: Vec<Entry>,
    /// Another order of the same rows, by their numbers.
    order: Option<Vec<u32>>,
}

impl Index {
    /// Makes room, so that growing need not copy.
    pub fn reserve(&mut self, rows: usize) {
        let more = rows.saturating_sub(self.places.len());
        self.times.reserve_exact(more);
        self.places.reserve_exact(more);
        self.classes.reserve_exact(more);
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// How many there are with those that were put aside.
    #[must_use]
    pub fn known(&self) -> usize {
        self.places.len() + self.late.len()
    }

    /// Adds rows; they are sorted here.
    pub fn add(&mut self, mut entries: Vec<Entry>) {
        entries.sort_unstable();
        let last = self.times.last().copied().unwrap_or(i64::MIN);
        let split = entries.partition_point(|entry| entry.time < last);
        self.late.extend(entries.drain(..split));
        for entry in entries {
            self.push(entry);
        }
        if self.late.len() > 4096 && self.late.len() > self.places.len() / 4 {
            self.merge();
        }
    }

    fn push(&mut self, entry: Entry) {
        self.times.push(entry.time);
        self.places.push(entry.place);
        self.classes.push(entry.class);
    }

    /// Puts what came late in its place.
    pub fn merge(&mut self) {
        if self.late.is_empty() {
            return;
        }
        let mut late = std::mem::take(&mut self.late);
        late.sort_unstable();
        let old = self.places.len();
        let none = Entry { time: 0, place: RowRef(0), class: 0 };
        late.iter().for_each(|_| self.push(none));
        // From the end on, so that nothing is written over that is still to be moved.
        let (mut from, mut to) = (old, self.places.len());
        while let Some(entry) = late.last().copied() {
            to -= 1;
            let own = from.checked_sub(1).and_then(|at| self.entry(at)).filter(|own| *own > entry);
            let next = match own {
                Some(own) => {
                    from -= 1;
                    own
                }
                None => {
                    late.pop();
                    entry
                }
            };
            self.set(to, next);
        }
    }

    fn entry(&self, at: usize) -> Option<Entry> {
        Some(Entry { time: *self.times.get(at)?, place: *self.places.get(at)?, class: *self.classes.get(at)? })
    }

    fn set(&mut self, at: usize, entry: Entry) {
        if let (Some(time), Some(place), Some(class)) =
            (self.times.get_mut(at), self.places.get_mut(at), self.classes.get_mut(at))
        {
            (*time, *place, *class) = (entry.time, entry.place, entry.class);
        }
    }

    /// Shows the rows in another order; `None` for that of time.
    pub fn order(&mut self, order: Option<Vec<u32>>) {
        self.order = order;
    }

    /// The number in the order of time of a row that is shown at a place.
    fn number(&self, at: usize, is_reversed: bool) -> Option<usize> {
        let at = if is_reversed { self.places.len().checked_sub(at + 1)? } else { at };
        match &self.order {
            Some(order) => usize::try_from(*order.get(at)?).ok(),
            None => Some(at),
        }
    }

    /// The row that is shown at a place.
    #[must_use]
    pub fn shown(&self, at: usize, is_reversed: bool) -> Option<Entry> {
        self.entry(self.number(at, is_reversed)?)
    }

    /// Where a row is shown.
    #[must_use]
    pub fn position(&self, time: Option<i64>, place: RowRef, is_reversed: bool) -> Option<usize> {
        let time = time.unwrap_or(NO_TIME);
        let from = self.times.partition_point(|own| *own < time);
        let to = self.times.partition_point(|own| *own <= time);
        let number = (from..to).find(|at| self.places.get(*at) == Some(&place))?;
        let at = match &self.order {
            Some(order) => order.iter().position(|own| usize::try_from(*own) == Ok(number))?,
            None => number,
        };
        if is_reversed { self.places.len().checked_sub(at + 1) } else { Some(at) }
    }

    /// Where the first row from a time on is shown, in the order of time.
    #[must_use]
    pub fn at_time(&self, time: i64, is_reversed: bool) -> usize {
        let at = self.times.partition_point(|own| *own < time).min(self.len().saturating_sub(1));
        if is_reversed { self.len().saturating_sub(at + 1) } else { at }
    }

    /// The next row of a kind behind a place, or the one before it.
    #[must_use]
    pub fn jump(&self, from: usize, target: Target, forward: bool, is_reversed: bool) -> Option<usize> {
        let is_hit = |at: usize| {
            let Some(entry) = self.shown(at, is_reversed) else { return false };
            let class = Class::of_byte(entry.class);
            match target {
                Target::Drop => class == Class::Dropped,
                Target::Error => class == Class::Warned || entry.class & FAILED != 0,
                Target::Loss => class == Class::Lost,
                Target::Gap => {
                    // The row behind the gap, whichever way they are shown.
                    let before = if is_reversed { at.checked_add(1) } else { at.checked_sub(1) };
                    let before = before.and_then(|at| self.shown(at, is_reversed));
                    before.is_some_and(|before| entry.time != NO_TIME && entry.time.saturating_sub(before.time) >= GAP)
                }
            }
        };
        if target == Target::Gap && self.order.is_some() {
            return None;
        }
        if forward { (from + 1..self.len()).find(|at| is_hit(*at)) } else { (0..from).rev().find(|at| is_hit(*at)) }
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.places.capacity() * 17
            + self.late.capacity() * 24
            + self.order.as_ref().map_or(0, |order| order.capacity() * 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(time: i64, row: usize, class: u8) -> Entry {
        Entry { time, place: RowRef::new(0, row), class }
    }

    #[test]
    fn whatever_comes_late_stands_in_its_place() {
        let mut index = Index::default();
        index.add(vec![entry(5, 0, 0), entry(9, 1, 1)]);
        index.add(vec![entry(1, 2, 0), entry(7, 3, 0), entry(9, 4, 0), entry(12, 5, 1)]);
        index.merge();
        let times: Vec<i64> = (0..index.len()).map(|at| index.shown(at, false).unwrap().time).collect();
        assert_eq!(times, [1, 5, 7, 9, 9, 12]);
        for at in 0..index.len() {
            let shown = index.shown(at, false).unwrap();
            assert_eq!(index.position(Some(shown.time), shown.place, false), Some(at));
            assert_eq!(index.position(Some(shown.time), shown.place, true), Some(5 - at));
        }
    }

    #[test]
    fn jumps_go_to_the_next_and_the_one_before() {
        let mut index = Index::default();
        let drop = Class::Dropped as u8;
        index.add(vec![
            entry(0, 0, 0),
            entry(1, 1, drop),
            entry(2, 2, FAILED),
            entry(3, 3, Class::Lost as u8),
            entry(3 + GAP, 4, drop),
        ]);
        let jump = |from, target, forward| index.jump(from, target, forward, false);
        assert_eq!(jump(0, Target::Drop, true), Some(1));
        assert_eq!(jump(1, Target::Drop, true), Some(4));
        assert_eq!(jump(4, Target::Drop, false), Some(1));
        assert_eq!(jump(1, Target::Drop, false), None);
        assert_eq!(jump(0, Target::Error, true), Some(2));
        assert_eq!(jump(0, Target::Loss, true), Some(3));
        assert_eq!(jump(0, Target::Gap, true), Some(4));
        assert_eq!(index.jump(4, Target::Gap, false, true), Some(0), "newest first, the row behind the gap is first");
    }
}
