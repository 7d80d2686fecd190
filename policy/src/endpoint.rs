//! Who is at an end of a flow, as far as policies go: labels, namespace, and for what is outside its address and names.

use std::fmt;
use std::net::IpAddr;

use lookback_flow::derive::is_outside;
use lookback_flow::names::RESERVED_IDENTITIES;

/// The label that tells a pod's namespace.
pub const NAMESPACE: &str = "k8s:io.kubernetes.pod.namespace";

/// One end of an access. Replicas with the same labels are one endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    pub namespace: Option<String>,
    /// Labels as Cilium writes them (`k8s:app=web`), sorted; `None` where the log has none and nothing stands in for them.
    pub labels: Option<Vec<String>>,
    /// Of what is outside the cluster alone.
    pub ip: Option<IpAddr>,
    /// DNS names, lower case, without the last dot; of what is outside the cluster alone.
    pub names: Vec<String>,
}

impl Endpoint {
    /// An endpoint of what a flow says of it.
    pub fn new(
        namespace: Option<&str>,
        labels: Option<Vec<String>>,
        identity: Option<u32>,
        ip: Option<&str>,
        names: impl FnOnce() -> Vec<String>,
    ) -> Self {
        let namespace = namespace.filter(|namespace| !namespace.is_empty());
        // An unknown endpoint is labelled so.
        let is_told = |labels: &Vec<String>| labels.iter().any(|label| label != "reserved:unknown");
        let mut labels = labels.filter(is_told);
        // What the number alone tells.
        if labels.is_none() && namespace.is_none() {
            labels = identity.and_then(reserved).map(|name| vec![format!("reserved:{name}")]);
        }
        let outside = identity.is_some_and(is_outside) || labels.iter().flatten().any(|label| tells_outside(label));
        if let (Some(labels), Some(namespace)) = (&mut labels, namespace)
            && !labels.iter().any(|label| split(label).0 == "k8s" && split(label).1 == &NAMESPACE[4..])
        {
            labels.push(format!("{NAMESPACE}={namespace}"));
        }
        let namespace = namespace.map(str::to_owned).or_else(|| {
            labels.iter().flatten().find_map(|label| Some(label.strip_prefix(NAMESPACE)?.strip_prefix('=')?.to_owned()))
        });
        if let Some(labels) = &mut labels {
            labels.sort_unstable();
            labels.dedup();
        }
        let ip = ip.filter(|_| outside).and_then(|ip| ip.parse().ok());
        let names = if outside { names() } else { Vec::new() };
        Self { namespace, labels, ip, names }
    }

    /// Whether it is outside the cluster: the world, or an address range that a policy names.
    #[must_use]
    pub fn is_outside(&self) -> bool {
        self.ip.is_some() || self.labels.iter().flatten().any(|label| tells_outside(label))
    }

    /// Names of the reserved identities that it has: `host`, `world`, …
    pub fn reserved(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().flatten().filter_map(|label| label.strip_prefix("reserved:"))
    }

    #[must_use]
    pub fn is_reserved(&self, name: &str) -> bool {
        self.reserved().any(|own| own == name)
    }

    /// Whether it is a pod. One of which the log says too little may be.
    #[must_use]
    pub fn is_pod(&self) -> Option<bool> {
        match (&self.namespace, &self.labels) {
            (Some(_), _) => Some(true),
            (None, Some(_)) => Some(false),
            (None, None) => None,
        }
    }
}

/// Short: the namespace and the label that names the application, a reserved name, or the address.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMING: [&str; 3] = ["app.kubernetes.io/name", "k8s-app", "app"];
        let label = |key: &&str| {
            let mut labels = self.labels.iter().flatten().map(|label| split(label));
            labels.find(|(source, own, _)| *source == "k8s" && own == key).map(|(_, _, value)| value)
        };
        if let Some(namespace) = &self.namespace {
            return match NAMING.iter().find_map(label) {
                Some(app) => write!(f, "{namespace}/{app}"),
                None => match self.labels.iter().flatten().find(|label| is_own(label)) {
                    Some(label) => write!(f, "{namespace}/{{{}}}", split(label).1),
                    None => write!(f, "{namespace}/?"),
                },
            };
        }
        match (self.names.first(), self.ip) {
            (Some(name), Some(ip)) => write!(f, "{name} ({ip})"),
            (_, Some(ip)) => write!(f, "{ip}"),
            _ => match self.reserved().next() {
                Some(name) => f.write_str(name),
                None => f.write_str("unknown"),
            },
        }
    }
}

/// Source, key and value of a label; without a source it is `any`.
#[must_use]
pub fn split(label: &str) -> (&str, &str, &str) {
    let (key, value) = label.split_once('=').unwrap_or((label, ""));
    match key.split_once(':') {
        Some((source, key)) => (source, key, value),
        None => ("any", key, value),
    }
}

/// Whether a label is the pod's own, set by whoever deployed it, and stays the same over its replicas and releases.
#[must_use]
pub fn is_own(label: &str) -> bool {
    let (source, key, _) = split(label);
    source == "k8s"
        && !key.starts_with("io.cilium.")
        && !key.starts_with("io.kubernetes.")
        && !key.starts_with("batch.kubernetes.io/")
        && !key.starts_with("apps.kubernetes.io/")
        && !key.starts_with("statefulset.kubernetes.io/")
        && !key.starts_with("topology.kubernetes.io/")
        && !matches!(
            key,
            "pod-template-hash"
                | "controller-revision-hash"
                | "pod-template-generation"
                | "job-name"
                | "controller-uid"
        )
}

fn tells_outside(label: &str) -> bool {
    matches!(label, "reserved:world" | "reserved:world-ipv4" | "reserved:world-ipv6" | "reserved:aggregate-world")
        || label.starts_with("cidr:")
        || label.starts_with("fqdn:")
}

fn reserved(identity: u32) -> Option<&'static str> {
    RESERVED_IDENTITIES
        .iter()
        .find(|(number, _)| *number == identity)
        .map(|(_, name)| *name)
        .or_else(|| is_outside(identity).then_some("world"))
}
