//! One line of Hubble's exporter, byte for byte as Cilium writes it.
//!
//! 1. Fields stand in the order in which `flow.proto` declares them, which is not the order of their numbers.
//! 2. Zero values are left out, messages that are there are kept even when empty, 64-bit numbers are strings.
//! 3. Values borrow: a line is written without allocating, so that logs of many gigabytes come quickly.
//!
//! The model is the generator's own and not `lookback-flow`'s: test data that came out of the reader under test would
//! repeat its mistakes. Fields that no scenario uses (tunnel, debug captures, extensions, …) are left out.

mod json;
mod layers;
mod summary;

pub(crate) use json::{hex, rfc3339, string};
pub(crate) use layers::{Dns, Http, Ip, Kafka, L7Type, Layer4, Layer7, Record, TcpFlags};
pub(crate) use summary::summary;

use json::{big, close, flag, key, number, open, text, texts, timestamp};

/// Nanoseconds since 1970.
pub(crate) type Nanos = u64;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flow<'a> {
    pub(crate) time: Nanos,
    pub(crate) uuid: &'a str,
    pub(crate) emitter: Option<Emitter<'a>>,
    pub(crate) verdict: &'a str,
    pub(crate) drop_reason: u32,
    pub(crate) ethernet: Option<Ethernet<'a>>,
    pub(crate) ip: Option<Ip<'a>>,
    pub(crate) l4: Option<Layer4>,
    pub(crate) source: Option<Endpoint<'a>>,
    pub(crate) destination: Option<Endpoint<'a>>,
    pub(crate) kind: &'a str,
    pub(crate) node_name: &'a str,
    pub(crate) node_labels: &'a [&'a str],
    pub(crate) source_names: &'a [&'a str],
    pub(crate) destination_names: &'a [&'a str],
    pub(crate) l7: Option<Layer7<'a>>,
    pub(crate) reply: bool,
    pub(crate) event_type: Option<EventType>,
    pub(crate) source_service: Option<Named<'a>>,
    pub(crate) destination_service: Option<Named<'a>>,
    pub(crate) traffic_direction: &'a str,
    pub(crate) policy_match_type: u32,
    pub(crate) trace_observation_point: &'a str,
    pub(crate) trace_reason: &'a str,
    pub(crate) file: Option<(&'a str, u32)>,
    pub(crate) drop_reason_desc: &'a str,
    pub(crate) is_reply: Option<bool>,
    pub(crate) interface: Option<(u32, &'a str)>,
    pub(crate) proxy_port: u32,
    pub(crate) trace_id: &'a str,
    pub(crate) sock_xlate_point: &'a str,
    pub(crate) socket_cookie: u64,
    pub(crate) cgroup_id: u64,
    pub(crate) summary: &'a str,
    pub(crate) egress_allowed_by: &'a [Policy<'a>],
    pub(crate) ingress_allowed_by: &'a [Policy<'a>],
    pub(crate) egress_denied_by: &'a [Policy<'a>],
    pub(crate) ingress_denied_by: &'a [Policy<'a>],
    pub(crate) policy_log: &'a [&'a str],
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Emitter<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ethernet<'a> {
    pub(crate) source: &'a str,
    pub(crate) destination: &'a str,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct EventType {
    pub(crate) kind: u32,
    pub(crate) sub_type: u32,
}

/// A service.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Named<'a> {
    pub(crate) name: &'a str,
    pub(crate) namespace: &'a str,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Endpoint<'a> {
    pub(crate) id: u32,
    pub(crate) identity: u32,
    pub(crate) cluster_name: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) labels: &'a [&'a str],
    pub(crate) pod_name: &'a str,
    /// Name and kind.
    pub(crate) workload: Option<(&'a str, &'a str)>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Policy<'a> {
    pub(crate) name: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) labels: &'a [&'a str],
    pub(crate) revision: u64,
    pub(crate) kind: &'a str,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LostEvents<'a> {
    pub(crate) source: &'a str,
    pub(crate) count: u64,
    pub(crate) cpu: Option<u32>,
    pub(crate) first: Option<Nanos>,
    pub(crate) last: Option<Nanos>,
    pub(crate) node_name: &'a str,
    pub(crate) time: Nanos,
}

/// The line of a flow, with its newline.
pub(crate) fn write_flow_line(out: &mut Vec<u8>, flow: &Flow<'_>) {
    out.extend_from_slice(b"{\"flow\":");
    write_flow(out, flow);
    envelope_end(out, flow.node_name, flow.time);
}

/// The line of a `lost_events` record, with its newline.
pub(crate) fn write_lost_line(out: &mut Vec<u8>, lost: &LostEvents<'_>) {
    out.extend_from_slice(b"{\"lost_events\":{");
    text(out, "source", lost.source);
    big(out, "num_events_lost", lost.count);
    if let Some(cpu) = lost.cpu {
        key(out, "cpu");
        json::decimal(out, u64::from(cpu));
    }
    for (name, time) in [("first", lost.first), ("last", lost.last)] {
        if let Some(time) = time {
            timestamp(out, name, time);
        }
    }
    close(out);
    envelope_end(out, lost.node_name, lost.time);
}

