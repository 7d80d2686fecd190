//! Inputs on their way into the store: footers of files, and logs as they are decoded.
//!
//! A thread of its own reads, a few batches ahead at most. The first `IN_MEMORY` bytes of decoded rows stay in memory, what
//! comes behind goes to temporary Parquet files.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use arrow::array::RecordBatch;
use lookback_flow::archive::Archive;
use lookback_flow::columns::ColumnId;
use lookback_flow::coverage::{self, Coverage};
use lookback_flow::guard::guarded;
use lookback_flow::inputs::Input;
use lookback_flow::json::{Decoder, Wants};
use lookback_flow::lines::{Chunks, Content, sniff};
use lookback_flow::names::Workloads;
use lookback_flow::rows::Projection;
use lookback_flow::segment::{Origin, SegmentFile, Wanted};
use lookback_flow::view::View;

use super::part::{Opened, Part, Rows};
use super::spill::Spill;

/// Bytes of decoded logs that stay in memory.
const IN_MEMORY: usize = 256 << 20;

/// Rows of a batch of a log, but for the first ones, which come as soon as they are there.
const BATCH_ROWS: usize = 16_384;

/// What a loader found.
#[derive(Debug)]
pub enum Loaded {
    Parts {
        parts: Vec<Part>,
        coverage: Box<Coverage>,
        workloads: Box<Workloads>,
    },
    /// An input was read to its end, or to where it broke off.
    Origin(Box<Origin>),
    Broken(std::path::PathBuf, String),
    /// Nothing more comes.
    End,
}

/// Starts to read; whoever drops the receiver stops it.
#[must_use]
pub fn start(inputs: Vec<Input>) -> Receiver<Loaded> {
    let (sender, receiver) = sync_channel(4);
    let spawned = thread::Builder::new().name("load".to_owned()).spawn({
        let sender = sender.clone();
        move || {
            let mut loader = Loader { sender, in_memory: 0, spill: Spill::default(), gone: AtomicBool::new(false) };
            if let Err(why) = guarded(|| loader.run(&inputs)) {
                loader.send(Loaded::Broken("input".into(), why));
            }
            loader.send(Loaded::End);
        }
    });
    if let Err(error) = spawned {
        let _ = sender.send(Loaded::Broken("input".into(), error.to_string()));
        let _ = sender.send(Loaded::End);
    }
    receiver
}

struct Loader {
    sender: SyncSender<Loaded>,
    in_memory: usize,
    spill: Spill,
    /// Nobody listens.
    gone: AtomicBool,
}

impl Loader {
    fn send(&self, loaded: Loaded) {
        if self.sender.send(loaded).is_err() {
            self.gone.store(true, Ordering::Relaxed);
        }
    }

    fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    fn run(&mut self, inputs: &[Input]) {
        for input in inputs {
            if self.is_gone() {
                return;
            }
            match input {
                Input::Archive(archive) => self.archive(archive),
                Input::Stdin => self.log("standard input", Box::new(io::stdin())),
                Input::File(path) => self.any(path),
            }
        }
        self.spilled(true);
    }

    fn archive(&self, archive: &Archive) {
        let hours = match archive.hours() {
            Ok(hours) => hours,
            Err(error) => return self.send(Loaded::Broken(archive.root.clone(), error.to_string())),
        };
        // Hour by hour, so that the first ones are there before the last ones are opened.
        for hour in hours {
            match archive.files(&[hour]) {
                Ok(files) => files.into_iter().flat_map(|hour| hour.files).for_each(|path| self.parquet(&path)),
                Err(error) => self.send(Loaded::Broken(archive.root.clone(), error.to_string())),
            }
            if self.is_gone() {
                return;
            }
        }
    }

    fn parquet(&self, path: &Path) {
        let file = match SegmentFile::open(path) {
            Ok(file) => file,
            Err(error) => return self.send(Loaded::Broken(path.to_owned(), error.to_string())),
        };
        let opened = Arc::new(Opened { path: path.to_owned(), file, _folder: None });
        let info = &opened.file.info;
        let coverage = info.coverage.clone().or_else(|| counted(&opened)).unwrap_or_default();
        let workloads = Box::new(info.workloads.clone());
        let mut origins: Vec<Origin> = info.origins.clone();
        if origins.is_empty() {
            origins.push(Origin { name: path.display().to_string(), lines: opened.file.rows, ..Origin::default() });
        }
        self.send(Loaded::Parts { parts: Part::of_file(&opened), coverage: Box::new(coverage), workloads });
        origins.into_iter().for_each(|origin| self.send(Loaded::Origin(Box::new(origin))));
    }

