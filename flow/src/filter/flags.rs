//! The filter flags of `hubble observe`, and the filters that they make.
//!
//! Rules, as the hubble CLI has them:
//! 1. A flag may come again: any of its values will do. Different flags must all hold.
//! 2. What is said of both ends makes two filters, one for each end; of these one must match.
//! 3. A flag that is turned round goes to the denying filters.
//! 4. Namespaces come last: before pods and services that have none, or, without any, as all of their pods.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use Ends::{Destination, Either, Source};
use Sets::{Both, Namespace};

use crate::proto::flow::{
    DropReason, EventTypeFilter, FlowFilter, HttpHeader, IpVersion, NetworkInterface, TcpFlags, TrafficDirection,
    Verdict, Workload,
};
use crate::terms;

/// Why a flag cannot be taken: its value makes no sense, or it does not go with another one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FlagError(String);

type Result<T> = std::result::Result<T, FlagError>;

macro_rules! wrong {
    ($($text:tt)*) => { FlagError(format!($($text)*)) };
}

macro_rules! bail {
    ($($text:tt)*) => { return Err(wrong!($($text)*)) };
}

/// A flag that filters.
#[derive(Debug)]
pub struct Flag {
    pub name: &'static str,
    pub short: Option<char>,
    /// What its value is called; a switch has none.
    pub value: Option<&'static str>,
    pub help: &'static str,
    sets: Sets,
}

type Set = fn(&mut FlowFilter, &str) -> Result<()>;

/// What a flag sets, and in which filters.
#[derive(Clone, Copy, Debug)]
enum Sets {
    /// The same in both.
    Both(Set),
    /// The source in the left one, the destination in the right one.
    Ends(Set, Set),
    /// The namespace of the source in the left one, of the destination in the right one; of either in both.
    Namespace(Ends),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    Source,
    Destination,
    Either,
}

macro_rules! flag {
    ($name:literal, $value:expr, $help:literal, $sets:expr) => {
        Flag { name: $name, short: None, value: $value, help: $help, sets: $sets }
    };
    ($name:literal - $short:literal, $value:expr, $help:literal, $sets:expr) => {
        Flag { name: $name, short: Some($short), value: $value, help: $help, sets: $sets }
    };
}

/// Adds a text to a list.
macro_rules! push {
    ($field:ident) => {
        |filter, value| {
            filter.$field.push(value.to_owned());
            Ok(())
        }
    };
    ($field:ident, $parse:expr) => {
        |filter, value| {
            filter.$field.push($parse(value)?);
            Ok(())
        }
    };
}

