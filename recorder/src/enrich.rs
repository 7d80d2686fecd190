//! Who is behind an address: a pod, this machine's processes, the world.

pub mod cgroups;
pub mod pods;

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::Path;

use lookback_flow::proto::flow::{Endpoint, Workload};
use lookback_recorder_ebpf::Packet;

use crate::generations::Generations;
use crate::observe::flow::address;
use cgroups::{Cgroups, Group};
use pods::Pods;

/// Numbers of Hubble's reserved identities.
const HOST: u32 = 1;
const WORLD: u32 = 2;

/// What is known of the machine and its neighbours.
#[derive(Debug)]
pub struct Enrichment {
    pub pods: Pods,
    cgroups: Cgroups,
    /// Workloads of this machine by address, port and protocol, learnt from what they send.
    senders: Generations<(IpAddr, u16, u8), Workload>,
}

impl Enrichment {
    #[must_use]
    pub fn new(cgroups: &Path) -> Self {
        Self { pods: Pods::default(), cgroups: Cgroups::new(cgroups), senders: Generations::new(16_384) }
    }

    /// The two ends of a packet.
    pub fn ends(&mut self, packet: &Packet, own: &HashSet<IpAddr>) -> (Endpoint, Endpoint) {
        let tuple = &packet.tuple;
        let source = address(tuple.source, tuple.version);
        let destination = address(tuple.destination, tuple.version);
        let by_cgroup = match packet.cgroup {
            0 => Group::Other,
            number => self.cgroups.get(number, packet.time_ns).clone(),
        };
        let process = match &by_cgroup {
            Group::Unit(unit) => Some(Workload { name: unit.clone(), kind: "Unit".to_owned() }),
            _ if packet.pid != 0 => Some(Workload { name: comm(packet.comm), kind: "Process".to_owned() }),
            _ => None,
        };
        if let Some(process) = process {
            self.senders.insert((source, tuple.source_port, tuple.protocol), process);
        }
        let pod = match &by_cgroup {
            // A pod in the host's network has the host's address.
            Group::Pod(uid) if own.contains(&source) => self.pods.with_uid(uid).cloned(),
            _ => None,
        };
        let from = pod.unwrap_or_else(|| self.end(source, tuple.source_port, tuple.protocol, own));
        (from, self.end(destination, tuple.destination_port, tuple.protocol, own))
    }

    fn end(&mut self, address: IpAddr, port: u16, protocol: u8, own: &HashSet<IpAddr>) -> Endpoint {
        if let Some(pod) = self.pods.at(address) {
            return pod.clone();
        }
        let is_own = own.contains(&address) || address.is_loopback();
        let (identity, label) = if is_own { (HOST, "reserved:host") } else { (WORLD, "reserved:world") };
        let workload = if is_own { self.senders.get(&(address, port, protocol)).cloned() } else { None };
        Endpoint {
            identity,
            labels: vec![label.to_owned()],
            workloads: workload.into_iter().collect(),
            ..Endpoint::default()
        }
    }
}

fn comm(bytes: [u8; 16]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}
