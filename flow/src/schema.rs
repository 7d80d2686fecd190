//! The message tree: the `.proto` files and the column table, joined.
//!
//! Both codecs walk this tree. Its shape, field numbers, enum names and declaration order come from the compiled
//! `.proto` files, its columns from [`COLUMNS`]; a field without a column is a mistake that a test finds.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field as ArrowField, Fields, Schema as ArrowSchema, SchemaRef, TimeUnit};
use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type as ProtoType};
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorSet};

use crate::columns::{COLUMNS, Column, ColumnId, Fill, Type};
use crate::proto;

/// Messages and fields whose presence is kept in the column `messages`, by bit. Only ever append.
pub const MESSAGES: &[&str] = &[
    "time",
    "node_name",
    "flow.time",
    "flow.node_name",
    "flow.emitter",
    "flow.ethernet",
    "flow.IP",
    "flow.l4",
    "flow.l4.TCP",
    "flow.l4.UDP",
    "flow.l4.ICMPv4",
    "flow.l4.ICMPv6",
    "flow.l4.SCTP",
    "flow.l4.VRRP",
    "flow.l4.IGMP",
    "flow.tunnel",
    "flow.tunnel.IP",
    "flow.tunnel.l4",
    "flow.tunnel.l4.TCP",
    "flow.tunnel.l4.UDP",
    "flow.tunnel.l4.ICMPv4",
    "flow.tunnel.l4.ICMPv6",
    "flow.tunnel.l4.SCTP",
    "flow.tunnel.l4.VRRP",
    "flow.tunnel.l4.IGMP",
    "flow.source",
    "flow.destination",
    "flow.l7",
    "flow.l7.dns",
    "flow.l7.http",
    "flow.l7.kafka",
    "flow.event_type",
    "flow.source_service",
    "flow.destination_service",
    "flow.file",
    "flow.ip_trace_id",
    "flow.interface",
    "flow.trace_context",
    "flow.trace_context.parent",
    "flow.aggregate",
    "agent_event.unknown",
    "agent_event.agent_start",
    "agent_event.policy_update",
    "agent_event.endpoint_regenerate",
    "agent_event.endpoint_update",
    "agent_event.ipcache_update",
    "agent_event.service_upsert",
    "agent_event.service_upsert.frontend_address",
    "agent_event.service_delete",
    "debug_event.source",
];

/// The bodies of an envelope, by the name that the column `kind` has for them.
pub const BODIES: &[&str] = &["flow", "node_status", "lost_events", "agent_event", "debug_event"];

/// Position of a message in [`Schema::messages`].
pub type MessageId = usize;

/// One place of a message in the tree: `source` and `destination` are two places of `flow.Endpoint`.
#[derive(Debug)]
pub struct Message {
    /// Path from the envelope, empty for the envelope itself.
    pub path: Box<str>,
    /// Its name in its parent.
    pub name: Box<str>,
    /// Its protobuf type, such as `flow.Endpoint`.
    pub type_name: Box<str>,
    pub parent: MessageId,
    /// Bit in the column `messages`; bodies have none, `kind` tells of them.
    pub bit: Option<u8>,
    /// In declaration order, which is the order in which an exporter writes them.
    pub fields: Vec<Field>,
    /// The column that names the chosen member of its oneof.
    pub case: Option<ColumnId>,
    /// Columns that become 0 when the message is there and the field is not.
    pub zeros: Vec<(usize, ColumnId)>,
    names: HashMap<Box<str>, usize>,
    numbers: HashMap<u32, usize, ahash::RandomState>,
}

impl Message {
    /// A field by its `.proto` name or its lowerCamelCase one.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// The names of a field, given its position.
    pub fn spellings(&self, at: usize) -> impl Iterator<Item = &str> {
        self.names.iter().filter(move |(_, position)| **position == at).map(|(name, _)| &**name)
    }

    #[must_use]
    pub fn by_number(&self, number: u32) -> Option<usize> {
        self.numbers.get(&number).copied()
    }
}

/// One field of a message.
#[derive(Debug)]
pub struct Field {
    pub name: Box<str>,
    pub number: u32,
    pub in_oneof: bool,
    pub kind: FieldKind,
}

