//! What is told of events of the Cilium agent, and of debug events of its datapath.

use arrow::array::{Array as _, AsArray};
use arrow::datatypes::UInt32Type;
use lookback_flow::columns::ColumnId;

use super::print::{Cell, Style};
use lookback_flow::event::{COLUMNS, DEBUG_SOURCE, Event, clean};

pub(super) fn compact_agent(style: Style, event: &Event<'_>) -> String {
    let (time, node) = (style.time(event.time()), style.node(&node(event)));
    format!("{time}{node}: {} ({})", agent_type(event), details(style, event))
}

pub(super) fn agent(style: Style, event: &Event<'_>) -> [Cell; 4] {
    [
        ("TIMESTAMP", style.time(event.time())),
        ("NODE", node(event)),
        ("TYPE", agent_type(event)),
        ("DETAILS", details(style, event)),
    ]
}

pub(super) fn compact_debug(style: Style, event: &Event<'_>) -> String {
    let (time, node) = (style.time(event.time()), style.node(&node(event)));
    let (from, kind, mark, cpu) = (from(event), debug_type(event), mark(event), cpu(event));
    format!("{time}{node}: {from} {kind} MARK: {mark} CPU: {cpu} ({})", message(event))
}

pub(super) fn debug(style: Style, event: &Event<'_>) -> [Cell; 7] {
    [
        ("TIMESTAMP", style.time(event.time())),
        ("NODE", node(event)),
        ("TYPE", debug_type(event)),
        ("FROM", from(event)),
        ("MARK", mark(event)),
        ("CPU", cpu(event)),
        ("MESSAGE", message(event)),
    ]
}

/// The cells of a table, one of which is always empty.
pub(super) fn debug_row(style: Style, event: &Event<'_>) -> [Cell; 7] {
    [
        ("TIMESTAMP", style.time(event.time())),
        ("NODE", node(event)),
        ("FROM", from(event)),
        ("", String::new()),
        ("TYPE", debug_type(event)),
        ("CPU/MARK", format!("{} {}", cpu(event), mark(event))),
        ("MESSAGE", message(event)),
    ]
}

fn node(event: &Event<'_>) -> String {
    event.clean(COLUMNS.node_name).unwrap_or_default()
}

fn text(event: &Event<'_>, column: &str) -> Option<String> {
    event.clean(ColumnId::known(column))
}

fn number(event: &Event<'_>, column: &str) -> Option<i128> {
    event.number(ColumnId::known(column))
}

fn agent_type(event: &Event<'_>) -> String {
    text(event, "agent_event_type").unwrap_or_else(|| "AGENT_EVENT_UNKNOWN".to_owned())
}

