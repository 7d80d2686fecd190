//! A packet straight into a row, without a message in between.
//!
//! Promises:
//! 1. A row is the one that the packet's message would give: what packets of a shape have in common is taken from the row of the
//!    first one, which is made by way of its message; only what differs within a shape is written here.
//! 2. Addresses and ends become text once, and numbers of it from then on: nothing is allocated for a packet like others.
//! 3. What is kept is bounded: with too much of it, it is forgotten.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use lookback_flow::columns::{COLUMNS, ColumnId, Type};
use lookback_flow::dictionary::hasher;
use lookback_flow::proto::flow::{Endpoint, TraceReason};
use lookback_flow::rows::{MemberValue, Rows};
use lookback_flow::view::View;
use lookback_recorder_ebpf::{Packet, hook, kind, note};

use crate::generations::Hasher;
use crate::observe::flow::{Place, Role, address, mac};
use crate::observe::track::Tracked;

/// Values of a kind that are kept.
const MOST: usize = 32_768;

const TCP: u8 = 6;
const ICMP: u8 = 1;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;

/// Columns of one end.
struct Side {
    ip: ColumnId,
    port: ColumnId,
    mac: ColumnId,
    identity: ColumnId,
    namespace: ColumnId,
    labels: ColumnId,
    pod: ColumnId,
    workloads: ColumnId,
    names: ColumnId,
}

/// Columns that differ within a shape.
struct Differing {
    time: ColumnId,
    uuid: ColumnId,
    interface: ColumnId,
    interface_name: ColumnId,
    /// Drops at ingress and at egress that a row stands for.
    aggregates: [ColumnId; 2],
    sides: [Side; 2],
}

static DIFFERING: LazyLock<Differing> = LazyLock::new(|| {
    let side = |name: &str| {
        let of = |what: &str| ColumnId::known(&format!("{name}_{what}"));
        Side {
            ip: of("ip"),
            port: of("port"),
            mac: ColumnId::known(&format!("ethernet_{name}")),
            identity: of("identity"),
            namespace: of("namespace"),
            labels: of("labels"),
            pod: of("pod"),
            workloads: of("workloads"),
            names: of("names"),
        }
    };
    Differing {
        time: ColumnId::known("time"),
        uuid: ColumnId::known("uuid"),
        interface: ColumnId::known("interface_index"),
        interface_name: ColumnId::known("interface_name"),
        aggregates: ["aggregate_ingress_count", "aggregate_egress_count"].map(ColumnId::known),
        sides: [side("source"), side("destination")],
    }
});

impl Differing {
    fn has(&self, id: ColumnId) -> bool {
        let own = [self.time, self.uuid, self.interface, self.interface_name];
        let of = |side: &Side| {
            [
                side.ip,
                side.port,
                side.mac,
                side.identity,
                side.namespace,
                side.labels,
                side.pod,
                side.workloads,
                side.names,
            ]
            .contains(&id)
        };
        own.contains(&id) || self.aggregates.contains(&id) || self.sides.iter().any(of)
    }
}

/// What packets have in common whose rows differ in times, ends and interfaces alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing that a packet has or has not")]
pub(super) struct Shape {
    kind: u8,
    hook: u8,
    role: Role,
    is_reply: Option<bool>,
    reason: TraceReason,
    version: u8,
    protocol: u8,
    notes: u8,
    has_mac: bool,
    has_interface: bool,
    has_interface_name: bool,
    aggregates: bool,
    /// TCP flags; type and code of ICMP.
    detail: u16,
    drop_reason: u32,
}

impl Shape {
    /// The shape of a packet; `None` for one that came through a tunnel.
    pub(super) fn of(packet: &Packet, place: &Place<'_>, tracked: Tracked) -> Option<Self> {
        let tuple = &packet.tuple;
        let detail = match tuple.protocol {
            TCP => packet.tcp_flags,
            ICMP | ICMPV6 => tuple.source_port,
            _ => 0,
        };
        (packet.tunnel == 0).then_some(Self {
            kind: packet.kind,
            hook: packet.hook,
            role: place.role,
            is_reply: tracked.is_reply,
            reason: tracked.reason,
            version: tuple.version,
            protocol: tuple.protocol,
            notes: tuple.notes,
            has_mac: packet.has_mac != 0,
            has_interface: packet.interface != 0,
            has_interface_name: !place.interface.is_empty(),
            aggregates: packet.kind == kind::DROP && packet.packets > 1,
            detail,
            drop_reason: packet.reason,
        })
    }

    fn has_ports(&self) -> bool {
        self.notes & !note::CUT_OPTIONS == 0 && matches!(self.protocol, TCP | UDP | SCTP)
    }
}

