//! The thread that attaches: it enters a network namespace, attaches to the interfaces that are wanted, and goes on watching
//! for those that come and go. It reads nothing from packets.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use aya::maps::{MapData, RingBuf};
use caps::Capability;
use glob::Pattern;
use lookback_flow::dictionary::hasher;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::btf::Btf;
use super::namespace::Namespace;
use super::netlink::{self, Changes, Interface};
use super::object::{Attached, Counters, Counts, KernelError, LinkLayer, Object, Settings};
use super::privileges;
use crate::enrich::Addresses;
use crate::observe::flow::Role;
use crate::pipeline::Surroundings;

/// What is to be attached.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub namespace: Namespace,
    /// Names with `*`; all that are up where there is none.
    pub interfaces: Vec<Pattern>,
    pub settings: Settings,
    /// The kernel's reasons for drops by number; empty for no drops.
    pub reasons: HashMap<u32, String>,
    /// Namespaces whose drops are told of.
    pub drop_namespaces: Vec<u32>,
    pub cgroups: Option<std::path::PathBuf>,
}

/// What the thread and the recorder share.
#[derive(Debug, Default)]
pub struct Shared {
    surroundings: Mutex<Surroundings>,
    /// Grows with each change.
    pub version: AtomicU64,
    pub(super) stop: AtomicBool,
    /// Of each CPU. The kernel gives them to those alone that have `CAP_BPF`.
    counts: Mutex<Vec<Counts>>,
    remarks: Mutex<Vec<String>>,
}

impl Shared {
    /// What is known of the namespace.
    #[must_use]
    pub fn surroundings(&self) -> Surroundings {
        self.surroundings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the programs counted, a tenth of a second ago at most; all of it once they are detached.
    #[must_use]
    pub fn counts(&self) -> Vec<Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the user should know, since the last call.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        std::mem::take(&mut *self.remarks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts up what the programs have counted.
    pub(super) fn publish(&self, counters: &Counters) {
        match counters.read() {
            Ok(counts) => *self.counts.lock().unwrap_or_else(PoisonError::into_inner) = counts,
            Err(error) => self.remark(format!("counters: {error}")),
        }
    }

    pub(super) fn remark(&self, remark: String) {
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner).push(remark);
    }
}

/// A namespace that is attached to.
#[derive(Debug)]
pub struct Attachment {
    pub ring: RingBufOf,
    pub shared: Arc<Shared>,
    pub(super) thread: Option<JoinHandle<()>>,
    /// What could not be attached, and so is missing from the recording.
    pub missing: Vec<String>,
}

/// A ring, with something to show of it.
pub struct RingBufOf(pub RingBuf<MapData>);

impl std::fmt::Debug for RingBufOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RingBuf").finish_non_exhaustive()
    }
}

impl Attachment {
    /// Lets everything go: nothing is told of any more, what the ring holds stays.
    pub fn detach(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.detach();
    }
}

/// Why nothing can be recorded.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    #[error("network namespace {namespace}: {error}; `ip netns list` names those that there are")]
    Namespace { namespace: String, error: std::io::Error },
    #[error(transparent)]
    Kernel(#[from] KernelError),
    #[error("interfaces: {0}")]
    Netlink(std::io::Error),
    #[error("no interface is called {0}; these are there: {1}")]
    NoInterface(String, String),
    #[error("none of the interfaces could be attached to: {0}")]
    Nothing(String),
    #[error("the thread that attaches ended")]
    Gone,
}

type Attaching = Result<(RingBuf<MapData>, Vec<String>), AttachError>;

/// Attaches, and goes on doing so in a thread.
///
/// # Errors
/// When nothing can be recorded.
pub fn attach(wanted: Wanted, btf: Option<Arc<Btf>>) -> Result<Attachment, AttachError> {
    let shared = Arc::new(Shared::default());
    let (tell, told): (SyncSender<Attaching>, Receiver<Attaching>) = sync_channel(1);
    let thread = std::thread::Builder::new().name("attach".to_owned()).spawn({
        let shared = Arc::clone(&shared);
        move || {
            let begun = Attacher::begin(wanted, btf.as_deref(), &shared);
            drop(btf);
            match begun {
                Ok((attacher, ring, missing)) => {
                    let rest = [Capability::CAP_NET_ADMIN, Capability::CAP_BPF];
                    if let Err(error) = privileges::keep(&rest) {
                        shared.remark(error.to_string());
                    }
                    let _ = tell.send(Ok((ring, missing)));
                    attacher.watch(&shared);
                }
                Err(error) => {
                    let _ = tell.send(Err(error));
                }
            }
        }
    });
    let thread = Some(thread.map_err(AttachError::Netlink)?);
    let (ring, missing) = told.recv().map_err(|_| AttachError::Gone)??;
    Ok(Attachment { ring: RingBufOf(ring), shared, thread, missing })
}

struct Attacher {
    object: Object,
    counters: Counters,
    changes: Changes,
    patterns: Vec<Pattern>,
    is_own: bool,
    /// Interfaces by number and name that are attached to.
    attached: BTreeSet<(u32, String)>,
    /// Interfaces that refused, so that it is told once.
    refused: HashSet<(u32, String)>,
}

