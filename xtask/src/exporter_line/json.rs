//! JSON as protojson and Go's encoder write it together: no spaces, zero values left out, HTML characters escaped.

use super::Nanos;

const NANOS: u64 = 1_000_000_000;

/// `"name":`, after a comma unless it is the first of its object.
pub(crate) fn key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(if out.last() == Some(&b'{') { b"\"" } else { b",\"" });
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// `"name":{`
pub(crate) fn open(out: &mut Vec<u8>, name: &str) {
    key(out, name);
    out.push(b'{');
}

pub(crate) fn close(out: &mut Vec<u8>) {
    out.push(b'}');
}

pub(crate) fn text(out: &mut Vec<u8>, name: &str, value: &str) {
    if !value.is_empty() {
        key(out, name);
        string(out, value);
    }
}

pub(crate) fn texts(out: &mut Vec<u8>, name: &str, values: &[&str]) {
    if values.is_empty() {
        return;
    }
    key(out, name);
    for (at, value) in values.iter().enumerate() {
        out.push(if at == 0 { b'[' } else { b',' });
        string(out, value);
    }
    out.push(b']');
}

pub(crate) fn number(out: &mut Vec<u8>, name: &str, value: u32) {
    if value != 0 {
        key(out, name);
        decimal(out, u64::from(value));
    }
}

/// A signed 32-bit number.
pub(crate) fn signed(out: &mut Vec<u8>, name: &str, value: i32) {
    if value != 0 {
        key(out, name);
        if value < 0 {
            out.push(b'-');
        }
        decimal(out, u64::from(value.unsigned_abs()));
    }
}

/// A 64-bit number, which protojson writes as a string.
pub(crate) fn big(out: &mut Vec<u8>, name: &str, value: u64) {
    if value != 0 {
        key(out, name);
        out.push(b'"');
        decimal(out, value);
        out.push(b'"');
    }
}

pub(crate) fn flag(out: &mut Vec<u8>, name: &str, value: bool) {
    if value {
        key(out, name);
        out.extend_from_slice(b"true");
    }
}

pub(crate) fn timestamp(out: &mut Vec<u8>, name: &str, time: Nanos) {
    if time != 0 {
        key(out, name);
        out.push(b'"');
        rfc3339(out, time);
        out.push(b'"');
    }
}

pub(crate) fn decimal(out: &mut Vec<u8>, value: u64) {
    let mut digits = [0; 20];
    let mut rest = value;
    let mut start = digits.len();
    for place in digits.iter_mut().rev() {
        *place = digit(rest % 10);
        rest /= 10;
        start -= 1;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}

/// A JSON string with its quotes. protojson escapes control characters, quote and backslash; Go's encoder then escapes
/// `&`, `<`, `>` and the two line separators that JavaScript once took for newlines.
pub(crate) fn string(out: &mut Vec<u8>, value: &str) {
    out.push(b'"');
    let mut rest = value.as_bytes();
    while let Some(at) = rest.iter().position(|byte| may_need_escape(*byte)) {
        let (plain, from) = rest.split_at(at);
        out.extend_from_slice(plain);
        let (taken, escape): (usize, &[u8]) = match from {
            [b'"', ..] => (1, b"\\\""),
            [b'\\', ..] => (1, b"\\\\"),
            [0x08, ..] => (1, b"\\b"),
            [0x0c, ..] => (1, b"\\f"),
            [b'\n', ..] => (1, b"\\n"),
            [b'\r', ..] => (1, b"\\r"),
            [b'\t', ..] => (1, b"\\t"),
            [b'&', ..] => (1, b"\\u0026"),
            [b'<', ..] => (1, b"\\u003c"),
            [b'>', ..] => (1, b"\\u003e"),
            [0xe2, 0x80, 0xa8, ..] => (3, b"\\u2028"),
            [0xe2, 0x80, 0xa9, ..] => (3, b"\\u2029"),
            [byte @ 0..0x20, ..] => {
                out.extend_from_slice(b"\\u00");
                out.push(hex(byte >> 4));
                out.push(hex(byte & 15));
                (1, b"")
            }
            [byte, ..] => {
                out.push(*byte);
                (1, b"")
            }
            [] => break,
        };
        out.extend_from_slice(escape);
        rest = from.get(taken..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Bytes that are escaped, and the first of the two separators that are.
fn may_need_escape(byte: u8) -> bool {
    matches!(byte, 0..0x20 | b'"' | b'\\' | b'&' | b'<' | b'>' | 0xe2)
}

/// Time in UTC with 0, 3, 6 or 9 digits of a second, whichever is enough.
pub(crate) fn rfc3339(out: &mut Vec<u8>, time: Nanos) {
    let (seconds, fraction) = (time / NANOS, time % NANOS);
    let (year, month, day) = civil(seconds / 86_400);
    let clock = seconds % 86_400;
    padded(out, year, 4);
    for (sign, value) in [(b'-', month), (b'-', day), (b'T', clock / 3600), (b':', clock / 60 % 60), (b':', clock % 60)]
    {
        out.push(sign);
        padded(out, value, 2);
    }
    if fraction != 0 {
        out.push(b'.');
        if fraction % 1_000_000 == 0 {
            padded(out, fraction / 1_000_000, 3);
        } else if fraction % 1000 == 0 {
            padded(out, fraction / 1000, 6);
        } else {
            padded(out, fraction, 9);
        }
    }
    out.push(b'Z');
}

fn padded(out: &mut Vec<u8>, value: u64, width: usize) {
    let start = out.len();
    out.resize(start + width, b'0');
    let mut rest = value;
    for place in out.iter_mut().skip(start).rev() {
        *place = digit(rest % 10);
        rest /= 10;
    }
}

/// A hexadecimal digit of a number below 16.
pub(crate) fn hex(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' - 10 + value }
}

fn digit(value: u64) -> u8 {
    b'0' + u8::try_from(value).unwrap_or(0)
}

/// Year, month and day of a day since 1970 (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::{decimal, rfc3339, string};

    fn written(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_have_as_many_digits_as_they_need() {
        let at = |time| written(|out| rfc3339(out, time));
        assert_eq!(at(1_772_359_200_000_000_000), "2026-03-01T10:00:00Z");
        assert_eq!(at(1_772_359_200_500_000_000), "2026-03-01T10:00:00.500Z");
        assert_eq!(at(1_772_359_200_000_400_000), "2026-03-01T10:00:00.000400Z");
        assert_eq!(at(1_772_359_200_000_000_001), "2026-03-01T10:00:00.000000001Z");
        assert_eq!(at(1_709_164_800_000_000_000), "2024-02-29T00:00:00Z");
    }

    #[test]
    fn strings_are_escaped_as_go_does() {
        assert_eq!(
            written(|out| string(out, "a\"\\\n\u{1}\u{7f}<&>é\u{2028}\u{202e}")),
            "\"a\\\"\\\\\\n\\u0001\u{7f}\\u003c\\u0026\\u003eé\\u2028\u{202e}\""
        );
    }

    #[test]
    fn numbers() {
        assert_eq!(written(|out| decimal(out, 0)), "0");
        assert_eq!(written(|out| decimal(out, u64::MAX)), "18446744073709551615");
    }
}
