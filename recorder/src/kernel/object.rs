//! The programs, loaded into the kernel; attached to interfaces, tracepoints and the root of control groups.
//!
//! One load stands for one network namespace: the numbers of interfaces are a namespace's own, and so are flows.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::Path;

use aya::maps::{Array, HashMap as BpfMap, MapData, PerCpuArray, RingBuf};
use aya::programs::tc::{
    NlOptions, SchedClassifierLinkId, TcAttachOptions, TcError, qdisc_add_clsact, qdisc_detach_program,
};
use aya::programs::{
    CgroupAttachMode, CgroupSockAddr, LinkOrder, ProgramError, RawTracePoint, SchedClassifier, TcAttachType,
};
use aya::{Ebpf, EbpfError, EbpfLoader};
use lookback_recorder_ebpf::{REASONS, counter};

use super::btf::{Btf, BtfError};

/// The programs, as `cargo xtask build-ebpf` made them.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/ebpf/recorder.bpf.o"));

/// Why something could not be loaded or attached.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    #[error("the programs could not be loaded: {}", chain(.0))]
    Load(#[from] EbpfError),
    #[error("{name}: {}", chain(error))]
    Program { name: &'static str, error: ProgramError },
    #[error("interface {interface}: {}", chain(error))]
    Interface { interface: String, error: ProgramError },
    #[error("interface {interface}: no place for programs (clsact): {error}")]
    Clsact { interface: String, error: TcError },
    #[error("the programs have no map {0}: the object and the recorder are of different versions")]
    Map(&'static str),
    #[error("{}", chain(.0))]
    Maps(#[from] aya::maps::MapError),
    #[error(transparent)]
    Btf(#[from] BtfError),
    #[error("{path}: {error}; is a cgroup v2 mounted there?")]
    Cgroup { path: String, error: std::io::Error },
}

/// An error with what caused it: the library's own texts name the call alone.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |mut text, cause| {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        text
    })
}

/// How the programs are to behave.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Settings {
    /// Bytes of the ring, a power of two.
    pub ring_bytes: u32,
    /// A flow is told of again after this time.
    pub interval_ns: u64,
    /// Tell of the first packet of a flow, of edges and periods only; of every packet otherwise.
    pub aggregate: bool,
    pub payloads: bool,
    /// Tell of drops in every network namespace.
    pub all_namespaces: bool,
    /// Attach by TCX where there is one.
    pub tcx: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ring_bytes: 8 << 20,
            interval_ns: 5_000_000_000,
            aggregate: true,
            payloads: true,
            all_namespaces: false,
            tcx: true,
        }
    }
}

/// Members whose places the programs need: the global's name, the struct, the member.
const PLACES: [(&str, &str, &str); 10] = [
    ("SKB_HEAD", "sk_buff", "head"),
    ("SKB_TAIL", "sk_buff", "tail"),
    ("SKB_LEN", "sk_buff", "len"),
    ("SKB_NETWORK_HEADER", "sk_buff", "network_header"),
    ("SKB_IIF", "sk_buff", "skb_iif"),
    ("SKB_DEV", "sk_buff", "dev"),
    ("SKB_SK", "sk_buff", "sk"),
    ("DEVICE_NET", "net_device", "nd_net"),
    ("DEVICE_IFINDEX", "net_device", "ifindex"),
    ("SOCK_NET", "sock_common", "skc_net"),
];

/// The programs at interfaces. In a clsact queue they are found by these names.
const CLASSIFIERS: [&str; 4] = ["lookback_in", "lookback_out", "lookback_in_l3", "lookback_out_l3"];

/// The kernel's reasons that are no drop that anybody would call one.
const NO_DROPS: [&str; 6] = ["NOT_DROPPED_YET", "NOT_SPECIFIED", "QUEUE_PURGE", "CONSUMED", "SKB_CONSUMED", "MAX"];

/// Loaded programs.
#[derive(Debug)]
pub struct Object {
    ebpf: Ebpf,
    /// Links by the interface's name.
    links: BTreeMap<String, Vec<(&'static str, SchedClassifierLinkId)>>,
    first: Attached,
}

/// How packets of an interface begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkLayer {
    Ethernet,
    /// With the IP header.
    Bare,
}

