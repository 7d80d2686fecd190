//! What the programs in the kernel tell user space: the shapes of events, counters and settings.
//!
//! Promises:
//! 1. Everything here is `repr(C)` without padding, so that the kernel's verifier sees every byte written and no byte of kernel
//!    memory leaks through a gap.
//! 2. Reading an event never panics and needs no `unsafe`, whatever is in it: [`Packet::read`] answers `None` for a short one.
//! 3. Numbers are in the machine's order, addresses and ports of packets as numbers in the machine's order, too; addresses are
//!    bytes as in the packet, an IPv4 address in the first four.

#![no_std]

/// What a packet is told by: addresses, ports, protocol.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tuple {
    pub source: [u8; 16],
    pub destination: [u8; 16],
    /// ICMP: type in the high byte, code in the low one.
    pub source_port: u16,
    /// ICMP: the identifier of echoes.
    pub destination_port: u16,
    /// The IP protocol number.
    pub protocol: u8,
    /// 4 or 6.
    pub version: u8,
    /// Bits of [`note`].
    pub notes: u8,
    pub unused: u8,
}

/// What is unusual about a packet's headers. With any of these there are no ports, unless [`note::CUT_OPTIONS`] alone is set.
pub mod note {
    /// A fragment that is not the first one: it has no header of its protocol.
    pub const FRAGMENT: u8 = 1;
    /// More IPv6 extension headers than are followed.
    pub const LONG_CHAIN: u8 = 2;
    /// The packet ends, or says that it ends, before its headers do.
    pub const CUT: u8 = 4;
    /// The TCP header says a length that cannot be; ports and flags are good, there is no payload.
    pub const CUT_OPTIONS: u8 = 8;
}

/// What an event is.
pub mod kind {
    /// A packet, and what it stands for.
    pub const PACKET: u8 = 1;
    /// A packet's payload, of up to [`super::SMALL`] bytes.
    pub const PAYLOAD: u8 = 2;
    /// Likewise, of up to [`super::LARGE`] bytes.
    pub const LARGE_PAYLOAD: u8 = 3;
    /// A packet that the kernel dropped.
    pub const DROP: u8 = 4;
}

/// Where a packet was seen.
pub mod hook {
    pub const INGRESS: u8 = 0;
    pub const EGRESS: u8 = 1;
}

/// Why a packet is told of.
pub mod cause {
    /// The first of its flow.
    pub const FIRST: u8 = 1;
    /// A TCP flag that its flow did not have before, or one that begins or ends a connection.
    pub const EDGE: u8 = 2;
    /// Its flow was not told of for a while.
    pub const PERIOD: u8 = 3;
}

/// The tunnel that a packet came through.
pub mod tunnel {
    pub const NONE: u8 = 0;
    pub const VXLAN: u8 = 1;
    pub const GENEVE: u8 = 2;
}

/// Bits of [`Packet::tcp_flags`], as in the header.
pub mod tcp {
    pub const FIN: u16 = 1;
    pub const SYN: u16 = 2;
    pub const RST: u16 = 4;
    pub const PSH: u16 = 8;
    pub const ACK: u16 = 16;
    pub const URG: u16 = 32;
    pub const ECE: u16 = 64;
    pub const CWR: u16 = 128;
    pub const NS: u16 = 256;
}

/// Places in the array of counters; each has a value for each CPU.
pub mod counter {
    /// Packets that passed.
    pub const PACKETS: u32 = 0;
    /// Packets that are part of a flow already told of.
    pub const AGGREGATED: u32 = 1;
    /// Packets that are not IP.
    pub const OTHER: u32 = 2;
    /// Events that were to be told: packets, payloads, drops.
    pub const EVENTS: u32 = 3;
    /// Of these, packets for which the ring had no room.
    pub const LOST_PACKETS: u32 = 4;
    /// Payloads, likewise.
    pub const LOST_PAYLOADS: u32 = 5;
    /// Drops, likewise.
    pub const LOST_DROPS: u32 = 6;
    /// Drops of what cannot be read as IP.
    pub const OTHER_DROPS: u32 = 7;
    /// Payloads that could not be copied.
    pub const UNREAD_PAYLOADS: u32 = 8;
    /// Retransmitted TCP segments.
    pub const RETRANSMITS: u32 = 9;
    /// Packets that the kernel dropped for a reason that is told of.
    pub const DROPS: u32 = 10;
    /// Of these, such as are told of together with others like them.
    pub const AGGREGATED_DROPS: u32 = 11;
    /// How many there are.
    pub const COUNT: u32 = 12;
}

/// Bytes of a small payload.
pub const SMALL: usize = 512;

/// Bytes of a large payload; what is beyond is not told.
pub const LARGE: usize = 4096;

/// Segments behind the beginning of an HTTP message that are told, too.
pub const FOLLOWING: u8 = 8;

