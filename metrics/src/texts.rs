//! Texts of labels, each kept once and known by its number.

use std::collections::HashMap;
use std::sync::Arc;

use lookback_flow::dictionary::hasher;
use lookback_flow::escape;

/// Bytes of one label's text; the rest of a longer one is cut off.
pub const MOST_LABEL_BYTES: usize = 1024;

/// What an entry takes beside its text: its places in the list and in the table, and the counts of its `Arc`.
const ENTRY_BYTES: usize = 128;

/// Bytes of all texts together, and of their entries.
const MOST_BYTES: usize = 256 << 20;

/// Stands where a text was cut.
const CUT: char = '…';

#[derive(Clone, Debug)]
pub(crate) struct Texts {
    numbers: HashMap<Arc<str>, u32, ahash::RandomState>,
    known: Vec<Arc<str>>,
    bytes: usize,
}

impl Default for Texts {
    fn default() -> Self {
        Self { numbers: HashMap::with_hasher(hasher()), known: Vec::new(), bytes: 0 }
    }
}

impl Texts {
    /// The number of a text, which is made harmless first; `None` when there is no room for another one.
    pub(crate) fn number(&mut self, text: &str) -> Option<u32> {
        if let Some(number) = self.numbers.get(text) {
            return Some(*number);
        }
        let clean = clean(text);
        if let Some(number) = self.numbers.get(clean.as_str()) {
            return Some(*number);
        }
        let bytes = clean.len() + ENTRY_BYTES;
        if self.bytes + bytes > MOST_BYTES {
            return None;
        }
        let number = u32::try_from(self.known.len()).ok()?;
        let kept: Arc<str> = clean.into();
        self.bytes += bytes;
        self.known.push(Arc::clone(&kept));
        self.numbers.insert(kept, number);
        Some(number)
    }

    pub(crate) fn text(&self, number: u32) -> &str {
        usize::try_from(number).ok().and_then(|at| self.known.get(at)).map_or("", |text| text)
    }

    /// All texts, in the order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.known.iter().map(|text| &**text)
    }
}

/// A text without what drives a terminal, and not too long.
fn clean(text: &str) -> String {
    let room = MOST_LABEL_BYTES - CUT.len_utf8();
    // Escapes make a text longer, so that it is cut before, too: a log may hold megabytes in one value.
    let start = text.get(..text.floor_char_boundary(2 * MOST_LABEL_BYTES)).unwrap_or(text);
    let mut clean = escape::terminal(start).into_owned();
    if clean.len() > MOST_LABEL_BYTES {
        clean.truncate(clean.floor_char_boundary(room));
        clean.push(CUT);
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_once_harmless_and_short() {
        let mut texts = Texts::default();
        assert_eq!(texts.number("a"), Some(0));
        assert_eq!(texts.number("b\u{1b}[31m\n\0"), Some(1));
        assert_eq!(texts.number("a"), Some(0));
        assert_eq!(texts.text(1), "b^[[31m\\n\\u{0}");
        let long = "é".repeat(MOST_LABEL_BYTES);
        let number = texts.number(&long).unwrap();
        assert_eq!(texts.number(&long), Some(number));
        assert!(texts.text(number).len() <= MOST_LABEL_BYTES);
        assert!(texts.text(number).ends_with("é…"));
        let exact = "x".repeat(MOST_LABEL_BYTES);
        let number = texts.number(&exact).unwrap();
        assert_eq!(texts.text(number), exact);
    }
}
