//! The fast path: lines as an exporter writes them, read without a general parser.
//!
//! Flow logs repeat themselves. The next key is the one that followed the last time; a name, a list, an endpoint or a whole
//! run of members that was met before is recognised by its bytes and not read again.
//!
//! Invariants:
//! 1. A line that is taken gives the row, counts and hash that the plain decoder gives for it.
//! 2. On anything else, and on any doubt, the line is left to the plain decoder, before anything of it is kept.
//! 3. Every byte of a line that is taken was read by the grammar, or is part of a value that was, in this or an earlier line.
//! 4. Positions are of one text that is UTF-8, and begin and end at ASCII characters.

mod clock;
mod memo;
mod message;
mod names;
mod plan;
mod scan;
mod tape;

use crate::columns::ColumnId;
use crate::rows::{Projection, Rows};
use crate::schema::{ENVELOPE, MessageId};
use clock::Clock;
use memo::Memo;
use names::Names;
use plan::Plan;
use tape::{Entry, Set, Tape, Value};

/// A place in the line: from here to there.
type Span = (u32, u32);

/// What event and envelope say of themselves.
#[derive(Debug, Default)]
pub(super) struct Event {
    pub presence: u64,
    pub kind: Option<&'static str>,
    pub time: Option<i64>,
    pub envelope_time: Option<i64>,
    node: Option<Span>,
    envelope_node: Option<Span>,
}

/// Reads lines onto a tape.
#[derive(Debug)]
pub(super) struct Fast {
    plan: Plan,
    state: State,
}

#[derive(Debug)]
struct State {
    tape: Tape,
    event: Event,
    /// By the numbers that the plan gives.
    memos: Vec<Memo<Entry>>,
    /// One of them has become too large.
    is_full: bool,
    names: Vec<Names>,
    /// The field that last followed each field, message by message; the first one stands at the message's end.
    follows: Vec<u8>,
    clock: Clock,
    /// The time that was read last in this line: event and envelope say the same.
    time: Option<(Span, i64)>,
    /// Whether it is to be learnt which pods belong to which workloads.
    learns: bool,
    /// Ends of a flow that were not known before: where they stand in the line.
    endpoints: Vec<Span>,
    /// Room to put a list together.
    list: Vec<u8>,
    generation: u64,
}

impl Fast {
    /// A reader for rows of the columns `kept`, and for columns `asked` about every line.
    pub(super) fn new(kept: &Projection, asked: &Projection, learns: bool) -> Self {
        let plan = Plan::new(kept, asked);
        let state = State {
            tape: Tape::default(),
            event: Event::default(),
            memos: (0..plan.memos + plan.follows).map(|_| Memo::default()).collect(),
            is_full: false,
            names: (0..plan.names).map(|_| Names::default()).collect(),
            follows: vec![0; plan.follows],
            clock: Clock::default(),
            time: None,
            learns,
            endpoints: Vec::new(),
            list: Vec::new(),
            generation: 0,
        };
        Self { plan, state }
    }

    /// Reads the line that a text begins with; `None` if it is not one of those that are taken here. Gives where it ends:
    /// at its line feed, or at the end of the text.
    pub(super) fn line(&mut self, text: &str, rows: &mut Rows) -> Option<usize> {
        let Self { plan, state } = self;
        if state.generation != rows.generation() {
            // Numbers of names and lists have been given anew.
            state.generation = rows.generation();
            state.memos.iter_mut().for_each(Memo::forget);
            state.names.iter_mut().for_each(|names| *names = Names::default());
        }
        if std::mem::take(&mut state.is_full) {
            // Not within a line: what was met in it is asked for at its end.
            state.memos.iter_mut().filter(|memo| memo.is_full()).for_each(Memo::forget);
        }
        state.tape.clear();
        state.event = Event::default();
        state.time = None;
        state.endpoints.clear();
        let end = state.message(plan, ENVELOPE, text, 0, rows)?;
        state.event.kind?;
        matches!(text.as_bytes().get(end), None | Some(b'\n')).then_some(end)
    }

