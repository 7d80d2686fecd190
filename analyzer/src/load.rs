//! From inputs to batches, and to the evidence of how they were read.
//!
//! Promises:
//! 1. Files are read in order, a few chunks at a time; chunks are decoded on all cores and kept in order.
//! 2. A bad line is counted and passed over; a file that breaks off gives what stood before the break.
//! 3. Only the columns asked for are kept.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;

use anyhow::{Context, Result, bail};
use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use indicatif::{ProgressBar, ProgressStyle};
use lookback_flow::columns::ColumnId;
use lookback_flow::derive::{derive, needs, needs_workloads};
use lookback_flow::inputs::{Found, Input};
use lookback_flow::json::{Bad, Decoder};
use lookback_flow::lines::{Chunk, Chunks, Content, sniff};
use lookback_flow::names::Workloads;
use lookback_flow::oddities::Oddities;
use lookback_flow::rows::Projection;
use lookback_flow::schema::arrow_field;
use lookback_flow::segment::SegmentReader;
use rayon::prelude::*;

use crate::evidence::{self, Evidence, InputEvidence, Reject};

/// What was read.
pub(crate) struct Loaded {
    pub schema: SchemaRef,
    pub batches: Vec<RecordBatch>,
    pub evidence: Evidence,
}

/// How to read.
#[derive(Default)]
pub(crate) struct Options {
    /// A bad line is an error.
    pub strict: bool,
    /// Where bad lines are written to, one JSON object each.
    pub rejects: Option<Box<dyn Write>>,
    pub progress: bool,
}

/// Reads the inputs; the batches hold exactly the wanted columns.
pub(crate) fn load(found: &Found, wanted: &[ColumnId], options: &mut Options) -> Result<Loaded> {
    let mut stored: Vec<String> = evidence::COLUMNS.iter().map(|name| (*name).to_owned()).collect();
    stored.extend(wanted.iter().flat_map(|id| needs(id.column().name)));
    let learns = wanted.iter().any(|id| needs_workloads(id.column().name));
    let projection = Projection::of(stored.iter().map(String::as_str));
    let mut reading = Reading {
        projection,
        learns,
        workloads: Workloads::default(),
        batches: Vec::new(),
        evidence: Evidence::default(),
        seen: HashSet::new(),
        progress: progress(found, options.progress),
    };
    reading.evidence.passed_over =
        found.passed_over.iter().map(|(path, why)| format!("{}: {why}", path.display())).collect();
    for input in &found.inputs {
        reading.input(input, options)?;
    }
    reading.progress.finish_and_clear();
    reading.evidence.join_nodes();
    let Reading { batches, evidence, workloads, .. } = reading;
    let batches = batches.into_par_iter().map(|batch| derive(&batch, wanted, &workloads)).collect::<Result<_, _>>()?;
    let schema = Schema::new(wanted.iter().map(|id| arrow_field(id.column())).collect::<Vec<_>>());
    Ok(Loaded { schema: schema.into(), batches, evidence })
}

