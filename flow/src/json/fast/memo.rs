//! Values that were met before: the same endpoint, label list or flag set comes in line after line.
//!
//! 1. A value is recognised by all of its bytes, never by a hash alone.
//! 2. A JSON object or list ends where its own bytes say, and so does a run of members up to the next key. So where a known
//!    one stands in a line, it is the value there, and nothing in it needs to be read again.
//! 3. Memory and time are bounded: too many values are forgotten, and values that never come again are not kept for long.
//!
//! To find the one that it may be, a tree asks for eight bytes at a time, at the places where the known values differ.

use std::collections::HashMap;

use crate::dictionary::hasher;

/// Values beyond which all are forgotten.
const MOST_VALUES: usize = 1 << 15;

/// Bytes of values beyond which all are forgotten.
const MOST_BYTES: usize = 4 << 20;

/// Shortest and longest value that is kept.
const SHORTEST: usize = 8;
const LONGEST: usize = 4 << 10;

/// Misses after which it is asked whether knowing values pays.
const TRIAL: usize = 2048;

/// Hits that are worth a miss: to remember a value costs more than to read it.
const WORTH: usize = 3;

/// How many values are passed over where it does not pay, before that is asked again.
const REST: usize = 1 << 17;

/// Known values of one place, each with what is to be known of it.
///
/// Looking one up costs the memory that it touches, more than anything else: so bytes stand side by side, and a place
/// leads straight to them.
#[derive(Debug)]
pub(super) struct Memo<T> {
    /// What is known, by number.
    known: Vec<T>,
    /// The values: each its number and its length, four bytes each, then its bytes.
    bytes: Vec<u8>,
    root: Option<To>,
    nodes: Vec<Node>,
    hits: usize,
    misses: usize,
    /// Values that were passed over since it did not pay.
    passed: usize,
}

/// Where eight bytes lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Nothing,
    /// A place in the tree.
    Node(u32),
    /// A value, by where it stands among the bytes.
    Value(u32),
}

/// What the eight bytes from here lead to; every value under it has them.
#[derive(Debug)]
struct Node {
    at: usize,
    children: Children,
}

/// A table with room, in which a word stands at its place or soon behind it.
#[derive(Debug)]
struct Children {
    places: Vec<(u64, To)>,
    count: usize,
    shift: u32,
    /// Odd and not to be foreseen, so that no log can make all words meet in one place.
    factor: u64,
}

impl Children {
    fn new() -> Self {
        Self { places: vec![(0, To::Nothing); 2], count: 0, shift: 63, factor: hasher().hash_one(0) | 1 }
    }

    fn place(&self, word: u64) -> usize {
        usize::try_from(word.wrapping_mul(self.factor) >> self.shift).unwrap_or_default()
    }

    fn get(&self, word: u64) -> To {
        let mut at = self.place(word);
        loop {
            match self.places.get(at) {
                None | Some((_, To::Nothing)) => return To::Nothing,
                Some((known, to)) if *known == word => return *to,
                _ => at = (at + 1) & (self.places.len() - 1),
            }
        }
    }

    /// Sets where a word leads.
    fn set(&mut self, word: u64, to: To) {
        if 4 * (self.count + 1) > 3 * self.places.len() {
            self.shift -= 1;
            let larger = vec![(0, To::Nothing); self.places.len() * 2];
            let places = std::mem::replace(&mut self.places, larger);
            self.count = 0;
            places.into_iter().filter(|(_, to)| *to != To::Nothing).for_each(|(word, to)| self.put(word, to));
        }
        self.put(word, to);
    }

    fn put(&mut self, word: u64, to: To) {
        let mut at = self.place(word);
        while let Some((known, there)) = self.places.get_mut(at) {
            if *there == To::Nothing || *known == word {
                self.count += usize::from(*there == To::Nothing);
                (*known, *there) = (word, to);
                return;
            }
            at = (at + 1) & (self.places.len() - 1);
        }
    }
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self { known: Vec::new(), bytes: Vec::new(), root: None, nodes: Vec::new(), hits: 0, misses: 0, passed: 0 }
    }
}

impl<T> Memo<T> {
    /// The known value that these bytes begin with: its length and its number.
    #[inline]
    pub(super) fn find(&mut self, rest: &[u8]) -> Option<(usize, usize)> {
        let mut to = self.root?;
        loop {
            match to {
                To::Node(node) => {
                    let Node { at, children } = self.nodes.get(node as usize)?;
                    to = children.get(word(rest, *at)?);
                }
                To::Value(value) => {
                    let (number, bytes) = self.value(value)?;
                    if !rest.starts_with(bytes) {
                        return None;
                    }
                    let length = bytes.len();
                    self.hits += 1;
                    return Some((length, number));
                }
                To::Nothing => return None,
            }
        }
    }

    /// The number and the bytes of a value.
    fn value(&self, at: u32) -> Option<(usize, &[u8])> {
        let (number, rest) = self.bytes.get(at as usize..)?.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        Some((u32::from_le_bytes(*number) as usize, rest.get(..u32::from_le_bytes(*length) as usize)?))
    }

    /// What is known of a value that was found.
    pub(super) fn get(&self, number: usize) -> Option<&T> {
        self.known.get(number)
    }

    /// Whether values of this place come again often enough to be worth knowing. If not, that is asked again later.
    #[inline]
    pub(super) fn pays(&mut self) -> bool {
        if self.misses < TRIAL || self.hits > WORTH * self.misses {
            return true;
        }
        self.passed += 1;
        if self.passed > REST {
            (self.hits, self.misses, self.passed) = (0, 0, 0);
        }
        false
    }

    /// Whether there are more values than should be kept.
    pub(super) fn is_full(&self) -> bool {
        self.known.len() >= MOST_VALUES || self.bytes.len() >= MOST_BYTES || self.nodes.len() >= MOST_VALUES
    }

