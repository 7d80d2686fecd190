//! The rows of one file, ready to be sent.

mod source;

use std::sync::Arc;

use lookback_flow::rows::Projection;
use lookback_flow::segment::{Form, Reading, SegmentError, SegmentReader, Wanted};
use lookback_flow::view::View;

pub(crate) use self::source::times;
use self::source::{Ahead, Decoded, Source};
use super::selection::{Ids, Selection, UNTIMED};
use super::store::{Segment, Store};

/// What is to be read of a file: its rows in a window of the archive's own time.
pub(crate) fn wanted(store: &Store, segment: usize, window: (i64, i64), selection: &Selection) -> Wanted {
    let whole = store.segments().get(segment).is_some_and(|segment| {
        // Rows without a time are in no window.
        segment.first() >= window.0 && segment.last() <= window.1 || segment.last() == UNTIMED && window.1 == UNTIMED
    });
    Wanted { window: (!whole).then_some(window), needles: selection.needles(), exactly: true, row_group: None }
}

/// The messages of a file, some at a time.
///
/// Where rows are filtered, the file is read in stretches of time that grow: the first ones that fit may be all that is wanted. At
/// first only the columns that are asked about are read, until it is known when the first row is that fits; of many files those
/// that have later ones may never be read.
pub(crate) struct Cursor {
    store: Arc<Store>,
    selection: Arc<Selection>,
    columns: Projection,
    segment: usize,
    batch_rows: usize,
    source: Option<Ahead>,
    ids: Ids,
    /// The stretch that is read.
    window: (i64, i64),
    /// The end of the last one.
    until: i64,
    /// How long the next one is; `None` where there is but one.
    stretch: Option<i64>,
    /// Added to all times that are sent.
    shift: i64,
    /// What was decoded and not encoded yet.
    decoded: Option<Decoded>,
    encoded: Encoded,
    /// The next message of these.
    row: usize,
    /// The time of the first message, as long as nothing else is known of it.
    first: Option<i64>,
}

/// Rows that the first stretch is likely to hold: those of a page, for less is not read.
const STRETCH_ROWS: i64 = 32 * 1024;

/// How much longer each stretch is than the one before.
const STRETCHES: i64 = 8;

fn first_stretch(segment: &Segment) -> i64 {
    let span = segment.last().saturating_sub(segment.first()).max(0);
    let rows = i64::try_from(segment.rows.max(1)).unwrap_or(i64::MAX);
    (span / rows).saturating_add(1).saturating_mul(STRETCH_ROWS)
}

/// Fewest and most rows that are encoded at a time: a request may want a few of many.
const ENCODED: (usize, usize) = (32, 512);

/// Bytes of messages after which no more are added.
pub(crate) const BYTES: usize = 1 << 20;

/// Messages, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Encoded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) messages: Vec<Message>,
}

/// A message among others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message {
    /// Where it ends; it begins where the one before ends.
    pub(crate) end: usize,
    /// The archive's own.
    pub(crate) time: i64,
    /// Whether it is of those that a request counts.
    pub(crate) counted: bool,
}

impl Encoded {
    fn start(&self, row: usize) -> usize {
        row.checked_sub(1).and_then(|before| self.messages.get(before)).map_or(0, |message| message.end)
    }

    /// Adds a message of others.
    fn push(&mut self, from: &Self, row: usize) {
        if let Some(message) = from.messages.get(row) {
            self.bytes.extend_from_slice(from.bytes.get(from.start(row)..message.end).unwrap_or_default());
            self.messages.push(Message { end: self.bytes.len(), ..*message });
        }
    }
}

impl Cursor {
    /// Begins to read what a file has in a window.
    pub(crate) fn open(
        store: &Arc<Store>,
        segment: usize,
        selection: &Arc<Selection>,
        columns: &Projection,
        (since, until): (i64, i64),
        shift: i64,
        batch_rows: usize,
    ) -> Result<Self, SegmentError> {
        let stretch = store.segments().get(segment).filter(|_| selection.has_filters()).map(first_stretch);
        let since = since.max(store.segments().get(segment).map_or(since, Segment::first));
        let mut cursor = Self {
            store: Arc::clone(store),
            selection: Arc::clone(selection),
            columns: columns.clone(),
            segment,
            batch_rows,
            source: None,
            ids: Ids::new()?,
            window: (since, since),
            until,
            stretch,
            shift,
            decoded: None,
            encoded: Encoded::default(),
            row: 0,
            first: None,
        };
        match cursor.stretch {
            Some(_) => cursor.find(since)?,
            None => {
                cursor.next_stretch(since);
                cursor.read()?;
                cursor.fill()?;
            }
        }
        Ok(cursor)
    }

