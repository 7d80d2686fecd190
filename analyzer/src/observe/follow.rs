//! Logs as they grow, across rotation.
//!
//! A file is told from others by its number on its device, not by its name: one that was renamed goes on where it was read to,
//! one that was cut off begins again, and what appears under a name that is followed is read from its start. New files
//! that are compressed hold what was followed before, and are passed over.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use lookback_flow::inputs::{Input, find};
use lookback_flow::lines::{CHUNK, Chunk, Chunks, Content, Growing, sniff};

/// Time between two looks at the files.
const PAUSE: Duration = Duration::from_millis(200);

/// A file's device and its number there.
type Identity = (u64, u64);

/// Logs that are followed.
pub(super) struct Follower {
    arguments: Vec<String>,
    tails: BTreeMap<Identity, Tail>,
    /// Room to read into.
    room: Vec<u8>,
}

struct Tail {
    path: PathBuf,
    file: File,
    /// Bytes of it that were read.
    read: u64,
    lines: Growing,
    /// Looks since it was last found under a name that is followed.
    missed: u32,
}

/// What grew.
pub(super) struct Grown {
    pub path: PathBuf,
    /// Whole lines.
    pub chunk: Chunk,
    /// The file has become shorter, and is read again from its start.
    pub cut_off: bool,
}

impl Follower {
    /// # Errors
    /// When there is nothing that can grow.
    pub(super) fn new(arguments: &[String], inputs: &[Input]) -> Result<Self> {
        if inputs.contains(&Input::Stdin) {
            bail!("standard input is followed alone: give nothing but -");
        }
        let mut follower = Self { arguments: arguments.to_vec(), tails: BTreeMap::new(), room: vec![0; CHUNK] };
        for input in inputs {
            if let Input::File(path) = input
                && let Some((identity, mut tail)) = Tail::open(path)?
            {
                tail.read = tail.end_of_lines()?;
                follower.tails.insert(identity, tail);
            }
        }
        Ok(follower)
    }

    /// The lines that a file had when it began to be followed; `None` for one that does not grow.
    pub(super) fn first_lines(&self, path: &Path) -> Result<Option<Chunks>> {
        let Some(tail) = self.tails.values().find(|tail| tail.path == path) else { return Ok(None) };
        let file = tail.file.try_clone().with_context(|| path.display().to_string())?;
        Ok(Some(Chunks::new(file.take(tail.read))?))
    }

    /// Waits until something has grown; gives one chunk of each file that has.
    #[expect(clippy::disallowed_methods, reason = "files are looked at now and then: nobody tells of all changes")]
    pub(super) fn wait(&mut self) -> Result<Vec<Grown>> {
        loop {
            let mut grown = Vec::new();
            for tail in self.tails.values_mut() {
                grown.extend(tail.grown(&mut self.room).with_context(|| tail.path.display().to_string())?);
            }
            self.look()?;
            if !grown.is_empty() {
                return Ok(grown);
            }
            thread::sleep(PAUSE);
        }
    }

    /// Finds files that are new, and lets go of those that are gone.
    fn look(&mut self) -> Result<()> {
        // While a log is rotated, its name may stand for nothing.
        let found = find(&self.arguments).map(|found| found.inputs).unwrap_or_default();
        let mut seen = HashSet::new();
        for input in found {
            let Input::File(path) = input else { continue };
            let Ok(metadata) = fs::metadata(&path) else { continue };
            let identity = identity(&metadata);
            seen.insert(identity);
            if !self.tails.contains_key(&identity)
                && let Some((identity, tail)) = Tail::open(&path)?
            {
                self.tails.insert(identity, tail);
            }
        }
        for (identity, tail) in &mut self.tails {
            tail.missed = if seen.contains(identity) { 0 } else { tail.missed + 1 };
        }
        // Whoever writes may do so for a while after a file was renamed.
        self.tails.retain(|_, tail| tail.missed < 50);
        Ok(())
    }
}

impl Tail {
    /// A log that may grow; `None` if it is gone, or of a kind that does not.
    fn open(path: &Path) -> Result<Option<(Identity, Self)>> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.with_context(|| path.display().to_string())?,
        };
        let metadata = file.metadata().with_context(|| path.display().to_string())?;
        let mut start = [0; 8];
        let length = if metadata.is_file() { file.read_at(&mut start, 0).unwrap_or_default() } else { 0 };
        let is_text = sniff(start.get(..length).unwrap_or_default()) == Content::Text;
        let tail = Self { path: path.to_owned(), file, read: 0, lines: Growing::default(), missed: 0 };
        Ok((metadata.is_file() && is_text).then(|| (identity(&metadata), tail)))
    }

    /// Where its last whole line ends.
    fn end_of_lines(&self) -> Result<u64> {
        let mut end = self.file.metadata().with_context(|| self.path.display().to_string())?.len();
        let mut buffer = vec![0; 1 << 16];
        while end > 0 {
            let start = end.saturating_sub(buffer.len() as u64);
            let room = buffer.get_mut(..usize::try_from(end - start)?).unwrap_or_default();
            self.file.read_exact_at(room, start).with_context(|| self.path.display().to_string())?;
            if let Some(at) = memchr::memrchr(b'\n', room) {
                return Ok(start + at as u64 + 1);
            }
            end = start;
        }
        Ok(0)
    }

    /// Whole lines that have come since.
    fn grown(&mut self, room: &mut [u8]) -> io::Result<Option<Grown>> {
        let length = self.file.metadata()?.len();
        let cut_off = length < self.read;
        if cut_off {
            (self.read, self.lines) = (0, Growing::default());
        }
        let mut chunk = None;
        while chunk.is_none() && self.read < length {
            let read = self.file.read_at(room, self.read)?;
            if read == 0 {
                break;
            }
            self.read += read as u64;
            chunk = self.lines.add(room.get(..read).unwrap_or_default());
        }
        let is_news = chunk.is_some() || cut_off;
        Ok(is_news.then(|| Grown { path: self.path.clone(), chunk: chunk.unwrap_or_default(), cut_off }))
    }
}

fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

/// Gives `each` the lines of a pipe as they come, until it ends.
pub(super) fn pipe(mut source: impl Read, mut each: impl FnMut(Chunk) -> Result<()>) -> Result<()> {
    let (mut lines, mut room) = (Growing::default(), vec![0; 1 << 16]);
    loop {
        let read = match source.read(&mut room) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.context("standard input")?,
        };
        let chunk = if read == 0 { lines.end() } else { lines.add(room.get(..read).unwrap_or_default()) };
        if let Some(chunk) = chunk {
            each(chunk)?;
        }
        if read == 0 {
            return Ok(());
        }
    }
}
