//! What was fetched, for as long as there is room.
//!
//! Footers are read several times, and what is fetched together is read page by page. What makes room is fetched again when it is read.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Bytes of files in memory.
const MOST_BYTES: usize = 128 << 20;

/// Files whose sizes are known.
const MOST_FILES: usize = 100_000;

/// Pieces of files, those that were used last.
#[derive(Debug)]
pub(crate) struct Cache {
    most: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    sizes: HashMap<Arc<str>, u64>,
    /// By file, and by where they begin.
    pieces: HashMap<Arc<str>, BTreeMap<u64, Piece>>,
    bytes: usize,
    clock: u64,
    /// By when they were used last.
    order: BTreeMap<u64, (Arc<str>, u64)>,
}

#[derive(Debug)]
struct Piece {
    bytes: Bytes,
    used: u64,
}

impl Default for Cache {
    fn default() -> Self {
        Self::holding(MOST_BYTES)
    }
}

impl Cache {
    pub(crate) fn holding(most: usize) -> Self {
        Self { most, held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn size(&self, file: &str) -> Option<u64> {
        self.held().sizes.get(file).copied()
    }

    pub(crate) fn learn(&self, file: &Arc<str>, size: u64) {
        let mut held = self.held();
        if held.sizes.len() < MOST_FILES {
            held.sizes.insert(Arc::clone(file), size);
        }
    }

    /// Bytes from a place on, as many as stand together.
    pub(crate) fn at(&self, file: &str, start: u64) -> Option<Bytes> {
        let held = &mut *self.held();
        held.clock += 1;
        let now = held.clock;
        let (begin, piece) = held.pieces.get_mut(file)?.range_mut(..=start).next_back()?;
        let skipped = usize::try_from(start - begin).ok()?;
        let bytes = (skipped < piece.bytes.len()).then(|| piece.bytes.slice(skipped..))?;
        if let Some(place) = held.order.remove(&std::mem::replace(&mut piece.used, now)) {
            held.order.insert(now, place);
        }
        Some(bytes)
    }

    /// Whether all of a range is there.
    pub(crate) fn has(&self, file: &str, range: &Range<u64>) -> bool {
        self.at(file, range.start).is_some_and(|bytes| bytes.len() as u64 >= range.end.saturating_sub(range.start))
    }

    /// Keeps a piece, and lets go of others until there is room.
    pub(crate) fn keep(&self, file: &Arc<str>, start: u64, bytes: Bytes) {
        let held = &mut *self.held();
        held.clock += 1;
        let (now, length) = (held.clock, bytes.len());
        let pieces = held.pieces.entry(Arc::clone(file)).or_default();
        // One that reaches less far is of no more use.
        if pieces.get(&start).is_some_and(|piece| piece.bytes.len() >= length) {
            return;
        }
        // What the new one holds is found in it: a piece that begins later would hide the rest.
        let end = start.saturating_add(length as u64);
        let within = |(begin, piece): (&u64, &Piece)| (begin + piece.bytes.len() as u64 <= end).then_some(*begin);
        for begin in pieces.range(start..end).filter_map(within).collect::<Vec<u64>>() {
            if let Some(piece) = pieces.remove(&begin) {
                held.bytes -= piece.bytes.len();
                held.order.remove(&piece.used);
            }
        }
        pieces.insert(start, Piece { bytes, used: now });
        held.bytes += length;
        held.order.insert(now, (Arc::clone(file), start));
        while held.bytes > self.most
            && let Some((_, (file, start))) = held.order.pop_first()
        {
            let Some(pieces) = held.pieces.get_mut(&file) else { continue };
            held.bytes -= pieces.remove(&start).map_or(0, |piece| piece.bytes.len());
            if pieces.is_empty() {
                held.pieces.remove(&file);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_found_by_what_is_in_them_and_the_oldest_make_room() {
        let cache = Cache::holding(10);
        let [a, b]: [Arc<str>; 2] = ["a".into(), "b".into()];
        cache.keep(&a, 100, Bytes::from_static(b"abcdef"));
        assert_eq!(cache.at("a", 102).unwrap(), "cdef");
        assert!(cache.has("a", &(100..106)) && !cache.has("a", &(100..107)) && !cache.has("a", &(99..101)));
        assert!(cache.at("a", 106).is_none() && cache.at("b", 102).is_none());
        cache.keep(&b, 0, Bytes::from_static(b"1234"));
        assert_eq!(cache.at("a", 100).unwrap(), "abcdef", "there is room for both");
        cache.keep(&a, 200, Bytes::from_static(b"x"));
        assert!(cache.at("b", 0).is_none(), "it was not used for the longest time");
        assert!(cache.has("a", &(100..106)) && cache.has("a", &(200..201)));
        cache.keep(&b, 0, Bytes::from_static(b"larger than all that there is room for"));
        let held = cache.held();
        assert!(held.bytes == 0 && held.order.is_empty() && held.pieces.is_empty());
    }

    #[test]
    fn a_longer_piece_takes_the_place_of_a_shorter_one() {
        let cache = Cache::holding(100);
        let a: Arc<str> = "a".into();
        cache.keep(&a, 0, Bytes::from_static(b"ab"));
        cache.keep(&a, 0, Bytes::from_static(b"abcd"));
        cache.keep(&a, 0, Bytes::from_static(b"a"));
        assert_eq!(cache.at("a", 0).unwrap(), "abcd");
        let held = cache.held();
        assert_eq!((held.bytes, held.order.len()), (4, 1));
    }

    #[test]
    fn a_piece_within_another_does_not_hide_the_rest_of_it() {
        let cache = Cache::holding(100);
        let a: Arc<str> = "a".into();
        cache.keep(&a, 4, Bytes::from_static(b"ef"));
        cache.keep(&a, 0, Bytes::from_static(b"abcdefgh"));
        assert_eq!(cache.at("a", 6).unwrap(), "gh");
        let held = cache.held();
        assert_eq!((held.bytes, held.order.len()), (8, 1));
    }
}
