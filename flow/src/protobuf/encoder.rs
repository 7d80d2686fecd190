//! Rows → protobuf messages, many of them.
//!
//! Promises:
//! 1. What comes out is what [`encode_row_of`](super::encode_row_of) writes, row by row: a test holds one against the other.
//! 2. What a value is written as is found out once, where a column's values are numbered, for as long as they stay the same from
//!    batch to batch; a row's share of that is copied.
//! 3. No more than [`MOST_BYTES`] are kept for that.

use std::ops::Range;

use arrow::array::{Array as _, ArrayRef, AsArray as _, DictionaryArray};
use arrow::datatypes::Int32Type;

use super::Envelope;
use super::encode::{list, nested, number_in, text, unknown, value, varint};
use crate::columns::ColumnId;
use crate::extra::{Kept, kept};
use crate::schema::{ENVELOPE, FieldKind, MessageId, SCHEMA};
use crate::settled::{Row, SETTLED};
use crate::view::{Numbers, View, list_items};

/// Bytes that are kept of values.
const MOST_BYTES: usize = 4 << 20;

/// Writes rows of batches.
#[derive(Debug)]
pub struct Encoder {
    fields: Vec<Field>,
    written: Vec<Written>,
    /// Bytes of all of them.
    bytes: usize,
}

/// A field as it is written.
#[derive(Debug)]
struct Field {
    number: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Message(MessageId, Vec<Field>),
    Value {
        kind: &'static FieldKind,
        column: ColumnId,
        /// Position in [`Encoder::written`].
        slot: usize,
    },
}

/// What the numbered values of a field are written as.
#[derive(Debug, Default)]
struct Written {
    values: Option<ArrayRef>,
    /// Where each stands, once it was asked for.
    places: Vec<Option<Range<usize>>>,
    bytes: Vec<u8>,
}

/// A field of which a batch has values.
enum Found<'a> {
    Message {
        number: u32,
        id: MessageId,
        bit: Option<u8>,
        fields: Vec<Found<'a>>,
    },
    Numbered {
        values: &'a DictionaryArray<Int32Type>,
        of_node: bool,
        kind: &'static FieldKind,
        number: u32,
        slot: usize,
    },
    Numbers {
        values: Numbers<'a>,
        number: u32,
    },
    Other {
        kind: &'static FieldKind,
        number: u32,
    },
}

impl Encoder {
    /// Writes messages of that kind.
    #[must_use]
    pub fn new(envelope: Envelope) -> Self {
        let mut slots = 0;
        let fields = fields(envelope, ENVELOPE, &mut slots);
        Self { fields, written: (0..slots).map(|_| Written::default()).collect(), bytes: 0 }
    }

    /// Appends rows of a batch; `each` is told after each of them how long the output is, and whether to go on is its to say.
    pub fn rows(
        &mut self,
        view: &View<'_>,
        rows: Range<usize>,
        out: &mut Vec<u8>,
        mut each: impl FnMut(usize) -> bool,
    ) {
        if self.bytes > MOST_BYTES {
            self.written.iter_mut().for_each(|written| *written = Written::default());
            self.bytes = 0;
        }
        let Self { fields, written, .. } = self;
        let found = find(fields, view, written);
        for at in rows {
            let extra = kept(view.text(SETTLED.extra, at));
            Writer { row: Row::new(view, at), extra: &extra, written }.message(ENVELOPE, &found, out);
            if !each(out.len()) {
                break;
            }
        }
        self.bytes = self.written.iter().map(|written| written.bytes.len()).sum();
    }
}

/// The fields of a message, and of those in it.
fn fields(envelope: Envelope, id: MessageId, slots: &mut usize) -> Vec<Field> {
    let fields = SCHEMA.message(id).fields.iter().filter_map(|field| {
        let kind = match &field.kind {
            FieldKind::Message(child) => Kind::Message(*child, fields(envelope, *child, slots)),
            kind @ (FieldKind::Scalar { column, .. }
            | FieldKind::Texts(column)
            | FieldKind::Structs { column, .. }
            | FieldKind::Flags { column, .. }
            | FieldKind::Any(column)) => {
                *slots += 1;
                Kind::Value { kind, column: *column, slot: *slots - 1 }
            }
        };
        Some(Field { number: number_in(envelope, id, field)?, kind })
    });
    fields.collect()
}

