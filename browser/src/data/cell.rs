//! Columns of the flow table: a row in Hubble's words, and any column of the column table. Whatever comes out is harmless.

use arrow::array::{Array as _, AsArray};
use lookback_flow::columns::{COLUMNS as TABLE, ColumnId, Type};
use lookback_flow::escape::terminal;
use lookback_flow::event::words::{kind, policy_word, translated};
use lookback_flow::event::{COLUMNS, EndColumns, Event};
use lookback_flow::rows::Projection;
use lookback_flow::time::rfc3339;

use super::query::written;

/// A column that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Col {
    Time,
    Node,
    Source,
    Destination,
    Type,
    Verdict,
    Summary,
    /// As it is stored.
    Stored(ColumnId),
}

/// The columns that are shown at first.
pub const USUAL: [Col; 7] =
    [Col::Time, Col::Verdict, Col::Source, Col::Destination, Col::Type, Col::Summary, Col::Node];

impl Col {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Time => "TIME",
            Self::Node => "NODE",
            Self::Source => "SOURCE",
            Self::Destination => "DESTINATION",
            Self::Type => "TYPE",
            Self::Verdict => "VERDICT",
            Self::Summary => "SUMMARY",
            Self::Stored(id) => id.column().name,
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        USUAL.into_iter().find(|col| col.name() == name).or_else(|| stored().find(|col| col.name() == name))
    }

    /// The stored column that it is sorted and counted by.
    #[must_use]
    pub fn key(self) -> Option<ColumnId> {
        Some(match self {
            Self::Time => return None,
            Self::Node => COLUMNS.node_name,
            Self::Source => ColumnId::known("source_pod"),
            Self::Destination => ColumnId::known("destination_pod"),
            Self::Type => COLUMNS.event_type,
            Self::Verdict => COLUMNS.verdict,
            Self::Summary => COLUMNS.summary,
            Self::Stored(id) => id,
        })
    }

    /// Width that it should have, least and most.
    #[must_use]
    pub fn width(self) -> (u16, u16) {
        match self {
            Self::Time => (12, 12),
            Self::Node => (8, 24),
            Self::Source | Self::Destination => (14, 48),
            Self::Type => (10, 28),
            Self::Verdict => (9, 10),
            Self::Summary => (10, 80),
            Self::Stored(_) => (8, 40),
        }
    }

    fn needs(self) -> Vec<ColumnId> {
        let named = |names: &[&str]| names.iter().map(|name| ColumnId::known(name)).collect();
        let end = |end: &EndColumns| {
            vec![
                end.ip,
                end.port,
                end.pod,
                end.namespace,
                end.service_name,
                end.service_namespace,
                end.names,
                end.ethernet,
            ]
        };
        match self {
            Self::Time => vec![COLUMNS.time],
            Self::Node => vec![COLUMNS.node_name],
            Self::Source => end(COLUMNS.ends.first().unwrap_or(&COLUMNS.ends[0])),
            Self::Destination => end(&COLUMNS.ends[1]),
            Self::Type => named(&[
                "l7_type",
                "l7_protocol",
                "dns_observation_source",
                "event_type",
                "event_sub_type",
                "policy_match_type",
                "traffic_direction",
                "debug_capture_point",
                "sock_xlate_point",
            ]),
            Self::Verdict => vec![COLUMNS.verdict, COLUMNS.event_type],
            Self::Summary => named(&["summary", "drop_reason_desc", "lost_source", "lost_count", "lost_cpu"]),
            Self::Stored(id) => vec![id],
        }
    }
}

/// The columns of the column table that a table can show.
pub fn stored() -> impl Iterator<Item = Col> {
    let shown = |id: &ColumnId| {
        let column = id.column();
        !column.is_derived() && column.kind != Type::Presence && !column.path.is_empty()
    };
    (0u16..).map(ColumnId).zip(TABLE).map(|(id, _)| id).filter(shown).map(Col::Stored)
}

/// What must be read to show some columns.
#[must_use]
pub fn needs(columns: &[Col]) -> Projection {
    let always = ["time", "kind", "messages", "verdict", "is_reply", "event_type", "http_code", "dns_rcode", "l7_type"];
    Projection::of(always).with(columns.iter().flat_map(|col| col.needs()))
}

/// What stands in a column.
#[must_use]
pub fn text(col: Col, event: &Event<'_>) -> String {
    let is_lost = event.kind() == "lost_events";
    match col {
        Col::Time => event.time().map_or_else(|| "no time".to_owned(), clock),
        Col::Node => event.clean(COLUMNS.node_name).unwrap_or_default(),
        Col::Source if is_lost => event.clean(COLUMNS.lost_source).unwrap_or_default(),
        Col::Source => end(event, &COLUMNS.ends[0]),
        Col::Destination => end(event, &COLUMNS.ends[1]),
        Col::Type if is_lost => "EVENTS LOST".to_owned(),
        Col::Type => kind(event),
        Col::Verdict if is_lost => "-".to_owned(),
        Col::Verdict => {
            let verdict = event.text(COLUMNS.verdict).unwrap_or("UNKNOWN");
            terminal(policy_word(event, verdict).0).into_owned()
        }
        Col::Summary if is_lost => {
            format!("{} events lost on CPU {}", number(event, "lost_count"), number(event, "lost_cpu"))
        }
        Col::Summary => {
            let reason = event.clean(ColumnId::known("drop_reason_desc"));
            let parts = [reason, event.clean(COLUMNS.summary)];
            parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
        }
        Col::Stored(id) => value(id, event),
    }
}

