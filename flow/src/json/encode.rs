//! Row → JSON line, as the exporter writes it.
//!
//! Promises:
//! 1. What an exporter wrote comes out byte for byte: declaration order, no spaces, defaults left out, 64-bit numbers
//!    quoted, `<`, `>` and `&` escaped.
//! 2. What stands in `extra` comes out in its place: an unknown field after the known ones of its message, a value of
//!    another type instead of the column's.

use arrow::array::{Array, AsArray, RecordBatch, StructArray};
use arrow::datatypes::{UInt32Type, UInt64Type};

use super::decode::SETTLED;
use super::reader::{Next, Reader};
use crate::columns::ColumnId;
use crate::schema::{ENVELOPE, FieldKind, Member, MessageId, SCHEMA, Scalar};
use crate::time::write_rfc3339;
use crate::view::{View, WrongType, items};

/// Appends every row of a batch, one line each.
///
/// # Errors
/// When a column has not the type of the schema.
pub fn encode(batch: &RecordBatch, out: &mut String) -> Result<(), WrongType> {
    let view = View::new(batch)?;
    for row in 0..batch.num_rows() {
        Line::new(&view, row).write(out);
        out.push('\n');
    }
    Ok(())
}

/// One row on its way out.
struct Line<'a> {
    view: &'a View<'a>,
    row: usize,
    presence: Option<u64>,
    extra: Vec<Kept<'a>>,
}

/// A member that was kept as it was written.
struct Kept<'a> {
    message: MessageId,
    key: String,
    raw: &'a str,
}

impl<'a> Line<'a> {
    fn new(view: &'a View<'a>, row: usize) -> Self {
        let mut extra = Vec::new();
        if let Some(text) = view.text(SETTLED.extra, row) {
            // Only the decoder writes `extra`; should a foreign file have something else there, the columns stand alone.
            let _ = kept(ENVELOPE, &mut Reader::new(text), &mut extra);
        }
        let presence = view.number(SETTLED.messages, row).and_then(|bits| u64::try_from(bits).ok());
        Self { view, row, presence, extra }
    }

    fn write(&self, out: &mut String) {
        self.message(ENVELOPE, out);
    }

    fn has_bit(&self, bit: u8) -> bool {
        self.presence.is_none_or(|presence| presence & (1 << bit) != 0)
    }

    /// Whether a message is to be written; batches made elsewhere have no presence, there its columns tell.
    fn present(&self, id: MessageId) -> bool {
        let message = SCHEMA.message(id);
        match message.bit {
            None => self.view.text(SETTLED.kind, self.row).unwrap_or("flow") == &*message.name,
            Some(bit) => self.presence.map_or_else(|| self.has_value(id), |presence| presence & (1 << bit) != 0),
        }
    }

    fn has_value(&self, id: MessageId) -> bool {
        SCHEMA.message(id).fields.iter().any(|field| match &field.kind {
            FieldKind::Message(child) => self.has_value(*child),
            FieldKind::Scalar { column, .. } => {
                self.view.number(*column, self.row).is_some() || self.view.text(*column, self.row).is_some()
            }
            FieldKind::Flags { column, .. } | FieldKind::Any(column) => self.view.text(*column, self.row).is_some(),
            FieldKind::Texts(column) | FieldKind::Structs { column, .. } => {
                self.view.texts(*column, self.row).is_some() || self.view.structs(*column, self.row).is_some()
            }
        })
    }