/// Every flag, in the order of the help.
#[rustfmt::skip]
pub const FLAGS: &[Flag] = &[
    flag!("verdict", Some("VERDICT"), "Verdict: FORWARDED, DROPPED, AUDIT, REDIRECTED, ERROR, TRACED, TRANSLATED", Both(push!(verdict, verdict))),
    flag!("drop-reason-desc", Some("REASON"), "Why a flow was dropped, such as POLICY_DENIED", Both(push!(drop_reason_desc, drop_reason))),
    flag!("type" - 't', Some("TYPE[:SUBTYPE]"), "Event type: drop, capture, trace, policy-verdict, l7, trace-sock, or a number", Both(push!(event_type, event_type))),
    flag!("protocol", Some("PROTOCOL"), "Protocol of layer 4 or 7: tcp, udp, sctp, icmp, icmpv4, icmpv6, vrrp, igmp, dns, http, kafka", Both(push!(protocol))),
    flag!("pod", Some("[NAMESPACE/]POD"), "From or to pods whose name begins so; without a namespace, of `default`", Sets::Ends(push!(source_pod), push!(destination_pod))),
    flag!("from-pod", Some("[NAMESPACE/]POD"), "From such pods", Both(push!(source_pod))),
    flag!("to-pod", Some("[NAMESPACE/]POD"), "To such pods", Both(push!(destination_pod))),
    flag!("namespace" - 'n', Some("NAMESPACE"), "From or to this namespace", Namespace(Either)),
    flag!("from-namespace", Some("NAMESPACE"), "From this namespace", Namespace(Source)),
    flag!("to-namespace", Some("NAMESPACE"), "To this namespace", Namespace(Destination)),
    flag!("all-namespaces" - 'A', None, "Pods of any namespace", Namespace(Either)),
    flag!("from-all-namespaces", None, "From pods of any namespace", Namespace(Source)),
    flag!("to-all-namespaces", None, "To pods of any namespace", Namespace(Destination)),
    flag!("service", Some("[NAMESPACE/]SERVICE"), "From or to services whose name begins so", Sets::Ends(push!(source_service), push!(destination_service))),
    flag!("from-service", Some("[NAMESPACE/]SERVICE"), "From such services", Both(push!(source_service))),
    flag!("to-service", Some("[NAMESPACE/]SERVICE"), "To such services", Both(push!(destination_service))),
    flag!("workload", Some("[KIND/]NAME"), "From or to this workload", Sets::Ends(push!(source_workload, workload), push!(destination_workload, workload))),
    flag!("from-workload", Some("[KIND/]NAME"), "From this workload", Both(push!(source_workload, workload))),
    flag!("to-workload", Some("[KIND/]NAME"), "To this workload", Both(push!(destination_workload, workload))),
    flag!("label" - 'l', Some("SELECTOR"), "From or to endpoints with such labels: app=web, k8s:app in (a,b), !app", Sets::Ends(push!(source_label), push!(destination_label))),
    flag!("from-label", Some("SELECTOR"), "From such endpoints", Both(push!(source_label))),
    flag!("to-label", Some("SELECTOR"), "To such endpoints", Both(push!(destination_label))),
    flag!("identity", Some("IDENTITY"), "From or to this security identity: a number or a reserved name", Sets::Ends(push!(source_identity, identity), push!(destination_identity, identity))),
    flag!("from-identity", Some("IDENTITY"), "From this identity", Both(push!(source_identity, identity))),
    flag!("to-identity", Some("IDENTITY"), "To this identity", Both(push!(destination_identity, identity))),
    flag!("cluster", Some("CLUSTER"), "From or to this cluster", Sets::Ends(push!(source_cluster_name), push!(destination_cluster_name))),
    flag!("from-cluster", Some("CLUSTER"), "From this cluster", Both(push!(source_cluster_name))),
    flag!("to-cluster", Some("CLUSTER"), "To this cluster", Both(push!(destination_cluster_name))),
    flag!("ip", Some("ADDRESS"), "From or to this address or range", Sets::Ends(push!(source_ip), push!(destination_ip))),
    flag!("from-ip", Some("ADDRESS"), "From this address or range", Both(push!(source_ip))),
    flag!("to-ip", Some("ADDRESS"), "To this address or range", Both(push!(destination_ip))),
    flag!("snat-ip", Some("ADDRESS"), "From this address after source NAT", Both(push!(source_ip_xlated))),
    flag!("fqdn", Some("NAME"), "From or to this domain name; * stands for any part", Sets::Ends(push!(source_fqdn), push!(destination_fqdn))),
    flag!("from-fqdn", Some("NAME"), "From this name", Both(push!(source_fqdn))),
    flag!("to-fqdn", Some("NAME"), "To this name", Both(push!(destination_fqdn))),
    flag!("port", Some("PORT"), "From or to this port", Sets::Ends(push!(source_port, port), push!(destination_port, port))),
    flag!("from-port", Some("PORT"), "From this port", Both(push!(source_port, port))),
    flag!("to-port", Some("PORT"), "To this port", Both(push!(destination_port, port))),
    flag!("tcp-flags", Some("FLAGS"), "TCP flags that must be set: SYN,ACK", Both(push!(tcp_flags, tcp_flags))),
    flag!("ip-version", Some("VERSION"), "4, 6, v4 or IPv6; anything else: flows without an address", Both(push!(ip_version, ip_version))),
    flag!("ipv4" - '4', None, "IPv4 only", Both(|filter, _| { filter.ip_version.push(IpVersion::IPv4.into()); Ok(()) })),
    flag!("ipv6" - '6', None, "IPv6 only", Both(|filter, _| { filter.ip_version.push(IpVersion::IPv6.into()); Ok(()) })),
    flag!("traffic-direction", Some("DIRECTION"), "ingress or egress", Both(push!(traffic_direction, direction))),
    flag!("reply", None, "Replies only", Both(|filter, _| { filter.reply.push(true); Ok(()) })),
    flag!("not-reply", None, "Requests only, and drops that may be one", Both(|filter, _| { filter.reply.push(false); Ok(()) })),
    flag!("encrypted", None, "Encrypted flows only", Both(|filter, _| { filter.encrypted.push(true); Ok(()) })),
    flag!("unencrypted", None, "Unencrypted flows only", Both(|filter, _| { filter.encrypted.push(false); Ok(()) })),
    flag!("interface", Some("NAME"), "Network interface", Both(|filter, value| { filter.interface.push(NetworkInterface { name: value.to_owned(), ..NetworkInterface::default() }); Ok(()) })),
    flag!("node-name", Some("[CLUSTER/]NODE"), "Observing node; * stands for any part", Both(push!(node_name))),
    flag!("node-label", Some("SELECTOR"), "Observing nodes with such labels", Both(push!(node_labels))),
    flag!("http-status", Some("STATUS"), "HTTP status, or how it begins: 404, 4+, 50+", Both(push!(http_status_code))),
    flag!("http-method", Some("METHOD"), "HTTP method", Both(push!(http_method))),
    flag!("http-path", Some("REGEX"), "Path of the URL", Both(push!(http_path))),
    flag!("http-url", Some("REGEX"), "URL", Both(push!(http_url))),
    flag!("http-header", Some("KEY:VALUE"), "HTTP header, exactly", Both(push!(http_header, header))),
    flag!("uuid", Some("UUID"), "The flow of this uuid", Both(push!(uuid))),
    flag!("trace-id", Some("ID"), "Flows of this trace", Both(push!(trace_id))),
    flag!("ip-trace-id", Some("ID"), "Flows with this trace id in an IP option", Both(push!(ip_trace_id, ip_trace_id))),
    flag!("cel-expression", Some("EXPR"), "A CEL expression over the flow that must be true: _flow.verdict == Verdict.DROPPED", Both(|filter, value| { filter.experimental.get_or_insert_default().cel_expression.push(value.to_owned()); Ok(()) })),
];