fn envelope_end(out: &mut Vec<u8>, node_name: &str, time: Nanos) {
    text(out, "node_name", node_name);
    timestamp(out, "time", time);
    out.extend_from_slice(b"}\n");
}

/// The object of a flow alone, as the CLI wrote it before 1.11 and as many log pipelines keep it.
pub(crate) fn write_flow(out: &mut Vec<u8>, flow: &Flow<'_>) {
    out.push(b'{');
    timestamp(out, "time", flow.time);
    text(out, "uuid", flow.uuid);
    if let Some(emitter) = &flow.emitter {
        open(out, "emitter");
        text(out, "name", emitter.name);
        text(out, "version", emitter.version);
        close(out);
    }
    text(out, "verdict", flow.verdict);
    number(out, "drop_reason", flow.drop_reason);
    if let Some(ethernet) = &flow.ethernet {
        open(out, "ethernet");
        text(out, "source", ethernet.source);
        text(out, "destination", ethernet.destination);
        close(out);
    }
    layers::write_ip(out, flow.ip.as_ref());
    layers::write_layer4(out, flow.l4.as_ref());
    write_endpoint(out, "source", flow.source.as_ref());
    write_endpoint(out, "destination", flow.destination.as_ref());
    text(out, "Type", flow.kind);
    text(out, "node_name", flow.node_name);
    texts(out, "node_labels", flow.node_labels);
    texts(out, "source_names", flow.source_names);
    texts(out, "destination_names", flow.destination_names);
    layers::write_layer7(out, flow.l7.as_ref());
    flag(out, "reply", flow.reply);
    if let Some(event) = &flow.event_type {
        open(out, "event_type");
        number(out, "type", event.kind);
        number(out, "sub_type", event.sub_type);
        close(out);
    }
    write_named(out, "source_service", flow.source_service.as_ref());
    write_named(out, "destination_service", flow.destination_service.as_ref());
    text(out, "traffic_direction", flow.traffic_direction);
    number(out, "policy_match_type", flow.policy_match_type);
    text(out, "trace_observation_point", flow.trace_observation_point);
    text(out, "trace_reason", flow.trace_reason);
    if let Some((name, line)) = flow.file {
        open(out, "file");
        text(out, "name", name);
        number(out, "line", line);
        close(out);
    }
    text(out, "drop_reason_desc", flow.drop_reason_desc);
    if let Some(is_reply) = flow.is_reply {
        key(out, "is_reply");
        out.extend_from_slice(if is_reply { b"true" } else { b"false" });
    }
    write_rest(out, flow);
    close(out);
}

/// What stands behind `is_reply`.
fn write_rest(out: &mut Vec<u8>, flow: &Flow<'_>) {
    if let Some((index, name)) = flow.interface {
        open(out, "interface");
        number(out, "index", index);
        text(out, "name", name);
        close(out);
    }
    number(out, "proxy_port", flow.proxy_port);
    if !flow.trace_id.is_empty() {
        open(out, "trace_context");
        open(out, "parent");
        text(out, "trace_id", flow.trace_id);
        close(out);
        close(out);
    }
    text(out, "sock_xlate_point", flow.sock_xlate_point);
    big(out, "socket_cookie", flow.socket_cookie);
    big(out, "cgroup_id", flow.cgroup_id);
    text(out, "Summary", flow.summary);
    write_policies(out, "egress_allowed_by", flow.egress_allowed_by);
    write_policies(out, "ingress_allowed_by", flow.ingress_allowed_by);
    write_policies(out, "egress_denied_by", flow.egress_denied_by);
    write_policies(out, "ingress_denied_by", flow.ingress_denied_by);
    texts(out, "policy_log", flow.policy_log);
}

fn write_endpoint(out: &mut Vec<u8>, name: &str, endpoint: Option<&Endpoint<'_>>) {
    let Some(endpoint) = endpoint else { return };
    open(out, name);
    number(out, "ID", endpoint.id);
    number(out, "identity", endpoint.identity);
    text(out, "cluster_name", endpoint.cluster_name);
    text(out, "namespace", endpoint.namespace);
    texts(out, "labels", endpoint.labels);
    text(out, "pod_name", endpoint.pod_name);
    if let Some((name, kind)) = endpoint.workload {
        key(out, "workloads");
        out.extend_from_slice(b"[{");
        text(out, "name", name);
        text(out, "kind", kind);
        out.extend_from_slice(b"}]");
    }
    close(out);
}

fn write_named(out: &mut Vec<u8>, name: &str, service: Option<&Named<'_>>) {
    let Some(service) = service else { return };
    open(out, name);
    text(out, "name", service.name);
    text(out, "namespace", service.namespace);
    close(out);
}

fn write_policies(out: &mut Vec<u8>, name: &str, policies: &[Policy<'_>]) {
    if policies.is_empty() {
        return;
    }
    key(out, name);
    for (at, policy) in policies.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"[{" } else { b",{" });
        text(out, "name", policy.name);
        text(out, "namespace", policy.namespace);
        texts(out, "labels", policy.labels);
        big(out, "revision", policy.revision);
        text(out, "kind", policy.kind);
        close(out);
    }
    out.push(b']');
}
