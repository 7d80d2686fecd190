//! A file, read in ranges.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use lookback_flow::store::Blob;
use object_store::path::Path as Key;
use object_store::{GetOptions, GetRange, ObjectStoreExt as _};

use crate::cache::Cache;
use crate::error::{http, told};
use crate::{Bucket, Engine, Pending, TAIL};

/// Ranges with no more than this between them are fetched as one: a request takes about as long as so many bytes.
const GAP: u64 = 256 << 10;

/// What is fetched together is fetched in parts of this size, at the same time.
const PART: u64 = 8 << 20;

/// The least that is fetched: what is small is seldom alone.
const LEAST: u64 = 64 << 10;

/// No more is fetched before it is read: a row group of others' making may be of any size.
const SOON: u64 = 64 << 20;

/// A file.
#[derive(Debug)]
pub(crate) struct Object {
    engine: Arc<Engine>,
    bucket: Bucket,
    key: Key,
    /// What the cache knows it by.
    name: Arc<str>,
    size: u64,
}

impl Object {
    /// Opens a file with what stands at its end: who reads Parquet begins there.
    pub(crate) fn open(engine: &Arc<Engine>, bucket: Bucket, path: &Path, key: Key) -> io::Result<Self> {
        let name: Arc<str> = path.to_string_lossy().into();
        let mut object = Self { engine: Arc::clone(engine), bucket, key, name, size: 0 };
        object.size = match engine.cache.size(&object.name) {
            Some(size) => size,
            None => object.end()?,
        };
        Ok(object)
    }

    /// Fetches the end, and tells the size.
    fn end(&self) -> io::Result<u64> {
        let end = self
            .wait(vec![Box::pin(end(self.bucket.clone(), self.key.clone())) as Pending<object_store::Result<End>>])?;
        Ok(end.into_iter().map(|end| end.keep(&self.engine.cache, &self.name)).next().unwrap_or_default())
    }

    fn wait<T: Send + 'static>(&self, all: Vec<Pending<object_store::Result<T>>>) -> io::Result<Vec<T>> {
        let done = self.engine.wait_all(all)?.into_iter().collect::<object_store::Result<Vec<T>>>();
        done.map_err(|error| told(&self.bucket, &error))
    }

    /// Fetches ranges, all at the same time.
    fn fetch(&self, ranges: &[Range<u64>]) -> io::Result<Vec<Bytes>> {
        let request = |range: &Range<u64>| -> Pending<object_store::Result<Bytes>> {
            let (bucket, key, range) = (self.bucket.clone(), self.key.clone(), range.clone());
            Box::pin(async move { bucket.store.get_range(&key, range).await })
        };
        let fetched = self.wait(ranges.iter().map(request).collect())?;
        let exact = ranges.iter().zip(&fetched).all(|(range, bytes)| bytes.len() as u64 == range.end - range.start);
        // Who has written over it meanwhile made it shorter.
        if !exact {
            return Err(io::Error::other("it changed while it was read; ask again"));
        }
        Ok(fetched)
    }

    /// At least these bytes, in one piece.
    fn piece(&self, range: Range<u64>) -> io::Result<Bytes> {
        let wider = range.start..range.end.max(range.start.saturating_add(LEAST)).min(self.size);
        let Some(bytes) = self.fetch(std::slice::from_ref(&wider))?.pop() else { return Ok(Bytes::new()) };
        self.engine.cache.keep(&self.name, range.start, bytes.clone());
        Ok(bytes)
    }
}

impl Blob for Object {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let length = usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
        if range.end > self.size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let found = self.engine.cache.at(&self.name, range.start).filter(|bytes| bytes.len() >= length);
        let bytes = match found {
            Some(bytes) => bytes,
            None if length == 0 => Bytes::new(),
            None => self.piece(range)?,
        };
        Ok(bytes.slice(..length))
    }

    fn read_some(&self, start: u64, most: u64) -> io::Result<Bytes> {
        let end = self.size.min(start.saturating_add(most));
        if start >= end {
            return Ok(Bytes::new());
        }
        let length = usize::try_from(end - start).map_err(io::Error::other)?;
        let bytes = match self.engine.cache.at(&self.name, start) {
            Some(bytes) => bytes,
            None => self.piece(start..end)?,
        };
        Ok(bytes.slice(..length.min(bytes.len())))
    }

    fn soon(&self, ranges: &[Range<u64>]) -> io::Result<()> {
        let missing = |range: &&Range<u64>| range.end <= self.size && !self.engine.cache.has(&self.name, range);
        let missing: Vec<Range<u64>> = ranges.iter().filter(missing).cloned().collect();
        let mut together = together(missing);
        let mut bytes = 0;
        together.retain(|range| {
            bytes += range.end - range.start;
            bytes <= SOON
        });
        for (range, bytes) in together.iter().zip(self.fetch(&together)?) {
            self.engine.cache.keep(&self.name, range.start, bytes);
        }
        Ok(())
    }
}

/// The end of a file.
pub(crate) struct End {
    size: u64,
    start: u64,
    bytes: Bytes,
}

impl End {
    /// Keeps it, and tells the size.
    pub(crate) fn keep(self, cache: &Cache, file: &Arc<str>) -> u64 {
        cache.learn(file, self.size);
        cache.keep(file, self.start, self.bytes);
        self.size
    }
}

/// Fetches the end of a file.
pub(crate) async fn end(bucket: Bucket, key: Key) -> object_store::Result<End> {
    let ranged = |range| GetOptions { range: Some(range), ..GetOptions::default() };
    let answer = match bucket.store.get_opts(&key, ranged(GetRange::Suffix(TAIL))).await {
        // Azure does not know it, and nobody does of an empty file.
        Err(error) if is_refused(&error) => {
            let size = bucket.store.head(&key).await.map_err(|_| error)?.size;
            if size == 0 {
                return Ok(End { size: 0, start: 0, bytes: Bytes::new() });
            }
            bucket.store.get_opts(&key, ranged(GetRange::Bounded(size.saturating_sub(TAIL)..size))).await?
        }
        answer => answer?,
    };
    let (size, start) = (answer.meta.size, answer.range.start);
    Ok(End { size, start, bytes: answer.bytes().await? })
}

/// Whether a server does not know how to give the end of a file, or not of this one.
fn is_refused(error: &object_store::Error) -> bool {
    use object_store::Error::{Generic, NotSupported};
    matches!(error, Generic { .. } | NotSupported { .. }) && http(error).is_none()
}

/// Ranges near each other as one, as long as that does not become too large to come in one answer.
fn together(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last)
                if range.start <= last.end.saturating_add(GAP) && range.end.max(last.end) - last.start <= PART =>
            {
                last.end = last.end.max(range.end);
            }
            _ => joined.push(range),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_near_each_other_are_fetched_together() {
        let far = GAP + 1;
        assert_eq!(together(vec![100..200, 0..10, 150..160, 300 + far..301 + far]), [0..200, 300 + far..301 + far]);
        assert_eq!(together(vec![0..10, 10 + far..20 + far]), [0..10, 10 + far..20 + far]);
        assert_eq!(together(vec![0..PART, PART..PART + 1]), [0..PART, PART..PART + 1]);
        assert_eq!(together(Vec::new()), Vec::<Range<u64>>::new());
    }
}
