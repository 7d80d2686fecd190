//! The series of one metric.

use std::collections::HashMap;

use lookback_flow::dictionary::hasher;

use crate::handlers::Spec;
use crate::points::{Count, Histogram, Point, Points, Seen};
use crate::texts::Texts;

/// Series of one metric.
const MOST_SERIES: usize = 200_000;

/// Stands for a series that there was no room for.
pub(crate) const NONE: usize = usize::MAX;

#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub spec: &'static Spec,
    /// Names of the labels, sorted.
    pub labels: Vec<&'static str>,
    /// For each label its place among the values that a handler gives.
    places: Vec<usize>,
    /// Numbers of the labels' texts, in the order of `labels`.
    series: HashMap<Box<[u32]>, usize, ahash::RandomState>,
    pub points: Store,
    /// What was counted beyond the bounds.
    pub left_out: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum Store {
    Counts(Vec<Points<Count>>),
    Histograms(Vec<Points<Histogram>>),
}

impl Family {
    /// Without series; values will come in the order of these labels.
    pub(crate) fn new(spec: &'static Spec, labels: &[&'static str]) -> Self {
        let mut sorted: Vec<_> = labels.iter().copied().zip(0..).collect();
        sorted.sort_unstable();
        let (labels, places) = sorted.into_iter().unzip();
        let points = if spec.is_histogram() { Store::Histograms(Vec::new()) } else { Store::Counts(Vec::new()) };
        Self { spec, labels, places, series: HashMap::with_hasher(hasher()), points, left_out: 0 }
    }

    /// The series of these values, or [`NONE`].
    pub(crate) fn number(&mut self, values: &[String], texts: &mut Texts) -> usize {
        let value = |place: &usize| texts.number(values.get(*place).map_or("", String::as_str));
        match self.places.iter().map(value).collect::<Option<Box<[u32]>>>() {
            Some(key) => self.number_of(key),
            None => NONE,
        }
    }

    fn number_of(&mut self, key: Box<[u32]>) -> usize {
        if let Some(number) = self.series.get(&key) {
            return *number;
        }
        let number = self.series.len();
        if number == MOST_SERIES {
            return NONE;
        }
        self.series.insert(key, number);
        match &mut self.points {
            Store::Counts(points) => points.push(Points::default()),
            Store::Histograms(points) => points.push(Points::default()),
        }
        number
    }

    #[inline]
    pub(crate) fn see(&mut self, series: usize, step: i64, seen: &Seen<'_>, room: &mut usize) {
        let is_counted = match &mut self.points {
            Store::Counts(points) => see(points, series, step, seen, room),
            Store::Histograms(points) => see(points, series, step, seen, room),
        };
        if !is_counted {
            self.left_out = self.left_out.saturating_add(seen.amount);
        }
    }

    /// Takes the counts of another family of the same settings, whose texts have these numbers here.
    pub(crate) fn merge(&mut self, other: &Self, numbers: &[Option<u32>], room: &mut usize) {
        self.left_out = self.left_out.saturating_add(other.left_out);
        for (key, theirs) in &other.series {
            let number = |text: &u32| usize::try_from(*text).ok().and_then(|at| numbers.get(at).copied().flatten());
            let mine = key.iter().map(number).collect::<Option<_>>().map_or(NONE, |key| self.number_of(key));
            let left_out = match (&mut self.points, &other.points) {
                (Store::Counts(into), Store::Counts(from)) => {
                    merge(into.get_mut(mine), from.get(*theirs), room, |p| p.total)
                }
                (Store::Histograms(into), Store::Histograms(from)) => {
                    merge(into.get_mut(mine), from.get(*theirs), room, Histogram::total)
                }
                _ => 0,
            };
            self.left_out = self.left_out.saturating_add(left_out);
        }
    }

    /// Texts of the labels and number of each series that counted something, sorted by the texts.
    pub(crate) fn sorted<'a>(&self, texts: &'a Texts) -> Vec<(Vec<&'a str>, usize)> {
        let counted = self.series.iter().filter(|(_, number)| self.has_points(**number));
        let texts_of = |key: &[u32]| key.iter().map(|text| texts.text(*text)).collect();
        let mut all: Vec<_> = counted.map(|(key, number)| (texts_of(key), *number)).collect();
        all.sort_unstable();
        all
    }

    /// How many series counted something.
    pub(crate) fn counted(&self) -> usize {
        (0..self.series.len()).filter(|number| self.has_points(*number)).count()
    }

    fn has_points(&self, number: usize) -> bool {
        match &self.points {
            Store::Counts(points) => points.get(number).is_some_and(|points| points.steps() > 0),
            Store::Histograms(points) => points.get(number).is_some_and(|points| points.steps() > 0),
        }
    }
}

fn see<P: Point>(all: &mut [Points<P>], series: usize, step: i64, seen: &Seen<'_>, room: &mut usize) -> bool {
    match all.get_mut(series).and_then(|points| points.at(step, room)) {
        Some(point) => {
            point.see(seen);
            true
        }
        None => false,
    }
}

/// Adds the points of one series to another's; what there is no room for is told by how much it counted.
fn merge<P: Point>(
    mut into: Option<&mut Points<P>>,
    from: Option<&Points<P>>,
    room: &mut usize,
    total: impl Fn(&P) -> u64,
) -> u64 {
    let mut left_out: u64 = 0;
    for (step, point) in from.map(Points::sorted).unwrap_or_default() {
        match into.as_mut().and_then(|into| into.at(step, room)) {
            Some(mine) => mine.merge(point),
            None => left_out = left_out.saturating_add(total(point)),
        }
    }
    left_out
}
