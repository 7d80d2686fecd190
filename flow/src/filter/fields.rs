//! The fields of a filter, each with its rule: `docs/observe.md` tells them.

use std::borrow::Cow;
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::LazyLock;

use arrow::array::{Array as _, AsArray, StructArray};
use regex::Regex;

use super::condition::Condition;
use super::names::{Namespaced, NodeName, fqdn};
use super::selector::{Selector, within};
use super::{FilterError, cel};
use crate::columns::ColumnId;
use crate::proto::flow::{
    AgentEventType, DebugEventType, DropReason, EventTypeFilter, FlowFilter, IpVersion, TcpFlags, TrafficDirection,
    Verdict, Workload,
};
use crate::schema::presence_bit;
use crate::segment::{Clause, Pattern};
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

/// Both ends of a flow: addresses, pods, services, names, identities, workloads, clusters, ports.
fn source_and_destination(filter: &FlowFilter, all: &mut Vec<Condition>) -> Result<(), FilterError> {
    for (name, column, values) in [
        ("source_ip", "source_ip", &filter.source_ip),
        ("source_ip_xlated", "source_ip_xlated", &filter.source_ip_xlated),
        ("destination_ip", "destination_ip", &filter.destination_ip),
    ] {
        if !values.is_empty() {
            let ranges = parsed(name, values, address)?;
            let column = ColumnId::known(column);
            let plain = |range: &Address| {
                if let Address::One(text) = range { Some((column, text.as_str().into())) } else { None }
            };
            let clause: Option<Clause> = ranges.iter().map(plain).collect();
            let test = move |text: Option<&str>| text.is_some_and(|text| ranges.iter().any(|range| range.has(text)));
            all.push(Condition::text(column, test).told_by(clause));
        }
    }
    for (name, namespace, own, values) in [
        ("source_pod", "source_namespace", "source_pod", &filter.source_pod),
        ("destination_pod", "destination_namespace", "destination_pod", &filter.destination_pod),
        ("source_service", "source_service_namespace", "source_service_name", &filter.source_service),
        (
            "destination_service",
            "destination_service_namespace",
            "destination_service_name",
            &filter.destination_service,
        ),
    ] {
        if !values.is_empty() {
            let names = parsed(name, values, Namespaced::parse)?;
            let (namespace, own) = (ColumnId::known(namespace), ColumnId::known(own));
            let clauses = [
                names.iter().map(|name| Some((namespace, name.namespace()?))).collect::<Option<Clause>>(),
                names.iter().map(|name| Some((own, name.prefix()?))).collect(),
            ];
            let test = move |view: &View<'_>, row| {
                let text = |column| view.text(column, row).unwrap_or_default();
                names.iter().any(|name| name.matches(text(namespace), text(own)))
            };
            all.push(Condition::new([namespace, own], test).told_by(clauses.into_iter().flatten()));
        }
    }
    for (name, column, values) in [
        ("source_fqdn", "source_names", &filter.source_fqdn),
        ("destination_fqdn", "destination_names", &filter.destination_fqdn),
    ] {
        if !values.is_empty() {
            let patterns = parsed(name, values, fqdn)?;
            let column = ColumnId::known(column);
            all.push(Condition::new([column], move |view, row| {
                let names = view.texts(column, row);
                let mut names = names.iter().flatten().flatten();
                names.any(|name| patterns.iter().any(|pattern| pattern.is_match(name)))
            }));
        }
    }
    for (column, values) in
        [("source_identity", &filter.source_identity), ("destination_identity", &filter.destination_identity)]
    {
        if !values.is_empty() {
            all.push(number(ColumnId::known(column), values.iter().map(|value| i128::from(*value)).collect()));
        }
    }
    for (column, values) in
        [("source_workloads", &filter.source_workload), ("destination_workloads", &filter.destination_workload)]
    {
        if !values.is_empty() {
            all.push(workload(ColumnId::known(column), values.clone()));
        }
    }
    for (name, column, values) in [
        ("source_cluster_name", "source_cluster_name", &filter.source_cluster_name),
        ("destination_cluster_name", "destination_cluster_name", &filter.destination_cluster_name),
    ] {
        if values.iter().any(String::is_empty) {
            return Err(field(name, "is empty"));
        }
        exactly(column, values, all);
    }
    for (name, column, values) in [
        ("source_port", "source_port", &filter.source_port),
        ("destination_port", "destination_port", &filter.destination_port),
    ] {
        if !values.is_empty() {
            let ports = parsed(name, values, |text| {
                text.parse::<u16>().map(i128::from).map_err(|_| format!("{text:?} is no port"))
            })?;
            all.push(number(ColumnId::known(column), ports));
        }
    }
    Ok(())
}

