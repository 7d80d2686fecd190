//! Functions and operators, applied to values. What goes beyond 64 bits, divides by zero or is not there has no value.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use super::convert;
use super::functions::Function::{self, self as F};
use super::value::{Budget, Fault, Value, find};

impl Function {
    pub(super) fn call<'a>(self, args: Vec<Value<'a>>, budget: &Budget) -> Result<Value<'a>, Fault> {
        use Value as V;
        budget.take(1 + args.iter().map(Value::weight).sum::<usize>())?;
        let mut args = args.into_iter();
        let Some(first) = args.next() else { return Err(Fault) };
        let (second, None) = (args.next(), args.next()) else { return Err(Fault) };
        Ok(match (self, first, second) {
            (F::Not, V::Bool(truth), None) => V::Bool(!truth),
            (F::Negate, V::Int(number), None) => V::Int(number.checked_neg().ok_or(Fault)?),
            (F::Negate, V::Double(number), None) => V::Double(-number),
            (F::Equal, one, Some(other)) => V::Bool(one.equals(&other, budget)?),
            (F::Unequal, one, Some(other)) => V::Bool(!one.equals(&other, budget)?),
            (F::Less, one, Some(other)) => V::Bool(one.order(&other)? == Ordering::Less),
            (F::LessOrEqual, one, Some(other)) => V::Bool(one.order(&other)? != Ordering::Greater),
            (F::Greater, one, Some(other)) => V::Bool(one.order(&other)? == Ordering::Greater),
            (F::GreaterOrEqual, one, Some(other)) => V::Bool(one.order(&other)? != Ordering::Less),
            (F::Add | F::Subtract | F::Multiply | F::Divide | F::Modulo, one, Some(other)) => {
                return self.arithmetic(one, other);
            }
            (F::Index, V::List(items), Some(at)) => {
                let V::Int(at) = convert::to_int_exactly(at)? else { return Err(Fault) };
                usize::try_from(at).ok().and_then(|at| items.get(at)).ok_or(Fault)?.clone()
            }
            (F::Index, V::Map(entries), Some(key)) => find(&entries, &key, budget)?.ok_or(Fault)?.clone(),
            (F::In, one, Some(V::List(items))) => {
                for item in items.iter() {
                    if item.equals(&one, budget)? {
                        return Ok(V::Bool(true));
                    }
                }
                V::Bool(false)
            }
            (F::In, one, Some(V::Map(entries))) => V::Bool(find(&entries, &one, budget)?.is_some()),
            (F::Size, of, None) => V::Int(
                match of {
                    V::Text(text) => text.chars().count(),
                    V::Bytes(bytes) => bytes.len(),
                    V::List(items) => items.len(),
                    V::Map(entries) => entries.len(),
                    _ => return Err(Fault),
                }
                .try_into()
                .map_err(|_| Fault)?,
            ),
            (F::Contains, V::Text(text), Some(V::Text(part))) => V::Bool(text.contains(&*part)),
            (F::StartsWith, V::Text(text), Some(V::Text(part))) => V::Bool(text.starts_with(&*part)),
            (F::EndsWith, V::Text(text), Some(V::Text(part))) => V::Bool(text.ends_with(&*part)),
            (F::Matches, V::Text(text), Some(V::Text(pattern))) => {
                // A pattern that is not known before it is read is made anew for each row.
                budget.take(1 << 10)?;
                V::Bool(super::regex(&pattern).map_err(|_| Fault)?.is_match(&text))
            }
            (F::Dyn, value, None) => value,
            (F::Part(part), V::Time(nanos), zone) => V::Int(part.of_time(nanos, zone.as_ref())?),
            (F::Part(part), V::Duration(nanos), None) => V::Int(part.of_duration(nanos)?),
            (conversion, value, None) => return convert::convert(conversion, value),
            _ => return Err(Fault),
        })
    }

    fn arithmetic<'a>(self, one: Value<'a>, other: Value<'a>) -> Result<Value<'a>, Fault> {
        use Value as V;
        let value = match (self, one, other) {
            (F::Add, V::Int(a), V::Int(b)) => a.checked_add(b).map(V::Int),
            (F::Subtract, V::Int(a), V::Int(b)) => a.checked_sub(b).map(V::Int),
            (F::Multiply, V::Int(a), V::Int(b)) => a.checked_mul(b).map(V::Int),
            (F::Divide, V::Int(a), V::Int(b)) => a.checked_div(b).map(V::Int),
            (F::Modulo, V::Int(a), V::Int(b)) => a.checked_rem(b).map(V::Int),
            (F::Add, V::Uint(a), V::Uint(b)) => a.checked_add(b).map(V::Uint),
            (F::Subtract, V::Uint(a), V::Uint(b)) => a.checked_sub(b).map(V::Uint),
            (F::Multiply, V::Uint(a), V::Uint(b)) => a.checked_mul(b).map(V::Uint),
            (F::Divide, V::Uint(a), V::Uint(b)) => a.checked_div(b).map(V::Uint),
            (F::Modulo, V::Uint(a), V::Uint(b)) => a.checked_rem(b).map(V::Uint),
            (F::Add, V::Double(a), V::Double(b)) => Some(V::Double(a + b)),
            (F::Subtract, V::Double(a), V::Double(b)) => Some(V::Double(a - b)),
            (F::Multiply, V::Double(a), V::Double(b)) => Some(V::Double(a * b)),
            (F::Divide, V::Double(a), V::Double(b)) => Some(V::Double(a / b)),
            (F::Add, V::Text(a), V::Text(b)) => Some(V::Text(Cow::Owned(a.into_owned() + &b))),
            (F::Add, V::Bytes(a), V::Bytes(b)) => Some(V::Bytes(Cow::Owned([&*a, &*b].concat()))),
            (F::Add, V::List(a), V::List(b)) => Some(V::List(a.iter().chain(b.iter()).cloned().collect::<Arc<[_]>>())),
            (F::Add, V::Duration(a), V::Duration(b)) => a.checked_add(b).map(V::Duration),
            (F::Subtract, V::Duration(a), V::Duration(b)) => a.checked_sub(b).map(V::Duration),
            (F::Add, V::Time(a), V::Duration(b)) | (F::Add, V::Duration(b), V::Time(a)) => {
                convert::time(a.checked_add(b.into()))
            }
            (F::Subtract, V::Time(a), V::Duration(b)) => convert::time(a.checked_sub(b.into())),
            (F::Subtract, V::Time(a), V::Time(b)) => {
                a.checked_sub(b).and_then(|nanos| i64::try_from(nanos).ok()).map(V::Duration)
            }
            _ => None,
        };
        value.ok_or(Fault)
    }
}
