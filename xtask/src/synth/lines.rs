//! A sighting as the line that the agent writes.

use super::cluster::{CLUSTER, Cluster, PartyView, service_at};
use super::records::{Scratch, finish, l7};
use super::sighting::{Point, Sighting, What};
use crate::exporter_line::{
    Emitter, Endpoint, EventType, Flow, Ip, Kafka, Layer4, LostEvents, Named, Policy, Record, TcpFlags, write_lost_line,
};
use crate::splitmix::SplitMix64;

pub(super) struct Lines<'a> {
    cluster: &'a Cluster,
    parties: &'a [PartyView<'a>],
    node_labels: Vec<Vec<&'a str>>,
    random: SplitMix64,
    scratch: Scratch,
}

const TOPICS: [&str; 4] = ["orders", "payments", "audit", "stock"];
const DEFAULT_DENY: (u32, &str) = (133, "POLICY_DENIED");
const ALLOW: [Policy<'static>; 1] = [Policy {
    name: "allow-from-clients",
    namespace: "shop",
    labels: &[
        "k8s:io.cilium.k8s.policy.derived-from=CiliumNetworkPolicy",
        "k8s:io.cilium.k8s.policy.name=allow-from-clients",
        "k8s:io.cilium.k8s.policy.namespace=shop",
    ],
    revision: 42,
    kind: "CiliumNetworkPolicy",
}];

impl<'a> Lines<'a> {
    pub(super) fn new(cluster: &'a Cluster, parties: &'a [PartyView<'a>], seed: u64) -> Self {
        let node_labels = cluster.nodes.iter().map(|node| node.labels.iter().map(String::as_str).collect()).collect();
        let random = SplitMix64::new(seed ^ 0x001d);
        Self { cluster, parties, node_labels, random, scratch: Scratch::default() }
    }

    /// Writes the line; tells whether it is a flow.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, seen: &Sighting) -> bool {
        let at = usize::from(seen.node);
        let (Some(node), Some(labels)) = (self.cluster.nodes.get(at), self.node_labels.get(at)) else {
            return false;
        };
        if let What::Lost { count } = seen.what {
            write_lost_line(out, &lost(seen, count, &node.name));
            return false;
        }
        let (Some(from), Some(to)) = (self.parties.get(usize::from(seen.from)), self.parties.get(usize::from(seen.to)))
        else {
            return false;
        };
        let uuid = self.random.uuid();
        let mut flow = Flow {
            time: seen.time,
            uuid: str::from_utf8(&uuid).unwrap_or_default(),
            emitter: Some(Emitter { name: "Hubble", version: "1.19.4+g1a2b3c4d" }),
            verdict: "FORWARDED",
            ip: Some(Ip { source: &from.party.ip, destination: &to.party.ip, version: "IPv4", ..Ip::default() }),
            source: Some(from.endpoint(seen.node)),
            destination: Some(to.endpoint(seen.node)),
            kind: "L3_L4",
            node_name: &node.full_name,
            node_labels: labels,
            source_names: &from.names,
            destination_names: &to.names,
            reply: seen.reply,
            is_reply: Some(seen.reply),
            ..Flow::default()
        };
        match seen.what {
            What::Trace { point, flags } => trace(&mut flow, seen, (from, to), point, TcpFlags(flags)),
            What::Redirected | What::Allowed | What::Denied | What::Dropped => {
                syn(&mut flow, seen, (from, to));
            }
            What::Sock { after, cookie } => socket(&mut flow, seen, to, after, cookie),
            What::Http { code, latency, id } => {
                return self.scratch.http(out, &flow, seen, (to, from), (code, latency, id));
            }
            What::Dns { name, aaaa, answer } => return self.scratch.dns(out, &flow, seen, (name, aaaa, answer)),
            What::Kafka { response, id, topic } => {
                let kafka = Kafka {
                    api_key: if topic % 2 == 0 { "produce" } else { "fetch" },
                    api_version: 7,
                    correlation_id: i32::from(id),
                    topic: TOPICS.get(usize::from(topic)).copied().unwrap_or_default(),
                    ..Kafka::default()
                };
                flow = l7(&flow, seen, 0, "INGRESS", Record::Kafka(kafka));
                debug_assert_eq!(response, seen.reply, "answers go back");
            }
            What::Lost { .. } => {}
        }
        finish(out, &flow, &mut self.scratch.text)
    }
}