/// What the datapath tells of a flow.
fn datapath(filter: &FlowFilter, all: &mut Vec<Condition>) -> Result<(), FilterError> {
    let columns = &*COLUMNS;
    exactly("uuid", &filter.uuid, all);
    exactly("trace_id", &filter.trace_id, all);
    one_of("verdict", &filter.verdict, |number| Verdict::try_from(number).ok().map(|value| value.as_str_name()), all);
    one_of("traffic_direction", &filter.traffic_direction, direction, all);
    one_of("ip_version", &filter.ip_version, |n| IpVersion::try_from(n).ok().map(|value| value.as_str_name()), all);
    if !filter.drop_reason_desc.is_empty() {
        one_of("drop_reason_desc", &filter.drop_reason_desc, reason, all);
        exactly("verdict", &["DROPPED"], all);
    }
    if !filter.ip_trace_id.is_empty() {
        all.push(number(ColumnId::known("ip_trace_id"), filter.ip_trace_id.iter().map(|id| i128::from(*id)).collect()));
    }
    if !filter.interface.is_empty() {
        let wanted = filter.interface.clone();
        let Columns { interface_index, interface_name, .. } = *columns;
        all.push(present("flow.interface"));
        all.push(Condition::new([interface_index, interface_name], move |view, row| {
            let index = view.number(interface_index, row).unwrap_or_default();
            let name = view.text(interface_name, row).unwrap_or_default();
            let fits = |index_wanted: u32, name_wanted: &str| {
                (index_wanted == 0 || index == i128::from(index_wanted))
                    && (name_wanted.is_empty() || name == name_wanted)
            };
            wanted.iter().any(|interface| fits(interface.index, &interface.name))
        }));
    }
    if !filter.protocol.is_empty() {
        all.push(protocol(&filter.protocol)?);
    }
    if !filter.reply.is_empty() {
        let wanted = filter.reply.clone();
        let Columns { is_reply, verdict, .. } = *columns;
        all.push(Condition::new([is_reply, verdict], move |view, row| {
            let known = view.number(is_reply, row).map(|reply| reply != 0);
            // The UI asks for requests, dropped ones among them, which nobody knows to be one.
            let reply = known.or_else(|| (view.text(verdict, row) == Some("DROPPED")).then_some(false));
            reply.is_some_and(|reply| wanted.contains(&reply))
        }));
    }
    if !filter.encrypted.is_empty() {
        let (wanted, encrypted) = (filter.encrypted.clone(), ColumnId::known("ip_encrypted"));
        all.push(Condition::new([encrypted], move |view, row| {
            wanted.contains(&view.number(encrypted, row).is_some_and(|encrypted| encrypted != 0))
        }));
    }
    if !filter.tcp_flags.is_empty() {
        let wanted: Vec<Vec<&str>> = filter.tcp_flags.iter().map(flags).collect();
        all.push(Condition::text(ColumnId::known("tcp_flags"), move |text| {
            let Some(text) = text else { return false };
            let set: HashSet<&str> = text.split(", ").collect();
            wanted.iter().any(|flags| flags.iter().all(|flag| set.contains(flag)))
        }));
    }
    if !filter.node_name.is_empty() {
        let names = parsed("node_name", &filter.node_name, NodeName::parse)?;
        // The envelope's name is not the flow's.
        all.push(present("flow.node_name"));
        all.push(Condition::text(ColumnId::known("node_name"), move |name| {
            names.iter().any(|pattern| pattern.matches(name.unwrap_or_default()))
        }));
    }
    Ok(())
}

