//! JSON line → row.
//!
//! Promises:
//! 1. A line is read whole whatever columns are wanted: the projection decides what is kept, never what is good.
//! 2. Both spellings of names, enums by name or number, quoted or bare numbers, `null` for absent: all that protojson reads.
//! 3. What is not known, or known with another type, goes to `extra` in its place, and is counted once by its path.

use std::borrow::Cow;
use std::collections::HashMap;

use super::reader::{Keys, Next, Reader};
use super::{Bad, wrapped};
use crate::columns::{ColumnId, Fill};
use crate::extra::{Extra, one_line};
use crate::lines::MAX_LINE;
use crate::oddities::Oddities;
use crate::rows::{MemberValue, Projection, Rows};
use crate::schema::{BODIES, ENVELOPE, Enum, FieldKind, Member, MessageId, SCHEMA, Scalar};
use crate::settled::{Event, SETTLED};
use crate::time::parse_rfc3339;

/// Decodes lines into rows.
#[derive(Debug)]
pub struct Decoder {
    rows: Rows,
    oddities: Oddities,
    extra: Extra,
    /// Parts of wrapped lines, by stream.
    parts: HashMap<&'static str, String>,
    /// A hash of each good line, unwrapped.
    hashes: Vec<u64>,
}

/// The same line has the same hash in every run.
const HASHER: ahash::RandomState = ahash::RandomState::with_seeds(1, 2, 3, 4);

/// Most items of a list of messages that become a column's value.
const MOST_ITEMS: usize = 10_000;

/// How a value fitted its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    Yes,
    /// Understood, but written otherwise than an exporter of this version would: kept as it was, too.
    AsWritten,
    No,
}

impl From<bool> for Fit {
    fn from(fits: bool) -> Self {
        if fits { Self::Yes } else { Self::No }
    }
}

