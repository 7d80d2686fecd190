//! Connection tracking: who began a connection, so which packets are replies.
//!
//! Promises:
//! 1. What was not seen is not guessed: a TCP connection that began before the recording has no direction.
//! 2. Memory is bounded; a connection that is forgotten counts as one that was not seen.

use lookback_flow::proto::flow::TraceReason;
use lookback_recorder_ebpf::{Packet, Tuple, tcp};

use crate::generations::Generations;

const TCP: u8 = 6;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// A connection without packets for so long has ended, and its ports may be another one's.
const IDLE_NS: u64 = 300_000_000_000;

/// Ports below this one are servers'.
const SERVER_PORTS: u16 = 1024;

/// One end: address and port.
type End = ([u8; 16], u16);

/// A connection, whichever way its packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    low: End,
    high: End,
    protocol: u8,
    version: u8,
    network: u32,
}

#[derive(Debug)]
struct Connection {
    /// Whether the low end began it.
    low_began: Option<bool>,
    answered: bool,
    last_ns: u64,
}

/// What a packet is to its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracked {
    pub is_reply: Option<bool>,
    pub reason: TraceReason,
}

/// The connections of a network namespace.
#[derive(Debug)]
pub struct Connections(Generations<Key, Connection>);

impl Connections {
    #[must_use]
    pub fn new(entries: usize) -> Self {
        Self(Generations::new(entries))
    }

    /// Takes note of a packet.
    pub fn track(&mut self, packet: &Packet) -> Tracked {
        let tuple = &packet.tuple;
        match tuple.protocol {
            ICMP | ICMPV6 => return icmp(tuple),
            _ if tuple.source_port == 0 && tuple.destination_port == 0 => {
                return Tracked { is_reply: None, reason: TraceReason::Unknown };
            }
            _ => {}
        }
        let (key, from_low) = key(packet);
        let now = packet.time_ns;
        let known = self.0.get(&key).filter(|known| now.saturating_sub(known.last_ns) < IDLE_NS);
        let flags = packet.tcp_flags;
        let opens = tuple.protocol == TCP && flags & (tcp::SYN | tcp::ACK) == tcp::SYN;
        let accepts = tuple.protocol == TCP && flags & (tcp::SYN | tcp::ACK) == tcp::SYN | tcp::ACK;
        let Some(known) = known.filter(|_| !opens) else {
            let low_began = match tuple.protocol {
                TCP if opens => Some(from_low),
                TCP if accepts => Some(!from_low),
                TCP => None,
                // The answer of a server whose request was not seen, most likely.
                _ if tuple.source_port < SERVER_PORTS && tuple.destination_port >= SERVER_PORTS => None,
                _ => Some(from_low),
            };
            let is_reply = low_began.map(|low_began| low_began != from_low);
            self.0.insert(key, Connection { low_began, answered: is_reply == Some(true), last_ns: now });
            let reason = match is_reply {
                Some(true) => TraceReason::Reply,
                Some(false) => TraceReason::New,
                None => TraceReason::Unknown,
            };
            return Tracked { is_reply, reason };
        };
        known.last_ns = now;
        if accepts {
            known.low_began = Some(!from_low);
        }
        let is_reply = known.low_began.map(|low_began| low_began != from_low);
        let reason = match is_reply {
            Some(true) => TraceReason::Reply,
            Some(false) if known.answered => TraceReason::Established,
            Some(false) => TraceReason::New,
            None => TraceReason::Unknown,
        };
        known.answered |= is_reply == Some(true);
        Tracked { is_reply, reason }
    }

    /// What a packet would be to its connection, without taking note of it: of a dropped one the other end knows nothing.
    #[must_use]
    pub fn look(&self, packet: &Packet) -> Option<bool> {
        if matches!(packet.tuple.protocol, ICMP | ICMPV6) {
            return icmp(&packet.tuple).is_reply;
        }
        let (key, from_low) = key(packet);
        let low_began = self.0.peek(&key)?.low_began?;
        Some(low_began != from_low)
    }
}

