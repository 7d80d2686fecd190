//! The functions and operators of CEL's standard library: what they take, and what they give.

use super::time::Part;
use super::types::Ty;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Not,
    Negate,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Index,
    In,
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    Bool,
    Bytes,
    Double,
    Duration,
    Dyn,
    Int,
    String,
    Timestamp,
    Uint,
    Part(Part),
}

use Function as F;

/// How a function may be called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Operator,
    Global,
    Member,
    Either,
}

/// By the parser's name; for operators also as users write them.
const NAMES: &[(&str, &str, Style, Function)] = &[
    ("!_", "!", Style::Operator, F::Not),
    ("-_", "-", Style::Operator, F::Negate),
    ("_==_", "==", Style::Operator, F::Equal),
    ("_!=_", "!=", Style::Operator, F::Unequal),
    ("_<_", "<", Style::Operator, F::Less),
    ("_<=_", "<=", Style::Operator, F::LessOrEqual),
    ("_>_", ">", Style::Operator, F::Greater),
    ("_>=_", ">=", Style::Operator, F::GreaterOrEqual),
    ("_+_", "+", Style::Operator, F::Add),
    ("_-_", "-", Style::Operator, F::Subtract),
    ("_*_", "*", Style::Operator, F::Multiply),
    ("_/_", "/", Style::Operator, F::Divide),
    ("_%_", "%", Style::Operator, F::Modulo),
    ("_[_]", "[]", Style::Operator, F::Index),
    ("@in", "in", Style::Operator, F::In),
    ("size", "size", Style::Either, F::Size),
    ("contains", "contains", Style::Member, F::Contains),
    ("startsWith", "startsWith", Style::Member, F::StartsWith),
    ("endsWith", "endsWith", Style::Member, F::EndsWith),
    ("matches", "matches", Style::Either, F::Matches),
    ("bool", "bool", Style::Global, F::Bool),
    ("bytes", "bytes", Style::Global, F::Bytes),
    ("double", "double", Style::Global, F::Double),
    ("duration", "duration", Style::Global, F::Duration),
    ("dyn", "dyn", Style::Global, F::Dyn),
    ("int", "int", Style::Global, F::Int),
    ("string", "string", Style::Global, F::String),
    ("timestamp", "timestamp", Style::Global, F::Timestamp),
    ("uint", "uint", Style::Global, F::Uint),
    ("getFullYear", "getFullYear", Style::Member, F::Part(Part::Year)),
    ("getMonth", "getMonth", Style::Member, F::Part(Part::Month)),
    ("getDate", "getDate", Style::Member, F::Part(Part::Date)),
    ("getDayOfMonth", "getDayOfMonth", Style::Member, F::Part(Part::DayOfMonth)),
    ("getDayOfWeek", "getDayOfWeek", Style::Member, F::Part(Part::DayOfWeek)),
    ("getDayOfYear", "getDayOfYear", Style::Member, F::Part(Part::DayOfYear)),
    ("getHours", "getHours", Style::Member, F::Part(Part::Hours)),
    ("getMinutes", "getMinutes", Style::Member, F::Part(Part::Minutes)),
    ("getSeconds", "getSeconds", Style::Member, F::Part(Part::Seconds)),
    ("getMilliseconds", "getMilliseconds", Style::Member, F::Part(Part::Milliseconds)),
];

impl Function {
    /// The function of a name, and how users write it; an error tells why there is none that may be called so.
    pub(super) fn of(name: &str, is_member: bool) -> Result<(Self, &'static str), String> {
        let (_, shown, style, function) =
            NAMES.iter().find(|(known, ..)| *known == name).ok_or_else(|| format!("there is no function {name}"))?;
        match style {
            Style::Global if is_member => Err(format!("{name} is called as {name}(x)")),
            Style::Member if !is_member => Err(format!("{name} is called as x.{name}()")),
            _ => Ok((*function, shown)),
        }
    }