    /// What the line said of itself.
    pub(super) fn event(&self) -> &Event {
        &self.state.event
    }

    /// The text of a column that is asked about every line; the line's text is `line`.
    pub(super) fn text<'a>(&'a self, line: &'a str, column: ColumnId, rows: &'a Rows) -> Option<&'a str> {
        match self.value(column)? {
            Value::Text(span) => within(line, span),
            Value::Unescaped(at) => self.state.tape.unescaped.get(at as usize).map(String::as_str),
            Value::Known(number) => std::str::from_utf8(rows.name(column, number)?).ok(),
            Value::Fixed(name) => Some(name),
            Value::Number(_) => None,
        }
    }

    /// The number of such a column.
    pub(super) fn number(&self, column: ColumnId) -> Option<u64> {
        match self.value(column)? {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    fn value(&self, column: ColumnId) -> Option<Value> {
        self.state.tape.get(self.plan.slot(column)?)
    }

    /// The node that the event names, and the one that its envelope names.
    pub(super) fn nodes<'a>(&self, line: &'a str) -> (Option<&'a str>, Option<&'a str>) {
        let text = |span: Option<Span>| within(line, span?);
        (text(self.state.event.node), text(self.state.event.envelope_node))
    }

    /// Sets the columns of a row.
    pub(super) fn write(&self, line: &str, rows: &mut Rows) {
        let tape = &self.state.tape;
        let mut put = |column: ColumnId, value: Value| match value {
            Value::Text(span) => rows.text(column, within(line, span).unwrap_or_default()),
            Value::Unescaped(at) => rows.text(column, tape.unescaped.get(at as usize).map_or("", String::as_str)),
            Value::Known(number) => rows.numbered(column, Some(number)),
            Value::Fixed(name) => rows.text(column, name),
            Value::Number(number) => rows.number(column, number.into()),
        };
        for slot in tape.since(Set::default()) {
            if let Some(target) = self.plan.slots.get(usize::from(slot))
                && target.is_kept
                && let Some(value) = tape.get(slot)
            {
                put(target.column, value);
            }
        }
        for (memo, number) in &tape.met {
            let memo = self.state.memos.get(*memo as usize);
            let kept = memo.and_then(|memo| memo.get(*number as usize)).map(|entry| &*entry.kept);
            kept.unwrap_or_default().iter().for_each(|(column, value)| put(*column, *value));
        }
    }

    /// The members that no known version has: their message, name and value, in the order in which they came.
    pub(super) fn strangers<'a>(&'a self, line: &'a str) -> impl Iterator<Item = (MessageId, &'a str, &'a str)> {
        let all = self.state.tape.strangers.iter();
        all.filter_map(|stranger| Some((stranger.message, within(line, stranger.name)?, within(line, stranger.json)?)))
    }

    /// The ends of a flow that were not known before this line.
    pub(super) fn endpoints<'a>(&'a self, line: &'a str) -> impl Iterator<Item = &'a str> {
        self.state.endpoints.iter().filter_map(|span| within(line, *span))
    }

    /// Whether a line that was not taken has shown an end of a flow for the first time.
    pub(super) fn has_seen_endpoints(&self) -> bool {
        !self.state.endpoints.is_empty()
    }

    /// Forgets all that was met: some of it was of a line that is bad.
    pub(super) fn forget(&mut self) {
        self.state.memos.iter_mut().for_each(Memo::forget);
    }
}

/// A position as it is kept: lines are far shorter than what fits.
fn narrow(at: usize) -> Option<u32> {
    u32::try_from(at).ok()
}

/// A text without escapes that begins at its quote.
#[inline]
fn plain_text(bytes: &[u8], at: usize) -> Option<Span> {
    let (from, to) = scan::plain_text(bytes, at)?;
    Some((narrow(from)?, narrow(to)?))
}

fn within(line: &str, (from, to): Span) -> Option<&str> {
    line.get(from as usize..to as usize)
}
