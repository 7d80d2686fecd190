//! A map that forgets: bounded memory, whatever comes from a network.

use std::collections::HashMap;
use std::hash::Hash;

use lookback_flow::dictionary::hasher;

/// Hashes that no packet can foresee.
pub type Hasher = ahash::RandomState;

/// A map of at most so many entries. Those that were not used for the longest time are forgotten, about: entries live in two
/// generations, a used one moves to the young one, and the old one goes when the young one is full.
#[derive(Debug)]
pub struct Generations<K, V> {
    young: HashMap<K, V, Hasher>,
    old: HashMap<K, V, Hasher>,
    /// Entries of a generation.
    most: usize,
    /// Entries that were forgotten.
    pub forgotten: u64,
}

impl<K: Eq + Hash + Clone, V> Generations<K, V> {
    #[must_use]
    pub fn new(entries: usize) -> Self {
        let map = || HashMap::with_hasher(hasher());
        Self { young: map(), old: map(), most: (entries / 2).max(1), forgotten: 0 }
    }

    /// An entry, which counts as used.
    pub fn get(&mut self, key: &K) -> Option<&mut V> {
        if !self.young.contains_key(key) {
            let value = self.old.remove(key)?;
            self.insert(key.clone(), value);
        }
        self.young.get_mut(key)
    }

    /// An entry, which does not count as used.
    #[must_use]
    pub fn peek(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    pub fn insert(&mut self, key: K, value: V) {
        self.old.remove(&key);
        if self.young.len() >= self.most && !self.young.contains_key(&key) {
            self.forgotten += self.old.len() as u64;
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    /// An entry, made where there is none.
    pub fn entry(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        if let Some(value) = self.old.remove(&key) {
            self.insert(key.clone(), value);
        } else if !self.young.contains_key(&key) {
            self.insert(key.clone(), make());
        }
        self.young.entry(key).or_insert_with(|| unreachable!("it was just put there"))
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        let old = self.old.remove(key);
        self.young.remove(key).or(old)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let mut map = Generations::new(10);
        for n in 0..1000 {
            map.insert(n, n);
            assert_eq!(map.get(&0), Some(&mut 0), "{n}");
            assert!(map.len() <= 10, "{}", map.len());
        }
        assert!(map.peek(&1).is_none());
        assert_eq!(map.forgotten + map.len() as u64, 1000);
        assert_eq!(*map.entry(5000, || 7), 7);
        assert_eq!(map.remove(&5000), Some(7));
        assert_eq!(map.remove(&5000), None);
    }
}
