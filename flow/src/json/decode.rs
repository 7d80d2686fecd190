//! JSON line → row.
//!
//! Promises:
//! 1. A line is read whole whatever columns are wanted: what is wanted decides what is kept, never what is good.
//! 2. Both spellings of names, enums by name or number, quoted or bare numbers, `null` for absent: all that protojson reads.
//! 3. What is not known, or known with another type, goes to `extra` in its place, and is counted once by its path.
//!
//! A line goes to the fast path first (`fast`); what that does not take is read by the plain one (`plain`).

use std::collections::HashMap;
use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use xxhash_rust::xxh3::xxh3_64;

use super::fast::Fast;
use super::filter::Filter;
use super::plain::Plain;
use super::reader::Reader;
use super::skim::Skim;
use super::{Bad, wrapped};
use crate::columns::ColumnId;
use crate::coverage::{self, Coverage, Tally};
use crate::lines::{Chunk, MAX_LINE};
use crate::names::Workloads;
use crate::oddities::Oddities;
use crate::rows::{Projection, Rows};
use crate::schema::{ENVELOPE, SCHEMA};
use crate::segment::Needle;
use crate::settled::{Event, SETTLED};

/// What is wanted of lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Columns of the rows.
    pub columns: Projection,
    /// A row is kept if it fits one of these; empty when any is. All lines are read and counted.
    pub needles: Vec<Needle>,
    /// Count what the lines cover, those without a row, too.
    pub counts: bool,
    /// Learn which pods belong to which workloads, from all lines.
    pub learns: bool,
    /// Read no further into a line that surely fits no needle: of such lines only the shape is judged, `{` to `}`, and
    /// nothing of them is counted or learnt.
    pub skims: bool,
}

/// Decodes lines into rows.
#[derive(Debug)]
pub struct Decoder {
    wants: Wants,
    filter: Filter,
    skim: Option<Skim>,
    rows: Rows,
    fast: Option<Fast>,
    /// The fast path met an end of a flow for the first time, in a line that it did not take. If that is bad, nothing is
    /// learnt from it, and the end must count as new when it comes again.
    has_new_endpoints: bool,
    plain: Plain,
    /// Parts of wrapped lines, by stream.
    parts: HashMap<&'static str, String>,
    /// A hash of each good line, unwrapped.
    hashes: Vec<u64>,
    tally: Tally,
    workloads: Workloads,
    fast_lines: u64,
}

/// A line of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number within the chunk, from 1.
    pub number: u64,
    /// Where it stands in the chunk, without its line feed.
    pub bytes: Range<usize>,
    /// It is the last one and has no line feed.
    pub is_open: bool,
}

