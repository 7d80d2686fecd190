//! The types of expressions, and which of them go together.
//!
//! As cel-go has it: whole numbers with and without a sign stay apart, what is not known until it is read (`dyn`) goes with
//! everything, and null with messages, times and what may be absent.

use std::fmt;

use crate::columns;
use crate::schema::{FieldKind, Member, MessageId, SCHEMA, Scalar};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ty {
    Dyn,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Time,
    Duration,
    /// A value that may be null: `google.protobuf.BoolValue`.
    Wrapper(Box<Ty>),
    List(Box<Ty>),
    Map(Box<Ty>, Box<Ty>),
    Message(Shape),
}

/// A type of messages.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// One that has columns of its own, at any of its places in the tree.
    Place(MessageId),
    /// An item of a list.
    Item(columns::Type, &'static [Member]),
    /// TCP flags.
    Flags(&'static [(u32, Box<str>)]),
}

impl PartialEq for Shape {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Shape {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Place(id) => &SCHEMA.message(*id).type_name,
            Self::Item(columns::Type::Workloads, _) => "flow.Workload",
            Self::Item(columns::Type::Headers, _) => "flow.HTTPHeader",
            Self::Item(..) => "flow.Policy",
            Self::Flags(_) => "flow.TCPFlags",
        }
    }

    /// The type of a field, by its name in the `.proto` file; `None` where there is no such field, an error where it cannot be
    /// asked about.
    pub(super) fn field(&self, name: &str) -> Option<Result<Ty, String>> {
        match self {
            Self::Place(id) => {
                let field = SCHEMA.message(*id).fields.iter().find(|field| &*field.name == name)?;
                Some(of_field(&field.kind).ok_or_else(|| format!("{name} can only be asked about by has()")))
            }
            Self::Item(_, members) => {
                let member = members.iter().find(|member| &*member.name == name)?;
                let ty = of_scalar(&member.scalar);
                Some(Ok(if member.repeated { Ty::List(Box::new(ty)) } else { ty }))
            }
            Self::Flags(names) => names.iter().any(|(_, flag)| &**flag == name).then_some(Ok(Ty::Bool)),
        }
    }
}

/// `None`: of no type that is known here.
fn of_field(kind: &'static FieldKind) -> Option<Ty> {
    Some(match kind {
        FieldKind::Message(id) => Ty::Message(Shape::Place(*id)),
        FieldKind::Scalar { scalar, wrapped: true, .. } => Ty::Wrapper(Box::new(of_scalar(scalar))),
        FieldKind::Scalar { scalar, .. } => of_scalar(scalar),
        FieldKind::Texts(_) => Ty::List(Box::new(Ty::Text)),
        FieldKind::Structs { column, members } => {
            Ty::List(Box::new(Ty::Message(Shape::Item(column.column().kind, members))))
        }
        FieldKind::Flags { names, .. } => Ty::Message(Shape::Flags(names)),
        FieldKind::Any(_) => return None,
    })
}

fn of_scalar(scalar: &Scalar) -> Ty {
    match scalar {
        Scalar::Text => Ty::Text,
        Scalar::Bool => Ty::Bool,
        Scalar::U32 | Scalar::U64 => Ty::Uint,
        Scalar::I32 | Scalar::I64 | Scalar::Enum(_) => Ty::Int,
        Scalar::Time => Ty::Time,
    }
}

impl Ty {
    pub(super) fn list(item: Ty) -> Self {
        Self::List(Box::new(item))
    }

    /// Whether a value of this type may stand where one of the other is wanted.
    pub(super) fn fits(&self, other: &Ty) -> bool {
        match (self, other) {
            (Self::Dyn, _) | (_, Self::Dyn) => true,
            (Self::Null, one) | (one, Self::Null) => {
                matches!(one, Self::Null | Self::Wrapper(_) | Self::Time | Self::Duration | Self::Message(_))
            }
            (Self::Wrapper(one), Self::Wrapper(other)) | (Self::List(one), Self::List(other)) => one.fits(other),
            (Self::Wrapper(one), other) | (other, Self::Wrapper(one)) => **one == *other,
            (Self::Map(key, value), Self::Map(other_key, other_value)) => {
                key.fits(other_key) && value.fits(other_value)
            }
            (one, other) => one == other,
        }
    }

    /// The type of what is one or the other; `None` where they do not go together.
    pub(super) fn join(&self, other: &Ty) -> Option<Ty> {
        if !self.fits(other) {
            return None;
        }
        Some(match (self, other) {
            (Self::Dyn, _) | (_, Self::Dyn) => Self::Dyn,
            (Self::Null, one) | (one, Self::Null) => one.clone(),
            (Self::Wrapper(_), _) => self.clone(),
            (Self::List(one), Self::List(other)) => Self::list(one.join(other)?),
            (Self::Map(key, value), Self::Map(other_key, other_value)) => {
                Self::Map(Box::new(key.join(other_key)?), Box::new(value.join(other_value)?))
            }
            (_, other) => other.clone(),
        })
    }
}

impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dyn => "dyn",
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::Text => "string",
            Self::Bytes => "bytes",
            Self::Time => "timestamp",
            Self::Duration => "duration",
            Self::Wrapper(inner) => return write!(f, "wrapper({inner})"),
            Self::List(item) => return write!(f, "list({item})"),
            Self::Map(key, value) => return write!(f, "map({key}, {value})"),
            Self::Message(shape) => shape.name(),
        })
    }
}
