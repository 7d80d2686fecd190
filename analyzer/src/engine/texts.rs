//! Texts as numbers: of all that comes of the parts each text is kept once.

use std::num::NonZeroU32;

use polars::prelude::{
    ChunkTake as _, Column, IdxCa, InitHashMaps as _, IntoColumn as _, NewChunkedArray as _, PlHashMap, PlIndexSet,
    PlSmallStr, PolarsResult, StringChunked,
};
use polars_arrow::array::Utf8ViewArray;

/// Place of a text, plus one: so it takes four bytes with `None`.
pub(super) type Number = NonZeroU32;

/// Different texts, in the order of their coming. There are never too many for their numbers: [`Texts::is_small`].
#[derive(Debug, Default)]
pub(super) struct Texts {
    texts: PlIndexSet<Box<str>>,
}

impl Texts {
    pub(super) fn number(&mut self, text: &str) -> Number {
        let place = match self.texts.get_index_of(text) {
            Some(place) => place,
            None => self.texts.insert_full(text.into()).0,
        };
        numbered(place)
    }

    pub(super) fn get(&self, number: Number) -> &str {
        self.texts.get_index(place(number)).map_or("", |text| text)
    }

    /// The text of a number, nothing of none: in SQL's `concat` what is absent is empty.
    pub(super) fn or_empty(&self, number: Option<Number>) -> &str {
        number.map_or("", |number| self.get(number))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|text| &**text)
    }

    /// Takes others, and tells the numbers that they have here.
    pub(super) fn join(&mut self, others: Self) -> Renumbered {
        Renumbered(others.texts.into_iter().map(|text| numbered(self.texts.insert_full(text).0)).collect())
    }

    /// Whether 32 bits number everything.
    pub(super) fn is_small(&self) -> bool {
        self.texts.len() < u32::MAX as usize
    }

    /// Keeps the greater of two texts, as SQL's `max` does.
    pub(super) fn greater(&self, slot: &mut Option<Number>, other: Option<Number>) {
        if let Some(other) = other
            && slot.is_none_or(|known| known != other && self.get(known) < self.get(other))
        {
            *slot = Some(other);
        }
    }

    /// To make columns of numbers again.
    pub(super) fn columns(self) -> Columns {
        Columns(StringChunked::from_iter_values("".into(), self.iter()))
    }
}

/// What the numbers of others have become.
pub(super) struct Renumbered(Vec<Number>);

impl Renumbered {
    pub(super) fn get(&self, number: Number) -> Option<Number> {
        self.0.get(place(number)).copied()
    }

    /// `None` stays so.
    pub(super) fn of(&self, number: Option<Number>) -> Option<Number> {
        self.get(number?)
    }
}

/// Texts that columns are made of.
#[derive(Default)]
pub(super) struct Columns(StringChunked);

impl Columns {
    pub(super) fn column(&self, name: PlSmallStr, numbers: &[Option<Number>]) -> PolarsResult<Column> {
        let places = numbers.iter().map(|number| number.map(|number| number.get() - 1));
        let texts = self.0.take(&IdxCa::from_iter_options("".into(), places))?;
        Ok(texts.with_name(name).into_column())
    }
}

fn place(number: Number) -> usize {
    number.get() as usize - 1
}

fn numbered(place: usize) -> Number {
    u32::try_from(place).ok().and_then(|place| Number::MIN.checked_add(place)).unwrap_or(Number::MAX)
}

/// What texts of a chunk stand for, by their views: those of one dictionary come again and again.
pub(super) struct Known<T> {
    last: Option<(u128, T)>,
    of: PlHashMap<u128, T>,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self { last: None, of: PlHashMap::new() }
    }
}

impl<T: Copy> Known<T> {
    pub(super) fn get<'a>(
        &mut self,
        texts: &'a Utf8ViewArray,
        row: usize,
        make: &mut dyn FnMut(&'a str) -> T,
    ) -> Option<T> {
        let text = texts.get(row)?;
        let view = texts.views().get(row)?.as_u128();
        if let Some((same, known)) = self.last
            && same == view
        {
            return Some(known);
        }
        let known = *self.of.entry(view).or_insert_with(|| make(text));
        self.last = Some((view, known));
        Some(known)
    }
}
