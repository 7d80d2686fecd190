//! Events of the kernel → rows. No file, no clock, no kernel: what is needed of these is passed in.
//!
//! A packet becomes a row directly (`pipeline/direct.rs`), or by way of Hubble's message: what came through a tunnel, what applications
//! said, the first of each shape.

#![expect(deprecated, reason = "Hubble still writes these fields")]

mod direct;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use lookback_flow::dictionary::hasher;
use lookback_flow::proto::flow::{
    CiliumEventType, Emitter, Endpoint, Flow, FlowType, L7FlowType, Layer7, LostEvent, LostEventSource, TraceContext,
    TraceParent, TraceReason, layer7,
};
use lookback_flow::proto::observer::{ExportEvent, export_event::ResponseTypes};
use lookback_flow::protobuf::Decoder;
use lookback_flow::rows::Projection;
use lookback_flow::time::timestamp;
use lookback_recorder_ebpf::{Packet, kind};
use prost::Message as _;

use self::direct::{Direct, Shape, Sight};
use crate::enrich::{Addresses, Enrichment};
use crate::generations::Hasher;
use crate::observe::flow::{Place, Role, address, dropped, forwarded};
use crate::observe::names::Names;
use crate::observe::reasons::{PREFIX, nearest};
use crate::observe::streams::{Message, Streams};
use crate::observe::track::{Connections, Tracked};
use crate::observe::{dns, http};

/// Hubble's number of L7 events.
const L7: i32 = 129;

/// Connections that are tracked in a network namespace.
const CONNECTIONS: usize = 131_072;

/// What is known of a network namespace.
#[derive(Clone, Debug)]
pub struct Surroundings {
    pub interfaces: HashMap<u32, (String, Role), Hasher>,
    pub addresses: Addresses,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self { interfaces: HashMap::with_hasher(hasher()), addresses: Addresses::with_hasher(hasher()) }
    }
}

/// One network namespace.
#[derive(Debug)]
pub struct Scope {
    pub surroundings: Surroundings,
    connections: Connections,
    streams: Streams,
}

impl Default for Scope {
    fn default() -> Self {
        Self {
            surroundings: Surroundings::default(),
            connections: Connections::new(CONNECTIONS),
            streams: Streams::default(),
        }
    }
}

/// Losses of one CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    pub cpu: i32,
    pub events: u64,
    /// Nanoseconds since 1970.
    pub first: i64,
    pub last: i64,
}

/// Makes rows of events.
#[derive(Debug)]
pub struct Pipeline {
    node: String,
    /// The kernel's names of its reasons.
    reasons: HashMap<u32, String>,
    pub enrichment: Enrichment,
    names: Names,
    decoder: Decoder,
    direct: Direct,
    /// Every packet by way of its message: the reference that the direct way is held against.
    #[cfg(test)]
    by_message: bool,
    rows: u64,
    /// Makes flows' numbers unique.
    uuids: (u64, u64),
    /// Events that made no sense.
    pub unreadable: u64,
}

impl Pipeline {
    /// `seed` makes the numbers of this run's flows differ from those of others.
    #[must_use]
    pub fn new(node: &str, reasons: HashMap<u32, String>, enrichment: Enrichment, seed: u64) -> Self {
        Self {
            node: node.to_owned(),
            reasons,
            enrichment,
            names: Names::default(),
            decoder: Decoder::new(Projection::all()),
            direct: Direct::default(),
            #[cfg(test)]
            by_message: false,
            rows: 0,
            uuids: (seed, 0),
            unreadable: 0,
        }
    }

