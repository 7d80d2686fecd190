//! Classifiers at interfaces: what passes there, flow by flow.
//!
//! A packet is told of when it is the first of its flow, begins or ends a connection, has a TCP flag that its flow did not
//! have, or when its flow was not told of for five seconds: what Cilium calls medium aggregation. Payloads are told of on port
//! 53, and where an HTTP message begins. No event wakes user space up, which looks by itself.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::{BPF_RB_NO_WAKEUP, TC_ACT_UNSPEC};
use aya_ebpf::helpers::generated::{
    bpf_get_socket_cookie, bpf_ktime_get_boot_ns, bpf_skb_cgroup_id, bpf_skb_load_bytes,
};
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use lookback_recorder_ebpf::{FOLLOWING, LARGE, Packet, Payload, SMALL, cause, counter, hook, kind, note, tcp, tunnel};

use crate::headers::{Bytes, Headers, Link, TCP, UDP, ethernet, ip};
use crate::maps::{EVENTS, FLOWS, FlowState, PROCESSES, SEEN, Seen, aggregate, count, interval_ns, payloads};

const DNS: u16 = 53;
const VXLAN: u16 = 4789;
/// Linux's port from before there was one for VXLAN; Cilium's and Flannel's still.
const OLD_VXLAN: u16 = 8472;
const GENEVE: u16 = 6081;

/// Flags that begin or end a connection: these packets are always told of.
const EDGES: u16 = tcp::SYN | tcp::FIN | tcp::RST;

#[classifier]
pub(crate) fn lookback_in(ctx: TcContext) -> i32 {
    observe(&ctx, hook::INGRESS, true)
}

#[classifier]
pub(crate) fn lookback_out(ctx: TcContext) -> i32 {
    observe(&ctx, hook::EGRESS, true)
}

/// For interfaces without a link layer, such as WireGuard's.
#[classifier]
pub(crate) fn lookback_in_l3(ctx: TcContext) -> i32 {
    observe(&ctx, hook::INGRESS, false)
}

#[classifier]
pub(crate) fn lookback_out_l3(ctx: TcContext) -> i32 {
    observe(&ctx, hook::EGRESS, false)
}

impl Bytes for TcContext {
    #[inline(always)]
    fn load<const N: usize>(&self, at: u32) -> Option<[u8; N]> {
        TcContext::load(self, at as usize).ok()
    }
}

/// Looks at a packet, and lets it pass whatever it is.
#[inline(always)]
fn observe(ctx: &TcContext, hook: u8, has_link: bool) -> i32 {
    count(counter::PACKETS);
    if let Some(seen) = SEEN.get_ptr_mut(0) {
        // SAFETY: this CPU's own, and no other classifier runs on it before this one is done.
        let seen = unsafe { &mut *seen };
        match take_apart(ctx, has_link, seen) {
            Some(()) => account(ctx, hook, has_link, seen),
            None => count(counter::OTHER),
        }
    }
    TC_ACT_UNSPEC
}

#[inline(always)]
fn take_apart(ctx: &TcContext, has_link: bool, seen: &mut Seen) -> Option<()> {
    seen.link = if has_link {
        ethernet(ctx, 0)?
    } else {
        Link { source: [0; 6], destination: [0; 6], vlan: 0, version: 4, next: 0 }
    };
    if seen.link.version == 0 {
        return None;
    }
    seen.tunnel = tunnel::NONE;
    seen.vni = 0;
    ip(ctx, seen.link.next, ctx.len(), &mut seen.headers)?;
    let headers = &seen.headers;
    let port = headers.tuple.destination_port;
    if headers.tuple.protocol == UDP && headers.payload >= 8 && (port == VXLAN || port == OLD_VXLAN || port == GENEVE) {
        tunnelled(ctx, port, seen);
    }
    Some(())
}