impl Attacher {
    fn begin(
        wanted: Wanted,
        btf: Option<&Btf>,
        shared: &Shared,
    ) -> Result<(Self, RingBuf<MapData>, Vec<String>), AttachError> {
        let Wanted { namespace, interfaces, settings, reasons, drop_namespaces, cgroups } = wanted;
        namespace.enter().map_err(|error| AttachError::Namespace { namespace: namespace.to_string(), error })?;
        let changes = Changes::watch().map_err(AttachError::Netlink)?;
        let mut object = Object::load(&settings, btf)?;
        let (ring, counters) = (object.take_ring()?, object.take_counters()?);
        let mut missing = Vec::new();
        if btf.is_some() && !reasons.is_empty() {
            if let Err(error) = object.attach_drops(&reasons, &drop_namespaces) {
                missing.push(format!("drops and retransmissions: {error}"));
            }
        } else if namespace == Namespace::Own {
            missing.push("drops: the kernel does not describe its types and reasons (BTF)".to_owned());
        }
        if let Some(cgroups) = cgroups
            && let Err(error) = object.attach_processes(&cgroups)
        {
            missing.push(format!("names of processes: {error}"));
        }
        let mut attacher = Self {
            object,
            counters,
            changes,
            patterns: interfaces,
            is_own: namespace == Namespace::Own,
            attached: BTreeSet::new(),
            refused: HashSet::new(),
        };
        let found = attacher.look(shared).map_err(AttachError::Netlink)?;
        for pattern in &attacher.patterns {
            let plain = !pattern.as_str().contains(['*', '?', '[']);
            if plain && !found.iter().any(|interface| pattern.matches(&interface.name)) {
                let names: Vec<_> = found.iter().map(|interface| interface.name.as_str()).collect();
                return Err(AttachError::NoInterface(pattern.to_string(), names.join(", ")));
            }
        }
        let refusals = shared.remarks();
        if attacher.attached.is_empty() && !refusals.is_empty() {
            return Err(AttachError::Nothing(refusals.join("; ")));
        }
        missing.extend(refusals);
        Ok((attacher, ring, missing))
    }

    /// Attaches to what has come, lets go what has gone.
    fn look(&mut self, shared: &Shared) -> std::io::Result<Vec<Interface>> {
        let interfaces = netlink::interfaces()?;
        let mut addresses = Addresses::with_hasher(hasher());
        addresses.extend(netlink::addresses()?);
        let wanted: BTreeSet<(u32, String)> = interfaces
            .iter()
            .filter(|interface| interface.is_up && self.wants(&interface.name))
            .map(|interface| (interface.index, interface.name.clone()))
            .collect();
        let gone: Vec<_> = self.attached.difference(&wanted).cloned().collect();
        for (index, name) in gone {
            // One that is down stays attached.
            if !interfaces.iter().any(|interface| interface.index == index && interface.name == name) {
                self.object.detach(&name);
                self.attached.remove(&(index, name));
            }
        }
        self.refused.retain(|refused| wanted.contains(refused));
        for one in wanted {
            if self.attached.contains(&one) || self.refused.contains(&one) {
                continue;
            }
            let Some(interface) = interfaces.iter().find(|interface| interface.index == one.0) else { continue };
            let layer = if interface.is_ethernet { LinkLayer::Ethernet } else { LinkLayer::Bare };
            match self.object.attach(&interface.name, layer) {
                Ok(Attached::Tcx | Attached::Clsact) => {
                    self.attached.insert(one);
                }
                Err(error) => {
                    shared.remark(error.to_string());
                    self.refused.insert(one);
                }
            }
        }
        let known =
            interfaces.iter().map(|interface| (interface.index, (interface.name.clone(), self.role(interface))));
        let mut surroundings = Surroundings { addresses, ..Surroundings::default() };
        surroundings.interfaces.extend(known);
        *shared.surroundings.lock().unwrap_or_else(PoisonError::into_inner) = surroundings;
        shared.version.fetch_add(1, Ordering::Release);
        Ok(interfaces)
    }

    fn wants(&self, name: &str) -> bool {
        self.patterns.is_empty() || self.patterns.iter().any(|pattern| pattern.matches(name))
    }

    fn role(&self, interface: &Interface) -> Role {
        match interface.kind.as_str() {
            _ if interface.is_loopback => Role::Loopback,
            "vxlan" | "geneve" | "wireguard" | "ipip" | "gre" => Role::Overlay,
            _ if !self.is_own => Role::OwnEndpoint,
            "veth" | "tun" | "netkit" => Role::Endpoint,
            _ => Role::Network,
        }
    }

    /// Watches until it is told to stop.
    fn watch(mut self, shared: &Shared) {
        let wait = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        while !shared.stop.load(Ordering::Acquire) {
            let _ = poll(&mut [PollFd::new(&self.changes, PollFlags::IN)], Some(&wait));
            if self.changes.take()
                && let Err(error) = self.look(shared)
            {
                shared.remark(format!("interfaces: {error}"));
            }
            shared.publish(&self.counters);
        }
        let Self { object, counters, .. } = self;
        drop(object);
        // Nothing is counted any more.
        shared.publish(&counters);
    }
}
