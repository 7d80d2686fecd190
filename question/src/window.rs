//! Moments and spans of time as people give them: Go's durations as the hubble CLI reads them, and days.

use lookback_flow::time::parse_rfc3339;

use crate::{QuestionError, Result};

/// Which time a question is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub since: Option<String>,
    pub until: Option<String>,
    pub last: Option<String>,
}

impl Asked {
    /// First and last moment, both inclusive: `first` and `last` are those of the data, and spans count back from `end`.
    pub fn window(&self, first: i64, last: i64, end: i64) -> Result<(i64, i64)> {
        let since = match (&self.since, &self.last) {
            (Some(_), Some(_)) => return Err(QuestionError::SinceAndLast),
            (Some(since), None) => Some(flag("--since", moment(since, end))?),
            (None, Some(span)) => Some(end.saturating_sub(flag("--last", duration(span))?)),
            (None, None) => None,
        };
        let until = self.until.as_deref().map(|until| flag("--until", moment(until, end))).transpose()?;
        Ok(match (since, until) {
            (Some(since), Some(until)) if since > until => {
                let from = match (&self.since, &self.last) {
                    (Some(since), _) => format!("--since {since}"),
                    (None, last) => format!("--last {}", last.as_deref().unwrap_or_default()),
                };
                return Err(QuestionError::Backwards { from, until: self.until.clone().unwrap_or_default() });
            }
            // Behind the data or before it: a window without flows, and still one that ends after it begins.
            (Some(since), None) => (since, last.max(since)),
            (None, Some(until)) => (first.min(until), until),
            (since, until) => (since.unwrap_or(first), until.unwrap_or(last)),
        })
    }

    /// Finds what cannot be read, before there are data to count back from.
    pub fn check(&self) -> Result<()> {
        for alone in [
            Self { since: self.since.clone(), ..Self::default() },
            Self { until: self.until.clone(), ..Self::default() },
            Self { last: self.last.clone(), ..Self::default() },
        ] {
            alone.window(0, 0, 0)?;
        }
        Ok(())
    }
}

/// Names the flag whose value is wrong.
fn flag<T>(name: &'static str, value: Result<T>) -> Result<T> {
    value.map_err(|error| QuestionError::Flag { name, error: Box::new(error) })
}

/// A moment: RFC 3339, a date, or a span before the end.
fn moment(text: &str, end: i64) -> Result<i64> {
    if let Some(nanos) = parse_rfc3339(text).or_else(|| parse_rfc3339(&format!("{text}T00:00:00Z"))) {
        return Ok(nanos);
    }
    let span = duration(text).map_err(|_| QuestionError::Moment { text: text.to_owned() })?;
    Ok(end.saturating_sub(span))
}

/// A span in nanoseconds: Go's durations (`1h30m`, `1.5s`, `300ms`) and days (`2d`).
pub fn duration(text: &str) -> Result<i64> {
    const UNITS: &[(&str, f64)] =
        &[("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9), ("d", 86_400e9)];
    let bad = || QuestionError::Duration { text: text.to_owned() };
    let mut rest = text;
    let mut total = 0f64;
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let number: f64 = rest.get(..digits).and_then(|number| number.parse().ok()).ok_or_else(bad)?;
        rest = rest.get(digits..).ok_or_else(bad)?;
        let letters = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = rest.get(..letters).ok_or_else(bad)?;
        let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?;
        total += number * nanos;
        rest = rest.get(letters..).ok_or_else(bad)?;
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded just before")]
    if total < 9e18 { Ok(total.round() as i64) } else { Err(bad()) }
}

/// A span as people read it: `1h 30m`, `12.3ms`.
#[must_use]
pub fn human_span(nanos: i64) -> String {
    let magnitude = nanos.unsigned_abs();
    let sign = if nanos < 0 { "-" } else { "" };
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let digits = |unit: u64| magnitude as f64 / unit as f64;
    match magnitude {
        0..1_000 => format!("{sign}{magnitude}ns"),
        1_000..1_000_000 => format!("{sign}{:.3}µs", digits(1_000)),
        1_000_000..1_000_000_000 => format!("{sign}{:.3}ms", digits(1_000_000)),
        1_000_000_000..60_000_000_000 => format!("{sign}{:.3}s", digits(1_000_000_000)),
        _ => {
            let seconds = magnitude / 1_000_000_000;
            let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
            match (days, hours) {
                (0, 0) => format!("{sign}{minutes}m {}s", seconds % 60),
                (0, _) => format!("{sign}{hours}h {minutes}m"),
                _ => format!("{sign}{days}d {hours}h"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_go_reads_them_and_days() {
        for (text, nanos) in [
            ("5m", 300_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("1.5s", 1_500_000_000),
            ("300ms", 300_000_000),
            ("2d", 172_800_000_000_000),
            ("0", 0),
            ("7us", 7_000),
        ] {
            assert_eq!(duration(text).unwrap(), nanos, "{text}");
        }
        for text in ["", "5", "m", "5 m", "-5m", "5x", "1..5s", "999999999d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn spans_count_back_from_the_end_of_the_data() {
        let asked = Asked { last: Some("5m".into()), ..Asked::default() };
        assert_eq!(asked.window(0, 600_000_000_000, 600_000_000_000).unwrap(), (300_000_000_000, 600_000_000_000));
        let asked = Asked { since: Some("1970-01-01T00:00:01Z".into()), until: Some("5m".into()), ..Asked::default() };
        assert_eq!(asked.window(0, 600_000_000_000, 600_000_000_000).unwrap(), (1_000_000_000, 300_000_000_000));
    }

    #[test]
    fn a_window_that_ends_before_it_begins_is_refused() {
        let asked = Asked { since: Some("2026-03-02".into()), until: Some("2026-03-01".into()), last: None };
        assert!(asked.window(0, 1, 1).is_err());
        let both = Asked { since: Some("5m".into()), last: Some("5m".into()), until: None };
        assert!(both.window(0, 1, 1).is_err());
        let last = Asked { since: None, until: Some("10m".into()), last: Some("5m".into()) };
        let error = last.window(0, 1, 1).unwrap_err().to_string();
        assert_eq!(error, "the window ends before it begins: --last 5m --until 10m");
    }

    #[test]
    fn a_window_beside_the_data_is_empty_and_not_backwards() {
        let behind = Asked { since: Some("1970-01-02".into()), ..Asked::default() };
        assert_eq!(behind.window(3, 5, 5).unwrap(), (86_400_000_000_000, 86_400_000_000_000));
        let before = Asked { until: Some("1970-01-01".into()), ..Asked::default() };
        assert_eq!(before.window(3, 5, 5).unwrap(), (0, 0));
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_flag() {
        let asked = Asked { since: Some("2026-03-01".into()), until: Some("soon".into()), last: None };
        assert!(asked.check().unwrap_err().to_string().starts_with("--until: \"soon\" is no moment"));
        let asked = Asked { last: Some("5x".into()), ..Asked::default() };
        assert!(asked.check().unwrap_err().to_string().starts_with("--last: \"5x\" is no duration"));
        Asked { since: Some("2026-03-01".into()), until: Some("5m".into()), last: None }.check().unwrap();
    }

    #[test]
    fn spans_for_people() {
        assert_eq!(human_span(12_345_678), "12.346ms");
        assert_eq!(human_span(5_400_000_000_000), "1h 30m");
        assert_eq!(human_span(61_000_000_000), "1m 1s");
        assert_eq!(human_span(-5), "-5ns");
    }
}