/// Looks into a tunnel; what makes no sense is left as the UDP that it is.
#[inline(always)]
fn tunnelled(ctx: &TcContext, port: u16, seen: &mut Seen) {
    let at = seen.headers.payload_at;
    let Some(header) = Bytes::load::<8>(ctx, at) else { return };
    let inner = if port == GENEVE {
        // Version 0, Ethernet inside.
        if header[0] >> 6 != 0 || header[2] != 0x65 || header[3] != 0x58 {
            return;
        }
        at + 8 + u32::from(header[0] & 0x3f) * 4
    } else {
        // The flag that says that there is a network's number.
        if header[0] & 0x08 == 0 {
            return;
        }
        at + 8
    };
    let Some(link) = ethernet(ctx, inner) else { return };
    if link.version == 0 {
        return;
    }
    let end = at + seen.headers.payload;
    seen.outer = seen.headers;
    if ip(ctx, link.next, end, &mut seen.headers).is_none() {
        seen.headers = seen.outer;
        return;
    }
    seen.tunnel = if port == GENEVE { tunnel::GENEVE } else { tunnel::VXLAN };
    seen.vni = u32::from_be_bytes([0, header[4], header[5], header[6]]);
    seen.link = Link { vlan: seen.link.vlan, ..link };
}

/// Puts a packet into the table of flows, and tells of it if there is something to tell.
#[inline(always)]
fn account(ctx: &TcContext, hook: u8, has_link: bool, seen: &mut Seen) {
    // SAFETY: a helper without arguments.
    let now = unsafe { bpf_ktime_get_boot_ns() };
    let length = u64::from(ctx.len());
    seen.key.tuple = seen.headers.tuple;
    // SAFETY: the context is the one of this call.
    seen.key.interface = unsafe { (*ctx.skb.skb).ifindex };
    seen.key.vni = seen.vni;
    seen.key.hook = u32::from(hook);
    let headers = &seen.headers;
    let begins = headers.payload > 0 && payloads() && begins_message(ctx, headers);
    let mut follows = false;
    let (why, packets, bytes) = match FLOWS.get_ptr_mut(&seen.key) {
        Some(state) => {
            // SAFETY: an entry of the map stays memory of the map while this program runs; another CPU may write, too,
            // which may make counts short, and nothing worse.
            let state = unsafe { &mut *state };
            state.packets += 1;
            state.bytes += length;
            if begins {
                state.following = u32::from(FOLLOWING);
            } else if state.following > 0 && headers.payload > 0 {
                state.following -= 1;
                follows = true;
            }
            let flags = u32::from(headers.flags);
            let why = if !aggregate() || flags & u32::from(EDGES) != 0 || flags & !state.flags != 0 {
                cause::EDGE
            } else if now.wrapping_sub(state.told_ns) >= interval_ns() {
                cause::PERIOD
            } else {
                0
            };
            state.flags |= flags;
            let counts = (why, state.packets, state.bytes);
            if why != 0 {
                state.told_ns = now;
                state.packets = 0;
                state.bytes = 0;
            }
            counts
        }
        None => {
            seen.state = FlowState {
                told_ns: now,
                packets: 0,
                bytes: 0,
                flags: u32::from(headers.flags),
                following: if begins { u32::from(FOLLOWING) } else { 0 },
            };
            // A full table forgets the flow that was not used for the longest time.
            let _ = FLOWS.insert(&seen.key, &seen.state, 0);
            (cause::FIRST, 1, length)
        }
    };
    if why == 0 {
        count(counter::AGGREGATED);
    } else {
        count(counter::EVENTS);
        match EVENTS.reserve::<Packet>(0) {
            Some(mut entry) => {
                let at = entry.as_mut_ptr();
                describe(ctx, at, seen, [kind::PACKET, hook, why, u8::from(has_link)], now);
                // SAFETY: the ring gave room for one packet.
                unsafe {
                    (*at).packets = packets;
                    (*at).bytes = bytes;
                }
                entry.submit(u64::from(BPF_RB_NO_WAKEUP));
            }
            None => count(counter::LOST_PACKETS),
        }
    }
    if begins || follows {
        if headers.payload as usize <= SMALL {
            tell_payload::<SMALL>(ctx, seen, [kind::PAYLOAD, hook, 0, u8::from(has_link)], now);
        } else {
            tell_payload::<LARGE>(ctx, seen, [kind::LARGE_PAYLOAD, hook, 0, u8::from(has_link)], now);
        }
    }
}

