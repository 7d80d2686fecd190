//! Values that were met before: the same endpoint, label list or flag set comes in line after line.
//!
//! 1. A value is recognised by all of its bytes, never by a hash alone.
//! 2. A JSON object or list ends where its own bytes say. So where a known one stands in a line, it is the value there,
//!    and nothing in it needs to be read again.
//! 3. Memory and time are bounded: too many values are forgotten, and values that never come again are not kept for long.
//!
//! To find the one that it may be, a tree asks for eight bytes at a time, at the places where the known values differ.

use std::collections::HashMap;

use crate::dictionary::hasher;

/// Values beyond which all are forgotten.
const MOST_VALUES: usize = 1 << 15;

/// Bytes of values beyond which all are forgotten.
const MOST_BYTES: usize = 2 << 20;

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
    /// The value that was met last.
    last: usize,
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
    Differ(usize, HashMap<u64, usize, ahash::RandomState>),
    Value(usize),
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self { values: Vec::new(), nodes: Vec::new(), bytes: 0, last: 0, hits: 0, misses: 0 }
    }
}

impl<T> Memo<T> {
    /// The known value that these bytes begin with: its length, and what is known of it.
    pub(super) fn find(&mut self, rest: &[u8]) -> Option<(usize, &T)> {
        let at = self.search(rest)?;
        self.last = at;
        self.hits += 1;
        self.values.get(at).map(|known| (known.bytes.len(), &known.what))
    }

    fn search(&self, rest: &[u8]) -> Option<usize> {
        let is = |at: usize| self.values.get(at).is_some_and(|known| rest.starts_with(&known.bytes));
        if is(self.last) {
            return Some(self.last);
        }
        let mut node = self.nodes.first()?;
        loop {
            match node {
                Node::Differ(at, children) => node = self.nodes.get(*children.get(&word(rest, *at)?)?)?,
                Node::Value(at) => return is(*at).then_some(*at),
            }
        }
    }

    /// Whether values of this place come again often enough to be worth knowing.
    pub(super) fn pays(&self) -> bool {
        self.misses < TRIAL || self.hits > self.misses
    }

    /// Adds a value that was not found.
    pub(super) fn add(&mut self, bytes: &[u8], what: T) {
        self.misses += 1;
        if !(SHORTEST..=LONGEST).contains(&bytes.len()) {
            return;
        }
        if self.values.len() >= MOST_VALUES || self.bytes >= MOST_BYTES || self.nodes.len() >= 4 * MOST_VALUES {
            self.forget();
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
                    Some(word) => match children.get(&word) {
                        Some(child) => at = *child,
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
                Some(Node::Differ(_, children)) => nodes.extend(children.values()),
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
                        let mut children = HashMap::with_hasher(hasher());
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
                assert_eq!(memo.find(line.as_bytes()), Some((value.len(), &number)), "{line}");
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
        }
        assert!(!memo.pays());
        assert!(memo.values.len() <= MOST_VALUES && memo.nodes.len() <= 2 * MOST_VALUES);
    }
}
