//! The newest events that were recorded: what a server tells once more is known by them.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;

use anyhow::Result;
use arrow::array::RecordBatch;
use lookback_flow::archive::Archive;
use lookback_flow::columns::ColumnId;
use lookback_flow::protobuf::{Encoder, Envelope};
use lookback_flow::rows::Projection;
use lookback_flow::segment::{SegmentFile, Wanted};
use lookback_flow::view::View;

/// Most events that are known.
const MOST: usize = 1 << 20;

/// Events by their times; each is known by a hash of all that it tells.
pub(super) struct Recent {
    overlap: i64,
    by_time: BTreeMap<i64, Vec<u64>>,
    events: usize,
    /// Behind the last time of which not all are known any more.
    floor: i64,
    hasher: RandomState,
    /// What a server that was asked again tells once more: how often, and the newest time of it.
    expected: HashMap<(i64, u64), u32>,
    expects_until: i64,
}

impl Recent {
    fn new(overlap: i64) -> Self {
        Self {
            overlap,
            by_time: BTreeMap::new(),
            events: 0,
            floor: i64::MIN,
            hasher: RandomState::new(),
            expected: HashMap::new(),
            expects_until: i64::MIN,
        }
    }

    /// The newest events of an archive.
    pub(super) fn of_archive(root: &Path, overlap: i64) -> Result<Self> {
        let mut recent = Self::new(overlap);
        let Some(archive) = Archive::at(root) else { return Ok(recent) };
        let mut spans = Vec::new();
        for path in archive.all_files()? {
            let file = SegmentFile::open(&path)?;
            if let Some(last) = file.spans().into_iter().flatten().map(|(_, last)| last).max() {
                spans.push((last, path));
            }
        }
        let Some(newest) = spans.iter().map(|(last, _)| *last).max() else { return Ok(recent) };
        let since = newest.saturating_sub(overlap);
        let wanted = Wanted { window: Some((since, i64::MAX)), ..Wanted::default() };
        for (_, path) in spans.iter().filter(|(last, _)| *last >= since) {
            for batch in SegmentFile::open(path)?.read(&Projection::all(), &wanted, None)? {
                let batch = batch?;
                for (time, event) in recent.identities(&batch)? {
                    if time >= since {
                        recent.keep(time, event);
                    }
                }
                recent.trim();
            }
        }
        Ok(recent)
    }

    /// The time of the newest event.
    pub(super) fn newest(&self) -> Option<i64> {
        self.by_time.last_key_value().map(|(time, _)| *time)
    }

    /// Where to go on, `None` at the very beginning: what is known from there on is expected once more.
    pub(super) fn expect(&mut self) -> Option<i64> {
        let since = self.newest()?.saturating_sub(self.overlap).max(self.floor).max(0);
        self.expected.clear();
        for (time, events) in self.by_time.range(since..) {
            for event in events {
                *self.expected.entry((*time, *event)).or_default() += 1;
            }
            self.expects_until = *time;
        }
        Some(since)
    }

    /// Which events of a batch are not known, and are from now on.
    pub(super) fn take(&mut self, batch: &RecordBatch) -> Result<Vec<bool>> {
        let mut is_new = Vec::with_capacity(batch.num_rows());
        for (time, event) in self.identities(batch)? {
            let expected = self.expected.get_mut(&(time, event));
            match expected {
                Some(times) => {
                    *times -= 1;
                    if *times == 0 {
                        self.expected.remove(&(time, event));
                    }
                    is_new.push(false);
                }
                None => {
                    self.keep(time, event);
                    is_new.push(true);
                }
            }
        }
        self.trim();
        Ok(is_new)
    }

    /// Once what comes is far behind what was expected: the time of something that did not come again.
    pub(super) fn missing(&mut self) -> Option<i64> {
        let newest = self.newest()?;
        if self.expected.is_empty() || newest.saturating_sub(self.expects_until) <= self.overlap {
            return None;
        }
        let missing = self.expected.keys().map(|(time, _)| *time).max();
        self.expected.clear();
        missing
    }

