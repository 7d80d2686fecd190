//! The derived columns in SQL: what `derive.rs` and `names.rs` of flow do, and in their order.

use lookback_flow::columns::{COLUMNS, Column, Type};
use lookback_flow::names::RESERVED_IDENTITIES;

use super::STORED;
use super::dialect::{Dialect, SEPARATOR};

/// Where Linux begins to choose ports for clients.
const FIRST_EPHEMERAL: u32 = 32_768;

/// Labels that name an application, best first; a point is `[.]` to a regular expression.
const APP_LABELS: [&str; 3] = ["app[.]kubernetes[.]io/name", "k8s-app", "app"];

/// Parts of pod names that Kubernetes generates, and what stands before them.
const GENERATED: [&str; 4] = [
    "(?s)^(.+)-[0-9]+$",
    "(?s)^(.+)-[bcdfghjklmnpqrstvwxz2456789]{8,10}-[bcdfghjklmnpqrstvwxz2456789]{5}$",
    "(?s)^(.+)-[0-9]{8,}-[bcdfghjklmnpqrstvwxz2456789]{5}$",
    "(?s)^(.+)-[bcdfghjklmnpqrstvwxz2456789]{5}$",
];

/// The query behind the view.
pub(super) fn events(dialect: Dialect) -> String {
    let columns: Vec<String> =
        COLUMNS.iter().map(|column| format!("  {} AS {}", expression(dialect, column), column.name)).collect();
    let prepared: Vec<String> =
        dialect.prepared().iter().map(|(expression, name)| format!("  {expression} AS {name}")).collect();
    let (prepared, stored) = match prepared.as_slice() {
        [] => (String::new(), STORED),
        some => (format!("prepared AS (\n  SELECT *,\n{}\n  FROM {STORED}\n),\n", some.join(",\n")), "prepared"),
    };
    let workload = |side: &str| {
        let name = dialect.first_name(&format!("{side}_workloads"));
        format!(
            "SELECT coalesce({side}_namespace, '') AS namespace, {side}_pod AS pod, {name} AS found FROM {stored} \
             WHERE {side}_pod IS NOT NULL"
        )
    };
    let join = |side: &str, alias: &str| {
        format!(
            "LEFT JOIN pods AS {alias} ON coalesce(s.{side}_namespace, '') = {alias}.namespace \
             AND s.{side}_pod = {alias}.pod"
        )
    };
    format!(
        "WITH {prepared}pods AS (\n  SELECT namespace, pod, min(found) AS workload FROM (\n    {}\n    UNION ALL\n    {}\n  ) AS named \
         WHERE found <> '' GROUP BY namespace, pod\n),\nsettled AS (\n  SELECT s.*,\n  {} AS row_direction,\n  {} AS source_name,\n  \
         {} AS destination_name\n  FROM {stored} AS s\n  {}\n  {}\n)\nSELECT\n{}\nFROM settled",
        workload("source"),
        workload("destination"),
        direction(),
        name(dialect, "source", "a"),
        name(dialect, "destination", "b"),
        join("source", "a"),
        join("destination", "b"),
        columns.join(",\n"),
    )
}

/// A column of `events`, over `settled`.
fn expression(dialect: Dialect, column: &Column) -> String {
    if !column.is_derived() {
        return match column.name {
            "uuid" => {
                let digits = dialect.digits("uuid");
                let parts = [(1, 8), (9, 4), (13, 4), (17, 4), (21, 12)];
                let parts = parts.map(|(at, length)| format!("substr({digits}, {at}, {length})"));
                format!("CASE WHEN uuid IS NULL THEN uuid_text ELSE {} END", parts.join(" || '-' || "))
            }
            name if column.kind == Type::U64 && !column.unit.is_empty() => dialect.bounded(name),
            name => name.to_owned(),
        };
    }
    match column.name {
        "time_ns" | "lost_first_ns" | "lost_last_ns" => dialect.nanoseconds(column.name.trim_end_matches("_ns")),
        "direction" => "row_direction".to_owned(),
        "client" => end("client", "name"),
        "server" => end("server", "name"),
        "connection_id" => {
            let address = |of: &str| {
                let (ip, port) = (end(of, "ip"), end(of, "port"));
                let port = format!("CAST({port} AS {})", dialect.text());
                format!(
                    "CASE WHEN {ip} LIKE '%:%' THEN '[' || {ip} || ']' ELSE {ip} END || coalesce(':' || {port}, '')"
                )
            };
            format!("l4_protocol || ' ' || {} || ' ' || {}", address("client"), address("server"))
        }
        "request_id" => dialect.request_id("http_headers"),
        "dns_qtype" => dialect.first("dns_qtypes"),
        "dns_has_answer" => {
            let filled = ["dns_ips", "dns_cnames", "dns_rrtypes"].map(|list| dialect.is_filled(list));
            dialect.boolean(&format!("CASE WHEN l7_protocol = 'dns' THEN {} END", filled.join(" OR ")))
        }
        "denied_by" => dialect.policies(["egress_denied_by", "ingress_denied_by"]),
        "client_is_outside" => dialect.boolean(&is_outside(&end("client", "identity"))),
        "server_is_outside" => dialect.boolean(&is_outside(&end("server", "identity"))),
        name => match name.split_once('_') {
            Some((of @ ("client" | "server"), column)) => end(of, column),
            // The test of all columns finds what is not known here.
            _ => "NULL".to_owned(),
        },
    }
}

