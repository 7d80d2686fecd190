//! Times as people read them, in the one zone that a report names.

use std::str::FromStr;

use chrono::{DateTime, FixedOffset, TimeZone as _, Utc};
use chrono_tz::Tz;

/// A time zone: a place of the tz database, or an offset from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    Place(Tz),
    Offset(FixedOffset),
}

/// A text that names no time zone.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no time zone: give UTC, a name such as Europe/Berlin, or an offset such as +02:00")]
pub struct UnknownZone(String);

impl Default for Zone {
    fn default() -> Self {
        Self::Place(Tz::UTC)
    }
}

impl FromStr for Zone {
    type Err = UnknownZone;

    fn from_str(text: &str) -> Result<Self, UnknownZone> {
        let place = text.parse().map(Self::Place);
        place.or_else(|_| text.parse().map(Self::Offset)).map_err(|_| UnknownZone(text.to_owned()))
    }
}

impl std::fmt::Display for Zone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Place(place) => place.fmt(f),
            Self::Offset(offset) => offset.fmt(f),
        }
    }
}

impl Zone {
    /// `2026-03-01 12:03:11.250`: a moment, nanoseconds since 1970, to the millisecond below.
    #[must_use]
    pub fn moment(self, nanos: i64) -> String {
        self.written(nanos, "%Y-%m-%d %H:%M:%S%.3f")
    }

    /// `2026-03-01 12:03`.
    #[must_use]
    pub fn minute(self, nanos: i64) -> String {
        self.written(nanos, "%Y-%m-%d %H:%M")
    }

    fn written(self, nanos: i64, format: &str) -> String {
        let utc: DateTime<Utc> = DateTime::from_timestamp_nanos(nanos);
        match self {
            Self::Place(place) => place.from_utc_datetime(&utc.naive_utc()).format(format).to_string(),
            Self::Offset(offset) => offset.from_utc_datetime(&utc.naive_utc()).format(format).to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_moment_in_three_zones() {
        let nanos = 1_772_366_591_250_999_999; // 2026-03-01T12:03:11.250999999Z
        let at = |zone: &str| zone.parse::<Zone>().unwrap().moment(nanos);
        assert_eq!(at("UTC"), "2026-03-01 12:03:11.250");
        assert_eq!(at("Europe/Berlin"), "2026-03-01 13:03:11.250");
        assert_eq!(at("-05:30"), "2026-03-01 06:33:11.250");
        assert!("Middle/Earth".parse::<Zone>().unwrap_err().to_string().contains("Europe/Berlin"));
        // The ends of time are written, too.
        let _ = (Zone::default().moment(i64::MIN), Zone::default().moment(i64::MAX));
    }
}