    /// The time of each event, and what tells it from others.
    fn identities(&self, batch: &RecordBatch) -> Result<Vec<(i64, u64)>> {
        let view = View::new(batch)?;
        let time = ColumnId::known("time");
        let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(batch.num_rows()));
        let encoder = Encoder::new(Envelope::Flows, &view, batch.num_rows(), None);
        encoder.rows(&view, 0..batch.num_rows(), &mut bytes, |end| {
            ends.push(end);
            true
        });
        let mut start = 0;
        let identity = |(row, end): (usize, usize)| {
            let event = bytes.get(std::mem::replace(&mut start, end)..end).unwrap_or_default();
            // What has no time is never told again: no span of time has it.
            let time = view.number(time, row).and_then(|time| i64::try_from(time).ok()).unwrap_or(i64::MIN);
            (time, self.hasher.hash_one(event))
        };
        Ok(ends.into_iter().enumerate().map(identity).collect())
    }

    fn keep(&mut self, time: i64, event: u64) {
        if time != i64::MIN {
            self.by_time.entry(time).or_default().push(event);
            self.events += 1;
        }
    }

    /// Forgets what is too old, or too much.
    fn trim(&mut self) {
        let Some(newest) = self.newest() else { return };
        let since = newest.saturating_sub(self.overlap);
        while let Some(oldest) = self.by_time.first_entry()
            && (*oldest.key() < since || self.events > MOST)
        {
            self.floor = oldest.key().saturating_add(1);
            self.events -= oldest.remove().len();
        }
    }
}

#[cfg(test)]
mod tests {
    use lookback_flow::json::Decoder;

    use super::*;

    /// Events at these milliseconds.
    fn batch(events: &[(i64, &str)]) -> RecordBatch {
        let mut decoder = Decoder::new(Projection::all());
        for (ms, uuid) in events {
            let time = format!("1970-01-01T00:{:02}:{:02}.{:03}Z", ms / 60_000, ms / 1000 % 60, ms % 1000);
            let line = format!(r#"{{"flow":{{"time":"{time}","uuid":"{uuid}"}},"time":"{time}"}}"#);
            decoder.line(line.as_bytes()).unwrap();
        }
        decoder.finish().unwrap()
    }

    #[test]
    fn what_is_told_again_is_known_as_often_as_it_was_told() {
        let mut recent = Recent::new(1_000_000_000);
        assert_eq!(recent.expect(), None);
        let first = batch(&[(100, "a"), (5000, "b"), (5500, "c"), (5500, "c")]);
        assert_eq!(recent.take(&first).unwrap(), [true; 4], "nothing is a double within a stream");
        assert_eq!(recent.expect(), Some(4_500_000_000));
        let again = batch(&[(5000, "b"), (5500, "c"), (5500, "c"), (5500, "c"), (5500, "d"), (4900, "late")]);
        assert_eq!(recent.take(&again).unwrap(), [false, false, false, true, true, true]);
        assert_eq!(recent.missing(), None);
    }

    #[test]
    fn a_server_that_has_forgotten_is_found_out() {
        let mut recent = Recent::new(1_000_000_000);
        recent.take(&batch(&[(1000, "a"), (1500, "b")])).unwrap();
        recent.expect();
        recent.take(&batch(&[(2000, "x")])).unwrap();
        assert_eq!(recent.missing(), None, "others may be late");
        recent.take(&batch(&[(4000, "y")])).unwrap();
        assert_eq!(recent.missing(), Some(1_500_000_000));
        assert_eq!(recent.missing(), None, "it is told once");
    }

    #[test]
    fn no_more_is_kept_than_is_asked_for_again() {
        let mut recent = Recent::new(1_000_000_000);
        for second in 1..100 {
            recent.take(&batch(&[(second * 1000, "a"), (second * 1000 + 1, "b")])).unwrap();
        }
        assert!(recent.events <= 4, "{}", recent.events);
        recent.expect();
        assert!(recent.expected.len() <= 4);
    }
}
