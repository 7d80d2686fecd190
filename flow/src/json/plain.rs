//! The plain path: any line that is JSON, by a general parser and the message tree.
//!
//! It is the reference: what it makes of a line is right, and the fast path is held against it.

use std::borrow::Cow;

use super::Bad;
use super::reader::{Keys, Next, Reader};
use crate::columns::{ColumnId, Fill};
use crate::extra::{Extra, one_line};
use crate::oddities::Oddities;
use crate::rows::{MemberValue, Rows};
use crate::schema::{BODIES, ENVELOPE, Enum, FieldKind, Member, MessageId, SCHEMA, Scalar};
use crate::settled::Event;
use crate::time::parse_rfc3339;

/// Reads events into rows, and keeps what it does not know.
#[derive(Debug, Default)]
pub(super) struct Plain {
    pub oddities: Oddities,
    pub extra: Extra,
}

/// Most items of a list of messages that become a column's value.
pub(super) const MOST_ITEMS: usize = 10_000;

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

impl Plain {
    /// Reads a message into the row that is being set.
    pub(super) fn message<'a>(
        &mut self,
        id: MessageId,
        reader: &mut Reader<'a>,
        event: &mut Event<'a>,
        rows: &mut Rows,
    ) -> Result<(), Bad> {
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
                        rows.text(case, &field.name);
                    }
                    self.message(*child, reader, event, rows)?;
                    if is_endpoint(*child) {
                        event.endpoints.push(reader.since(start).trim_ascii());
                    }
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
                    self.scalar(&message.path, &field.name, *column, scalar, *wrapped, reader, event, rows)?
                }
                FieldKind::Texts(column) => match texts(reader)? {
                    Some(values) => {
                        if !values.is_empty() {
                            rows.texts(*column, values);
                        }
                        Fit::Yes
                    }
                    None => Fit::No,
                },
                FieldKind::Structs { column, members } => put_structs(*column, members, reader, rows)?,
                FieldKind::Flags { column, names } => put_flags(*column, names, reader, rows)?,
                FieldKind::Any(column) => {
                    let raw = reader.skip()?;
                    if next == Next::Object {
                        rows.text(*column, &one_line(raw));
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
                rows.number(*column, 0);
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
        rows: &mut Rows,
    ) -> Result<Fit, Bad> {
        let next = reader.peek()?;
        let keep_zero = wrapped || column.column().fill == Fill::Zero;
        match (scalar, next) {
            (Scalar::Text, Next::Text) => {
                let text = reader.text()?;
                if text.is_empty() {
                    return Ok(Fit::Yes);
                }
                event.set_text(column, text, rows);
            }
            (Scalar::Bool, Next::Bool) => {
                let value = reader.bool()?;
                if value || keep_zero {
                    rows.bool(column, value);
                }
            }
            (Scalar::Time, Next::Text) => {
                let Some(nanos) = parse_rfc3339(&reader.text()?) else { return Ok(Fit::No) };
                event.set_time(column, nanos, rows);
            }
            (Scalar::Enum(values), Next::Text) => {
                return Ok(self.enum_name(path, name, column, values, &reader.text()?, rows));
            }
            (Scalar::Enum(values), Next::Number) => {
                return Ok(self.enum_number(path, name, column, values, reader.number()?, rows));
            }
            (Scalar::U32 | Scalar::I32 | Scalar::U64 | Scalar::I64, Next::Text | Next::Number) => {
                let text = if next == Next::Text { reader.text()? } else { Cow::Borrowed(reader.number()?) };
                let Some(value) = whole(&text, scalar) else { return Ok(Fit::No) };
                if value != 0 || keep_zero {
                    rows.number(column, value);
                }
            }
            _ => {
                reader.skip()?;
                return Ok(Fit::No);
            }
        }
        Ok(Fit::Yes)
    }

    fn enum_name(
        &mut self,
        path: &str,
        field: &str,
        column: ColumnId,
        values: &Enum,
        name: &str,
        rows: &mut Rows,
    ) -> Fit {
        match values.number(name) {
            Some(0) => {}
            Some(_) => rows.text(column, name),
            // A quoted number is no name; written back as a name it would become a number.
            None if name.is_empty() || name.parse::<i32>().is_ok() => return Fit::No,
            None => {
                self.oddities.unknown_value(path, field, name);
                rows.text(column, name);
            }
        }
        Fit::Yes
    }

    fn enum_number(
        &mut self,
        path: &str,
        field: &str,
        column: ColumnId,
        values: &Enum,
        text: &str,
        rows: &mut Rows,
    ) -> Fit {
        let Some(number) = whole(text, &Scalar::I32).and_then(|number| i32::try_from(number).ok()) else {
            return Fit::No;
        };
        match values.name(number) {
            _ if number == 0 => Fit::Yes,
            // An exporter writes a number for what it has no name for; its line must come out as it was.
            Some(name) => {
                rows.text(column, name);
                Fit::AsWritten
            }
            None => {
                self.oddities.unknown_value(path, field, text);
                rows.text(column, &number.to_string());
                Fit::Yes
            }
        }
    }
}