    fn message(&self, id: MessageId, out: &mut String) {
        out.push('{');
        let message = SCHEMA.message(id);
        for field in &message.fields {
            if let Some(kept) = self.extra.iter().find(|kept| kept.message == id && kept.key == *field.name) {
                write_key(out, &field.name);
                out.push_str(kept.raw);
                continue;
            }
            match &field.kind {
                FieldKind::Message(child) => {
                    if self.present(*child) {
                        write_key(out, &field.name);
                        self.message(*child, out);
                    }
                }
                FieldKind::Scalar { column, scalar, wrapped } => self.scalar(*column, scalar, *wrapped, &field.name, out),
                FieldKind::Texts(column) => {
                    if let Some(texts) = self.view.texts(*column, self.row).filter(|texts| !texts.is_empty()) {
                        write_key(out, &field.name);
                        write_list(out, items(&texts), |out, text| write_text(out, text));
                    }
                }
                FieldKind::Structs { column, members } => {
                    if let Some(structs) = self.view.structs(*column, self.row).filter(|structs| !structs.is_empty()) {
                        write_key(out, &field.name);
                        write_list(out, 0..structs.len(), |out, item| write_struct(out, &structs, members, item));
                    }
                }
                FieldKind::Flags { column, names } => {
                    if let Some(set) = self.view.text(*column, self.row) {
                        write_key(out, &field.name);
                        let mut flags: Vec<_> = names.iter().filter(|(_, name)| set.split(", ").any(|s| s == &**name)).collect();
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
                    if let Some(json) = self.view.text(*column, self.row) {
                        write_key(out, &field.name);
                        out.push_str(json);
                    }
                }
            }
        }
        for kept in self.extra.iter().filter(|kept| kept.message == id && message.by_name(&kept.key).is_none()) {
            write_key(out, &kept.key);
            out.push_str(kept.raw);
        }
        out.push('}');
    }

    fn scalar(&self, column: ColumnId, scalar: &Scalar, wrapped: bool, name: &str, out: &mut String) {
        let (view, row) = (self.view, self.row);
        match scalar {
            Scalar::Text => {
                if let Some(text) = self.settled_text(column).filter(|text| !text.is_empty()) {
                    write_key(out, name);
                    write_text(out, text);
                }
            }
            Scalar::Enum(_) => {
                if let Some(text) = view.text(column, row) {
                    write_key(out, name);
                    // A number without a name, as the exporter writes it.
                    if text.parse::<i32>().is_ok() { out.push_str(text) } else { write_text(out, text) }
                }
            }
            Scalar::Bool => {
                if let Some(value) = view.number(column, row).filter(|value| wrapped || *value != 0) {
                    write_key(out, name);
                    out.push_str(if value == 0 { "false" } else { "true" });
                }
            }
            Scalar::U32 | Scalar::I32 => {
                if let Some(value) = view.number(column, row).filter(|value| wrapped || *value != 0) {
                    write_key(out, name);
                    out.push_str(&value.to_string());
                }
            }
            Scalar::U64 | Scalar::I64 => {
                if let Some(value) = view.number(column, row).filter(|value| *value != 0) {
                    write_key(out, name);
                    out.push('"');
                    out.push_str(&value.to_string());
                    out.push('"');
                }
            }
            Scalar::Time => {
                if let Some(nanos) = self.settled_time(column) {
                    write_key(out, name);
                    out.push('"');
                    write_rfc3339(out, nanos);
                    out.push('"');
                }
            }
        }
    }

    /// A text; node names are shared by event and envelope.
    fn settled_text(&self, column: ColumnId) -> Option<&'a str> {
        let bits = &SETTLED.bits;
        if column == SETTLED.node_name {
            self.view.text(column, self.row).filter(|_| self.has_bit(bits.flow_node_name))
        } else if column == SETTLED.envelope_node_name {
            self.view
                .text(column, self.row)
                .or_else(|| self.view.text(SETTLED.node_name, self.row))
                .filter(|_| self.has_bit(bits.node_name))
        } else {
            self.view.text(column, self.row)
        }
    }

    /// A time; the event's and the envelope's are shared.
    fn settled_time(&self, column: ColumnId) -> Option<i64> {
        let bits = &SETTLED.bits;
        let value = |column| self.view.number(column, self.row).and_then(|nanos| i64::try_from(nanos).ok());
        if column == SETTLED.time {
            value(column).filter(|_| self.has_bit(bits.flow_time))
        } else if column == SETTLED.envelope_time {
            value(column).or_else(|| value(SETTLED.time)).filter(|_| self.has_bit(bits.time))
        } else {
            value(column)
        }
    }
}

/// Collects the members of `extra`: a message's object is gone into, anything else is kept as it was.
fn kept<'a>(id: MessageId, reader: &mut Reader<'a>, extra: &mut Vec<Kept<'a>>) -> Result<(), super::Bad> {
    let message = SCHEMA.message(id);
    reader.open_object()?;
    let mut first = true;
    while let Some(key) = reader.key(first)? {
        first = false;
        let next = reader.peek()?;
        let field = message.by_name(&key).and_then(|at| message.fields.get(at));
        match field.map(|field| &field.kind) {
            Some(FieldKind::Message(child)) if next == Next::Object => kept(*child, reader, extra)?,
            _ => extra.push(Kept { message: id, key: key.into_owned(), raw: reader.skip()? }),
        }
    }
    Ok(())
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
                write_list(out, items(texts), |out, text| write_text(out, text));
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
