//! Pods, from a `PodList` as the kubelet (`/pods`) and the API server give it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use lookback_flow::dictionary::hasher;
use lookback_flow::proto::flow::{Endpoint, Workload};
use serde::Deserialize;

use crate::generations::Hasher;

/// Identities below are reserved; those of pods are above.
const FIRST_IDENTITY: u64 = 1 << 16;
/// Identities of address ranges begin here, in Cilium.
const LAST_IDENTITY: u64 = 1 << 24;

/// Labels that tell one pod of a workload from another one, and are no part of an identity.
const OWN_LABELS: [&str; 6] = [
    "pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/controller-uid",
];

#[derive(Deserialize)]
struct PodList {
    #[serde(default)]
    items: Vec<Pod>,
}

/// A pod, as far as flows tell of it.
#[derive(Debug, Deserialize)]
pub struct Pod {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    uid: String,
    #[serde(default)]
    labels: HashMap<String, String>,
    #[serde(default)]
    owner_references: Vec<Owner>,
}

#[derive(Debug, Deserialize)]
struct Owner {
    kind: String,
    name: String,
    #[serde(default)]
    controller: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    host_network: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    #[serde(rename = "podIP")]
    pod_ip: Option<String>,
    #[serde(rename = "podIPs")]
    pod_ips: Vec<PodIp>,
    phase: String,
}

#[derive(Debug, Deserialize)]
struct PodIp {
    ip: String,
}

impl Pod {
    /// Its number; empty where the list has none.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.metadata.uid
    }
}

/// Pods by address, and by their number as control groups name them.
#[derive(Debug)]
pub struct Pods {
    by_address: HashMap<IpAddr, Arc<Endpoint>, Hasher>,
    by_uid: HashMap<String, Arc<Endpoint>, Hasher>,
}

impl Default for Pods {
    fn default() -> Self {
        Self { by_address: HashMap::with_hasher(hasher()), by_uid: HashMap::with_hasher(hasher()) }
    }
}

impl Pods {
    /// # Errors
    /// When the text is no `PodList`.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        let list: PodList = serde_json::from_str(json)?;
        Ok(Self::of(&list.items))
    }

    /// Pods in any number.
    pub fn of<'a>(all: impl IntoIterator<Item = &'a Pod>) -> Self {
        let mut pods = Self::default();
        for pod in all {
            let endpoint = Arc::new(endpoint(&pod.metadata));
            // Addresses of pods that have ended may be others' by now, those of the host's network are the host's.
            let is_over = matches!(pod.status.phase.as_str(), "Succeeded" | "Failed");
            if !pod.spec.host_network && !is_over {
                let all = pod.status.pod_ips.iter().map(|ip| ip.ip.as_str()).chain(pod.status.pod_ip.as_deref());
                for address in all.filter_map(|text| text.parse().ok()) {
                    pods.by_address.insert(address, Arc::clone(&endpoint));
                }
            }
            if !pod.metadata.uid.is_empty() {
                pods.by_uid.insert(pod.metadata.uid.clone(), endpoint);
            }
        }
        pods
    }

    #[must_use]
    pub fn at(&self, address: IpAddr) -> Option<&Arc<Endpoint>> {
        self.by_address.get(&address)
    }

    #[must_use]
    pub fn with_uid(&self, uid: &str) -> Option<&Arc<Endpoint>> {
        self.by_uid.get(uid)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.by_uid.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_uid.is_empty()
    }
}

fn endpoint(pod: &Metadata) -> Endpoint {
    let mut labels: Vec<String> = pod
        .labels
        .iter()
        .filter(|(key, _)| !OWN_LABELS.contains(&key.as_str()))
        .map(|(key, value)| format!("k8s:{key}={value}"))
        .collect();
    labels.push(format!("k8s:io.kubernetes.pod.namespace={}", pod.namespace));
    labels.sort_unstable();
    let identity =
        FIRST_IDENTITY + xxhash_rust::xxh3::xxh3_64(labels.join("\n").as_bytes()) % (LAST_IDENTITY - FIRST_IDENTITY);
    let owner = pod.owner_references.iter().find(|owner| owner.controller).or(pod.owner_references.first());
    Endpoint {
        identity: u32::try_from(identity).unwrap_or_default(),
        namespace: pod.namespace.clone(),
        labels,
        pod_name: pod.name.clone(),
        workloads: vec![owner.map_or_else(
            || Workload { name: pod.name.clone(), kind: "Pod".to_owned() },
            |owner| workload(owner, pod.labels.get("pod-template-hash")),
        )],
        ..Endpoint::default()
    }
}

/// A `ReplicaSet` stands for its Deployment, whose name it has with the template's hash.
fn workload(owner: &Owner, hash: Option<&String>) -> Workload {
    let deployment = hash
        .filter(|_| owner.kind == "ReplicaSet")
        .and_then(|hash| owner.name.strip_suffix(hash.as_str())?.strip_suffix('-'));
    match deployment {
        Some(name) => Workload { name: name.to_owned(), kind: "Deployment".to_owned() },
        None => Workload { name: owner.name.clone(), kind: owner.kind.clone() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"{"kind":"PodList","items":[
        {"metadata":{"name":"web-5d4f-abcde","namespace":"shop","uid":"u-1","labels":{"app":"web","pod-template-hash":"5d4f"},
          "ownerReferences":[{"kind":"ReplicaSet","name":"web-5d4f","controller":true}]},
          "spec":{},"status":{"phase":"Running","podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"},{"ip":"fd00::1"}]}},
        {"metadata":{"name":"web-5d50-fghij","namespace":"shop","uid":"u-2","labels":{"app":"web","pod-template-hash":"5d50"},
          "ownerReferences":[{"kind":"ReplicaSet","name":"web-5d50","controller":true}]},"status":{"podIP":"10.0.0.2"}},
        {"metadata":{"name":"agent","namespace":"kube-system","uid":"u-3"},"spec":{"hostNetwork":true},"status":{"podIP":"192.0.2.1"}},
        {"metadata":{"name":"job","namespace":"shop","uid":"u-4"},"status":{"phase":"Succeeded","podIP":"10.0.0.1"}}]}"#;

    #[test]
    fn pods_are_found_by_address_and_uid() {
        let pods = Pods::parse(LIST).unwrap();
        let web = pods.at("10.0.0.1".parse().unwrap()).unwrap();
        assert_eq!((web.namespace.as_str(), web.pod_name.as_str()), ("shop", "web-5d4f-abcde"));
        assert_eq!(web.workloads, [Workload { name: "web".to_owned(), kind: "Deployment".to_owned() }]);
        assert_eq!(web.labels, ["k8s:app=web", "k8s:io.kubernetes.pod.namespace=shop"]);
        // The same identity, whichever pod and whichever roll-out.
        let other = pods.at("10.0.0.2".parse().unwrap()).unwrap();
        assert_eq!(web.identity, other.identity);
        assert!((65_536..1 << 24).contains(&web.identity));
        assert_eq!(pods.at("fd00::1".parse().unwrap()), Some(web));
        assert_eq!(pods.at("192.0.2.1".parse().unwrap()), None);
        assert_eq!(pods.with_uid("u-3").unwrap().pod_name, "agent");
        assert!(Pods::parse("7").is_err() && Pods::parse(r#"{"items":7}"#).is_err());
    }
}