fn trace<'a>(
    flow: &mut Flow<'a>,
    seen: &Sighting,
    (from, to): (&'a PartyView<'a>, &'a PartyView<'a>),
    point: Point,
    flags: TcpFlags,
) {
    let (name, sub_type) = match point {
        Point::Endpoint => ("TO_ENDPOINT", 0),
        Point::Proxy => ("TO_PROXY", 1),
        Point::Stack => ("TO_STACK", 3),
        Point::Network => ("TO_NETWORK", 11),
    };
    let at_receiver = matches!(point, Point::Endpoint | Point::Proxy);
    flow.ethernet = Some(from.ethernet(to));
    flow.l4 = Some(Layer4::Tcp { source: seen.from_port, destination: seen.to_port, flags: Some(flags) });
    flow.event_type = Some(EventType { kind: 4, sub_type });
    flow.traffic_direction = if at_receiver == seen.reply { "EGRESS" } else { "INGRESS" };
    flow.trace_observation_point = name;
    flow.trace_reason = match (seen.reply, flags == TcpFlags::SYN) {
        (true, _) => "REPLY",
        (false, true) => "NEW",
        (false, false) => "ESTABLISHED",
    };
    flow.interface = match point {
        Point::Endpoint | Point::Proxy => Some((to.party.interface.0, &*to.party.interface.1)),
        Point::Network => Some((2, "eth0")),
        Point::Stack => None,
    };
    flow.proxy_port = if point == Point::Proxy { 13_431 } else { 0 };
}

/// A policy verdict, or a drop, on the first packet of a connection.
fn syn<'a>(flow: &mut Flow<'a>, seen: &Sighting, (from, to): (&'a PartyView<'a>, &'a PartyView<'a>)) {
    let egress = to.party.node != Some(seen.node);
    flow.ethernet = Some(from.ethernet(to));
    flow.l4 = Some(Layer4::Tcp { source: seen.from_port, destination: seen.to_port, flags: Some(TcpFlags::SYN) });
    flow.traffic_direction = if egress { "EGRESS" } else { "INGRESS" };
    flow.event_type = Some(EventType { kind: 5, sub_type: 0 });
    match seen.what {
        What::Denied | What::Dropped => {
            flow.verdict = "DROPPED";
            flow.drop_reason = DEFAULT_DENY.0;
            flow.drop_reason_desc = DEFAULT_DENY.1;
            flow.is_reply = None;
            if seen.what == What::Dropped {
                flow.event_type = Some(EventType { kind: 1, sub_type: DEFAULT_DENY.0 });
                flow.file = Some(("bpf_lxc.c", if egress { 1390 } else { 2215 }));
            }
        }
        what => {
            flow.verdict = if what == What::Redirected { "REDIRECTED" } else { "FORWARDED" };
            flow.policy_match_type = 2;
            flow.ingress_allowed_by = &ALLOW;
        }
    }
}

/// Before and after the translation of a service's address into a pod's; ports of the client are not known here.
fn socket<'a>(flow: &mut Flow<'a>, seen: &Sighting, to: &PartyView<'a>, after: bool, cookie: u64) {
    flow.kind = "SOCK";
    flow.l4 = Some(Layer4::Tcp { source: 0, destination: seen.to_port, flags: None });
    flow.event_type = Some(EventType { kind: 7, sub_type: if after { 2 } else { 1 } });
    flow.is_reply = None;
    flow.socket_cookie = cookie;
    flow.cgroup_id = 7310;
    if after {
        flow.verdict = "TRANSLATED";
        flow.sock_xlate_point = "SOCK_XLATE_POINT_POST_DIRECTION_FWD";
        return;
    }
    flow.verdict = "TRACED";
    flow.sock_xlate_point = "SOCK_XLATE_POINT_PRE_DIRECTION_FWD";
    flow.destination = Some(Endpoint::default());
    flow.ip = flow.ip.map(|ip| Ip { destination: "10.96.17.20", ..ip });
    let service = service_at(to.party.service.unwrap_or(0));
    flow.destination_service = Some(Named { name: service.name, namespace: service.namespace });
}

fn lost<'a>(seen: &Sighting, count: u16, node_name: &'a str) -> LostEvents<'a> {
    debug_assert!(!node_name.starts_with(CLUSTER), "only flows carry the cluster's name");
    LostEvents {
        source: "OBSERVER_EVENTS_QUEUE",
        count: u64::from(count),
        cpu: None,
        first: Some(seen.time - 1_000_000_000),
        last: Some(seen.time),
        node_name,
        time: seen.time,
    }
}