/// Flags of which no two go together.
const CONFLICTS: &[&[&str]] = &[
    &["from-fqdn", "from-ip", "ip", "fqdn", "from-namespace", "namespace", "from-all-namespaces", "all-namespaces"],
    &["from-fqdn", "from-ip", "ip", "fqdn", "from-pod", "pod"],
    &["to-fqdn", "to-ip", "ip", "fqdn", "to-namespace", "namespace", "to-all-namespaces", "all-namespaces"],
    &["to-fqdn", "to-ip", "ip", "fqdn", "to-pod", "pod"],
    &["to-pod", "namespace", "all-namespaces"],
    &["from-pod", "namespace", "all-namespaces"],
    &["to-service", "namespace", "all-namespaces"],
    &["from-service", "namespace", "all-namespaces"],
    &["label", "from-label"],
    &["label", "to-label"],
    &["service", "from-service"],
    &["service", "to-service"],
    &["port", "from-port"],
    &["port", "to-port"],
    &["identity", "from-identity"],
    &["identity", "to-identity"],
    &["workload", "from-workload"],
    &["workload", "to-workload"],
    &["cluster", "from-cluster"],
    &["cluster", "to-cluster"],
    &["encrypted", "unencrypted"],
    &["reply", "not-reply"],
];

/// Filters that allow and that deny.
#[derive(Debug, Default, PartialEq)]
pub struct Raw {
    pub allow: Vec<FlowFilter>,
    pub deny: Vec<FlowFilter>,
}

