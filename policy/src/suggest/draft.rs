//! What one policy is to allow, before it is written.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Labels;
use crate::policy::Way;
use crate::port::Protocol;
use crate::seen::{Access, Request};

/// More addresses than these are the world; more requests on a port are all.
const MOST_ADDRESSES: usize = 64;
pub(super) const MOST_REQUESTS: usize = 100;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Peer {
    Pods { namespace: String, labels: Labels },
    Entity(&'static str),
    Names(Vec<String>),
    Address(IpAddr),
}

/// Protocol, and port or ICMP type.
pub(super) type Port = (Protocol, u16);

/// What is asked on each port.
pub(super) type Ports = BTreeMap<Port, Asked>;

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asked {
    /// Method and path without its query, and whether there is one.
    pub(super) http: BTreeMap<(String, String), bool>,
    pub(super) dns: BTreeSet<String>,
    /// What no rule is written for.
    pub(super) others: bool,
}

#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) ingress: OneWay,
    pub(super) egress: OneWay,
}

impl Draft {
    pub(super) fn way(&mut self, way: Way) -> &mut OneWay {
        match way {
            Way::Egress => &mut self.egress,
            Way::Ingress => &mut self.ingress,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct OneWay {
    pub(super) peers: BTreeMap<Peer, Ports>,
}

impl OneWay {
    /// Whether it could be added: without a port there is nothing to allow.
    pub(super) fn add(&mut self, peer: Peer, access: &Access<'_>, with_requests: bool) -> bool {
        let port = match (access.protocol, access.port) {
            (Some(protocol), Some(port)) => (protocol, port),
            (Some(protocol @ (Protocol::Vrrp | Protocol::Igmp)), None) => (protocol, 0),
            _ => return false,
        };
        let asked = self.peers.entry(peer).or_default().entry(port).or_default();
        match access.request.filter(|_| with_requests) {
            Some(Request::Http { method, path, .. }) => {
                let (path, has_query) = path.split_once('?').map_or((path.as_str(), false), |(path, _)| (path, true));
                *asked.http.entry((method.clone(), path.to_owned())).or_default() |= has_query;
            }
            Some(Request::Dns { query }) if is_name(query) => {
                asked.dns.insert(query.clone());
            }
            Some(Request::Dns { .. } | Request::Kafka { .. }) => asked.others = true,
            None => {}
        }
        true
    }

    /// Folds addresses that are too many to list into the world; whether it did.
    pub(super) fn fold_addresses(&mut self) -> bool {
        let is_address = |peer: &Peer| matches!(peer, Peer::Address(_));
        if self.peers.keys().filter(|peer| is_address(peer)).count() <= MOST_ADDRESSES {
            return false;
        }
        let (addresses, mut others): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.peers).into_iter().partition(|(peer, _)| is_address(peer));
        let world: &mut Ports = others.entry(Peer::Entity("world")).or_default();
        for (port, asked) in addresses.into_values().flatten() {
            let own = world.entry(port).or_default();
            for (request, has_query) in asked.http {
                *own.http.entry(request).or_default() |= has_query;
            }
            own.dns.extend(asked.dns);
            own.others |= asked.others;
        }
        self.peers = others;
        true
    }

    /// Whether DNS is asked.
    pub(super) fn looks_up(&self) -> bool {
        self.peers.values().any(|ports| ports.keys().any(|(protocol, port)| *port == 53 && protocol.has_ports()))
    }

    pub(super) fn has_names(&self) -> bool {
        self.peers.keys().any(|peer| matches!(peer, Peer::Names(_)))
    }
}

/// Whether Kubernetes takes it as a `matchName`: `^([-a-zA-Z0-9_]+[.]?)+$`, of 255 characters at most.
fn is_name(name: &str) -> bool {
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    name.len() <= 255 && name.split('.').all(is_label)
}
