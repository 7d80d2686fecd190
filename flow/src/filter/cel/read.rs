//! Fields of a row, as values: what is absent reads as protobuf's default, but for what may be null.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use arrow::array::AsArray;

use super::item::{Item, texts};
use super::value::{Budget, Fault, Value};
use crate::columns::ColumnId;
use crate::schema::{Enum, Field, FieldKind, MessageId, SCHEMA, Scalar, presence_bit};
use crate::settled::SETTLED;
use crate::view::View;

/// A row of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub view: &'a View<'a>,
    pub row: usize,
}

/// How it is told that something is there.
#[derive(Clone, Copy, Debug)]
enum Presence {
    Always,
    /// By a column that has its name.
    Case(ColumnId, &'static str),
    Bit(u8),
}

impl Presence {
    fn of(id: MessageId) -> Self {
        let message = SCHEMA.message(id);
        let parent = SCHEMA.message(message.parent);
        let in_oneof = parent.fields.iter().any(|field| field.name == message.name && field.in_oneof);
        match (parent.case.filter(|_| in_oneof), message.bit) {
            (Some(case), _) => Self::Case(case, &message.name),
            (None, Some(bit)) => Self::Bit(bit),
            (None, None) => Self::Always,
        }
    }

    fn holds(self, row: Row<'_>) -> bool {
        match self {
            Self::Always => true,
            Self::Case(column, name) => row.view.text(column, row.row) == Some(name),
            // Batches made elsewhere do not tell.
            Self::Bit(bit) => {
                row.view.number(SETTLED.messages, row.row).is_none_or(|present| present & (1 << bit) != 0)
            }
        }
    }

    fn columns(self) -> Option<ColumnId> {
        match self {
            Self::Always => None,
            Self::Case(column, _) => Some(column),
            Self::Bit(_) => Some(SETTLED.messages),
        }
    }
}

/// A field of a message that has columns of its own.
#[derive(Debug)]
pub(super) struct Path {
    field: &'static Field,
    /// Whether the field's column tells of this field: several fields may share one.
    guard: Presence,
}

/// By message and position.
static PATHS: LazyLock<Vec<Vec<Path>>> = LazyLock::new(|| {
    let messages = SCHEMA.messages.iter().enumerate();
    let paths = messages.map(|(id, message)| {
        let path = |field: &'static Field| {
            let guard = match &field.kind {
                FieldKind::Message(id) => Presence::of(*id),
                FieldKind::Scalar { column, .. } => match presence_bit(&format!("{}.{}", message.path, field.name)) {
                    Some(bit) => Presence::Bit(bit),
                    None if column.column().path.contains('{') => Presence::of(id),
                    None => Presence::Always,
                },
                _ => Presence::Always,
            };
            Path { field, guard }
        };
        message.fields.iter().map(path).collect()
    });
    paths.collect()
});

/// The columns of a message, down to the last.
pub(super) fn columns(id: MessageId) -> Vec<ColumnId> {
    let beneath = PATHS.get(id).into_iter().flatten().flat_map(Path::columns);
    Presence::of(id).columns().into_iter().chain(beneath).collect()
}

