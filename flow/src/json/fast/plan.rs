//! What is to be done with each field of each message: the message tree, joined with the columns that are wanted.

use crate::columns::{COLUMNS, ColumnId, Fill, Personal, Type};
use crate::json::plain::is_endpoint;
use crate::rows::Projection;
use crate::schema::{ENVELOPE, Enum, FieldKind, Member, MessageId, SCHEMA, Scalar};
use crate::settled::SETTLED;

/// Where a column's value stands on the tape of a line.
pub(super) type Slot = u8;

/// Bytes of a key that are compared at once.
const WINDOW: usize = 32;

/// A member's name with its quotes and colon, as an exporter writes it.
#[derive(Debug)]
pub(super) struct Key {
    pub length: usize,
    words: [u64; 4],
    masks: [u64; 4],
    bytes: Box<[u8]>,
}

impl Key {
    fn new(name: &str) -> Self {
        let bytes = format!("\"{name}\":").into_bytes();
        let word = |of: &dyn Fn(usize) -> u8| {
            std::array::from_fn(|word| u64::from_le_bytes(std::array::from_fn(|byte| of(word * 8 + byte))))
        };
        let words = word(&|at| bytes.get(at).copied().unwrap_or_default());
        let masks = word(&|at| if at < bytes.len() { u8::MAX } else { 0 });
        Self { length: bytes.len(), words, masks, bytes: bytes.into() }
    }

    /// Whether it stands here.
    #[inline]
    pub(super) fn is_at(&self, rest: &[u8]) -> bool {
        let Some(window) = rest.first_chunk::<WINDOW>().filter(|_| self.length <= WINDOW) else {
            return rest.starts_with(&self.bytes);
        };
        let (here, _) = window.as_chunks::<8>();
        let mut words = here.iter().zip(self.words.iter().zip(&self.masks)).take(self.length.div_ceil(8));
        words.all(|(here, (word, mask))| (u64::from_le_bytes(*here) ^ word) & mask == 0)
    }
}

/// How a value is read.
#[derive(Debug)]
pub(super) enum Kind {
    Message(MessageId),
    /// A message or list that is known when it comes again.
    Memo {
        memo: usize,
        of: Inner,
    },
    /// Free text; kept if it has a slot.
    Text(Option<Slot>),
    /// A name, perhaps of those that an enum has; `names` is the number of its cache.
    Name {
        names: usize,
        target: Option<(Slot, ColumnId)>,
        of: Option<&'static Enum>,
    },
    Bool {
        slot: Option<Slot>,
        keep_zero: bool,
    },
    Number {
        slot: Option<Slot>,
        keep_zero: bool,
        most: u64,
    },
    Time(Option<Slot>),
    /// Time and node name of event and envelope, which share columns.
    EventTime,
    EnvelopeTime,
    EventNode,
    EnvelopeNode,
    /// Left to the plain decoder.
    Odd,
}

/// What a memo's values are.
#[derive(Debug)]
pub(super) enum Inner {
    Message(MessageId),
    Texts(ColumnId, Option<Slot>),
    Structs(ColumnId, &'static [Member], Option<Slot>),
    Flags(ColumnId, &'static [(u32, Box<str>)], Option<Slot>),
}

#[derive(Debug)]
pub(super) struct Field {
    pub key: Key,
    pub name: &'static str,
    pub kind: Kind,
    pub in_oneof: bool,
    /// Its value is often another one, or so long that it is known by itself: a run of members ends before it.
    pub ends_run: bool,
}

#[derive(Debug)]
pub(super) struct Message {
    pub fields: Vec<Field>,
    /// Where its fields stand among those of all messages: what follows each, and the memo of the runs that do.
    pub follows: usize,
    /// The presence bit, shifted into its place.
    pub bit: u64,
    /// Where the chosen member's name goes.
    pub case: Option<Slot>,
    /// What becomes 0 when its field is not there.
    pub zeros: Vec<(usize, Slot)>,
    /// An end of a flow, which may tell which workload a pod belongs to.
    pub is_endpoint: bool,
}

/// What a slot is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub column: ColumnId,
    /// Rows have it.
    pub is_kept: bool,
    /// It is looked at in every line, whether there will be a row or not.
    pub is_asked: bool,
}

#[derive(Debug)]
pub(super) struct Plan {
    /// By [`MessageId`].
    pub messages: Vec<Message>,
    pub slots: Vec<Target>,
    /// By column.
    slot_of: Vec<Option<Slot>>,
    pub memos: usize,
    pub names: usize,
    /// Fields of all messages, and an end for each message. Behind the other memos stand as many of runs.
    pub follows: usize,
}

impl Plan {
    /// A plan for rows of the columns `kept`, and for columns `asked` about every line.
    pub(super) fn new(kept: &Projection, asked: &Projection) -> Self {
        let target = |column| Target { column, is_kept: kept.has(column), is_asked: asked.has(column) };
        let slots: Vec<Target> = kept.clone().with(asked.columns()).columns().map(target).collect();
        let mut slot_of = vec![None; COLUMNS.len()];
        for (slot, target) in (0..).zip(&slots) {
            if let Some(place) = slot_of.get_mut(usize::from(target.column.0)) {
                *place = Some(slot);
            }
        }
        let mut plan = Self { messages: Vec::new(), slots, slot_of, memos: 0, names: 0, follows: 0 };
        for (id, message) in SCHEMA.messages.iter().enumerate() {
            let fields = message
                .fields
                .iter()
                .map(|field| Field {
                    key: Key::new(&field.name),
                    name: &field.name,
                    kind: plan.kind(id, &field.kind),
                    in_oneof: field.in_oneof,
                    ends_run: field.in_oneof || ends_run(&field.kind),
                })
                .collect();
            let zeros = message.zeros.iter().filter_map(|(at, column)| Some((*at, plan.slot(*column)?))).collect();
            let case = message.case.and_then(|column| plan.slot(column));
            let is_endpoint = is_endpoint(id);
            let bit = message.bit.map_or(0, |bit| 1 << bit);
            let follows = plan.follows;
            plan.follows += message.fields.len() + 1;
            plan.messages.push(Message { fields, follows, bit, case, zeros, is_endpoint });
        }
        plan
    }

