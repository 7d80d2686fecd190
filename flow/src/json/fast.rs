//! The fast path: lines as an exporter writes them, read without a general parser.
//!
//! Flow logs repeat themselves. The next key is the one that followed the last time; a name, a list or an endpoint that was
//! met before is recognised by its bytes and not read again.
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
type Span = (usize, usize);

/// A value on the tape.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Text(usize, usize),
    /// A text that had escapes: its place among those of the line.
    Unescaped(usize),
    /// The number of a name or list in its column.
    Known(i32),
    Fixed(&'static str),
    Number(u64),
}

/// Values of a line, by slot.
#[derive(Debug, Default)]
struct Tape {
    values: Vec<Option<Value>>,
    /// Slots that are set, in the order in which they were.
    set: Vec<Slot>,
    unescaped: Vec<String>,
}

impl Tape {
    fn set(&mut self, slot: Slot, value: Value) {
        if let Some(place) = self.values.get_mut(usize::from(slot)) {
            *place = Some(value);
            self.set.push(slot);
        }
    }

    fn get(&self, slot: Slot) -> Option<Value> {
        *self.values.get(usize::from(slot))?
    }

    fn clear(&mut self) {
        for slot in self.set.drain(..) {
            if let Some(place) = self.values.get_mut(usize::from(slot)) {
                *place = None;
            }
        }
        self.unescaped.clear();
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

/// What a known message or list puts on the tape.
#[derive(Debug)]
struct Entry {
    presence: u64,
    values: Box<[(Slot, Value)]>,
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

    fn read(&mut self, text: &str) -> Option<i64> {
        let bytes = text.as_bytes();
        if let Some((minute, rest)) = bytes.split_at_checked(Self::MINUTE)
            && minute == self.minute
            && let Some(nanos) = seconds(rest)
        {
            return Some(self.nanos + nanos);
        }
        let nanos = parse_rfc3339(text)?;
        let start = text.get(..Self::MINUTE)?;
        if let Some(whole) = parse_rfc3339(&format!("{start}00Z")) {
            (self.minute, self.nanos) = (start.into(), whole);
        }
        Some(nanos)
    }
}

/// Nanoseconds of `04Z` or `04.024964574Z`.
fn seconds(bytes: &[u8]) -> Option<i64> {
    let [tens @ b'0'..=b'5', ones @ b'0'..=b'9', rest @ ..] = bytes else { return None };
    let mut nanos = i64::from((tens - b'0') * 10 + (ones - b'0'));
    let fraction = match rest {
        [b'Z'] => &[][..],
        [b'.', digits @ .., b'Z'] if (1..=9).contains(&digits.len()) => digits,
        _ => return None,
    };
    for digit in fraction {
        nanos = nanos * 10 + i64::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    (fraction.len()..9).for_each(|_| nanos *= 10);
    Some(nanos)
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
    memos: Vec<Memo<Entry>>,
    names: Vec<Names>,
    /// For each message the field that last followed each field; the first one stands at the end.
    follows: Vec<Vec<usize>>,
    clock: Clock,
    /// The time that was read last in this line: event and envelope say the same.
    time: Option<(Span, i64)>,
    /// Learns which pods belong to which workloads, where that is asked for.
    workloads: Option<Workloads>,
    generation: u64,
}

impl Fast {
    /// A reader of the columns `read`, for rows that have the columns `kept`.
    pub(super) fn new(read: &Projection, kept: &Projection, learns: bool) -> Self {
        let plan = Plan::new(read, kept);
        let state = State {
            tape: Tape { values: vec![None; plan.slots.len()], ..Tape::default() },
            event: Event::default(),
            memos: (0..plan.memos).map(|_| Memo::default()).collect(),
            names: (0..plan.names).map(|_| Names::default()).collect(),
            follows: plan.messages.iter().map(|message| vec![0; message.fields.len() + 1]).collect(),
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

    /// The text of a column of the line, whose text is `line`.
    pub(super) fn text<'a>(&'a self, line: &'a str, column: ColumnId, rows: &'a Rows) -> Option<&'a str> {
        match self.value(column)? {
            Value::Text(from, to) => line.get(from..to),
            Value::Unescaped(at) => self.state.tape.unescaped.get(at).map(String::as_str),
            Value::Known(number) => std::str::from_utf8(rows.name(column, number)?).ok(),
            Value::Fixed(name) => Some(name),
            Value::Number(_) => None,
        }
    }

    /// The number of a column of the line.
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
        let text = |span: Option<Span>| span.and_then(|(from, to)| line.get(from..to));
        (text(self.state.event.node), text(self.state.event.envelope_node))
    }

    /// Sets the columns of a row.
    pub(super) fn write(&self, line: &str, rows: &mut Rows) {
        for slot in &self.state.tape.set {
            let Some((column, true)) = self.plan.slots.get(usize::from(*slot)).copied() else { continue };
            match self.state.tape.get(*slot) {
                Some(Value::Text(from, to)) => rows.text(column, line.get(from..to).unwrap_or_default()),
                Some(Value::Unescaped(at)) => {
                    rows.text(column, self.state.tape.unescaped.get(at).map_or("", String::as_str));
                }
                Some(Value::Known(number)) => rows.numbered(column, Some(number)),
                Some(Value::Fixed(name)) => rows.text(column, name),
                Some(Value::Number(number)) => rows.number(column, number.into()),
                None => {}
            }
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
        if bytes.get(at) == Some(&b'}') {
            at += 1;
        } else {
            loop {
                let position = self.key(message, id, bytes.get(at..)?, previous)?;
                let field = message.fields.get(position)?;
                at += field.key.length;
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
                at = self.value(plan, &field.kind, line, at, rows)?;
                at += 1;
                match bytes.get(at - 1)? {
                    b',' => {}
                    b'}' => break,
                    _ => return None,
                }
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

    /// The position of the field whose key stands here.
    fn key(&mut self, message: &plan::Message, id: MessageId, rest: &[u8], previous: usize) -> Option<usize> {
        let follows = self.follows.get_mut(id)?.get_mut(previous)?;
        if message.fields.get(*follows)?.key.is_at(rest) {
            return Some(*follows);
        }
        // An exporter writes fields in the order of their declaration.
        let after = if previous == message.fields.len() { 0 } else { previous + 1 };
        let (before, behind) = message.fields.split_at_checked(after)?;
        let is_here = |field: &plan::Field| field.key.is_at(rest);
        let position = match behind.iter().position(is_here) {
            Some(position) => after + position,
            None => before.iter().position(is_here)?,
        };
        *follows = position;
        Some(position)
    }

    /// Reads a value, gives where it ends.
    fn value(&mut self, plan: &Plan, kind: &Kind, line: &str, at: usize, rows: &mut Rows) -> Option<usize> {
        let bytes = line.as_bytes();
        match kind {
            Kind::Message(child) => self.message(plan, *child, line, at, rows),
            Kind::Memo { memo, of } => {
                let known = self.memos.get_mut(*memo).filter(|memo| memo.pays());
                if let Some((length, entry)) = known.and_then(|memo| memo.find(bytes.get(at..)?)) {
                    self.event.presence |= entry.presence;
                    for (slot, value) in &entry.values {
                        self.tape.set(*slot, *value);
                    }
                    return Some(at + length);
                }
                self.unknown(plan, *memo, of, line, at, rows)
            }
            Kind::Text(slot) => {
                let (value, end) = self.text(line, at)?;
                match (slot, value) {
                    // An empty text is no text.
                    (_, Value::Text(from, to)) if from == to => {}
                    (Some(slot), value) => self.tape.set(*slot, value),
                    _ => {}
                }
                Some(end)
            }
            Kind::Name(names, target) => {
                let (from, to) = plain_text(bytes, at)?;
                let name = line.get(from..to)?;
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
                Some(to + 1)
            }
            Kind::Enum(names, target, values) => {
                let (from, to) = plain_text(bytes, at)?;
                let name = line.get(from..to)?;
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
                Some(to + 1)
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
                Some(span.1 + 1)
            }
            Kind::EnvelopeNode => {
                let span = plain_text(bytes, at)?;
                self.event.envelope_node = Some(span).filter(|(from, to)| from != to);
                Some(span.1 + 1)
            }
            Kind::Odd => None,
        }
    }

    /// Reads a message or list that is not known, and remembers it.
    fn unknown(
        &mut self,
        plan: &Plan,
        memo: usize,
        of: &Inner,
        line: &str,
        at: usize,
        rows: &mut Rows,
    ) -> Option<usize> {
        let before = self.tape.set.len();
        let presence = std::mem::take(&mut self.event.presence);
        let mut reader = Reader::starting(line, at);
        let put = |tape: &mut Tape, slot: &Option<Slot>, number: Option<i32>| {
            if let (Some(slot), Some(number)) = (slot, number) {
                tape.set(*slot, Value::Known(number));
            }
        };
        let end = match of {
            Inner::Message(child) => self.message(plan, *child, line, at, rows)?,
            Inner::Texts(column, slot) => {
                let texts = texts(&mut reader).ok()??;
                if !texts.is_empty() {
                    put(&mut self.tape, slot, rows.number_of_texts(*column, &texts));
                }
                reader.at()
            }
            Inner::Structs(column, members, slot) => {
                let (items, true) = structs(members, &mut reader, slot.is_some()).ok()? else { return None };
                if !items.is_empty() {
                    put(&mut self.tape, slot, rows.number_of_structs(*column, &items));
                }
                reader.at()
            }
            Inner::Flags(column, names, slot) => {
                let (text, true) = flags(names, &mut reader).ok()?? else { return None };
                put(&mut self.tape, slot, rows.number_of_text(*column, &text));
                reader.at()
            }
        };
        let own = std::mem::replace(&mut self.event.presence, presence);
        self.event.presence |= own;
        if !self.memos.get(memo)?.pays() {
            return Some(end);
        }
        let mut values = Vec::with_capacity(self.tape.set.len() - before);
        for slot in self.tape.set.get(before..)? {
            let (column, _) = plan.slots.get(usize::from(*slot))?;
            values.push((
                *slot,
                match self.tape.get(*slot)? {
                    Value::Text(from, to) => Value::Known(rows.number_of_text(*column, line.get(from..to)?)?),
                    Value::Unescaped(_) => return Some(end),
                    value => value,
                },
            ));
        }
        self.memos.get_mut(memo)?.add(line.as_bytes().get(at..end)?, Entry { presence: own, values: values.into() });
        Some(end)
    }

    /// Reads a text with escapes or without; gives where it ends, behind its quote.
    fn text(&mut self, line: &str, at: usize) -> Option<(Value, usize)> {
        let bytes = line.as_bytes();
        if bytes.get(at) != Some(&b'"') {
            return None;
        }
        let end = scan::text_end(bytes, at + 1)?;
        match bytes.get(end)? {
            b'"' => Some((Value::Text(at + 1, end), end + 1)),
            b'\\' => {
                let mut reader = Reader::starting(line, at);
                let text = reader.text().ok()?.into_owned();
                if text.is_empty() {
                    return None;
                }
                self.tape.unescaped.push(text);
                Some((Value::Unescaped(self.tape.unescaped.len() - 1), reader.at()))
            }
            _ => None,
        }
    }

    fn time(&mut self, line: &str, at: usize) -> Option<(i64, usize)> {
        let (from, to) = plain_text(line.as_bytes(), at)?;
        let text = line.get(from..to)?;
        if let Some(((start, end), nanos)) = self.time
            && line.get(start..end)? == text
        {
            return Some((nanos, to + 1));
        }
        let nanos = self.clock.read(text)?;
        self.time = Some(((from, to), nanos));
        Some((nanos, to + 1))
    }
}

/// A text without escapes: where it stands within its quotes.
fn plain_text(bytes: &[u8], at: usize) -> Option<Span> {
    if bytes.get(at) != Some(&b'"') {
        return None;
    }
    let end = scan::text_end(bytes, at + 1)?;
    (bytes.get(end) == Some(&b'"')).then_some((at + 1, end))
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
            assert_eq!(clock.read(text), parse_rfc3339(text), "{text}");
            assert_eq!(clock.read(text), parse_rfc3339(text), "{text}");
        }
    }
}