/// What an agent's event says; `UNKNOWN` if its content is not that of its type.
fn details(style: Style, event: &Event<'_>) -> String {
    let content = event.text(ColumnId::known("agent_notification")).unwrap_or_default();
    let list = |column: &str| event.joined(ColumnId::known(column)).unwrap_or_default();
    let count = |column: &str| number(event, column).unwrap_or_default();
    let known = |column: &str| text(event, column).unwrap_or_default();
    let mut parts = match (agent_type(event).as_str(), content) {
        ("AGENT_EVENT_UNKNOWN", "unknown") => {
            let (kind, notification) = (known("agent_unknown_type"), known("agent_unknown_notification"));
            vec![format!("type: {kind}"), format!("notification: {notification}")]
        }
        ("AGENT_STARTED", "agent_start") => {
            vec![format!("start time: {}", style.time(event.nanos(ColumnId::known("agent_start_time"))))]
        }
        ("POLICY_UPDATED" | "POLICY_DELETED", "policy_update") => vec![
            format!("labels: [{}]", list("policy_update_labels")),
            format!("revision: {}", count("policy_update_revision")),
            format!("count: {}", count("policy_update_rule_count")),
        ],
        ("ENDPOINT_REGENERATE_SUCCESS" | "ENDPOINT_REGENERATE_FAILURE", "endpoint_regenerate") => vec![
            format!("id: {}", count("endpoint_regenerate_id")),
            format!("labels: [{}]", list("endpoint_regenerate_labels")),
        ],
        ("ENDPOINT_CREATED" | "ENDPOINT_DELETED", "endpoint_update") => {
            vec![format!("id: {}", count("endpoint_update_id"))]
        }
        ("IPCACHE_UPSERTED" | "IPCACHE_DELETED", "ipcache_update") => {
            vec![format!("cidr: {}", known("ipcache_cidr")), format!("identity: {}", count("ipcache_identity"))]
        }
        ("SERVICE_UPSERTED", "service_upsert") => vec![format!("id: {}", count("service_upsert_id"))],
        ("SERVICE_DELETED", "service_delete") => vec![format!("id: {}", count("service_delete_id"))],
        _ => return "UNKNOWN".to_owned(),
    };
    let mut add = |name: &str, value: Option<String>| parts.extend(value.map(|value| format!("{name}: {value}")));
    match content {
        "endpoint_regenerate" => add("error", text(event, "endpoint_regenerate_error")),
        "endpoint_update" => {
            add("namespace", text(event, "endpoint_update_namespace"));
            add("pod name", text(event, "endpoint_update_pod"));
        }
        "ipcache_update" => {
            add("old identity", number(event, "ipcache_old_identity").map(|number| number.to_string()));
            add("host ip", text(event, "ipcache_host_ip"));
            add("old host ip", text(event, "ipcache_old_host_ip"));
            add("encrypt key", Some(count("ipcache_encrypt_key").to_string()));
        }
        "service_upsert" => {
            let port = number(event, "service_upsert_frontend_port");
            let ip = text(event, "service_upsert_frontend_ip");
            let frontend = (ip.is_some() || port.is_some()).then(|| address(&ip.unwrap_or_default(), port));
            add("frontend", frontend);
            add("backends", backends(event));
            add("type", text(event, "service_upsert_type"));
            add("traffic policy", text(event, "service_upsert_traffic_policy"));
            add("namespace", text(event, "service_upsert_namespace"));
            add("name", text(event, "service_upsert_name"));
        }
        _ => {}
    }
    parts.join(", ")
}

/// The addresses behind a service.
fn backends(event: &Event<'_>) -> Option<String> {
    let items = event.view.structs(ColumnId::known("service_upsert_backends"), event.row)?;
    let ips = items.column_by_name("ip")?.as_string_opt::<i32>()?;
    let ports = items.column_by_name("port")?.as_primitive_opt::<UInt32Type>()?;
    let one = |row: usize| {
        let ip = if ips.is_valid(row) { clean(ips.value(row)) } else { String::new() };
        address(&ip, ports.is_valid(row).then(|| ports.value(row).into()))
    };
    let all: Vec<String> = (0..items.len()).map(one).collect();
    (!all.is_empty()).then(|| format!("[{}]", all.join(",")))
}

fn address(ip: &str, port: Option<i128>) -> String {
    let port = port.unwrap_or_default();
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}

fn debug_type(event: &Event<'_>) -> String {
    text(event, "debug_event_type").unwrap_or_else(|| "DBG_EVENT_UNKNOWN".to_owned())
}

/// The endpoint that a debug event is about.
fn from(event: &Event<'_>) -> String {
    if !event.has(&DEBUG_SOURCE) {
        return "N/A".to_owned();
    }
    let id = format!("ID: {}", number(event, "debug_source_endpoint_id").unwrap_or_default());
    let (namespace, pod) = (text(event, "debug_source_namespace"), text(event, "debug_source_pod"));
    if let (Some(namespace), Some(pod)) = (namespace, pod) {
        return format!("{namespace}/{pod} ({id})");
    }
    let labels = event.view.texts(ColumnId::known("debug_source_labels"), event.row);
    let reserved = labels.filter(|labels| labels.len() == 1 && labels.is_valid(0)).map(|labels| clean(labels.value(0)));
    match reserved.filter(|label| label.starts_with("reserved:")) {
        Some(label) => format!("{label} ({id})"),
        None => id,
    }
}

fn mark(event: &Event<'_>) -> String {
    number(event, "debug_hash").map_or_else(|| "N/A".to_owned(), |mark| format!("{mark:#x}"))
}

fn cpu(event: &Event<'_>) -> String {
    number(event, "debug_cpu").map_or_else(|| "N/A".to_owned(), |cpu| format!("{cpu:02}"))
}

fn message(event: &Event<'_>) -> String {
    text(event, "debug_message").unwrap_or_default()
}
