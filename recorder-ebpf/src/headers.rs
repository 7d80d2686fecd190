//! Packet → addresses, ports, flags.
//!
//! Promises:
//! 1. Nothing behind the end of a packet is read, be it the end of its bytes or the one that its headers tell.
//! 2. What does not fit together is noted, and gives no ports rather than wrong ones.

use lookback_recorder_ebpf::{Tuple, note};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;
const SERVICE_VLAN: u16 = 0x88a8;

pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;

/// IPv6 extension headers that are followed.
const LONGEST_CHAIN: u32 = 8;

/// A packet's bytes.
pub(crate) trait Bytes {
    /// A value at a place; `None` behind the end.
    fn load<const N: usize>(&self, at: u32) -> Option<[u8; N]>;
}

/// What the headers of a packet tell.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct Headers {
    pub(crate) tuple: Tuple,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    /// Where the payload begins.
    pub(crate) payload_at: u32,
    /// Its bytes.
    pub(crate) payload: u32,
}

/// The link layer: its addresses, where the next header is.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Link {
    pub(crate) source: [u8; 6],
    pub(crate) destination: [u8; 6],
    pub(crate) vlan: u16,
    /// 4, 6, or 0 for what is not IP.
    pub(crate) version: u8,
    pub(crate) next: u32,
}

const fn be16(high: u8, low: u8) -> u16 {
    u16::from_be_bytes([high, low])
}

/// Reads an Ethernet header with up to two VLAN tags.
#[inline(always)]
pub(crate) fn ethernet<B: Bytes>(bytes: &B, at: u32) -> Option<Link> {
    let header: [u8; 14] = bytes.load(at)?;
    let mut kind = be16(header[12], header[13]);
    let mut next = at + 14;
    let mut vlan = 0;
    for _ in 0..2 {
        if kind == VLAN || kind == SERVICE_VLAN {
            let tag: [u8; 4] = bytes.load(next)?;
            vlan = be16(tag[0], tag[1]) & 0x0fff;
            kind = be16(tag[2], tag[3]);
            next += 4;
        }
    }
    let version = match kind {
        IPV4 => 4,
        IPV6 => 6,
        _ => 0,
    };
    let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, _, _] = header;
    Some(Link { source: [s0, s1, s2, s3, s4, s5], destination: [d0, d1, d2, d3, d4, d5], vlan, version, next })
}

/// Reads IP and what it carries into `headers`, whatever was there. `end` is where the packet's bytes end.
#[inline(always)]
pub(crate) fn ip<B: Bytes>(bytes: &B, at: u32, end: u32, headers: &mut Headers) -> Option<()> {
    let first: [u8; 1] = bytes.load(at)?;
    headers.tuple = Tuple {
        source: [0; 16],
        destination: [0; 16],
        source_port: 0,
        destination_port: 0,
        protocol: 0,
        version: 0,
        notes: 0,
        unused: 0,
    };
    headers.flags = 0;
    headers.sequence = 0;
    headers.payload_at = 0;
    headers.payload = 0;
    let (next, end) = match first[0] >> 4 {
        4 => ipv4(bytes, at, end, &mut headers.tuple)?,
        6 => ipv6(bytes, at, end, &mut headers.tuple)?,
        _ => return None,
    };
    if headers.tuple.notes == 0 {
        transport(bytes, next, end, headers);
    }
    Some(())
}

/// Where the next header is, and where it ends at the latest.
#[inline(always)]
fn ipv4<B: Bytes>(bytes: &B, at: u32, end: u32, tuple: &mut Tuple) -> Option<(u32, u32)> {
    let header: [u8; 20] = bytes.load(at)?;
    tuple.version = 4;
    tuple.protocol = header[9];
    tuple.source[0] = header[12];
    tuple.source[1] = header[13];
    tuple.source[2] = header[14];
    tuple.source[3] = header[15];
    tuple.destination[0] = header[16];
    tuple.destination[1] = header[17];
    tuple.destination[2] = header[18];
    tuple.destination[3] = header[19];
    let own = u32::from(header[0] & 0x0f) * 4;
    let total = u32::from(be16(header[2], header[3]));
    // Merged packets of over 64 KiB say 0.
    let told = if total == 0 { end } else { at + total };
    if own < 20 || (total != 0 && total < own) {
        tuple.notes |= note::CUT;
    } else if be16(header[6], header[7]) & 0x1fff != 0 {
        tuple.notes |= note::FRAGMENT;
    }
    Some((at + own, if told < end { told } else { end }))
}