/// How the top level of a line is to be read.
enum Shape<'a> {
    Envelope,
    /// An event without its envelope.
    Bare(&'static str),
    Docker(wrapped::Unwrapped<'a>),
}

impl Decoder {
    /// A decoder that keeps these columns of all lines.
    #[must_use]
    pub fn new(columns: Projection) -> Self {
        Self::wanting(Wants { columns, ..Wants::default() })
    }

    /// A decoder that gives what is wanted, and nothing else.
    #[must_use]
    pub fn wanting(wants: Wants) -> Self {
        let mut decoder = Self::reference(wants);
        decoder.skim = if decoder.wants.skims { Skim::new(&decoder.wants.needles) } else { None };
        decoder.fast = Some(Fast::new(&decoder.wants.columns, &asked(&decoder.wants), decoder.wants.learns));
        decoder
    }

    /// Likewise, by the plain path alone: what the fast one is held against.
    #[must_use]
    pub fn reference(wants: Wants) -> Self {
        Self {
            rows: Rows::showing(asked(&wants).with(wants.columns.columns()), &wants.columns),
            filter: Filter::new(&wants.needles),
            wants,
            skim: None,
            fast: None,
            has_new_endpoints: false,
            plain: Plain::default(),
            parts: HashMap::new(),
            hashes: Vec::new(),
            tally: Tally::default(),
            workloads: Workloads::default(),
            fast_lines: 0,
        }
    }

    /// Decodes the lines of a chunk, gives `bad` those that are bad, and tells how many lines there are.
    pub fn chunk(&mut self, chunk: &Chunk, mut bad: impl FnMut(Line, &Bad)) -> u64 {
        let text = simdutf8::basic::from_utf8(&chunk.bytes).ok();
        let (mut at, mut lines) = (0, 0);
        while let Some(rest) = chunk.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let length = match text.and_then(|text| self.skimmed(rest).or_else(|| self.next_line(text.get(at..)?))) {
                Some(length) => length,
                None => {
                    let end = memchr::memchr(b'\n', rest);
                    let length = end.unwrap_or(rest.len());
                    if let Err(error) = self.line(rest.get(..length).unwrap_or_default()) {
                        bad(Line { number: lines + 1, bytes: at..at + length, is_open: end.is_none() }, &error);
                    }
                    length
                }
            };
            at += length + 1;
            lines += 1;
        }
        lines
    }

    /// The length of the line that a text begins with, without its line feed, if it can be left out.
    fn skimmed(&self, text: &[u8]) -> Option<usize> {
        let skim = self.skim.as_ref()?;
        let length = memchr::memchr(b'\n', text).unwrap_or(text.len());
        (length <= MAX_LINE && skim.leaves_out(text.get(..length)?)).then_some(length)
    }

    /// Decodes the line that a text begins with, if that can be done fast, and gives its length, without its line feed.
    /// Otherwise nothing is done.
    fn next_line(&mut self, text: &str) -> Option<usize> {
        let fast = self.fast.as_mut()?;
        let length = fast.line(text, &mut self.rows).filter(|length| *length <= MAX_LINE);
        self.has_new_endpoints |= length.is_none() && fast.has_seen_endpoints();
        let length = length?;
        self.taken(text.get(..length)?);
        Some(length)
    }

    /// Decodes one line, without its line feed. A part of a wrapped line is kept until its rest comes.
    ///
    /// # Errors
    /// When the line is bad; nothing of it is kept then.
    pub fn line(&mut self, line: &[u8]) -> Result<(), Bad> {
        let found = self.any_line(line);
        if std::mem::take(&mut self.has_new_endpoints)
            && found.is_err()
            && let Some(fast) = &mut self.fast
        {
            fast.forget();
        }
        found
    }

    fn any_line(&mut self, line: &[u8]) -> Result<(), Bad> {
        if line.len() > MAX_LINE {
            return Err(Bad::TooLong);
        }
        let text = std::str::from_utf8(line).map_err(|error| Bad::Utf8(error.valid_up_to()))?;
        // A part of a wrapped line may end in a blank that belongs to it.
        let text = text.trim_ascii_start().trim_end_matches(['\r', '\n']);
        match text.as_bytes().first() {
            None => Err(Bad::Empty),
            Some(b'{') => self.object(text, true),
            Some(b'0'..=b'9') => match wrapped::cri(text) {
                Some(unwrapped) => self.unwrapped(&unwrapped),
                None => self.loose(text),
            },
            Some(_) => self.loose(text),
        }
    }

    /// Takes back what has come of a line whose rest never came.
    ///
    /// # Errors
    /// When there was such a part.
    pub fn end(&mut self) -> Result<(), Bad> {
        let unfinished = self.parts.values().any(|part| !part.is_empty());
        self.parts.clear();
        if unfinished { Err(Bad::Unfinished) } else { Ok(()) }
    }

    /// The rows so far as a batch.
    ///
    /// # Errors
    /// When arrow refuses the arrays, which would be a mistake in this crate.
    pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        self.rows.finish()
    }

    /// Likewise, with each list once, rows having the number of theirs: a dictionary of lists.
    ///
    /// # Errors
    /// As [`Self::finish`].
    pub fn finish_packed(&mut self) -> Result<RecordBatch, ArrowError> {
        self.rows.finish_packed()
    }

    /// Rows decoded since the last [`Self::finish`].
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Lines that the fast path took, since the decoder was made.
    #[must_use]
    pub fn fast_lines(&self) -> u64 {
        self.fast_lines
    }

    /// A hash of each good line since the last call: a line that comes again, in another file or wrapping, has the same.
    #[must_use]
    pub fn hashes(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.hashes)
    }

    /// The hash of a line that an exporter wrote.
    #[must_use]
    pub fn hash(line: &str) -> u64 {
        xxh3_64(line.as_bytes())
    }

    /// What was not known, since the last call.
    #[must_use]
    pub fn oddities(&mut self) -> Oddities {
        std::mem::take(&mut self.plain.oddities)
    }

    /// What the good lines since the last call cover.
    #[must_use]
    pub fn coverage(&mut self) -> Coverage {
        std::mem::take(&mut self.tally).finish()
    }

    /// What was learnt of workloads since the last call.
    #[must_use]
    pub fn workloads(&mut self) -> Workloads {
        std::mem::take(&mut self.workloads)
    }

    fn unwrapped(&mut self, unwrapped: &wrapped::Unwrapped<'_>) -> Result<(), Bad> {
        let part = self.parts.entry(unwrapped.stream).or_default();
        if part.len() + unwrapped.text.len() > MAX_LINE {
            part.clear();
            return Err(Bad::TooLong);
        }
        if unwrapped.partial {
            part.push_str(&unwrapped.text);
            return Ok(());
        }
        if part.is_empty() {
            return self.content(unwrapped.text.trim_ascii());
        }
        let mut whole = std::mem::take(part);
        whole.push_str(&unwrapped.text);
        self.content(whole.trim_ascii())
    }

    fn content(&mut self, text: &str) -> Result<(), Bad> {
        match text.as_bytes().first() {
            None => Err(Bad::Empty),
            Some(b'{') => self.object(text, false),
            Some(_) => self.loose(text),
        }
    }

    /// Text that does not begin like an object: a log line that may hold one, another JSON value, or something else.
    fn loose(&mut self, text: &str) -> Result<(), Bad> {
        if let Some(json) = wrapped::logfmt(text) {
            return self.object(&json, false);
        }
        let mut reader = Reader::new(text);
        if reader.skip().and_then(|_| reader.end()).is_ok() { Err(Bad::NotAnObject) } else { Err(Bad::NotJson) }
    }

    fn object(&mut self, text: &str, outermost: bool) -> Result<(), Bad> {
        if let Some(fast) = &mut self.fast {
            if fast.line(text, &mut self.rows) == Some(text.len()) {
                self.taken(text);
                return Ok(());
            }
            self.has_new_endpoints |= fast.has_seen_endpoints();
        }
        let mut event = Event::default();
        let mut reader = Reader::new(text);
        let message = match classify(text, outermost)? {
            Shape::Docker(unwrapped) => return self.unwrapped(&unwrapped),
            Shape::Envelope => ENVELOPE,
            Shape::Bare(kind) => {
                event.kind = Some(kind);
                SCHEMA.body(kind).ok_or(Bad::NoEvent)?
            }
        };
        self.plain.extra.clear();
        let result = self
            .plain
            .message(message, &mut reader, &mut event, &mut self.rows)
            .and_then(|()| reader.end())
            .and_then(|()| if event.kind.is_none() { Err(Bad::NoEvent) } else { Ok(()) });
        match result {
            Ok(()) => {
                if message != ENVELOPE {
                    event.envelope_time = event.time;
                    event.envelope_node_name.clone_from(&event.node_name);
                }
                self.read(text, event);
            }
            Err(_) => self.rows.abandon_row(),
        }
        result
    }

    /// Counts and keeps what the plain path has read.
    fn read(&mut self, text: &str, mut event: Event<'_>) {
        self.hashes.push(Self::hash(text));
        if self.wants.learns {
            event.endpoints.iter().for_each(|endpoint| self.workloads.learn_endpoint(endpoint));
        }
        event.endpoints.clear();
        event.settle(&mut self.rows);
        if let Some(extra) = self.plain.extra.finish() {
            self.rows.text(SETTLED.extra, extra);
        }
        let rows = &self.rows;
        if self.wants.counts {
            self.tally.count(|column| rows.set_text(column), |column| rows.set_number(column));
        }
        if self.filter.keeps(|column| rows.set_text(column)) {
            self.rows.finish_row();
        } else {
            self.rows.abandon_row();
        }
    }

    /// Counts and keeps what the fast path has taken.
    fn taken(&mut self, line: &str) {
        let Some(fast) = &self.fast else { return };
        self.fast_lines += 1;
        fast.endpoints(line).for_each(|endpoint| self.workloads.learn_endpoint(endpoint));
        self.hashes.push(Self::hash(line));
        let (read, (node, envelope_node)) = (fast.event(), fast.nodes(line));
        let event = Event {
            presence: read.presence,
            kind: read.kind,
            time: read.time,
            envelope_time: read.envelope_time,
            node_name: node.map(Into::into),
            envelope_node_name: envelope_node.map(Into::into),
            endpoints: Vec::new(),
        };
        let settled = &*SETTLED;
        let text = |column: ColumnId| match column {
            column if column == settled.kind => Some(event.kind()),
            column if column == settled.node_name => event.node(),
            column if column == settled.envelope_node_name => event.other_node(),
            column => fast.text(line, column, &self.rows),
        };
        if self.wants.counts {
            self.tally.count(text, |column| match column {
                column if column == settled.time => event.time().map(i128::from),
                column if column == settled.messages => Some(event.messages().into()),
                column => fast.number(column).map(i128::from),
            });
        }
        let kept = self.filter.keeps(text);
        let Plain { oddities, extra } = &mut self.plain;
        for (message, name, _) in fast.strangers(line) {
            oddities.unknown_field(&SCHEMA.message(message).path, name);
        }
        if kept {
            fast.write(line, &mut self.rows);
            event.settle(&mut self.rows);
            extra.clear();
            fast.strangers(line).for_each(|(message, name, json)| extra.add(message, name, json));
            if let Some(extra) = extra.finish() {
                self.rows.text(SETTLED.extra, extra);
            }
            self.rows.finish_row();
        }
    }
}