/// A value that all rows of a shape have.
#[derive(Clone, Debug)]
enum Value {
    /// By its number in the column.
    Name(i32),
    Number(i128),
    Text(Box<str>),
}

/// The numbers of an end as source and as destination.
#[derive(Debug)]
struct Numbers {
    /// Kept, so that its place in memory is not another one's.
    end: Arc<Endpoint>,
    sides: [EndNumbers; 2],
}

#[derive(Clone, Copy, Debug)]
struct EndNumbers {
    namespace: Option<i32>,
    labels: Option<i32>,
    pod: Option<i32>,
    workloads: Option<i32>,
}

/// What is known of the columns' numbers, as long as they hold.
#[derive(Debug)]
pub(super) struct Direct {
    generation: u64,
    shapes: HashMap<Shape, Box<[(ColumnId, Value)]>, Hasher>,
    addresses: HashMap<([u8; 16], u8), [Option<i32>; 2], Hasher>,
    macs: HashMap<[u8; 6], [Option<i32>; 2], Hasher>,
    ends: HashMap<usize, Numbers, Hasher>,
}

/// What is written of one packet.
pub(super) struct Sight<'a> {
    pub(super) packet: &'a Packet,
    pub(super) place: &'a Place<'a>,
    /// Nanoseconds since 1970.
    pub(super) time: i64,
    pub(super) uuid: (u64, u64),
    pub(super) ends: [&'a Arc<Endpoint>; 2],
}

impl Default for Direct {
    fn default() -> Self {
        Self {
            generation: 0,
            shapes: HashMap::with_hasher(hasher()),
            addresses: HashMap::with_hasher(hasher()),
            macs: HashMap::with_hasher(hasher()),
            ends: HashMap::with_hasher(hasher()),
        }
    }
}

impl Direct {
    /// Whether a shape is known; rows have to be those of [`Self::write`].
    pub(super) fn knows(&mut self, shape: &Shape, rows: &Rows) -> bool {
        if self.generation != rows.generation() {
            *self = Self { generation: rows.generation(), ..Self::default() };
        }
        self.shapes.contains_key(shape)
    }

    /// Learns a shape from a row of it.
    pub(super) fn learn(&mut self, shape: Shape, row: &RecordBatch, rows: &mut Rows) -> Result<(), ArrowError> {
        let view = View::new(row)?;
        let ids = (0u16..).map(ColumnId).zip(COLUMNS);
        let mut values = Vec::new();
        for (id, column) in ids.filter(|(id, column)| !column.is_derived() && !DIFFERING.has(*id)) {
            let value = match column.kind {
                Type::Name | Type::Flags | Type::Case => {
                    view.text(id, 0).and_then(|text| rows.number_of_text(id, text)).map(Value::Name)
                }
                Type::Text | Type::Json => view.text(id, 0).map(|text| Value::Text(text.into())),
                // Lists are those of the ends.
                Type::Names | Type::Workloads | Type::Policies | Type::Headers | Type::Addresses => None,
                _ => view.number(id, 0).map(Value::Number),
            };
            values.extend(value.map(|value| (id, value)));
        }
        if self.shapes.len() >= MOST {
            self.shapes.clear();
        }
        self.shapes.insert(shape, values.into());
        Ok(())
    }

    /// Writes a packet's row but for names of its addresses, and leaves it to be finished; nothing for an unknown shape.
    pub(super) fn write(&mut self, shape: &Shape, sight: &Sight<'_>, rows: &mut Rows) -> bool {
        let Some(values) = self.shapes.get(shape) else { return false };
        let columns = &*DIFFERING;
        let packet = sight.packet;
        rows.number(columns.time, sight.time.into());
        rows.text(columns.uuid, std::str::from_utf8(&uuid(sight.uuid)).unwrap_or_default());
        for (id, value) in values {
            match value {
                Value::Name(number) => rows.numbered(*id, Some(*number)),
                Value::Number(number) => rows.number(*id, *number),
                Value::Text(text) => rows.text(*id, text),
            }
        }
        if shape.has_interface {
            rows.number(columns.interface, packet.interface.into());
            if shape.has_interface_name {
                rows.text(columns.interface_name, sight.place.interface);
            }
        }
        if shape.aggregates {
            let at = usize::from(packet.hook == hook::EGRESS);
            for (n, column) in columns.aggregates.iter().enumerate() {
                let count = if n == at { u32::try_from(packet.packets).unwrap_or(u32::MAX) } else { 0 };
                rows.number(*column, count.into());
            }
        }
        let tuple = &packet.tuple;
        let addresses = [tuple.source, tuple.destination];
        let ports = [tuple.source_port, tuple.destination_port];
        let macs = [packet.source_mac, packet.destination_mac];
        for (at, side) in columns.sides.iter().enumerate() {
            let of = |numbers: [Option<i32>; 2]| numbers.get(at).copied().flatten();
            if let Some(bytes) = addresses.get(at) {
                let number = of(self.address((*bytes, tuple.version), rows));
                rows.numbered(side.ip, number);
            }
            if let Some(bytes) = macs.get(at).filter(|_| shape.has_mac) {
                let number = of(self.mac(*bytes, rows));
                rows.numbered(side.mac, number);
            }
            if let Some(port) = ports.get(at).filter(|_| shape.has_ports()) {
                rows.number(side.port, (*port).into());
            }
            if let Some(end) = sight.ends.get(at) {
                rows.number(side.identity, end.identity.into());
                let Some(numbers) = self.end(end, rows).get(at).copied() else { continue };
                rows.numbered(side.namespace, numbers.namespace);
                rows.numbered(side.labels, numbers.labels);
                rows.numbered(side.pod, numbers.pod);
                rows.numbered(side.workloads, numbers.workloads);
            }
        }
        true
    }

