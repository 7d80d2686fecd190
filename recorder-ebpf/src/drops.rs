//! Packets that the kernel dropped, segments that it sent again.
//!
//! Drops that are alike (addresses, ports, reason, place) are told of as packets are: the first one at once, then one that
//! stands for all of five seconds. So a flood of them costs a lookup each, not an event.
//!
//! Rust has no relocations by BTF: user space reads from the running kernel's BTF where members stand, and sets these places
//! before the programs are loaded. A program whose places are not known is not loaded.

use aya_ebpf::bindings::BPF_RB_NO_WAKEUP;
use aya_ebpf::helpers::bpf_probe_read_kernel;
use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use aya_ebpf::{EbpfContext as _, Global};
use lookback_recorder_ebpf::{Packet, counter, hook, kind};

use crate::headers::{Bytes, Headers, ip};
use crate::maps::{
    DROPPED, DROPS, DropState, EVENTS, NAMESPACES, WANTED_REASONS, aggregate, all_namespaces, count, interval_ns,
};

/// Places of members, in bytes.
#[unsafe(no_mangle)]
static SKB_HEAD: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static SKB_TAIL: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static SKB_LEN: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static SKB_NETWORK_HEADER: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static SKB_IIF: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static SKB_DEV: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static SKB_SK: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static DEVICE_NET: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static DEVICE_IFINDEX: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static SOCK_NET: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static NET_INUM: Global<u32> = Global::new(0);

#[raw_tracepoint(tracepoint = "kfree_skb")]
pub(crate) fn dropped(ctx: RawTracePointContext) -> i32 {
    let reason: u32 = ctx.arg(2);
    // Reasons of subsystems, with a number of theirs in the high half, are all drops.
    let wanted = reason > 0xffff || WANTED_REASONS.get(reason).is_some_and(|wanted| *wanted != 0);
    if wanted {
        tell(ctx.arg(0), reason);
    }
    0
}

#[raw_tracepoint(tracepoint = "tcp_retransmit_skb")]
pub(crate) fn sent_again(ctx: RawTracePointContext) -> i32 {
    let sock: *const u8 = ctx.arg(0);
    if sock_namespace(sock).is_some_and(is_wanted) && !ctx.as_ptr().is_null() {
        count(counter::RETRANSMITS);
    }
    0
}

/// Bytes of a packet's linear part.
struct Linear {
    base: *const u8,
    length: u32,
}

impl Bytes for Linear {
    #[inline(always)]
    fn load<const N: usize>(&self, at: u32) -> Option<[u8; N]> {
        if at + N as u32 > self.length {
            return None;
        }
        read(self.base, at)
    }
}

/// Reads kernel memory; what cannot be read is an error, not a fault.
#[inline(always)]
fn read<T>(base: *const u8, at: u32) -> Option<T> {
    // SAFETY: the helper checks the address.
    unsafe { bpf_probe_read_kernel(base.wrapping_add(at as usize).cast::<T>()).ok() }
}

/// A pointer that is not null.
#[inline(always)]
fn pointer(base: *const u8, at: u32) -> Option<*const u8> {
    let pointer: usize = read(base, at)?;
    if pointer == 0 { None } else { Some(pointer as *const u8) }
}

#[inline(always)]
fn sock_namespace(sock: *const u8) -> Option<u32> {
    if sock.is_null() {
        return None;
    }
    read(pointer(sock, SOCK_NET.load())?, NET_INUM.load())
}

#[inline(always)]
fn is_wanted(namespace: u32) -> bool {
    // SAFETY: nothing removes an entry while programs run.
    all_namespaces() || unsafe { NAMESPACES.get(&namespace) }.is_some()
}