/// A column of the client or the server.
fn end(of: &str, column: &str) -> String {
    let (reply, forward) = if of == "client" { ("destination", "source") } else { ("source", "destination") };
    format!("CASE WHEN row_direction = 'reply' THEN {reply}_{column} ELSE {forward}_{column} END")
}

fn is_outside(identity: &str) -> String {
    format!(
        "CASE WHEN {identity} <> 0 THEN {identity} IN (2, 9, 10, 13) OR {identity} BETWEEN {} AND {} END",
        1 << 24,
        (1 << 25) - 1
    )
}

fn direction() -> String {
    let flag = |flag: &str| format!("', ' || s.tcp_flags || ', ' LIKE '%, {flag}, %'");
    let point = |end: &str| {
        format!("s.flow_type = 'SOCK' AND substr(s.sock_xlate_point, length(s.sock_xlate_point) - 3, 4) = '{end}'")
    };
    let icmp = |four: u32, six: u32| {
        format!("s.l4_protocol = 'ICMPv4' AND s.icmp_type = {four} OR s.l4_protocol = 'ICMPv6' AND s.icmp_type = {six}")
    };
    let (low, high) = (format!("< {FIRST_EPHEMERAL}"), format!(">= {FIRST_EPHEMERAL}"));
    let cases = [
        ("s.is_reply".to_owned(), "reply"),
        ("NOT s.is_reply".to_owned(), "forward"),
        ("s.reply".to_owned(), "reply"),
        ("s.l7_type = 'REQUEST'".to_owned(), "forward"),
        ("s.l7_type = 'RESPONSE'".to_owned(), "reply"),
        (format!("{} AND {}", flag("SYN"), flag("ACK")), "reply"),
        (flag("SYN"), "forward"),
        (icmp(8, 128), "forward"),
        (icmp(0, 129), "reply"),
        (point("_FWD"), "forward"),
        (point("_REV"), "reply"),
        ("coalesce(s.source_port, 0) = 0 OR coalesce(s.destination_port, 0) = 0".to_owned(), "unknown"),
        (format!("s.source_port {high} AND s.destination_port {low}"), "forward"),
        (format!("s.source_port {low} AND s.destination_port {high}"), "reply"),
    ];
    let cases = cases.map(|(when, then)| format!("    WHEN {when} THEN '{then}'"));
    format!("CASE\n{}\n    ELSE 'unknown' END", cases.join("\n"))
}

/// The best name of one end; `pods` is what was learnt of its pod.
fn name(dialect: Dialect, side: &str, pods: &str) -> String {
    let column = |name: &str| format!("nullif(s.{side}_{name}, '')");
    let qualified = |namespace: &str, name: &str| format!("coalesce({} || '/', '') || {name}", column(namespace));
    let (sep, labels) = (SEPARATOR, dialect.joined(&format!("s.{side}_labels")));
    let own = format!("nullif({}, '')", dialect.first_name(&format!("s.{side}_workloads")));
    let learnt = format!("CASE WHEN s.{side}_pod <> '' THEN nullif({pods}.workload, '') END");
    let apps = APP_LABELS.map(|key| dialect.extract(&labels, &format!("(^|{sep})([^:={sep}]*:)?{key}=([^{sep}]+)"), 3));
    let pod = column("pod");
    let bases = GENERATED.map(|pattern| dialect.extract(&format!("s.{side}_pod"), pattern, 1));
    let first = dialect.extract(&dialect.joined(&format!("s.{side}_names")), &format!("^{sep}*([^{sep}]+)"), 1);
    let identities: Vec<String> = RESERVED_IDENTITIES
        .iter()
        .map(|(number, name)| {
            format!(
                "WHEN s.{side}_identity = {number} THEN '{}'",
                if name.starts_with("world-") { "world" } else { name }
            )
        })
        .collect();
    let reserved = dialect.extract(&labels, &format!("(^|{sep})reserved:([^{sep}]*)"), 2);
    let names = [
        qualified("namespace", &format!("coalesce({own}, {learnt}, {})", apps.join(", "))),
        qualified("namespace", &format!("coalesce({}, {pod})", bases.join(", "))),
        qualified("service_namespace", &column("service_name")),
        format!("CASE WHEN {first} LIKE '%.' THEN substr({first}, 1, length({first}) - 1) ELSE {first} END"),
        format!("CASE {} END", identities.join(" ")),
        format!(
            "CASE WHEN coalesce(s.{side}_identity, 0) = 0 THEN CASE WHEN {reserved} LIKE 'world%' THEN 'world' \
             ELSE {reserved} END END"
        ),
        format!("s.{side}_ip"),
    ];
    format!("nullif(coalesce(\n    {}), '')", names.join(",\n    "))
}