/// Records of layer 7.
fn layer_7(filter: &FlowFilter, all: &mut Vec<Condition>) -> Result<(), FilterError> {
    let Columns { http_url, http_headers, .. } = *COLUMNS;
    let asks_http = [
        ("http_status_code", !filter.http_status_code.is_empty()),
        ("http_method", !filter.http_method.is_empty()),
        ("http_path", !filter.http_path.is_empty()),
        ("http_url", !filter.http_url.is_empty()),
        ("http_header", !filter.http_header.is_empty()),
    ];
    if let Some((name, _)) = asks_http.into_iter().find(|(_, is_asked)| *is_asked) {
        let of_l7 = |kind: &EventTypeFilter| kind.r#type == L7;
        if !filter.event_type.is_empty() && !filter.event_type.iter().any(of_l7) {
            return Err(field(name, "asks for records of layer 7, which event_type leaves out"));
        }
        exactly("l7_protocol", &["http"], all);
    }
    let regexes = |name, values: &[String]| {
        parsed(name, values, |text| Regex::new(text).map_err(|_| format!("{text:?} is no regular expression")))
    };
    if !filter.dns_query.is_empty() {
        let patterns = regexes("dns_query", &filter.dns_query)?;
        exactly("l7_protocol", &["dns"], all);
        all.push(Condition::text(ColumnId::known("dns_query"), move |query| {
            patterns.iter().any(|pattern| pattern.is_match(query.unwrap_or_default()))
        }));
    }
    if !filter.http_status_code.is_empty() {
        let codes = parsed("http_status_code", &filter.http_status_code, status)?;
        let code = ColumnId::known("http_code");
        all.push(Condition::new([code], move |view, row| {
            let found = view.number(code, row).filter(|code| *code != 0).map(|code| format!("{code:03}"));
            let fits = |(start, is_prefix): &(String, bool), found: &str| {
                if *is_prefix { found.starts_with(start) } else { found == start }
            };
            found.is_some_and(|found| codes.iter().any(|code| fits(code, &found)))
        }));
    }
    if !filter.http_method.is_empty() {
        let methods = filter.http_method.clone();
        all.push(Condition::text(ColumnId::known("http_method"), move |found| {
            methods.iter().any(|method| method.eq_ignore_ascii_case(found.unwrap_or_default()))
        }));
    }
    if !filter.http_url.is_empty() {
        let patterns = regexes("http_url", &filter.http_url)?;
        all.push(Condition::text(http_url, move |url| {
            url.is_some_and(|url| patterns.iter().any(|pattern| pattern.is_match(url)))
        }));
    }
    if !filter.http_path.is_empty() {
        let patterns = regexes("http_path", &filter.http_path)?;
        all.push(Condition::text(http_url, move |url| {
            let path = url.and_then(path);
            path.is_some_and(|path| patterns.iter().any(|pattern| pattern.is_match(&path)))
        }));
    }
    if !filter.http_header.is_empty() {
        let wanted = filter.http_header.clone();
        all.push(Condition::new([http_headers], move |view, row| {
            let Some(headers) = view.structs(http_headers, row) else { return false };
            pairs(&headers, "key", "value")
                .any(|(key, value)| wanted.iter().any(|header| header.key == key && header.value == value))
        }));
    }
    Ok(())
}

