//! Row → protobuf message.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, StructArray};
use arrow::datatypes::{UInt32Type, UInt64Type};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use prost::encoding::{WireType, encode_varint, encoded_len_varint};

use super::{BYTES, Envelope, UNKNOWN};
use crate::extra::{Kept, kept};
use crate::json::Reader;
use crate::schema::{ENVELOPE, Field, FieldKind, Member, MessageId, SCHEMA, Scalar};
use crate::settled::{Row, SETTLED};
use crate::view::{View, items};

/// Appends a row as an `observer.ExportEvent`.
///
/// Left out is what protobuf has no place for: enum names without a number and JSON fields that this version does not know.
pub fn encode_row(view: &View<'_>, row: usize, out: &mut Vec<u8>) {
    encode_row_of(Envelope::Flows, view, row, out);
}

/// Likewise, as the message that such an event travels in; a row of another kind has no body there.
pub fn encode_row_of(envelope: Envelope, view: &View<'_>, row: usize, out: &mut Vec<u8>) {
    let extra = kept(view.text(SETTLED.extra, row));
    message(&Row::new(view, row), &extra, ENVELOPE, envelope, out);
}

fn message(row: &Row<'_>, extra: &[Kept<'_>], id: MessageId, envelope: Envelope, out: &mut Vec<u8>) {
    for of in &SCHEMA.message(id).fields {
        if let Some(number) = number_in(envelope, id, of) {
            field(row, extra, of, number, envelope, out);
        }
    }
    unknown(extra, id, out);
}