impl Raw {
    /// As YAML that a configuration of the hubble CLI takes.
    #[must_use]
    pub fn yaml(&self) -> String {
        let mut out = String::new();
        for (name, filters) in [("allowlist", &self.allow), ("denylist", &self.deny)] {
            if !filters.is_empty() {
                out.push_str(name);
                out.push_str(":\n");
                for filter in filters {
                    let json = super::to_json(filter).replace('\'', "''");
                    let _ = writeln!(out, "    - '{json}'");
                }
            }
        }
        out
    }
}

/// Flags on their way into filters.
#[derive(Debug, Default)]
pub struct Chosen {
    allow: Pair,
    deny: Pair,
}

impl Chosen {
    /// Takes a flag; `is_turned` when what matches is left out.
    ///
    /// # Errors
    /// When its value makes no sense, or it does not go with one that was taken before.
    pub fn set(&mut self, flag: &Flag, value: &str, is_turned: bool) -> Result<()> {
        if is_turned { &mut self.deny } else { &mut self.allow }.set(flag, value)
    }

    /// The filters that they make.
    #[must_use]
    pub fn finish(self) -> Raw {
        Raw { allow: self.allow.finish(), deny: self.deny.finish() }
    }
}

/// Two filters, of which one must match.
#[derive(Debug, Default)]
struct Pair {
    used: BTreeSet<&'static str>,
    left: FlowFilter,
    right: FlowFilter,
    /// Namespaces of source and destination, for each of the two.
    namespaces: [[Vec<String>; 2]; 2],
}

impl Pair {
    fn set(&mut self, flag: &Flag, value: &str) -> Result<()> {
        for group in CONFLICTS.iter().filter(|group| group.contains(&flag.name)) {
            if let Some(other) = group.iter().find(|other| **other != flag.name && self.used.contains(*other)) {
                bail!("filters --{other} and --{} cannot be combined", flag.name);
            }
        }
        self.used.insert(flag.name);
        match flag.sets {
            Sets::Both(set) => {
                set(&mut self.left, value)?;
                set(&mut self.right, value)
            }
            Sets::Ends(source, destination) => {
                source(&mut self.left, value)?;
                destination(&mut self.right, value)
            }
            Sets::Namespace(ends) => {
                let namespace = if flag.value.is_some() { value } else { "" };
                let [[left_source, left_destination], [right_source, right_destination]] = &mut self.namespaces;
                let lists = match ends {
                    Ends::Source => [left_source, right_source],
                    Ends::Destination => [left_destination, right_destination],
                    Ends::Either => [left_source, right_destination],
                };
                lists.into_iter().for_each(|list| list.push(namespace.to_owned()));
                Ok(())
            }
        }
    }

    fn finish(mut self) -> Vec<FlowFilter> {
        for (filter, [source, destination]) in [&mut self.left, &mut self.right].into_iter().zip(&self.namespaces) {
            qualify(source, &mut filter.source_pod, &mut filter.source_service);
            qualify(destination, &mut filter.destination_pod, &mut filter.destination_service);
        }
        let none = FlowFilter::default();
        match (self.left == none, self.left == self.right) {
            (true, true) => Vec::new(),
            (_, true) => vec![self.left],
            _ => vec![self.left, self.right],
        }
    }
}

/// Puts namespaces before names that have none; without names, they stand for all of their pods.
fn qualify(namespaces: &[String], pods: &mut Vec<String>, services: &mut Vec<String>) {
    if namespaces.is_empty() {
        return;
    }
    if pods.is_empty() && services.is_empty() {
        pods.extend(namespaces.iter().map(|namespace| format!("{namespace}/")));
        return;
    }
    for names in [pods, services] {
        let qualified = std::mem::take(names).into_iter().flat_map(|name| {
            let whole = name.contains('/').then(|| vec![name.clone()]);
            whole.unwrap_or_else(|| namespaces.iter().map(|namespace| format!("{namespace}/{name}")).collect())
        });
        *names = qualified.collect();
    }
}

