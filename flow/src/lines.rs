//! Lines of a log, plain or compressed, in chunks that end at a line's end.
//!
//! Promises:
//! 1. What a file is, is told by its first bytes, not by its name; all members of a gzip or zstd file are read.
//! 2. Memory is bounded: a chunk holds [`CHUNK`] bytes, or one line of at most [`MAX_LINE`]; of a longer line only its
//!    beginning is kept, so that the decoder rejects it and reading goes on behind it.
//! 3. A file that breaks off gives everything before the break, then the error.

mod growing;

use std::io::{self, BufRead, BufReader, Read};

use crate::json::stream_of;
pub use growing::Growing;

/// Longest line that is read.
pub const MAX_LINE: usize = 16 << 20;

/// Bytes that a chunk aims for.
pub const CHUNK: usize = 2 << 20;

/// What a file's first bytes say it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    Text,
    Gzip,
    Zstd,
    Parquet,
    /// Compressed or packed in a way that is not read.
    Foreign(&'static str),
}

/// Tells what a file is by its first bytes; eight are enough.
#[must_use]
pub fn sniff(start: &[u8]) -> Content {
    let known: &[(&[u8], Content)] = &[
        (b"\x1f\x8b", Content::Gzip),
        (b"\x28\xb5\x2f\xfd", Content::Zstd),
        (b"PAR1", Content::Parquet),
        (b"BZh", Content::Foreign("bzip2")),
        (b"\xfd7zXZ\0", Content::Foreign("xz")),
        (b"PK\x03\x04", Content::Foreign("zip")),
        (b"\x04\x22\x4d\x18", Content::Foreign("lz4")),
    ];
    known.iter().find(|(magic, _)| start.starts_with(magic)).map_or(Content::Text, |(_, content)| *content)
}

/// Some whole lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// The lines, each with its line feed but perhaps the last one.
    pub bytes: Vec<u8>,
}

impl Chunk {
    /// The lines with their numbers within the chunk, from 1, without line feeds; the flag tells a last line without one.
    pub fn lines(&self) -> impl Iterator<Item = (u64, &[u8], bool)> {
        let mut rest = &*self.bytes;
        let mut number = 1;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let (line, after, torn) = match memchr::memchr(b'\n', rest) {
                Some(end) => (rest.get(..end)?, rest.get(end + 1..)?, false),
                None => (rest, &[][..], true),
            };
            rest = after;
            number += 1;
            Some((number - 1, line, torn))
        })
    }
}

/// Reads a log in chunks.
pub struct Chunks {
    source: Box<dyn Read + Send>,
    /// Bytes of the next chunk that were read with an earlier one.
    rest: Vec<u8>,
    /// Room of a chunk that is done with.
    spare: Vec<u8>,
    /// Lines that were passed over.
    passed: u64,
    failed: Option<io::Error>,
    done: bool,
}

impl std::fmt::Debug for Chunks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chunks").field("passed", &self.passed).field("done", &self.done).finish_non_exhaustive()
    }
}

