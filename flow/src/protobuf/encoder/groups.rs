//! Rows by what they have in common.

use std::collections::HashMap;
use std::hash::Hash;

use arrow::array::{Array, ArrowPrimitiveType, PrimitiveArray};
use arrow::compute::{max, min};

use super::layout::Leaf;
use crate::dictionary::hasher;
use crate::settled::SETTLED;
use crate::view::{Numbers, View};

/// Groups that are numbered with the help of a table; more take a map.
const TABLE: u64 = 1 << 16;

/// Stands for a number that is not given yet.
const NONE: u32 = u32::MAX;

/// The group of each row, and the first row of each group.
#[derive(Debug)]
pub(super) struct Groups {
    pub(super) of: Vec<u32>,
    pub(super) first: Vec<usize>,
}

/// Rows, told apart by columns: each has a code, which is a number with a digit for each column.
#[derive(Clone, Debug)]
pub(super) struct Grouping {
    codes: Vec<u64>,
    /// No code is as large.
    bound: u64,
}

impl Grouping {
    pub(super) fn new(rows: usize) -> Self {
        Self { codes: vec![0; rows], bound: 1 }
    }

    /// Tells rows apart by a column or by a bit, too; one that is not there tells nothing.
    pub(super) fn add(&mut self, leaf: Leaf, view: &View<'_>) {
        let column = match leaf {
            Leaf::Column(column) => column,
            Leaf::Bit(bit) => {
                if let Some(Numbers::U64(bits)) = view.numbers(SETTLED.messages) {
                    self.digits(2, bits.values().iter().map(|bits| bits >> bit & 1));
                }
                return;
            }
        };
        if let Some(numbered) = view.numbered(column) {
            let bound = numbered.values().len() as u64;
            // A number that is used is not negative.
            return self.values(numbered.keys(), bound, |key| u64::try_from(key).unwrap_or_default());
        }
        match view.numbers(column) {
            Some(Numbers::Bool(values)) => {
                let code = |row| if values.is_valid(row) { 1 + u64::from(values.value(row)) } else { 0 };
                self.digits(3, (0..values.len()).map(code));
            }
            Some(Numbers::I32(values)) => self.numbers(values, |value| i64::from(value).cast_unsigned()),
            Some(Numbers::U32(values)) => self.numbers(values, u64::from),
            Some(Numbers::I64(values)) => self.numbers(values, i64::cast_unsigned),
            Some(Numbers::U64(values)) => self.numbers(values, |value| value),
            None => {}
        }
    }

    fn numbers<T: ArrowPrimitiveType>(&mut self, values: &PrimitiveArray<T>, bits: impl Fn(T::Native) -> u64)
    where
        T::Native: PartialOrd + Eq + Hash,
    {
        let (Some(least), Some(largest)) = (min(values).map(&bits), max(values).map(&bits)) else { return };
        // One more than the largest digit, and one more for NULL.
        match largest.wrapping_sub(least).checked_add(2) {
            Some(bound) => self.values(values, bound - 1, |value| bits(value).wrapping_sub(least)),
            None => {
                let Groups { of, first } = numbered(values.iter());
                self.digits(first.len() as u64, of.into_iter().map(u64::from));
            }
        }
    }

    /// By values below a bound, which is not the largest number that there is, or none.
    fn values<T: ArrowPrimitiveType>(
        &mut self,
        values: &PrimitiveArray<T>,
        bound: u64,
        code: impl Fn(T::Native) -> u64,
    ) {
        match values.nulls() {
            None => self.digits(bound, values.values().iter().map(|value| code(*value))),
            Some(nulls) => {
                let codes = values.values().iter().zip(nulls);
                self.digits(bound + 1, codes.map(|(value, is_valid)| if is_valid { 1 + code(*value) } else { 0 }));
            }
        }
    }

    /// A digit for each row, below a bound.
    fn digits(&mut self, bound: u64, digits: impl Iterator<Item = u64>) {
        if bound <= 1 {
            return;
        }
        let Some(both) = self.bound.checked_mul(bound) else { return self.pairs(digits) };
        self.bound = both;
        for (code, digit) in self.codes.iter_mut().zip(digits) {
            *code = *code * bound + digit;
        }
    }

    /// Codes and digits so large that they have no common code: those of groups are small again.
    fn pairs(&mut self, digits: impl Iterator<Item = u64>) {
        let Groups { of, first } = numbered(self.codes.iter().copied().zip(digits));
        self.codes = of.into_iter().map(u64::from).collect();
        self.bound = first.len() as u64;
    }

    /// The rows with equal codes.
    pub(super) fn groups(&self) -> Groups {
        if self.bound > TABLE {
            return numbered(self.codes.iter());
        }
        let mut table = vec![NONE; usize::try_from(self.bound).unwrap_or_default()];
        let mut first = Vec::new();
        let group = |(row, code): (usize, &u64)| {
            let group = usize::try_from(*code).ok().and_then(|code| table.get_mut(code))?;
            if *group == NONE {
                *group = next(&mut first, row);
            }
            Some(*group)
        };
        let of = self.codes.iter().enumerate().map(group).map(Option::unwrap_or_default).collect();
        Groups { of, first }
    }
}

/// Rows by anything; many have what the one before has.
fn numbered<V: Eq + Hash + Copy>(values: impl Iterator<Item = V>) -> Groups {
    let mut first = Vec::new();
    let mut known: HashMap<V, u32, ahash::RandomState> = HashMap::with_hasher(hasher());
    let mut before: Option<(V, u32)> = None;
    let group = |(row, value)| {
        let group = match before {
            Some((same, group)) if same == value => group,
            _ => *known.entry(value).or_insert_with(|| next(&mut first, row)),
        };
        before = Some((value, group));
        group
    };
    let of = values.enumerate().map(group).collect();
    Groups { of, first }
}

/// The number of a new group; a batch has fewer rows than `u32` counts.
fn next(first: &mut Vec<usize>, row: usize) -> u32 {
    first.push(row);
    u32::try_from(first.len() - 1).unwrap_or(NONE)
}