    /// The slot of a column.
    pub(super) fn slot(&self, column: ColumnId) -> Option<Slot> {
        *self.slot_of.get(usize::from(column.0))?
    }

    fn kind(&mut self, of: MessageId, kind: &'static FieldKind) -> Kind {
        match kind {
            FieldKind::Message(child) if of != ENVELOPE && recurs(*child) => self.memo(Inner::Message(*child)),
            FieldKind::Message(child) => Kind::Message(*child),
            FieldKind::Texts(column) => self.memo(Inner::Texts(*column, self.slot(*column))),
            FieldKind::Structs { column, members } => self.memo(Inner::Structs(*column, members, self.slot(*column))),
            FieldKind::Flags { column, names } => self.memo(Inner::Flags(*column, names, self.slot(*column))),
            FieldKind::Any(_) => Kind::Odd,
            FieldKind::Scalar { column, scalar, wrapped } => self.scalar(*column, scalar, *wrapped),
        }
    }

    fn memo(&mut self, of: Inner) -> Kind {
        self.memos += 1;
        Kind::Memo { memo: self.memos - 1, of }
    }

    fn scalar(&mut self, column: ColumnId, scalar: &'static Scalar, wrapped: bool) -> Kind {
        let slot = self.slot(column);
        let keep_zero = wrapped || column.column().fill == Fill::Zero;
        let number = |most| Kind::Number { slot, keep_zero, most };
        let mut name = || {
            self.names += 1;
            self.names - 1
        };
        let settled = &*SETTLED;
        match scalar {
            Scalar::Text if column == settled.node_name => Kind::EventNode,
            Scalar::Text if column == settled.envelope_node_name => Kind::EnvelopeNode,
            Scalar::Text if column.column().kind == Type::Name && slot.is_some() => {
                Kind::Name { names: name(), target: slot.map(|slot| (slot, column)), of: None }
            }
            Scalar::Text => Kind::Text(slot),
            Scalar::Enum(values) => {
                Kind::Name { names: name(), target: slot.map(|slot| (slot, column)), of: Some(values) }
            }
            Scalar::Bool => Kind::Bool { slot, keep_zero },
            Scalar::U32 => number(u32::MAX.into()),
            Scalar::I32 => number(i32::MAX.unsigned_abs().into()),
            Scalar::U64 => number(u64::MAX),
            Scalar::I64 => number(i64::MAX.unsigned_abs()),
            Scalar::Time if column == settled.time => Kind::EventTime,
            Scalar::Time if column == settled.envelope_time => Kind::EnvelopeTime,
            Scalar::Time => Kind::Time(slot),
        }
    }
}

/// Whether a member's value is not for a run of members: free text, time, large numbers, addresses, of which there are
/// many, and messages that vary or hold lists, as an endpoint does its labels.
fn ends_run(kind: &FieldKind) -> bool {
    match kind {
        FieldKind::Message(child) => {
            let is_single =
                |field: &crate::schema::Field| matches!(field.kind, FieldKind::Scalar { .. }) && !ends_run(&field.kind);
            !SCHEMA.message(*child).fields.iter().all(is_single)
        }
        FieldKind::Scalar { column, scalar, .. } => {
            let column = column.column();
            column.kind == Type::Text
                || matches!(column.personal, Personal::Address | Personal::Identity)
                || matches!(scalar, Scalar::Time | Scalar::U64 | Scalar::I64)
        }
        FieldKind::Any(_) => true,
        FieldKind::Texts(_) | FieldKind::Structs { .. } | FieldKind::Flags { .. } => false,
    }
}

/// Whether a message may be the same in many lines: it holds no free text and no time.
fn recurs(id: MessageId) -> bool {
    SCHEMA.message(id).fields.iter().all(|field| match &field.kind {
        FieldKind::Message(child) => recurs(*child),
        FieldKind::Scalar { column, scalar, .. } => {
            column.column().kind != Type::Text && !matches!(scalar, Scalar::Time)
        }
        FieldKind::Any(_) => false,
        FieldKind::Texts(_) | FieldKind::Structs { .. } | FieldKind::Flags { .. } => true,
    })
}
