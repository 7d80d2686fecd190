//! Parts of times and durations, and the texts of both.

use chrono::{DateTime, Datelike as _, FixedOffset, Timelike as _};

use super::value::{Fault, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Year,
    Month,
    Date,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

const NANOS: i128 = 1_000_000_000;

/// Units of durations, as Go has them; a longer one before what it begins with.
const UNITS: &[(&str, i64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

impl Part {
    pub(super) const fn is_of_durations(self) -> bool {
        matches!(self, Self::Hours | Self::Minutes | Self::Seconds | Self::Milliseconds)
    }

    /// Months, days of a month and of a year count from 0, dates from 1, days of a week from 0 on Sundays.
    pub(super) fn of_time(self, nanos: i128, zone: Option<&Value<'_>>) -> Result<i64, Fault> {
        let offset = match zone {
            None => FixedOffset::east_opt(0),
            Some(Value::Text(zone)) => offset(zone),
            Some(_) => None,
        };
        let time = date(nanos)?.with_timezone(&offset.ok_or(Fault)?);
        Ok(match self {
            Self::Year => time.year().into(),
            Self::Month => time.month0().into(),
            Self::Date => time.day().into(),
            Self::DayOfMonth => time.day0().into(),
            Self::DayOfWeek => time.weekday().num_days_from_sunday().into(),
            Self::DayOfYear => time.ordinal0().into(),
            Self::Hours => time.hour().into(),
            Self::Minutes => time.minute().into(),
            Self::Seconds => time.second().into(),
            Self::Milliseconds => (time.nanosecond() / 1_000_000).into(),
        })
    }

    /// The whole duration in that unit.
    pub(super) fn of_duration(self, nanos: i64) -> Result<i64, Fault> {
        let unit = match self {
            Self::Hours => 3_600_000_000_000,
            Self::Minutes => 60_000_000_000,
            Self::Seconds => 1_000_000_000,
            Self::Milliseconds => 1_000_000,
            _ => return Err(Fault),
        };
        Ok(nanos / unit)
    }
}

fn date(nanos: i128) -> Result<DateTime<chrono::Utc>, Fault> {
    let seconds = i64::try_from(nanos.div_euclid(NANOS)).map_err(|_| Fault)?;
    let rest = u32::try_from(nanos.rem_euclid(NANOS)).map_err(|_| Fault)?;
    DateTime::from_timestamp(seconds, rest).ok_or(Fault)
}

/// `UTC`, `+02:00`, `02:00`, `-02:00`; zones by name need a list that is not here.
fn offset(zone: &str) -> Option<FixedOffset> {
    if zone == "UTC" || zone.is_empty() {
        return FixedOffset::east_opt(0);
    }
    let (sign, digits) = match zone.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, zone.strip_prefix('+').unwrap_or(zone)),
    };
    let (hours, minutes) = digits.split_once(':')?;
    let (hours, minutes) = (hours.parse::<u8>().ok()?, minutes.parse::<u8>().ok()?);
    FixedOffset::east_opt(sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60))
}

/// RFC 3339.
pub(super) fn parse_time(text: &str) -> Option<i128> {
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    Some(i128::from(time.timestamp()) * NANOS + i128::from(time.timestamp_subsec_nanos()))
}

/// RFC 3339, with as many digits of a second as it has.
pub(super) fn time_text(nanos: i128) -> Result<String, Fault> {
    let text = date(nanos)?.format("%Y-%m-%dT%H:%M:%S%.9f").to_string();
    Ok(text.trim_end_matches('0').trim_end_matches('.').to_owned() + "Z")
}

/// As Go reads it: `1h30m`, `-1.5s`, `0`.
pub(super) fn parse_duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut nanos: i64 = 0;
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let (unit, factor) = UNITS.iter().find(|(unit, _)| after.starts_with(unit))?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return None;
        }
        let whole = if whole.is_empty() { 0 } else { whole.parse::<i64>().ok()? };
        // Digits that stand for less than a nanosecond are dropped.
        let mut part = *factor;
        let mut of_fraction = 0;
        for digit in fraction.bytes() {
            of_fraction += i64::from(digit - b'0') * part / 10;
            part /= 10;
        }
        nanos = nanos.checked_add(whole.checked_mul(*factor)?)?.checked_add(of_fraction)?;
        rest = after.strip_prefix(unit)?;
        if rest.is_empty() {
            return Some(sign * nanos);
        }
    }
}
