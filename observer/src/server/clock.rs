//! What is past and what is still to come, when an archive is replayed.
//!
//! Times are nanoseconds. There is one line of time, on which an archive that is repeated stands again and again; a lap is one
//! of these places. Flows are served with their time on that line, moved by a constant.

use std::time::Duration;

/// How fast an archive is replayed to followed streams.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Speed {
    /// Not at all: everything is past.
    #[default]
    Still,
    /// So many times as fast as it happened.
    Times(f64),
    /// From the beginning, as fast as a client takes it.
    Max,
}

/// How an archive is served.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replay {
    pub speed: Speed,
    /// Longest silence, by the clock on the wall.
    pub max_gap: Option<Duration>,
    /// Moves all times so that a moment of the archive is now.
    pub shift_to_now: bool,
    /// That moment, which is also where a replay begins: nanoseconds since 1970. Without it the end, or the beginning of what
    /// is replayed.
    pub at: Option<i64>,
    /// Begins again at the end, with times that go on.
    pub repeat: bool,
}

/// Where an archive stands on the line of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeline {
    /// Of the archive.
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// From a lap to the next one; `None` if there is but one.
    period: Option<i64>,
    /// Added to times that are served.
    pub(crate) shift: i64,
}

/// Between the last flow of a lap and the first one of the next.
const BREATH: i64 = 1_000_000_000;

impl Timeline {
    pub(crate) fn new(span: Option<(i64, i64)>, replay: &Replay, now: i64) -> Self {
        let (first, last) = span.unwrap_or((now, now));
        let is_replayed = replay.speed != Speed::Still;
        let at = replay.at.unwrap_or(if is_replayed { first } else { last });
        let shift = if replay.shift_to_now { now.saturating_sub(at) } else { 0 };
        let period = (replay.repeat && is_replayed).then(|| (last - first).saturating_add(BREATH));
        Self { first, last, period, shift }
    }

    /// The lap at a moment of the line.
    pub(crate) fn lap(&self, time: i64) -> u64 {
        let since = time.saturating_sub(self.first).max(0);
        self.period.map_or(0, |period| u64::try_from(since / period).unwrap_or_default())
    }

    /// Whether there is another lap after each.
    pub(crate) fn repeats(&self) -> bool {
        self.period.is_some()
    }

    /// How far a lap is from the archive.
    pub(crate) fn offset(&self, lap: u64) -> i64 {
        self.period.map_or(0, |period| period.saturating_mul(i64::try_from(lap).unwrap_or(i64::MAX)))
    }

    /// A time as a request has it, on the line.
    pub(crate) fn of_request(&self, time: i64) -> i64 {
        time.saturating_sub(self.shift)
    }
}

/// A clock that may go faster than that on the wall. Pure: it is told what time it is there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Clock {
    speed: f64,
    max_gap: Option<Duration>,
    /// A moment that both clocks have shown: time on the wall, time on the line.
    anchor: (Duration, i64),
}

impl Clock {
    /// A clock that shows a time when that on the wall shows zero.
    pub(crate) fn new(speed: f64, max_gap: Option<Duration>, start: i64) -> Self {
        Self { speed: speed.max(f64::MIN_POSITIVE), max_gap, anchor: (Duration::ZERO, start) }
    }

    /// What it shows.
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a float saturates as an integer")]
    pub(crate) fn at(&self, wall: Duration) -> i64 {
        let (since, shown) = self.anchor;
        let passed = wall.saturating_sub(since).as_nanos() as f64 * self.speed;
        shown.saturating_add(passed as i64)
    }

    /// When it will show a time, by the clock on the wall.
    #[expect(clippy::cast_precision_loss, reason = "a nanosecond more or less")]
    pub(crate) fn due(&self, time: i64) -> Duration {
        let (since, shown) = self.anchor;
        let ahead = time.saturating_sub(shown).max(0) as f64 / self.speed / 1e9;
        since.saturating_add(Duration::try_from_secs_f64(ahead).unwrap_or(Duration::MAX))
    }

    /// Nothing happens until a time: puts the clock forward if that would be too long a wait.
    pub(crate) fn wait_for(&mut self, wall: Duration, time: i64) -> Duration {
        let due = self.due(time);
        let latest = self.max_gap.map_or(due, |gap| due.min(wall.saturating_add(gap)));
        if latest < due {
            self.anchor = (latest, time);
        }
        latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_fast_clock_shows_more_time() {
        let clock = Clock::new(10.0, None, 5 * SECOND);
        assert_eq!(clock.at(Duration::ZERO), 5 * SECOND);
        assert_eq!(clock.at(seconds(3)), 35 * SECOND);
        assert_eq!(clock.due(35 * SECOND), seconds(3));
        assert_eq!(clock.due(SECOND), Duration::ZERO);
        assert_eq!(clock.due(i64::MAX), clock.due(i64::MAX));
    }

    #[test]
    fn silence_is_shortened_and_time_goes_on_from_there() {
        let mut clock = Clock::new(1.0, Some(seconds(2)), 0);
        assert_eq!(clock.wait_for(seconds(0), SECOND), seconds(1));
        assert_eq!(clock.wait_for(seconds(1), 100 * SECOND), seconds(3));
        assert_eq!(clock.at(seconds(3)), 100 * SECOND);
        assert_eq!(clock.wait_for(seconds(3), 101 * SECOND), seconds(4));
    }

    #[test]
    fn an_archive_is_moved_so_that_a_moment_of_it_is_now() {
        let span = Some((100, 200));
        let shifted = |speed, at| {
            let replay = Replay { speed, at, shift_to_now: true, ..Replay::default() };
            Timeline::new(span, &replay, 1000).shift
        };
        assert_eq!(shifted(Speed::Still, None), 800);
        assert_eq!(shifted(Speed::Times(1.0), None), 900);
        assert_eq!(shifted(Speed::Still, Some(150)), 850);
        assert_eq!(Timeline::new(span, &Replay::default(), 1000).shift, 0);
    }

    #[test]
    fn laps_follow_each_other() {
        let replay = Replay { speed: Speed::Max, repeat: true, ..Replay::default() };
        let line = Timeline::new(Some((100, 100 + SECOND)), &replay, 0);
        assert_eq!(line.offset(3), 6 * SECOND);
        assert_eq!(line.lap(100 + 2 * SECOND - 1), 0);
        assert_eq!(line.lap(100 + 2 * SECOND), 1);
        assert_eq!(line.lap(0), 0);
        assert!(line.repeats());
        let still = Timeline::new(Some((100, 200)), &Replay { repeat: true, ..Replay::default() }, 0);
        assert_eq!((still.lap(i64::MAX), still.offset(7), still.repeats()), (0, 0, false));
    }
}
