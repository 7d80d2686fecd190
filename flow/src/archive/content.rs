//! What tells a log that was imported from one that was not: its content, compressed or not, whatever its name.
//!
//! An exporter appends to its active file and renames it later. So a log counts as known as far as it begins with all
//! of what was imported before; only what follows is new. A last line that was torn when it was imported, or
//! of which a container log had only a part, is not part of what was, and is read again.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::lines::{Chunk, Chunks, open_part};
use crate::store;

/// Bytes of a log's first line that tell it from others.
const HEAD: usize = 64 << 10;

/// A log's content, up to its last whole line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// SHA-256 of its first line. Logs that differ in it are not compared further.
    pub head_sha256: String,
    /// Bytes, once decompressed.
    pub bytes: u64,
    pub sha256: String,
}

/// Hashes a log's content while it is read.
#[derive(Clone, Debug)]
pub struct ContentHasher {
    head: Head,
    whole: Sha256,
    bytes: u64,
    /// Lines that belong to the content only if others follow.
    open: Vec<u8>,
    /// A last line that was torn.
    torn: Vec<u8>,
}

/// The first line, as far as it has come.
#[derive(Clone, Debug)]
enum Head {
    Reading(Vec<u8>),
    Read(String),
}

impl Default for ContentHasher {
    fn default() -> Self {
        Self { head: Head::Reading(Vec::new()), whole: Sha256::new(), bytes: 0, open: Vec::new(), torn: Vec::new() }
    }
}

impl ContentHasher {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        if let Head::Reading(line) = &mut self.head {
            let room = HEAD.saturating_sub(line.len());
            let end = memchr::memchr(b'\n', bytes);
            line.extend_from_slice(bytes.get(..end.unwrap_or(bytes.len()).min(room)).unwrap_or_default());
            if end.is_some() || line.len() == HEAD {
                self.head = Head::Read(hex(&Sha256::digest(line)));
            }
        }
        self.whole.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// Takes a chunk, but for a last line that was torn, and for parts of a wrapped line whose rest may follow.
    pub fn chunk(&mut self, chunk: &Chunk, torn: bool) {
        let open = std::mem::take(&mut self.open);
        self.update(&open);
        let end = if torn { memchr::memrchr(b'\n', &chunk.bytes).map_or(0, |at| at + 1) } else { chunk.bytes.len() };
        let (whole, torn) = chunk.bytes.split_at(end);
        self.torn.extend_from_slice(torn);
        let (done, open) = whole.split_at(open_part(whole).unwrap_or(end));
        self.update(done);
        self.open.extend_from_slice(open);
    }

    /// Whether this content is what has come so far.
    #[must_use]
    pub fn is(&self, content: &Content) -> bool {
        self.bytes == content.bytes && self.clone().finish().sha256 == content.sha256
    }

    #[must_use]
    pub fn finish(self) -> Content {
        let head_sha256 = match self.head {
            Head::Reading(line) => hex(&Sha256::digest(&line)),
            Head::Read(hash) => hash,
        };
        Content { head_sha256, bytes: self.bytes, sha256: hex(&self.whole.finalize()) }
    }

    /// Bytes and SHA-256 of all that has come, whether it belongs to the content or not.
    #[must_use]
    pub fn all(&self) -> (u64, String) {
        let mut all = self.whole.clone();
        all.update(&self.open);
        all.update(&self.torn);
        (self.bytes + (self.open.len() + self.torn.len()) as u64, hex(&all.finalize()))
    }

    fn head(&self) -> Option<&str> {
        match &self.head {
            Head::Reading(_) => None,
            Head::Read(hash) => Some(hash),
        }
    }
}

/// How much of a log is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    No,
    /// It begins with what was imported before.
    Beginning(Content),
    /// It holds nothing else.
    All,
}

/// Compares a log with what was imported: `with_head` gives what began with the same line.
///
/// # Errors
/// When the log cannot be opened. One that breaks off is compared as far as it goes.
pub fn compare(path: &Path, mut with_head: impl FnMut(&str) -> Vec<Content>) -> io::Result<Known> {
    let mut chunks = Chunks::new(File::open(path)?)?;
    let mut hasher = ContentHasher::default();
    let mut candidates: Option<Vec<Content>> = None;
    let mut longest = None;
    while let Some(chunk) = chunks.next_chunk().unwrap_or_default() {
        let mut rest = &*chunk.bytes;
        if candidates.is_none() {
            // The first line ends in the first chunk, or is as long as will be looked at.
            let mut first = hasher.clone();
            first.update(rest);
            let head = first.head().map_or_else(|| first.clone().finish().head_sha256, str::to_owned);
            let mut same = with_head(&head);
            same.sort_unstable_by_key(|content| content.bytes);
            candidates = Some(same);
        }
        let Some(next) = candidates.as_mut().filter(|next| !next.is_empty()) else {
            return Ok(longest.map_or(Known::No, Known::Beginning));
        };
        while let Some(content) = next.first() {
            let until = usize::try_from(content.bytes.saturating_sub(hasher.bytes)).unwrap_or(usize::MAX);
            let Some((before, after)) = rest.split_at_checked(until) else { break };
            hasher.update(before);
            rest = after;
            let content = next.remove(0);
            if hasher.is(&content) {
                longest = Some(content);
            }
        }
        hasher.update(rest);
    }
    Ok(match longest {
        Some(content) if content.bytes == hasher.bytes => Known::All,
        Some(content) => Known::Beginning(content),
        None => Known::No,
    })
}

