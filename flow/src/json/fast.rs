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

mod memo;
mod plan;
mod scan;

use super::Reader;
use super::plain::{flags, structs, texts};
use crate::columns::ColumnId;
use crate::names::Workloads;
use crate::rows::{Projection, Rows};
use crate::schema::{BODIES, ENVELOPE, MessageId};
use crate::time::parse_rfc3339;
use memo::Memo;
use plan::{Inner, Kind, Plan, Slot};

/// A place in the line: from here to there.
type Span = (u32, u32);

/// A value on the tape.
#[derive(Clone, Copy, Debug)]
enum Value {
    Text(Span),
    /// A text that had escapes: its place among those of the line.
    Unescaped(u32),
    /// The number of a name or list in its column.
    Known(i32),
    Fixed(&'static str),
    Number(u64),
}

/// Columns that there may be on a tape.
const SLOTS: usize = 256;

/// Which slots are set.
type Set = [u64; SLOTS / 64];

/// Values of a line, by slot.
#[derive(Debug)]
struct Tape {
    values: [Value; SLOTS],
    set: Set,
    unescaped: Vec<String>,
    /// What was recognised: the memo, and the number of the value in it.
    met: Vec<(u32, u32)>,
}

impl Default for Tape {
    fn default() -> Self {
        Self { values: [Value::Number(0); SLOTS], set: Set::default(), unescaped: Vec::new(), met: Vec::new() }
    }
}

impl Tape {
    #[inline]
    fn set(&mut self, slot: Slot, value: Value) {
        // A slot is a byte, so there is a place for each.
        if let (Some(place), Some(word)) =
            (self.values.get_mut(usize::from(slot)), self.set.get_mut(usize::from(slot >> 6)))
        {
            *place = value;
            *word |= 1 << (slot & 63);
        }
    }

    #[inline]
    fn get(&self, slot: Slot) -> Option<Value> {
        let is_set = self.set.get(usize::from(slot >> 6))? & (1 << (slot & 63)) != 0;
        if is_set { self.values.get(usize::from(slot)).copied() } else { None }
    }

    /// The slots that are set, but for those that were set before.
    fn since(&self, before: Set) -> impl Iterator<Item = Slot> + '_ {
        [0, 64, 128, 192].into_iter().zip(self.set.iter().zip(before)).flat_map(|(first, (now, before))| {
            let mut left = now & !before;
            std::iter::from_fn(move || {
                let slot = u8::try_from(left.trailing_zeros()).ok().filter(|slot| *slot < 64)?;
                left &= left - 1;
                Some(first + slot)
            })
        })
    }

    fn clear(&mut self) {
        self.set = Set::default();
        self.unescaped.clear();
        self.met.clear();
    }
}

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

/// What is known of a message, a list, or a run of members.
#[derive(Debug)]
struct Entry {
    presence: u64,
    /// What every line is asked for.
    asked: Box<[(Slot, Value)]>,
    /// What a row has besides.
    kept: Box<[(ColumnId, Value)]>,
    run: Run,
}

/// What is known of a run of members up to the next key, or to the end of their message.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    /// Fields in it.
    seen: u64,
    /// The field whose key it ends with.
    next: Option<usize>,
    /// Node names, counted from where it begins.
    node: Option<Span>,
    envelope_node: Option<Span>,
}

/// Where something begins that is to be known.
#[derive(Debug)]
struct Mark {
    at: usize,
    set: Set,
    met: usize,
    /// What was there of the line before.
    presence: u64,
}

/// Names that were met in one place, the last ones.
#[derive(Debug, Default)]
struct Names {
    known: Vec<(Box<str>, Option<Value>)>,
    next: usize,
}

impl Names {
    const MOST: usize = 16;

    fn find(&self, name: &str) -> Option<Option<Value>> {
        self.known.iter().find(|(known, _)| **known == *name).map(|(_, value)| *value)
    }

    fn add(&mut self, name: &str, value: Option<Value>) {
        if self.known.len() < Self::MOST {
            self.known.push((name.into(), value));
        } else if let Some(place) = self.known.get_mut(self.next) {
            *place = (name.into(), value);
            self.next = (self.next + 1) % Self::MOST;
        }
    }
}

/// The minute of the last time, as text and as nanoseconds.
#[derive(Debug, Default)]
struct Clock {
    minute: Vec<u8>,
    nanos: i64,
}

impl Clock {
    /// Characters up to the seconds: `2026-03-01T10:00:`.
    const MINUTE: usize = 17;

