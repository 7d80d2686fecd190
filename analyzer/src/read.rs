//! Reading logs: chunks decoded on all cores, given on in order, with the count of what was read and rejected.
//!
//! Promises:
//! 1. Files are read a few chunks at a time, so memory is bounded by what is done with the rows.
//! 2. A bad line is counted and passed over; a file that breaks off gives what stood before the break.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal as _, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context as _, Result, anyhow, bail};
use arrow::array::RecordBatch;
use indicatif::{ProgressBar, ProgressStyle};
use lookback_flow::coverage::Coverage;
use lookback_flow::guard::guarded;
use lookback_flow::inputs::{Found, Input};
use lookback_flow::json::{Bad, Decoder, Wants};
use lookback_flow::lines::{Chunk, Chunks, Content, sniff};
use lookback_flow::names::Workloads;
use lookback_flow::oddities::Oddities;
use lookback_flow::segment::{Origin, SegmentError};
use lookback_flow::store;
use lookback_report::redact::Redaction;

use crate::cli::LineArgs;

/// What to do with bad lines, and with whoever waits.
#[derive(Default)]
pub(crate) struct Options {
    /// A bad line is an error.
    pub strict: bool,
    /// Where bad lines are written to, one JSON object each.
    pub rejects: Option<Box<dyn Write + Send>>,
    pub progress: bool,
    /// Names for which tokens are read.
    pub redaction: Option<Redaction>,
}

impl Options {
    /// From the flags.
    pub(crate) fn new(args: &LineArgs, found: &Found) -> Result<Self> {
        let rejects: Option<Box<dyn Write + Send>> = match &args.rejects {
            Some(path) => {
                if fs::canonicalize(path).is_ok_and(|target| found.inputs.iter().any(|input| input.is(&target))) {
                    bail!("{}: is an input; the rejected lines would be written over it", path.display());
                }
                let file = OpenOptions::new().write(true).create(true).truncate(true).open(path);
                let file =
                    file.with_context(|| format!("{}: cannot write the rejected lines there", path.display()))?;
                Some(Box::new(BufWriter::new(file)))
            }
            None => None,
        };
        Ok(Self { strict: args.strict, rejects, progress: io::stderr().is_terminal(), redaction: None })
    }

    /// An error where a log that could not be read to its end is one.
    pub(crate) fn told(&self, origin: &Origin) -> Result<()> {
        match &origin.broken {
            Some(why) if self.strict => bail!("{}: {why}", origin.name),
            _ => Ok(()),
        }
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        self.rejects.as_mut().map_or(Ok(()), |out| out.flush().context("cannot write the rejected lines"))
    }
}

/// What came of one chunk.
pub(crate) struct Decoded {
    /// The rows that are wanted, with each list once.
    pub batch: RecordBatch,
    rows: usize,
    pub covers: Coverage,
    pub workloads: Workloads,
    /// A hash of each good line.
    pub hashes: Vec<u64>,
    /// The last line was cut off.
    pub torn: bool,
    lines: u64,
    rejected: Vec<(&'static str, u64)>,
    rejects: Vec<Reject>,
    oddities: Oddities,
}

/// A line that was rejected.
struct Reject {
    /// Within its chunk, from 1.
    line: u64,
    reason: &'static str,
    detail: String,
    /// Where the line stands in its chunk, or its beginning.
    text: Range<usize>,
}

/// Which rejected lines are kept, beside their count: a hostile log may hold nothing else.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    None,
    First,
    All,
}

/// A chunk of more rows than this is one of very short lines, whose rows take far more memory than they do: such chunks are
/// decoded one at a time.
const MANY_ROWS: usize = 32 * 1024;

/// Bytes of a rejected line that are kept.
const REJECT_BYTES: usize = 1 << 20;

/// An input, opened.
pub(crate) enum Opened {
    Parquet(PathBuf),
    Lines(Chunks),
    /// Not a log; what else was asked for is still read.
    Broken(String),
}

/// Opens a file or standard input; `wrap` sees all bytes that are read from it, and is told what they are, if that is known.
pub(crate) fn open<R: Read + Send + 'static>(
    input: &Input,
    wrap: impl FnOnce(Box<dyn Read + Send>, Option<Content>) -> R,
) -> Result<Opened> {
    let mut content = None;
    let source: Box<dyn Read + Send> = match input {
        Input::Stdin => Box::new(io::stdin()),
        Input::File(path) if store::is_remote(path) => return Ok(Opened::Parquet(path.clone())),
        Input::File(path) => {
            let mut start = Vec::new();
            let mut file = File::open(path).with_context(|| format!("{}: cannot open it", input.name()))?;
            let read = (&mut file).take(8).read_to_end(&mut start);
            read.with_context(|| format!("{}: cannot read it", input.name()))?;
            content = Some(sniff(&start));
            if content == Some(Content::Parquet) {
                return Ok(Opened::Parquet(path.clone()));
            }
            // Not rewound: a pipe such as bash's `<(…)` cannot be.
            Box::new(io::Cursor::new(start).chain(file))
        }
        Input::Archive(archive) => return Ok(Opened::Parquet(archive.root.clone())),
    };
    // An error of the content, not of the line: what else was asked for is still read.
    Ok(Chunks::new(wrap(source, content)).map_or_else(|error| Opened::Broken(error.to_string()), Opened::Lines))
}