/// How a field is read and written.
#[derive(Debug)]
pub enum FieldKind {
    /// A message that has columns of its own.
    Message(MessageId),
    /// A value with a column.
    Scalar { column: ColumnId, scalar: Scalar, wrapped: bool },
    /// A list of texts.
    Texts(ColumnId),
    /// A list of small messages.
    Structs { column: ColumnId, members: Vec<Member> },
    /// A message of booleans, kept as text.
    Flags { column: ColumnId, names: Vec<(u32, Box<str>)> },
    /// A `google.protobuf.Any`, kept as JSON text.
    Any(ColumnId),
}

impl FieldKind {
    /// The column of a field that is no message with columns of its own.
    pub(crate) fn column(&self) -> Option<ColumnId> {
        match self {
            Self::Message(_) => None,
            Self::Scalar { column, .. }
            | Self::Texts(column)
            | Self::Structs { column, .. }
            | Self::Flags { column, .. }
            | Self::Any(column) => Some(*column),
        }
    }
}

/// A member of a small message in a list; in the order of the Arrow struct's fields.
#[derive(Debug)]
pub struct Member {
    pub name: Box<str>,
    pub camel: Box<str>,
    pub number: u32,
    pub scalar: Scalar,
    pub repeated: bool,
}

/// Types of single values.
#[derive(Clone, Debug)]
pub enum Scalar {
    Text,
    Bool,
    U32,
    I32,
    U64,
    I64,
    Time,
    Enum(Arc<Enum>),
}

/// Names and numbers of a protobuf enum.
#[derive(Debug)]
pub struct Enum {
    names: Vec<(Box<str>, i32)>,
    /// Some have many names, and are asked for each row.
    numbers: HashMap<Box<str>, i32, ahash::RandomState>,
}

impl Enum {
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i32> {
        self.numbers.get(name).copied()
    }

    #[must_use]
    pub fn name(&self, number: i32) -> Option<&str> {
        self.names.iter().find(|(_, n)| *n == number).map(|(name, _)| &**name)
    }
}

/// The tree, and the Arrow schema of all columns.
#[derive(Debug)]
pub struct Schema {
    pub messages: Vec<Message>,
    /// By full name, such as `flow.Verdict` and `flow.Tunnel.Protocol`.
    pub enums: HashMap<String, Arc<Enum>>,
    pub arrow: SchemaRef,
}

/// The tree's root is the envelope, `observer.ExportEvent`.
pub const ENVELOPE: MessageId = 0;

/// The message tree of this build.
///
/// # Panics
/// Never in a build whose tests passed: the descriptors are part of the binary, and a test builds the tree.
pub static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema::build().unwrap_or_else(|error| unreachable!("the built-in descriptors and columns disagree: {error}"))
});

/// Order of TCP flags in Hubble's own texts.
const FLAG_ORDER: &[&str] = &["SYN", "ACK", "RST", "FIN", "PSH", "URG", "ECE", "CWR", "NS"];

/// The bit of a message or field in the column `messages`.
#[must_use]
pub fn presence_bit(path: &str) -> Option<u8> {
    (0u8..).zip(MESSAGES).find(|(_, name)| **name == path).map(|(bit, _)| bit)
}