    /// The time whose text these bytes begin with, up to its quote, and the length of its text.
    #[inline]
    fn read(&mut self, rest: &str) -> Option<(i64, usize)> {
        if let Some((minute, rest)) = rest.as_bytes().split_at_checked(Self::MINUTE)
            && minute == self.minute
            && let Some((nanos, length)) = seconds(rest)
        {
            return Some((self.nanos + nanos, Self::MINUTE + length));
        }
        self.read_all(rest)
    }

    #[cold]
    fn read_all(&mut self, rest: &str) -> Option<(i64, usize)> {
        let text = rest.get(..scan::text_end(rest.as_bytes(), 0)?)?;
        if rest.as_bytes().get(text.len()) != Some(&b'"') {
            return None;
        }
        let nanos = parse_rfc3339(text)?;
        let start = text.get(..Self::MINUTE)?;
        if let Some(whole) = parse_rfc3339(&format!("{start}00Z")) {
            (self.minute, self.nanos) = (start.into(), whole);
        }
        Some((nanos, text.len()))
    }
}

/// Nanoseconds of `04Z"` or `04.024964574Z"`, and the length before the quote.
#[inline]
fn seconds(bytes: &[u8]) -> Option<(i64, usize)> {
    let [tens @ b'0'..=b'5', ones @ b'0'..=b'9', ..] = bytes else { return None };
    let mut nanos = i64::from((tens - b'0') * 10 + (ones - b'0')) * 1_000_000_000;
    let mut at = 2;
    if bytes.get(at) == Some(&b'.') {
        let mut unit = 1_000_000_000;
        at += 1;
        while let Some(digit @ b'0'..=b'9') = bytes.get(at) {
            unit /= 10;
            nanos += i64::from(digit - b'0') * unit;
            at += 1;
        }
        // From one digit to nine.
        if unit == 1_000_000_000 || at > 12 {
            return None;
        }
    }
    (bytes.get(at..at + 2)? == b"Z\"").then_some((nanos, at + 1))
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
    /// Learns which pods belong to which workloads, where that is asked for.
    workloads: Option<Workloads>,
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
            workloads: learns.then(Workloads::default),
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

    pub(super) fn has(&self, column: ColumnId) -> bool {
        self.value(column).is_some()
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

    /// What was learnt since the last call.
    pub(super) fn workloads(&mut self) -> Workloads {
        self.state.workloads.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

impl State {
    /// Reads a message, whose brace stands at `at`; gives where it ends.
    fn message(&mut self, plan: &Plan, id: MessageId, line: &str, at: usize, rows: &mut Rows) -> Option<usize> {
        let bytes = line.as_bytes();
        let message = plan.messages.get(id)?;
        let start = at;
        if bytes.get(at) != Some(&b'{') {
            return None;
        }
        let mut at = at + 1;
        let mut seen = 0u64;
        let mut has_member = false;
        let mut previous = message.fields.len();
        let mut is_over = bytes.get(at) == Some(&b'}');
        at += usize::from(is_over);
        while !is_over {
            let rest = bytes.get(at..)?;
            let runs = plan.memos + message.follows + previous;
            let knows_runs = self.pays(runs);
            let follows = usize::from(*self.follows.get(message.follows + previous)?);
            let expected = message.fields.get(follows)?;
            let (position, field) = if (expected.ends_run || !knows_runs) && expected.key.is_at(rest) {
                at += expected.key.length;
                (follows, expected)
            } else {
                let known = if knows_runs { self.known_run(runs, at, rest, seen) } else { None };
                let (end, run) = match known {
                    Some(known) => known,
                    None => self.new_run(plan, message, line, at, seen, previous, rows)?,
                };
                at = end;
                seen |= run.seen;
                let Some(next) = run.next else { break };
                (next, message.fields.get(next)?)
            };
            if seen & (1 << position) != 0 {
                return None;
            }
            seen |= 1 << position;
            previous = position;
            if field.in_oneof {
                if std::mem::replace(&mut has_member, true) {
                    return None;
                }
                if id == ENVELOPE {
                    self.event.kind = BODIES.iter().copied().find(|body| *body == field.name);
                }
                if let Some(case) = message.case {
                    self.tape.set(case, Value::Fixed(field.name));
                }
            }
            at = self.value(plan, &field.kind, line, at, rows)? + 1;
            match bytes.get(at - 1)? {
                b',' => {}
                b'}' => is_over = true,
                _ => return None,
            }
        }
        self.event.presence |= message.bit;
        for (position, slot) in &message.zeros {
            if seen & (1 << position) == 0 {
                self.tape.set(*slot, Value::Number(0));
            }
        }
        if message.is_endpoint
            && let Some(workloads) = &mut self.workloads
        {
            workloads.learn_endpoint(line.get(start..at)?);
        }
        Some(at)
    }

    /// Reads the members from here to the next one that is none for a run, and remembers them; gives where they end.
    #[cold]
    #[expect(clippy::too_many_arguments, reason = "the message, where it stands, and what came of it before")]
    fn new_run(
        &mut self,
        plan: &Plan,
        message: &plan::Message,
        line: &str,
        at: usize,
        seen: u64,
        mut previous: usize,
        rows: &mut Rows,
    ) -> Option<(usize, Run)> {
        let bytes = line.as_bytes();
        let runs = plan.memos + message.follows + previous;
        let mark = self.mark(at);
        let mut run = Run::default();
        let mut at = at;
        loop {
            let position = self.key(message, bytes.get(at..)?, previous)?;
            let field = message.fields.get(position)?;
            at += field.key.length;
            if field.ends_run || !self.pays(runs) {
                run.next = Some(position);
                break;
            }
            if (seen | run.seen) & (1 << position) != 0 {
                return None;
            }
            run.seen |= 1 << position;
            previous = position;
            at = self.value(plan, &field.kind, line, at, rows)? + 1;
            match bytes.get(at - 1)? {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
        self.remember(plan, runs, mark, run, line, at, rows)?;
        Some((at, run))
    }

    #[inline]
    fn pays(&mut self, memo: usize) -> bool {
        self.memos.get_mut(memo).is_some_and(Memo::pays)
    }

    /// Takes a run of members that is known, none of whose fields came before; gives where it ends.
    #[inline]
    fn known_run(&mut self, memo: usize, at: usize, rest: &[u8], seen: u64) -> Option<(usize, Run)> {
        let (length, number) = self.memos.get_mut(memo)?.find(rest)?;
        let run = self.memos.get(memo)?.get(number)?.run;
        if run.seen & seen != 0 {
            return None;
        }
        self.take(memo, number)?;
        let moved = |(from, to): Span| Some((narrow(at + from as usize)?, narrow(at + to as usize)?));
        if let Some(node) = run.node {
            self.event.node = moved(node);
        }
        if let Some(node) = run.envelope_node {
            self.event.envelope_node = moved(node);
        }
        Some((at + length, run))
    }

    /// Puts on the tape what is known of a value.
    fn take(&mut self, memo: usize, number: usize) -> Option<()> {
        let entry = self.memos.get(memo)?.get(number)?;
        self.event.presence |= entry.presence;
        for (slot, value) in &entry.asked {
            self.tape.set(*slot, *value);
        }
        if !entry.kept.is_empty() {
            self.tape.met.push((narrow(memo)?, narrow(number)?));
        }
        Some(())
    }

    /// Begins something that is to be known.
    fn mark(&mut self, at: usize) -> Mark {
        let presence = std::mem::take(&mut self.event.presence);
        Mark { at, set: self.tape.set, met: self.tape.met.len(), presence }
    }

    /// Remembers what began at the mark and ends here.
    #[expect(clippy::too_many_arguments, reason = "what is remembered, where it stands, and where its names are kept")]
    fn remember(
        &mut self,
        plan: &Plan,
        memo: usize,
        mark: Mark,
        run: Run,
        line: &str,
        at: usize,
        rows: &mut Rows,
    ) -> Option<()> {
        let presence = std::mem::replace(&mut self.event.presence, mark.presence);
        self.event.presence |= presence;
        if !self.pays(memo) {
            return Some(());
        }
        let (mut asked, mut kept) = (Vec::new(), Vec::new());
        for slot in self.tape.since(mark.set) {
            let target = plan.slots.get(usize::from(slot))?;
            let value = match self.tape.get(slot)? {
                Value::Text(span) => Value::Known(rows.number_of_text(target.column, within(line, span)?)?),
                // Its text is of this line.
                Value::Unescaped(_) => return Some(()),
                value => value,
            };
            if target.is_asked {
                asked.push((slot, value));
            } else {
                kept.push((target.column, value));
            }
        }
        for (memo, number) in self.tape.met.get(mark.met..)? {
            kept.extend_from_slice(&self.memos.get(*memo as usize)?.get(*number as usize)?.kept);
        }
        let own = |span: Option<Span>| {
            let (from, to) = span?;
            Some((from.checked_sub(narrow(mark.at)?)?, to.checked_sub(narrow(mark.at)?)?))
        };
        let (node, envelope_node) = (own(self.event.node), own(self.event.envelope_node));
        let run = Run { node, envelope_node, ..run };
        let entry = Entry { presence, asked: asked.into(), kept: kept.into(), run };
        let memo = self.memos.get_mut(memo)?;
        memo.add(line.as_bytes().get(mark.at..at)?, entry);
        self.is_full |= memo.is_full();
        Some(())
    }

    /// The position of the field whose key stands here.
    fn key(&mut self, message: &plan::Message, rest: &[u8], previous: usize) -> Option<usize> {
        let follows = self.follows.get_mut(message.follows + previous)?;
        if message.fields.get(usize::from(*follows))?.key.is_at(rest) {
            return Some(usize::from(*follows));
        }
        // An exporter writes fields in the order of their declaration.
        let after = if previous == message.fields.len() { 0 } else { previous + 1 };
        let (before, behind) = message.fields.split_at_checked(after)?;
        let is_here = |field: &plan::Field| field.key.is_at(rest);
        let position = match behind.iter().position(is_here) {
            Some(position) => after + position,
            None => before.iter().position(is_here)?,
        };
        *follows = u8::try_from(position).ok()?;
        Some(position)
    }

    /// Reads a value, gives where it ends.
    fn value(&mut self, plan: &Plan, kind: &Kind, line: &str, at: usize, rows: &mut Rows) -> Option<usize> {
        let bytes = line.as_bytes();
        match kind {
            Kind::Message(child) => self.message(plan, *child, line, at, rows),
            Kind::Memo { memo, of } => {
                if self.pays(*memo)
                    && let Some((length, number)) = self.memos.get_mut(*memo)?.find(bytes.get(at..)?)
                {
                    self.take(*memo, number)?;
                    return Some(at + length);
                }
                self.new_value(plan, *memo, of, line, at, rows)
            }
            Kind::Text(slot) => {
                let (value, end) = self.text(line, at)?;
                match (slot, value) {
                    // An empty text is no text.
                    (_, Value::Text((from, to))) if from == to => {}
                    (Some(slot), value) => self.tape.set(*slot, value),
                    _ => {}
                }
                Some(end)
            }
            Kind::Name(names, target) => {
                let span = plain_text(bytes, at)?;
                let name = within(line, span)?;
                let value = match self.names.get(*names)?.find(name) {
                    Some(value) => value,
                    None => {
                        let known = |(_, column)| rows.number_of_text(column, name).map(Value::Known);
                        let value = if name.is_empty() { None } else { Some(target.and_then(known)?) };
                        self.names.get_mut(*names)?.add(name, value);
                        value
                    }
                };
                if let (Some((slot, _)), Some(value)) = (target, value) {
                    self.tape.set(*slot, value);
                }
                Some(span.1 as usize + 1)
            }
            Kind::Enum(names, target, values) => {
                let span = plain_text(bytes, at)?;
                let name = within(line, span)?;
                let value = match self.names.get(*names)?.find(name) {
                    Some(value) => value,
                    None => {
                        let number = values.number(name)?;
                        let known = |(_, column)| rows.number_of_text(column, name).map(Value::Known);
                        let value = if number == 0 { None } else { target.and_then(known) };
                        self.names.get_mut(*names)?.add(name, value);
                        value
                    }
                };
                if let (Some((slot, _)), Some(value)) = (target, value) {
                    self.tape.set(*slot, value);
                }
                Some(span.1 as usize + 1)
            }
            Kind::Bool { slot, keep_zero } => {
                let (value, end) = scan::truth(bytes, at)?;
                if let Some(slot) = slot
                    && (value || *keep_zero)
                {
                    self.tape.set(*slot, Value::Number(value.into()));
                }
                Some(end)
            }
            Kind::Number { slot, keep_zero, most } => {
                let (value, end) = scan::whole(bytes, at).filter(|(value, _)| value <= most)?;
                if let Some(slot) = slot
                    && (value != 0 || *keep_zero)
                {
                    self.tape.set(*slot, Value::Number(value));
                }
                Some(end)
            }
            Kind::Time(slot) => {
                let (nanos, end) = self.time(line, at)?;
                if let Some(slot) = slot {
                    self.tape.set(*slot, Value::Number(nanos.unsigned_abs()));
                }
                Some(end)
            }
            Kind::EventTime => {
                let (nanos, end) = self.time(line, at)?;
                self.event.time = Some(nanos);
                Some(end)
            }
            Kind::EnvelopeTime => {
                let (nanos, end) = self.time(line, at)?;
                self.event.envelope_time = Some(nanos);
                Some(end)
            }
            Kind::EventNode => {
                let span = plain_text(bytes, at)?;
                self.event.node = Some(span).filter(|(from, to)| from != to);
                Some(span.1 as usize + 1)
            }
            Kind::EnvelopeNode => {
                let span = plain_text(bytes, at)?;
                self.event.envelope_node = Some(span).filter(|(from, to)| from != to);
                Some(span.1 as usize + 1)
            }
            Kind::Odd => None,
        }
    }

    /// Reads a message or list that is not known, and remembers it.
    fn new_value(
        &mut self,
        plan: &Plan,
        memo: usize,
        of: &Inner,
        line: &str,
        at: usize,
        rows: &mut Rows,
    ) -> Option<usize> {
        let mark = self.mark(at);
        let end = self.unknown(plan, of, line, at, rows)?;
        self.remember(plan, memo, mark, Run::default(), line, end, rows)?;
        Some(end)
    }

    /// Reads a message or list that is not known.
    fn unknown(&mut self, plan: &Plan, of: &Inner, line: &str, at: usize, rows: &mut Rows) -> Option<usize> {
        let mut reader = Reader::starting(line, at);
        let mut put = |slot: &Option<Slot>, number: Option<i32>| {
            if let (Some(slot), Some(number)) = (slot, number) {
                self.tape.set(*slot, Value::Known(number));
            }
        };
        match of {
            Inner::Message(child) => return self.message(plan, *child, line, at, rows),
            Inner::Texts(_, None) if let Some(end) = scan::texts_end(line.as_bytes(), at) => return Some(end),
            Inner::Texts(column, slot) => {
                let texts = texts(&mut reader).ok()??;
                if !texts.is_empty() && slot.is_some() {
                    put(slot, rows.number_of_texts(*column, &texts));
                }
            }
            Inner::Structs(_, members, None) if let Some(end) = scan::structs_end(members, line.as_bytes(), at) => {
                return Some(end);
            }
            Inner::Structs(column, members, slot) => {
                let (items, true) = structs(members, &mut reader, slot.is_some()).ok()? else { return None };
                if !items.is_empty() {
                    put(slot, rows.number_of_structs(*column, &items));
                }
            }
            Inner::Flags(column, names, slot) => {
                let (text, true) = flags(names, &mut reader).ok()?? else { return None };
                put(slot, rows.number_of_text(*column, &text));
            }
        }
        Some(reader.at())
    }

    /// Reads a text with escapes or without; gives where it ends, behind its quote.
    fn text(&mut self, line: &str, at: usize) -> Option<(Value, usize)> {
        let bytes = line.as_bytes();
        if bytes.get(at) != Some(&b'"') {
            return None;
        }
        let end = scan::text_end(bytes, at + 1)?;
        match bytes.get(end)? {
            b'"' => Some((Value::Text((narrow(at + 1)?, narrow(end)?)), end + 1)),
            b'\\' => {
                let mut reader = Reader::starting(line, at);
                let text = reader.text().ok()?.into_owned();
                if text.is_empty() {
                    return None;
                }
                self.tape.unescaped.push(text);
                Some((Value::Unescaped(narrow(self.tape.unescaped.len() - 1)?), reader.at()))
            }
            _ => None,
        }
    }

    #[inline]
    fn time(&mut self, line: &str, at: usize) -> Option<(i64, usize)> {
        let rest = line.get(at..)?.strip_prefix('"')?;
        if let Some((before, nanos)) = self.time
            && let Some(text) = line.get(before.0 as usize..=before.1 as usize)
            && rest.as_bytes().starts_with(text.as_bytes())
        {
            return Some((nanos, at + 1 + text.len()));
        }
        let (nanos, length) = self.clock.read(rest)?;
        let from = at + 1;
        self.time = Some(((narrow(from)?, narrow(from + length)?), nanos));
        Some((nanos, from + length + 1))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_tells_what_the_plain_reader_tells() {
        let mut clock = Clock::default();
        for text in [
            "2026-03-01T10:00:00Z",
            "2026-03-01T10:00:59.999999999Z",
            "2026-03-01T10:00:60Z",
            "2026-03-01T10:00:05.5Z",
            "2026-03-01T10:00:05.Z",
            "2026-03-01T10:00:05.1234567890Z",
            "2026-03-01T10:00:05.5+01:00",
            "2026-03-01T10:00:0xZ",
            "2026-03-01T10:01:07.000001Z",
            "1969-12-31T23:59:59Z",
            "1969-12-31T23:59:58Z",
            "",
        ] {
            let expected = parse_rfc3339(text).map(|nanos| (nanos, text.len()));
            let rest = format!("{text}\"}}");
            assert_eq!(clock.read(&rest), expected, "{text}");
            assert_eq!(clock.read(&rest), expected, "{text}");
            assert_eq!(clock.read(text), None, "{text}");
        }
    }
}