/// Decodes logs on all cores. What the decoders have met in one log, they know in the next.
pub(crate) struct Reader {
    wants: Wants,
    decoders: Vec<Decoder>,
}

/// A log that is being read, and how many of its chunks were given out.
struct Source {
    chunks: Chunks,
    given: usize,
    is_over: bool,
    broken: Option<String>,
}

/// Whose turn it is: chunks are decoded in any order, and handed on in theirs.
struct Turn<'a> {
    chunk: usize,
    /// Lines are so short that rows take far more memory than they: chunks are decoded one at a time.
    one_at_a_time: bool,
    result: Result<()>,
    /// Lines that were passed over before the first chunk.
    passed: u64,
    origin: &'a mut Origin,
    options: &'a mut Options,
    each: &'a mut (dyn FnMut(&Chunk, Decoded) -> Result<()> + Send),
}

impl Source {
    /// The next chunk and its number; takes back one that is done with.
    fn take(&mut self, used: Option<Chunk>) -> Option<(usize, Chunk)> {
        if let Some(used) = used {
            self.chunks.reuse(used);
        }
        if self.is_over {
            return None;
        }
        match self.chunks.next_chunk() {
            Ok(Some(chunk)) => {
                self.given += 1;
                Some((self.given - 1, chunk))
            }
            end => {
                self.is_over = true;
                self.broken = end.err().map(|error| error.to_string());
                None
            }
        }
    }
}

impl Turn<'_> {
    fn is(&self, chunk: usize) -> bool {
        self.chunk == chunk || self.result.is_err()
    }
}

impl Keep {
    fn of(options: &Options) -> Self {
        match (&options.rejects, options.strict) {
            (_, true) => Self::First,
            (Some(_), false) => Self::All,
            (None, false) => Self::None,
        }
    }
}

impl Reader {
    pub(crate) fn new(wants: Wants) -> Self {
        Self { wants, decoders: Vec::new() }
    }

    pub(crate) fn wants(&self) -> &Wants {
        &self.wants
    }

    /// Decodes a chunk of a log.
    pub(crate) fn chunk(&mut self, chunk: &Chunk, origin: &mut Origin, options: &mut Options) -> Result<Decoded> {
        self.decoders.resize_with(1.max(self.decoders.len()), || Decoder::wanting(self.wants.clone()));
        let decoder = self.decoders.first_mut().context("no decoder")?;
        let came = decode(chunk, decoder, Keep::of(options))?;
        count(chunk, &came, 0, origin, options)?;
        Ok(came)
    }

