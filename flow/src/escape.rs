//! Text from a log is hostile: how it is made harmless for a terminal, a spreadsheet and Markdown.

use std::borrow::Cow;

/// For a terminal: control characters, and marks that turn the direction of text or hide it, are made visible.
/// ESC and CR come out as `^[` and `\r`, as the hubble CLI prints them.
#[must_use]
pub fn terminal(text: &str) -> Cow<'_, str> {
    if !text.chars().any(drives) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\u{1b}' => out.push_str("^["),
            '\r' => out.push_str("\\r"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if drives(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Whether a character does something to a terminal other than take up space.
#[must_use]
pub fn drives(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}')
}

/// For a spreadsheet: a text that would be read as a formula is quoted, also where blanks before it would be trimmed.
#[must_use]
pub fn spreadsheet(text: &str) -> Cow<'_, str> {
    if text.trim_start().starts_with(['=', '+', '-', '@']) || text.starts_with(['\t', '\r', '\n']) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// For Markdown, also in a cell of a table: nothing in it is markup, and nothing drives a [`terminal`].
#[must_use]
pub fn markdown(text: &str) -> String {
    let text = terminal(text);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '!' | '~' | '#' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_drives_a_terminal() {
        assert_eq!(terminal("a\u{1b}[31mb\rc\u{202e}d\u{9b}e\0"), "a^[[31mb\\rc\\u{202e}d\\u{9b}e\\u{0}");
        assert!(matches!(terminal("shop/wéb 日本"), Cow::Borrowed(_)));
    }

    #[test]
    fn no_formula_in_a_spreadsheet() {
        for text in ["=1+1", "+1", "-1", "@x", " =1", "\n=1", "\tx"] {
            assert_eq!(spreadsheet(text), format!("'{text}"));
        }
        assert_eq!(spreadsheet("a=1"), "a=1");
    }

    #[test]
    fn no_markup_in_markdown() {
        assert_eq!(markdown("a|b<script>`x`"), "a\\|b&lt;script&gt;\\`x\\`");
        // What is harmless for a terminal already is not escaped for it again.
        let hostile = "a\u{1b}[31m*b*\r\u{202e}";
        assert_eq!(markdown(hostile), "a^\\[\\[31m\\*b\\*\\\\r\\\\u{202e}");
        assert_eq!(markdown(&terminal(hostile)), markdown(hostile));
    }
}
