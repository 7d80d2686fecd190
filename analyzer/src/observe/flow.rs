//! What is told of a flow, and of lost events.

use std::fmt::Write as _;

use arrow::array::{Array as _, AsArray};
use lookback_flow::columns::ColumnId;
use lookback_flow::event::words::{kind, policy_word, translated};
use lookback_flow::event::{COLUMNS, ETHERNET, EndColumns, Event, NODE_NAME, TIME, clean};
use lookback_flow::terms;

use super::print::{Cell, Colour, Style};

pub(super) fn compact(style: Style, event: &Event<'_>) -> String {
    let [source, destination] = COLUMNS.ends.each_ref().map(|end| end_with_identity(style, event, end));
    let (left, arrow, right) = match event.number(COLUMNS.is_reply) {
        None => (source, "<>", destination),
        Some(0) => (source, "->", destination),
        // The client stays on the left.
        Some(_) => (destination, "<-", source),
    };
    format!(
        "{}{}: {left} {arrow} {right} {} {} ({})",
        style.time(own_time(event)),
        style.node(&node(event)),
        kind(event),
        verdict(style, event),
        summary(event, |name, is_failing| {
            style.coloured(name, if is_failing { Colour::Red } else { Colour::Green })
        })
    )
}

pub(super) fn compact_lost(style: Style, event: &Event<'_>) -> String {
    let (source, details) = loss(style, event, "");
    format!("{} EVENTS LOST: {source} {details}", style.time(event.time()))
}

pub(super) fn cells(style: Style, event: &Event<'_>) -> [Cell; 7] {
    let [source, destination] = COLUMNS.ends.each_ref().map(|end| host(style, event, end));
    [
        ("TIMESTAMP", style.time(own_time(event))),
        ("NODE", node(event)),
        ("SOURCE", source),
        ("DESTINATION", destination),
        ("TYPE", kind(event)),
        ("VERDICT", verdict(style, event)),
        ("SUMMARY", summary(event, |name, _| name.to_owned())),
    ]
}

pub(super) fn lost(style: Style, event: &Event<'_>) -> [Cell; 7] {
    let (source, details) = loss(style, event, "- ");
    let nothing = || "-".to_owned();
    [
        ("TIMESTAMP", style.time(event.time())),
        ("NODE", event.clean(COLUMNS.node_name).unwrap_or_else(nothing)),
        ("SOURCE", source),
        ("DESTINATION", nothing()),
        ("TYPE", "EVENTS LOST".to_owned()),
        ("VERDICT", nothing()),
        ("SUMMARY", details),
    ]
}

fn end_with_identity(style: Style, event: &Event<'_>, end: &EndColumns) -> String {
    let number = event.number(end.identity).unwrap_or_default();
    let identity = terms::identity(number).map_or_else(|| format!("(ID:{number})"), |name| format!("({name})"));
    format!("{} {}", host(style, event, end), style.coloured(&identity, Colour::Magenta))
}

/// Where events were lost, and how many.
fn loss(style: Style, event: &Event<'_>, dash: &str) -> (String, String) {
    let source = clean(event.text(COLUMNS.lost_source).unwrap_or("UNKNOWN_LOST_EVENT_SOURCE"));
    let cpu = event.number(COLUMNS.lost_cpu).unwrap_or_default();
    let mut details = format!("CPU({cpu}) {dash}{}", event.number(COLUMNS.lost_count).unwrap_or_default());
    let (first, last) = (event.nanos(COLUMNS.lost_first), event.nanos(COLUMNS.lost_last));
    if first.is_some() || last.is_some() {
        let _ = write!(details, " (first: {}, last: {})", style.time(first), style.time(last));
    }
    (source, details)
}

/// A name or address, and the port.
fn host(style: Style, event: &Event<'_>, end: &EndColumns) -> String {
    let Some(ip) = event.text(end.ip) else {
        let address = event.clean(end.ethernet).unwrap_or_default();
        return if event.has(&ETHERNET) { style.coloured(&address, Colour::Cyan) } else { address };
    };
    let name = if style.translates { translated(event, end) } else { None };
    let port = event.number(end.port).filter(|port| *port != 0);
    let host = name.unwrap_or_else(|| clean(ip));
    let Some(port) = port else { return style.coloured(&host, Colour::Cyan) };
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    style.coloured(&format!("{host}:{}", style.coloured(&port.to_string(), Colour::Yellow)), Colour::Cyan)
}

fn verdict(style: Style, event: &Event<'_>) -> String {
    let verdict = clean(event.text(COLUMNS.verdict).unwrap_or("VERDICT_UNKNOWN"));
    let colour = match verdict.as_str() {
        "FORWARDED" | "REDIRECTED" => Some(Colour::Green),
        "DROPPED" | "ERROR" => Some(Colour::Red),
        "AUDIT" | "TRACED" | "TRANSLATED" => Some(Colour::Yellow),
        _ => None,
    };
    let (word, list) = policy_word(event, &verdict);
    let mut word = word.to_owned();
    if style.policy_names
        && let Some(list) = list
    {
        let policies = policies(event, list);
        if !policies.is_empty() {
            let _ = write!(word, " BY {}", policies.join(", "));
        }
    }
    colour.map_or_else(|| word.clone(), |colour| style.coloured(&word, colour))
}

/// The flow's own time, not its envelope's.
fn own_time(event: &Event<'_>) -> Option<i64> {
    event.time().filter(|_| event.has(&TIME))
}

fn node(event: &Event<'_>) -> String {
    event.clean(COLUMNS.node_name).filter(|_| event.has(&NODE_NAME)).unwrap_or_default()
}

fn summary(event: &Event<'_>, authentication: impl Fn(&str, bool) -> String) -> String {
    let mut parts = Vec::new();
    if let Some(id) = event.number(COLUMNS.ip_trace_id).filter(|id| *id != 0) {
        parts.push(format!("IP Trace ID: {id}"));
    }
    parts.extend(event.clean(COLUMNS.summary));
    if let Some(name) = event.text(COLUMNS.auth_type).filter(|name| *name != "DISABLED") {
        parts.push(format!("Auth: {}", authentication(&clean(name), name == "TEST_ALWAYS_FAIL")));
    }
    parts.join("; ")
}

/// The policies of a list that have a name and a kind.
fn policies(event: &Event<'_>, list: &str) -> Vec<String> {
    let side = match event.text(COLUMNS.traffic_direction) {
        Some("EGRESS") => "egress",
        Some("INGRESS") => "ingress",
        _ => return Vec::new(),
    };
    let items = ColumnId::of(&format!("{side}_{list}")).and_then(|column| event.view.structs(column, event.row));
    let Some(items) = items else { return Vec::new() };
    let texts = |name| items.column_by_name(name).and_then(|texts| texts.as_string_opt::<i32>());
    let (Some(names), Some(kinds)) = (texts("name"), texts("kind")) else { return Vec::new() };
    let text = |texts: &arrow::array::StringArray, row| {
        Some(texts)
            .filter(|texts| texts.is_valid(row))
            .map(|texts| clean(texts.value(row)))
            .filter(|text| !text.is_empty())
    };
    let both = |row| Some(format!("{} ({})", text(names, row)?, text(kinds, row)?));
    (0..items.len()).filter_map(both).collect()
}
