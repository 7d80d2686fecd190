//! Protobuf message → row.
//!
//! Promises:
//! 1. Everything that protobuf allows is read: fields in any order, a field twice (the last one holds, messages are
//!    merged), fields of newer versions (kept in `extra` as bytes).
//! 2. A message that is not protobuf, or whose texts are not UTF-8, is an error and leaves no row.

use std::borrow::Cow;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use prost::bytes::Buf;
use prost::encoding::{WireType, decode_key, decode_varint};

use super::{BYTES, Envelope, UNKNOWN};
use crate::columns::{ColumnId, Fill};
use crate::extra::Extra;
use crate::json::{flags_text, write_text};
use crate::oddities::Oddities;
use crate::rows::{MemberValue, Projection, Rows};
use crate::schema::{BODIES, ENVELOPE, FieldKind, Member, MessageId, SCHEMA, Scalar};
use crate::settled::{Event, SETTLED};

/// Why a message could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    #[error("not a protobuf message: {0}")]
    Wire(#[from] prost::DecodeError),
    #[error("{0} is cut off")]
    Short(Box<str>),
    #[error("{0} is not UTF-8")]
    Utf8(Box<str>),
    #[error("no event in the message")]
    NoEvent,
}

/// Decodes messages into rows.
#[derive(Debug)]
pub struct Decoder {
    rows: Rows,
    oddities: Oddities,
    extra: Extra,
    envelope: Envelope,
}

/// What came for one field: the last number, or all byte strings.
#[derive(Debug, Default)]
struct Came<'a> {
    number: Option<u64>,
    first: Option<&'a [u8]>,
    more: Vec<&'a [u8]>,
}

impl<'a> Came<'a> {
    fn push(&mut self, bytes: &'a [u8]) {
        if self.first.is_none() {
            self.first = Some(bytes);
        } else {
            self.more.push(bytes);
        }
    }

    fn all(&self) -> impl Iterator<Item = &'a [u8]> {
        self.first.iter().chain(&self.more).copied()
    }

    fn last(&self) -> Option<&'a [u8]> {
        self.more.last().copied().or(self.first)
    }

    /// Several messages for one field are one: their fields, one behind the other.
    fn merged(&self) -> Cow<'a, [u8]> {
        match self.first {
            Some(only) if self.more.is_empty() => Cow::Borrowed(only),
            _ => self.all().collect::<Vec<_>>().concat().into(),
        }
    }
}

/// Where something stands, for who has to tell: it is put together then.
type Path<'a> = &'a dyn Fn() -> Box<str>;

impl Decoder {
    #[must_use]
    pub fn new(projection: Projection) -> Self {
        Self {
            rows: Rows::new(projection),
            oddities: Oddities::default(),
            extra: Extra::default(),
            envelope: Envelope::default(),
        }
    }

    /// Decodes one event, whichever message it travels in.
    ///
    /// # Errors
    /// As [`Self::message`].
    pub fn message_of(&mut self, envelope: Envelope, bytes: &[u8]) -> Result<(), Invalid> {
        self.envelope = envelope;
        let decoded = self.message(bytes);
        self.envelope = Envelope::default();
        decoded
    }

    /// Decodes one `observer.ExportEvent` or `observer.GetFlowsResponse`.
    ///
    /// # Errors
    /// When it is not one; nothing of it is kept then.
    pub fn message(&mut self, bytes: &[u8]) -> Result<(), Invalid> {
        self.extra.clear();
        let mut event = Event::default();
        let result = self.fields(ENVELOPE, bytes, &mut event);
        if result.is_err() || event.kind.is_none() {
            self.rows.abandon_row();
            return result.and(Err(Invalid::NoEvent));
        }
        event.settle(&mut self.rows);
        if let Some(extra) = self.extra.finish() {
            self.rows.text(SETTLED.extra, extra);
        }
        self.rows.finish_row();
        Ok(())
    }

    /// The rows, for who has some that were never messages.
    pub fn rows(&mut self) -> &mut Rows {
        &mut self.rows
    }

    /// The rows so far as a batch with each list once ([`crate::dictionary`]).
    ///
    /// # Errors
    /// As [`Self::finish`].
    pub fn finish_packed(&mut self) -> Result<arrow::array::RecordBatch, arrow::error::ArrowError> {
        self.rows.finish_packed()
    }

    /// The rows so far as a batch.
    ///
    /// # Errors
    /// When arrow refuses the arrays, which would be a mistake in this crate.
    pub fn finish(&mut self) -> Result<arrow::array::RecordBatch, arrow::error::ArrowError> {
        self.rows.finish()
    }

    /// What was not known, since the last call.
    #[must_use]
    pub fn oddities(&mut self) -> Oddities {
        std::mem::take(&mut self.oddities)
    }

