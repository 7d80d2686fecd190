//! The fields of a filter, each with its rule: `docs/observe.md` tells them.

mod datapath;
mod ends;
mod layer7;

use std::collections::HashSet;
use std::sync::LazyLock;

use arrow::array::{Array as _, AsArray, StructArray};

use self::datapath::{datapath, event_type};
use self::ends::{labels, source_and_destination};
use self::layer7::layer_7;
use super::condition::Condition;
use super::{FilterError, cel};
use crate::columns::ColumnId;
use crate::proto::flow::FlowFilter;
use crate::schema::presence_bit;
use crate::view::View;

/// Event types of what is no flow, and of records of layer 7.
const DEBUG: i32 = 2;
const AGENT: i32 = 130;
const L7: i32 = 129;

/// The ids of columns, looked up once.
struct Columns {
    kind: ColumnId,
    messages: ColumnId,
    verdict: ColumnId,
    l7_protocol: ColumnId,
    l4_protocol: ColumnId,
    is_reply: ColumnId,
    event_type: ColumnId,
    event_sub_type: ColumnId,
    agent_event_type: ColumnId,
    debug_event_type: ColumnId,
    http_url: ColumnId,
    http_headers: ColumnId,
    interface_index: ColumnId,
    interface_name: ColumnId,
}

static COLUMNS: LazyLock<Columns> = LazyLock::new(|| Columns {
    kind: ColumnId::known("kind"),
    messages: ColumnId::known("messages"),
    verdict: ColumnId::known("verdict"),
    l7_protocol: ColumnId::known("l7_protocol"),
    l4_protocol: ColumnId::known("l4_protocol"),
    is_reply: ColumnId::known("is_reply"),
    event_type: ColumnId::known("event_type"),
    event_sub_type: ColumnId::known("event_sub_type"),
    agent_event_type: ColumnId::known("agent_event_type"),
    debug_event_type: ColumnId::known("debug_event_type"),
    http_url: ColumnId::known("http_url"),
    http_headers: ColumnId::known("http_headers"),
    interface_index: ColumnId::known("interface_index"),
    interface_name: ColumnId::known("interface_name"),
});

/// The conditions of a filter; all must hold. Whether reports of lost events are of any event type depends on who asks.
pub(super) fn conditions(filter: &FlowFilter, lost_match_types: bool) -> Result<Vec<Condition>, FilterError> {
    let mut all = Vec::new();
    source_and_destination(filter, &mut all)?;
    datapath(filter, &mut all)?;
    layer_7(filter, &mut all)?;
    if let Some(experimental) = &filter.experimental
        && !experimental.cel_expression.is_empty()
    {
        let condition = cel::condition(&experimental.cel_expression);
        all.push(condition.map_err(|why| field("experimental.cel_expression", why))?);
    }
    // All of these ask about flows, but for the type of an event and labels that must not be there.
    let asks_flows = !all.is_empty();
    if !filter.event_type.is_empty() {
        all.push(event_type(&filter.event_type, lost_match_types));
    }
    labels(filter, &mut all)?;
    if asks_flows {
        let kind = COLUMNS.kind;
        all.insert(0, Condition::text(kind, |kind| kind.is_none_or(|kind| kind == "flow")));
    }
    Ok(all)
}

fn field(field: &'static str, why: impl Into<String>) -> FilterError {
    FilterError::Field { field, why: why.into() }
}

/// Parses the values of a field.
fn parsed<T>(
    name: &'static str,
    values: &[String],
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, FilterError> {
    values.iter().map(|value| parse(value).map_err(|why| field(name, why))).collect()
}

/// Two texts of each item of a list; a missing one is empty.
fn pairs<'a>(items: &'a StructArray, first: &str, second: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let texts = |name| items.column_by_name(name).and_then(|texts| texts.as_string_opt::<i32>());
    let (first, second) = (texts(first), texts(second));
    let at = |texts: Option<&'a arrow::array::StringArray>, row: usize| {
        texts.filter(|texts| texts.is_valid(row)).map_or("", |texts| texts.value(row))
    };
    (0..items.len()).map(move |row| (at(first, row), at(second, row)))
}

/// A text column must have one of these values.
fn exactly(column: &str, values: &[impl AsRef<str>], all: &mut Vec<Condition>) {
    if !values.is_empty() {
        let column = ColumnId::known(column);
        let values: HashSet<String> = values.iter().map(|value| value.as_ref().to_owned()).collect();
        let clause = values.iter().map(|value| (column, value.as_str().into())).collect();
        let test = move |text: Option<&str>| text.is_some_and(|text| values.contains(text));
        all.push(Condition::text(column, test).told_by(Some(clause)));
    }
}

fn number(column: ColumnId, wanted: Vec<i128>) -> Condition {
    Condition::new([column], move |view: &View<'_>, row| {
        view.number(column, row).is_some_and(|number| wanted.contains(&number))
    })
}

/// A message or field must be there.
fn present(path: &str) -> Condition {
    let messages = COLUMNS.messages;
    let bit = presence_bit(path).map_or(0, |bit| 1i128 << bit);
    // Batches made elsewhere do not tell.
    Condition::new([messages], move |view, row| view.number(messages, row).is_none_or(|present| present & bit != 0))
}
