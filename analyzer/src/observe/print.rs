//! Events as `hubble observe` prints them.

use std::fmt::Write as _;

use arrow::array::{Array as _, AsArray};
use chrono::{DateTime, Utc};
use clap::ValueEnum;
use lookback_flow::columns::ColumnId;
use lookback_flow::schema::presence_bit;
use lookback_flow::view::View;

use super::terms;
use crate::render::terminal;

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A line for each event
    Compact,
    /// A block of keys and values for each event
    Dict,
    /// Columns, once all events are there
    #[value(alias = "tab")]
    Table,
    /// The lines of an exporter
    #[value(alias = "jsonpb")]
    Json,
}

/// How times are written; always in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub(crate) enum TimeFormat {
    #[default]
    StampMilli,
    YearMonthDay,
    YearMonthDayHour,
    YearMonthDayHourMinute,
    #[value(name = "RFC3339")]
    Rfc3339,
    #[value(name = "RFC3339Milli")]
    Rfc3339Milli,
    #[value(name = "RFC3339Micro")]
    Rfc3339Micro,
    #[value(name = "RFC3339Nano")]
    Rfc3339Nano,
    #[value(name = "RFC1123Z")]
    Rfc1123z,
}

/// What is shown, and how.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub format: Format,
    pub time: TimeFormat,
    pub node_names: bool,
    pub policy_names: bool,
    /// Names instead of addresses.
    pub translates: bool,
    pub colours: bool,
}

/// Headings of a table, and keys of a dict.
const HEADINGS: [&str; 7] = ["TIMESTAMP", "NODE", "SOURCE", "DESTINATION", "TYPE", "VERDICT", "SUMMARY"];

/// SGR parameters.
#[derive(Clone, Copy)]
enum Colour {
    Red = 31,
    Green = 32,
    Yellow = 33,
    Magenta = 35,
    Cyan = 36,
}

/// One end of a flow.
#[derive(Clone, Copy)]
enum End {
    Source,
    Destination,
}

/// A row of a batch.
#[derive(Clone, Copy)]
pub(super) struct Event<'a> {
    pub view: &'a View<'a>,
    pub row: usize,
}

impl<'a> Event<'a> {
    fn text(&self, column: &str) -> Option<&'a str> {
        self.view.text(ColumnId::of(column)?, self.row).filter(|text| !text.is_empty())
    }

    fn number(&self, column: &str) -> Option<i128> {
        self.view.number(ColumnId::of(column)?, self.row)
    }

    fn nanos(&self, column: &str) -> Option<i64> {
        i64::try_from(self.number(column)?).ok()
    }

    /// Whether a message or field was there.
    fn has(&self, path: &str) -> bool {
        let bit = presence_bit(path).map_or(0, |bit| 1i128 << bit);
        self.number("messages").is_none_or(|present| present & bit != 0)
    }

    pub(super) fn kind(&self) -> &'a str {
        self.text("kind").unwrap_or("flow")
    }

    pub(super) fn time(&self) -> Option<i64> {
        self.nanos("time")
    }

    fn end(&self, end: End, column: &str) -> Option<&'a str> {
        self.text(&format!("{}_{column}", end.name()))
    }
}

impl End {
    fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
        }
    }
}

impl Style {
    /// An event as a line or a block, or as the cells of a table with tabs between; `None` for what is not shown.
    pub(super) fn event(self, event: &Event<'_>) -> Option<String> {
        match (event.kind(), self.format) {
            ("flow", Format::Compact) => Some(self.compact(event)),
            ("lost_events", Format::Compact) => Some(self.compact_lost(event)),
            ("flow", _) => Some(self.fields(&self.flow(event), false)),
            ("lost_events", _) => Some(self.fields(&self.lost(event), true)),
            _ => None,
        }
    }

    /// The headings, where there is a table.
    pub(super) fn headings(self) -> String {
        self.shown(&HEADINGS.map(str::to_owned)).map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\t")
    }

    fn shown(self, texts: &[String; 7]) -> impl Iterator<Item = (&'static str, &String)> {
        let node_names = self.node_names;
        HEADINGS.into_iter().zip(texts).filter(move |(heading, _)| node_names || *heading != "NODE")
    }

    /// The cells of a table, or the lines of a dict, where what was lost has no destination.
    fn fields(self, texts: &[String; 7], is_lost: bool) -> String {
        if self.format == Format::Table {
            return self.shown(texts).map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\t");
        }
        let shown = self.shown(texts).filter(|(heading, _)| !(is_lost && *heading == "DESTINATION"));
        let lines: Vec<String> = shown.map(|(heading, text)| format!("{heading:>11}: {text}")).collect();
        lines.join("\n")
    }

