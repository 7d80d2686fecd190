//! Packet → flow, in Hubble's shape and words.

#![expect(deprecated, reason = "Hubble still writes these fields")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lookback_flow::proto::flow::{
    Aggregate, CiliumEventType, DropReason, Ethernet, FileInfo, Flow, FlowType, IcmPv4, IcmPv6, Ip, IpVersion, Layer4,
    NetworkInterface, Sctp, Tcp, TcpFlags, TraceObservationPoint, TrafficDirection, Tunnel, Udp, Verdict, layer4,
    tunnel::Protocol as TunnelProtocol,
};
use lookback_recorder_ebpf::{Packet, Tuple, hook, note, tcp, tunnel};

use super::track::Tracked;

/// Numbers of Hubble's event types.
const DROP: i32 = 1;
const TRACE: i32 = 4;

/// What an interface leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Other machines.
    Network,
    /// An endpoint of this machine, at the other end of a pair.
    Endpoint,
    /// The namespace that is recorded is an endpoint itself.
    OwnEndpoint,
    /// This machine.
    Loopback,
    /// A tunnel between machines.
    Overlay,
}

impl Role {
    /// Whether what sent a packet is on this machine.
    fn source_is_local(self, at: u8) -> bool {
        match self {
            Self::Endpoint => at == hook::INGRESS,
            _ => at == hook::EGRESS,
        }
    }

    fn point(self, at: u8) -> TraceObservationPoint {
        use TraceObservationPoint as Point;
        match (self, at == hook::EGRESS) {
            (Self::Network, true) => Point::ToNetwork,
            (Self::Network, false) => Point::FromNetwork,
            (Self::Endpoint, true) | (Self::OwnEndpoint, false) => Point::ToEndpoint,
            (Self::Endpoint, false) | (Self::OwnEndpoint, true) => Point::FromEndpoint,
            (Self::Loopback, true) => Point::FromHost,
            (Self::Loopback, false) => Point::ToHost,
            (Self::Overlay, true) => Point::ToOverlay,
            (Self::Overlay, false) => Point::FromOverlay,
        }
    }
}

/// Where a packet was seen.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    pub interface: &'a str,
    pub role: Role,
}

/// An address of a packet.
#[must_use]
pub fn address(bytes: [u8; 16], version: u8) -> IpAddr {
    if version == 4 {
        let [a, b, c, d, ..] = bytes;
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    } else {
        IpAddr::V6(Ipv6Addr::from(bytes))
    }
}

/// What a packet tells of itself, whatever became of it: addresses, ports, flags, interface.
fn base(packet: &Packet, place: &Place<'_>) -> Flow {
    let tuple = &packet.tuple;
    let l4 = layer4_of(tuple, packet.tcp_flags);
    Flow {
        ethernet: (packet.has_mac != 0)
            .then(|| Ethernet { source: mac(packet.source_mac), destination: mac(packet.destination_mac) }),
        ip: Some(ip(tuple.source, tuple.destination, tuple.version)),
        summary: summary(tuple, packet.tcp_flags),
        l4,
        tunnel: tunnel_of(packet),
        r#type: FlowType::L3L4.into(),
        interface: (packet.interface != 0)
            .then(|| NetworkInterface { index: packet.interface, name: place.interface.to_owned() }),
        ..Flow::default()
    }
}