/// How the top level of a line is to be read.
enum Shape<'a> {
    Envelope,
    /// An event without its envelope.
    Bare(&'static str),
    Docker(wrapped::Unwrapped<'a>),
}

impl Decoder {
    #[must_use]
    pub fn new(projection: Projection) -> Self {
        Self {
            rows: Rows::new(projection),
            oddities: Oddities::default(),
            extra: Extra::default(),
            parts: HashMap::new(),
            hashes: Vec::new(),
        }
    }

    /// Decodes one line, without its line feed. A part of a wrapped line is kept until its rest comes.
    ///
    /// # Errors
    /// When the line is bad; nothing of it is kept then.
    pub fn line(&mut self, line: &[u8]) -> Result<(), Bad> {
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
    pub fn finish(&mut self) -> Result<arrow::array::RecordBatch, arrow::error::ArrowError> {
        self.rows.finish()
    }

    /// Rows decoded since the last [`Self::finish`].
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// A hash of each good line since the last call: a line that comes again, in another file or wrapping, has the same.
    #[must_use]
    pub fn hashes(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.hashes)
    }

    /// The hash of a line that an exporter wrote.
    #[must_use]
    pub fn hash(line: &str) -> u64 {
        HASHER.hash_one(line)
    }

    /// What was not known, since the decoder was made.
    #[must_use]
    pub fn oddities(&mut self) -> Oddities {
        std::mem::take(&mut self.oddities)
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
        self.extra.clear();
        let result = self
            .message(message, &mut reader, &mut event)
            .and_then(|()| reader.end())
            .and_then(|()| if event.kind.is_none() { Err(Bad::NoEvent) } else { Ok(()) });
        match result {
            Ok(()) => {
                if message != ENVELOPE {
                    event.envelope_time = event.time;
                    event.envelope_node_name.clone_from(&event.node_name);
                }
                event.settle(&mut self.rows);
                if let Some(extra) = self.extra.finish() {
                    self.rows.text(SETTLED.extra, extra);
                }
                self.rows.finish_row();
                self.hashes.push(Self::hash(text));
            }
            Err(_) => self.rows.abandon_row(),
        }
        result
    }

    fn message<'a>(&mut self, id: MessageId, reader: &mut Reader<'a>, event: &mut Event<'a>) -> Result<(), Bad> {
        let message = SCHEMA.message(id);
        event.presence |= message.bit.map_or(0, |bit| 1 << bit);
        let mut seen = 0u64;
        let mut set = 0u64;
        let mut member: Option<&str> = None;
        let mut unknown = Keys::default();
        reader.open_object()?;
        let mut first = true;
        while let Some(key) = reader.key(first)? {
            first = false;
            let Some((position, field)) =
                message.by_name(&key).and_then(|position| Some((position, message.fields.get(position)?)))
            else {
                let raw = reader.skip()?;
                self.oddities.unknown_field(&message.path, &key);
                self.extra.add(id, &key, raw);
                unknown.add(key)?;
                continue;
            };
            if seen & (1 << position) != 0 {
                return Err(Bad::DuplicateKey(key.into_owned()));
            }
            seen |= 1 << position;
            let next = reader.peek()?;
            if next == Next::Null {
                reader.null()?;
                continue;
            }
            set |= 1 << position;
            if field.in_oneof {
                if let Some(other) = member.replace(&field.name) {
                    return Err(Bad::TwoOfOneof(other.to_owned(), field.name.to_string()));
                }
                if id == ENVELOPE {
                    event.kind = BODIES.iter().copied().find(|body| *body == &*field.name);
                }
            }
            let start = reader.at();
            let fits = match &field.kind {
                FieldKind::Message(child) if next == Next::Object => {
                    if let Some(case) = message.case.filter(|_| field.in_oneof) {
                        self.rows.text(case, &field.name);
                    }
                    self.message(*child, reader, event)?;
                    Fit::Yes
                }
                FieldKind::Message(_) if id == ENVELOPE => {
                    reader.skip()?;
                    return Err(Bad::BodyNotAnObject(field.name.to_string()));
                }
                FieldKind::Message(_) => {
                    reader.skip()?;
                    Fit::No
                }
                FieldKind::Scalar { column, scalar, wrapped } => {
                    self.scalar(&message.path, &field.name, *column, scalar, *wrapped, reader, event)?
                }
                FieldKind::Texts(column) => match texts(reader)? {
                    Some(values) => {
                        if !values.is_empty() {
                            self.rows.texts(*column, values);
                        }
                        Fit::Yes
                    }
                    None => Fit::No,
                },
                FieldKind::Structs { column, members } => self.structs(*column, members, reader)?.into(),
                FieldKind::Flags { column, names } => self.flags(*column, names, reader)?.into(),
                FieldKind::Any(column) => {
                    let raw = reader.skip()?;
                    if next == Next::Object {
                        self.rows.text(*column, &one_line(raw));
                    }
                    Fit::from(next == Next::Object)
                }
            };
            if fits == Fit::No {
                self.oddities.mistyped(&message.path, &field.name);
            }
            if fits != Fit::Yes {
                self.extra.add(id, &field.name, reader.since(start).trim_ascii());
            }
        }
        for (position, column) in &message.zeros {
            if set & (1 << position) == 0 {
                self.rows.number(*column, 0);
            }
        }
        Ok(())
    }

    /// Reads a single value.
    #[expect(clippy::too_many_arguments, reason = "the field's place and type, and where to read and write")]
    fn scalar<'a>(
        &mut self,
        path: &str,
        name: &str,
        column: ColumnId,
        scalar: &Scalar,
        wrapped: bool,
        reader: &mut Reader<'a>,
        event: &mut Event<'a>,
    ) -> Result<Fit, Bad> {
        let next = reader.peek()?;
        let keep_zero = wrapped || column.column().fill == Fill::Zero;
        match (scalar, next) {
            (Scalar::Text, Next::Text) => {
                let text = reader.text()?;
                if text.is_empty() {
                    return Ok(Fit::Yes);
                }
                event.set_text(column, text, &mut self.rows);
            }
            (Scalar::Bool, Next::Bool) => {
                let value = reader.bool()?;
                if value || keep_zero {
                    self.rows.bool(column, value);
                }
            }
            (Scalar::Time, Next::Text) => {
                let Some(nanos) = parse_rfc3339(&reader.text()?) else { return Ok(Fit::No) };
                event.set_time(column, nanos, &mut self.rows);
            }
            (Scalar::Enum(values), Next::Text) => {
                return Ok(self.enum_name(path, name, column, values, &reader.text()?));
            }
            (Scalar::Enum(values), Next::Number) => {
                return Ok(self.enum_number(path, name, column, values, reader.number()?));
            }
            (Scalar::U32 | Scalar::I32 | Scalar::U64 | Scalar::I64, Next::Text | Next::Number) => {
                let text = if next == Next::Text { reader.text()? } else { Cow::Borrowed(reader.number()?) };
                let Some(value) = whole(&text, scalar) else { return Ok(Fit::No) };
                if value != 0 || keep_zero {
                    self.rows.number(column, value);
                }
            }
            _ => {
                reader.skip()?;
                return Ok(Fit::No);
            }
        }
        Ok(Fit::Yes)
    }

    fn enum_name(&mut self, path: &str, field: &str, column: ColumnId, values: &Enum, name: &str) -> Fit {
        match values.number(name) {
            Some(0) => {}
            Some(_) => self.rows.text(column, name),
            // A quoted number is no name; written back as a name it would become a number.
            None if name.is_empty() || name.parse::<i32>().is_ok() => return Fit::No,
            None => {
                self.oddities.unknown_value(path, field, name);
                self.rows.text(column, name);
            }
        }
        Fit::Yes
    }

    fn enum_number(&mut self, path: &str, field: &str, column: ColumnId, values: &Enum, text: &str) -> Fit {
        let Some(number) = whole(text, &Scalar::I32).and_then(|number| i32::try_from(number).ok()) else {
            return Fit::No;
        };
        match values.name(number) {
            _ if number == 0 => Fit::Yes,
            // An exporter writes a number for what it has no name for; its line must come out as it was.
            Some(name) => {
                self.rows.text(column, name);
                Fit::AsWritten
            }
            None => {
                self.oddities.unknown_value(path, field, text);
                self.rows.text(column, &number.to_string());
                Fit::Yes
            }
        }
    }

    fn flags(&mut self, column: ColumnId, names: &[(u32, Box<str>)], reader: &mut Reader<'_>) -> Result<bool, Bad> {
        if reader.peek()? != Next::Object {
            reader.skip()?;
            return Ok(false);
        }
        let mut set = 0u32;
        let mut fits = true;
        let mut keys = Keys::default();
        reader.open_object()?;
        let mut first = true;
        while let Some(key) = reader.key(first)? {
            first = false;
            match (names.iter().position(|(_, name)| **name == *key), reader.peek()?) {
                (Some(flag), Next::Bool) => set |= u32::from(reader.bool()?) << flag,
                (Some(_), Next::Null) => reader.null()?,
                _ => {
                    reader.skip()?;
                    fits = false;
                }
            }
            keys.add(key)?;
        }
        self.rows.text(column, &flags_text(set, names));
        Ok(fits)
    }

    fn structs(&mut self, column: ColumnId, members: &[Member], reader: &mut Reader<'_>) -> Result<bool, Bad> {
        if reader.peek()? != Next::List {
            reader.skip()?;
            return Ok(false);
        }
        let mut fits = true;
        let mut items = Vec::new();
        reader.open_list()?;
        let mut first = true;
        while reader.item(first)? {
            first = false;
            if reader.peek()? == Next::Object {
                let item = struct_item(members, reader, &mut fits)?;
                // A list without end would take many times its length as rows; it is kept as it was written.
                if items.len() >= MOST_ITEMS {
                    fits = false;
                } else if self.rows.wants(column) {
                    items.push(item);
                }
            } else {
                reader.skip()?;
                fits = false;
            }
        }
        if !items.is_empty() {
            self.rows.structs(column, &items);
        }
        Ok(fits)
    }
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