fn verdict(value: &str) -> Result<i32> {
    Ok(Verdict::from_str_name(value).ok_or_else(|| wrong!("{value:?} is no verdict"))?.into())
}

fn drop_reason(value: &str) -> Result<i32> {
    Ok(DropReason::from_str_name(value).ok_or_else(|| wrong!("{value:?} is no drop reason"))?.into())
}

fn direction(value: &str) -> Result<i32> {
    match value.to_ascii_lowercase().as_str() {
        "ingress" => Ok(TrafficDirection::Ingress.into()),
        "egress" => Ok(TrafficDirection::Egress.into()),
        _ => bail!("{value:?} is neither ingress nor egress"),
    }
}

fn event_type(value: &str) -> Result<EventTypeFilter> {
    let (name, sub_type) = value.split_once(':').map_or((value, None), |(name, sub)| (name, Some(sub)));
    let Some(r#type) = terms::EVENT_TYPES
        .iter()
        .find(|(_, known)| *known == name)
        .map(|(number, _)| *number)
        .or_else(|| name.parse().ok())
    else {
        bail!("{name:?} is no event type: neither a name that is known nor a number")
    };
    let Some(sub_type) = sub_type else { return Ok(EventTypeFilter { r#type, ..EventTypeFilter::default() }) };
    let known = terms::sub_type(r#type, sub_type).or_else(|| sub_type.parse().ok());
    let sub_type = known.ok_or_else(|| wrong!("{sub_type:?} is no sub-type of {name}"))?;
    Ok(EventTypeFilter { r#type, match_sub_type: true, sub_type })
}

#[expect(clippy::unnecessary_wraps, reason = "one shape for all values")]
fn workload(value: &str) -> Result<Workload> {
    let (kind, name) = value.split_once('/').unwrap_or(("", value));
    Ok(Workload { name: name.to_owned(), kind: kind.to_owned() })
}

fn identity(value: &str) -> Result<u32> {
    let known = terms::identities().find(|(_, name)| *name == value).map(|(number, _)| number);
    known.or_else(|| value.parse().ok()).ok_or_else(|| wrong!("{value:?} is neither a number nor a reserved identity"))
}

fn port(value: &str) -> Result<String> {
    match value.parse::<u16>() {
        Ok(_) => Ok(value.to_owned()),
        Err(_) => bail!("{value:?} is no port"),
    }
}

fn ip_trace_id(value: &str) -> Result<u64> {
    value.parse().ok().filter(|id| *id > 0).ok_or_else(|| wrong!("{value:?} is no trace id: a number above 0"))
}

#[expect(clippy::unnecessary_wraps, reason = "one shape for all values")]
fn ip_version(value: &str) -> Result<i32> {
    Ok(match value.to_ascii_lowercase().as_str() {
        "4" | "v4" | "ipv4" | "ip4" => IpVersion::IPv4.into(),
        "6" | "v6" | "ipv6" | "ip6" => IpVersion::IPv6.into(),
        _ => IpVersion::IpNotUsed.into(),
    })
}

fn header(value: &str) -> Result<HttpHeader> {
    let (key, value) = value.split_once(':').ok_or_else(|| wrong!("{value:?} is no key:value"))?;
    Ok(HttpHeader { key: key.to_owned(), value: value.to_owned() })
}

fn tcp_flags(value: &str) -> Result<TcpFlags> {
    let mut flags = TcpFlags::default();
    for name in value.split(',') {
        match name.to_ascii_uppercase().as_str() {
            "SYN" => flags.syn = true,
            "FIN" => flags.fin = true,
            "RST" => flags.rst = true,
            "PSH" => flags.psh = true,
            "ACK" => flags.ack = true,
            "URG" => flags.urg = true,
            "ECE" => flags.ece = true,
            "CWR" => flags.cwr = true,
            "NS" => flags.ns = true,
            _ => bail!("{name:?} is no TCP flag"),
        }
    }
    Ok(flags)
}
