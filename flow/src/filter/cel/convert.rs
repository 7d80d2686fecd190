//! Conversions from one type to another.

use std::borrow::Cow;

use super::functions::Function;
use super::time::{parse_duration, parse_time, time_text};
use super::value::{Fault, Value};

/// From the year 1 to 9999.
const TIMES: std::ops::RangeInclusive<i128> = -62_135_596_800_000_000_000..=253_402_300_799_999_999_999;

/// A time, if it is of a year that has one.
pub(super) fn time(nanos: Option<i128>) -> Option<Value<'static>> {
    nanos.filter(|nanos| TIMES.contains(nanos)).map(Value::Time)
}

/// An index of a list: also a number of another type that is whole.
pub(super) fn to_int_exactly(value: Value<'_>) -> Result<Value<'_>, Fault> {
    match value {
        Value::Double(number) if number.fract() != 0.0 => Err(Fault),
        Value::Int(_) | Value::Uint(_) | Value::Double(_) => convert(Function::Int, value),
        _ => Err(Fault),
    }
}

#[expect(clippy::cast_precision_loss, reason = "so are doubles")]
pub(super) fn convert(to: Function, value: Value<'_>) -> Result<Value<'_>, Fault> {
    use Function as F;
    use Value as V;
    let converted = match (to, value) {
        (F::Bool, value @ V::Bool(_))
        | (F::Bytes, value @ V::Bytes(_))
        | (F::Double, value @ V::Double(_))
        | (F::Duration, value @ V::Duration(_))
        | (F::Int, value @ V::Int(_))
        | (F::String, value @ V::Text(_))
        | (F::Timestamp, value @ V::Time(_))
        | (F::Uint, value @ V::Uint(_)) => Some(value),
        (F::Bool, V::Text(text)) => match &*text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(V::Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(V::Bool(false)),
            _ => None,
        },
        (F::Bytes, V::Text(text)) => Some(V::Bytes(match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        })),
        (F::Double, V::Int(number)) => Some(V::Double(number as f64)),
        (F::Double, V::Uint(number)) => Some(V::Double(number as f64)),
        (F::Double, V::Text(text)) => text.parse().ok().map(V::Double),
        (F::Duration, V::Text(text)) => parse_duration(&text).map(V::Duration),
        (F::Timestamp, V::Text(text)) => time(parse_time(&text)),
        (F::Timestamp, V::Int(seconds)) => time(Some(i128::from(seconds) * 1_000_000_000)),
        (F::Int, V::Uint(number)) => i64::try_from(number).ok().map(V::Int),
        (F::Int, V::Double(number)) => whole(number).and_then(|number| i64::try_from(number).ok()).map(V::Int),
        (F::Int, V::Text(text)) => text.parse().ok().map(V::Int),
        (F::Int, V::Time(nanos)) => i64::try_from(nanos.div_euclid(1_000_000_000)).ok().map(V::Int),
        (F::Int, V::Duration(nanos)) => Some(V::Int(nanos)),
        (F::Uint, V::Int(number)) => u64::try_from(number).ok().map(V::Uint),
        (F::Uint, V::Double(number)) => whole(number).and_then(|number| u64::try_from(number).ok()).map(V::Uint),
        (F::Uint, V::Text(text)) => text.parse().ok().map(V::Uint),
        (F::String, value) => Some(V::Text(Cow::Owned(text(value)?))),
        _ => None,
    };
    converted.ok_or(Fault)
}

/// Without its fraction.
fn whole(number: f64) -> Option<i128> {
    #[expect(clippy::cast_possible_truncation, reason = "it saturates, far beyond what fits 64 bits")]
    number.is_finite().then(|| number.trunc() as i128)
}

fn text(value: Value<'_>) -> Result<String, Fault> {
    Ok(match value {
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::Double(number) => double_text(number),
        Value::Bytes(bytes) => String::from_utf8(bytes.into_owned()).map_err(|_| Fault)?,
        Value::Time(nanos) => time_text(nanos)?,
        #[expect(clippy::cast_precision_loss, reason = "as Go prints the seconds of a duration")]
        Value::Duration(nanos) => format!("{}s", nanos as f64 / 1e9),
        _ => return Err(Fault),
    })
}

/// As Go prints the shortest text of a number: with an exponent from a million on.
fn double_text(number: f64) -> String {
    if !number.is_finite() {
        return if number.is_nan() {
            "NaN"
        } else if number > 0.0 {
            "+Inf"
        } else {
            "-Inf"
        }
        .to_owned();
    }
    let text = format!("{number:e}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    match exponent.parse::<i32>() {
        Ok(-4..6) => number.to_string(),
        Ok(exponent) => format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()),
        Err(_) => text,
    }
}