    /// Rows that were not taken yet.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Takes an event in. `epoch` is when the kernel's clock was at zero, nanoseconds since 1970.
    pub fn event(&mut self, scope: &mut Scope, bytes: &[u8], epoch: i64) {
        let Some(packet) = Packet::read(bytes) else {
            self.unreadable += 1;
            return;
        };
        match packet.kind {
            kind::PACKET => {
                let tracked = scope.connections.track(&packet);
                self.packet(scope, &packet, tracked, epoch);
            }
            kind::DROP => {
                let tracked = Tracked { is_reply: None, reason: TraceReason::Unknown };
                self.packet(scope, &packet, tracked, epoch);
            }
            kind::PAYLOAD | kind::LARGE_PAYLOAD => {
                for message in scope.streams.read(&packet, Packet::payload_of(bytes)) {
                    self.message(scope, &packet, message, epoch);
                }
            }
            _ => self.unreadable += 1,
        }
    }

    /// A packet that passed, or was dropped.
    fn packet(&mut self, scope: &Scope, packet: &Packet, tracked: Tracked, epoch: i64) {
        let place = place(&scope.surroundings, packet);
        let shape = Shape::of(packet, &place, tracked);
        #[cfg(test)]
        let shape = shape.filter(|_| !self.by_message);
        let Some(shape) = shape else {
            let flow = self.flow_of(packet, &place, tracked);
            return self.push(scope, packet, flow, epoch);
        };
        if !self.direct.knows(&shape, self.decoder.rows()) && self.learn(shape, packet, &place, tracked).is_err() {
            self.unreadable += 1;
            return;
        }
        let (source, destination) = self.enrichment.ends(packet, &scope.surroundings.addresses);
        self.uuids.1 += 1;
        let sight = Sight {
            packet,
            place: &place,
            time: epoch.saturating_add_unsigned(packet.time_ns),
            uuid: self.uuids,
            ends: [&source, &destination],
        };
        let rows = self.decoder.rows();
        if !self.direct.write(&shape, &sight, rows) {
            self.unreadable += 1;
            return;
        }
        for (at, end) in [packet.tuple.source, packet.tuple.destination].into_iter().enumerate() {
            direct::names(rows, at, self.names.of(address(end, packet.tuple.version)));
        }
        rows.finish_row();
        self.rows += 1;
    }

    /// Learns what packets of a shape have in common from the message of one of them.
    fn learn(
        &mut self,
        shape: Shape,
        packet: &Packet,
        place: &Place<'_>,
        tracked: Tracked,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let flow = self.flow_of(packet, place, tracked);
        let ends = [Endpoint::default(), Endpoint::default()];
        let event = self.event_of(flow, ends, 0, String::new());
        let mut decoder = Decoder::new(Projection::all());
        decoder.message(&event.encode_to_vec())?;
        Ok(self.direct.learn(shape, &decoder.finish()?, self.decoder.rows())?)
    }

    fn flow_of(&self, packet: &Packet, place: &Place<'_>, tracked: Tracked) -> Flow {
        if packet.kind != kind::DROP {
            return forwarded(packet, place, tracked);
        }
        let name = self.reasons.get(&packet.reason);
        let kernel = name.cloned().unwrap_or_else(|| format!("{PREFIX}{}", packet.reason));
        dropped(packet, place, nearest(&kernel), &kernel)
    }