    fn fields(&mut self, id: MessageId, bytes: &[u8], event: &mut Event<'_>) -> Result<(), Invalid> {
        let message = SCHEMA.message(id);
        event.presence |= message.bit.map_or(0, |bit| 1 << bit);
        let mut came: Vec<Came<'_>> = Vec::new();
        came.resize_with(message.fields.len(), Came::default);
        let mut unknown = Vec::new();
        let mut member = None;
        each_field(bytes, &|| message.path.clone(), |number, value, raw| {
            let known = if id == ENVELOPE { self.envelope.exported(number) } else { Some(number) };
            let position = known.and_then(|number| message.by_number(number));
            match position.and_then(|position| Some((position, message.fields.get(position)?))) {
                Some((position, field)) => {
                    // Of a oneof the last member holds.
                    if field.in_oneof && member.replace(position).is_some_and(|other| other != position) {
                        for (slot, other) in came.iter_mut().zip(&message.fields) {
                            if other.in_oneof {
                                *slot = Came::default();
                            }
                        }
                    }
                    if let Some(slot) = came.get_mut(position) {
                        match value {
                            Wire::Number(number) => slot.number = Some(number),
                            Wire::Bytes(bytes) => slot.push(bytes),
                            Wire::Other => unknown.extend_from_slice(raw),
                        }
                    }
                }
                None => {
                    self.oddities.unknown_field(&message.path, &format!("#{number}"));
                    unknown.extend_from_slice(raw);
                }
            }
        })?;
        if !unknown.is_empty() {
            self.extra.add(id, UNKNOWN, &format!("\"{}\"", BASE64_STANDARD.encode(&unknown)));
        }
        for (field, came) in message.fields.iter().zip(&came) {
            let there = came.number.is_some() || came.first.is_some();
            let path = || format!("{}.{}", message.path, field.name).into_boxed_str();
            match &field.kind {
                FieldKind::Message(child) if there => {
                    if id == ENVELOPE {
                        event.kind = BODIES.iter().copied().find(|body| *body == &*field.name);
                    }
                    if let Some(case) = message.case.filter(|_| field.in_oneof) {
                        self.rows.text(case, &field.name);
                    }
                    self.fields(*child, &came.merged(), event)?;
                }
                FieldKind::Scalar { column, scalar, wrapped } => {
                    self.scalar(*column, scalar, *wrapped, came, event, &path)?;
                }
                FieldKind::Texts(column) if there => {
                    let texts = came.all().map(|bytes| text(bytes, &path)).collect::<Result<Vec<_>, _>>()?;
                    self.rows.texts(*column, texts);
                }
                FieldKind::Structs { column, members } if there => {
                    let structs: Vec<_> =
                        came.all().map(|bytes| self.item(members, bytes, &path)).collect::<Result<_, _>>()?;
                    self.rows.structs(*column, &structs);
                }
                FieldKind::Flags { column, names } if there => {
                    let mut set = 0u32;
                    each_field(&came.merged(), &path, |number, value, _| {
                        if let (Some(flag), Wire::Number(value)) = (names.iter().position(|(n, _)| *n == number), value)
                        {
                            set = if value == 0 { set & !(1 << flag) } else { set | 1 << flag };
                        }
                    })?;
                    self.rows.text(*column, &flags_text(set, names));
                }
                FieldKind::Any(column) if there => self.rows.text(*column, &any(&came.merged(), &path)?),
                _ => {}
            }
        }
        Ok(())
    }

    fn scalar(
        &mut self,
        column: ColumnId,
        scalar: &Scalar,
        wrapped: bool,
        came: &Came<'_>,
        event: &mut Event<'_>,
        path: Path<'_>,
    ) -> Result<(), Invalid> {
        match scalar {
            Scalar::Text => {
                let Some(bytes) = came.last().filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
                // Names that event and envelope share are kept until both are read, longer than these bytes.
                event.set_text(column, text(bytes, path)?.to_owned().into(), &mut self.rows);
            }
            Scalar::Time => {
                if came.first.is_none() {
                    return Ok(());
                }
                let Some(nanos) = timestamp(&came.merged(), path)? else {
                    self.oddities.mistyped("", &path());
                    return Ok(());
                };
                event.set_time(column, nanos, &mut self.rows);
            }
            Scalar::Enum(values) => {
                #[expect(clippy::cast_possible_truncation, reason = "an enum is the low 32 bits")]
                let Some(number) = came.number.map(|number| number.cast_signed() as i32).filter(|number| *number != 0)
                else {
                    return Ok(());
                };
                match values.name(number) {
                    Some(name) => self.rows.text(column, name),
                    None => {
                        self.oddities.unknown_value("", &path(), &number.to_string());
                        self.rows.text(column, &number.to_string());
                    }
                }
            }
            Scalar::Bool | Scalar::U32 | Scalar::I32 | Scalar::U64 | Scalar::I64 => {
                let value = if wrapped && came.first.is_some() {
                    let mut inner = 0;
                    each_field(&came.merged(), path, |number, value, _| {
                        if let (1, Wire::Number(value)) = (number, value) {
                            inner = value;
                        }
                    })?;
                    Some(inner)
                } else {
                    came.number.filter(|number| *number != 0)
                };
                let fill = column.column().fill == Fill::Zero;
                if let Some(value) = value.or(fill.then_some(0)) {
                    self.rows.number(column, low_bits(value, scalar));
                }
            }
        }
        Ok(())
    }