fn progress(found: &Found, shown: bool) -> ProgressBar {
    let bytes = found.inputs.iter().filter_map(|input| match input {
        Input::File(path) => path.metadata().ok().map(|metadata| metadata.len()),
        Input::Stdin => None,
    });
    let bar = ProgressBar::new(bytes.sum());
    if !shown {
        bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template("reading {bytes}/{total_bytes} {wide_bar} {bytes_per_sec} {eta}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

struct Reading {
    projection: Projection,
    learns: bool,
    workloads: Workloads,
    batches: Vec<RecordBatch>,
    evidence: Evidence,
    /// Hashes of the lines so far.
    seen: HashSet<u64>,
    progress: ProgressBar,
}

/// Most lines that are compared with each other; beyond, lines that come again are not told.
const MOST_COMPARED: usize = 4_000_000;

/// What came of one chunk.
struct Decoded {
    batch: RecordBatch,
    evidence: Evidence,
    workloads: Workloads,
    hashes: Vec<u64>,
    lines: u64,
    rejected: BTreeMap<&'static str, u64>,
    /// The rejected lines that are wanted.
    rejects: Vec<Reject>,
    oddities: Oddities,
}

/// Which rejected lines are wanted, beside their count: a hostile log may hold nothing else.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    None,
    First,
    All,
}

impl Reading {
    fn input(&mut self, input: &Input, options: &mut Options) -> Result<()> {
        let mut told = InputEvidence { name: input.name(), ..InputEvidence::default() };
        let source: Box<dyn Read + Send> = match input {
            Input::Stdin => Box::new(io::stdin()),
            Input::File(path) => {
                let mut start = Vec::new();
                let mut file = File::open(path).with_context(|| format!("{}: cannot open it", told.name))?;
                let read = (&mut file).take(8).read_to_end(&mut start);
                read.with_context(|| format!("{}: cannot read it", told.name))?;
                if sniff(&start) == Content::Parquet {
                    self.parquet(path, &mut told)?;
                    return self.told(told, options);
                }
                // Not rewound: a pipe such as bash's `<(…)` cannot be.
                Box::new(self.progress.wrap_read(io::Cursor::new(start).chain(file)))
            }
        };
        match Chunks::new(source) {
            Ok(chunks) => self.lines(chunks, &mut told, options)?,
            // An error of the content, not of the line: what else was asked for is still read.
            Err(error) => told.broken = Some(error.to_string()),
        }
        self.told(told, options)
    }

    fn told(&mut self, told: InputEvidence, options: &Options) -> Result<()> {
        if options.strict
            && let Some(why) = &told.broken
        {
            bail!("{}: {why}", told.name);
        }
        self.evidence.inputs.push(told);
        Ok(())
    }

    fn parquet(&mut self, path: &std::path::Path, told: &mut InputEvidence) -> Result<()> {
        let reader = match SegmentReader::open(path, &self.projection) {
            Ok(reader) => reader,
            Err(error) => {
                told.broken = Some(error.to_string());
                return Ok(());
            }
        };
        for batch in reader {
            match batch {
                Ok(batch) => {
                    told.lines += batch.num_rows() as u64;
                    self.evidence.count(&batch)?;
                    if self.learns {
                        self.workloads.learn(&batch)?;
                    }
                    self.batches.push(batch);
                }
                Err(error) => {
                    told.broken = Some(error.to_string());
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn lines(&mut self, mut chunks: Chunks, told: &mut InputEvidence, options: &mut Options) -> Result<()> {
        let wanted = match (&options.rejects, options.strict) {
            (_, true) => Wanted::First,
            (Some(_), false) => Wanted::All,
            (None, false) => Wanted::None,
        };
        let learns = self.learns;
        // Rejected lines that are kept take memory until they are written.
        let at_once = rayon::current_num_threads() * if wanted == Wanted::All { 1 } else { 2 };
        loop {
            let mut some = Vec::with_capacity(at_once);
            while some.len() < at_once {
                match chunks.next_chunk() {
                    Ok(Some(chunk)) => some.push(chunk),
                    Ok(None) => break,
                    Err(error) => {
                        told.broken = Some(error.to_string());
                        break;
                    }
                }
            }
            if some.is_empty() {
                return Ok(());
            }
            let decoded: Vec<Result<Decoded>> =
                some.par_iter().map(|chunk| decode(chunk, &self.projection, learns, wanted)).collect();
            for (chunk, decoded) in some.iter().zip(decoded) {
                self.chunk(chunk, decoded?, told, options)?;
            }
        }
    }

    fn chunk(
        &mut self,
        chunk: &Chunk,
        decoded: Decoded,
        told: &mut InputEvidence,
        options: &mut Options,
    ) -> Result<()> {
        told.lines += decoded.lines;
        self.evidence.oddities.merge(decoded.oddities);
        for (reason, count) in decoded.rejected {
            *told.rejected.entry(reason).or_insert(0) += count;
        }
        for reject in decoded.rejects {
            if options.strict {
                bail!("{}:{}: {}", told.name, reject.line, reject.detail);
            }
            if let Some(out) = &mut options.rejects {
                let line = serde_json::json!({
                    "input": told.name,
                    "line": reject.line,
                    "reason": reject.reason,
                    "detail": reject.detail,
                    "text": String::from_utf8_lossy(chunk.bytes.get(reject.text).unwrap_or_default()),
                });
                writeln!(out, "{line}").context("cannot write the rejected lines")?;
            }
        }
        for hash in decoded.hashes {
            if self.seen.len() < MOST_COMPARED {
                self.evidence.repeated += u64::from(!self.seen.insert(hash));
            }
        }
        self.evidence.merge(decoded.evidence);
        self.workloads.merge(&decoded.workloads);
        self.batches.push(decoded.batch);
        Ok(())
    }
}

fn decode(chunk: &Chunk, projection: &Projection, learns: bool, wanted: Wanted) -> Result<Decoded> {
    let mut decoder = Decoder::new(projection.clone());
    let (mut lines, mut last, mut start) = (0, chunk.first_line, 0);
    let mut rejected = BTreeMap::new();
    let mut rejects: Vec<Reject> = Vec::new();
    let mut reject = |line: u64, reason: &'static str, bad: &Bad, text: Range<usize>| {
        *rejected.entry(reason).or_insert(0) += 1;
        if wanted == Wanted::All || (wanted == Wanted::First && rejects.is_empty()) {
            let text = text.start..text.end.min(text.start + REJECT_BYTES);
            rejects.push(Reject { line, reason, detail: bad.to_string(), text });
        }
    };
    for (number, line, open) in chunk.lines() {
        lines += 1;
        last = number;
        if let Err(bad) = decoder.line(line) {
            // A last line that is bad and has no line feed was cut off while it was written or copied.
            let torn = open && bad != Bad::Empty;
            reject(number, if torn { "torn" } else { bad.reason() }, &bad, start..start + line.len());
        }
        start += line.len() + 1;
    }
    if let Err(bad) = decoder.end() {
        reject(last, bad.reason(), &bad, 0..0);
    }
    let (hashes, oddities, batch) = (decoder.hashes(), decoder.oddities(), decoder.finish()?);
    let (mut evidence, mut workloads) = (Evidence::default(), Workloads::default());
    evidence.count(&batch)?;
    if learns {
        workloads.learn(&batch)?;
    }
    Ok(Decoded { batch, evidence, workloads, hashes, lines, rejected, rejects, oddities })
}

/// Bytes of a rejected line that are kept.
const REJECT_BYTES: usize = 1 << 20;