    fn any(&mut self, path: &Path) {
        let mut start = Vec::new();
        let opened = File::open(path).and_then(|mut file| {
            (&mut file).take(8).read_to_end(&mut start)?;
            Ok(file)
        });
        match opened {
            Err(error) => self.send(Loaded::Broken(path.to_owned(), error.to_string())),
            Ok(_) if sniff(&start) == Content::Parquet => self.parquet(path),
            // Not rewound: a pipe cannot be.
            Ok(file) => self.log(&path.display().to_string(), Box::new(io::Cursor::new(start).chain(file))),
        }
    }

    fn log(&mut self, name: &str, source: Box<dyn Read + Send>) {
        let mut origin = Origin { name: name.to_owned(), ..Origin::default() };
        let mut chunks = match Chunks::new(source) {
            Ok(chunks) => chunks,
            Err(error) => return self.send(Loaded::Broken(name.into(), error.to_string())),
        };
        let wants = Wants { columns: Projection::all(), counts: true, learns: true, ..Wants::default() };
        let mut decoder = Decoder::wanting(wants);
        let mut first = true;
        while !self.is_gone() {
            let chunk = match chunks.next_chunk() {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(error) => {
                    origin.broken = Some(error.to_string());
                    break;
                }
            };
            origin.lines +=
                decoder.chunk(&chunk, |_, why| *origin.rejected.entry(why.reason().to_owned()).or_default() += 1);
            chunks.reuse(chunk);
            if first || decoder.rows() >= BATCH_ROWS {
                self.batch(&mut decoder);
                first = false;
            }
        }
        if let Err(bad) = decoder.end() {
            *origin.rejected.entry(bad.reason().to_owned()).or_default() += 1;
        }
        origin.oddities = decoder.oddities();
        self.batch(&mut decoder);
        self.send(Loaded::Origin(Box::new(origin)));
    }

    fn batch(&mut self, decoder: &mut Decoder) {
        let (coverage, workloads) = (Box::new(decoder.coverage()), Box::new(decoder.workloads()));
        let _ = decoder.hashes();
        if self.in_memory < IN_MEMORY {
            match decoder.finish_packed() {
                Ok(batch) => {
                    self.in_memory += batch.get_array_memory_size();
                    let parts = if batch.num_rows() == 0 { Vec::new() } else { vec![in_memory(batch)] };
                    self.send(Loaded::Parts { parts, coverage, workloads });
                }
                Err(error) => self.send(Loaded::Broken("log".into(), error.to_string())),
            }
            return;
        }
        self.send(Loaded::Parts { parts: Vec::new(), coverage, workloads });
        let spilled = decoder.finish().map_err(|error| error.to_string()).and_then(|batch| self.spill.add(&batch));
        match spilled {
            Ok(()) => self.spilled(false),
            Err(why) => self.send(Loaded::Broken("temporary file".into(), why)),
        }
    }

    /// Hands on what went to a temporary file.
    fn spilled(&mut self, is_end: bool) {
        match self.spill.take(is_end) {
            Ok(Some(opened)) => self.send(Loaded::Parts {
                parts: Part::of_file(&Arc::new(opened)),
                coverage: Box::default(),
                workloads: Box::default(),
            }),
            Ok(None) => {}
            Err(why) => self.send(Loaded::Broken("temporary file".into(), why)),
        }
    }
}

fn in_memory(batch: RecordBatch) -> Part {
    let span = View::new(&batch).ok().and_then(|view| {
        let time = ColumnId::known("time");
        let times = (0..batch.num_rows()).filter_map(|row| i64::try_from(view.number(time, row)?).ok());
        times.fold(None, |span, at| {
            Some(span.map_or((at, at), |(first, last): (i64, i64)| (first.min(at), last.max(at))))
        })
    });
    Part { rows: batch.num_rows(), span, by_time: false, store: Rows::Memory(batch) }
}

/// What a file covers that does not tell it.
fn counted(opened: &Opened) -> Option<Coverage> {
    let mut coverage = Coverage::default();
    let columns = Projection::of(coverage::COLUMNS.iter().copied());
    for batch in opened.file.read(&columns, &Wanted::default(), None).ok()? {
        coverage.count(&batch.ok()?).ok()?;
    }
    Some(coverage)
}
