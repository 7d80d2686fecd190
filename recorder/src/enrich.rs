//! Who is behind an address: a pod, this machine's processes, the world.

pub mod cgroups;
pub mod pods;

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use lookback_flow::dictionary::hasher;
use lookback_flow::proto::flow::{Endpoint, Workload};
use lookback_recorder_ebpf::Packet;

use crate::generations::{Generations, Hasher};
use crate::observe::flow::address;
use cgroups::{Cgroups, Group};
use pods::Pods;

/// Numbers of Hubble's reserved identities.
const HOST: u32 = 1;
const WORLD: u32 = 2;

/// Names of workloads that are kept; with more they are forgotten, and made anew.
const MOST_WORKLOADS: usize = 4096;

/// Addresses of a network namespace.
pub type Addresses = HashSet<IpAddr, Hasher>;

/// What is known of the machine and its neighbours. Ends are made once and shared: packets are many, ends are few.
#[derive(Debug)]
pub struct Enrichment {
    pub pods: Pods,
    cgroups: Cgroups,
    host: Arc<Endpoint>,
    world: Arc<Endpoint>,
    /// This machine, with a workload: by the process's name, by the unit.
    processes: HashMap<[u8; 16], Arc<Endpoint>, Hasher>,
    units: HashMap<String, Arc<Endpoint>, Hasher>,
    /// Workloads of this machine by address, port and protocol, learnt from what they send.
    senders: Generations<(IpAddr, u16, u8), Arc<Endpoint>>,
}

impl Enrichment {
    #[must_use]
    pub fn new(cgroups: &Path) -> Self {
        Self {
            pods: Pods::default(),
            cgroups: Cgroups::new(cgroups),
            host: Arc::new(reserved(HOST, "reserved:host", None)),
            world: Arc::new(reserved(WORLD, "reserved:world", None)),
            processes: HashMap::with_hasher(hasher()),
            units: HashMap::with_hasher(hasher()),
            senders: Generations::new(16_384),
        }
    }

    /// The two ends of a packet.
    pub fn ends(&mut self, packet: &Packet, own: &Addresses) -> (Arc<Endpoint>, Arc<Endpoint>) {
        let tuple = &packet.tuple;
        let source = address(tuple.source, tuple.version);
        let destination = address(tuple.destination, tuple.version);
        let group = match packet.cgroup {
            0 => &Group::Other,
            number => self.cgroups.get(number, packet.time_ns),
        };
        let sender = match group {
            Group::Unit(unit) => Some(known(&mut self.units, unit, || (unit.clone(), "Unit"))),
            _ if packet.pid != 0 => Some(known(&mut self.processes, &packet.comm, || (comm(packet.comm), "Process"))),
            _ => None,
        };
        let pod = match group {
            // A pod in the host's network has the host's address.
            Group::Pod(uid) if own.contains(&source) => self.pods.with_uid(uid).map(Arc::clone),
            _ => None,
        };
        if let Some(sender) = sender {
            let key = (source, tuple.source_port, tuple.protocol);
            if !self.senders.get(&key).is_some_and(|before| Arc::ptr_eq(before, &sender)) {
                self.senders.insert(key, sender);
            }
        }
        let from = pod.unwrap_or_else(|| self.end(source, tuple.source_port, tuple.protocol, own));
        (from, self.end(destination, tuple.destination_port, tuple.protocol, own))
    }

    fn end(&mut self, address: IpAddr, port: u16, protocol: u8, own: &Addresses) -> Arc<Endpoint> {
        if let Some(pod) = self.pods.at(address) {
            return Arc::clone(pod);
        }
        if own.contains(&address) || address.is_loopback() {
            return Arc::clone(self.senders.get(&(address, port, protocol)).unwrap_or(&mut self.host));
        }
        Arc::clone(&self.world)
    }
}

/// This machine with a workload, made where it is not known yet.
fn known<K: Eq + Hash + Clone>(
    all: &mut HashMap<K, Arc<Endpoint>, Hasher>,
    key: &K,
    make: impl FnOnce() -> (String, &'static str),
) -> Arc<Endpoint> {
    if let Some(known) = all.get(key) {
        return Arc::clone(known);
    }
    if all.len() >= MOST_WORKLOADS {
        all.clear();
    }
    let (name, kind) = make();
    let endpoint = Arc::new(reserved(HOST, "reserved:host", Some(Workload { name, kind: kind.to_owned() })));
    all.insert(key.clone(), Arc::clone(&endpoint));
    endpoint
}

fn reserved(identity: u32, label: &str, workload: Option<Workload>) -> Endpoint {
    Endpoint {
        identity,
        labels: vec![label.to_owned()],
        workloads: workload.into_iter().collect(),
        ..Endpoint::default()
    }
}

fn comm(bytes: [u8; 16]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}