    /// Decodes a log; `each` gets every chunk with what came of it, in order.
    pub(crate) fn lines(
        &mut self,
        chunks: Chunks,
        origin: &mut Origin,
        options: &mut Options,
        mut each: impl FnMut(&Chunk, Decoded) -> Result<()> + Send,
    ) -> Result<()> {
        let threads = rayon::current_num_threads().max(1);
        self.decoders.resize_with(threads, || Decoder::wanting(self.wants.clone()));
        let passed = chunks.passed();
        let source = Mutex::new(Source { chunks, given: 0, is_over: false, broken: None });
        let (each, result) = (&mut each, Ok(()));
        let turn = Mutex::new(Turn { chunk: 0, one_at_a_time: false, result, passed, origin, options, each });
        let next = Condvar::new();
        thread::scope(|scope| {
            let (source, turn, next) = (&source, &turn, &next);
            let (first, others) = self.decoders.split_first_mut().context("no thread to read with")?;
            for decoder in others {
                scope.spawn(move || work(decoder, source, turn, next));
            }
            work(first, source, turn, next);
            anyhow::Ok(())
        })?;
        let Turn { result, origin, .. } = turn.into_inner().unwrap_or_else(PoisonError::into_inner);
        result?;
        let broken = source.into_inner().unwrap_or_else(PoisonError::into_inner).broken;
        origin.broken = origin.broken.take().or(broken);
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes chunks, decodes them, and hands them on when it is their turn.
fn work(decoder: &mut Decoder, source: &Mutex<Source>, turns: &Mutex<Turn<'_>>, next: &Condvar) {
    let wait = |until: &dyn Fn(&Turn<'_>) -> bool| {
        let turn = next.wait_while(lock(turns), |turn| !until(turn));
        turn.unwrap_or_else(PoisonError::into_inner)
    };
    let mut used: Option<Chunk> = None;
    loop {
        let taken = lock(source).take(used.take());
        let Some((number, chunk)) = taken else { return };
        // The first chunk tells how short the lines are.
        let keep = Keep::of(wait(&|turn| turn.is(number) || (turn.chunk > 0 && !turn.one_at_a_time)).options);
        // A thread that panicked would be waited for without end.
        let came = guarded(|| decode(&chunk, decoder, keep));
        let mut turn = wait(&|turn| turn.is(number));
        if turn.result.is_err() {
            return;
        }
        let handed = guarded(|| {
            let came = came.map_err(|why| anyhow!("{why}"))??;
            turn.one_at_a_time = came.rows > MANY_ROWS || keep == Keep::All;
            let Turn { passed, origin, options, each, .. } = &mut *turn;
            count(&chunk, &came, *passed, origin, options)?;
            each(&chunk, came)
        });
        turn.result = handed.unwrap_or_else(|why| Err(anyhow!("{why}")));
        turn.chunk += 1;
        if turn.result.is_err() {
            lock(source).is_over = true;
        }
        drop(turn);
        next.notify_all();
        used = Some(chunk);
    }
}

/// Counts what was read and rejected, and keeps what was rejected.
fn count(chunk: &Chunk, decoded: &Decoded, passed: u64, origin: &mut Origin, options: &mut Options) -> Result<()> {
    let before = passed + origin.lines;
    origin.lines += decoded.lines;
    origin.oddities.merge(decoded.oddities.clone());
    for (reason, count) in &decoded.rejected {
        *origin.rejected.entry((*reason).to_owned()).or_insert(0) += count;
    }
    for reject in &decoded.rejects {
        if options.strict {
            bail!("{}:{}: {}", origin.name, before + reject.line, reject.detail);
        }
        if let Some(out) = &mut options.rejects {
            let line = serde_json::json!({
                "input": origin.name,
                "line": before + reject.line,
                "reason": reject.reason,
                "detail": reject.detail,
                "text": String::from_utf8_lossy(chunk.bytes.get(reject.text.clone()).unwrap_or_default()),
            });
            writeln!(out, "{line}").context("cannot write the rejected lines")?;
        }
    }
    Ok(())
}

fn decode(chunk: &Chunk, decoder: &mut Decoder, keep: Keep) -> Result<Decoded> {
    let mut torn = false;
    let mut rejected: Vec<(&'static str, u64)> = Vec::new();
    let mut rejects: Vec<Reject> = Vec::new();
    let mut reject = |line: u64, reason: &'static str, bad: &Bad, text: Range<usize>| {
        match rejected.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => rejected.push((reason, 1)),
        }
        if keep == Keep::All || (keep == Keep::First && rejects.is_empty()) {
            let text = text.start..text.end.min(text.start + REJECT_BYTES);
            rejects.push(Reject { line, reason, detail: bad.to_string(), text });
        }
    };
    let lines = decoder.chunk(chunk, |line, bad| {
        // A last line that is bad and has no line feed was cut off while it was written or copied.
        torn = line.is_open && *bad != Bad::Empty;
        reject(line.number, if torn { "torn" } else { bad.reason() }, bad, line.bytes);
    });
    if let Err(bad) = decoder.end() {
        reject(lines, bad.reason(), &bad, 0..0);
    }
    let (hashes, oddities) = (decoder.hashes(), decoder.oddities());
    let (covers, workloads) = (decoder.coverage(), decoder.workloads());
    let rows = decoder.rows();
    let batch = decoder.finish_packed()?;
    Ok(Decoded { batch, rows, covers, workloads, hashes, torn, lines, rejected, rejects, oddities })
}

/// A bar over all files, on standard error, where that is a terminal.
pub(crate) fn progress(what: &'static str, bytes: u64, shown: bool) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    if !shown {
        bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    let template = format!("{what} {{bytes}}/{{total_bytes}} {{wide_bar}} {{bytes_per_sec}} {{eta}}");
    bar.with_style(ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Inputs with the files of archives one by one.
pub(crate) fn files<'a>(found: impl IntoIterator<Item = &'a Input>) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for input in found {
        match input {
            Input::Archive(archive) => inputs.extend(archive.all_files()?.into_iter().map(Input::File)),
            input => inputs.push(input.clone()),
        }
    }
    Ok(inputs)
}

/// Bytes of a file, as far as they are known.
pub(crate) fn size(path: &Path) -> u64 {
    store::size(path).unwrap_or_default()
}

/// Whether an error is that a file could not be reached: what is in it may not be left out of an answer.
pub(crate) fn is_away(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(SegmentError::Away(_)))
}

/// What was read; nothing where a file is broken, which is told of when its rows are read.
pub(crate) fn reached<T>(path: &Path, read: Result<T>) -> Result<Option<T>> {
    match read {
        Err(error) if is_away(&error) => Err(error.context(path.display().to_string())),
        read => Ok(read.ok()),
    }
}

/// Bytes of the files that were found, without archives.
pub(crate) fn bytes(found: &Found) -> u64 {
    found.inputs.iter().map(|input| if let Input::File(path) = input { size(path) } else { 0 }).sum()
}
