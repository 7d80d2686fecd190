//! Row → JSON line, as the exporter writes it.
//!
//! Promises:
//! 1. What an exporter wrote comes out byte for byte: declaration order, no spaces, defaults left out, 64-bit numbers
//!    quoted, `<`, `>` and `&` escaped.
//! 2. What stands in `extra` comes out in its place: an unknown field after the known ones of its message, a value of
//!    another type instead of the column's.

use arrow::array::{Array, AsArray, RecordBatch, StructArray};
use arrow::datatypes::{UInt32Type, UInt64Type};

use crate::columns::ColumnId;
use crate::extra::{Kept, kept};
use crate::schema::{ENVELOPE, FieldKind, Member, MessageId, SCHEMA, Scalar};
use crate::settled::{Row, SETTLED};
use crate::time::write_rfc3339;
use crate::view::{View, WrongType, items};

/// Appends every row of a batch, one line each.
///
/// # Errors
/// When a column has not the type of the schema.
pub fn encode(batch: &RecordBatch, out: &mut String) -> Result<(), WrongType> {
    encode_lines(batch, out).map(|_| ())
}

/// Likewise, and tells where each line ends.
///
/// # Errors
/// When a column has not the type of the schema.
pub fn encode_lines(batch: &RecordBatch, out: &mut String) -> Result<Vec<usize>, WrongType> {
    let view = View::new(batch)?;
    let line = |row| {
        Line::new(&view, row).message(ENVELOPE, out);
        out.push('\n');
        out.len()
    };
    Ok((0..batch.num_rows()).map(line).collect())
}

/// One row on its way out.
struct Line<'a> {
    row: Row<'a>,
    extra: Vec<Kept<'a>>,
}

impl<'a> Line<'a> {
    fn new(view: &'a View<'a>, row: usize) -> Self {
        Self { row: Row::new(view, row), extra: kept(view.text(SETTLED.extra, row)) }
    }

    fn message(&self, id: MessageId, out: &mut String) {
        let Row { view, at: row, .. } = self.row;
        out.push('{');
        let message = SCHEMA.message(id);
        for field in &message.fields {
            if let Some(kept) = self.extra.iter().find(|kept| kept.message == id && kept.key == *field.name) {
                write_key(out, &field.name);
                out.push_str(kept.json);
                continue;
            }
            match &field.kind {
                FieldKind::Message(child) => {
                    if self.row.present(*child) {
                        write_key(out, &field.name);
                        self.message(*child, out);
                    }
                }
                FieldKind::Scalar { column, scalar, wrapped } => {
                    self.scalar(*column, scalar, *wrapped, &field.name, out);
                }
                FieldKind::Texts(column) => {
                    if let Some(texts) = view.texts(*column, row).filter(|texts| !texts.is_empty()) {
                        write_key(out, &field.name);
                        write_list(out, items(&texts), write_text);
                    }
                }
                FieldKind::Structs { column, members } => {
                    if let Some(structs) = view.structs(*column, row).filter(|structs| !structs.is_empty()) {
                        write_key(out, &field.name);
                        write_list(out, 0..structs.len(), |out, item| write_struct(out, &structs, members, item));
                    }
                }
                FieldKind::Flags { column, names } => {
                    if let Some(set) = view.text(*column, row) {
                        write_key(out, &field.name);
                        let mut flags: Vec<_> =
                            names.iter().filter(|(_, name)| set.split(", ").any(|s| s == &**name)).collect();
                        flags.sort_by_key(|(number, _)| *number);
                        out.push('{');
                        for (_, name) in flags {
                            write_key(out, name);
                            out.push_str("true");
                        }
                        out.push('}');
                    }
                }
                FieldKind::Any(column) => {
                    if let Some(json) = view.text(*column, row) {
                        write_key(out, &field.name);
                        out.push_str(json);
                    }
                }
            }
        }
        for kept in self.extra.iter().filter(|kept| kept.message == id && message.by_name(&kept.key).is_none()) {
            write_key(out, &kept.key);
            out.push_str(kept.json);
        }
        out.push('}');
    }

    fn scalar(&self, column: ColumnId, scalar: &Scalar, wrapped: bool, name: &str, out: &mut String) {
        match scalar {
            Scalar::Text => {
                if let Some(text) = self.row.text(column) {
                    write_key(out, name);
                    write_text(out, text);
                }
            }
            Scalar::Enum(_) => {
                if let Some(text) = self.row.text(column) {
                    write_key(out, name);
                    // A number without a name, as the exporter writes it.
                    if text.parse::<i32>().is_ok() { out.push_str(text) } else { write_text(out, text) }
                }
            }
            Scalar::Time => {
                if let Some(nanos) = self.row.time(column) {
                    write_key(out, name);
                    out.push('"');
                    write_rfc3339(out, nanos);
                    out.push('"');
                }
            }
            Scalar::Bool | Scalar::U32 | Scalar::I32 | Scalar::U64 | Scalar::I64 => {
                if let Some(value) = self.row.number(column, wrapped) {
                    write_key(out, name);
                    match scalar {
                        Scalar::Bool => out.push_str(if value == 0 { "false" } else { "true" }),
                        Scalar::U64 | Scalar::I64 => write_text(out, &value.to_string()),
                        _ => out.push_str(&value.to_string()),
                    }
                }
            }
        }
    }
}

fn write_key(out: &mut String, name: &str) {
    if !out.ends_with('{') {
        out.push(',');
    }
    write_text(out, name);
    out.push(':');
}

fn write_list<T>(out: &mut String, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut String, T)) {
    out.push('[');
    for (position, item) in items.into_iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}

fn write_struct(out: &mut String, structs: &StructArray, members: &[Member], item: usize) {
    out.push('{');
    for (member, column) in members.iter().zip(structs.columns()) {
        if column.is_null(item) {
            continue;
        }
        if member.repeated {
            let list = column.as_list_opt::<i32>().map(|list| list.value(item));
            if let Some(texts) = list.as_ref().and_then(|list| list.as_string_opt::<i32>()).filter(|t| !t.is_empty()) {
                write_key(out, &member.name);
                write_list(out, items(texts), write_text);
            }
        } else if let Some(texts) = column.as_string_opt::<i32>() {
            if !texts.value(item).is_empty() {
                write_key(out, &member.name);
                write_text(out, texts.value(item));
            }
        } else if let Some(numbers) = column.as_primitive_opt::<UInt64Type>() {
            if numbers.value(item) != 0 {
                write_key(out, &member.name);
                write_text(out, &numbers.value(item).to_string());
            }
        } else if let Some(numbers) = column.as_primitive_opt::<UInt32Type>()
            && numbers.value(item) != 0
        {
            write_key(out, &member.name);
            out.push_str(&numbers.value(item).to_string());
        }
    }
    out.push('}');
}

/// A JSON string with the escapes of protojson inside Go's `encoding/json`: its own short ones, `\u00xx` for other
/// control characters, and `<`, `>`, `&`, U+2028 and U+2029 made harmless for HTML and script.
pub(crate) fn write_text(out: &mut String, text: &str) {
    use std::fmt::Write as _;
    out.push('"');
    let mut plain = 0;
    for (at, c) in text.char_indices() {
        let escape = match c {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..' ' => "",
            _ => continue,
        };
        out.push_str(text.get(plain..at).unwrap_or_default());
        if escape.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push_str(escape);
        }
        plain = at + c.len_utf8();
    }
    out.push_str(text.get(plain..).unwrap_or_default());
    out.push('"');
}