    /// Adds a value that was not found.
    pub(super) fn add(&mut self, bytes: &[u8], what: T) {
        self.misses += 1;
        let (Ok(number), Ok(at), Ok(length)) =
            (u32::try_from(self.known.len()), u32::try_from(self.bytes.len()), u32::try_from(bytes.len()))
        else {
            return;
        };
        if !(SHORTEST..=LONGEST).contains(&bytes.len()) || self.is_full() {
            return;
        }
        self.known.push(what);
        for part in [&number.to_le_bytes(), &length.to_le_bytes(), bytes] {
            self.bytes.extend_from_slice(part);
        }
        let value = To::Value(at);
        let Some(mut to) = self.root else {
            self.root = Some(value);
            return;
        };
        // The node and word that led here.
        let mut from: Option<(u32, u64)> = None;
        let apart = loop {
            match to {
                To::Node(node) => match self.nodes.get(node as usize).map(|node| word(bytes, node.at)) {
                    Some(Some(word)) => {
                        from = Some((node, word));
                        to = self.nodes.get(node as usize).map_or(To::Nothing, |node| node.children.get(word));
                    }
                    // Too short to be asked for these bytes.
                    _ => break self.values_under(to),
                },
                To::Value(other) => break vec![other],
                To::Nothing => {
                    self.lead(from, value);
                    return;
                }
            }
        };
        // What this costs must pay, too.
        self.misses += apart.len();
        self.part(from, apart, at);
    }

    /// Sets where a node's word leads, or where the tree begins.
    fn lead(&mut self, from: Option<(u32, u64)>, to: To) {
        match from {
            None => self.root = Some(to),
            Some((node, word)) => {
                if let Some(node) = self.nodes.get_mut(node as usize) {
                    node.children.set(word, to);
                }
            }
        }
    }

    fn values_under(&self, to: To) -> Vec<u32> {
        let (mut values, mut open) = (Vec::new(), vec![to]);
        while let Some(to) = open.pop() {
            match to {
                To::Node(node) => {
                    let places = self.nodes.get(node as usize).map(|node| &node.children.places);
                    open.extend(places.into_iter().flatten().map(|(_, to)| *to));
                }
                To::Value(value) => values.push(value),
                To::Nothing => {}
            }
        }
        values
    }

    /// Makes the tree anew that was led to from here, with one more value.
    fn part(&mut self, from: Option<(u32, u64)>, mut values: Vec<u32>, value: u32) {
        values.push(value);
        let mut parts = vec![(from, values)];
        while let Some((from, values)) = parts.pop() {
            let bytes = |value: &u32| self.value(*value).map(|(_, bytes)| bytes).unwrap_or_default();
            let first = values.first().map(bytes).unwrap_or_default();
            let common = values.iter().map(|value| common(first, bytes(value))).min().unwrap_or_default();
            let shortest = values.iter().map(|value| bytes(value).len()).min().unwrap_or_default();
            // No value begins with another one, so the first difference is within the shortest.
            let at = common.min(shortest.saturating_sub(8));
            let mut groups: HashMap<u64, Vec<u32>, _> = HashMap::with_hasher(hasher());
            for value in &values {
                groups.entry(word(bytes(value), at).unwrap_or_default()).or_default().push(*value);
            }
            // One value, or some that are the same; then the last one stands for all.
            let last = values.last().copied().unwrap_or(value);
            if groups.len() < 2 {
                self.lead(from, To::Value(last));
                continue;
            }
            let node = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
            self.nodes.push(Node { at, children: Children::new() });
            self.lead(from, To::Node(node));
            parts.extend(groups.into_iter().map(|(word, values)| (Some((node, word)), values)));
        }
    }

    /// Forgets all values.
    pub(super) fn forget(&mut self) {
        let Self { hits, misses, passed, .. } = *self;
        *self = Self { hits, misses, passed, ..Self::default() };
    }
}

/// How many bytes two values have in common at their beginning.
fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// Eight bytes.
fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_all_of_its_bytes() {
        let pods = (0..3000).map(|pod| format!("{{\"identity\":{},\"pod\":\"web-{pod:04}\"}}", pod % 7));
        let flags = ["{\"SYN\":true,\"ACK\":true}", "{\"SYN\":true}", "{\"a\":true}", "{\"a\":1,\"b\":2}"];
        let lists = (1..50).rev().map(|items| format!("[{}]", vec!["\"item\""; items].join(",")));
        let values: Vec<String> = flags.iter().map(ToString::to_string).chain(lists).chain(pods).collect();
        let mut memo = Memo::default();
        for (number, value) in values.iter().enumerate() {
            assert!(memo.find(value.as_bytes()).is_none(), "{value}");
            memo.add(value.as_bytes(), number);
        }
        for (number, value) in values.iter().enumerate().rev() {
            for after in ["", ",\"x\":1}", "}"] {
                let line = format!("{value}{after}");
                assert_eq!(memo.find(line.as_bytes()), Some((value.len(), number)), "{line}");
            }
        }
        assert!(memo.find(b"{\"identity\":3,\"pod\":\"web-9999\"}").is_none());
        assert!(memo.find(b"{\"identity\":3,\"po").is_none());
        assert!(memo.find(b"{}").is_none());
    }

    #[test]
    fn values_that_never_come_again_do_not_pay_nor_pile_up() {
        let mut memo = Memo::default();
        for number in 0..2 * MOST_VALUES {
            memo.add(format!("\"{number:09}\"").as_bytes(), ());
            if memo.is_full() {
                memo.forget();
            }
        }
        assert!(!memo.pays());
        assert!(memo.known.len() < MOST_VALUES);
    }
}
