//! Where the samples of a series stand (see the crate's own text).

/// A series that has rested this long is written again: Prometheus forgets one after five minutes.
const REST_NS: i64 = 4 * 60 * 1_000_000_000;

/// How samples of a series that rests are repeated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repeats {
    /// The last step of the data.
    last: i64,
    /// Steps between two of them.
    every: i64,
    /// Steps after a change in which there are any.
    longest: i64,
}

impl Repeats {
    pub(crate) const fn new(last: i64, step_ns: i64) -> Self {
        let every = REST_NS / step_ns;
        Self { last, every: if every < 1 { 1 } else { every }, longest: i64::MAX }
    }

    /// Likewise, but only so many steps after a change.
    pub(crate) const fn at_most(self, longest: i64) -> Self {
        Self { longest, ..self }
    }

    pub(crate) const fn last(self) -> i64 {
        self.last
    }

    /// The steps of the samples of a series that changed in these, sorted ones; with each, whether it changed in it.
    pub(crate) fn steps(self, changes: impl IntoIterator<Item = i64>) -> impl Iterator<Item = (i64, bool)> {
        let mut before: Option<i64> = None;
        let shown = changes.into_iter().flat_map(move |step| {
            let rests = before.into_iter().flat_map(move |before| self.rests(before, step - 1));
            // The value before, so that the change is seen to be in this step alone.
            let last = before.is_none_or(|before| before < step - 1).then_some(step - 1);
            before = Some(step);
            rests.chain(last).map(|step| (step, false)).chain([(step, true)])
        });
        // What comes after the last change is known when all changes have been.
        Tail { shown, repeats: self, at: None, end: None }
    }

    /// Where the repeats after a change end.
    const fn end(self, change: i64) -> i64 {
        change.saturating_add(self.longest)
    }

    /// Steps between a change and the next.
    fn rests(self, change: i64, next: i64) -> impl Iterator<Item = i64> {
        std::iter::successors(change.checked_add(self.every), move |step| step.checked_add(self.every))
            .take_while(move |step| *step < next && *step <= self.end(change))
    }

    /// How many samples there are at most.
    pub(crate) fn count(self, changes: impl IntoIterator<Item = i64>) -> u64 {
        let rests = |from: i64, to: i64| ((self.end(from).min(to) - from) / self.every).max(0).cast_unsigned();
        let mut before = None;
        let mut count = 0;
        for step in changes {
            count += 2 + before.map_or(0, |before| rests(before, step));
            before = Some(step);
        }
        count + before.map_or(0, |before| 1 + rests(before, self.last))
    }
}

/// Samples, and after them those of the rest until the end of the data.
struct Tail<I> {
    shown: I,
    repeats: Repeats,
    at: Option<i64>,
    /// Of the last rest, once it is reached.
    end: Option<i64>,
}

impl<I: Iterator<Item = (i64, bool)>> Iterator for Tail<I> {
    type Item = (i64, bool);

    fn next(&mut self) -> Option<(i64, bool)> {
        let end = match self.end {
            Some(end) => end,
            None => match self.shown.next() {
                Some((step, is_change)) => {
                    self.at = Some(step);
                    return Some((step, is_change));
                }
                None => *self.end.insert(self.repeats.end(self.at?).min(self.repeats.last)),
            },
        };
        let next = self.at.filter(|at| *at < end)?.saturating_add(self.repeats.every).min(end);
        self.at = Some(next);
        Some((next, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(changes: &[i64], last: i64, longest: i64) -> Vec<(i64, bool)> {
        let repeats = Repeats { last, every: 4, longest };
        let steps: Vec<_> = repeats.steps(changes.to_vec()).collect();
        assert!(repeats.count(changes.to_vec()) >= steps.len() as u64);
        assert!(steps.windows(2).all(|pair| pair[0].0 < pair[1].0));
        steps
    }

    #[test]
    fn a_change_stands_between_the_value_before_and_its_own() {
        assert_eq!(steps(&[5], 5, i64::MAX), [(4, false), (5, true)]);
        assert_eq!(steps(&[5, 6, 8], 8, i64::MAX), [(4, false), (5, true), (6, true), (7, false), (8, true)]);
        assert_eq!(steps(&[], 8, i64::MAX), []);
    }

    #[test]
    fn rests_are_drawn_on() {
        let first = [(-1, false), (0, true), (4, false), (8, false), (9, false), (10, true)];
        let all = [first.as_slice(), &[(14, false), (18, false), (19, false)]].concat();
        assert_eq!(steps(&[0, 10], 19, i64::MAX), all);
        assert_eq!(steps(&[0, 10], 19, 8), [&first[..], &[(14, false), (18, false)]].concat());
        assert_eq!(
            steps(&[0, 10], 19, 5),
            [(-1, false), (0, true), (4, false), (9, false), (10, true), (14, false), (15, false)]
        );
        assert_eq!(steps(&[0, 10], 19, 0), [(-1, false), (0, true), (9, false), (10, true)]);
        assert_eq!(steps(&[0, i64::MAX / 2], i64::MAX / 2, 4).len(), 5);
    }

    #[test]
    fn a_step_longer_than_the_rest_repeats_each_time() {
        assert_eq!(Repeats::new(9, 60_000_000_000).every, 4);
        assert_eq!(Repeats::new(9, 600_000_000_000).every, 1);
    }
}