/// The columns that every line is asked for, whether it becomes a row or not.
fn asked(wants: &Wants) -> Projection {
    let counted = if wants.counts { coverage::COLUMNS } else { &[] };
    Projection::of(counted.iter().copied()).with(Filter::new(&wants.needles).columns())
}

/// Finds out how a line's top level is to be read.
fn classify(text: &str, outermost: bool) -> Result<Shape<'_>, Bad> {
    let envelope = SCHEMA.message(ENVELOPE);
    let flow = SCHEMA.body("flow").map(|id| SCHEMA.message(id));
    let mut reader = Reader::new(text);
    reader.open_object()?;
    let (mut bare_flow, mut bare_lost, mut docker) = (false, false, false);
    let mut first = true;
    while let Some(key) = reader.key(first)? {
        first = false;
        let body = envelope.by_name(&key).and_then(|at| envelope.fields.get(at)).is_some_and(|field| field.in_oneof);
        if body {
            return Ok(Shape::Envelope);
        }
        docker |= &*key == "log";
        bare_lost |= matches!(&*key, "num_events_lost" | "numEventsLost");
        // Both have a time and a node name; they tell nothing.
        bare_flow |= envelope.by_name(&key).is_none() && flow.is_some_and(|flow| flow.by_name(&key).is_some());
        reader.skip()?;
    }
    reader.end()?;
    match (bare_lost, bare_flow, docker && outermost) {
        (true, ..) => Ok(Shape::Bare("lost_events")),
        (_, true, _) => Ok(Shape::Bare("flow")),
        (.., true) => wrapped::docker(text).map(Shape::Docker).ok_or(Bad::NoEvent),
        // An object without anything of an event; reading it as an envelope finds what else may be wrong with it.
        _ => Ok(Shape::Envelope),
    }
}