/// Labels of both ends and of nodes; what has none has no label.
fn labels(filter: &FlowFilter, all: &mut Vec<Condition>) -> Result<(), FilterError> {
    for (name, column, values) in [
        ("source_label", "source_labels", &filter.source_label),
        ("destination_label", "destination_labels", &filter.destination_label),
        ("node_labels", "node_labels", &filter.node_labels),
    ] {
        if values.is_empty() {
            continue;
        }
        let selectors = parsed(name, values, Selector::parse)?;
        let column = ColumnId::known(column);
        all.push(Condition::new([column], move |view, row| {
            let labels = view.texts(column, row);
            let labels = labels.iter().flatten().flatten();
            selectors.iter().any(|selector| selector.matches(&labels))
        }));
    }
    Ok(())
}

fn event_type(wanted: &[EventTypeFilter], lost_match: bool) -> Condition {
    let wanted = wanted.to_vec();
    let Columns { kind, event_type, event_sub_type, agent_event_type, debug_event_type, .. } = *COLUMNS;
    let columns = [kind, event_type, event_sub_type, agent_event_type, debug_event_type];
    Condition::new(columns, move |view, row| {
        let named =
            |column, number: fn(&str) -> Option<i32>| view.text(column, row).and_then(number).unwrap_or_default();
        let number = |column| view.number(column, row).and_then(|number| i32::try_from(number).ok());
        let (found, sub_type) = match view.text(kind, row).unwrap_or("flow") {
            "lost_events" => return lost_match,
            "agent_event" => {
                (AGENT, named(agent_event_type, |name| AgentEventType::from_str_name(name).map(i32::from)))
            }
            "debug_event" => {
                (DEBUG, named(debug_event_type, |name| DebugEventType::from_str_name(name).map(i32::from)))
            }
            "flow" => match number(event_type) {
                Some(found) => (found, number(event_sub_type).unwrap_or_default()),
                None => return false,
            },
            _ => return false,
        };
        wanted.iter().any(|wanted| {
            (wanted.r#type == 0 || wanted.r#type == found) && (!wanted.match_sub_type || wanted.sub_type == sub_type)
        })
    })
}

fn protocol(wanted: &[String]) -> Result<Condition, FilterError> {
    let (mut layer_4, mut layer_7): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for name in wanted {
        match name.to_ascii_lowercase().as_str() {
            "icmp" => layer_4.extend(["ICMPv4", "ICMPv6"]),
            "icmpv4" => layer_4.push("ICMPv4"),
            "icmpv6" => layer_4.push("ICMPv6"),
            "tcp" => layer_4.push("TCP"),
            "udp" => layer_4.push("UDP"),
            "sctp" => layer_4.push("SCTP"),
            "vrrp" => layer_4.push("VRRP"),
            "igmp" => layer_4.push("IGMP"),
            "dns" => layer_7.push("dns"),
            "http" => layer_7.push("http"),
            "kafka" => layer_7.push("kafka"),
            _ => return Err(field("protocol", format!("{name:?} is no protocol that is known"))),
        }
    }
    let Columns { l4_protocol, l7_protocol, .. } = *COLUMNS;
    let of = |column, names: &[&str]| names.iter().map(|name| (column, Pattern::from(*name))).collect::<Vec<_>>();
    let clause = [of(l4_protocol, &layer_4), of(l7_protocol, &layer_7)].concat();
    let test = move |view: &View<'_>, row: usize| {
        let is = |column, names: &[&str]| view.text(column, row).is_some_and(|name| names.contains(&name));
        is(l4_protocol, &layer_4) || is(l7_protocol, &layer_7)
    };
    Ok(Condition::new([l4_protocol, l7_protocol], test).told_by(Some(clause)))
}