impl Object {
    /// Loads the classifiers. `btf` is needed for drops; without it there are none.
    ///
    /// # Errors
    /// When the kernel refuses them.
    pub fn load(settings: &Settings, btf: Option<&Btf>) -> Result<Self, KernelError> {
        let mut loader = EbpfLoader::new();
        loader.map_max_entries("EVENTS", settings.ring_bytes);
        loader.override_global("INTERVAL_NS", &settings.interval_ns, true);
        let (aggregate, payloads, all) =
            (u32::from(settings.aggregate), u32::from(settings.payloads), u32::from(settings.all_namespaces));
        loader.override_global("AGGREGATE", &aggregate, true);
        loader.override_global("PAYLOADS", &payloads, true);
        loader.override_global("ALL_NAMESPACES", &all, true);
        let mut places = Vec::new();
        if let Some(btf) = btf {
            for (global, of, member) in PLACES {
                places.push((global, btf.offset(of, member)?));
            }
            places.push(("NET_INUM", btf.offset("net", "ns")? + btf.offset("ns_common", "inum")?));
        }
        for (global, place) in &places {
            loader.override_global(global, place, true);
        }
        let mut ebpf = loader.load(OBJECT)?;
        for name in CLASSIFIERS {
            classifier(&mut ebpf, name)?.load().map_err(|error| KernelError::Program { name, error })?;
        }
        let first = if settings.tcx { Attached::Tcx } else { Attached::Clsact };
        Ok(Self { ebpf, links: BTreeMap::new(), first })
    }

