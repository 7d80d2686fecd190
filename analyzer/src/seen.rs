//! Lines that come again.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher};

/// Lines so far, by their hashes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(HashSet<u64, Spread>);

/// Spreads hashes of lines, which are numbers without a pattern already, in a way that no log can foresee.
#[derive(Clone, Debug)]
struct Spread(u64);

impl Default for Spread {
    fn default() -> Self {
        Self(std::hash::RandomState::new().hash_one(0) | 1)
    }
}

impl BuildHasher for Spread {
    type Hasher = Product;

    fn build_hasher(&self) -> Product {
        Product { factor: self.0, product: 0 }
    }
}

/// A hash of one number.
struct Product {
    factor: u64,
    product: u64,
}

impl Hasher for Product {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        // The table takes its place from the low bits, which a product leaves weak.
        self.product = (self.product ^ number).wrapping_mul(self.factor).swap_bytes();
    }

    fn finish(&self) -> u64 {
        self.product
    }
}

/// Most lines that are compared with each other; beyond, lines that come again are not told.
const MOST_COMPARED: usize = 4_000_000;

impl Seen {
    /// How many of these lines came before.
    pub(crate) fn see(&mut self, hashes: Vec<u64>) -> u64 {
        let mut again = |hash| if self.0.len() < MOST_COMPARED { !self.0.insert(hash) } else { self.0.contains(&hash) };
        hashes.into_iter().map(|hash| u64::from(again(hash))).sum()
    }

    /// Likewise, or among these others.
    pub(crate) fn see_beside(&mut self, others: &Self, hashes: Vec<u64>) -> u64 {
        let (known, new): (Vec<u64>, Vec<u64>) = hashes.into_iter().partition(|hash| others.0.contains(hash));
        known.len() as u64 + self.see(new)
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
