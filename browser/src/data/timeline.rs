//! Events over time: counts by class in a bounded number of stretches, however long the time.

use super::class::{CLASSES, Class};

/// Most stretches; when time needs more, neighbours are put together.
const MOST: usize = 2048;

/// Nanoseconds of the shortest stretch.
const SHORTEST: i64 = 1_000_000;

/// Counts of stretches of the same length, one after another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// Number of the first stretch since 1970.
    first: i64,
    /// Nanoseconds of a stretch.
    pub width: i64,
    counts: Vec<[u64; CLASSES]>,
    /// First and last moment of an event.
    exact: Option<(i64, i64)>,
    /// Events without a time.
    pub without: u64,
}

/// A bar that is drawn: its time, and how many events of each class it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    pub from: i64,
    /// Not included.
    pub to: i64,
    pub counts: [u64; CLASSES],
}

impl Bar {
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}

impl Timeline {
    /// Counts an event.
    pub fn add(&mut self, time: Option<i64>, class: Class) {
        let Some(time) = time else {
            self.without += 1;
            return;
        };
        self.exact = Some(self.exact.map_or((time, time), |(first, last)| (first.min(time), last.max(time))));
        if self.counts.is_empty() {
            self.width = SHORTEST;
            self.first = time.div_euclid(SHORTEST);
        }
        loop {
            let at = time.div_euclid(self.width);
            let end = self.first + i64::try_from(self.counts.len()).unwrap_or(i64::MAX);
            let span = at.max(end - 1) - at.min(self.first) + 1;
            if span > i64::try_from(MOST).unwrap_or(i64::MAX) {
                self.double();
                continue;
            }
            if at < self.first {
                let missing = usize::try_from(self.first - at).unwrap_or_default();
                self.counts.splice(..0, std::iter::repeat_n([0; CLASSES], missing));
                self.first = at;
            }
            let at = usize::try_from(at - self.first).unwrap_or_default();
            if self.counts.len() <= at {
                self.counts.resize(at + 1, [0; CLASSES]);
            }
            if let Some(count) = self.counts.get_mut(at).and_then(|counts| counts.get_mut(class as usize)) {
                *count += 1;
            }
            return;
        }
    }

    fn double(&mut self) {
        let first = self.first.div_euclid(2);
        let mut counts: Vec<[u64; CLASSES]> = Vec::with_capacity(self.counts.len() / 2 + 1);
        for (number, of) in (self.first..).zip(&self.counts) {
            let at = usize::try_from(number.div_euclid(2) - first).unwrap_or_default();
            if counts.len() <= at {
                counts.resize(at + 1, [0; CLASSES]);
            }
            if let Some(sum) = counts.get_mut(at) {
                sum.iter_mut().zip(of).for_each(|(sum, count)| *sum += count);
            }
        }
        (self.first, self.counts) = (first, counts);
        self.width = self.width.saturating_mul(2);
    }

    /// First and last moment of an event; `None` when nothing was counted.
    #[must_use]
    pub fn span(&self) -> Option<(i64, i64)> {
        self.exact
    }

    /// As many bars as there is room for, over a span or over all there is.
    #[must_use]
    pub fn bars(&self, room: usize, span: Option<(i64, i64)>) -> Vec<Bar> {
        let Some((from, to)) = span.or_else(|| self.span()) else { return Vec::new() };
        let room_i = i64::try_from(room.max(1)).unwrap_or(1);
        let length = (to.saturating_sub(from) / room_i).saturating_add(1);
        let mut bars: Vec<Bar> = (0..room_i)
            .map(|at| {
                let start = from.saturating_add(length.saturating_mul(at));
                Bar { from: start, to: start.saturating_add(length), counts: [0; CLASSES] }
            })
            .collect();
        for (number, counts) in (self.first..).zip(&self.counts) {
            // A stretch that is wider than a bar stands in each that it covers for its first part only.
            let middle = number.saturating_mul(self.width).saturating_add(self.width / 2);
            let at = middle.clamp(from, to).saturating_sub(from).div_euclid(length);
            let bar = usize::try_from(at).ok().and_then(|at| bars.get_mut(at));
            if let Some(bar) = bar {
                bar.counts.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            }
        }
        bars
    }

    /// Everything that was counted.
    #[must_use]
    pub fn totals(&self) -> [u64; CLASSES] {
        self.counts.iter().fold([0; CLASSES], |mut sums, counts| {
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            sums
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_event_is_lost_when_time_grows_either_way() {
        let mut timeline = Timeline::default();
        for at in [0, 5_000_000, -9_000_000_000_000, 3_600_000_000_000_000, 17] {
            timeline.add(Some(at), Class::Dropped);
        }
        timeline.add(None, Class::Lost);
        assert_eq!(timeline.totals(), [0, 5, 0, 0, 0]);
        assert_eq!(timeline.without, 1);
        let (first, last) = timeline.span().unwrap();
        assert!(first <= -9_000_000_000_000 && last >= 3_600_000_000_000_000);
        for room in [1, 7, 80, 200] {
            let bars = timeline.bars(room, None);
            assert_eq!(bars.len(), room);
            assert_eq!(bars.iter().map(Bar::total).sum::<u64>(), 5);
        }
    }

    #[test]
    fn the_farthest_times_there_are_fit() {
        let mut timeline = Timeline::default();
        timeline.add(Some(i64::MIN), Class::Other);
        timeline.add(Some(i64::MAX), Class::Other);
        assert_eq!(timeline.totals()[3], 2);
    }
}
