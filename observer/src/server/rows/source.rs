//! Rows of a file, read ahead.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, TimestampNanosecondType, UInt64Type};
use arrow::error::ArrowError;
use lookback_flow::columns::ColumnId;
use lookback_flow::protobuf::{Encoder, Layout};
use lookback_flow::schema::presence_bit;
use lookback_flow::segment::{SegmentError, SegmentReader};
use lookback_flow::view::View;

use crate::server::selection::{Ids, Selection, UNTIMED};

/// Rows that are sent, with the archive's own times.
pub(super) struct Decoded {
    pub(super) batch: RecordBatch,
    pub(super) encoder: Encoder,
    pub(super) times: Vec<i64>,
    /// Rows that were encoded.
    pub(super) done: usize,
}

/// The rows of a stretch of a file that are sent.
pub(super) struct Source {
    rows: SegmentReader,
    selection: Arc<Selection>,
    ids: Ids,
    window: (i64, i64),
    /// Added to all times that are sent.
    shift: i64,
    layout: Option<Arc<Layout>>,
}

impl Source {
    pub(super) fn new(
        rows: SegmentReader,
        selection: &Arc<Selection>,
        window: (i64, i64),
        shift: i64,
    ) -> Result<Self, SegmentError> {
        Ok(Self { rows, selection: Arc::clone(selection), ids: Ids::new()?, window, shift, layout: None })
    }

    fn next(&mut self) -> Option<Result<Decoded, SegmentError>> {
        loop {
            let decoded = self.rows.next()?.and_then(|batch| self.decode(batch));
            if let Some(decoded) = decoded.transpose() {
                return Some(decoded);
            }
        }
    }

    /// The rows of a batch that are sent, as they are sent.
    fn decode(&mut self, batch: RecordBatch) -> Result<Option<Decoded>, SegmentError> {
        let selection = &self.selection;
        let batch = if selection.has_filters() {
            batch
        } else {
            let kept = selection.keep(&batch, &self.ids, self.window)?;
            if kept.count_set_bits() == batch.num_rows() {
                batch
            } else {
                filter_record_batch(&batch, &BooleanArray::from(kept))?
            }
        };
        if batch.num_rows() == 0 {
            return Ok(None);
        }
        let times = times(&batch);
        let batch = served(&selection.mask.apply(&batch)?, self.shift)?;
        let view = View::new(&batch).map_err(ArrowError::from)?;
        let encoder = Encoder::new(selection.envelope, &view, batch.num_rows(), self.layout.as_ref());
        self.layout = Some(Arc::clone(encoder.layout()));
        Ok(Some(Decoded { batch, encoder, times, done: 0 }))
    }
}

type Next = Option<Result<Decoded, SegmentError>>;

/// Reads a batch while the one before is sent. The first two are read when they are wanted: one may be all that is, and behind
/// it there may be nothing for long.
pub(super) enum Ahead {
    Begun(Box<Source>),
    /// The first batch is taken.
    Here(Box<Source>),
    Reading(Receiver<(Box<Source>, Next)>),
    Over,
}

impl Ahead {
    pub(super) fn new(source: Source) -> Self {
        Self::Begun(Box::new(source))
    }

    /// The next rows.
    pub(super) fn next(&mut self) -> Next {
        let (source, next) = match std::mem::replace(self, Self::Over) {
            Self::Begun(mut source) => {
                let next = source.next();
                if matches!(next, Some(Ok(_))) {
                    *self = Self::Here(source);
                }
                return next;
            }
            Self::Here(mut source) => {
                let next = source.next();
                (source, next)
            }
            Self::Reading(reading) => match reading.recv() {
                Ok(read) => read,
                Err(_) => return Some(Err(SegmentError::Broken("reading it stopped".to_owned()))),
            },
            Self::Over => return None,
        };
        if matches!(next, Some(Ok(_))) {
            *self = Self::read_on(source);
        }
        next
    }

    fn read_on(mut source: Box<Source>) -> Self {
        let (sender, reading) = sync_channel(1);
        let read = move || {
            let next = source.next();
            // Nobody waits for it, if its stream has ended.
            let _ = sender.send((source, next));
        };
        // A panic, which would end the server here, is told where the rows are missed.
        rayon::spawn(|| drop(catch_unwind(AssertUnwindSafe(read))));
        Self::Reading(reading)
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