    fn address(&mut self, key: ([u8; 16], u8), rows: &mut Rows) -> [Option<i32>; 2] {
        numbered(&mut self.addresses, key, |(bytes, version)| {
            let text = address(bytes, version).to_string();
            DIFFERING.sides.each_ref().map(|side| rows.number_of_text(side.ip, &text))
        })
    }

    fn mac(&mut self, key: [u8; 6], rows: &mut Rows) -> [Option<i32>; 2] {
        numbered(&mut self.macs, key, |bytes| {
            let text = mac(bytes);
            DIFFERING.sides.each_ref().map(|side| rows.number_of_text(side.mac, &text))
        })
    }

    fn end(&mut self, end: &Arc<Endpoint>, rows: &mut Rows) -> [EndNumbers; 2] {
        let key = Arc::as_ptr(end).addr();
        if let Some(known) = self.ends.get(&key) {
            debug_assert!(Arc::ptr_eq(&known.end, end));
            return known.sides;
        }
        if self.ends.len() >= MOST {
            self.ends.clear();
        }
        let sides = DIFFERING.sides.each_ref().map(|side| end_numbers(end, side, rows));
        self.ends.insert(key, Numbers { end: Arc::clone(end), sides });
        sides
    }
}

fn numbered<K: Copy + Eq + std::hash::Hash>(
    known: &mut HashMap<K, [Option<i32>; 2], Hasher>,
    key: K,
    make: impl FnOnce(K) -> [Option<i32>; 2],
) -> [Option<i32>; 2] {
    if let Some(numbers) = known.get(&key) {
        return *numbers;
    }
    if known.len() >= MOST {
        known.clear();
    }
    let numbers = make(key);
    known.insert(key, numbers);
    numbers
}

fn end_numbers(end: &Endpoint, side: &Side, rows: &mut Rows) -> EndNumbers {
    let text = |text: &String| if text.is_empty() { MemberValue::None } else { MemberValue::Text(text.clone()) };
    let workloads: Vec<Vec<MemberValue>> =
        end.workloads.iter().map(|workload| vec![text(&workload.name), text(&workload.kind)]).collect();
    let mut name = |id, name: &str| if name.is_empty() { None } else { rows.number_of_text(id, name) };
    EndNumbers {
        namespace: name(side.namespace, &end.namespace),
        pod: name(side.pod, &end.pod_name),
        labels: if end.labels.is_empty() { None } else { rows.number_of_texts(side.labels, &end.labels) },
        workloads: if workloads.is_empty() { None } else { rows.number_of_structs(side.workloads, &workloads) },
    }
}

/// A list of names of an end's address.
pub(super) fn names(rows: &mut Rows, at: usize, names: Option<&[Arc<str>]>) {
    if let Some((names, side)) = names.filter(|names| !names.is_empty()).zip(DIFFERING.sides.get(at)) {
        let number = rows.number_of_texts(side.names, names);
        rows.numbered(side.names, number);
    }
}

/// A number as RFC 9562 has it for those of one's own making (version 8).
pub(super) fn uuid((high, low): (u64, u64)) -> [u8; 36] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let high = high & !0xf000 | 0x8000;
    let low = low & !(0xc << 60) | 0x8 << 60;
    let bytes = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
    let mut text = [b'-'; 36];
    let mut places = text.iter_mut().enumerate().filter(|(at, _)| !matches!(at, 8 | 13 | 18 | 23)).map(|(_, to)| to);
    for byte in bytes {
        for half in [byte >> 4, byte & 15] {
            if let (Some(to), Some(digit)) = (places.next(), DIGITS.get(usize::from(half))) {
                *to = *digit;
            }
        }
    }
    text
}