/// The Arrow type of a column.
#[must_use]
pub fn arrow_type(kind: Type) -> DataType {
    let list = |item: DataType| DataType::List(Arc::new(ArrowField::new("item", item, true)));
    let texts =
        |names: &[&str]| names.iter().map(|name| ArrowField::new(*name, DataType::Utf8, true)).collect::<Vec<_>>();
    match kind {
        Type::Name | Type::Flags | Type::Case => {
            DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
        }
        Type::Text | Type::Json => DataType::Utf8,
        Type::Bool => DataType::Boolean,
        Type::I32 => DataType::Int32,
        Type::U32 => DataType::UInt32,
        Type::I64 => DataType::Int64,
        Type::U64 | Type::Presence => DataType::UInt64,
        Type::Time => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        Type::Names => list(DataType::Utf8),
        Type::Workloads => list(DataType::Struct(texts(&["name", "kind"]).into())),
        Type::Headers => list(DataType::Struct(texts(&["key", "value"]).into())),
        Type::Addresses => list(DataType::Struct(Fields::from(vec![
            ArrowField::new("ip", DataType::Utf8, true),
            ArrowField::new("port", DataType::UInt32, true),
        ]))),
        Type::Policies => list(DataType::Struct(Fields::from(vec![
            ArrowField::new("name", DataType::Utf8, true),
            ArrowField::new("namespace", DataType::Utf8, true),
            ArrowField::new("labels", list(DataType::Utf8), true),
            ArrowField::new("revision", DataType::UInt64, true),
            ArrowField::new("kind", DataType::Utf8, true),
        ]))),
    }
}

/// The Arrow field of a column.
#[must_use]
pub fn arrow_field(column: &Column) -> ArrowField {
    ArrowField::new(column.name, arrow_type(column.kind), true)
}

/// What is wrong with the table or the descriptors.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    #[error("descriptors: {0}")]
    Descriptors(#[from] prost::DecodeError),
    #[error("no column for {0}")]
    NoColumn(String),
    #[error("no message or enum {0} in the descriptors")]
    Unknown(String),
    #[error("no presence bit for {0}")]
    NoBit(String),
    #[error("column {0} does not fit its field")]
    Misfit(String),
    #[error("column {0} has a path that no field has")]
    Unused(&'static str),
}

impl Schema {
    fn build() -> Result<Self, SchemaError> {
        let set = FileDescriptorSet::decode(proto::DESCRIPTORS)?;
        let mut builder = Builder { types: HashMap::new(), enums: HashMap::new(), messages: Vec::new(), used: vec![] };
        for file in &set.file {
            builder.index(file.package(), &file.message_type, &file.enum_type);
        }
        builder.message("observer.ExportEvent", "", "", ENVELOPE)?;
        let stored = COLUMNS.iter().filter(|column| !column.path.is_empty());
        if let Some(column) = stored.into_iter().find(|column| !builder.used.contains(&column.name)) {
            return Err(SchemaError::Unused(column.name));
        }
        let arrow = Arc::new(ArrowSchema::new(
            COLUMNS.iter().filter(|column| !column.is_derived()).map(arrow_field).collect::<Vec<_>>(),
        ));
        Ok(Self { messages: builder.messages, enums: builder.enums, arrow })
    }

    #[must_use]
    pub fn message(&self, id: MessageId) -> &Message {
        // Ids are only made by `build`, which makes the message with them.
        #[expect(clippy::indexing_slicing, reason = "ids are positions in this very list")]
        &self.messages[id]
    }

    /// The body of that kind.
    #[must_use]
    pub fn body(&self, kind: &str) -> Option<MessageId> {
        let envelope = self.message(ENVELOPE);
        match envelope.fields.get(envelope.by_name(kind)?)?.kind {
            FieldKind::Message(id) => Some(id),
            _ => None,
        }
    }
}

struct Builder<'a> {
    types: HashMap<String, &'a DescriptorProto>,
    enums: HashMap<String, Arc<Enum>>,
    messages: Vec<Message>,
    used: Vec<&'static str>,
}

impl<'a> Builder<'a> {
    fn index(&mut self, scope: &str, messages: &'a [DescriptorProto], enums: &'a [EnumDescriptorProto]) {
        for item in enums {
            let names: Vec<(Box<str>, i32)> =
                item.value.iter().map(|value| (value.name().into(), value.number())).collect();
            let numbers = names.iter().cloned().collect();
            self.enums.insert(format!("{scope}.{}", item.name()), Arc::new(Enum { names, numbers }));
        }
        for item in messages {
            let name = format!("{scope}.{}", item.name());
            self.index(&name, &item.nested_type, &item.enum_type);
            self.types.insert(name, item);
        }
    }

