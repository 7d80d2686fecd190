//! Rows → protobuf messages, many of them.
//!
//! Promises:
//! 1. What comes out is what [`encode_row_of`](super::encode_row_of) writes, row by row: a test holds one against the other.
//! 2. Flows repeat themselves. Fields that follow each other and have few values together, as those of an endpoint have, are
//!    written once for each of these, and copied from there to the rows that have them. Which ones these are is settled by the first
//!    batch ([`Layout`]); what they are is found out for each.
//! 3. No more is kept than the rows of the batch would be written as.

mod groups;
mod layout;

use std::ops::Range;
use std::sync::Arc;

use self::groups::{Grouping, Groups};

pub use self::layout::Layout;
use self::layout::{Piece, Shared};
use super::Envelope;
use super::encode::{encode_row_of, field, nested, value};
use crate::settled::{Row, SETTLED};
use crate::view::View;

/// Writes rows of one batch.
#[derive(Debug)]
pub struct Encoder {
    layout: Arc<Layout>,
    /// By the slot of fields that are written together.
    written: Vec<Written>,
}

/// What fields are written as that have few values together.
#[derive(Debug)]
struct Written {
    /// The group of each row.
    groups: Vec<u32>,
    /// Where each group's bytes are.
    places: Vec<Range<usize>>,
    bytes: Vec<u8>,
}

impl Written {
    fn new(fields: &[Shared], envelope: Envelope, view: &View<'_>, rows: usize) -> Self {
        let mut grouping = Grouping::new(rows);
        fields.iter().flat_map(|shared| &shared.leaves).for_each(|leaf| grouping.add(*leaf, view));
        let Groups { of, first } = grouping.groups();
        let (mut places, mut bytes) = (Vec::with_capacity(first.len()), Vec::new());
        for row in first {
            let (start, row) = (bytes.len(), Row::new(view, row));
            fields.iter().for_each(|shared| field(&row, &[], shared.field, shared.number, envelope, &mut bytes));
            places.push(start..bytes.len());
        }
        Self { groups: of, places, bytes }
    }

    fn of(&self, row: usize) -> &[u8] {
        let place = self.groups.get(row).and_then(|group| self.places.get(*group as usize));
        place.and_then(|place| self.bytes.get(place.clone())).unwrap_or_default()
    }
}

impl Encoder {
    /// Looks at the rows of a batch, given how the batch before was written.
    #[must_use]
    pub fn new(envelope: Envelope, view: &View<'_>, rows: usize, before: Option<&Arc<Layout>>) -> Self {
        let known = before.filter(|layout| layout.fits(view, rows));
        let layout = known.map_or_else(|| Arc::new(Layout::new(envelope, view, rows)), Arc::clone);
        let mut written = Vec::new();
        write_shared(&layout.pieces, envelope, view, rows, &mut written);
        Self { layout, written }
    }

    /// How the batch is written.
    #[must_use]
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// Appends rows of that batch; `each` is told after each of them how long the output is, and whether to go on is its to say.
    pub fn rows(&self, view: &View<'_>, rows: Range<usize>, out: &mut Vec<u8>, mut each: impl FnMut(usize) -> bool) {
        let has_extra = view.has(SETTLED.extra);
        for at in rows {
            if has_extra && view.text(SETTLED.extra, at).is_some() {
                encode_row_of(self.layout.envelope, view, at, out);
            } else {
                self.write(&Row::new(view, at), &self.layout.pieces, out);
            }
            if !each(out.len()) {
                break;
            }
        }
    }

    fn write(&self, row: &Row<'_>, pieces: &[Piece], out: &mut Vec<u8>) {
        for piece in pieces {
            match piece {
                Piece::Shared { slot, .. } => {
                    if let Some(written) = self.written.get(*slot) {
                        out.extend_from_slice(written.of(row.at));
                    }
                }
                Piece::Value { number, kind } => value(row, kind, *number, out),
                Piece::Message { number, id, bit, pieces } => {
                    if row.is_present(*id, *bit) {
                        // Of a body the length takes two bytes, mostly.
                        nested(*number, if bit.is_none() { 2 } else { 1 }, out, |out| self.write(row, pieces, out));
                    }
                }
            }
        }
    }
}

/// Writes the fields that are written together, in the order of their slots.
fn write_shared(pieces: &[Piece], envelope: Envelope, view: &View<'_>, rows: usize, written: &mut Vec<Written>) {
    for piece in pieces {
        match piece {
            Piece::Shared { fields, .. } => written.push(Written::new(fields, envelope, view, rows)),
            Piece::Message { pieces, .. } => write_shared(pieces, envelope, view, rows, written),
            Piece::Value { .. } => {}
        }
    }
}
