//! What differs between two spans of time.
//!
//! Counts of flows come in bursts, and a map has thousands of edges, so that some will always differ by chance. A change is told
//! when it is too large for chance by a test, and large enough to matter; the rest is counted, so that nothing is hidden.

use std::collections::BTreeMap;

/// What is compared of one thing: an edge, a reason, a name.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seen {
    /// How often it was seen.
    pub count: u64,
    /// How often it could have failed, and did.
    pub tried: u64,
    pub failed: u64,
    /// Median and 95th percentile of its durations, nanoseconds, and how many there are.
    pub p50: Option<u64>,
    pub p95: Option<u64>,
    pub timed: u64,
}

/// Things by name.
pub type Things = BTreeMap<Vec<String>, Seen>;

/// One span of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    pub seconds: f64,
}

/// How a thing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    New,
    MoreErrors,
    Slower,
    More,
    Vanished,
    Fewer,
    FewerErrors,
    Faster,
}

impl Kind {
    /// The kind in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Vanished => "vanished",
            Self::More => "more",
            Self::Fewer => "fewer",
            Self::MoreErrors => "more errors",
            Self::FewerErrors => "fewer errors",
            Self::Slower => "slower",
            Self::Faster => "faster",
        }
    }
}

/// A change.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub kind: Kind,
    pub what: Vec<String>,
    pub before: Seen,
    pub after: Seen,
    /// By how many standard errors, or by what factor of a duration.
    pub score: f64,
    /// Whether chance does not explain it.
    pub is_sure: bool,
}

/// Standard errors beyond which chance is no explanation, with some thousand comparisons in mind.
const SURE: f64 = 4.0;
/// Least factor of a rate or a duration that matters.
const FACTOR: f64 = 1.5;
/// Least difference of a share that matters.
const SHARE: f64 = 0.01;
/// Fewest durations on each side that a percentile is compared with.
const TIMED: u64 = 100;

/// What differs: sure changes first, then by kind and size.
#[must_use]
pub fn changes(before: &Things, after: &Things, spans: (Span, Span)) -> Vec<Change> {
    let none = Seen::default();
    let mut all = Vec::new();
    for what in before.keys().chain(after.keys().filter(|what| !before.contains_key(*what))) {
        let pair = (before.get(what).copied().unwrap_or(none), after.get(what).copied().unwrap_or(none));
        let found = [presence(pair, spans), errors(pair), latency(pair)];
        all.extend(found.into_iter().flatten().map(|(kind, score, is_sure)| Change {
            kind,
            what: what.clone(),
            before: pair.0,
            after: pair.1,
            score,
            is_sure,
        }));
    }
    all.sort_by(|a, b| {
        b.is_sure
            .cmp(&a.is_sure)
            .then_with(|| a.kind.cmp(&b.kind))
            .then_with(|| b.score.total_cmp(&a.score))
            .then_with(|| a.what.cmp(&b.what))
    });
    all
}

type Found = Option<(Kind, f64, bool)>;

/// New, vanished, more or fewer: two counts over two lengths of time, as Poisson counts whose square roots have a variance of a
/// quarter whatever their size (Anscombe).
fn presence((before, after): (Seen, Seen), spans: (Span, Span)) -> Found {
    if before.count == after.count && before.count == 0 {
        return None;
    }
    let length = (spans.1.seconds / spans.0.seconds).clamp(1e-9, 1e9);
    let (one, two) = (number(before.count), number(after.count));
    let root = |count: f64| (count + 0.375).sqrt();
    let score = 2.0 * (root(two) - root(one) * length.sqrt()) / (1.0 + length).sqrt();
    let factor = (two + 0.5) / ((one + 0.5) * length);
    let kind = match (before.count, after.count) {
        (0, _) => Kind::New,
        (_, 0) => Kind::Vanished,
        _ if factor >= FACTOR => Kind::More,
        _ if factor <= 1.0 / FACTOR => Kind::Fewer,
        _ => return None,
    };
    // In a longer span more things are seen: what is new has to be too much for the other span not to have had any.
    let is_sure = match kind {
        Kind::New | Kind::More => score >= SURE,
        _ => score <= -SURE,
    };
    Some((kind, score.abs(), is_sure))
}