fn number(event: &Event<'_>, name: &str) -> i128 {
    event.number(ColumnId::known(name)).unwrap_or_default()
}

/// A stored value as text.
#[must_use]
pub fn value(id: ColumnId, event: &Event<'_>) -> String {
    match id.column().kind {
        Type::Time => event.nanos(id).map(rfc3339).unwrap_or_default(),
        Type::Bool => event.number(id).map(|number| (number != 0).to_string()).unwrap_or_default(),
        Type::Names => event.joined(id).unwrap_or_default(),
        Type::Workloads | Type::Policies | Type::Headers | Type::Addresses => structs(id, event),
        _ => event.clean(id).or_else(|| event.number(id).map(|number| number.to_string())).unwrap_or_default(),
    }
}

/// The first two texts of each item: name and kind, key and value.
fn structs(id: ColumnId, event: &Event<'_>) -> String {
    let Some(items) = event.view.structs(id, event.row) else { return String::new() };
    let texts: Vec<_> = items.columns().iter().filter_map(|column| column.as_string_opt::<i32>()).take(2).collect();
    let item = |row| {
        let parts: Vec<&str> = texts.iter().filter(|texts| texts.is_valid(row)).map(|texts| texts.value(row)).collect();
        parts.join("/")
    };
    terminal(&(0..items.len()).map(item).collect::<Vec<_>>().join(", ")).into_owned()
}

/// The best name of an end, and its port.
#[must_use]
pub fn end(event: &Event<'_>, end: &EndColumns) -> String {
    let name = translated(event, end).or_else(|| event.clean(end.ip)).or_else(|| event.clean(end.ethernet));
    let name = name.unwrap_or_default();
    match event.number(end.port).filter(|port| *port != 0) {
        Some(port) if name.contains(':') => format!("[{name}]:{port}"),
        Some(port) => format!("{name}:{port}"),
        None => name,
    }
}

/// The time of a day, to the millisecond.
#[must_use]
pub fn clock(nanos: i64) -> String {
    let day = nanos.div_euclid(1_000_000).rem_euclid(86_400_000);
    let (hours, minutes, millis) = (day / 3_600_000, day / 60_000 % 60, day % 60_000);
    format!("{hours:02}:{minutes:02}:{:02}.{:03}", millis / 1000, millis % 1000)
}

/// Which flag asks for what a column has.
const FLAGS: &[(&str, &str)] = &[
    ("verdict", "verdict"),
    ("drop_reason_desc", "drop-reason-desc"),
    ("source_ip", "from-ip"),
    ("destination_ip", "to-ip"),
    ("source_ip_xlated", "snat-ip"),
    ("source_port", "from-port"),
    ("destination_port", "to-port"),
    ("source_identity", "from-identity"),
    ("destination_identity", "to-identity"),
    ("source_namespace", "from-namespace"),
    ("destination_namespace", "to-namespace"),
    ("source_cluster_name", "from-cluster"),
    ("destination_cluster_name", "to-cluster"),
    ("source_names", "from-fqdn"),
    ("destination_names", "to-fqdn"),
    ("source_labels", "from-label"),
    ("destination_labels", "to-label"),
    ("source_pod", "from-pod"),
    ("destination_pod", "to-pod"),
    ("source_workloads", "from-workload"),
    ("destination_workloads", "to-workload"),
    ("source_service_name", "from-service"),
    ("destination_service_name", "to-service"),
    ("node_name", "node-name"),
    ("node_labels", "node-label"),
    ("http_code", "http-status"),
    ("http_method", "http-method"),
    ("l4_protocol", "protocol"),
    ("l7_protocol", "protocol"),
    ("tcp_flags", "tcp-flags"),
    ("ip_version", "ip-version"),
    ("traffic_direction", "traffic-direction"),
    ("event_type", "type"),
    ("interface_name", "interface"),
    ("uuid", "uuid"),
    ("trace_id", "trace-id"),
    ("ip_trace_id", "ip-trace-id"),
];

/// The column that values of a flag are taken from.
#[must_use]
pub fn columns_of_flag(flag: &str) -> Vec<ColumnId> {
    let direct = FLAGS.iter().filter(|(_, own)| *own == flag);
    let ends =
        FLAGS.iter().filter(|(_, own)| own.strip_prefix("from-").or_else(|| own.strip_prefix("to-")) == Some(flag));
    direct.chain(ends).map(|(column, _)| ColumnId::known(column)).collect()
}

