//! Row → protobuf message.

use arrow::array::{Array, AsArray, StructArray};
use arrow::datatypes::{UInt32Type, UInt64Type};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use prost::encoding::{WireType, encode_key, encode_varint};

use super::{BYTES, Envelope, UNKNOWN};
use crate::extra::{Kept, kept};
use crate::json::Reader;
use crate::schema::{ENVELOPE, FieldKind, Member, MessageId, SCHEMA, Scalar};
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
    let Row { view, at, .. } = *row;
    for field in &SCHEMA.message(id).fields {
        let number = if id == ENVELOPE { envelope.number(field.number) } else { Some(field.number) };
        let Some(number) = number else { continue };
        match &field.kind {
            FieldKind::Message(child) => {
                if row.present(*child) {
                    nested(number, out, |out| message(row, extra, *child, envelope, out));
                }
            }
            FieldKind::Scalar { column, scalar: Scalar::Text, .. } => {
                if let Some(text) = row.text(*column) {
                    bytes(number, text.as_bytes(), out);
                }
            }
            FieldKind::Scalar { column, scalar: Scalar::Enum(values), .. } => {
                let value = row.text(*column).and_then(|name| values.number(name).or_else(|| name.parse().ok()));
                if let Some(value) = value {
                    // Negative numbers are written as 64 bits, as protobuf has it for enums and int32.
                    varint(number, i64::from(value).cast_unsigned(), out);
                }
            }
            FieldKind::Scalar { column, scalar: Scalar::Time, .. } => {
                if let Some(nanos) = row.time(*column) {
                    nested(number, out, |out| timestamp(nanos, out));
                }
            }
            FieldKind::Scalar { column, wrapped, .. } => {
                if let Some(value) = row.number(*column, *wrapped) {
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "two's complement is wanted"
                    )]
                    let value = value as u64;
                    if !*wrapped {
                        varint(number, value, out);
                    } else if value == 0 {
                        nested(number, out, |_| ());
                    } else {
                        nested(number, out, |out| varint(1, value, out));
                    }
                }
            }
            FieldKind::Texts(column) => {
                if let Some(texts) = view.texts(*column, at) {
                    items(&texts).for_each(|text| bytes(number, text.as_bytes(), out));
                }
            }
            FieldKind::Structs { column, members } => {
                if let Some(structs) = view.structs(*column, at) {
                    for item in 0..structs.len() {
                        nested(number, out, |out| struct_item(&structs, members, item, out));
                    }
                }
            }
            FieldKind::Flags { column, names } => {
                if let Some(set) = view.text(*column, at) {
                    nested(number, out, |out| {
                        for (flag, _) in names.iter().filter(|(_, name)| set.split(", ").any(|s| s == &**name)) {
                            varint(*flag, 1, out);
                        }
                    });
                }
            }
            FieldKind::Any(column) => {
                if let Some((type_url, value)) = view.text(*column, at).and_then(any) {
                    nested(number, out, |out| {
                        if !type_url.is_empty() {
                            bytes(1, type_url.as_bytes(), out);
                        }
                        if !value.is_empty() {
                            bytes(2, &value, out);
                        }
                    });
                }
            }
        }
    }
    for kept in extra.iter().filter(|kept| kept.message == id && kept.key == UNKNOWN) {
        if let Some(fields) = Reader::new(kept.json).text().ok().and_then(|text| BASE64_STANDARD.decode(&*text).ok()) {
            out.extend_from_slice(&fields);
        }
    }
}

fn varint(number: u32, value: u64, out: &mut Vec<u8>) {
    encode_key(number, WireType::Varint, out);
    encode_varint(value, out);
}

fn bytes(number: u32, value: &[u8], out: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(value.len() as u64, out);
    out.extend_from_slice(value);
}

/// A message in its place: its length is written before it once that is known.
fn nested(number: u32, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    encode_key(number, WireType::LengthDelimited, out);
    // Most are shorter than 128 bytes, whose length takes one.
    let at = out.len();
    out.push(0);
    write(out);
    let length = out.len() - at - 1;
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => {
            if let Some(slot) = out.get_mut(at) {
                *slot = short;
            }
        }
        _ => {
            let mut bytes = Vec::with_capacity(5);
            encode_varint(length as u64, &mut bytes);
            out.splice(at..=at, bytes);
        }
    }
}

fn timestamp(nanos: i64, out: &mut Vec<u8>) {
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
