//! What a series counted in each step.

use std::collections::BTreeMap;
use std::io;

use lookback_flow::escape;

use crate::samples::Repeats;

/// Upper bounds of the buckets, in nanoseconds and as they are written: those that Prometheus's client has by default.
pub(crate) const BUCKETS: [(u64, &str); 11] = [
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (500_000_000, "0.5"),
    (1_000_000_000, "1.0"),
    (2_500_000_000, "2.5"),
    (5_000_000_000, "5.0"),
    (10_000_000_000, "10.0"),
];

/// How the last bucket is written.
pub(crate) const INFINITE: &str = "+Inf";

/// Characters of an exemplar's label, name and value together, that the format allows.
const MOST_EXEMPLAR: usize = 128;

/// The label of exemplars.
pub(crate) const TRACE_ID: &str = "traceID";

/// What a row counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub amount: u64,
    pub latency_ns: u64,
    pub time_ns: i64,
    pub trace_id: Option<&'a str>,
}

/// One of the requests that were counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Exemplar {
    pub time_ns: i64,
    pub trace_id: Box<str>,
    pub latency_ns: u64,
}

impl Exemplar {
    fn of(seen: &Seen<'_>) -> Option<Self> {
        let trace_id = escape::terminal(seen.trace_id.filter(|id| !id.is_empty() && id.len() <= MOST_EXEMPLAR)?);
        (trace_id.chars().count() + TRACE_ID.len() <= MOST_EXEMPLAR).then(|| Self {
            time_ns: seen.time_ns,
            trace_id: trace_id.into(),
            latency_ns: seen.latency_ns,
        })
    }
}

/// A count of one kind.
pub(crate) trait Point: Clone + Default {
    /// Lines of a sample.
    const LINES: usize;

    fn see(&mut self, seen: &Seen<'_>);

    /// Adds the counts of another; exemplars are the latest of both.
    fn merge(&mut self, other: &Self);

    /// Takes over another's exemplars, or has none.
    fn show(&mut self, other: Option<&Self>);
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub total: u64,
    pub exemplar: Option<Box<Exemplar>>,
}

impl Point for Count {
    const LINES: usize = 1;

    fn see(&mut self, seen: &Seen<'_>) {
        self.total = self.total.saturating_add(seen.amount);
        if seen.trace_id.is_some() {
            self.exemplar = self.exemplar.take().max(Exemplar::of(seen).map(Box::new));
        }
    }

    fn merge(&mut self, other: &Self) {
        self.total = self.total.saturating_add(other.total);
        if self.exemplar < other.exemplar {
            self.exemplar.clone_from(&other.exemplar);
        }
    }

    fn show(&mut self, other: Option<&Self>) {
        self.exemplar = other.and_then(|other| other.exemplar.clone());
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Histogram {
    /// Not added up; the last one is that of all that is slower.
    pub buckets: [u64; BUCKETS.len() + 1],
    pub sum_ns: u128,
    /// By bucket.
    pub exemplars: Option<Box<[Option<Exemplar>; BUCKETS.len() + 1]>>,
}

impl Histogram {
    pub(crate) fn total(&self) -> u64 {
        self.buckets.iter().fold(0, |total, count| total.saturating_add(*count))
    }
}

impl Point for Histogram {
    const LINES: usize = BUCKETS.len() + 3;

    fn see(&mut self, seen: &Seen<'_>) {
        let at = BUCKETS.iter().position(|(bound, _)| seen.latency_ns <= *bound).unwrap_or(BUCKETS.len());
        if let Some(count) = self.buckets.get_mut(at) {
            *count = count.saturating_add(seen.amount);
        }
        self.sum_ns += u128::from(seen.latency_ns);
        if let Some(exemplar) = seen.trace_id.and_then(|_| Exemplar::of(seen))
            && let Some(slot) = self.exemplars.get_or_insert_default().get_mut(at)
        {
            *slot = slot.take().max(Some(exemplar));
        }
    }

    fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine = mine.saturating_add(*theirs);
        }
        self.sum_ns += other.sum_ns;
        if let Some(theirs) = &other.exemplars {
            let mine = self.exemplars.get_or_insert_default();
            for (mine, theirs) in mine.iter_mut().zip(theirs.iter()) {
                if *mine < *theirs {
                    mine.clone_from(theirs);
                }
            }
        }
    }

    fn show(&mut self, other: Option<&Self>) {
        self.exemplars = other.and_then(|other| other.exemplars.clone());
    }
}

/// The steps in which a series changed. Rows come nearly in order of time, so that the step at hand stands apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Points<P> {
    now: Option<(i64, P)>,
    others: BTreeMap<i64, P>,
}

impl<P: Point> Points<P> {
    /// The count of a step; `None` if it would be a new one and there is no room for its lines.
    pub(crate) fn at(&mut self, step: i64, room: &mut usize) -> Option<&mut P> {
        if self.now.as_ref().is_none_or(|(now, _)| *now != step) {
            let known = self.others.remove(&step);
            if known.is_none() {
                *room = room.checked_sub(P::LINES)?;
            }
            let before = self.now.replace((step, known.unwrap_or_default()));
            self.others.extend(before);
        }
        self.now.as_mut().map(|(_, point)| point)
    }

    pub(crate) fn steps(&self) -> usize {
        self.others.len() + usize::from(self.now.is_some())
    }

    /// The steps in which it changed, in order.
    pub(crate) fn changes(&self) -> Vec<i64> {
        self.sorted().into_iter().map(|(step, _)| step).collect()
    }

    /// Gives all samples in order of time: a step, all that was counted until its end, and the exemplars of the step.
    pub(crate) fn samples(&self, repeats: Repeats, mut each: impl FnMut(i64, &P) -> io::Result<()>) -> io::Result<()> {
        let mut total = P::default();
        let points = self.sorted();
        let mut changes = points.iter();
        for (step, is_change) in repeats.steps(self.changes()) {
            let point = is_change.then(|| changes.next()).flatten().map(|(_, point)| *point);
            point.into_iter().for_each(|point| total.merge(point));
            total.show(point);
            each(step, &total)?;
        }
        Ok(())
    }

    /// The steps and their counts, in order.
    pub(crate) fn sorted(&self) -> Vec<(i64, &P)> {
        let now = self.now.iter().map(|(step, point)| (*step, point));
        let mut all: Vec<_> = self.others.iter().map(|(step, point)| (*step, point)).chain(now).collect();
        all.sort_unstable_by_key(|(step, _)| *step);
        all
    }
}
