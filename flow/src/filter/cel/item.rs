//! Items of lists of texts and of messages.

use std::borrow::Cow;
use std::ops::Range;

use arrow::array::{Array as _, ArrayRef, AsArray, StructArray};
use arrow::datatypes::UInt64Type;

use super::value::{Budget, Fault, Value};
use crate::columns;
use crate::schema::{Member, Scalar};
use crate::view::list_items;

/// The texts of one list within those of all; a NULL is empty.
pub(super) fn texts((values, range): (&ArrayRef, Range<usize>)) -> Vec<Value<'_>> {
    let Some(values) = values.as_string_opt::<i32>() else { return Vec::new() };
    range.map(|at| Value::Text(Cow::Borrowed(if values.is_valid(at) { values.value(at) } else { "" }))).collect()
}

/// An item of a list of messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a> {
    pub values: &'a StructArray,
    pub at: usize,
    pub members: &'static [Member],
    pub kind: columns::Type,
}

impl<'a> Item<'a> {
    pub(super) fn field(self, name: &str) -> Result<Value<'a>, Fault> {
        let member = self.members.iter().find(|member| &*member.name == name).ok_or(Fault)?;
        let values = self.values.column_by_name(name).ok_or(Fault)?;
        if member.repeated {
            let items = values.as_list_opt::<i32>().and_then(|lists| list_items(lists, self.at));
            return Ok(Value::List(items.map(texts).unwrap_or_default().into()));
        }
        let is_null = values.is_null(self.at);
        Ok(match &member.scalar {
            Scalar::Text => {
                let text = values.as_string_opt::<i32>().filter(|_| !is_null).map(|values| values.value(self.at));
                Value::Text(Cow::Borrowed(text.unwrap_or_default()))
            }
            Scalar::U64 => {
                let number = values.as_primitive_opt::<UInt64Type>().filter(|_| !is_null);
                Value::Uint(number.map(|values| values.value(self.at)).unwrap_or_default())
            }
            _ => return Err(Fault),
        })
    }

    pub(super) fn has(self, name: &str) -> bool {
        match self.field(name) {
            Ok(Value::Text(text)) => !text.is_empty(),
            Ok(Value::Uint(number)) => number != 0,
            Ok(Value::List(items)) => !items.is_empty(),
            _ => false,
        }
    }

    pub(super) fn equals(self, other: Self, budget: &Budget) -> Result<bool, Fault> {
        if self.kind != other.kind {
            return Ok(false);
        }
        for member in self.members {
            if !self.field(&member.name)?.equals(&other.field(&member.name)?, budget)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