impl Chunks {
    /// Chunks of what a source holds once decompressed.
    ///
    /// # Errors
    /// When nothing can be read, or the content is of a kind that is not read as lines.
    pub fn new(source: impl Read + Send + 'static) -> io::Result<Self> {
        let mut source = BufReader::with_capacity(1 << 16, source);
        let source: Box<dyn Read + Send> = match sniff(source.fill_buf()?) {
            Content::Text => Box::new(source),
            Content::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(source)),
            Content::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(source)?),
            Content::Parquet => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "is a Parquet file, not a log"));
            }
            Content::Foreign(how) => {
                let what = format!("is compressed with {how}; unpack it, or compress it with gzip or zstd");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
            }
        };
        Ok(Self { source, rest: Vec::new(), spare: Vec::new(), passed: 0, failed: None, done: false })
    }

    /// Passes over so many bytes, which end a line, and shows them to `see`.
    ///
    /// # Errors
    /// When the source broke off.
    pub fn pass_over(&mut self, bytes: u64, mut see: impl FnMut(&[u8])) -> io::Result<()> {
        // As chunks, so that a line which is too long counts as it does when it is read.
        let (mut left, mut ended) = (bytes, true);
        while left > 0
            && let Some(chunk) = self.next_chunk()?
        {
            let until = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.bytes.len());
            let (before, after) = chunk.bytes.split_at(until);
            see(before);
            left -= until as u64;
            ended = before.ends_with(b"\n");
            // The last line had no line feed then; the one that it has now is no line of its own.
            let feed = after.strip_prefix(b"\n").filter(|_| !ended && left == 0);
            if feed.is_some() {
                see(b"\n");
                ended = true;
            }
            let lines = memchr::memchr_iter(b'\n', before).count() + usize::from(feed.is_some());
            self.passed += lines as u64;
            let after = feed.unwrap_or(after);
            self.rest.splice(..0, after.iter().copied());
        }
        if !ended && left == 0 && self.rest.is_empty() {
            // It may be the first byte of the next chunk.
            if let Some(chunk) = self.next_chunk()? {
                let feed = chunk.bytes.strip_prefix(b"\n");
                if feed.is_some() {
                    see(b"\n");
                }
                self.passed += u64::from(feed.is_some());
                let after = feed.unwrap_or(&chunk.bytes);
                self.rest.splice(..0, after.iter().copied());
            }
        }
        Ok(())
    }

    /// The next chunk; `None` at the end.
    ///
    /// # Errors
    /// When the source broke off; everything before has been given.
    pub fn next_chunk(&mut self) -> io::Result<Option<Chunk>> {
        // Room that was used before need not be cleared, nor given by the system, again.
        let mut bytes = std::mem::take(&mut self.spare);
        let mut filled = self.rest.len();
        if bytes.len() < filled {
            bytes.resize(filled, 0);
        }
        if let Some(start) = bytes.get_mut(..filled) {
            start.copy_from_slice(&self.rest);
        }
        self.rest.clear();
        while !self.done {
            let read = bytes.get(..filled).unwrap_or_default();
            if let Some(end) = cut(read) {
                self.rest.extend_from_slice(read.get(end..).unwrap_or_default());
                bytes.truncate(end);
                return Ok(Some(Chunk { bytes }));
            }
            filled = self.fill(&mut bytes, filled);
        }
        bytes.truncate(filled);
        if bytes.is_empty() {
            return self.failed.take().map_or(Ok(None), Err);
        }
        Ok(Some(Chunk { bytes }))
    }

    /// Lines that were passed over, before the first one of the first chunk.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.passed
    }

    /// Takes back the room of a chunk that is done with.
    pub fn reuse(&mut self, chunk: Chunk) {
        if chunk.bytes.capacity() <= 4 * CHUNK {
            self.spare = chunk.bytes;
        }
    }

    /// Reads more behind what is there; gives how much is there then.
    fn fill(&mut self, bytes: &mut Vec<u8>, mut filled: usize) -> usize {
        let until = if filled < CHUNK { CHUNK } else { filled + CHUNK };
        if bytes.len() < until {
            bytes.resize(until, 0);
        }
        while let Some(room) = bytes.get_mut(filled..until).filter(|room| !room.is_empty()) {
            match self.source.read(room) {
                Ok(0) => {
                    self.done = true;
                    break;
                }
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failed = Some(error);
                    self.done = true;
                    break;
                }
            }
        }
        let read = bytes.get(..filled).unwrap_or_default();
        if filled > 2 * MAX_LINE && memchr::memchr(b'\n', read).is_none() {
            // An endless line: its beginning is kept for the decoder to reject, the rest is passed over.
            bytes.truncate(MAX_LINE + 1);
            self.pass_over_line(bytes);
            filled = bytes.len();
        }
        filled
    }

    fn pass_over_line(&mut self, kept: &mut Vec<u8>) {
        let mut block = vec![0; 1 << 16];
        loop {
            match self.source.read(&mut block) {
                Ok(0) => {
                    self.done = true;
                    return;
                }
                Ok(n) => {
                    let read = block.get(..n).unwrap_or_default();
                    if let Some(end) = memchr::memchr(b'\n', read) {
                        kept.extend_from_slice(read.get(end..).unwrap_or_default());
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failed = Some(error);
                    self.done = true;
                    return;
                }
            }
        }
    }
}

/// Where a chunk that is large enough ends: behind a line, where no stream of a wrapped log has a part without its rest.
fn cut(bytes: &[u8]) -> Option<usize> {
    if bytes.len() < CHUNK {
        return None;
    }
    let whole = memchr::memrchr(b'\n', bytes)? + 1;
    let mut end = whole;
    while end > 0 {
        match open_part(bytes.get(..end)?) {
            None => return Some(end),
            Some(start) => end = start,
        }
    }
    // A log of nothing but parts is cut all the same.
    (bytes.len() > MAX_LINE).then_some(whole)
}