fn put_structs(column: ColumnId, members: &[Member], reader: &mut Reader<'_>, rows: &mut Rows) -> Result<Fit, Bad> {
    let (items, fits) = structs(members, reader, rows.wants(column))?;
    if !items.is_empty() {
        rows.structs(column, &items);
    }
    Ok(fits.into())
}

fn put_flags(
    column: ColumnId,
    names: &[(u32, Box<str>)],
    reader: &mut Reader<'_>,
    rows: &mut Rows,
) -> Result<Fit, Bad> {
    let Some((text, fits)) = flags(names, reader)? else { return Ok(Fit::No) };
    rows.text(column, &text);
    Ok(fits.into())
}

/// Whether a message is an end of a flow, which may tell which workload a pod belongs to.
pub(super) fn is_endpoint(id: MessageId) -> bool {
    matches!(&*SCHEMA.message(id).path, "flow.source" | "flow.destination")
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

/// The set flags of a message of them, and whether all of it was understood; `None` when it is something else.
pub(super) fn flags(names: &[(u32, Box<str>)], reader: &mut Reader<'_>) -> Result<Option<(String, bool)>, Bad> {
    if reader.peek()? != Next::Object {
        reader.skip()?;
        return Ok(None);
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
    Ok(Some((flags_text(set, names), fits)))
}

/// A list of texts, or `None` when it is something else.
pub(super) fn texts<'a>(reader: &mut Reader<'a>) -> Result<Option<Vec<Cow<'a, str>>>, Bad> {
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

/// A list of messages, if they are `wanted`, and whether all of it was understood.
pub(super) fn structs(
    members: &[Member],
    reader: &mut Reader<'_>,
    wanted: bool,
) -> Result<(Vec<Vec<MemberValue>>, bool), Bad> {
    let mut items = Vec::new();
    if reader.peek()? != Next::List {
        reader.skip()?;
        return Ok((items, false));
    }
    let mut fits = true;
    reader.open_list()?;
    let mut first = true;
    while reader.item(first)? {
        first = false;
        if reader.peek()? == Next::Object {
            let item = struct_item(members, reader, wanted, &mut fits)?;
            // A list without end would take many times its length as rows; it is kept as it was written.
            if items.len() >= MOST_ITEMS {
                fits = false;
            } else if wanted {
                items.push(item);
            }
        } else {
            reader.skip()?;
            fits = false;
        }
    }
    Ok((items, fits))
}

fn struct_item(
    members: &[Member],
    reader: &mut Reader<'_>,
    wanted: bool,
    fits: &mut bool,
) -> Result<Vec<MemberValue>, Bad> {
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
                if wanted && !text.is_empty() {
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