    fn message(&mut self, scope: &mut Scope, packet: &Packet, message: Message, epoch: i64) {
        let (is_answer, latency_ns, record, summary, trace_id) = match message {
            Message::Dns { message, latency_ns } => {
                if message.is_answer {
                    self.names.learn(&message.dns.query, &message.addresses);
                }
                let summary = dns::summary(&message.dns, message.is_answer);
                (message.is_answer, latency_ns, layer7::Record::Dns(message.dns), summary, None)
            }
            Message::Http { http, is_response, latency_ns, trace_id } => {
                let summary = http::summary(&http, is_response, latency_ns);
                (is_response, latency_ns, layer7::Record::Http(*http), summary, trace_id)
            }
        };
        // What a message is tells who asked, whatever of the connection was seen.
        let tracked = Tracked { is_reply: Some(is_answer), reason: TraceReason::Unknown };
        let kind = if is_answer { L7FlowType::Response } else { L7FlowType::Request };
        let flow = Flow {
            r#type: FlowType::L7.into(),
            l7: Some(Layer7 { r#type: kind.into(), latency_ns, record: Some(record) }),
            event_type: Some(CiliumEventType { r#type: L7, sub_type: 0 }),
            trace_observation_point: 0,
            trace_context: trace_id.map(|trace_id| TraceContext { parent: Some(TraceParent { trace_id }) }),
            summary,
            ..forwarded(packet, &place(&scope.surroundings, packet), tracked)
        };
        self.push(scope, packet, flow, epoch);
    }

    /// Adds what is the same for all flows, and the row.
    fn push(&mut self, scope: &Scope, packet: &Packet, flow: Flow, epoch: i64) {
        let (source, destination) = self.enrichment.ends(packet, &scope.surroundings.addresses);
        self.uuids.1 += 1;
        let uuid = String::from_utf8_lossy(&direct::uuid(self.uuids)).into_owned();
        let names = |names: Option<&[Arc<str>]>| names.unwrap_or_default().iter().map(ToString::to_string).collect();
        let tuple = &packet.tuple;
        let flow = Flow {
            source_names: names(self.names.of(address(tuple.source, tuple.version))),
            destination_names: names(self.names.of(address(tuple.destination, tuple.version))),
            ..flow
        };
        let ends = [source.as_ref().clone(), destination.as_ref().clone()];
        let event = self.event_of(flow, ends, epoch.saturating_add_unsigned(packet.time_ns), uuid);
        self.add(&event);
    }

    fn event_of(&self, flow: Flow, [source, destination]: [Endpoint; 2], at: i64, uuid: String) -> ExportEvent {
        let time = Some(timestamp(at));
        let flow = Flow {
            time,
            uuid,
            emitter: Some(Emitter {
                name: "lookback-recorder".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            }),
            node_name: self.node.clone(),
            source: Some(source),
            destination: Some(destination),
            ..flow
        };
        ExportEvent { time, node_name: self.node.clone(), response_types: Some(ResponseTypes::Flow(flow)) }
    }

    /// Tells of events that the ring had no room for.
    pub fn lost(&mut self, loss: &Loss) {
        let last = Some(timestamp(loss.last));
        let event = LostEvent {
            source: LostEventSource::PerfEventRingBuffer.into(),
            num_events_lost: loss.events,
            cpu: Some(loss.cpu),
            first: Some(timestamp(loss.first)),
            last,
        };
        self.add(&ExportEvent {
            time: last,
            node_name: self.node.clone(),
            response_types: Some(ResponseTypes::LostEvents(event)),
        });
    }

    fn add(&mut self, event: &ExportEvent) {
        match self.decoder.message(&event.encode_to_vec()) {
            Ok(()) => self.rows += 1,
            // Our own encoding is always read.
            Err(_) => self.unreadable += 1,
        }
    }

    /// The rows so far, each list once (`lookback_flow::dictionary`).
    ///
    /// # Errors
    /// When arrow refuses them, which would be a mistake in this program.
    pub fn take(&mut self) -> Result<RecordBatch, arrow::error::ArrowError> {
        self.rows = 0;
        self.decoder.finish_packed()
    }
}

fn place<'a>(surroundings: &'a Surroundings, packet: &Packet) -> Place<'a> {
    match surroundings.interfaces.get(&packet.interface) {
        Some((name, role)) => Place { interface: name, role: *role },
        None => Place { interface: "", role: Role::Network },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lookback_flow::dictionary::unpacked;
    use lookback_flow::json;
    use lookback_recorder_ebpf::{Tuple, cause};
    use proptest::prelude::*;

    const PODS: &str = r#"{"items":[{"metadata":{"name":"web-0","namespace":"shop","uid":"u","labels":{"app":"web"},
        "ownerReferences":[{"kind":"StatefulSet","name":"web"}]},"status":{"podIP":"1.1.1.1"}},
        {"metadata":{"name":"bare","uid":"v"},"status":{"podIP":"303:303:303:303:303:303:303:303"}}]}"#;

    fn pipeline(by_message: bool) -> (Pipeline, Scope) {
        let mut pipeline = Pipeline::new(
            "node-a",
            HashMap::from([(2, "SKB_DROP_REASON_NO_SOCKET".to_owned())]),
            Enrichment::new("/nowhere".as_ref()),
            7,
        );
        pipeline.by_message = by_message;
        pipeline.enrichment.pods = crate::enrich::pods::Pods::parse(PODS).unwrap();
        pipeline.names.learn("web.example.", &["1.1.1.1".parse().unwrap()]);
        let mut scope = Scope::default();
        scope
            .surroundings
            .interfaces
            .extend([(1, ("lo".to_owned(), Role::Loopback)), (2, ("veth0".to_owned(), Role::Endpoint))]);
        scope.surroundings.addresses.insert("2.2.2.2".parse().unwrap());
        (pipeline, scope)
    }

    fn lines(packets: &[Packet], by_message: bool) -> Vec<String> {
        let (mut pipeline, mut scope) = pipeline(by_message);
        let mut text = String::new();
        for (n, packet) in packets.iter().enumerate() {
            if packet.kind == kind::DROP {
                pipeline.packet(&scope, packet, Tracked { is_reply: None, reason: TraceReason::Unknown }, 5);
            } else {
                let tracked = scope.connections.track(packet);
                pipeline.packet(&scope, packet, tracked, 5);
            }
            // Numbers hold from batch to batch.
            if n % 3 == 2 {
                json::encode(&unpacked(&pipeline.take().unwrap()).unwrap(), &mut text).unwrap();
            }
        }
        json::encode(&unpacked(&pipeline.take().unwrap()).unwrap(), &mut text).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    prop_compose! {
        fn packets()(
            (kind, hook, tunnel) in (prop_oneof![Just(kind::PACKET), Just(kind::DROP)], 0u8..2, prop_oneof![9 => Just(0u8), 1 => Just(1)]),
            (interface, has_mac, notes, reason) in (0u32..4, 0u8..2, prop_oneof![6 => Just(0u8), 1 => 0u8..16], 0u32..4),
            (version, protocol) in (prop_oneof![Just(4u8), Just(6)], prop_oneof![Just(6u8), Just(17), Just(1), Just(58), Just(132), any::<u8>()]),
            (from, to, ports) in (1u8..4, 1u8..4, any::<[u16; 2]>()),
            (flags, macs, packets, pid, time_ns) in (0u16..512, any::<[u8; 2]>(), 1u64..3, 0u32..2, 1u64..1_000_000),
        ) -> Packet {
            let tuple = Tuple { source: [from; 16], destination: [to; 16], source_port: ports[0], destination_port: ports[1], protocol, version, notes, unused: 0 };
            Packet { kind, hook, cause: cause::EDGE, tunnel, interface, time_ns, tuple, tcp_flags: flags, has_mac, source_mac: [macs[0]; 6],
                destination_mac: [macs[1]; 6], packets, pid, reason, comm: *b"curl\0\0\0\0\0\0\0\0\0\0\0\0", ..Packet::default() }
        }
    }

    proptest! {
        #[test]
        fn rows_are_those_of_the_messages(packets in proptest::collection::vec(packets(), 1..30)) {
            // Each twice: the first one teaches a shape, the second one is written by it.
            let packets: Vec<Packet> = packets.iter().chain(&packets).copied().collect();
            let (direct, by_message) = (lines(&packets, false), lines(&packets, true));
            prop_assert_eq!(direct.len(), packets.len());
            prop_assert_eq!(direct, by_message);
        }
    }
}