#[inline(always)]
fn ipv6<B: Bytes>(bytes: &B, at: u32, end: u32, tuple: &mut Tuple) -> Option<(u32, u32)> {
    let header: [u8; 8] = bytes.load(at)?;
    tuple.version = 6;
    tuple.source = bytes.load(at + 8)?;
    tuple.destination = bytes.load(at + 24)?;
    let length = u32::from(be16(header[4], header[5]));
    let told = if length == 0 { end } else { at + 40 + length };
    let end = if told < end { told } else { end };
    let mut protocol = header[6];
    let mut next = at + 40;
    let mut steps = 0;
    while steps < LONGEST_CHAIN {
        // Hop-by-hop, routing, destination options; fragment; authentication.
        let known = protocol == 0 || protocol == 43 || protocol == 60 || protocol == 44 || protocol == 51;
        if !known {
            break;
        }
        // A header that lies behind the end is none, whatever bytes are there.
        let Some([following, length, high, low]) = bytes.load::<4>(next).filter(|_| next + 8 <= end) else {
            tuple.notes |= note::CUT;
            break;
        };
        next += match protocol {
            44 => 8,
            51 => (u32::from(length) + 2) * 4,
            _ => (u32::from(length) + 1) * 8,
        };
        let is_later_fragment = protocol == 44 && be16(high, low) & 0xfff8 != 0;
        protocol = following;
        if is_later_fragment {
            tuple.notes |= note::FRAGMENT;
            break;
        }
        steps += 1;
    }
    if steps == LONGEST_CHAIN {
        tuple.notes |= note::LONG_CHAIN;
    }
    tuple.protocol = protocol;
    Some((next, end))
}

#[inline(always)]
fn transport<B: Bytes>(bytes: &B, at: u32, end: u32, headers: &mut Headers) {
    let tuple = &mut headers.tuple;
    let fits = |length: u32| at + length <= end;
    match tuple.protocol {
        TCP => match bytes.load::<20>(at).filter(|_| fits(20)) {
            Some(tcp) => {
                tuple.source_port = be16(tcp[0], tcp[1]);
                tuple.destination_port = be16(tcp[2], tcp[3]);
                headers.sequence = u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]);
                headers.flags = be16(tcp[12], tcp[13]) & 0x01ff;
                let own = u32::from(tcp[12] >> 4) * 4;
                if own < 20 || !fits(own) {
                    tuple.notes |= note::CUT_OPTIONS;
                } else {
                    headers.payload_at = at + own;
                    headers.payload = end - (at + own);
                }
            }
            None => tuple.notes |= note::CUT,
        },
        UDP => match bytes.load::<8>(at).filter(|_| fits(8)) {
            Some(udp) => {
                tuple.source_port = be16(udp[0], udp[1]);
                tuple.destination_port = be16(udp[2], udp[3]);
                let length = u32::from(be16(udp[4], udp[5]));
                // 0 stands for "as long as there is", in jumbograms and merged packets.
                let told = if length < 8 { end } else { at + length };
                let end = if told < end { told } else { end };
                headers.payload_at = at + 8;
                headers.payload = end - (at + 8);
            }
            None => tuple.notes |= note::CUT,
        },
        SCTP => match bytes.load::<12>(at).filter(|_| fits(12)) {
            Some(sctp) => {
                tuple.source_port = be16(sctp[0], sctp[1]);
                tuple.destination_port = be16(sctp[2], sctp[3]);
            }
            None => tuple.notes |= note::CUT,
        },
        ICMP | ICMPV6 => match bytes.load::<8>(at).filter(|_| fits(8)) {
            Some(icmp) => {
                tuple.source_port = be16(icmp[0], icmp[1]);
                let is_echo = match tuple.protocol {
                    ICMP => icmp[0] == 0 || icmp[0] == 8,
                    _ => icmp[0] == 128 || icmp[0] == 129,
                };
                if is_echo {
                    tuple.destination_port = be16(icmp[4], icmp[5]);
                }
            }
            None => tuple.notes |= note::CUT,
        },
        _ => {}
    }
}