/// Writes a field, if the row has it.
pub(super) fn field(
    row: &Row<'_>,
    extra: &[Kept<'_>],
    field: &Field,
    number: u32,
    envelope: Envelope,
    out: &mut Vec<u8>,
) {
    match field.kind {
        FieldKind::Message(id) => {
            if row.present(id) {
                nested(number, 1, out, |out| message(row, extra, id, envelope, out));
            }
        }
        _ => value(row, &field.kind, number, out),
    }
}

/// The number of a field of a message; `None` if the envelope has none for it.
pub(super) fn number_in(envelope: Envelope, id: MessageId, field: &Field) -> Option<u32> {
    if id == ENVELOPE { envelope.number(field.number) } else { Some(field.number) }
}

/// Writes a field that is no message with columns of its own, if the row has a value for it.
pub(super) fn value(row: &Row<'_>, kind: &FieldKind, number: u32, out: &mut Vec<u8>) {
    let Row { view, at, .. } = *row;
    match kind {
        FieldKind::Scalar { column, scalar: Scalar::Text | Scalar::Enum(_), .. } => {
            if let Some(found) = row.text(*column) {
                text(kind, number, found, out);
            }
        }
        FieldKind::Scalar { column, scalar: Scalar::Time, .. } => {
            if let Some(nanos) = row.time(*column) {
                nested(number, 1, out, |out| timestamp(nanos, out));
            }
        }
        FieldKind::Scalar { column, wrapped, .. } => {
            match (wrapped, view.numbers(*column).and_then(|numbers| numbers.get(at))) {
                (_, None) | (false, Some(0)) => {}
                (false, Some(found)) => varint(number, found, out),
                (true, Some(0)) => nested(number, 1, out, |_| ()),
                (true, Some(found)) => nested(number, 1, out, |out| varint(1, found, out)),
            }
        }
        FieldKind::Flags { column, .. } | FieldKind::Any(column) => {
            if let Some(found) = view.text(*column, at) {
                text(kind, number, found, out);
            }
        }
        FieldKind::Texts(column) | FieldKind::Structs { column, .. } => {
            if let Some((all, items)) = view.items(*column, at) {
                list(kind, number, all, items, out);
            }
        }
        FieldKind::Message(_) => {}
    }
}

/// Writes a field of which the column has a text.
pub(super) fn text(kind: &FieldKind, number: u32, text: &str, out: &mut Vec<u8>) {
    match kind {
        FieldKind::Scalar { scalar: Scalar::Enum(values), .. } if !text.is_empty() => {
            if let Some(value) = values.number(text).or_else(|| text.parse().ok()) {
                // Negative numbers are written as 64 bits, as protobuf has it for enums and int32.
                varint(number, i64::from(value).cast_unsigned(), out);
            }
        }
        FieldKind::Scalar { scalar: Scalar::Text, .. } if !text.is_empty() => bytes(number, text.as_bytes(), out),
        FieldKind::Flags { names, .. } => nested(number, 1, out, |out| {
            for (flag, _) in names.iter().filter(|(_, name)| text.split(", ").any(|set| set == &**name)) {
                varint(*flag, 1, out);
            }
        }),
        FieldKind::Any(_) => {
            let Some((type_url, value)) = any(text) else { return };
            nested(number, 1, out, |out| {
                if !type_url.is_empty() {
                    bytes(1, type_url.as_bytes(), out);
                }
                if !value.is_empty() {
                    bytes(2, &value, out);
                }
            });
        }
        _ => {}
    }
}

/// Writes a list of texts or of small messages, given its items within those of all lists.
pub(super) fn list(kind: &FieldKind, number: u32, all: &ArrayRef, items: Range<usize>, out: &mut Vec<u8>) {
    if let (FieldKind::Structs { members, .. }, Some(structs)) = (kind, all.as_struct_opt()) {
        items.for_each(|item| nested(number, 1, out, |out| struct_item(structs, members, item, out)));
    } else if let Some(texts) = all.as_string_opt::<i32>() {
        // A NULL item reads as empty.
        let text = |item| if texts.is_valid(item) { texts.value(item) } else { "" };
        items.for_each(|item| bytes(number, text(item).as_bytes(), out));
    }
}

/// Writes the fields of a message that this version does not know.
pub(super) fn unknown(extra: &[Kept<'_>], id: MessageId, out: &mut Vec<u8>) {
    for kept in extra.iter().filter(|kept| kept.message == id && kept.key == UNKNOWN) {
        if let Some(fields) = Reader::new(kept.json).text().ok().and_then(|text| BASE64_STANDARD.decode(&*text).ok()) {
            out.extend_from_slice(&fields);
        }
    }
}

pub(super) fn varint(number: u32, value: u64, out: &mut Vec<u8>) {
    key(number, WireType::Varint, out);
    plain_varint(value, out);
}

fn key(number: u32, kind: WireType, out: &mut Vec<u8>) {
    plain_varint(u64::from(number << 3) | kind as u64, out);
}

fn plain_varint(value: u64, out: &mut Vec<u8>) {
    match u8::try_from(value) {
        // Most are short, and prost's loop is slow for these.
        Ok(byte) if byte < 0x80 => out.push(byte),
        _ => encode_varint(value, out),
    }
}

pub(super) fn bytes(number: u32, value: &[u8], out: &mut Vec<u8>) {
    key(number, WireType::LengthDelimited, out);
    plain_varint(value.len() as u64, out);
    out.extend_from_slice(value);
}

/// A message in its place: its length is written before it once that is known. Room is left for a length that takes so many
/// bytes; another one moves the message.
pub(super) fn nested(number: u32, room: usize, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    key(number, WireType::LengthDelimited, out);
    let at = out.len();
    (0..room).for_each(|_| out.push(0));
    write(out);
    let end = out.len();
    let length = end - at - room;
    let needed = encoded_len_varint(length as u64);
    if needed > room {
        out.resize(end + needed - room, 0);
    }
    if needed != room {
        out.copy_within(at + room..end, at + needed);
        out.truncate(at + needed + length);
    }
    if let Some(mut room) = out.get_mut(at..) {
        encode_varint(length as u64, &mut room);
    }
}

pub(super) fn timestamp(nanos: i64, out: &mut Vec<u8>) {
    let (seconds, rest) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
    if seconds != 0 {
        varint(1, seconds.cast_unsigned(), out);
    }
    if rest != 0 {
        varint(2, rest.cast_unsigned(), out);
    }
}

fn struct_item(structs: &StructArray, members: &[Member], item: usize, out: &mut Vec<u8>) {
    for (member, column) in members.iter().zip(structs.columns()).filter(|(_, column)| column.is_valid(item)) {
        if let Some(texts) = column.as_string_opt::<i32>() {
            if !texts.value(item).is_empty() {
                bytes(member.number, texts.value(item).as_bytes(), out);
            }
        } else if let Some(list) = column.as_list_opt::<i32>().map(|list| list.value(item)) {
            if let Some(texts) = list.as_string_opt::<i32>() {
                items(texts).for_each(|text| bytes(member.number, text.as_bytes(), out));
            }
        } else {
            let value = match column.as_primitive_opt::<UInt64Type>() {
                Some(numbers) => numbers.value(item),
                None => column.as_primitive_opt::<UInt32Type>().map_or(0, |numbers| numbers.value(item).into()),
            };
            if value != 0 {
                varint(member.number, value, out);
            }
        }
    }
}

/// Type and bytes of an `Any` that came as protobuf; one that came as JSON cannot be encoded without its type.
fn any(json: &str) -> Option<(String, Vec<u8>)> {
    let mut reader = Reader::new(json);
    reader.open_object().ok()?;
    let (mut type_url, mut value) = (None, None);
    let mut first = true;
    while let Some(key) = reader.key(first).ok()? {
        first = false;
        match &*key {
            "@type" => type_url = Some(reader.text().ok()?.into_owned()),
            BYTES => value = Some(BASE64_STANDARD.decode(&*reader.text().ok()?).ok()?),
            _ => {
                reader.skip().ok()?;
            }
        }
    }
    Some((type_url?, value?))
}