/// Where the parts of a wrapped log begin that some stream still has open at the end of these lines.
pub(crate) fn open_part(lines: &[u8]) -> Option<usize> {
    let mut closed: Vec<&str> = Vec::new();
    let mut open: Option<(&str, usize)> = None;
    let mut end = lines.len();
    while end > 0 {
        let line_end = end - 1;
        let start = memchr::memrchr(b'\n', lines.get(..line_end)?).map_or(0, |at| at + 1);
        // Wrapped or not, a log is so from end to end.
        let (stream, partial) = stream_of(lines.get(start..line_end)?)?;
        match open {
            Some((own, at)) if own == stream && !partial => return Some(at),
            Some((own, _)) if own == stream => open = Some((own, start)),
            Some(_) => {}
            None if closed.contains(&stream) => {}
            None if partial => open = Some((stream, start)),
            None => closed.push(stream),
        }
        // There are two streams; further back nothing can be open.
        if open.is_none() && (closed.len() == 2 || lines.len() - start > LOOK_BACK) {
            return None;
        }
        end = start;
    }
    open.map(|(_, at)| at)
}

/// How far back a stream is looked for that is silent at the end.
const LOOK_BACK: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn all(source: impl Read + Send + 'static) -> (Vec<(u64, usize, bool)>, bool) {
        let mut chunks = Chunks::new(source).unwrap();
        let mut lines = Vec::new();
        loop {
            let before = lines.len() as u64;
            match chunks.next_chunk() {
                Ok(Some(chunk)) => lines.extend(chunk.lines().map(|(n, line, torn)| (before + n, line.len(), torn))),
                Ok(None) => return (lines, false),
                Err(_) => return (lines, true),
            }
        }
    }

    #[test]
    fn lines_are_numbered_across_chunks() {
        let line = "x".repeat(999) + "\n";
        let (lines, failed) = all(io::Cursor::new(line.repeat(10_000) + "end"));
        assert!(!failed);
        assert_eq!(lines.len(), 10_001);
        assert!(lines.iter().zip(1..).all(|((number, ..), expected)| *number == expected));
        assert_eq!(lines.last(), Some(&(10_001, 3, true)));
    }

    #[test]
    fn an_endless_line_is_cut_and_the_next_one_read() {
        let source = io::repeat(b'x').take(100 << 20).chain(io::Cursor::new("\nnext\n"));
        let (lines, failed) = all(source);
        assert!(!failed);
        assert_eq!(lines, [(1, MAX_LINE + 1, false), (2, 4, false)]);
    }

    #[test]
    fn all_members_of_a_gzip_file_are_read_and_a_cut_one_gives_its_beginning() {
        let member = |text: &str| {
            let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gz.write_all(text.as_bytes()).unwrap();
            gz.finish().unwrap()
        };
        let mut bytes = member("one\n");
        bytes.extend(member("two\nthree\n"));
        assert_eq!(all(io::Cursor::new(bytes.clone())), (vec![(1, 3, false), (2, 3, false), (3, 5, false)], false));
        bytes.truncate(bytes.len() - 9);
        let (lines, failed) = all(io::Cursor::new(bytes));
        assert!(failed);
        assert_eq!(lines.first(), Some(&(1, 3, false)));
    }

    #[test]
    fn a_cut_zstd_file_gives_its_beginning() {
        let text = (0..100_000).map(|n| n.to_string()).collect::<Vec<_>>().join("\n") + "\n";
        let mut bytes = zstd::encode_all(text.as_bytes(), 1).unwrap();
        assert_eq!(all(io::Cursor::new(bytes.clone())).0.len(), 100_000);
        bytes.truncate(bytes.len() / 2);
        let (lines, failed) = all(io::Cursor::new(bytes));
        assert!(failed && lines.len() < 100_000);
    }

    #[test]
    fn parts_of_a_wrapped_line_stay_in_one_chunk() {
        let part = format!("2026-03-01T10:00:00Z stdout P {}\n", "x".repeat(1000));
        let other = "2026-03-01T10:00:00Z stderr F z\n";
        let whole = "2026-03-01T10:00:00Z stdout F y\n";
        let mut chunks = Chunks::new(io::Cursor::new((part.repeat(7) + other + whole).repeat(1000))).unwrap();
        let mut lines = 0;
        while let Some(chunk) = chunks.next_chunk().unwrap() {
            assert!(chunk.bytes.ends_with(b"stdout F y\n"));
            lines += chunk.lines().count();
        }
        assert_eq!(lines, 9000);
    }
}