    fn item(&mut self, members: &[Member], bytes: &[u8], path: Path<'_>) -> Result<Vec<MemberValue>, Invalid> {
        let mut values = vec![MemberValue::None; members.len()];
        let mut bad = None;
        each_field(bytes, path, |number, value, _| {
            let position = members.iter().position(|member| member.number == number);
            let Some((member, slot)) = position.and_then(|at| Some((members.get(at)?, values.get_mut(at)?))) else {
                self.oddities.unknown_field(&path(), &format!("#{number}"));
                return;
            };
            match value {
                Wire::Number(0) => *slot = MemberValue::None,
                Wire::Number(number) => *slot = MemberValue::Number(number),
                Wire::Bytes(bytes) => match (text(bytes, path), member.repeated) {
                    (Ok(text), true) => match slot {
                        MemberValue::Texts(texts) => texts.push(text.to_owned()),
                        _ => *slot = MemberValue::Texts(vec![text.to_owned()]),
                    },
                    (Ok(text), false) => *slot = MemberValue::Text(text.to_owned()),
                    (Err(error), _) => bad = Some(error),
                },
                Wire::Other => {}
            }
        })?;
        bad.map_or(Ok(values), Err)
    }
}

/// A field's value on the wire.
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// A fixed-width number or a group, which none of the known messages has.
    Other,
}

/// Calls back with each field's number, value and whole bytes.
fn each_field<'a>(
    bytes: &'a [u8],
    path: Path<'_>,
    mut each: impl FnMut(u32, Wire<'a>, &'a [u8]),
) -> Result<(), Invalid> {
    let short = || Invalid::Short(Some(path()).filter(|path| !path.is_empty()).unwrap_or_else(|| "the message".into()));
    let mut rest = bytes;
    while !rest.is_empty() {
        let start = rest;
        let (number, wire_type) = decode_key(&mut rest)?;
        let value = match wire_type {
            WireType::Varint => Wire::Number(decode_varint(&mut rest)?),
            WireType::LengthDelimited => {
                let length = usize::try_from(decode_varint(&mut rest)?).map_err(|_| short())?;
                let value = rest.get(..length).ok_or_else(short)?;
                rest.advance(length);
                Wire::Bytes(value)
            }
            WireType::SixtyFourBit | WireType::ThirtyTwoBit => {
                let length = if wire_type == WireType::SixtyFourBit { 8 } else { 4 };
                rest = rest.get(length..).ok_or_else(short)?;
                Wire::Other
            }
            WireType::StartGroup | WireType::EndGroup => {
                prost::encoding::skip_field(wire_type, number, &mut rest, prost::encoding::DecodeContext::default())?;
                Wire::Other
            }
        };
        each(number, value, start.get(..start.len() - rest.len()).unwrap_or_default());
    }
    Ok(())
}

fn text<'a>(bytes: &'a [u8], path: Path<'_>) -> Result<&'a str, Invalid> {
    std::str::from_utf8(bytes).map_err(|_| Invalid::Utf8(path()))
}

#[expect(clippy::cast_possible_truncation, reason = "protobuf takes the low bits of a number that is too large")]
fn low_bits(value: u64, scalar: &Scalar) -> i128 {
    match scalar {
        Scalar::U32 => (value as u32).into(),
        Scalar::I32 => (value.cast_signed() as i32).into(),
        Scalar::I64 => value.cast_signed().into(),
        Scalar::Bool => (value != 0).into(),
        _ => value.into(),
    }
}

/// Nanoseconds since 1970; `None` when they do not fit.
fn timestamp(bytes: &[u8], path: Path<'_>) -> Result<Option<i64>, Invalid> {
    let (mut seconds, mut nanos) = (0i64, 0i64);
    each_field(bytes, path, |number, value, _| {
        if let Wire::Number(value) = value {
            match number {
                1 => seconds = value.cast_signed(),
                2 => nanos = value.cast_signed(),
                _ => {}
            }
        }
    })?;
    Ok(seconds.checked_mul(1_000_000_000).and_then(|value| value.checked_add(nanos)).filter(|nanos| *nanos >= 0))
}

/// An `Any` as JSON text; its value stays bytes, since its type is not known here.
fn any(bytes: &[u8], path: Path<'_>) -> Result<String, Invalid> {
    let (mut type_url, mut value) = (&[][..], &[][..]);
    each_field(bytes, path, |number, came, _| {
        if let Wire::Bytes(bytes) = came {
            match number {
                1 => type_url = bytes,
                2 => value = bytes,
                _ => {}
            }
        }
    })?;
    let mut json = String::from("{\"@type\":");
    write_text(&mut json, text(type_url, path)?);
    json.push_str(",\"");
    json.push_str(BYTES);
    json.push_str("\":");
    write_text(&mut json, &BASE64_STANDARD.encode(value));
    json.push('}');
    Ok(json)
}
