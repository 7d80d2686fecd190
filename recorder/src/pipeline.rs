//! Events of the kernel → rows. No file, no clock, no kernel: what is needed of these is passed in.

#![expect(deprecated, reason = "Hubble still writes these fields")]

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use arrow::array::RecordBatch;
use lookback_flow::proto::flow::{
    CiliumEventType, Emitter, Flow, FlowType, L7FlowType, Layer7, LostEvent, LostEventSource, TraceContext,
    TraceParent, layer7,
};
use lookback_flow::proto::observer::{ExportEvent, export_event::ResponseTypes};
use lookback_flow::protobuf::Decoder;
use lookback_flow::rows::Projection;
use lookback_flow::time::timestamp;
use lookback_recorder_ebpf::{Packet, kind};
use prost::Message as _;

use crate::enrich::Enrichment;
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
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    pub interfaces: HashMap<u32, (String, Role)>,
    pub addresses: HashSet<IpAddr>,
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
                let flow = forwarded(&packet, &place(&scope.surroundings, &packet), tracked);
                self.push(scope, &packet, flow, epoch);
            }
            kind::DROP => {
                let name = self.reasons.get(&packet.reason);
                let kernel = name.cloned().unwrap_or_else(|| format!("{PREFIX}{}", packet.reason));
                let flow = dropped(&packet, &place(&scope.surroundings, &packet), nearest(&kernel), &kernel);
                self.push(scope, &packet, flow, epoch);
            }
            kind::PAYLOAD | kind::LARGE_PAYLOAD => {
                for message in scope.streams.read(&packet, Packet::payload_of(bytes)) {
                    self.message(scope, &packet, message, epoch);
                }
            }
            _ => self.unreadable += 1,
        }
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
        let tracked = Tracked { is_reply: Some(is_answer), reason: lookback_flow::proto::flow::TraceReason::Unknown };
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
        let time = Some(timestamp(epoch.saturating_add_unsigned(packet.time_ns)));
        let (source, destination) = self.enrichment.ends(packet, &scope.surroundings.addresses);
        let tuple = &packet.tuple;
        self.uuids.1 += 1;
        let flow = Flow {
            time,
            uuid: uuid(self.uuids.0, self.uuids.1),
            emitter: Some(Emitter {
                name: "lookback-recorder".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            }),
            node_name: self.node.clone(),
            source: Some(source),
            destination: Some(destination),
            source_names: self.names.of(address(tuple.source, tuple.version)),
            destination_names: self.names.of(address(tuple.destination, tuple.version)),
            cgroup_id: 0,
            ..flow
        };
        self.add(&ExportEvent { time, node_name: self.node.clone(), response_types: Some(ResponseTypes::Flow(flow)) });
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

    /// The rows so far.
    ///
    /// # Errors
    /// When arrow refuses them, which would be a mistake in this program.
    pub fn take(&mut self) -> Result<RecordBatch, arrow::error::ArrowError> {
        self.rows = 0;
        self.decoder.finish()
    }
}

fn place<'a>(surroundings: &'a Surroundings, packet: &Packet) -> Place<'a> {
    match surroundings.interfaces.get(&packet.interface) {
        Some((name, role)) => Place { interface: name, role: *role },
        None => Place { interface: "", role: Role::Network },
    }
}

/// A number as RFC 9562 has it for those of one's own making (version 8).
fn uuid(high: u64, low: u64) -> String {
    let high = high & !0xf000 | 0x8000;
    let low = low & !(0xc << 60) | 0x8 << 60;
    let (a, b, c) = (high >> 32, high >> 16 & 0xffff, high & 0xffff);
    format!("{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
}