    /// Finds the first row that fits, and the stretch that it is in, which is read once it is that row's turn.
    fn find(&mut self, since: i64) -> Result<(), SegmentError> {
        self.next_stretch(since);
        loop {
            for batch in self.asked()? {
                let batch = batch?;
                let kept = self.selection.keep(&batch, &self.ids, self.window)?;
                if let Some(row) = kept.set_indices().next() {
                    self.first = times(&batch).get(row).copied();
                    return Ok(());
                }
            }
            if self.window.1 >= self.until {
                return Ok(());
            }
            self.next_stretch(self.window.1 + 1);
        }
    }

    /// Goes on to the next stretch, which begins at a time.
    fn next_stretch(&mut self, since: i64) {
        let Self { store, segment, until, .. } = self;
        let last = store.segments().get(*segment).map_or(UNTIMED, Segment::last).min(*until);
        let end = match &mut self.stretch {
            Some(stretch) => {
                let end = since.saturating_add(*stretch);
                *stretch = stretch.saturating_mul(STRETCHES);
                // What has no time is of the last one.
                if end < last { end } else { *until }
            }
            None => *until,
        };
        self.window = (since, end);
    }

    /// Reads what is asked about of the rows of the stretch.
    fn asked(&self) -> Result<SegmentReader, SegmentError> {
        let Self { store, selection, segment, .. } = self;
        let reading = Reading { form: Form::Stored, ..Reading::default() };
        store.rows(*segment, &selection.asked(), &wanted(store, *segment, self.window, selection), reading)
    }

    /// Begins to read the stretch.
    fn read(&mut self) -> Result<(), SegmentError> {
        let Self { store, selection, segment, .. } = self;
        let reading = Reading {
            batch_rows: Some(self.batch_rows),
            // Where most rows are sent anyway, they are read once.
            test: selection.has_filters().then(|| selection.test(self.window)).transpose()?,
            form: Form::Stored,
            ..Reading::default()
        };
        let wanted = wanted(store, *segment, self.window, selection);
        let rows = store.rows(*segment, &self.columns, &wanted, reading)?;
        self.source = Some(Ahead::new(Source::new(rows, selection, self.window, self.shift)?));
        Ok(())
    }

    /// The time of the next message.
    pub(crate) fn time(&self) -> Option<i64> {
        if self.first.is_some() {
            return self.first;
        }
        self.encoded.messages.get(self.row).map(|message| message.time)
    }

    /// Adds the next message to others.
    pub(crate) fn take(&mut self, to: &mut Encoded) {
        to.push(&self.encoded, self.row);
        self.row += 1;
    }

    /// Passes over the next message.
    pub(crate) fn pass(&mut self) {
        self.row += 1;
    }

    /// Reads on, if all that was read is taken; false at the end.
    pub(crate) fn fill(&mut self) -> Result<bool, SegmentError> {
        if self.first.take().is_some() {
            self.read()?;
        }
        while self.row >= self.encoded.messages.len() {
            if self.decoded.is_some() {
                self.encode()?;
            } else if let Some(decoded) = self.source.as_mut().and_then(Ahead::next) {
                self.decoded = Some(decoded?);
            } else if self.window.1 < self.until {
                self.next_stretch(self.window.1 + 1);
                self.read()?;
            } else {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn encode(&mut self) -> Result<(), SegmentError> {
        let Self { decoded, encoded: Encoded { bytes, messages }, ids, selection, .. } = self;
        let Some(Decoded { batch, encoder, times, done }) = decoded else { return Ok(()) };
        let most = (2 * messages.len()).clamp(ENCODED.0, ENCODED.1);
        let view = View::new(batch).map_err(arrow::error::ArrowError::from)?;
        let rows = *done..times.len().min(*done + most);
        bytes.clear();
        messages.clear();
        encoder.rows(&view, rows, bytes, |end| {
            let counted = selection.is_counted(view.text(ids.kind, *done));
            messages.push(Message { end, time: times.get(*done).copied().unwrap_or(UNTIMED), counted });
            *done += 1;
            end < BYTES
        });
        if *done == times.len() {
            *decoded = None;
        }
        self.row = 0;
        Ok(())
    }
}