/// The share of failures: two proportions, pooled.
fn errors((before, after): (Seen, Seen)) -> Found {
    if before.tried == 0 || after.tried == 0 {
        return None;
    }
    let (n, m) = (number(before.tried), number(after.tried));
    let (one, two) = (number(before.failed) / n, number(after.failed) / m);
    let pooled = (number(before.failed) + number(after.failed)) / (n + m);
    let error = (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt();
    if error <= 0.0 || (two - one).abs() < SHARE {
        return None;
    }
    let score = (two - one) / error;
    // The normal approximation wants some failures and some successes.
    let enough = [before, after].iter().all(|seen| seen.tried >= 10) && before.failed + after.failed >= 5;
    let kind = if score > 0.0 { Kind::MoreErrors } else { Kind::FewerErrors };
    Some((kind, score.abs(), enough && score.abs() >= SURE))
}

/// Durations: the 95th percentile and the median have to agree, where there are enough to tell.
fn latency((before, after): (Seen, Seen)) -> Found {
    let factor = |one: Option<u64>, two: Option<u64>| {
        let (one, two) = (number(one?.max(1)), number(two?.max(1)));
        Some(two / one)
    };
    let (middle, tail) = (factor(before.p50, after.p50)?, factor(before.p95, after.p95)?);
    let kind = match tail {
        tail if tail >= FACTOR => Kind::Slower,
        tail if tail <= 1.0 / FACTOR => Kind::Faster,
        _ => return None,
    };
    let agrees = (middle >= 1.0) == (tail >= 1.0) || (middle - 1.0).abs() < 0.1;
    let enough = before.timed >= TIMED && after.timed >= TIMED;
    Some((kind, tail.max(1.0 / tail), agrees && enough))
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^53, as good as exact")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(before: Seen, after: Seen, seconds: (f64, f64)) -> Vec<(Kind, bool)> {
        let things = |seen: Seen| Things::from([(vec!["a".to_owned()], seen)]);
        let spans = (Span { seconds: seconds.0 }, Span { seconds: seconds.1 });
        changes(&things(before), &things(after), spans).into_iter().map(|own| (own.kind, own.is_sure)).collect()
    }

    fn counted(count: u64) -> Seen {
        Seen { count, ..Seen::default() }
    }

    #[test]
    fn small_numbers_are_quiet() {
        let hour = (3600.0, 3600.0);
        assert_eq!(compare(counted(0), counted(2), hour), [(Kind::New, false)]);
        assert_eq!(compare(counted(0), counted(20), hour), [(Kind::New, true)]);
        assert_eq!(compare(counted(20), counted(0), hour), [(Kind::Vanished, true)]);
        assert_eq!(compare(counted(4), counted(9), hour), [(Kind::More, false)]);
        assert_eq!(compare(counted(400), counted(900), hour), [(Kind::More, true)]);
        assert_eq!(compare(counted(1000), counted(1100), hour), []);
    }

    #[test]
    fn spans_of_other_lengths_are_held_against_their_rates() {
        assert_eq!(compare(counted(100), counted(600), (600.0, 3600.0)), []);
        assert_eq!(compare(counted(600), counted(600), (3600.0, 600.0)), [(Kind::More, true)]);
        // Twenty in an hour are three in ten minutes: that there were none is no news.
        assert_eq!(compare(counted(0), counted(20), (600.0, 3600.0)), [(Kind::New, false)]);
    }

    #[test]
    fn shares_and_durations_want_numbers() {
        let seen = |tried, failed| Seen { count: tried, tried, failed, ..Seen::default() };
        let hour = (3600.0, 3600.0);
        assert_eq!(compare(seen(10, 0), seen(10, 2), hour), [(Kind::MoreErrors, false)]);
        assert_eq!(compare(seen(1000, 10), seen(1000, 60), hour), [(Kind::MoreErrors, true)]);
        assert_eq!(compare(seen(1000, 60), seen(1000, 10), hour), [(Kind::FewerErrors, true)]);
        assert_eq!(compare(seen(1000, 10), seen(1000, 12), hour), []);
        let timed = |p50, p95, timed| Seen { count: timed, p50: Some(p50), p95: Some(p95), timed, ..Seen::default() };
        assert_eq!(compare(timed(10, 20, 1000), timed(15, 60, 1000), hour), [(Kind::Slower, true)]);
        assert_eq!(compare(timed(10, 20, 10), timed(15, 60, 10), hour), [(Kind::Slower, false)]);
        assert_eq!(
            compare(timed(10, 20, 1000), timed(5, 60, 1000), hour),
            [(Kind::Slower, false)],
            "one says slower, one faster"
        );
    }
}
