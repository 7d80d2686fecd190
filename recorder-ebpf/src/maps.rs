//! The ring, the counters and the settings.

use aya_ebpf::Global;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf};
use lookback_recorder_ebpf::{Process, REASONS, Tuple, counter};

use crate::headers::{Headers, Link};

/// Whose packets are one flow.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct FlowKey {
    pub(crate) tuple: Tuple,
    pub(crate) interface: u32,
    pub(crate) vni: u32,
    pub(crate) hook: u32,
}

/// What is known of a flow. CPUs may write at once: then a packet is told of twice, or a count is short.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct FlowState {
    pub(crate) told_ns: u64,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) flags: u32,
    /// Segments that are told of as part of an HTTP message.
    pub(crate) following: u32,
}

/// A packet, taken apart.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) link: Link,
    pub(crate) headers: Headers,
    /// The headers of the tunnel, if there is one.
    pub(crate) outer: Headers,
    pub(crate) tunnel: u8,
    pub(crate) vni: u32,
    pub(crate) key: FlowKey,
    pub(crate) state: FlowState,
}

/// Room for one packet on each CPU, as the stack is too small. Classifiers of a CPU run one after the other: none begins
/// before another one is done.
#[map]
pub(crate) static SEEN: PerCpuArray<Seen> = PerCpuArray::with_max_entries(1, 0);

/// Drops that are told of together.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct DropKey {
    pub(crate) tuple: Tuple,
    pub(crate) namespace: u32,
    pub(crate) interface: u32,
    pub(crate) reason: u32,
    /// Where they were dropped: on their way out or in.
    pub(crate) hook: u32,
}

/// What is known of them. CPUs may write at once: then a drop is told of twice, or a count is short.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct DropState {
    pub(crate) told_ns: u64,
    /// Since then.
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

/// A dropped packet, taken apart.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Dropped {
    pub(crate) headers: Headers,
    pub(crate) key: DropKey,
    pub(crate) state: DropState,
}

/// Room for one on each CPU, as above.
#[map]
pub(crate) static DROPPED: PerCpuArray<Dropped> = PerCpuArray::with_max_entries(1, 0);

/// A full table forgets those that were not used for the longest time.
#[map]
pub(crate) static DROPS: LruHashMap<DropKey, DropState> = LruHashMap::with_max_entries(16_384, 0);

#[map]
pub(crate) static EVENTS: RingBuf = RingBuf::with_byte_size(8 << 20, 0);

#[map]
pub(crate) static FLOWS: LruHashMap<FlowKey, FlowState> = LruHashMap::with_max_entries(65_536, 0);

#[map]
pub(crate) static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(counter::COUNT, 0);

/// Processes by the cookie of their socket.
#[map]
pub(crate) static PROCESSES: LruHashMap<u64, Process> = LruHashMap::with_max_entries(16_384, 0);

/// Network namespaces whose drops are told of, by their inode.
#[map]
pub(crate) static NAMESPACES: HashMap<u32, u8> = HashMap::with_max_entries(1024, 0);

/// 1 for the drop reasons that are told of.
#[map]
pub(crate) static WANTED_REASONS: Array<u8> = Array::with_max_entries(REASONS, 0);

/// A flow is told of again after this time.
#[unsafe(no_mangle)]
static INTERVAL_NS: Global<u64> = Global::new(5_000_000_000);

/// 1 to tell of drops in all network namespaces.
#[unsafe(no_mangle)]
static ALL_NAMESPACES: Global<u32> = Global::new(0);

/// 0 to tell of every packet.
#[unsafe(no_mangle)]
static AGGREGATE: Global<u32> = Global::new(1);

/// 0 to tell of no payload.
#[unsafe(no_mangle)]
static PAYLOADS: Global<u32> = Global::new(1);

pub(crate) fn interval_ns() -> u64 {
    INTERVAL_NS.load()
}

pub(crate) fn all_namespaces() -> bool {
    ALL_NAMESPACES.load() != 0
}

pub(crate) fn aggregate() -> bool {
    AGGREGATE.load() != 0
}

pub(crate) fn payloads() -> bool {
    PAYLOADS.load() != 0
}

/// Adds one to a counter of this CPU.
#[inline(always)]
pub(crate) fn count(counter: u32) {
    if let Some(value) = COUNTERS.get_ptr_mut(counter) {
        // SAFETY: the value is this CPU's own, and programs of a CPU do not run at once but in interrupts, where a count
        // may be short by one.
        unsafe { *value += 1 };
    }
}
