//! Names as they are shown: harmless, and not too long.

use std::borrow::Cow;

use lookback_flow::escape::terminal;

/// Without what XML forbids, or what turns text round or hides it: that is made visible.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    let clean = terminal(text);
    if clean.chars().any(is_no_character) {
        Cow::Owned(clean.chars().map(|c| if is_no_character(c) { '\u{fffd}' } else { c }).collect())
    } else {
        clean
    }
}

fn is_no_character(c: char) -> bool {
    u32::from(c) & 0xfffe == 0xfffe || ('\u{fdd0}'..='\u{fdef}').contains(&c)
}

/// Harmless, and of so many columns at most; from the middle of a longer one something is left out, as its end tells as much.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    // What cannot be shown anyway is not looked at: names may be long.
    let is_long = text.char_indices().nth(most * 2).is_some();
    if !is_long {
        let text = clean(text);
        if width(&text) <= most {
            return text.into_owned();
        }
    }
    let front = taken(text.chars(), (most.saturating_sub(1)) * 3 / 5);
    let back: String = taken(text.chars().rev(), most.saturating_sub(1) - width(&front)).chars().rev().collect();
    format!("{front}…{back}")
}

/// Harmless characters of so many columns together at most.
fn taken(chars: impl Iterator<Item = char>, most: usize) -> String {
    let mut out = String::new();
    let mut left = most;
    for c in chars {
        let c = if lookback_flow::escape::drives(c) || is_no_character(c) { '\u{fffd}' } else { c };
        let width = width_of(c);
        if width > left {
            break;
        }
        left -= width;
        out.push(c);
    }
    out
}

/// How long a text may be where it is not shown at once: in tooltips, tables and JSON.
const LONGEST: usize = 400;

/// Harmless, and not endless.
pub(crate) fn whole(text: &str) -> String {
    if text.len() <= LONGEST { clean(text).into_owned() } else { shortened(text, LONGEST) }
}

/// Columns of a terminal, roughly; for pictures, widths of narrow characters.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

fn width_of(c: char) -> usize {
    match u32::from(c) {
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// `1 234 567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{a0}');
        }
        out.push(digit);
    }
    out
}

/// `12.5 ms`.
pub(crate) fn latency(ns: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let ns = ns as f64;
    let (number, unit) = match ns {
        ns if ns < 1e3 => (ns, "ns"),
        ns if ns < 1e6 => (ns / 1e3, "µs"),
        ns if ns < 1e9 => (ns / 1e6, "ms"),
        ns => (ns / 1e9, "s"),
    };
    let digits = if number < 10.0 { 2 } else { usize::from(number < 100.0) };
    format!("{number:.digits$} {unit}")
}

/// `12.5 %`.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        p if p <= 0.0 => "0 %".to_owned(),
        p if p < 0.1 => "under 0.1 %".to_owned(),
        p if p < 10.0 => format!("{p:.1} %"),
        p => format!("{p:.0} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(shortened("checkout-service-canary-v2", 15), "checkout…ary-v2");
        assert_eq!(shortened("web", 15), "web");
        assert_eq!(width(&shortened(&"日本".repeat(5000), 15)), 15);
        assert_eq!(shortened("a\u{202e}b", 15), "a\\u{202e}b");
        assert_eq!(shortened(&"\u{1b}".repeat(10_000), 9).chars().filter(|c| c.is_control()).count(), 0);
        assert_eq!(clean("\u{ffff}\0"), "\u{fffd}\\u{0}");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(grouped(1_234_567).replace('\u{a0}', " "), "1 234 567");
        assert_eq!(latency(12_540_000), "12.5 ms");
        assert_eq!(percent(0.0005), "under 0.1 %");
    }
}