/// The word of the filter line that keeps rows with a value of a column.
#[must_use]
pub fn word_of_value(id: ColumnId, value: &str, namespace: Option<&str>) -> Option<String> {
    let name = id.column().name;
    if value.is_empty() {
        return None;
    }
    let value = match name {
        "source_pod" | "destination_pod" | "source_service_name" | "destination_service_name" => {
            // Without its namespace, a name is one of `default`.
            if value.contains('/') { value.to_owned() } else { format!("{}/{value}", namespace.unwrap_or_default()) }
        }
        "l4_protocol" | "l7_protocol" => value.to_lowercase(),
        "tcp_flags" => value.replace(", ", ","),
        "source_labels" | "destination_labels" | "node_labels" | "source_names" | "destination_names" => {
            value.split(',').next().unwrap_or_default().to_owned()
        }
        "source_workloads" | "destination_workloads" => {
            // Shown as name and kind, asked for as kind and name.
            let first = value.split(", ").next().unwrap_or_default();
            first.split_once('/').map_or_else(|| first.to_owned(), |(name, kind)| format!("{kind}/{name}"))
        }
        _ => value.to_owned(),
    };
    if let Some((_, flag)) = FLAGS.iter().find(|(column, _)| *column == name) {
        return Some(written(flag, Some(&value)));
    }
    let path = id.column().path.strip_prefix("flow.").filter(|path| !path.contains(['{', '*']))?;
    let literal = match id.column().kind {
        Type::Text | Type::Name => format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'")),
        Type::Bool | Type::I32 | Type::U32 | Type::U64 | Type::I64 => value,
        _ => return None,
    };
    Some(written("cel-expression", Some(&format!("_flow.{path} == {literal}"))))
}

/// The word of the filter line that keeps rows with what a cell has.
#[must_use]
pub fn word(col: Col, event: &Event<'_>) -> Option<String> {
    match col {
        Col::Time => event.time().map(|time| written("since", Some(&rfc3339(time)))),
        Col::Node => event.clean(COLUMNS.node_name).map(|name| written("node-name", Some(&name))),
        Col::Source => word_of_end(event, &COLUMNS.ends[0], "from"),
        Col::Destination => word_of_end(event, &COLUMNS.ends[1], "to"),
        Col::Type => {
            let number = i32::try_from(event.number(COLUMNS.event_type)?).ok()?;
            let name = lookback_flow::terms::EVENT_TYPES.iter().find(|(own, _)| *own == number);
            let name = name.map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned());
            Some(written("type", Some(&name)))
        }
        Col::Verdict => event.clean(COLUMNS.verdict).map(|verdict| written("verdict", Some(&verdict))),
        Col::Summary => {
            let reason = event.clean(ColumnId::known("drop_reason_desc"))?;
            Some(written("drop-reason-desc", Some(&reason)))
        }
        Col::Stored(id) => {
            let side = id.column().name.split_once('_').map_or("", |(side, _)| side);
            let namespace = ColumnId::of(&format!("{side}_namespace")).and_then(|id| event.clean(id));
            word_of_value(id, &value(id, event), namespace.as_deref())
        }
    }
}

fn word_of_end(event: &Event<'_>, end: &EndColumns, way: &str) -> Option<String> {
    let both = |namespace: Option<String>, name: String| format!("{}/{name}", namespace.unwrap_or_default());
    if let Some(pod) = event.clean(end.pod) {
        return Some(written(&format!("{way}-pod"), Some(&both(event.clean(end.namespace), pod))));
    }
    if let Some(service) = event.clean(end.service_name) {
        let name = both(event.clean(end.service_namespace), service);
        return Some(written(&format!("{way}-service"), Some(&name)));
    }
    event.clean(end.ip).map(|ip| written(&format!("{way}-ip"), Some(&ip)))
}

#[cfg(test)]
mod tests {
    use lookback_flow::filter::flags::FLAGS as KNOWN;

    use super::*;

    #[test]
    fn every_column_that_a_flag_is_made_of_is_there_and_so_is_the_flag() {
        for (column, flag) in FLAGS {
            assert!(ColumnId::of(column).is_some(), "{column}");
            assert!(KNOWN.iter().any(|known| known.name == *flag), "{flag}");
        }
    }

    #[test]
    fn what_no_flag_asks_for_a_cel_expression_does() {
        let id = ColumnId::known("dns_query");
        let word = word_of_value(id, "it's.example.", None).unwrap();
        assert_eq!(word, r#"cel-expression:"_flow.l7.dns.query == 'it\'s.example.'""#);
        assert!(super::super::query::Query::parse(&word, None).is_ok());
    }

    #[test]
    fn a_time_of_day_is_short() {
        assert_eq!(clock(1_772_366_461_002_000_000), "12:01:01.002");
        assert_eq!(clock(-1), "23:59:59.999");
    }
}
