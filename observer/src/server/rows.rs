//! The rows of one file, ready to be sent.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, TimestampNanosecondType, UInt64Type};
use lookback_flow::columns::ColumnId;
use lookback_flow::protobuf::encode_row_of;
use lookback_flow::rows::Projection;
use lookback_flow::schema::presence_bit;
use lookback_flow::segment::{SegmentError, SegmentReader, Wanted};
use lookback_flow::view::View;
use prost::bytes::Bytes;

use super::selection::{Ids, Selection, UNTIMED};
use super::store::Store;

/// What is to be read of a file: its rows in a window of the archive's own time.
pub(crate) fn wanted(store: &Store, segment: usize, window: (i64, i64), selection: &Selection) -> Wanted {
    let whole = store.segments().get(segment).is_some_and(|segment| {
        // Rows without a time are in no window.
        segment.first() >= window.0 && segment.last() <= window.1 || segment.last() == UNTIMED && window.1 == UNTIMED
    });
    Wanted { window: (!whole).then_some(window), needles: selection.needles(), exactly: true, row_group: None }
}

/// The messages of a file, some at a time.
pub(crate) struct Cursor {
    reader: SegmentReader,
    ids: Ids,
    window: (i64, i64),
    /// Added to all times that are sent.
    shift: i64,
    /// What was decoded and not encoded yet.
    decoded: Option<Decoded>,
    batch: Encoded,
    row: usize,
}

/// Rows that are encoded at a time: a request may want a few of many.
const ENCODED: usize = 256;

/// Rows that are sent, with the archive's own times.
struct Decoded {
    batch: RecordBatch,
    times: Vec<i64>,
}

/// The messages of a batch.
#[derive(Default)]
struct Encoded {
    bytes: Bytes,
    /// Where each ends.
    ends: Vec<usize>,
    /// The archive's own times.
    times: Vec<i64>,
    counted: Vec<bool>,
}

/// A message on its way.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) bytes: Bytes,
    /// Whether it is of those that a request counts.
    pub(crate) counted: bool,
    /// The archive's own.
    pub(crate) time: i64,
}

impl Cursor {
    pub(crate) fn open(
        store: &Store,
        segment: usize,
        selection: &Selection,
        columns: &Projection,
        window: (i64, i64),
        shift: i64,
        batch_rows: usize,
    ) -> Result<Self, SegmentError> {
        let wanted = wanted(store, segment, window, selection);
        let reader = store.rows(segment, columns, &wanted, batch_rows)?;
        Ok(Self { reader, ids: Ids::new()?, window, shift, decoded: None, batch: Encoded::default(), row: 0 })
    }

    /// The time of the next message.
    pub(crate) fn time(&self) -> Option<i64> {
        self.batch.times.get(self.row).copied()
    }

    pub(crate) fn take(&mut self) -> Option<Message> {
        let start = self.row.checked_sub(1).map_or(Some(0), |before| self.batch.ends.get(before).copied())?;
        let end = *self.batch.ends.get(self.row)?;
        let counted = self.batch.counted.get(self.row).copied().unwrap_or_default();
        let time = self.time()?;
        self.row += 1;
        Some(Message { bytes: self.batch.bytes.slice(start..end), counted, time })
    }

    /// Reads on, if all that was read is taken; false at the end.
    pub(crate) fn fill(&mut self, selection: &Selection) -> Result<bool, SegmentError> {
        while self.row >= self.batch.times.len() {
            if let Some(decoded) = self.decoded.take() {
                self.batch = self.encode(&decoded, selection)?;
                self.row = 0;
                let (rows, done) = (decoded.times.len(), self.batch.times.len());
                self.decoded = (done < rows).then(|| Decoded {
                    batch: decoded.batch.slice(done, rows - done),
                    times: decoded.times.get(done..).unwrap_or_default().to_owned(),
                });
                continue;
            }
            let Some(batch) = self.reader.next() else { return Ok(false) };
            self.decoded = self.decode(&batch?, selection)?;
        }
        Ok(true)
    }

    /// The rows of a batch that are sent, as they are sent.
    fn decode(&self, batch: &RecordBatch, selection: &Selection) -> Result<Option<Decoded>, SegmentError> {
        let kept = selection.keep(batch, &self.ids, self.window)?;
        let batch = match kept.count_set_bits() {
            0 => return Ok(None),
            all if all == batch.num_rows() => batch.clone(),
            _ => filter_record_batch(batch, &BooleanArray::from(kept))?,
        };
        let times = times(&batch);
        Ok(Some(Decoded { batch: served(&selection.mask.apply(&batch)?, self.shift)?, times }))
    }

    fn encode(&self, decoded: &Decoded, selection: &Selection) -> Result<Encoded, SegmentError> {
        let batch = decoded.batch.slice(0, ENCODED.min(decoded.times.len()));
        let view = View::new(&batch).map_err(arrow::error::ArrowError::from)?;
        let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(batch.num_rows()));
        let mut counted = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            encode_row_of(selection.envelope, &view, row, &mut bytes);
            ends.push(bytes.len());
            counted.push(selection.is_counted(view.text(self.ids.kind, row)));
        }
        let times = decoded.times.get(..batch.num_rows()).unwrap_or_default().to_owned();
        Ok(Encoded { bytes: bytes.into(), ends, times, counted })
    }
}

/// The times of rows, where one without is after all others.
pub(crate) fn times(batch: &RecordBatch) -> Vec<i64> {
    let times = batch.column_by_name("time").and_then(|times| times.as_primitive_opt::<TimestampNanosecondType>());
    let time = |row| times.filter(|times| times.is_valid(row)).map_or(UNTIMED, |times| times.value(row));
    (0..batch.num_rows()).map(time).collect()
}

/// As a server sends events: times moved, and the envelope filled in from the event.
fn served(batch: &RecordBatch, shift: i64) -> Result<RecordBatch, SegmentError> {
    let envelope = ["time", "node_name"].into_iter().filter_map(presence_bit).fold(0u64, |bits, bit| bits | 1 << bit);
    let columns = batch.schema_ref().fields().iter().zip(batch.columns()).map(|(field, array)| -> ArrayRef {
        if let Some(times) = array.as_primitive_opt::<TimestampNanosecondType>().filter(|_| shift != 0) {
            // What would leave the times that there are stays at their end.
            let moved = times.unary::<_, TimestampNanosecondType>(|time| time.saturating_add(shift).max(0));
            debug_assert!(matches!(array.data_type(), DataType::Timestamp(..)));
            return Arc::new(moved.with_data_type(array.data_type().clone()));
        }
        match array.as_primitive_opt::<UInt64Type>() {
            Some(bits) if ColumnId::of(field.name()).is_some_and(|id| id.column().name == "messages") => {
                Arc::new(bits.unary::<_, UInt64Type>(|bits| bits | envelope))
            }
            _ => Arc::clone(array),
        }
    });
    Ok(RecordBatch::try_new(batch.schema(), columns.collect())?)
}
