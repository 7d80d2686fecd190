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
const TRIAL: usize = 4096;

/// Known values of one place, each with what is to be known of it.
#[derive(Debug)]
pub(super) struct Memo<T> {
    values: Vec<Known<T>>,
    nodes: Vec<Node>,
    bytes: usize,
    hits: usize,
    misses: usize,
}

#[derive(Debug)]
struct Known<T> {
    bytes: Box<[u8]>,
    what: T,
}

#[derive(Debug)]
enum Node {
    /// What the eight bytes from here lead to; every value under it has them.
    Differ(usize, Children),
    Value(usize),
}

/// Nodes by eight bytes: a table with room, in which a word stands at its place or soon behind it.
#[derive(Debug)]
struct Children {
    places: Vec<(u64, u32)>,
    count: usize,
    shift: u32,
    /// Odd and not to be foreseen, so that no log can make all words meet in one place.
    factor: u64,
}

/// A place without a node.
const EMPTY: u32 = u32::MAX;

impl Children {
    fn new() -> Self {
        Self { places: vec![(0, EMPTY); 4], count: 0, shift: 62, factor: hasher().hash_one(0) | 1 }
    }

    fn place(&self, word: u64) -> usize {
        usize::try_from(word.wrapping_mul(self.factor) >> self.shift).unwrap_or_default()
    }

    fn get(&self, word: u64) -> Option<usize> {
        let mut at = self.place(word);
        loop {
            match *self.places.get(at)? {
                (_, EMPTY) => return None,
                (known, node) if known == word => return Some(node as usize),
                _ => at = (at + 1) & (self.places.len() - 1),
            }
        }
    }

    /// Adds a word that is not there.
    fn insert(&mut self, word: u64, node: usize) {
        if 2 * (self.count + 1) > self.places.len() {
            self.shift -= 1;
            let larger = vec![(0, EMPTY); self.places.len() * 2];
            let places = std::mem::replace(&mut self.places, larger);
            places.into_iter().filter(|(_, node)| *node != EMPTY).for_each(|(word, node)| self.put(word, node));
        }
        self.count += 1;
        self.put(word, u32::try_from(node).unwrap_or(EMPTY));
    }

    fn put(&mut self, word: u64, node: u32) {
        let mut at = self.place(word);
        while self.places.get(at).is_some_and(|(_, node)| *node != EMPTY) {
            at = (at + 1) & (self.places.len() - 1);
        }
        if let Some(place) = self.places.get_mut(at) {
            *place = (word, node);
        }
    }

    fn nodes(&self) -> impl Iterator<Item = usize> + '_ {
        self.places.iter().filter(|(_, node)| *node != EMPTY).map(|(_, node)| *node as usize)
    }
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self { values: Vec::new(), nodes: Vec::new(), bytes: 0, hits: 0, misses: 0 }
    }
}

impl<T> Memo<T> {
    /// The known value that these bytes begin with: its length and its number.
    pub(super) fn find(&mut self, rest: &[u8]) -> Option<(usize, usize)> {
        let mut node = self.nodes.first()?;
        let at = loop {
            match node {
                Node::Differ(at, children) => node = self.nodes.get(children.get(word(rest, *at)?)?)?,
                Node::Value(at) => break *at,
            }
        };
        let known = &self.values.get(at)?.bytes;
        if !rest.starts_with(known) {
            return None;
        }
        self.hits += 1;
        Some((known.len(), at))
    }

    /// What is known of a value that was found.
    pub(super) fn get(&self, number: usize) -> Option<&T> {
        self.values.get(number).map(|known| &known.what)
    }

    /// Whether values of this place come again often enough to be worth knowing.
    pub(super) fn pays(&self) -> bool {
        self.misses < TRIAL || self.hits > self.misses
    }

    /// Whether there are more values than should be kept.
    pub(super) fn is_full(&self) -> bool {
        self.values.len() >= MOST_VALUES || self.bytes >= MOST_BYTES || self.nodes.len() >= 4 * MOST_VALUES
    }

    /// Adds a value that was not found.
    pub(super) fn add(&mut self, bytes: &[u8], what: T) {
        self.misses += 1;
        if !(SHORTEST..=LONGEST).contains(&bytes.len()) {
            return;
        }
        let value = self.values.len();
        self.bytes += bytes.len();
        self.values.push(Known { bytes: bytes.into(), what });
        if self.nodes.is_empty() {
            self.nodes.push(Node::Value(value));
            return;
        }
        let (mut at, next) = (0, self.nodes.len());
        let apart = loop {
            match self.nodes.get_mut(at) {
                Some(Node::Differ(from, children)) => match word(bytes, *from) {
                    Some(word) => match children.get(word) {
                        Some(child) => at = child,
                        None => {
                            children.insert(word, next);
                            self.nodes.push(Node::Value(value));
                            return;
                        }
                    },
                    // Too short to be asked for these bytes.
                    None => break self.values_under(at),
                },
                Some(Node::Value(other)) => break vec![*other],
                None => return,
            }
        };
        self.part(at, apart, value);
    }

    fn values_under(&self, node: usize) -> Vec<usize> {
        let (mut values, mut nodes) = (Vec::new(), vec![node]);
        while let Some(node) = nodes.pop() {
            match self.nodes.get(node) {
                Some(Node::Differ(_, children)) => nodes.extend(children.nodes()),
                Some(Node::Value(value)) => values.push(*value),
                None => {}
            }
        }
        values
    }

    /// Makes the tree under a node anew, with one more value.
    fn part(&mut self, node: usize, mut values: Vec<usize>, value: usize) {
        // What this costs must pay, too.
        self.misses += values.len();
        values.push(value);
        let mut parts = vec![(node, values)];
        while let Some((node, values)) = parts.pop() {
            let known = || values.iter().filter_map(|value| self.values.get(*value));
            let made = match values.as_slice() {
                [value] => Node::Value(*value),
                _ => {
                    let first = known().next().map(|known| &*known.bytes).unwrap_or_default();
                    let common = known().map(|known| common(first, &known.bytes)).min().unwrap_or_default();
                    let shortest = known().map(|known| known.bytes.len()).min().unwrap_or_default();
                    // No value begins with another one, so the first difference is within the shortest.
                    let from = common.min(shortest.saturating_sub(8));
                    let mut groups: HashMap<u64, Vec<usize>, _> = HashMap::with_hasher(hasher());
                    for value in &values {
                        let word = self.values.get(*value).and_then(|known| word(&known.bytes, from));
                        groups.entry(word.unwrap_or_default()).or_default().push(*value);
                    }
                    if groups.len() < 2 {
                        // Values that are the same, or not JSON: the last one stands for all.
                        Node::Value(value)
                    } else {
                        let mut children = Children::new();
                        for (word, values) in groups {
                            children.insert(word, self.nodes.len());
                            parts.push((self.nodes.len(), values));
                            self.nodes.push(Node::Value(value));
                        }
                        Node::Differ(from, children)
                    }
                }
            };
            if let Some(slot) = self.nodes.get_mut(node) {
                *slot = made;
            }
        }
    }

    /// Forgets all values.
    pub(super) fn forget(&mut self) {
        let Self { hits, misses, .. } = *self;
        *self = Self { hits, misses, ..Self::default() };
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
        assert!(memo.values.len() < MOST_VALUES);
    }
}