/// A packet that passed.
#[must_use]
pub fn forwarded(packet: &Packet, place: &Place<'_>, tracked: Tracked) -> Flow {
    let point = place.role.point(packet.hook);
    let sub_type = if point == TraceObservationPoint::ToEndpoint { 0 } else { point.into() };
    Flow {
        verdict: Verdict::Forwarded.into(),
        event_type: Some(CiliumEventType { r#type: TRACE, sub_type }),
        trace_observation_point: point.into(),
        trace_reason: tracked.reason.into(),
        traffic_direction: direction(packet, place.role, tracked.is_reply).into(),
        is_reply: tracked.is_reply,
        reply: tracked.is_reply == Some(true),
        ..base(packet, place)
    }
}

/// A packet that the kernel dropped, for a reason by the kernel's name and the nearest of Hubble's.
#[must_use]
pub fn dropped(packet: &Packet, place: &Place<'_>, reason: DropReason, kernel: &str) -> Flow {
    let number = i32::from(reason);
    Flow {
        verdict: Verdict::Dropped.into(),
        drop_reason: number.unsigned_abs(),
        drop_reason_desc: number,
        event_type: Some(CiliumEventType { r#type: DROP, sub_type: number }),
        aggregate: (packet.packets > 1).then(|| together(packet)),
        // What stands for the line of source that dropped it.
        file: Some(FileInfo { name: kernel.to_owned(), line: 0 }),
        traffic_direction: if packet.hook == hook::EGRESS {
            TrafficDirection::Egress.into()
        } else {
            TrafficDirection::Ingress.into()
        },
        ..base(packet, place)
    }
}

/// Drops that were alike, and are told of by one flow.
fn together(packet: &Packet) -> Aggregate {
    let count = u32::try_from(packet.packets).unwrap_or(u32::MAX);
    match packet.hook {
        hook::EGRESS => Aggregate { egress_flow_count: count, ..Aggregate::default() },
        _ => Aggregate { ingress_flow_count: count, ..Aggregate::default() },
    }
}

/// Whose connection it is, seen from this machine: replies to what is local go the way of the request.
#[must_use]
pub fn direction(packet: &Packet, role: Role, is_reply: Option<bool>) -> TrafficDirection {
    match is_reply {
        None => TrafficDirection::Unknown,
        Some(is_reply) if role.source_is_local(packet.hook) != is_reply => TrafficDirection::Egress,
        Some(_) => TrafficDirection::Ingress,
    }
}

fn ip(source: [u8; 16], destination: [u8; 16], version: u8) -> Ip {
    Ip {
        source: address(source, version).to_string(),
        destination: address(destination, version).to_string(),
        ip_version: if version == 4 { IpVersion::IPv4.into() } else { IpVersion::IPv6.into() },
        ..Ip::default()
    }
}

/// A hardware address as text.
#[must_use]
pub fn mac(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

/// The transport layer; `None` where there is no header of it.
fn layer4_of(tuple: &Tuple, flags: u16) -> Option<Layer4> {
    if tuple.notes & !note::CUT_OPTIONS != 0 {
        return None;
    }
    let (source_port, destination_port) = (u32::from(tuple.source_port), u32::from(tuple.destination_port));
    let (kind, code) = (u32::from(tuple.source_port >> 8), u32::from(tuple.source_port & 0xff));
    let protocol = match tuple.protocol {
        6 => layer4::Protocol::Tcp(Tcp { source_port, destination_port, flags: Some(tcp_flags(flags)) }),
        17 => layer4::Protocol::Udp(Udp { source_port, destination_port }),
        132 => layer4::Protocol::Sctp(Sctp { source_port, destination_port, ..Sctp::default() }),
        1 => layer4::Protocol::IcmPv4(IcmPv4 { r#type: kind, code }),
        58 => layer4::Protocol::IcmPv6(IcmPv6 { r#type: kind, code }),
        _ => return None,
    };
    Some(Layer4 { protocol: Some(protocol) })
}

fn tcp_flags(flags: u16) -> TcpFlags {
    let has = |flag: u16| flags & flag != 0;
    TcpFlags {
        fin: has(tcp::FIN),
        syn: has(tcp::SYN),
        rst: has(tcp::RST),
        psh: has(tcp::PSH),
        ack: has(tcp::ACK),
        urg: has(tcp::URG),
        ece: has(tcp::ECE),
        cwr: has(tcp::CWR),
        ns: has(tcp::NS),
    }
}

fn tunnel_of(packet: &Packet) -> Option<Tunnel> {
    let protocol = match packet.tunnel {
        tunnel::VXLAN => TunnelProtocol::Vxlan,
        tunnel::GENEVE => TunnelProtocol::Geneve,
        _ => return None,
    };
    let udp = Udp {
        source_port: u32::from(packet.outer_source_port),
        destination_port: u32::from(packet.outer_destination_port),
    };
    Some(Tunnel {
        protocol: protocol.into(),
        ip: Some(ip(packet.outer_source, packet.outer_destination, packet.outer_version)),
        l4: Some(Layer4 { protocol: Some(layer4::Protocol::Udp(udp)) }),
        vni: packet.vni,
    })
}

/// Names of TCP's flags, in the order in which Hubble's agent writes them.
const FLAGS: [(u16, &str); 9] = [
    (tcp::SYN, "SYN"),
    (tcp::ACK, "ACK"),
    (tcp::RST, "RST"),
    (tcp::FIN, "FIN"),
    (tcp::PSH, "PSH"),
    (tcp::URG, "URG"),
    (tcp::ECE, "ECE"),
    (tcp::CWR, "CWR"),
    (tcp::NS, "NS"),
];

/// One line, as Hubble's agent makes it.
fn summary(tuple: &Tuple, flags: u16) -> String {
    if tuple.notes & !note::CUT_OPTIONS != 0 {
        return if tuple.version == 4 { "IPv4".to_owned() } else { "IPv6".to_owned() };
    }
    let (kind, code) = (tuple.source_port >> 8, tuple.source_port & 0xff);
    match tuple.protocol {
        6 => {
            let set: Vec<&str> = FLAGS.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, name)| *name).collect();
            format!("TCP Flags: {}", set.join(", "))
        }
        17 => "UDP".to_owned(),
        132 => "SCTP".to_owned(),
        1 => format!("ICMPv4 {}", icmp4(kind, code)),
        58 => format!("ICMPv6 {}", icmp6(kind, code)),
        _ if tuple.version == 4 => "IPv4".to_owned(),
        _ => "IPv6".to_owned(),
    }
}

/// Types of ICMP as gopacket, which Hubble's agent uses, names them.
fn icmp4(kind: u16, code: u16) -> String {
    let name = match kind {
        0 => "EchoReply",
        3 => {
            let codes = ["Net", "Host", "Protocol", "Port", "FragmentationNeeded", "SourceRoutingFailed"];
            return format!("DestinationUnreachable({})", codes.get(usize::from(code)).copied().unwrap_or("Other"));
        }
        4 => "SourceQuench",
        5 => "Redirect",
        8 => "EchoRequest",
        9 => "RouterAdvertisement",
        10 => "RouterSolicitation",
        11 => {
            let codes = ["TTLExceeded", "FragmentReassemblyTimeExceeded"];
            return format!("TimeExceeded({})", codes.get(usize::from(code)).copied().unwrap_or("Other"));
        }
        12 => "ParameterProblem",
        13 => "TimestampRequest",
        14 => "TimestampReply",
        _ => return format!("{kind}({code})"),
    };
    name.to_owned()
}

fn icmp6(kind: u16, code: u16) -> String {
    let name = match kind {
        1 => {
            let codes = ["NoRouteToDst", "AdminProhibited", "BeyondScopeOfSrc", "Address", "Port"];
            return format!("DestinationUnreachable({})", codes.get(usize::from(code)).copied().unwrap_or("Other"));
        }
        2 => "PacketTooBig",
        3 => "TimeExceeded",
        4 => "ParameterProblem",
        128 => "EchoRequest",
        129 => "EchoReply",
        133 => "RouterSolicitation",
        134 => "RouterAdvertisement",
        135 => "NeighborSolicitation",
        136 => "NeighborAdvertisement",
        137 => "Redirect",
        143 => "MLDv2MulticastListenerReportMessageV2",
        _ => return format!("{kind}({code})"),
    };
    name.to_owned()
}