    fn compact(self, event: &Event<'_>) -> String {
        let (source, destination) =
            (self.end_with_identity(event, End::Source), self.end_with_identity(event, End::Destination));
        let (left, arrow, right) = match event.number("is_reply") {
            None => (source, "<>", destination),
            Some(0) => (source, "->", destination),
            // The client stays on the left.
            Some(_) => (destination, "<-", source),
        };
        let node = if self.node_names { format!(" [{}]", node(event)) } else { String::new() };
        format!(
            "{}{node}: {left} {arrow} {right} {} {} ({})",
            self.time(own_time(event)),
            kind(event),
            self.verdict(event),
            summary(event, |name, is_failing| self
                .coloured(name, if is_failing { Colour::Red } else { Colour::Green }))
        )
    }

    fn end_with_identity(self, event: &Event<'_>, end: End) -> String {
        let number = event.number(&format!("{}_identity", end.name())).unwrap_or_default();
        let identity = terms::identity(number).map_or_else(|| format!("(ID:{number})"), |name| format!("({name})"));
        format!("{} {}", self.host(event, end), self.coloured(&identity, Colour::Magenta))
    }

    fn compact_lost(self, event: &Event<'_>) -> String {
        let (source, details) = self.loss(event, "");
        format!("{} EVENTS LOST: {source} {details}", self.time(event.time()))
    }

    fn flow(self, event: &Event<'_>) -> [String; 7] {
        [
            self.time(own_time(event)),
            node(event),
            self.host(event, End::Source),
            self.host(event, End::Destination),
            kind(event),
            self.verdict(event),
            summary(event, |name, _| name.to_owned()),
        ]
    }

    fn lost(self, event: &Event<'_>) -> [String; 7] {
        let (source, details) = self.loss(event, "- ");
        let node = event.text("node_name").map_or_else(|| "-".to_owned(), clean);
        let nothing = || "-".to_owned();
        [self.time(event.time()), node, source, nothing(), "EVENTS LOST".to_owned(), nothing(), details]
    }

    /// Where events were lost, and how many.
    fn loss(self, event: &Event<'_>, dash: &str) -> (String, String) {
        let source = clean(event.text("lost_source").unwrap_or("UNKNOWN_LOST_EVENT_SOURCE"));
        let cpu = event.number("lost_cpu").unwrap_or_default();
        let mut details = format!("CPU({cpu}) {dash}{}", event.number("lost_count").unwrap_or_default());
        let (first, last) = (event.nanos("lost_first"), event.nanos("lost_last"));
        if first.is_some() || last.is_some() {
            let _ = write!(details, " (first: {}, last: {})", self.time(first), self.time(last));
        }
        (source, details)
    }

    /// A name or address, and the port.
    fn host(self, event: &Event<'_>, end: End) -> String {
        let Some(ip) = event.end(end, "ip") else {
            let address = event.text(&format!("ethernet_{}", end.name())).map(clean).unwrap_or_default();
            return if event.has("flow.ethernet") { self.coloured(&address, Colour::Cyan) } else { address };
        };
        let name = if self.translates { translated(event, end) } else { None };
        let port = event.number(&format!("{}_port", end.name())).filter(|port| *port != 0);
        let host = name.unwrap_or_else(|| clean(ip));
        let Some(port) = port else { return self.coloured(&host, Colour::Cyan) };
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        self.coloured(&format!("{host}:{}", self.coloured(&port.to_string(), Colour::Yellow)), Colour::Cyan)
    }

    fn verdict(self, event: &Event<'_>) -> String {
        let verdict = clean(event.text("verdict").unwrap_or("VERDICT_UNKNOWN"));
        let colour = match verdict.as_str() {
            "FORWARDED" | "REDIRECTED" => Some(Colour::Green),
            "DROPPED" | "ERROR" => Some(Colour::Red),
            "AUDIT" | "TRACED" | "TRANSLATED" => Some(Colour::Yellow),
            _ => None,
        };
        let (mut word, mut list) = (verdict.as_str(), None);
        if event.number("event_type") == Some(terms::POLICY_VERDICT.into()) {
            (word, list) = match word {
                "FORWARDED" | "REDIRECTED" => ("ALLOWED", Some("allowed_by")),
                "DROPPED" | "ERROR" => ("DENIED", Some("denied_by")),
                "AUDIT" => ("AUDITED", Some("denied_by")),
                other => (other, None),
            };
        }
        let mut word = word.to_owned();
        if self.policy_names
            && let Some(list) = list
        {
            let policies = policies(event, list);
            if !policies.is_empty() {
                let _ = write!(word, " BY {}", policies.join(", "));
            }
        }
        colour.map_or_else(|| word.clone(), |colour| self.coloured(&word, colour))
    }

    fn coloured(self, text: &str, colour: Colour) -> String {
        if self.colours { format!("\u{1b}[{}m{text}\u{1b}[0m", colour as u8) } else { text.to_owned() }
    }

