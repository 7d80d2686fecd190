//! What the agents of two nodes write when something happens between two peers.
//!
//! The model is a cluster with native routing, `monitorAggregation: medium` and a proxy for DNS, HTTP and Kafka:
//! a packet between nodes is seen twice, leaving the sender's node (to-stack) and reaching the receiver (to-endpoint);
//! a packet inside one node once (to-endpoint); one that leaves the cluster at to-stack and, masqueraded, at to-network.
//! A node knows the workload and the endpoint number of its own pods only.

use std::collections::BTreeMap;

use super::cast::Peer;
use crate::exporter_line::{
    Endpoint, Ethernet, EventType, Flow, Ip, Layer4, LostEvents, Nanos, TcpFlags, summary, write_flow_line,
    write_lost_line,
};
use crate::splitmix::SplitMix64;

pub(crate) const MS: Nanos = 1_000_000;
pub(crate) const SECOND: Nanos = 1_000 * MS;
/// 2026-03-01T00:00:00Z, the day of every scenario.
pub(crate) const DAY: Nanos = 1_772_323_200 * SECOND;

/// A time of that day.
pub(crate) const fn at(hour: u64, minute: u64, second: u64) -> Nanos {
    DAY + (hour * 3600 + minute * 60 + second) * SECOND
}

/// The lines of each node, with the time at which it wrote them.
pub(crate) struct Log {
    lines: BTreeMap<String, Vec<(Nanos, Vec<u8>)>>,
    random: SplitMix64,
}

/// A TCP connection, from client to server.
#[derive(Clone, Copy)]
pub(crate) struct Tcp {
    pub(crate) client: Peer,
    pub(crate) server: Peer,
    pub(crate) client_port: u16,
    pub(crate) server_port: u16,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Forward,
    Reply,
}
pub(crate) use Way::{Forward, Reply};

pub(crate) fn tcp(client: Peer, client_port: u16, server: Peer, server_port: u16) -> Tcp {
    Tcp { client, server, client_port, server_port }
}

impl Tcp {
    /// Sender and receiver of a packet that goes this way.
    pub(crate) fn ends(&self, way: Way) -> (Peer, Peer) {
        match way {
            Forward => (self.client, self.server),
            Reply => (self.server, self.client),
        }
    }

    pub(crate) fn l4(&self, way: Way, flags: Option<TcpFlags>) -> Layer4 {
        let (source, destination) = match way {
            Forward => (self.client_port, self.server_port),
            Reply => (self.server_port, self.client_port),
        };
        Layer4::Tcp { source, destination, flags }
    }
}

impl Log {
    pub(crate) fn new(seed: u64) -> Self {
        Self { lines: BTreeMap::new(), random: SplitMix64::new(seed) }
    }

    /// Every node's lines in the order in which they were written, by time; equal times keep the order of the scenario.
    pub(crate) fn into_lines(mut self) -> BTreeMap<String, Vec<(Nanos, Vec<u8>)>> {
        for lines in self.lines.values_mut() {
            lines.sort_by_key(|(time, _)| *time);
        }
        self.lines
    }

    /// One observation by `node`; names of the peers, uuid and summary are filled in.
    pub(crate) fn flow(&mut self, time: Nanos, node: &str, from: &Peer, to: &Peer, flow: &Flow<'_>) {
        let uuid = self.random.uuid();
        let (from_labels, to_labels) = (from.labels(), to.labels());
        let from_labels: Vec<&str> = from_labels.iter().map(String::as_str).collect();
        let to_labels: Vec<&str> = to_labels.iter().map(String::as_str).collect();
        let mut flow = Flow {
            time,
            uuid: str::from_utf8(&uuid).unwrap_or_default(),
            ip: flow.ip.or(Some(ip(from, to))),
            source: flow.source.or(Some(endpoint(from, node, &from_labels))),
            destination: flow.destination.or(Some(endpoint(to, node, &to_labels))),
            node_name: node,
            source_names: from.names,
            destination_names: to.names,
            ..*flow
        };
        let mut text = String::new();
        summary(&mut text, &flow);
        flow.summary = &text;
        let mut line = Vec::new();
        write_flow_line(&mut line, &flow);
        self.raw(time, node, line);
    }

    pub(crate) fn lost(&mut self, lost: &LostEvents<'_>) {
        let mut line = Vec::new();
        write_lost_line(&mut line, lost);
        self.raw(lost.time, lost.node_name, line);
    }