/// Counts what is read through it, and hashes it if asked.
#[derive(Debug)]
pub struct Watched<R> {
    source: R,
    passed: Passed,
}

/// What was read so far.
#[derive(Clone, Debug)]
pub struct Passed(Arc<Mutex<(u64, Option<Sha256>)>>);

impl<R> Watched<R> {
    pub fn counted(source: R) -> (Self, Passed) {
        Self::new(source, None)
    }

    pub fn hashed(source: R) -> (Self, Passed) {
        Self::new(source, Some(Sha256::new()))
    }

    fn new(source: R, hash: Option<Sha256>) -> (Self, Passed) {
        let passed = Passed(Arc::new(Mutex::new((0, hash))));
        (Self { source, passed: passed.clone() }, passed)
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        let mut passed = self.passed.0.lock().unwrap_or_else(PoisonError::into_inner);
        passed.0 += read as u64;
        if let Some(hash) = &mut passed.1 {
            hash.update(buffer.get(..read).unwrap_or_default());
        }
        Ok(read)
    }
}

impl Passed {
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// The SHA-256, if it was asked for.
    #[must_use]
    pub fn sha256(&self) -> Option<String> {
        let passed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        passed.1.clone().map(|hash| hex(&hash.finalize()))
    }
}

/// The SHA-256 of a file, as `sha256sum` prints it.
///
/// # Errors
/// When it cannot be read.
pub fn file_sha256(path: &Path) -> io::Result<String> {
    sha256_of(store::reader(path)?)
}

/// The SHA-256 of the first so many bytes of a file.
///
/// # Errors
/// When it cannot be read.
pub fn beginning_sha256(path: &Path, bytes: u64) -> io::Result<String> {
    sha256_of(File::open(path)?.take(bytes))
}

fn sha256_of(source: impl Read) -> io::Result<String> {
    let (mut source, passed) = Watched::hashed(source);
    io::copy(&mut source, &mut io::sink())?;
    Ok(passed.sha256().unwrap_or_default())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn content(text: &str) -> Content {
        let mut hasher = ContentHasher::default();
        hasher.update(text.as_bytes());
        hasher.finish()
    }

    fn known(text: &str, before: &[&str]) -> Known {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let imported: Vec<Content> = before.iter().map(|text| content(text)).collect();
        compare(file.path(), |first_line| {
            imported.iter().filter(|content| content.head_sha256 == first_line).cloned().collect()
        })
        .unwrap()
    }

    #[test]
    fn a_log_is_known_as_far_as_it_was_imported() {
        assert_eq!(known("a\nb\n", &[]), Known::No);
        assert_eq!(known("a\nb\n", &["a\nb\n"]), Known::All);
        assert_eq!(known("a\nb\nc\n", &["a\nb\n"]), Known::Beginning(content("a\nb\n")));
        assert_eq!(known("a\nb\nc\n", &["a\nb\n", "a\n"]), Known::Beginning(content("a\nb\n")));
        assert_eq!(known("a\nb\nc\n", &["a\nx\n", "a\n"]), Known::Beginning(content("a\n")));
        assert_eq!(known("a\nb\n", &["a\nb\nc\n"]), Known::No, "what was imported is longer");
        assert_eq!(known("a\nb\n", &["x\nb\n"]), Known::No);
        let long = "y".repeat(9_999) + "\n";
        let whole = long.repeat(2_000);
        assert_eq!(known(&whole, &[&long.repeat(1_999), &long]), Known::Beginning(content(&long.repeat(1_999))));
    }

    #[test]
    fn a_torn_line_is_no_part_of_the_content() {
        let mut hasher = ContentHasher::default();
        hasher.chunk(&Chunk { bytes: b"a\nb\n{\"fl".to_vec() }, true);
        assert_eq!(hasher.finish(), content("a\nb\n"));
    }

    #[test]
    fn hashes_are_those_of_sha256sum() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"abc").unwrap();
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(file_sha256(file.path()).unwrap(), expected);
    }
}
