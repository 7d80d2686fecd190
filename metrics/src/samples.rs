//! Where the samples of a series stand (see the crate's own text).

/// A series that has rested this long is written again: Prometheus forgets one after five minutes.
const REST_NS: i64 = 4 * 60 * 1_000_000_000;

/// When samples are to be repeated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repeats {
    /// The last step of the data.
    pub last: i64,
    /// Steps between two of them; `None`: never.
    pub every: Option<i64>,
}

impl Repeats {
    pub(crate) const fn new(last: i64, step_ns: i64) -> Self {
        let every = REST_NS / step_ns;
        Self { last, every: Some(if every < 1 { 1 } else { every }) }
    }

    /// The steps of the samples of a series that changed in these, sorted ones; with each, whether it changed in it.
    pub(crate) fn steps(self, changes: impl IntoIterator<Item = i64>) -> impl Iterator<Item = (i64, bool)> {
        let mut before: Option<i64> = None;
        let shown = changes.into_iter().flat_map(move |step| {
            let rests = self.rests(before, step - 1);
            // The value before, so that the change is seen to be in this step alone.
            let last = before.is_none_or(|before| before < step - 1).then_some(step - 1);
            before = Some(step);
            rests.chain(last).map(|step| (step, false)).chain([(step, true)])
        });
        // What comes after the last change is known when all changes have been.
        Tail { shown, repeats: self, at: None, is_over: false }
    }

    /// Steps between two others.
    fn rests(self, from: Option<i64>, to: i64) -> impl Iterator<Item = i64> {
        let every = self.every.unwrap_or(i64::MAX);
        std::iter::successors(from.and_then(|from| from.checked_add(every)), move |step| step.checked_add(every))
            .take_while(move |step| *step < to)
    }

    /// How many samples there are.
    pub(crate) fn count(self, changes: impl IntoIterator<Item = i64>) -> u64 {
        let every = self.every.unwrap_or(i64::MAX);
        let rests = |from: i64, to: i64| (to - from - 1).max(0).cast_unsigned() / every.cast_unsigned();
        let mut before = None;
        let mut count = 0;
        for step in changes {
            count += 2 + before.map_or(0, |before| rests(before, step - 1));
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
    is_over: bool,
}

impl<I: Iterator<Item = (i64, bool)>> Iterator for Tail<I> {
    type Item = (i64, bool);

    fn next(&mut self) -> Option<(i64, bool)> {
        if !self.is_over {
            if let Some((step, is_change)) = self.shown.next() {
                self.at = Some(step);
                return Some((step, is_change));
            }
            self.is_over = true;
        }
        let every = self.repeats.every?;
        let at = self.at.filter(|at| *at < self.repeats.last)?;
        let next = at.saturating_add(every).min(self.repeats.last);
        self.at = Some(next);
        Some((next, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(changes: &[i64], last: i64, every: Option<i64>) -> Vec<(i64, bool)> {
        let repeats = Repeats { last, every };
        let steps: Vec<_> = repeats.steps(changes.to_vec()).collect();
        assert!(repeats.count(changes.to_vec()) >= steps.len() as u64);
        steps
    }

    #[test]
    fn a_change_stands_between_the_value_before_and_its_own() {
        assert_eq!(steps(&[5], 5, Some(4)), [(4, false), (5, true)]);
        assert_eq!(steps(&[5, 6, 8], 8, Some(4)), [(4, false), (5, true), (6, true), (7, false), (8, true)]);
        assert_eq!(steps(&[], 8, Some(4)), []);
    }

    #[test]
    fn rests_are_drawn_on() {
        assert_eq!(
            steps(&[0, 10], 19, Some(4)),
            [
                (-1, false),
                (0, true),
                (4, false),
                (8, false),
                (9, false),
                (10, true),
                (14, false),
                (18, false),
                (19, false)
            ]
        );
        assert_eq!(steps(&[0, 10], 19, None), [(-1, false), (0, true), (9, false), (10, true)]);
    }

    #[test]
    fn a_step_longer_than_the_rest_repeats_each_time() {
        assert_eq!(Repeats::new(9, 60_000_000_000).every, Some(4));
        assert_eq!(Repeats::new(9, 600_000_000_000).every, Some(1));
    }
}
