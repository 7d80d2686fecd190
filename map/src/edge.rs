//! A service, and what one service had to do with another.

use std::collections::BTreeSet;

use serde::Serialize;

/// What a name stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Something that runs in the cluster.
    #[default]
    Workload,
    /// A part of the cluster with an identity of its own: `host`, `remote-node`, `kube-apiserver`, ….
    Cluster,
    /// A name or an address that is not of the cluster, or `world`.
    Outside,
}

/// An end of an edge.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Service {
    /// Empty where there is none.
    pub namespace: String,
    pub name: String,
    pub kind: Kind,
}

/// Cilium's reserved identities, but for `world`, which is outside.
const CLUSTER: [&str; 8] =
    ["host", "remote-node", "kube-apiserver", "health", "init", "unmanaged", "ingress", "encrypted-overlay"];

impl Service {
    #[must_use]
    pub fn workload(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into(), kind: Kind::Workload }
    }

    /// From the best name of an end, as the columns `client` and `server` have it: `namespace/name`, the name of a reserved
    /// identity, or else a DNS name or an address. No name at all is `unknown`.
    #[must_use]
    pub fn named(best_name: &str) -> Self {
        let alone = |name: &str, kind| Self { namespace: String::new(), name: name.into(), kind };
        match best_name.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => Self::workload(namespace, name),
            _ if best_name.is_empty() => alone("unknown", Kind::Outside),
            _ if CLUSTER.contains(&best_name) => alone(best_name, Kind::Cluster),
            _ => alone(best_name, Kind::Outside),
        }
    }

    /// `namespace/name`, or the name alone.
    #[must_use]
    pub fn full_name(&self) -> String {
        if self.namespace.is_empty() { self.name.clone() } else { format!("{}/{}", self.namespace, self.name) }
    }
}

/// Where a service was spoken to.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Port {
    pub number: Option<u16>,
    /// `TCP`, `UDP`, …; empty where it is not known.
    pub protocol: String,
    /// `http`, `dns`, …, where a proxy saw it.
    pub l7: Option<String>,
}

impl Port {
    /// `8080 http`, `53/UDP dns`: TCP goes without saying.
    pub(crate) fn short(&self) -> String {
        let protocol =
            if self.number.is_some() && self.protocol == "TCP" { String::new() } else { self.protocol.clone() };
        Self { number: self.number, protocol, l7: self.l7.clone() }.text()
    }

    /// `8080/TCP http`.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = match self.number {
            Some(number) if self.protocol.is_empty() => number.to_string(),
            Some(number) => format!("{number}/{}", self.protocol),
            None => self.protocol.clone(),
        };
        if let Some(l7) = self.l7.as_deref().filter(|l7| !l7.is_empty()) {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(l7);
        }
        text
    }
}

/// All that one service asked of another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// The client.
    pub source: Service,
    /// The server.
    pub destination: Service,
    pub ports: BTreeSet<Port>,
    pub connections: u64,
    /// Layer 7 requests.
    pub requests: u64,
    /// Dropped packets and denied requests.
    pub dropped: u64,
    /// What a policy in audit mode would have denied.
    pub audited: u64,
    /// Of so many requests or connections it is known whether they went well …
    pub judged: u64,
    /// … and so many did not.
    pub errors: u64,
    /// Latency within which 95 of 100 requests were answered.
    pub p95_ns: Option<u64>,
}

impl Edge {
    /// An edge on which nothing was counted yet.
    #[must_use]
    pub fn new(source: Service, destination: Service) -> Self {
        Self { source, destination, ..Self::default() }
    }

    /// How much there was of it; at least 1.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.connections.max(self.requests).max(self.dropped).max(1)
    }

    /// From 0 to 1; nothing where nothing can be told.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    pub fn error_share(&self) -> Option<f64> {
        (self.judged > 0).then(|| (self.errors as f64 / self.judged as f64).min(1.0))
    }

    #[must_use]
    pub fn health(&self) -> Health {
        let share = self.error_share().unwrap_or_default();
        if self.dropped > 0 {
            Health::Dropped
        } else if share >= Health::FAILING {
            Health::Failing
        } else if share >= Health::ERRING {
            Health::Erring
        } else if self.audited > 0 {
            Health::Audited
        } else {
            Health::Good
        }
    }

    /// The same two ends again, on another port. Of the latencies the longer one is kept: no quantile of both can be told.
    pub(crate) fn add(&mut self, other: Self) {
        self.ports.extend(other.ports);
        for (sum, more) in [
            (&mut self.connections, other.connections),
            (&mut self.requests, other.requests),
            (&mut self.dropped, other.dropped),
            (&mut self.audited, other.audited),
            (&mut self.judged, other.judged),
            (&mut self.errors, other.errors),
        ] {
            *sum = sum.saturating_add(more);
        }
        self.p95_ns = self.p95_ns.max(other.p95_ns);
    }

    /// Ports as one text; of many the first.
    #[must_use]
    pub fn ports_text(&self, most: usize) -> String {
        let mut texts: Vec<String> =
            self.ports.iter().take(most).map(Port::text).filter(|text| !text.is_empty()).collect();
        let more = self.ports.len().saturating_sub(most);
        if more > 0 {
            texts.push(format!("and {more} more"));
        }
        texts.join(", ")
    }
}

/// How well an edge did, from best to worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    #[default]
    Good,
    /// A policy in audit mode would have denied something.
    Audited,
    /// At least 1 of 100 failed.
    Erring,
    /// At least 10 of 100 failed.
    Failing,
    /// Something was dropped or denied.
    Dropped,
}

impl Health {
    pub const ALL: [Self; 5] = [Self::Good, Self::Audited, Self::Erring, Self::Failing, Self::Dropped];
    /// Error shares from which on an edge is called so.
    pub const ERRING: f64 = 0.01;
    pub const FAILING: f64 = 0.1;

    /// A word, which is also its class in SVG and its value in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Audited => "audited",
            Self::Erring => "erring",
            Self::Failing => "failing",
            Self::Dropped => "dropped",
        }
    }

    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Good => "fine",
            Self::Audited => "denied, were it not audit mode",
            Self::Erring => "1 % errors and more",
            Self::Failing => "10 % errors and more",
            Self::Dropped => "drops or denials",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn best_names_tell_what_they_are() {
        assert_eq!(Service::named("shop/web"), Service::workload("shop", "web"));
        assert_eq!(Service::named("kube-apiserver").kind, Kind::Cluster);
        assert_eq!(Service::named("world").kind, Kind::Outside);
        assert_eq!(Service::named("/x").name, "/x");
        assert_eq!(Service::named("").name, "unknown");
    }

    #[test]
    fn the_worst_counts() {
        let mut edge = Edge { judged: 1000, errors: 9, ..Edge::default() };
        assert_eq!(edge.health(), Health::Good);
        edge.audited = 1;
        assert_eq!(edge.health(), Health::Audited);
        edge.errors = 10;
        assert_eq!(edge.health(), Health::Erring);
        edge.errors = 100;
        assert_eq!(edge.health(), Health::Failing);
        edge.dropped = 1;
        assert_eq!(edge.health(), Health::Dropped);
    }
}