    /// Attaches to an interface of this thread's network namespace, in both directions: by TCX, or by a clsact queue where
    /// the kernel has no TCX.
    ///
    /// # Errors
    /// When neither works.
    pub fn attach(&mut self, interface: &str, layer: LinkLayer) -> Result<Attached, KernelError> {
        let names: [(&'static str, TcAttachType); 2] = match layer {
            LinkLayer::Ethernet => [("lookback_in", TcAttachType::Ingress), ("lookback_out", TcAttachType::Egress)],
            LinkLayer::Bare => [("lookback_in_l3", TcAttachType::Ingress), ("lookback_out_l3", TcAttachType::Egress)],
        };
        let failed = |error| KernelError::Interface { interface: interface.to_owned(), error };
        let mut links = Vec::new();
        let mut how = self.first;
        for (name, point) in names {
            let program = classifier(&mut self.ebpf, name)?;
            let tcx = (how == Attached::Tcx).then(|| {
                program.attach_with_options(interface, point, TcAttachOptions::TcxOrder(LinkOrder::default()))
            });
            let link = match tcx {
                Some(Ok(link)) => link,
                _ => {
                    how = Attached::Clsact;
                    // One that is there already serves: whether there is one, attaching tells.
                    let queue = qdisc_add_clsact(interface);
                    // What a recorder that was killed left there would go on writing to a ring that nobody reads.
                    let _ = qdisc_detach_program(interface, point, name);
                    let options = TcAttachOptions::Netlink(NlOptions::default());
                    match (program.attach_with_options(interface, point, options), queue) {
                        (Ok(link), _) => link,
                        (Err(_), Err(error)) => {
                            return Err(KernelError::Clsact { interface: interface.to_owned(), error });
                        }
                        (Err(error), Ok(())) => return Err(failed(error)),
                    }
                }
            };
            links.push((name, link));
        }
        self.links.insert(interface.to_owned(), links);
        Ok(how)
    }

    /// Lets an interface go that may not be there any more.
    pub fn detach(&mut self, interface: &str) {
        for (name, link) in self.links.remove(interface).unwrap_or_default() {
            if let Ok(program) = classifier(&mut self.ebpf, name) {
                // With the interface the link went, too.
                let _ = program.detach(link);
            }
        }
    }

    /// Interfaces that are attached to.
    pub fn attached(&self) -> impl Iterator<Item = &str> {
        self.links.keys().map(String::as_str)
    }

    /// Tells of drops from now on, for reasons by `names`, in these network namespaces.
    ///
    /// # Errors
    /// When the kernel refuses the program.
    pub fn attach_drops(&mut self, names: &HashMap<u32, String>, namespaces: &[u32]) -> Result<(), KernelError> {
        let map = self.ebpf.map_mut("WANTED_REASONS").ok_or(KernelError::Map("WANTED_REASONS"))?;
        let mut wanted: Array<_, u8> = Array::try_from(map)?;
        for (number, name) in names.iter().filter(|(number, _)| **number < REASONS) {
            let short = name.strip_prefix("SKB_DROP_REASON_").unwrap_or(name);
            wanted.set(*number, u8::from(!NO_DROPS.contains(&short) && !name.contains("CONSUMED")), 0)?;
        }
        let map = self.ebpf.map_mut("NAMESPACES").ok_or(KernelError::Map("NAMESPACES"))?;
        let mut own: BpfMap<_, u32, u8> = BpfMap::try_from(map)?;
        for namespace in namespaces {
            own.insert(namespace, 1, 0)?;
        }
        self.tracepoint("dropped", "kfree_skb")?;
        self.tracepoint("sent_again", "tcp_retransmit_skb")
    }

    fn tracepoint(&mut self, name: &'static str, at: &str) -> Result<(), KernelError> {
        let failed = |error| KernelError::Program { name, error };
        let program = self.ebpf.program_mut(name).ok_or(KernelError::Map(name))?;
        let program: &mut RawTracePoint = program.try_into().map_err(failed)?;
        program.load().map_err(failed)?;
        program.attach(at).map_err(failed)?;
        Ok(())
    }

    /// Notes from now on which processes make connections.
    ///
    /// # Errors
    /// When there is no cgroup v2 at that place, or the kernel refuses the programs.
    pub fn attach_processes(&mut self, cgroups: &Path) -> Result<(), KernelError> {
        let root =
            File::open(cgroups).map_err(|error| KernelError::Cgroup { path: cgroups.display().to_string(), error })?;
        for name in ["connects4", "connects6", "sends4", "sends6"] {
            let failed = |error| KernelError::Program { name, error };
            let program = self.ebpf.program_mut(name).ok_or(KernelError::Map(name))?;
            let program: &mut CgroupSockAddr = program.try_into().map_err(failed)?;
            program.load().map_err(failed)?;
            // By a link, which stands beside others whatever the mode says.
            program.attach(&root, CgroupAttachMode::Single).map_err(failed)?;
        }
        Ok(())
    }

    /// The ring; once.
    ///
    /// # Errors
    /// When it was taken.
    pub fn take_ring(&mut self) -> Result<RingBuf<MapData>, KernelError> {
        Ok(RingBuf::try_from(self.ebpf.take_map("EVENTS").ok_or(KernelError::Map("EVENTS"))?)?)
    }

    /// The counters; once.
    ///
    /// # Errors
    /// When they were taken.
    pub fn take_counters(&mut self) -> Result<Counters, KernelError> {
        let map = self.ebpf.take_map("COUNTERS").ok_or(KernelError::Map("COUNTERS"))?;
        Ok(Counters(PerCpuArray::try_from(map)?))
    }

    /// A classifier, for tests on crafted packets.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn classifier(&mut self, name: &'static str) -> Result<&mut SchedClassifier, KernelError> {
        classifier(&mut self.ebpf, name)
    }
}

/// How programs are attached to an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attached {
    Tcx,
    Clsact,
}

/// What a CPU counted, by the places in [`counter`].
pub type Counts = [u64; counter::COUNT as usize];

/// What the programs count.
pub struct Counters(PerCpuArray<MapData, u64>);

impl std::fmt::Debug for Counters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counters").finish_non_exhaustive()
    }
}

impl Counters {
    /// The counters of each CPU.
    ///
    /// # Errors
    /// When the kernel does not give them.
    pub fn read(&self) -> Result<Vec<Counts>, KernelError> {
        let mut cpus: Vec<Counts> = Vec::new();
        for place in 0..counter::COUNT {
            for (cpu, value) in self.0.get(&place, 0)?.iter().enumerate() {
                if cpus.len() <= cpu {
                    cpus.resize(cpu + 1, [0; counter::COUNT as usize]);
                }
                if let Some(slot) = cpus.get_mut(cpu).and_then(|counts| counts.get_mut(place as usize)) {
                    *slot = *value;
                }
            }
        }
        Ok(cpus)
    }
}

fn classifier<'a>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut SchedClassifier, KernelError> {
    let program = ebpf.program_mut(name).ok_or(KernelError::Map(name))?;
    program.try_into().map_err(|error| KernelError::Program { name, error })
}
