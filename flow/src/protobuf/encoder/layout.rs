//! Which fields are written together.

use arrow::array::Array as _;

use super::groups::Grouping;
use crate::columns::{COLUMNS, ColumnId};
use crate::protobuf::Envelope;
use crate::protobuf::encode::number_in;
use crate::schema::{ENVELOPE, Field, FieldKind, MessageId, SCHEMA};
use crate::settled::{Row, SETTLED};
use crate::view::{Form, Numbers, View};

/// Rows that are looked at.
const SAMPLE: usize = 1024;

/// How many rows are to share, on average, what is written once.
const SHARED: usize = 4;

/// How batches are written, as the first of them suggests.
#[derive(Debug)]
pub struct Layout {
    pub(super) envelope: Envelope,
    pub(super) pieces: Vec<Piece>,
    held: Held,
}

/// Part of a message.
#[derive(Debug)]
pub(super) enum Piece {
    /// Fields that follow each other and have few values together; the slot is their place among others.
    Shared {
        slot: usize,
        fields: Vec<Shared>,
    },
    /// A field that is written row by row.
    Value {
        number: u32,
        kind: &'static FieldKind,
    },
    Message {
        number: u32,
        id: MessageId,
        bit: Option<u8>,
        pieces: Vec<Piece>,
    },
}

/// A field, and what tells its values apart.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) number: u32,
    pub(super) field: &'static Field,
    pub(super) leaves: Vec<Leaf>,
}

/// What tells rows apart.
#[derive(Clone, Copy, Debug)]
pub(super) enum Leaf {
    Column(ColumnId),
    /// A bit of the column `messages`.
    Bit(u8),
}

/// What a batch may have values of.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    /// The forms of columns.
    columns: Vec<Option<Form>>,
    /// Messages of which the presence is known, by their bits; `None` if it is not.
    messages: Option<u64>,
    /// Bodies.
    bodies: Vec<bool>,
}

impl Layout {
    /// Looks what the rows of a batch have in common.
    pub(super) fn new(envelope: Envelope, view: &View<'_>, rows: usize) -> Self {
        let held = Held::new(view, rows);
        let pieces = Plan { envelope, view, held: &held, rows: rows.min(SAMPLE), slots: 0 }.pieces(ENVELOPE);
        Self { envelope, pieces, held }
    }

    /// Whether nothing of a batch is left out of it.
    pub(super) fn fits(&self, view: &View<'_>, rows: usize) -> bool {
        self.held.includes(&Held::new(view, rows))
    }
}

/// How a batch is to be written.
struct Plan<'a> {
    envelope: Envelope,
    view: &'a View<'a>,
    held: &'a Held,
    /// Rows that are looked at.
    rows: usize,
    slots: usize,
}

