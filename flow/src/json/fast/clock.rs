//! Times, of which most are of the same minute as the one before.

use super::scan;
use crate::time::parse_rfc3339;

/// The minute of the last time, as text and as nanoseconds.
#[derive(Debug, Default)]
pub(super) struct Clock {
    minute: Vec<u8>,
    nanos: i64,
}

impl Clock {
    /// Characters up to the seconds: `2026-03-01T10:00:`.
    const MINUTE: usize = 17;

    /// The time whose text these bytes begin with, up to its quote, and the length of its text.
    #[inline]
    pub(super) fn read(&mut self, rest: &str) -> Option<(i64, usize)> {
        if let Some((minute, rest)) = rest.as_bytes().split_at_checked(Self::MINUTE)
            && minute == self.minute
            && let Some((nanos, length)) = seconds(rest)
        {
            return Some((self.nanos + nanos, Self::MINUTE + length));
        }
        self.read_all(rest)
    }

    #[cold]
    fn read_all(&mut self, rest: &str) -> Option<(i64, usize)> {
        let text = rest.get(..scan::text_end(rest.as_bytes(), 0)?)?;
        if rest.as_bytes().get(text.len()) != Some(&b'"') {
            return None;
        }
        let nanos = parse_rfc3339(text)?;
        let start = text.get(..Self::MINUTE)?;
        if let Some(whole) = parse_rfc3339(&format!("{start}00Z")) {
            (self.minute, self.nanos) = (start.into(), whole);
        }
        Some((nanos, text.len()))
    }
}

/// Nanoseconds of `04Z"` or `04.024964574Z"`, and the length before the quote.
#[inline]
fn seconds(bytes: &[u8]) -> Option<(i64, usize)> {
    let [tens @ b'0'..=b'5', ones @ b'0'..=b'9', ..] = bytes else { return None };
    let mut nanos = i64::from((tens - b'0') * 10 + (ones - b'0')) * 1_000_000_000;
    let mut at = 2;
    if bytes.get(at) == Some(&b'.') {
        let mut unit = 1_000_000_000;
        at += 1;
        while let Some(digit @ b'0'..=b'9') = bytes.get(at) {
            unit /= 10;
            nanos += i64::from(digit - b'0') * unit;
            at += 1;
        }
        // From one digit to nine.
        if unit == 1_000_000_000 || at > 12 {
            return None;
        }
    }
    (bytes.get(at..at + 2)? == b"Z\"").then_some((nanos, at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_tells_what_the_plain_reader_tells() {
        let mut clock = Clock::default();
        for text in [
            "2026-03-01T10:00:00Z",
            "2026-03-01T10:00:59.999999999Z",
            "2026-03-01T10:00:60Z",
            "2026-03-01T10:00:05.5Z",
            "2026-03-01T10:00:05.Z",
            "2026-03-01T10:00:05.1234567890Z",
            "2026-03-01T10:00:05.5+01:00",
            "2026-03-01T10:00:0xZ",
            "2026-03-01T10:01:07.000001Z",
            "1969-12-31T23:59:59Z",
            "1969-12-31T23:59:58Z",
            "",
        ] {
            let expected = parse_rfc3339(text).map(|nanos| (nanos, text.len()));
            let rest = format!("{text}\"}}");
            assert_eq!(clock.read(&rest), expected, "{text}");
            assert_eq!(clock.read(&rest), expected, "{text}");
            assert_eq!(clock.read(text), None, "{text}");
        }
    }
}