/// A whole number as protojson takes it: `5`, `"5"`, `5.0`, `5e0`.
fn whole(text: &str, scalar: &Scalar) -> Option<i128> {
    let value = match text.parse::<i128>() {
        Ok(value) if !text.starts_with('+') => value,
        _ => {
            if !text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E')) {
                return None;
            }
            let value: f64 = text.parse().ok()?;
            if value.fract() != 0.0 || value.abs() > 9_007_199_254_740_992.0 || text.starts_with('+') {
                return None;
            }
            #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
            let value = value as i128;
            value
        }
    };
    let fits = match scalar {
        Scalar::U32 => u32::try_from(value).is_ok(),
        Scalar::I32 => i32::try_from(value).is_ok(),
        Scalar::U64 => u64::try_from(value).is_ok(),
        Scalar::I64 => i64::try_from(value).is_ok(),
        _ => false,
    };
    fits.then_some(value)
}

/// A list of texts, or `None` when it is something else.
fn texts<'a>(reader: &mut Reader<'a>) -> Result<Option<Vec<Cow<'a, str>>>, Bad> {
    if reader.peek()? != Next::List {
        reader.skip()?;
        return Ok(None);
    }
    let mut values = Vec::new();
    let mut fits = true;
    reader.open_list()?;
    let mut first = true;
    while reader.item(first)? {
        first = false;
        if reader.peek()? == Next::Text {
            values.push(reader.text()?);
        } else {
            reader.skip()?;
            fits = false;
        }
    }
    Ok(fits.then_some(values))
}

