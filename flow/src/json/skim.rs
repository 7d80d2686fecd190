//! Lines that surely hold nothing of what is wanted, told by a search for a few texts.
//!
//! Promises:
//! 1. A line that is left out would have given no row, or would have been rejected.
//! 2. On any doubt a line is not left out: any text may be spelled by numbers (`\u0044ROPPED`), so a line with such a thing
//!    is looked into; so is anything but a flow in its envelope, from the first byte to the last.
//!
//! Within a value, a key would have a backslash before its second quote; a key that is found elsewhere than where it is
//! looked for only costs time.

use memchr::memmem::Finder;

use crate::columns::{ColumnId, Type};
use crate::schema::{FieldKind, SCHEMA, Scalar};
use crate::segment::{Clause, Needle, Pattern};

/// What is looked for.
#[derive(Debug)]
pub(super) struct Skim {
    /// As needles are: a line may be wanted if one sign of each clause of one of these is there.
    needles: Vec<Vec<Vec<Sign>>>,
    /// A character by its number.
    by_number: Finder<'static>,
}

/// How a text of a column shows in a line.
#[derive(Debug)]
enum Sign {
    /// A member of this name.
    Key(Box<Finder<'static>>),
    /// A value behind one of these keys, with its quotes, or how it begins.
    Value { keys: Vec<Finder<'static>>, value: String },
}

impl Skim {
    /// `None` where every line may be wanted.
    pub(super) fn new(needles: &[Needle]) -> Option<Self> {
        let signs = |needle: &Needle| -> Vec<Vec<Sign>> { needle.iter().filter_map(signs).collect() };
        let needles: Vec<_> = needles.iter().map(signs).collect();
        (!needles.is_empty() && !needles.iter().any(Vec::is_empty))
            .then(|| Self { needles, by_number: Finder::new(b"\\u") })
    }

    /// Whether a line, without its line feed, can be left out.
    pub(super) fn leaves_out(&self, line: &[u8]) -> bool {
        line.starts_with(b"{\"flow\":{")
            && line.ends_with(b"}")
            && !self
                .needles
                .iter()
                .any(|needle| needle.iter().all(|clause| clause.iter().any(|sign| sign.may_be_in(line))))
            && self.by_number.find(line).is_none()
    }
}

/// How the texts of a clause show; `None` if one of them can show in other ways.
fn signs(clause: &Clause) -> Option<Vec<Sign>> {
    clause.iter().map(|(column, pattern)| sign(*column, pattern)).collect()
}

fn sign(column: ColumnId, pattern: &Pattern) -> Option<Sign> {
    let text = pattern.text();
    if text.contains(|c: char| matches!(c, '"' | '\\' | '/') || c.is_control()) {
        // It is, or may be, spelled with a backslash.
        return None;
    }
    let key = |name: &str| Finder::new(&format!("\"{name}\"")).into_owned();
    match (column.column().kind, pattern) {
        (Type::Case, Pattern::Is(_)) => return Some(Sign::Key(Box::new(key(text)))),
        (Type::Case, Pattern::Begins(_)) => return None,
        _ => {}
    }
    let of_column = |kind: &FieldKind| matches!(kind, FieldKind::Scalar { column: of, scalar: Scalar::Text | Scalar::Enum(_), .. } if *of == column);
    let keys = SCHEMA.messages.iter().find_map(|message| {
        let at = message.fields.iter().position(|field| of_column(&field.kind))?;
        Some(message.spellings(at).map(key).collect())
    })?;
    let value = match pattern {
        Pattern::Is(_) => format!("\"{text}\""),
        Pattern::Begins(_) => format!("\"{text}"),
    };
    Some(Sign::Value { keys, value })
}

impl Sign {
    fn may_be_in(&self, line: &[u8]) -> bool {
        match self {
            Self::Key(key) => key.find(line).is_some(),
            Self::Value { keys, value } => keys.iter().any(|key| {
                key.find_iter(line).any(|at| {
                    let behind = line.get(at + key.needle().len()..).unwrap_or_default();
                    match behind {
                        [b':', b'"', ..] => behind.get(1..).is_some_and(|behind| behind.starts_with(value.as_bytes())),
                        // The name stands for something else here.
                        [b':', b'{' | b'[', ..] => false,
                        _ => true,
                    }
                })
            }),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    #[test]
    fn no_spelling_is_left_out() {
        let id = |name: &'static str| ColumnId::of(name).unwrap();
        let texts = |pairs: &[(&'static str, &str)]| -> Clause {
            pairs.iter().map(|(name, text)| (id(name), Pattern::from(*text))).collect()
        };
        let skim = Skim::new(&[
            vec![texts(&[("verdict", "DROPPED"), ("verdict", "ERROR")]), texts(&[("l4_protocol", "TCP")])],
            vec![texts(&[("traffic_direction", "EGRESS")])],
        ])
        .unwrap();
        for line in [
            r#"{"flow":{"verdict":"DROPPED","l4":{"TCP":{}}}}"#,
            r#"{"flow":{"verdict": "ERROR","l4":{"TCP" :{}}}}"#,
            r#"{"flow":{"verdict":2,"l4":{"TCP":{}}}}"#,
            r#"{"flow":{"\u0076erdict":"DROPPED","l4":{"TCP":{}}}}"#,
            r#"{"flow":{"verdict":"\u0044ROPPED","l4":{"TCP":{}}}}"#,
            r#"{"flow":{"traffic_direction":"EGRESS"}}"#,
            r#"{"flow":{"Summary":"\"trafficDirection\"","trafficDirection":"EGRESS"}}"#,
            r#" {"flow":{}}"#,
            r#"{"log":"{\"flow\":{\"verdict\":\"DROPPED\",\"l4\":{\"TCP\":{}}}}"}"#,
            r#"{"flow":{"verdict":"FORWARDED"}"#.trim_end_matches('}'),
            "",
        ] {
            assert!(!skim.leaves_out(line.as_bytes()), "{line}");
        }
        for line in [
            r#"{"flow":{"verdict":"FORWARDED","l4":{"TCP":{}}}}"#,
            r#"{"flow":{"verdict":"DROPPED","l4":{"UDP":{}},"Summary":"TCP Flags: SYN"}}"#,
            r#"{"flow":{"verdict":"DROPPED_NOT","l4":{"TCP":{}},"traffic_direction":"INGRESS"}}"#,
            r#"{"flow":{"verdict":"FORWARDED","Summary":"\"verdict\":\"DROPPED\", \"TCP\""}}"#,
        ] {
            assert!(skim.leaves_out(line.as_bytes()), "{line}");
        }
        assert!(Skim::new(&[]).is_none());
        assert!(Skim::new(&[vec![texts(&[("uuid", "a\"b")])]]).is_none());
    }
}
