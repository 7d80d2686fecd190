//! Texts as numbers: of all that comes of the parts each text is kept once.

use std::num::NonZeroU32;

use hashbrown::HashTable;
use lookback_flow::dictionary::hasher;
use polars::prelude::{
    ChunkTake as _, Column, IdxCa, InitHashMaps as _, IntoColumn as _, NewChunkedArray as _, PlHashMap, PlSmallStr,
    PolarsResult, StringChunked,
};
use polars_arrow::array::{Utf8ViewArray, View};
use polars_arrow::datatypes::ArrowDataType;

/// Place of a text, plus one: so it takes four bytes with `None`.
pub(super) type Number = NonZeroU32;

/// Different texts, in the order of their coming. There are never too many for their numbers: [`Texts::is_small`].
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// What the texts are in: a block that is full stays where it is.
    blocks: Vec<String>,
    spans: Vec<Span>,
    /// Their places, each with its hash.
    places: HashTable<(u32, u32)>,
}

/// Where a text is.
#[derive(Clone, Copy, Debug)]
struct Span {
    block: u32,
    begin: u32,
    length: u32,
}

/// Bytes of the first block, unless a text is longer. The next ones are twice as large each, up to 1 MiB.
const LEAST_BYTES: usize = 4 << 10;

impl Texts {
    pub(super) fn number(&mut self, text: &str) -> Number {
        self.hashed(text, hash(text))
    }

    fn hashed(&mut self, text: &str, hash: u32) -> Number {
        let Self { blocks, spans, places } = self;
        let is_it = |known: &(u32, u32)| {
            known.0 == hash && spans.get(known.1 as usize).is_some_and(|span| span.of(blocks) == text)
        };
        if let Some((_, place)) = places.find(spread(hash), is_it) {
            return numbered(*place as usize);
        }
        let place = spans.len();
        spans.push(Span::put(text, blocks));
        places.insert_unique(spread(hash), (hash, numbered(place).get() - 1), |known| spread(known.0));
        numbered(place)
    }

    pub(super) fn get(&self, number: Number) -> &str {
        self.spans.get(place(number)).map_or("", |span| span.of(&self.blocks))
    }

    /// The text of a number, nothing of none: in SQL's `concat` what is absent is empty.
    pub(super) fn or_empty(&self, number: Option<Number>) -> &str {
        number.map_or("", |number| self.get(number))
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.spans.iter().map(|span| span.of(&self.blocks))
    }

    /// Takes others, and tells the numbers that they have here.
    pub(super) fn join(&mut self, others: Self) -> Renumbered {
        if self.spans.is_empty() {
            *self = others;
            return Renumbered(None);
        }
        let mut hashes = vec![0; others.spans.len()];
        for (hash, place) in &others.places {
            if let Some(of_text) = hashes.get_mut(*place as usize) {
                *of_text = *hash;
            }
        }
        Renumbered(Some(others.iter().zip(hashes).map(|(text, hash)| self.hashed(text, hash)).collect()))
    }

    /// Whether 32 bits number everything.
    pub(super) fn is_small(&self) -> bool {
        self.spans.len() < u32::MAX as usize
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
    pub(super) fn columns(self) -> PolarsResult<Columns> {
        let view = |span: &Span| View::new_from_bytes(span.of(&self.blocks).as_bytes(), span.block, span.begin);
        let views: Vec<View> = self.spans.iter().map(view).collect();
        let blocks = self.blocks.into_iter().map(|block| block.into_bytes().into()).collect();
        let texts = Utf8ViewArray::try_new(ArrowDataType::Utf8View, views.into(), blocks, None)?;
        Ok(Columns(StringChunked::with_chunk("".into(), texts)))
    }
}

/// What the numbers of others have become; `None` when they are what they were.
pub(super) struct Renumbered(Option<Vec<Number>>);

impl Renumbered {
    pub(super) fn get(&self, number: Number) -> Option<Number> {
        match &self.0 {
            Some(numbers) => numbers.get(place(number)).copied(),
            None => Some(number),
        }
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

/// A hash of 32 bits, which no log can foresee.
fn hash(text: &str) -> u32 {
    (hasher().hash_one(text) >> 32) as u32
}

/// The hash in as many bits as the table takes.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Span {
    /// Puts a text behind the others.
    fn put(text: &str, blocks: &mut Vec<String>) -> Self {
        if blocks.last().is_none_or(|block| block.capacity() - block.len() < text.len()) {
            // A few texts need no large one.
            let bytes = (LEAST_BYTES << blocks.len().min(8)).max(text.len());
            blocks.push(String::with_capacity(bytes));
        }
        let block = blocks.len().saturating_sub(1);
        let Some(last) = blocks.last_mut() else { return Self { block: 0, begin: 0, length: 0 } };
        let begin = last.len();
        last.push_str(text);
        let small = |number| u32::try_from(number).unwrap_or(u32::MAX);
        Self { block: small(block), begin: small(begin), length: small(text.len()) }
    }

    fn of<'a>(&self, blocks: &'a [String]) -> &'a str {
        let (begin, length) = (self.begin as usize, self.length as usize);
        blocks.get(self.block as usize).and_then(|block| block.get(begin..begin + length)).unwrap_or_default()
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
    /// Texts that were asked for; those that came right after themselves are not counted.
    asked: usize,
}

/// Texts after which it is seen whether their views come again.
const TRIAL: usize = 1024;

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self { last: None, of: PlHashMap::new(), asked: 0 }
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
        self.asked += 1;
        let known = match self.of.get(&view) {
            Some(known) => *known,
            None => {
                let known = make(text);
                // Texts that are in no dictionary have a view for each row.
                if self.asked < TRIAL || self.asked > 2 * self.of.len() {
                    self.of.insert(view, known);
                }
                known
            }
        };
        self.last = Some((view, known));
        Some(known)
    }
}
