//! What a line holds, until it is known whether it becomes a row.

use super::Span;
use super::plan::Slot;
use crate::columns::ColumnId;
use crate::schema::MessageId;

/// A value on the tape.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Text(Span),
    /// A text that had escapes: its place among those of the line.
    Unescaped(u32),
    /// The number of a name or list in its column.
    Known(i32),
    Fixed(&'static str),
    Number(u64),
}

/// Columns that there may be on a tape.
pub(super) const SLOTS: usize = 256;

/// Which slots are set.
pub(super) type Set = [u64; SLOTS / 64];

/// Values of a line, by slot.
#[derive(Debug)]
pub(super) struct Tape {
    pub values: [Value; SLOTS],
    pub set: Set,
    pub unescaped: Vec<String>,
    /// What was recognised: the memo, and the number of the value in it.
    pub met: Vec<(u32, u32)>,
    /// In the order in which they came.
    pub strangers: Vec<Stranger>,
}

impl Default for Tape {
    fn default() -> Self {
        Self {
            values: [Value::Number(0); SLOTS],
            set: Set::default(),
            unescaped: Vec::new(),
            met: Vec::new(),
            strangers: Vec::new(),
        }
    }
}

impl Tape {
    #[inline]
    pub(super) fn set(&mut self, slot: Slot, value: Value) {
        // A slot is a byte, so there is a place for each.
        if let (Some(place), Some(word)) =
            (self.values.get_mut(usize::from(slot)), self.set.get_mut(usize::from(slot >> 6)))
        {
            *place = value;
            *word |= 1 << (slot & 63);
        }
    }

    #[inline]
    pub(super) fn get(&self, slot: Slot) -> Option<Value> {
        let is_set = self.set.get(usize::from(slot >> 6))? & (1 << (slot & 63)) != 0;
        if is_set { self.values.get(usize::from(slot)).copied() } else { None }
    }

    /// The slots that are set, but for those that were set before.
    pub(super) fn since(&self, before: Set) -> impl Iterator<Item = Slot> + '_ {
        [0, 64, 128, 192].into_iter().zip(self.set.iter().zip(before)).flat_map(|(first, (now, before))| {
            let mut left = now & !before;
            std::iter::from_fn(move || {
                let slot = u8::try_from(left.trailing_zeros()).ok().filter(|slot| *slot < 64)?;
                left &= left - 1;
                Some(first + slot)
            })
        })
    }

    pub(super) fn clear(&mut self) {
        self.set = Set::default();
        self.unescaped.clear();
        self.met.clear();
        self.strangers.clear();
    }
}

/// What is known of a message, a list, or a run of members.
#[derive(Debug)]
pub(super) struct Entry {
    pub presence: u64,
    /// What every line is asked for.
    pub asked: Box<[(Slot, Value)]>,
    /// What a row has besides.
    pub kept: Box<[(ColumnId, Value)]>,
    pub run: Run,
}

/// What is known of a run of members up to the next key, or to the end of their message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Run {
    /// Fields in it.
    pub seen: u64,
    pub next: Next,
    /// Node names, counted from where it begins.
    pub node: Option<Span>,
    pub envelope_node: Option<Span>,
}

/// What a run of members ends with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Next {
    /// Its message ends.
    #[default]
    End,
    /// The key of this field.
    Field(usize),
    /// A key that no field has.
    Stranger,
}

/// A member that no known version has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stranger {
    pub message: MessageId,
    pub name: Span,
    pub json: Span,
}

/// Where something begins that is to be known.
#[derive(Debug)]
pub(super) struct Mark {
    pub at: usize,
    pub set: Set,
    pub met: usize,
    pub strangers: usize,
    /// What was there of the line before.
    pub presence: u64,
}
