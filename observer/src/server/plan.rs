//! What a stream sends, lap by lap: decided once, before the first message.

use std::sync::Arc;

use super::clock::Timeline;
use super::last;
use super::merge::{Merge, Place};
use super::selection::{Amount, Selection, UNTIMED};
use super::store::{Store, StoreError};

/// What is to be sent.
pub(crate) struct Plan {
    store: Arc<Store>,
    selection: Arc<Selection>,
    timeline: Timeline,
    /// The lap that is being read, and where reading began, in the archive's own time.
    lap: u64,
    from: Place,
    /// The last moment that is asked for, on the line of time.
    until: i64,
    /// What was past when the stream began; nothing later is sent, unless it is followed.
    past: i64,
    /// Counted messages that come before those that are wanted, at the very beginning.
    pub(crate) too_many: u64,
    /// Counted messages that may still be sent, of a request for the first ones; the last ones end by themselves.
    pub(crate) left: u64,
    /// Whether what happens later is sent, too.
    pub(crate) follow: bool,
}

/// What is past when a stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Past {
    /// The last moment that is past, on the line of time.
    pub(crate) until: i64,
    /// Where a stream begins that is followed, and asks for nothing of the past; `None`: at what comes next.
    pub(crate) replay_from: Option<i64>,
}

impl Plan {
    /// Reads as much as is needed to know where to begin.
    pub(crate) fn new(
        store: Arc<Store>,
        selection: Arc<Selection>,
        timeline: Timeline,
        past: Past,
    ) -> Result<Self, StoreError> {
        let since = selection.since.map(|time| timeline.of_request(time));
        // What has no time is in no span of time.
        let latest = if since.is_some() { UNTIMED - 1 } else { UNTIMED };
        let until = selection.until.map_or(latest, |time| timeline.of_request(time).min(latest));
        let beginning = since.unwrap_or(0).max(0);
        let mut plan = Self {
            lap: if since.is_some() { timeline.lap(beginning) } else { 0 },
            from: Place { time: beginning, passed: 0 },
            until,
            past: past.until,
            too_many: 0,
            left: u64::MAX,
            follow: selection.follow,
            store,
            selection,
            timeline,
        };
        plan.from.time = beginning.saturating_sub(timeline.offset(plan.lap)).max(0);
        match plan.selection.amount {
            Amount::First(number) => plan.left = number,
            Amount::Last(number) => plan.rewind(number)?,
            Amount::All if plan.follow && since.is_none() => match past.replay_from {
                Some(from) => plan.from.time = from,
                None if past.until == UNTIMED => plan.from.time = UNTIMED,
                None => {
                    plan.lap = timeline.lap(past.until);
                    plan.from.time = past.until.saturating_sub(timeline.offset(plan.lap)).saturating_add(1);
                }
            },
            Amount::All => {}
        }
        if plan.from.time == UNTIMED && plan.follow {
            // Everything is past.
            plan.until = plan.until.min(UNTIMED - 1);
        }
        Ok(plan)
    }

    /// Goes back by so many counted messages, over as many laps as there are.
    fn rewind(&mut self, number: u64) -> Result<(), StoreError> {
        let (first_lap, beginning) = (self.lap, self.from);
        let mut wanted = number;
        let until = self.until.min(self.past);
        let last_lap = if until >= UNTIMED - 1 { first_lap } else { self.timeline.lap(until) };
        for lap in (first_lap..=last_lap).rev() {
            let since = if lap == first_lap { beginning.time } else { 0 };
            let window = (since, self.end(lap, self.past));
            match last::start(&self.store, &self.selection, window, wanted)? {
                Ok((from, too_many)) => {
                    (self.lap, self.from, self.too_many) = (lap, from, too_many);
                    break;
                }
                Err(found) => wanted -= found.min(wanted),
            }
        }
        Ok(())
    }

    /// A moment on the line in the time of a lap's archive.
    fn in_lap(&self, time: i64, lap: u64) -> i64 {
        if time == UNTIMED { UNTIMED } else { time.saturating_sub(self.timeline.offset(lap)) }
    }

    /// The last moment of a lap that is asked for and past, in the archive's own time.
    fn end(&self, lap: u64, past: i64) -> i64 {
        let until = if self.until >= UNTIMED - 1 { self.until } else { self.in_lap(self.until, lap) };
        until.min(self.past_of(lap, past))
    }

    /// What of a lap is past, in the archive's own time: with its last moment all that has no time, too.
    fn past_of(&self, lap: u64, past: i64) -> i64 {
        let past = self.in_lap(past, lap);
        if past > self.timeline.last { UNTIMED } else { past }
    }

    /// What of this lap is past, in the archive's own time.
    pub(crate) fn visible(&self, past: i64) -> i64 {
        self.past_of(self.lap, past)
    }

    /// The messages of the lap, from where reading stopped.
    pub(crate) fn merge(&self) -> Merge {
        let shift = self.timeline.shift.saturating_add(self.timeline.offset(self.lap));
        let end = self.end(self.lap, if self.follow { UNTIMED } else { self.past });
        let number = self.left.saturating_add(self.too_many);
        Merge::new(&self.store, &self.selection, self.from, end, shift, number)
    }

    /// A time of the lap on the line.
    pub(crate) fn on_line(&self, time: i64) -> i64 {
        if time == UNTIMED {
            // What has no time comes when all else has come.
            return self.timeline.last.saturating_add(self.timeline.offset(self.lap)).saturating_add(1);
        }
        time.saturating_add(self.timeline.offset(self.lap))
    }

    /// Goes on from a place, when it is read again.
    pub(crate) fn go_on(&mut self, from: Place) {
        self.from = from;
    }

    /// Whether something has happened that is later than what is asked for, or nothing later is wanted.
    pub(crate) fn is_ended(&self, past: i64) -> bool {
        let happened = if past == UNTIMED { self.timeline.last } else { past };
        !self.follow || happened > self.until
    }

    /// Goes to the next lap, if there is one that is asked for.
    pub(crate) fn next_lap(&mut self, past: i64) -> bool {
        let begins = self.timeline.first.saturating_add(self.timeline.offset(self.lap + 1));
        // Where all is past there is no more than one, but for who follows.
        let is_there = self.follow || (past != UNTIMED && begins <= past);
        if !self.timeline.repeats() || !is_there || begins > self.until {
            return false;
        }
        self.lap += 1;
        self.from = Place { time: 0, passed: 0 };
        true
    }
}
