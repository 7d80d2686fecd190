//! Points in time as the exporter writes them: RFC 3339, UTC, with 0, 3, 6 or 9 digits of a second.

use chrono::{DateTime, Datelike, NaiveDate, Timelike};
use prost_types::Timestamp;

const NANOS: i64 = 1_000_000_000;

/// Nanoseconds since 1970 of an RFC 3339 text with any offset and up to nine digits of a second; `None` for anything
/// else and for times before 1970 or after 2261, whose differences would not fit 64 bits.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| {
        bytes.get(from..to)?.iter().try_fold(0u32, |n, b| b.is_ascii_digit().then(|| n * 10 + u32::from(b - b'0')))
    };
    let is = |at: usize, byte: u8| bytes.get(at) == Some(&byte);
    if !(is(4, b'-') && is(7, b'-') && is(10, b'T') && is(13, b':') && is(16, b':')) {
        return None;
    }
    let year = i32::try_from(number(0, 4)?).ok()?;
    let days = i64::from(NaiveDate::from_ymd_opt(year, number(5, 7)?, number(8, 10)?)?.num_days_from_ce()) - 719_163;
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut at = 19;
    let mut nanos = 0;
    if is(at, b'.') {
        let digits = bytes.get(at + 1..)?.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 || digits > 9 {
            return None;
        }
        nanos = i64::from(number(at + 1, at + 1 + digits)?) * 10i64.pow(9 - u32::try_from(digits).ok()?);
        at += 1 + digits;
    }
    let offset = match bytes.get(at)? {
        b'Z' if at + 1 == bytes.len() => 0,
        sign @ (b'+' | b'-') if at + 6 == bytes.len() && is(at + 3, b':') => {
            let (hours, minutes) = (number(at + 1, at + 3)?, number(at + 4, at + 6)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = i64::from(hours * 3600 + minutes * 60);
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    let seconds = days * 86_400 + i64::from(hour * 3600 + minute * 60 + second) - offset;
    seconds.checked_mul(NANOS)?.checked_add(nanos).filter(|nanos| *nanos >= 0)
}

/// Appends the time as the exporter writes it.
pub fn write_rfc3339(out: &mut String, nanos: i64) {
    use std::fmt::Write as _;
    let time = DateTime::from_timestamp_nanos(nanos);
    let fraction = nanos.rem_euclid(NANOS);
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    );
    let _ = match fraction {
        0 => Ok(()),
        n if n % 1_000_000 == 0 => write!(out, ".{:03}", n / 1_000_000),
        n if n % 1_000 == 0 => write!(out, ".{:06}", n / 1_000),
        n => write!(out, ".{n:09}"),
    };
    out.push('Z');
}

/// The time as the exporter writes it.
#[must_use]
pub fn rfc3339(nanos: i64) -> String {
    let mut out = String::with_capacity(30);
    write_rfc3339(&mut out, nanos);
    out
}

/// A moment as protobuf has it, given in nanoseconds since 1970.
#[must_use]
pub fn timestamp(nanos: i64) -> Timestamp {
    let part = i32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or_default();
    Timestamp { seconds: nanos.div_euclid(1_000_000_000), nanos: part }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_0_3_6_or_9() {
        for text in [
            "2026-03-01T10:00:00Z",
            "2026-03-01T10:00:00.500Z",
            "2026-03-01T10:00:00.000400Z",
            "2026-03-01T10:00:00.000000001Z",
            "1970-01-01T00:00:00Z",
        ] {
            assert_eq!(rfc3339(parse_rfc3339(text).unwrap()), text);
        }
    }

    #[test]
    fn offsets_and_odd_fractions_are_read() {
        let at = parse_rfc3339("2026-03-01T10:00:00.5Z").unwrap();
        assert_eq!(parse_rfc3339("2026-03-01T12:30:00.50+02:30"), Some(at));
        assert_eq!(parse_rfc3339("2026-03-01T02:00:00.500-08:00"), Some(at));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-03-01",
            "2026-02-29T00:00:00Z",
            "2026-03-01T24:00:00Z",
            "2026-03-01T10:00:00",
            "2026-03-01T10:00:00.Z",
            "2026-03-01T10:00:00.0000000001Z",
            "2026-03-01t10:00:00Z",
            "9999-03-01T10:00:00Z",
            "1969-12-31T23:59:59.999Z",
            "2026-03-01T10:00:00Z ",
            "2026-03-01T10:00:00+1:00",
            "２026-03-01T10:00:00Z",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }
}