    /// The type of the result; `None` where the function does not take these.
    pub(super) fn result(self, args: &[Ty]) -> Option<Ty> {
        let fixed: &[(&[Ty], Ty)] = match (self, args) {
            (F::Equal | F::Unequal, [one, other]) => return one.fits(other).then_some(Ty::Bool),
            (F::Add, [Ty::List(one), Ty::List(other)]) => return Some(Ty::list(one.join(other)?)),
            (F::Dyn, [_]) | (F::Index, [Ty::Dyn, _]) => return Some(Ty::Dyn),
            (F::Index, [Ty::List(item), at]) => return at.fits(&Ty::Int).then(|| (**item).clone()),
            (F::Index, [Ty::Map(key, value), at]) => return at.fits(key).then(|| (**value).clone()),
            (F::In, [_, Ty::Dyn]) => return Some(Ty::Bool),
            (F::In, [one, Ty::List(many) | Ty::Map(many, _)]) => return one.fits(many).then_some(Ty::Bool),
            (F::Size, [Ty::List(_) | Ty::Map(..)]) => return Some(Ty::Int),
            (F::Not, _) => &[(&[Ty::Bool], Ty::Bool)],
            (F::Negate, _) => &[(&[Ty::Int], Ty::Int), (&[Ty::Double], Ty::Double)],
            (F::Less | F::LessOrEqual | F::Greater | F::GreaterOrEqual, _) => &[
                (&[Ty::Bool, Ty::Bool], Ty::Bool),
                (&[Ty::Int, Ty::Int], Ty::Bool),
                (&[Ty::Uint, Ty::Uint], Ty::Bool),
                (&[Ty::Double, Ty::Double], Ty::Bool),
                (&[Ty::Text, Ty::Text], Ty::Bool),
                (&[Ty::Bytes, Ty::Bytes], Ty::Bool),
                (&[Ty::Time, Ty::Time], Ty::Bool),
                (&[Ty::Duration, Ty::Duration], Ty::Bool),
            ],
            (F::Add, _) => &[
                (&[Ty::Int, Ty::Int], Ty::Int),
                (&[Ty::Uint, Ty::Uint], Ty::Uint),
                (&[Ty::Double, Ty::Double], Ty::Double),
                (&[Ty::Text, Ty::Text], Ty::Text),
                (&[Ty::Bytes, Ty::Bytes], Ty::Bytes),
                (&[Ty::Duration, Ty::Duration], Ty::Duration),
                (&[Ty::Duration, Ty::Time], Ty::Time),
                (&[Ty::Time, Ty::Duration], Ty::Time),
            ],
            (F::Subtract, _) => &[
                (&[Ty::Int, Ty::Int], Ty::Int),
                (&[Ty::Uint, Ty::Uint], Ty::Uint),
                (&[Ty::Double, Ty::Double], Ty::Double),
                (&[Ty::Duration, Ty::Duration], Ty::Duration),
                (&[Ty::Time, Ty::Duration], Ty::Time),
                (&[Ty::Time, Ty::Time], Ty::Duration),
            ],
            (F::Multiply | F::Divide, _) => &[
                (&[Ty::Int, Ty::Int], Ty::Int),
                (&[Ty::Uint, Ty::Uint], Ty::Uint),
                (&[Ty::Double, Ty::Double], Ty::Double),
            ],
            (F::Modulo, _) => &[(&[Ty::Int, Ty::Int], Ty::Int), (&[Ty::Uint, Ty::Uint], Ty::Uint)],
            (F::Size, _) => &[(&[Ty::Text], Ty::Int), (&[Ty::Bytes], Ty::Int)],
            (F::Contains | F::StartsWith | F::EndsWith | F::Matches, _) => &[(&[Ty::Text, Ty::Text], Ty::Bool)],
            (F::Bool, _) => &[(&[Ty::Bool], Ty::Bool), (&[Ty::Text], Ty::Bool)],
            (F::Bytes, _) => &[(&[Ty::Bytes], Ty::Bytes), (&[Ty::Text], Ty::Bytes)],
            (F::Double, _) => &[
                (&[Ty::Double], Ty::Double),
                (&[Ty::Int], Ty::Double),
                (&[Ty::Uint], Ty::Double),
                (&[Ty::Text], Ty::Double),
            ],
            (F::Duration, _) => &[(&[Ty::Duration], Ty::Duration), (&[Ty::Text], Ty::Duration)],
            (F::Timestamp, _) => &[(&[Ty::Time], Ty::Time), (&[Ty::Int], Ty::Time), (&[Ty::Text], Ty::Time)],
            (F::Int, _) => &[
                (&[Ty::Int], Ty::Int),
                (&[Ty::Uint], Ty::Int),
                (&[Ty::Double], Ty::Int),
                (&[Ty::Text], Ty::Int),
                (&[Ty::Time], Ty::Int),
                (&[Ty::Duration], Ty::Int),
            ],
            (F::Uint, _) => {
                &[(&[Ty::Uint], Ty::Uint), (&[Ty::Int], Ty::Uint), (&[Ty::Double], Ty::Uint), (&[Ty::Text], Ty::Uint)]
            }
            (F::String, _) => &[
                (&[Ty::Text], Ty::Text),
                (&[Ty::Bool], Ty::Text),
                (&[Ty::Int], Ty::Text),
                (&[Ty::Uint], Ty::Text),
                (&[Ty::Double], Ty::Text),
                (&[Ty::Bytes], Ty::Text),
                (&[Ty::Time], Ty::Text),
                (&[Ty::Duration], Ty::Text),
            ],
            (F::Part(part), _) if part.is_of_durations() => {
                &[(&[Ty::Time], Ty::Int), (&[Ty::Time, Ty::Text], Ty::Int), (&[Ty::Duration], Ty::Int)]
            }
            (F::Part(_), _) => &[(&[Ty::Time], Ty::Int), (&[Ty::Time, Ty::Text], Ty::Int)],
            _ => return None,
        };
        let takes = |wanted: &[Ty]| wanted.len() == args.len() && wanted.iter().zip(args).all(|(w, arg)| arg.fits(w));
        let mut results = fixed.iter().filter(|(wanted, _)| takes(wanted)).map(|(_, result)| result);
        let first = results.next()?;
        // What is not known until it is read may be several things.
        Some(if results.all(|other| other == first) { first.clone() } else { Ty::Dyn })
    }
}