fn key(packet: &Packet) -> (Key, bool) {
    let tuple = &packet.tuple;
    let source = (tuple.source, tuple.source_port);
    let destination = (tuple.destination, tuple.destination_port);
    let from_low = source <= destination;
    let (low, high) = if from_low { (source, destination) } else { (destination, source) };
    (Key { low, high, protocol: tuple.protocol, version: tuple.version, network: packet.vni }, from_low)
}

fn icmp(tuple: &Tuple) -> Tracked {
    let kind = tuple.source_port >> 8;
    let (request, reply, errors) = if tuple.protocol == ICMP { (8, 0, 3..=12) } else { (128, 129, 1..=4) };
    if kind == request {
        Tracked { is_reply: Some(false), reason: TraceReason::New }
    } else if kind == reply {
        Tracked { is_reply: Some(true), reason: TraceReason::Reply }
    } else if errors.contains(&kind) && !(tuple.protocol == ICMP && kind == 8) {
        Tracked { is_reply: Some(false), reason: TraceReason::Related }
    } else {
        Tracked { is_reply: None, reason: TraceReason::Unknown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(source: u16, destination: u16, protocol: u8, flags: u16, at: u64) -> Packet {
        let end = |port: u16| if port == 80 || port == 53 { [2; 16] } else { [1; 16] };
        Packet {
            tuple: Tuple {
                source: end(source),
                destination: end(destination),
                source_port: source,
                destination_port: destination,
                protocol,
                version: 4,
                ..Tuple::default()
            },
            tcp_flags: flags,
            time_ns: at,
            ..Packet::default()
        }
    }

    #[test]
    fn a_handshake_tells_the_direction() {
        let mut connections = Connections::new(100);
        let mut track = |s, d, flags| connections.track(&packet(s, d, TCP, flags, 1));
        assert_eq!(track(4000, 80, tcp::SYN), Tracked { is_reply: Some(false), reason: TraceReason::New });
        assert_eq!(track(80, 4000, tcp::SYN | tcp::ACK), Tracked { is_reply: Some(true), reason: TraceReason::Reply });
        assert_eq!(track(4000, 80, tcp::ACK), Tracked { is_reply: Some(false), reason: TraceReason::Established });
        assert_eq!(track(80, 4000, tcp::RST).is_reply, Some(true));
        // The port is used again, the other way round.
        assert_eq!(track(80, 4000, tcp::SYN).is_reply, Some(false));
    }

    #[test]
    fn what_began_before_has_no_direction_until_it_is_told() {
        let mut connections = Connections::new(100);
        assert_eq!(connections.track(&packet(80, 4000, TCP, tcp::ACK, 1)).is_reply, None);
        assert_eq!(connections.track(&packet(4000, 80, TCP, tcp::ACK, 2)).is_reply, None);
        assert_eq!(connections.track(&packet(80, 4001, TCP, tcp::SYN | tcp::ACK, 2)).is_reply, Some(true));
        assert_eq!(connections.track(&packet(53, 4000, 17, 0, 3)).is_reply, None);
        assert_eq!(connections.track(&packet(4002, 53, 17, 0, 3)).is_reply, Some(false));
        assert_eq!(connections.look(&packet(53, 4002, 17, 0, 3)), Some(true));
        assert_eq!(connections.look(&packet(53, 4009, 17, 0, 3)), None);
        // Long after, these ports are another flow's.
        assert_eq!(connections.track(&packet(4000, 53, 17, 0, 4 + IDLE_NS)).is_reply, Some(false));
    }

    #[test]
    fn icmp_tells_by_its_type() {
        let mut connections = Connections::new(10);
        assert_eq!(connections.track(&packet(8 << 8, 7, ICMP, 0, 1)).is_reply, Some(false));
        assert_eq!(connections.track(&packet(0, 7, ICMP, 0, 1)).is_reply, Some(true));
        assert_eq!(connections.track(&packet(3 << 8 | 3, 0, ICMP, 0, 1)).reason, TraceReason::Related);
        assert_eq!(connections.track(&packet(129 << 8, 7, ICMPV6, 0, 1)).is_reply, Some(true));
        assert_eq!(connections.track(&packet(134 << 8, 0, ICMPV6, 0, 1)).is_reply, None);
    }
}