impl Path {
    pub(super) fn of(id: MessageId, name: &str) -> Option<&'static Self> {
        PATHS.get(id)?.iter().find(|path| &*path.field.name == name)
    }

    /// The message that the field is.
    pub(super) fn message(&self) -> Option<MessageId> {
        match self.field.kind {
            FieldKind::Message(id) => Some(id),
            _ => None,
        }
    }

    /// The columns that tell whether it is there.
    pub(super) fn presence_columns(&self) -> Vec<ColumnId> {
        let own = match &self.field.kind {
            FieldKind::Message(_) => None,
            FieldKind::Scalar { column, .. }
            | FieldKind::Structs { column, .. }
            | FieldKind::Flags { column, .. }
            | FieldKind::Texts(column)
            | FieldKind::Any(column) => Some(*column),
        };
        own.into_iter().chain(self.guard.columns()).collect()
    }

    /// The columns of its value.
    pub(super) fn columns(&self) -> Vec<ColumnId> {
        self.message().map_or_else(|| self.presence_columns(), columns)
    }

    pub(super) fn is_there(&self, row: Row<'_>) -> bool {
        match &self.field.kind {
            FieldKind::Message(_) => self.guard.holds(row),
            FieldKind::Flags { column, .. } | FieldKind::Any(column) => row.view.text(*column, row.row).is_some(),
            FieldKind::Scalar { column, scalar: Scalar::Time, .. } => {
                self.guard.holds(row) && row.view.number(*column, row.row).is_some()
            }
            // What is of its default is not written.
            _ => match self.value(row) {
                Ok(Value::Null) | Err(Fault) => false,
                Ok(Value::Bool(value)) => value || self.is_wrapped(),
                Ok(Value::Int(value)) => value != 0 || self.is_wrapped(),
                Ok(Value::Uint(value)) => value != 0 || self.is_wrapped(),
                Ok(Value::Text(text)) => !text.is_empty(),
                Ok(Value::List(items)) => !items.is_empty(),
                Ok(_) => true,
            },
        }
    }

    fn is_wrapped(&self) -> bool {
        matches!(self.field.kind, FieldKind::Scalar { wrapped: true, .. })
    }

    pub(super) fn value<'a>(&self, row: Row<'a>) -> Result<Value<'a>, Fault> {
        match &self.field.kind {
            FieldKind::Message(id) => Ok(Value::Place(Place { row, id: *id })),
            FieldKind::Scalar { column, scalar, wrapped } => {
                let is_own = self.guard.holds(row);
                let text = || row.view.text(*column, row.row).filter(|_| is_own);
                let number = || row.view.number(*column, row.row).filter(|_| is_own);
                if *wrapped && number().is_none() {
                    return Ok(Value::Null);
                }
                Ok(match scalar {
                    Scalar::Text => Value::Text(Cow::Borrowed(text().unwrap_or_default())),
                    Scalar::Enum(names) => Value::Int(text().map_or(Ok(0), |name| enum_number(names, name))?),
                    Scalar::Bool => Value::Bool(number().is_some_and(|number| number != 0)),
                    Scalar::I32 | Scalar::I64 => Value::Int(narrow(number())?),
                    Scalar::U32 | Scalar::U64 => Value::Uint(narrow(number())?),
                    Scalar::Time => Value::Time(number().unwrap_or_default()),
                })
            }
            FieldKind::Texts(column) => {
                Ok(Value::List(row.view.items(*column, row.row).map(texts).unwrap_or_default().into()))
            }
            FieldKind::Structs { column, members } => {
                let items = row.view.items(*column, row.row).and_then(|(values, range)| {
                    let (values, kind) = (values.as_struct_opt()?, column.column().kind);
                    Some(range.map(|at| Value::Item(Item { values, at, members, kind })).collect::<Arc<[_]>>())
                });
                Ok(Value::List(items.unwrap_or_default()))
            }
            FieldKind::Flags { column, .. } => Ok(Value::Flags(row.view.text(*column, row.row).unwrap_or_default())),
            FieldKind::Any(_) => Err(Fault),
        }
    }
}

/// Names that are not known are numbers, as text.
fn enum_number(names: &Enum, name: &str) -> Result<i64, Fault> {
    names.number(name).map(i64::from).or_else(|| name.parse().ok()).ok_or(Fault)
}

fn narrow<T: TryFrom<i128> + Default>(number: Option<i128>) -> Result<T, Fault> {
    number.map_or_else(|| Ok(T::default()), |number| T::try_from(number).map_err(|_| Fault))
}

/// A message of a row, there or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub row: Row<'a>,
    pub id: MessageId,
}

impl<'a> Place<'a> {
    pub(super) fn field(self, name: &str) -> Result<Value<'a>, Fault> {
        Path::of(self.id, name).ok_or(Fault)?.value(self.row)
    }

    pub(super) fn has(self, name: &str) -> bool {
        Path::of(self.id, name).is_some_and(|path| path.is_there(self.row))
    }

    /// Messages are equal if the same is there in them.
    pub(super) fn equals(self, other: Self, budget: &Budget) -> Result<bool, Fault> {
        let (Some(paths), Some(others)) = (PATHS.get(self.id), PATHS.get(other.id)) else { return Err(Fault) };
        if SCHEMA.message(self.id).type_name != SCHEMA.message(other.id).type_name {
            return Ok(false);
        }
        for (path, other_path) in paths.iter().zip(others) {
            if let FieldKind::Any(column) = path.field.kind {
                // The one field of this type stands at one place.
                if self.row.view.text(column, self.row.row) != other.row.view.text(column, other.row.row) {
                    return Ok(false);
                }
                continue;
            }
            if path.is_there(self.row) != other_path.is_there(other.row)
                || !path.value(self.row)?.equals(&other_path.value(other.row)?, budget)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