impl Plan<'_> {
    /// The pieces of a message.
    fn pieces(&mut self, id: MessageId) -> Vec<Piece> {
        let (mut pieces, mut run) = (Vec::new(), Vec::new());
        let mut common: Option<Grouping> = None;
        for (at, field) in SCHEMA.message(id).fields.iter().enumerate() {
            let Some(number) = number_in(self.envelope, id, field).filter(|_| self.may_have(at, &field.kind)) else {
                continue;
            };
            let alone = self.leaves(&field.kind).and_then(|leaves| Some((self.few(None, &leaves)?, leaves)));
            let Some((alone, leaves)) = alone else {
                pieces.extend(self.shared(&mut run));
                common = None;
                pieces.push(self.piece(number, &field.kind));
                continue;
            };
            let both = common.as_ref().and_then(|common| self.few(Some(common), &leaves));
            if both.is_none() {
                pieces.extend(self.shared(&mut run));
            }
            common = Some(both.unwrap_or(alone));
            run.push(Shared { number, field, leaves });
        }
        pieces.extend(self.shared(&mut run));
        pieces
    }

    fn piece(&mut self, number: u32, kind: &'static FieldKind) -> Piece {
        match kind {
            FieldKind::Message(id) => {
                Piece::Message { number, id: *id, bit: SCHEMA.message(*id).bit, pieces: self.pieces(*id) }
            }
            kind => Piece::Value { number, kind },
        }
    }

    fn shared(&mut self, run: &mut Vec<Shared>) -> Option<Piece> {
        if run.is_empty() {
            return None;
        }
        self.slots += 1;
        Some(Piece::Shared { slot: self.slots - 1, fields: std::mem::take(run) })
    }

    /// Rows told apart by some more, if that makes few of them.
    fn few(&self, before: Option<&Grouping>, leaves: &[Leaf]) -> Option<Grouping> {
        let mut grouping = before.cloned().unwrap_or_else(|| Grouping::new(self.rows));
        leaves.iter().for_each(|leaf| grouping.add(*leaf, self.view));
        (grouping.groups().first.len() <= self.rows.div_ceil(SHARED)).then_some(grouping)
    }

    /// Whether rows may have a field, which is the one at a place in its message.
    fn may_have(&self, at: usize, kind: &FieldKind) -> bool {
        match kind {
            FieldKind::Message(id) => match SCHEMA.message(*id).bit {
                Some(bit) => self.held.has_bit(bit),
                None => self.held.bodies.get(at) == Some(&true),
            },
            kind => kind.column().is_some_and(|column| {
                // The event's, where there are no others.
                [SETTLED.envelope_time, SETTLED.envelope_node_name].contains(&column) || self.view.has(column)
            }),
        }
    }

    /// What tells the values of a field apart, if they can be told apart by numbers.
    fn leaves(&self, kind: &FieldKind) -> Option<Vec<Leaf>> {
        let FieldKind::Message(id) = kind else { return self.leaves_of_column(kind.column()?) };
        let message = SCHEMA.message(*id);
        let mut leaves = vec![self.bit(message.bit?)?];
        for (at, field) in message.fields.iter().enumerate() {
            if self.may_have(at, &field.kind) {
                leaves.extend(self.leaves(&field.kind)?);
            }
        }
        Some(leaves)
    }

    fn leaves_of_column(&self, column: ColumnId) -> Option<Vec<Leaf>> {
        let (view, bits) = (self.view, &SETTLED.bits);
        if column == SETTLED.envelope_node_name && !view.has(column) {
            return Some(vec![Leaf::Column(SETTLED.node_name), self.bit(bits.node_name)?]);
        }
        let is_told = view.numbered(column).is_some() || view.numbers(column).is_some();
        if !is_told || column == SETTLED.envelope_node_name {
            return None;
        }
        let bit = if column == SETTLED.node_name { Some(self.bit(bits.flow_node_name)?) } else { None };
        Some([Leaf::Column(column)].into_iter().chain(bit).collect())
    }

    /// A bit, where bits are known.
    fn bit(&self, bit: u8) -> Option<Leaf> {
        self.held.messages.map(|_| Leaf::Bit(bit))
    }
}

impl Held {
    fn new(view: &View<'_>, rows: usize) -> Self {
        let columns = (0..).zip(COLUMNS).map(|(id, _)| view.form(ColumnId(id))).collect();
        let messages = match view.numbers(SETTLED.messages) {
            Some(Numbers::U64(bits)) if bits.nulls().is_none_or(|nulls| nulls.null_count() == 0) => {
                Some(bits.values().iter().fold(0, |all, bits| all | bits))
            }
            _ => None,
        };
        let mut kinds = Grouping::new(rows);
        kinds.add(Leaf::Column(SETTLED.kind), view);
        let kinds = match view.numbered(SETTLED.kind) {
            Some(_) => kinds.groups().first,
            None => (0..rows).collect(),
        };
        let has = |id| kinds.iter().any(|row| Row::new(view, *row).present(id));
        let bodies = SCHEMA.message(ENVELOPE).fields.iter().map(|field| match field.kind {
            FieldKind::Message(id) => SCHEMA.message(id).bit.is_some() || has(id),
            _ => false,
        });
        Self { columns, messages, bodies: bodies.collect() }
    }

    fn includes(&self, other: &Self) -> bool {
        let messages = match (self.messages, other.messages) {
            (Some(all), Some(some)) => some & !all == 0,
            (all, some) => all == some,
        };
        let mut bodies = self.bodies.iter().zip(&other.bodies);
        messages && self.columns == other.columns && bodies.all(|(all, some)| *all || !some)
    }

    fn has_bit(&self, bit: u8) -> bool {
        self.messages.is_none_or(|all| all & (1 << bit) != 0)
    }
}
