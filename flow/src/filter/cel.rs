//! CEL expressions over flows: `experimental.cel_expression`.
//!
//! Promises:
//! 1. As `pkg/hubble/filters` has it, an expression is about `_flow`, a `flow.Flow`; names are also looked for within `flow`
//!    (`Verdict.DROPPED`), and it must be a bool by its types. One that is not understood is an error before anything is read.
//! 2. An expression without a value for a flow (a division by zero, `[][0]`) does not match it.
//! 3. No expression ends the program, runs for ever or fills the memory: its length and depth are bounded, and what it may
//!    do for a row.
//! 4. It looks at nothing but the columns of its condition.
//!
//! The crate `cel` parses. Its types know no protobuf and its interpreter knows no bounds, so both are here: `check` makes
//! nodes of the syntax tree, `eval` asks them about rows.

mod apply;
mod calls;
mod check;
mod convert;
mod eval;
mod functions;
mod item;
mod read;
mod time;
mod types;
mod value;

use std::collections::BTreeSet;

use regex::{Regex, RegexBuilder};

use super::condition::Condition;
use check::{Checked, check};
use eval::Scope;
use read::Row;
use value::{Budget, Value};

/// Bytes of an expression.
const LENGTH: usize = 16 << 10;

/// Characters of an expression that an error shows.
const SHOWN: usize = 120;

/// How deep parentheses, lists and calls may stand in each other.
const DEPTH: u16 = 64;

/// The parser is recursive, and a level of parentheses takes it much; more than enough for `LENGTH` and `DEPTH`. Memory that
/// is not used is never there.
const STACK: usize = 64 << 20;

/// Bytes of a compiled regular expression.
const REGEX: usize = 1 << 20;

/// A condition that holds for flows of which one of the expressions is true.
pub(super) fn condition(expressions: &[String]) -> Result<Condition, String> {
    let all = expressions.iter().map(|text| compile(text).map_err(|why| format!("{:?}: {why}", shortened(text))));
    let all = all.collect::<Result<Vec<Checked>, _>>()?;
    let columns: BTreeSet<_> = all.iter().flat_map(|one| one.columns.iter().copied()).collect();
    let columns: Vec<_> = columns.into_iter().collect();
    Ok(Condition::new(columns, move |view, row| {
        all.iter().any(|one| {
            let mut scope = Scope { row: Row { view, row }, budget: Budget::of_a_row(), locals: Vec::new() };
            matches!(one.node.value(&mut scope), Ok(Value::Bool(true)))
        })
    }))
}

fn shortened(text: &str) -> String {
    let start: String = text.chars().take(SHOWN).collect();
    if start.len() < text.len() { start + "…" } else { start }
}

fn compile(text: &str) -> Result<Checked, String> {
    if text.len() > LENGTH {
        return Err(format!("it is longer than {} KiB", LENGTH >> 10));
    }
    let understand = || {
        let parser = cel::Env::default().with_optional_support(false).parser();
        let parser = parser.max_recursion_depth(DEPTH).error_recovery_limit(1);
        match parser.parse(text) {
            Ok(expr) => check(&expr),
            Err(errors) => Err(errors.errors.first().map_or_else(
                || "it cannot be parsed".to_owned(),
                |error| {
                    let (line, column) = error.pos;
                    format!("line {line}, column {column}: {}", error.msg)
                },
            )),
        }
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, understand);
        let thread = thread.map_err(|error| format!("no thread to parse it: {error}"))?;
        thread.join().unwrap_or_else(|_| Err("it cannot be parsed".to_owned()))
    })
}

fn regex(pattern: &str) -> Result<Regex, String> {
    let regex = RegexBuilder::new(pattern).size_limit(REGEX).build();
    regex.map_err(|_| format!("{pattern:?} is no regular expression, or too large a one"))
}