/// Drop reasons that are known by number.
pub const REASONS: u32 = 512;

/// A packet.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packet {
    /// One of [`kind`].
    pub kind: u8,
    /// One of [`hook`].
    pub hook: u8,
    /// One of [`cause`].
    pub cause: u8,
    /// One of [`tunnel`].
    pub tunnel: u8,
    /// The interface's number.
    pub interface: u32,
    /// Since the machine was started, times of sleep included.
    pub time_ns: u64,
    pub tuple: Tuple,
    pub tcp_flags: u16,
    /// The VLAN tag's number; 0 without one.
    pub vlan: u16,
    /// The tunnel's network.
    pub vni: u32,
    pub source_mac: [u8; 6],
    pub destination_mac: [u8; 6],
    /// Bytes of the packet, or of those that it was merged from.
    pub length: u32,
    pub outer_source: [u8; 16],
    pub outer_destination: [u8; 16],
    pub outer_source_port: u16,
    pub outer_destination_port: u16,
    pub outer_version: u8,
    /// 1 if there are MAC addresses.
    pub has_mac: u8,
    pub unused: [u8; 2],
    /// TCP.
    pub sequence: u32,
    /// Bytes of payload in the packet.
    pub payload: u32,
    /// Packets of this flow since it was told of last, this one included; likewise drops that are alike.
    pub packets: u64,
    pub bytes: u64,
    /// The control group of the socket that sent it; 0 when that is not known.
    pub cgroup: u64,
    /// The process that made the socket's connection; 0 when that is not known.
    pub pid: u32,
    /// A drop's reason, as this kernel numbers them.
    pub reason: u32,
    pub comm: [u8; 16],
}

/// A packet with up to `N` bytes of its payload.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Payload<const N: usize> {
    pub packet: Packet,
    /// Bytes of [`Self::data`] that hold something.
    pub captured: u32,
    pub unused: u32,
    pub data: [u8; N],
}

/// A process, by its socket.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Process {
    pub pid: u32,
    pub uid: u32,
    pub cgroup: u64,
    pub comm: [u8; 16],
}

/// A value that can be read from bytes.
trait Raw: Sized {
    fn raw(bytes: &[u8]) -> Option<Self>;
}

macro_rules! raw_numbers {
    ($($number:ty),*) => {
        $(impl Raw for $number {
            fn raw(bytes: &[u8]) -> Option<Self> {
                Some(<$number>::from_ne_bytes(*bytes.first_chunk()?))
            }
        })*
    };
}

raw_numbers!(u8, u16, u32, u64);

impl<const N: usize> Raw for [u8; N] {
    fn raw(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().copied()
    }
}

/// Reads a struct field by field, each where it stands.
macro_rules! raw_struct {
    ($bytes:expr, $name:ident { $($field:ident),* $(,)? }) => {
        $name { $($field: Raw::raw($bytes.get(core::mem::offset_of!($name, $field)..)?)?),* }
    };
}

impl Raw for Tuple {
    fn raw(bytes: &[u8]) -> Option<Self> {
        Some(raw_struct!(
            bytes,
            Tuple { source, destination, source_port, destination_port, protocol, version, notes, unused }
        ))
    }
}

impl Packet {
    /// A packet from an event's bytes; `None` when they are too few.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        // Of a length that is known, so that no member is checked by itself.
        let bytes: &[u8; size_of::<Self>()] = bytes.first_chunk()?;
        Some(raw_struct!(
            bytes,
            Packet {
                kind,
                hook,
                cause,
                tunnel,
                interface,
                time_ns,
                tuple,
                tcp_flags,
                vlan,
                vni,
                source_mac,
                destination_mac,
                length,
                outer_source,
                outer_destination,
                outer_source_port,
                outer_destination_port,
                outer_version,
                has_mac,
                unused,
                sequence,
                payload,
                packets,
                bytes,
                cgroup,
                pid,
                reason,
                comm,
            }
        ))
    }

    /// The payload that an event's bytes hold besides the packet; empty when there is none.
    #[must_use]
    pub fn payload_of(bytes: &[u8]) -> &[u8] {
        const AT: usize = size_of::<Packet>();
        let captured = bytes.get(AT..).and_then(u32::raw).and_then(|captured| usize::try_from(captured).ok());
        let data = bytes.get(AT + 8..).unwrap_or_default();
        data.get(..captured.unwrap_or_default()).unwrap_or_default()
    }
}

// No gaps: the sum of the members is the whole.
const _: () = assert!(size_of::<Tuple>() == 40);
const _: () = assert!(size_of::<Packet>() == 176);
const _: () = assert!(size_of::<Payload<SMALL>>() == 176 + 8 + SMALL);
const _: () = assert!(size_of::<Process>() == 32);