/// Whether a payload is to be told of: DNS, or the beginning of an HTTP message.
#[inline(always)]
fn begins_message(ctx: &TcContext, headers: &Headers) -> bool {
    let tuple = &headers.tuple;
    if tuple.protocol != TCP && tuple.protocol != UDP || tuple.notes & note::CUT_OPTIONS != 0 {
        return false;
    }
    // By TCP, a message's length may come by itself, in two bytes.
    if tuple.source_port == DNS || tuple.destination_port == DNS {
        return true;
    }
    if tuple.protocol == UDP || headers.payload < 4 {
        return false;
    }
    // Some programs write a message word by word: four bytes must do. What only looks like HTTP is told apart later.
    let Some(start) = Bytes::load::<4>(ctx, headers.payload_at) else { return false };
    matches!(&start, b"HTTP" | b"GET " | b"PUT " | b"HEAD" | b"POST" | b"PATC" | b"TRAC" | b"DELE" | b"OPTI" | b"CONN")
}

/// Writes what is known of a packet into the ring's memory, every byte of it.
#[inline(always)]
fn describe(ctx: &TcContext, at: *mut Packet, seen: &Seen, [kind, hook, cause, has_mac]: [u8; 4], now: u64) {
    let skb = ctx.skb.skb;
    // SAFETY: the context is the one of this call; the helpers take it as it is.
    let (interface, cookie, cgroup) =
        unsafe { ((*skb).ifindex, bpf_get_socket_cookie(ctx.as_ptr()), bpf_skb_cgroup_id(skb)) };
    let headers = &seen.headers;
    // SAFETY: the ring gave room for a packet, of which every member is written here.
    let packet = unsafe { &mut *at };
    packet.kind = kind;
    packet.hook = hook;
    packet.cause = cause;
    packet.tunnel = seen.tunnel;
    packet.interface = interface;
    packet.time_ns = now;
    packet.tuple = headers.tuple;
    packet.tcp_flags = headers.flags;
    packet.vlan = seen.link.vlan;
    packet.vni = seen.vni;
    packet.source_mac = seen.link.source;
    packet.destination_mac = seen.link.destination;
    packet.length = ctx.len();
    packet.has_mac = has_mac;
    packet.unused = [0; 2];
    packet.sequence = headers.sequence;
    packet.payload = headers.payload;
    packet.packets = 1;
    packet.bytes = u64::from(ctx.len());
    packet.cgroup = cgroup;
    packet.reason = 0;
    let outer = &seen.outer;
    match seen.tunnel {
        tunnel::NONE => {
            packet.outer_source = [0; 16];
            packet.outer_destination = [0; 16];
            packet.outer_source_port = 0;
            packet.outer_destination_port = 0;
            packet.outer_version = 0;
        }
        _ => {
            packet.outer_source = outer.tuple.source;
            packet.outer_destination = outer.tuple.destination;
            packet.outer_source_port = outer.tuple.source_port;
            packet.outer_destination_port = outer.tuple.destination_port;
            packet.outer_version = outer.tuple.version;
        }
    }
    // A tunnel's socket is not the one that sent what is in it.
    let process = if seen.tunnel == tunnel::NONE && cookie != 0 { PROCESSES.get_ptr(&cookie) } else { None };
    match process {
        Some(process) => {
            // SAFETY: an entry of the map, which stays memory of the map while this program runs.
            let process = unsafe { &*process };
            packet.pid = process.pid;
            packet.comm = process.comm;
        }
        None => {
            packet.pid = 0;
            packet.comm = [0; 16];
        }
    }
}

#[inline(always)]
fn tell_payload<const N: usize>(ctx: &TcContext, seen: &Seen, what: [u8; 4], now: u64) {
    count(counter::EVENTS);
    let Some(mut entry) = EVENTS.reserve::<Payload<N>>(0) else {
        count(counter::LOST_PAYLOADS);
        return;
    };
    let at = entry.as_mut_ptr();
    // SAFETY: the ring gave room for a packet with N bytes of payload, and no more than these are copied there.
    let copied = unsafe {
        describe(ctx, &raw mut (*at).packet, seen, what, now);
        let wanted = seen.headers.payload;
        let length = if wanted as usize > N { N as u32 } else { wanted };
        (*at).captured = length;
        (*at).unused = 0;
        // The verifier wants to see both bounds of a length.
        let checked = aya_ebpf::check_bounds_signed(i64::from(length), 1, N as i64);
        checked
            && bpf_skb_load_bytes(ctx.skb.skb.cast(), seen.headers.payload_at, (&raw mut (*at).data).cast(), length)
                == 0
    };
    if copied {
        entry.submit(u64::from(BPF_RB_NO_WAKEUP));
    } else {
        entry.discard(u64::from(BPF_RB_NO_WAKEUP));
        count(counter::UNREAD_PAYLOADS);
    }
}