#[inline(always)]
fn tell(skb: *const u8, reason: u32) {
    let device = pointer(skb, SKB_DEV.load());
    let namespace = match device.and_then(|device| pointer(device, DEVICE_NET.load())) {
        Some(net) => read(net, NET_INUM.load()),
        None => pointer(skb, SKB_SK.load()).and_then(sock_namespace),
    };
    let Some(namespace) = namespace.filter(|namespace| is_wanted(*namespace)) else { return };
    let Some(dropped) = DROPPED.get_ptr_mut(0) else { return };
    // SAFETY: this CPU's own; the kernel does not begin this program on a CPU where it runs.
    let dropped = unsafe { &mut *dropped };
    if headers_of(skb, &mut dropped.headers).is_none() {
        count(counter::OTHER_DROPS);
        return;
    }
    count(counter::DROPS);
    let came_in: u32 = read(skb, SKB_IIF.load()).unwrap_or(0);
    let device = device.and_then(|device| read(device, DEVICE_IFINDEX.load())).unwrap_or(0);
    let length: u32 = read(skb, SKB_LEN.load()).unwrap_or(0);
    // SAFETY: a helper without arguments.
    let now = unsafe { bpf_ktime_get_boot_ns() };
    dropped.key.tuple = dropped.headers.tuple;
    dropped.key.namespace = namespace;
    dropped.key.interface = if came_in == 0 { device } else { came_in };
    dropped.key.reason = reason;
    dropped.key.hook = if came_in == 0 { u32::from(hook::EGRESS) } else { u32::from(hook::INGRESS) };
    let mut packets = 1;
    let mut bytes = u64::from(length);
    if let Some(state) = DROPS.get_ptr_mut(&dropped.key) {
        // SAFETY: an entry of the map stays memory of the map while this program runs.
        let state = unsafe { &mut *state };
        state.packets += 1;
        state.bytes += u64::from(length);
        if aggregate() && now.wrapping_sub(state.told_ns) < interval_ns() {
            count(counter::AGGREGATED_DROPS);
            return;
        }
        (packets, bytes) = (state.packets, state.bytes);
        state.told_ns = now;
        state.packets = 0;
        state.bytes = 0;
    } else {
        dropped.state = DropState { told_ns: now, packets: 0, bytes: 0 };
        let _ = DROPS.insert(&dropped.key, &dropped.state, 0);
    }
    count(counter::EVENTS);
    let Some(mut entry) = EVENTS.reserve::<Packet>(0) else {
        count(counter::LOST_DROPS);
        return;
    };
    let headers = &dropped.headers;
    // SAFETY: the ring gave room for a packet, of which every member is written here.
    let packet = unsafe { &mut *entry.as_mut_ptr() };
    packet.kind = kind::DROP;
    packet.hook = if came_in == 0 { hook::EGRESS } else { hook::INGRESS };
    packet.cause = 0;
    packet.tunnel = 0;
    packet.interface = dropped.key.interface;
    packet.time_ns = now;
    packet.tuple = headers.tuple;
    packet.tcp_flags = headers.flags;
    packet.vlan = 0;
    packet.vni = 0;
    packet.source_mac = [0; 6];
    packet.destination_mac = [0; 6];
    packet.length = length;
    packet.outer_source = [0; 16];
    packet.outer_destination = [0; 16];
    packet.outer_source_port = 0;
    packet.outer_destination_port = 0;
    packet.outer_version = 0;
    packet.has_mac = 0;
    packet.unused = [0; 2];
    packet.sequence = headers.sequence;
    packet.payload = headers.payload;
    packet.packets = packets;
    packet.bytes = bytes;
    packet.cgroup = 0;
    packet.pid = 0;
    packet.reason = reason;
    packet.comm = [0; 16];
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
}

/// What the linear part of a dropped packet tells; `None` where there is no IP header.
#[inline(always)]
fn headers_of(skb: *const u8, headers: &mut Headers) -> Option<()> {
    let head = pointer(skb, SKB_HEAD.load())?;
    let network: u16 = read(skb, SKB_NETWORK_HEADER.load())?;
    let tail: u32 = read(skb, SKB_TAIL.load())?;
    let network = u32::from(network);
    // Not set yet: at the very beginning, or all ones.
    if network == 0 || network == 0xffff || tail <= network || tail > 1 << 20 {
        return None;
    }
    let linear = Linear { base: head.wrapping_add(network as usize), length: tail - network };
    ip(&linear, 0, linear.length, headers)
}