    fn time(self, nanos: Option<i64>) -> String {
        let Some(nanos) = nanos else { return "N/A".to_owned() };
        let time: DateTime<Utc> = DateTime::from_timestamp_nanos(nanos);
        let fraction = |digits: usize| {
            let all = format!("{:09}", nanos.rem_euclid(1_000_000_000));
            let some = all.get(..digits).unwrap_or_default().trim_end_matches('0');
            if some.is_empty() { String::new() } else { format!(".{some}") }
        };
        let seconds = || time.format("%Y-%m-%dT%H:%M:%S").to_string();
        match self.time {
            TimeFormat::StampMilli => time.format("%b %e %H:%M:%S%.3f").to_string(),
            TimeFormat::YearMonthDay => time.format("%Y-%m-%d").to_string(),
            TimeFormat::YearMonthDayHour => time.format("%Y-%m-%dT%HZ").to_string(),
            TimeFormat::YearMonthDayHourMinute => time.format("%Y-%m-%dT%H:%MZ").to_string(),
            TimeFormat::Rfc3339 => format!("{}Z", seconds()),
            TimeFormat::Rfc3339Milli => format!("{}{}Z", seconds(), fraction(3)),
            TimeFormat::Rfc3339Micro => format!("{}{}Z", seconds(), fraction(6)),
            TimeFormat::Rfc3339Nano => format!("{}{}Z", seconds(), fraction(9)),
            TimeFormat::Rfc1123z => time.format("%a, %d %b %Y %H:%M:%S +0000").to_string(),
        }
    }
}

fn clean(text: &str) -> String {
    terminal(text).into_owned()
}

/// The flow's own time, not its envelope's.
fn own_time(event: &Event<'_>) -> Option<i64> {
    event.time().filter(|_| event.has("flow.time"))
}

fn node(event: &Event<'_>) -> String {
    event.text("node_name").filter(|_| event.has("flow.node_name")).map(clean).unwrap_or_default()
}

/// The pod, else the service, else the names of an end.
fn translated(event: &Event<'_>, end: End) -> Option<String> {
    let service = event.end(end, "service_name");
    // The service's namespace is told for the pod's, too.
    let namespace = event.end(end, "service_namespace").or_else(|| event.end(end, "namespace"));
    if let Some(name) = event.end(end, "pod").or(service) {
        return Some(namespace.map_or_else(|| clean(name), |namespace| clean(&format!("{namespace}/{name}"))));
    }
    let names = event.view.texts(ColumnId::of(&format!("{}_names", end.name()))?, event.row)?;
    let names: Vec<&str> = names.iter().flatten().collect();
    (!names.is_empty()).then(|| clean(&names.join(",")))
}

/// What kind of event a flow is.
fn kind(event: &Event<'_>) -> String {
    let sub_type = event.number("event_sub_type").unwrap_or_default();
    let named = |column, default: &str| clean(event.text(column).unwrap_or(default));
    if event.text("l7_type").is_some() || event.text("l7_protocol").is_some() {
        let l7_type = named("l7_type", "UNKNOWN_L7_TYPE").to_lowercase();
        return match event.text("l7_protocol") {
            Some("dns") => format!("dns-{l7_type} {}", named("dns_observation_source", "")),
            Some(protocol) => format!("{}-{l7_type}", clean(protocol)),
            None => format!("l7-{l7_type}"),
        };
    }
    match event.number("event_type").and_then(|number| i32::try_from(number).ok()) {
        Some(terms::TRACE) => terms::trace_point(sub_type),
        Some(terms::DROP) => terms::drop_text(sub_type),
        Some(terms::POLICY_VERDICT) => format!(
            "policy-verdict:{} {}",
            terms::policy_match(event.number("policy_match_type").unwrap_or_default()),
            named("traffic_direction", "TRAFFIC_DIRECTION_UNKNOWN")
        ),
        Some(terms::CAPTURE) => named("debug_capture_point", "DBG_CAPTURE_POINT_UNKNOWN"),
        Some(terms::TRACE_SOCK) => match event.text("sock_xlate_point").unwrap_or("SOCK_XLATE_POINT_UNKNOWN") {
            "SOCK_XLATE_POINT_PRE_DIRECTION_FWD" => "pre-xlate-fwd".to_owned(),
            "SOCK_XLATE_POINT_POST_DIRECTION_FWD" => "post-xlate-fwd".to_owned(),
            "SOCK_XLATE_POINT_PRE_DIRECTION_REV" => "pre-xlate-rev".to_owned(),
            "SOCK_XLATE_POINT_POST_DIRECTION_REV" => "post-xlate-rev".to_owned(),
            other => clean(other),
        },
        _ => "UNKNOWN".to_owned(),
    }
}

fn summary(event: &Event<'_>, authentication: impl Fn(&str, bool) -> String) -> String {
    let mut parts = Vec::new();
    if let Some(id) = event.number("ip_trace_id").filter(|id| *id != 0) {
        parts.push(format!("IP Trace ID: {id}"));
    }
    parts.extend(event.text("summary").map(clean));
    if let Some(name) = event.text("auth_type").filter(|name| *name != "DISABLED") {
        parts.push(format!("Auth: {}", authentication(&clean(name), name == "TEST_ALWAYS_FAIL")));
    }
    parts.join("; ")
}

/// The policies of a list that have a name and a kind.
fn policies(event: &Event<'_>, list: &str) -> Vec<String> {
    let side = match event.text("traffic_direction") {
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
