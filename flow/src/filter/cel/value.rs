//! Values of expressions: what they equal, and how they are ordered.

use std::borrow::Cow;
use std::cell::Cell;
use std::cmp::Ordering;
use std::sync::Arc;

use super::item::Item;
use super::read::Place;

#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    /// Nanoseconds since 1970, of the years 1 to 9999.
    Time(i128),
    /// Nanoseconds.
    Duration(i64),
    List(Arc<[Value<'a>]>),
    Map(Arc<[(Value<'a>, Value<'a>)]>),
    Place(Place<'a>),
    Item(Item<'a>),
    /// The TCP flags that are set, as their column has them.
    Flags(&'a str),
}

/// An expression has no value for this row: a division by zero, an index out of range, too much to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault;

/// How much an expression may still do for a row, so that a hostile one ends.
#[derive(Debug)]
pub(super) struct Budget(Cell<u32>);

impl Budget {
    /// Some hundred times what an expression over a long list of labels does.
    pub(super) fn of_a_row() -> Self {
        Self(Cell::new(1 << 18))
    }

    pub(super) fn take(&self, steps: usize) -> Result<(), Fault> {
        let left = u32::try_from(steps).ok().and_then(|steps| self.0.get().checked_sub(steps));
        // What ran out stays so: an error on one side of || must not let the other side go on.
        self.0.set(left.unwrap_or(0));
        left.map(|_| ()).ok_or(Fault)
    }
}

impl<'a> Value<'a> {
    /// The same without copying text.
    pub(super) fn lent(&'a self) -> Self {
        match self {
            Self::Text(text) => Self::Text(Cow::Borrowed(text)),
            Self::Bytes(bytes) => Self::Bytes(Cow::Borrowed(bytes)),
            other => other.clone(),
        }
    }

    pub(super) fn truth(&self) -> Result<bool, Fault> {
        match self {
            Self::Bool(truth) => Ok(*truth),
            _ => Err(Fault),
        }
    }

    /// How much there is to go through.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Text(text) => text.len() / 32,
            Self::Bytes(bytes) => bytes.len() / 32,
            Self::List(items) => items.len(),
            Self::Map(entries) => entries.len(),
            _ => 0,
        }
    }

    /// Numbers are equal by their value, whatever their types; things of different kinds are not.
    pub(super) fn equals(&self, other: &Self, budget: &Budget) -> Result<bool, Fault> {
        budget.take(1)?;
        Ok(match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(one), Self::Bool(other)) => one == other,
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::Bytes(one), Self::Bytes(other)) => one == other,
            (Self::Time(one), Self::Time(other)) => one == other,
            (Self::Duration(one), Self::Duration(other)) => one == other,
            (Self::Flags(one), Self::Flags(other)) => one == other,
            (Self::List(one), Self::List(other)) => {
                if one.len() != other.len() {
                    return Ok(false);
                }
                for (one, other) in one.iter().zip(other.iter()) {
                    if !one.equals(other, budget)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Self::Map(one), Self::Map(other)) => {
                if one.len() != other.len() {
                    return Ok(false);
                }
                for (key, value) in one.iter() {
                    match find(other, key, budget)? {
                        Some(found) if found.equals(value, budget)? => {}
                        _ => return Ok(false),
                    }
                }
                true
            }
            (Self::Place(one), Self::Place(other)) => one.equals(*other, budget)?,
            (Self::Item(one), Self::Item(other)) => one.equals(*other, budget)?,
            (one, other) => one.number_order(other) == Some(Ordering::Equal),
        })
    }

    /// Which comes first.
    pub(super) fn order(&self, other: &Self) -> Result<Ordering, Fault> {
        match (self, other) {
            (Self::Bool(one), Self::Bool(other)) => Ok(one.cmp(other)),
            (Self::Text(one), Self::Text(other)) => Ok(one.cmp(other)),
            (Self::Bytes(one), Self::Bytes(other)) => Ok(one.cmp(other)),
            (Self::Time(one), Self::Time(other)) => Ok(one.cmp(other)),
            (Self::Duration(one), Self::Duration(other)) => Ok(one.cmp(other)),
            (one, other) => one.number_order(other).ok_or(Fault),
        }
    }

    /// `None` where one is no number.
    fn number_order(&self, other: &Self) -> Option<Ordering> {
        let whole = |value: &Self| match value {
            Self::Int(number) => Some(i128::from(*number)),
            Self::Uint(number) => Some(i128::from(*number)),
            _ => None,
        };
        let against = |whole: i128, double: f64| {
            // Beyond 64 bits every double is larger or smaller than the whole number; within, its whole part is exact.
            if double.is_nan() {
                return None;
            }
            #[expect(clippy::cast_possible_truncation, reason = "it saturates, far beyond what 64 bits hold")]
            let order = whole.cmp(&(double.trunc() as i128));
            Some(order.then_with(|| 0.0f64.total_cmp(&(double.fract() + 0.0))))
        };
        match (self, other) {
            (Self::Double(one), Self::Double(other)) => one.partial_cmp(other),
            (Self::Double(one), other) => against(whole(other)?, *one).map(Ordering::reverse),
            (one, Self::Double(other)) => against(whole(one)?, *other),
            (one, other) => Some(whole(one)?.cmp(&whole(other)?)),
        }
    }
}

/// The value of a key.
pub(super) fn find<'m, 'a>(
    entries: &'m [(Value<'a>, Value<'a>)],
    key: &Value<'a>,
    budget: &Budget,
) -> Result<Option<&'m Value<'a>>, Fault> {
    for (known, value) in entries {
        if known.equals(key, budget)? {
            return Ok(Some(value));
        }
    }
    Ok(None)
}