    fn find(&self, name: &str) -> Result<&'a DescriptorProto, SchemaError> {
        let name = name.trim_start_matches('.');
        self.types.get(name).copied().ok_or_else(|| SchemaError::Unknown(name.into()))
    }

    fn message(
        &mut self,
        type_name: &str,
        path: &str,
        name: &str,
        parent: MessageId,
    ) -> Result<MessageId, SchemaError> {
        let proto = self.find(type_name)?;
        let id = self.messages.len();
        let bit = presence_bit(path);
        if bit.is_none() && !path.is_empty() && !BODIES.contains(&path) {
            return Err(SchemaError::NoBit(path.into()));
        }
        let case = self.column(&join(path, "*")).filter(|column| column.column().kind == Type::Case);
        self.messages.push(Message {
            path: path.into(),
            name: name.into(),
            type_name: type_name.into(),
            parent,
            bit,
            fields: Vec::new(),
            case,
            zeros: Vec::new(),
            names: HashMap::new(),
            numbers: HashMap::default(),
        });
        let mut fields = Vec::with_capacity(proto.field.len());
        let (mut names, mut numbers, mut zeros) = (HashMap::new(), HashMap::default(), Vec::new());
        for (position, field) in proto.field.iter().enumerate() {
            let number = u32::try_from(field.number()).unwrap_or_default();
            let kind = self.field(field, &join(path, field.name()), id)?;
            if let FieldKind::Scalar { column, .. } = &kind
                && column.column().fill == Fill::Zero
            {
                zeros.push((position, *column));
            }
            names.insert(field.name().into(), position);
            names.insert(field.json_name().into(), position);
            numbers.insert(number, position);
            fields.push(Field { name: field.name().into(), number, in_oneof: field.oneof_index.is_some(), kind });
        }
        if let Some(message) = self.messages.get_mut(id) {
            message.fields = fields;
            message.names = names;
            message.numbers = numbers;
            message.zeros = zeros;
        }
        Ok(id)
    }

    fn field(
        &mut self,
        field: &prost_types::FieldDescriptorProto,
        path: &str,
        parent: MessageId,
    ) -> Result<FieldKind, SchemaError> {
        let repeated = field.label() == Label::Repeated;
        let name = field.type_name().trim_start_matches('.');
        let column = self.column(path);
        let misfit = || SchemaError::Misfit(path.into());
        if field.r#type() == ProtoType::Message && column.is_none() {
            if !self.types.contains_key(name) {
                return Err(SchemaError::NoColumn(path.into()));
            }
            return Ok(FieldKind::Message(self.message(name, path, field.name(), parent)?));
        }
        let column = column.ok_or_else(|| SchemaError::NoColumn(path.into()))?;
        let kind = column.column().kind;
        Ok(match (field.r#type(), repeated) {
            (ProtoType::Message, true) => FieldKind::Structs { column, members: self.members(self.find(name)?, kind)? },
            (ProtoType::Message, false) if kind == Type::Flags => {
                FieldKind::Flags { column, names: flag_names(self.find(name)?) }
            }
            (ProtoType::Message, false) if name == "google.protobuf.Any" => FieldKind::Any(column),
            (ProtoType::String, true) if kind == Type::Names => FieldKind::Texts(column),
            (_, true) => return Err(misfit()),
            (_, false) => {
                let (scalar, wrapped) = self.scalar(field).ok_or_else(misfit)?;
                let fits = match &scalar {
                    Scalar::Text => matches!(kind, Type::Name | Type::Text),
                    Scalar::Enum(_) => kind == Type::Name,
                    Scalar::Bool => kind == Type::Bool,
                    Scalar::U32 => kind == Type::U32,
                    Scalar::I32 => kind == Type::I32,
                    Scalar::U64 => kind == Type::U64,
                    Scalar::I64 => kind == Type::I64,
                    Scalar::Time => kind == Type::Time,
                };
                if !fits {
                    return Err(misfit());
                }
                FieldKind::Scalar { column, scalar, wrapped }
            }
        })
    }

    fn scalar(&self, field: &prost_types::FieldDescriptorProto) -> Option<(Scalar, bool)> {
        let scalar = match field.r#type() {
            ProtoType::String => Scalar::Text,
            ProtoType::Bool => Scalar::Bool,
            ProtoType::Uint32 => Scalar::U32,
            ProtoType::Int32 => Scalar::I32,
            ProtoType::Uint64 => Scalar::U64,
            ProtoType::Int64 => Scalar::I64,
            ProtoType::Enum => Scalar::Enum(self.enums.get(field.type_name().trim_start_matches('.'))?.clone()),
            ProtoType::Message => {
                return match field.type_name() {
                    ".google.protobuf.Timestamp" => Some((Scalar::Time, false)),
                    ".google.protobuf.BoolValue" => Some((Scalar::Bool, true)),
                    ".google.protobuf.UInt32Value" => Some((Scalar::U32, true)),
                    ".google.protobuf.Int32Value" => Some((Scalar::I32, true)),
                    _ => None,
                };
            }
            _ => return None,
        };
        Some((scalar, false))
    }

    /// The members of a struct in a list, which must be those of the Arrow struct, in its order.
    fn members(&self, proto: &DescriptorProto, kind: Type) -> Result<Vec<Member>, SchemaError> {
        let misfit = || SchemaError::Misfit(proto.name().into());
        let DataType::List(item) = arrow_type(kind) else { return Err(misfit()) };
        let DataType::Struct(expected) = item.data_type() else { return Err(misfit()) };
        if expected.len() != proto.field.len() {
            return Err(misfit());
        }
        expected
            .iter()
            .zip(&proto.field)
            .map(|(arrow, field)| {
                let (scalar, _) = self.scalar(field).ok_or_else(misfit)?;
                if arrow.name() != field.name() {
                    return Err(misfit());
                }
                Ok(Member {
                    name: field.name().into(),
                    camel: field.json_name().into(),
                    number: u32::try_from(field.number()).unwrap_or_default(),
                    scalar,
                    repeated: field.label() == Label::Repeated,
                })
            })
            .collect()
    }

    fn column(&mut self, path: &str) -> Option<ColumnId> {
        let (id, column) = (0u16..).zip(COLUMNS).find(|(_, column)| covers(column.path, path))?;
        self.used.push(column.name);
        Some(ColumnId(id))
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Whether a column's path, with its `{a,b}`, stands for a field's path.
fn covers(pattern: &str, path: &str) -> bool {
    let Some((before, rest)) = pattern.split_once('{') else { return pattern == path };
    let Some((choices, after)) = rest.split_once('}') else { return false };
    path.strip_prefix(before)
        .and_then(|middle| middle.strip_suffix(after))
        .is_some_and(|choice| choices.split(',').any(|c| c == choice))
}

fn flag_names(proto: &DescriptorProto) -> Vec<(u32, Box<str>)> {
    let mut names: Vec<(u32, Box<str>)> = proto
        .field
        .iter()
        .map(|field| (u32::try_from(field.number()).unwrap_or_default(), field.name().into()))
        .collect();
    names.sort_by_key(|(_, name)| FLAG_ORDER.iter().position(|flag| *flag == &**name));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_column_and_every_column_a_field() {
        let schema = Schema::build().unwrap();
        assert!(schema.messages.len() > MESSAGES.len() - 4, "{}", schema.messages.len());
    }

    #[test]
    fn columns_of_a_message_stand_in_declaration_order() {
        for message in &SCHEMA.messages {
            let columns: Vec<_> = message
                .fields
                .iter()
                .filter_map(|field| match &field.kind {
                    FieldKind::Scalar { column, .. } | FieldKind::Texts(column) => Some(*column),
                    _ => None,
                })
                .filter(|column| {
                    !["time", "node_name", "envelope_time", "envelope_node_name"].contains(&column.column().name)
                })
                .collect();
            assert!(columns.is_sorted(), "{}: {columns:?}", message.path);
        }
    }

    #[test]
    fn names_are_unique_and_no_sql_keywords() {
        let mut names: Vec<_> = COLUMNS.iter().map(|column| column.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), COLUMNS.len());
        for name in names {
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{name}");
        }
    }

    #[test]
    fn presence_fits_its_column() {
        assert!(MESSAGES.len() <= 64);
    }
}