/// The fields of which a batch has values, those that are messages all the same.
fn find<'a>(fields: &[Field], view: &View<'a>, written: &mut [Written]) -> Vec<Found<'a>> {
    let find = |Field { number, kind }: &Field| {
        let number = *number;
        let (kind, column, slot) = match kind {
            Kind::Message(id, fields) => {
                let (id, bit) = (*id, SCHEMA.message(*id).bit);
                return Some(Found::Message { number, id, bit, fields: find(fields, view, written) });
            }
            Kind::Value { kind, column, slot } => (*kind, *column, *slot),
        };
        // The envelope's may stand in the event's column.
        if [SETTLED.envelope_time, SETTLED.envelope_node_name].contains(&column) {
            return Some(Found::Other { kind, number });
        }
        if let Some(values) = view.numbered(column) {
            written.get_mut(slot)?.keep(values.values());
            return Some(Found::Numbered { values, of_node: column == SETTLED.node_name, kind, number, slot });
        }
        match (kind, view.numbers(column)) {
            (FieldKind::Scalar { wrapped: false, .. }, Some(values)) => Some(Found::Numbers { values, number }),
            _ => view.has(column).then_some(Found::Other { kind, number }),
        }
    };
    fields.iter().filter_map(find).collect()
}

/// Writes a row.
struct Writer<'a> {
    row: Row<'a>,
    extra: &'a [Kept<'a>],
    written: &'a mut [Written],
}

impl Writer<'_> {
    fn message(&mut self, id: MessageId, fields: &[Found<'_>], out: &mut Vec<u8>) {
        let at = self.row.at;
        for field in fields {
            match field {
                Found::Message { number, id, bit, fields } => {
                    if self.row.is_present(*id, *bit) {
                        // Of a body the length takes two bytes, mostly.
                        let length = if bit.is_none() { 2 } else { 1 };
                        nested(*number, length, out, |out| self.message(*id, fields, out));
                    }
                }
                Found::Numbered { values, of_node, kind, number, slot } => {
                    let keys = values.keys();
                    if keys.is_valid(at)
                        && (!of_node || self.row.has_node_name())
                        && let Ok(value) = usize::try_from(keys.value(at))
                        && let Some(written) = self.written.get_mut(*slot)
                    {
                        written.value(kind, *number, value, out);
                    }
                }
                Found::Numbers { values, number } => {
                    let value = values.value(at);
                    if value != 0 {
                        varint(*number, value, out);
                    }
                }
                Found::Other { kind, number } => value(&self.row, kind, *number, out),
            }
        }
        if !self.extra.is_empty() {
            unknown(self.extra, id, out);
        }
    }
}

impl Written {
    /// Forgets what values are written as, unless they are those of the batch before.
    fn keep(&mut self, values: &ArrayRef) {
        let is_same = self.values.as_ref().is_some_and(|known| is_same(known, values));
        if !is_same {
            self.bytes.clear();
            self.places.clear();
            self.places.resize(values.len(), None);
            self.values = Some(ArrayRef::clone(values));
        }
    }

    fn value(&mut self, kind: &FieldKind, number: u32, value: usize, out: &mut Vec<u8>) {
        let Self { values: Some(values), places, bytes } = self else { return };
        let Some(place) = places.get_mut(value) else { return };
        let place = place.get_or_insert_with(|| {
            let start = bytes.len();
            if let Some(found) = values.as_string_opt::<i32>() {
                if found.is_valid(value) {
                    text(kind, number, found.value(value), bytes);
                }
            } else if let Some(lists) = values.as_list_opt()
                && let Some((all, items)) = list_items(lists, value)
            {
                list(kind, number, all, items, bytes);
            }
            start..bytes.len()
        });
        out.extend_from_slice(bytes.get(place.clone()).unwrap_or_default());
    }
}

/// Whether two arrays are one in memory; both are held, so that what is elsewhere cannot have taken its place.
fn is_same(one: &ArrayRef, other: &ArrayRef) -> bool {
    one.len() == other.len() && {
        let (one, other) = (one.to_data(), other.to_data());
        one.ptr_eq(&other)
    }
}
