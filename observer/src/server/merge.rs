//! The messages of all files in one order: that of time, and of the making of files where times are the same.
//!
//! Only files whose turn it is are open: one for each node, mostly.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use lookback_flow::rows::Projection;

use super::rows::{BYTES, Cursor, Encoded};
use super::selection::Selection;
use super::store::{Store, StoreError};

/// Rows that are decoded at a time, over all open files.
const ROWS: u64 = 16 * 1024;

/// Fewest and most rows of one file decoded at a time.
const BATCH: (u64, u64) = (128, 4096);

/// Fewest and most messages that are handed on at a time: the first are wanted soon, many cost less together.
pub(crate) const MESSAGES: (usize, usize) = (64, 4096);

/// A place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// In the archive's own time.
    pub(crate) time: i64,
    /// Messages of that time that came before.
    pub(crate) passed: u64,
}

/// What is read next.
pub(crate) struct Portion {
    pub(crate) encoded: Encoded,
    /// The time of the next message, which is not part of it for being too late; `None` where there is none, or
    /// nothing is known of it.
    pub(crate) next: Option<i64>,
    pub(crate) is_over: bool,
}

/// All messages of a window from a place on.
pub(crate) struct Merge {
    store: Arc<Store>,
    selection: Arc<Selection>,
    columns: Projection,
    window: (i64, i64),
    shift: i64,
    /// Files that are not open yet, by their first time.
    waiting: VecDeque<usize>,
    /// The next message of each open file: its time, the file's place among files, the cursor.
    heap: BinaryHeap<Reverse<(i64, usize, usize)>>,
    cursors: Vec<Option<(usize, Cursor)>>,
    place: Place,
    /// Messages to pass over, of the time at which reading began.
    again: u64,
    /// Bytes of the largest portion so far.
    room: usize,
    /// Rows that are decoded at a time, over all open files.
    rows: u64,
}

impl Merge {
    /// Begins at a place; `until` is the last moment of the archive's own time, `shift` is added to times that are sent; no more than
    /// a number of messages are likely to be taken.
    pub(crate) fn new(
        store: &Arc<Store>,
        selection: &Arc<Selection>,
        from: Place,
        until: i64,
        shift: i64,
        number: u64,
    ) -> Self {
        let window = (from.time, until);
        let reaches = store.segments().iter().enumerate().filter(|(_, segment)| segment.reaches(window));
        Self {
            store: Arc::clone(store),
            selection: Arc::clone(selection),
            columns: selection.columns(),
            window,
            shift,
            waiting: reaches.map(|(at, _)| at).collect(),
            heap: BinaryHeap::new(),
            cursors: Vec::new(),
            place: Place { passed: 0, ..from },
            again: from.passed,
            room: 0,
            rows: ROWS.min(number),
        }
    }

    /// Where to begin to get what is still to come.
    pub(crate) fn place(&self) -> Place {
        Place { passed: self.place.passed + self.again, ..self.place }
    }

    /// The next messages, at most so many, and none of them later than a time.
    pub(crate) fn portion(&mut self, visible: i64, most: usize) -> Result<Portion, StoreError> {
        let mut encoded = Encoded { bytes: Vec::with_capacity(self.room), messages: Vec::with_capacity(most) };
        let (next, is_over) = self.fill(visible, most, &mut encoded)?;
        self.room = self.room.max(encoded.bytes.len());
        Ok(Portion { encoded, next, is_over })
    }

    /// Gives the time of the next message that is too late, and whether there is none at all.
    fn fill(&mut self, visible: i64, most: usize, encoded: &mut Encoded) -> Result<(Option<i64>, bool), StoreError> {
        while encoded.messages.len() < most && encoded.bytes.len() < BYTES {
            self.open(visible)?;
            match self.heap.peek() {
                None => {
                    let next = self.next_file();
                    return Ok((next, next.is_none()));
                }
                Some(Reverse((time, ..))) if *time > visible => return Ok((Some(*time), false)),
                Some(_) => self.take((visible, most), encoded)?,
            }
        }
        Ok((None, false))
    }

    fn next_file(&self) -> Option<i64> {
        Some(self.store.segments().get(*self.waiting.front()?)?.first())
    }

    /// Opens the files that begin before the next message, or before a time where there is none.
    fn open(&mut self, visible: i64) -> Result<(), StoreError> {
        while let Some(first) = self.next_file()
            && first <= self.heap.peek().map_or(visible, |Reverse((time, ..))| *time)
            && let Some(segment) = self.waiting.pop_front()
        {
            let batch_rows = (self.rows / (self.heap.len() as u64 + 1)).clamp(BATCH.0, BATCH.1);
            let batch_rows = usize::try_from(batch_rows).unwrap_or_default();
            let Self { store, selection, columns, window, shift, .. } = self;
            let opened = Cursor::open(store, segment, selection, columns, *window, *shift, batch_rows);
            let cursor = opened.map_err(|error| store.failed(segment, error))?;
            if let Some(time) = cursor.time() {
                let order = store.segments().get(segment).map_or(0, |segment| segment.order);
                let free = self.cursors.iter().position(Option::is_none).unwrap_or(self.cursors.len());
                self.heap.push(Reverse((time, order, free)));
                match self.cursors.get_mut(free) {
                    Some(slot) => *slot = Some((segment, cursor)),
                    None => self.cursors.push(Some((segment, cursor))),
                }
            }
        }
        Ok(())
    }

    /// Takes messages of the file that has the next one, as long as it has.
    fn take(&mut self, (visible, most): (i64, usize), encoded: &mut Encoded) -> Result<(), StoreError> {
        let Some(Reverse((mut time, order, at))) = self.heap.pop() else { return Ok(()) };
        let others = self.heap.peek().map(|Reverse((time, order, _))| (*time, *order));
        let waiting = self.next_file().map(|first| (first, 0));
        let before = others.into_iter().chain(waiting).min();
        let Some(slot) = self.cursors.get_mut(at) else { return Ok(()) };
        let Some((segment, cursor)) = slot else { return Ok(()) };
        // Of a file that was just opened only the time of its first message is known.
        cursor.fill().map_err(|error| self.store.failed(*segment, error))?;
        loop {
            if time != self.place.time {
                (self.place, self.again) = (Place { time, passed: 0 }, 0);
            }
            self.place.passed += 1;
            if self.again > 0 {
                self.again -= 1;
                cursor.pass();
            } else {
                cursor.take(encoded);
            }
            let filled = cursor.fill().map_err(|error| self.store.failed(*segment, error))?;
            let Some(next) = cursor.time().filter(|_| filled) else {
                *slot = None;
                return Ok(());
            };
            time = next;
            let is_next = before.is_none_or(|before| (time, order) < before) && time <= visible;
            if !is_next || encoded.messages.len() >= most || encoded.bytes.len() >= BYTES {
                self.heap.push(Reverse((time, order, at)));
                return Ok(());
            }
        }
    }
}