    /// A line as it is, with its newline.
    pub(crate) fn raw(&mut self, time: Nanos, node: &str, line: Vec<u8>) {
        self.lines.entry(node.to_owned()).or_default().push((time, line));
    }

    /// A packet of a connection, seen wherever it passes.
    pub(crate) fn packet(&mut self, time: Nanos, connection: &Tcp, way: Way, flags: TcpFlags) {
        let (from, to) = connection.ends(way);
        self.passes(time, &from, &to, way, connection.l4(way, Some(flags)), reason(way, flags));
    }

    pub(crate) fn passes(&mut self, time: Nanos, from: &Peer, to: &Peer, way: Way, l4: Layer4, reason: &str) {
        let mut later = time;
        if from.is_pod() && (from.node != to.node || !to.is_pod()) {
            self.trace(time, from.node, (from, to), way, l4, reason, "TO_STACK");
            if to.node.is_empty() {
                self.trace(time + 20_000, from.node, (from, to), way, l4, reason, "TO_NETWORK");
            }
            later += 200_000;
        }
        if to.is_pod() && to.id != 0 {
            self.trace(later, to.node, (from, to), way, l4, reason, "TO_ENDPOINT");
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one line")]
    pub(crate) fn trace(
        &mut self,
        time: Nanos,
        node: &str,
        (from, to): (&Peer, &Peer),
        way: Way,
        l4: Layer4,
        reason: &str,
        point: &str,
    ) {
        // The hook is the receiver's at to-endpoint and the sender's elsewhere; a reply belongs to the policy that let
        // the request through.
        let at_receiver = matches!(point, "TO_ENDPOINT" | "TO_PROXY");
        let ingress = at_receiver == (way == Forward);
        let mut addresses = ip(from, to);
        if point == "TO_NETWORK" {
            addresses.source_xlated = "192.168.7.1";
        }
        let flow = Flow {
            verdict: "FORWARDED",
            ip: Some(addresses),
            ethernet: Some(Ethernet { source: from.mac, destination: to.mac }),
            l4: Some(l4),
            kind: "L3_L4",
            reply: way == Reply,
            event_type: Some(EventType {
                kind: 4,
                sub_type: match point {
                    "TO_PROXY" => 1,
                    "TO_STACK" => 3,
                    "TO_NETWORK" => 11,
                    _ => 0,
                },
            }),
            traffic_direction: if ingress { "INGRESS" } else { "EGRESS" },
            trace_observation_point: point,
            trace_reason: reason,
            is_reply: Some(way == Reply),
            interface: match point {
                "TO_NETWORK" => Some((2, "eth0")),
                "TO_ENDPOINT" => Some(to.interface),
                _ => None,
            },
            ..Flow::default()
        };
        self.flow(time, node, from, to, &flow);
    }

    /// SYN, SYN-ACK a millisecond later, ACK another one later.
    pub(crate) fn handshake(&mut self, time: Nanos, connection: &Tcp) {
        self.packet(time, connection, Forward, TcpFlags::SYN);
        self.packet(time + MS, connection, Reply, TcpFlags::SYN_ACK);
        self.packet(time + 2 * MS, connection, Forward, TcpFlags::ACK);
    }

    /// FIN by the client, FIN by the server a millisecond later.
    pub(crate) fn close(&mut self, time: Nanos, connection: &Tcp) {
        self.packet(time, connection, Forward, TcpFlags::FIN_ACK);
        self.packet(time + MS, connection, Reply, TcpFlags::FIN_ACK);
    }
}

pub(crate) fn ip(from: &Peer, to: &Peer) -> Ip<'static> {
    Ip { source: from.ip, destination: to.ip, version: "IPv4", ..Ip::default() }
}

/// What an agent knows of a peer.
fn endpoint<'a>(peer: &Peer, observer: &str, labels: &'a [&'a str]) -> Endpoint<'a> {
    let local = peer.is_pod() && peer.node == observer;
    Endpoint {
        id: if local { peer.id } else { 0 },
        identity: peer.identity,
        cluster_name: if peer.is_pod() { "default" } else { "" },
        namespace: peer.namespace,
        labels,
        pod_name: peer.pod,
        workload: peer.workload.filter(|_| local),
    }
}

fn reason(way: Way, flags: TcpFlags) -> &'static str {
    match way {
        Reply => "REPLY",
        Forward if flags == TcpFlags::SYN => "NEW",
        Forward => "ESTABLISHED",
    }
}