fn workload(column: ColumnId, wanted: Vec<Workload>) -> Condition {
    Condition::new([column], move |view, row| {
        let Some(workloads) = view.structs(column, row) else { return false };
        let fits = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        pairs(&workloads, "name", "kind")
            .any(|(name, kind)| wanted.iter().any(|wanted| fits(&wanted.name, name) && fits(&wanted.kind, kind)))
    })
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

/// A column of names of an enum must have one of these; 0 is its default, which is not written.
fn one_of(column: &str, numbers: &[i32], name: impl Fn(i32) -> Option<&'static str>, all: &mut Vec<Condition>) {
    if !numbers.is_empty() {
        let written = |number: &i32| name(*number).map_or_else(|| number.to_string(), str::to_owned);
        let default = numbers.contains(&0);
        let names: HashSet<String> = numbers.iter().filter(|number| **number != 0).map(written).collect();
        let column = ColumnId::known(column);
        let clause =
            if default { None } else { Some(names.iter().map(|name| (column, name.as_str().into())).collect()) };
        let test = move |found: Option<&str>| found.map_or(default, |found| names.contains(found));
        all.push(Condition::text(column, test).told_by(clause));
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

fn direction(number: i32) -> Option<&'static str> {
    TrafficDirection::try_from(number).ok().map(|value| value.as_str_name())
}

fn reason(number: i32) -> Option<&'static str> {
    DropReason::try_from(number).ok().map(|value| value.as_str_name())
}

/// An address, which is compared as text, or a range of them.
enum Address {
    One(String),
    Range(IpAddr, u32),
}

impl Address {
    fn has(&self, text: &str) -> bool {
        match self {
            Self::One(address) => address == text,
            Self::Range(network, bits) => text.parse().is_ok_and(|address| within(address, *network, *bits)),
        }
    }
}

fn address(text: &str) -> Result<Address, String> {
    let parse = |address: &str| address.parse::<IpAddr>().map_err(|_| format!("{text:?} is no address"));
    let Some((network, bits)) = text.split_once('/') else {
        return parse(text).map(|_| Address::One(text.to_owned()));
    };
    let network = parse(network)?;
    let most = if network.is_ipv4() { 32 } else { 128 };
    let is_plain = bits == "0" || !bits.starts_with(['0', '+']);
    let bits = bits.parse::<u32>().ok().filter(|bits| is_plain && *bits <= most);
    Ok(Address::Range(network, bits.ok_or_else(|| format!("{text:?} is no range of addresses"))?))
}

/// A status, or how it begins.
fn status(text: &str) -> Result<(String, bool), String> {
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let begins_well = text.starts_with(['1', '2', '3', '4', '5']);
    match text.strip_suffix('+') {
        Some(start) if begins_well && matches!(start.len(), 1 | 2) && is_digits(start) => Ok((start.to_owned(), true)),
        None if begins_well && text.len() == 3 && is_digits(text) => Ok((text.to_owned(), false)),
        _ => Err(format!("{text:?} is no HTTP status; it must be like 404, 4+ or 50+")),
    }
}

/// The path of a URL as a request has it, decoded: an absolute one, or one that begins with a slash.
fn path(url: &str) -> Option<Cow<'_, str>> {
    if url.bytes().any(|byte| byte.is_ascii_control()) {
        return None;
    }
    let url = url.split_once('?').map_or(url, |(before, _)| before);
    let path = if url == "*" || url.starts_with('/') {
        url
    } else {
        let (scheme, rest) = url.split_once(':')?;
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        let rest = rest.strip_prefix('/').filter(|_| is_scheme)?;
        match rest.strip_prefix('/') {
            Some(authority) => authority.find('/').map_or("", |at| authority.get(at..).unwrap_or_default()),
            None => url.get(url.len() - rest.len() - 1..)?,
        }
    };
    decoded(path)
}

/// A text in which `%2F` stands for a slash; `None` where a percent sign stands for nothing.
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(text.into());
    }
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(part.get(2..)?.as_bytes());
    }
    Some(String::from_utf8_lossy(&bytes).into_owned().into())
}

fn flags(flags: &TcpFlags) -> Vec<&'static str> {
    let set = [
        (flags.syn, "SYN"),
        (flags.ack, "ACK"),
        (flags.rst, "RST"),
        (flags.fin, "FIN"),
        (flags.psh, "PSH"),
        (flags.urg, "URG"),
        (flags.ece, "ECE"),
        (flags.cwr, "CWR"),
        (flags.ns, "NS"),
    ];
    set.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name).collect()
}