fn struct_item(members: &[Member], reader: &mut Reader<'_>, fits: &mut bool) -> Result<Vec<MemberValue>, Bad> {
    let mut values = vec![MemberValue::None; members.len()];
    let mut keys = Keys::default();
    reader.open_object()?;
    let mut first = true;
    while let Some(key) = reader.key(first)? {
        first = false;
        let position = members.iter().position(|member| *key == *member.name || *key == *member.camel);
        let value = position.and_then(|position| Some((members.get(position)?, values.get_mut(position)?)));
        // Both spellings are one key.
        keys.add(position.and_then(|p| members.get(p)).map_or(key, |member| Cow::Owned(member.name.to_string())))?;
        let next = reader.peek()?;
        match (value, next) {
            (_, Next::Null) => reader.null()?,
            (Some((Member { scalar: Scalar::Text, repeated: false, .. }, value)), Next::Text) => {
                let text = reader.text()?;
                if !text.is_empty() {
                    *value = MemberValue::Text(text.into_owned());
                }
            }
            (Some((Member { scalar: Scalar::Text, repeated: true, .. }, value)), Next::List) => match texts(reader)? {
                Some(texts) if texts.is_empty() => {}
                Some(texts) => *value = MemberValue::Texts(texts.into_iter().map(Cow::into_owned).collect()),
                None => *fits = false,
            },
            (Some((Member { scalar: scalar @ (Scalar::U32 | Scalar::U64), .. }, value)), Next::Text | Next::Number) => {
                let text = if next == Next::Text { reader.text()? } else { Cow::Borrowed(reader.number()?) };
                match whole(&text, scalar).and_then(|number| u64::try_from(number).ok()) {
                    Some(0) => {}
                    Some(number) => *value = MemberValue::Number(number),
                    None => *fits = false,
                }
            }
            _ => {
                reader.skip()?;
                *fits = false;
            }
        }
    }
    Ok(values)
}

/// The names of the set flags, in Hubble's order.
pub(crate) fn flags_text(set: u32, names: &[(u32, Box<str>)]) -> String {
    let names: Vec<&str> =
        names.iter().enumerate().filter(|(flag, _)| set & (1 << flag) != 0).map(|(_, (_, name))| &**name).collect();
    names.join(", ")
}
