//! The cluster that talks: twelve services in three namespaces and their DNS, several pods each, spread over the nodes.

use crate::exporter_line::{Endpoint, Ethernet};
use crate::splitmix::SplitMix64;

/// A service: namespace, name, kind of workload, port and number of pods.
pub(super) struct Service {
    pub(super) namespace: &'static str,
    pub(super) name: &'static str,
    kind: &'static str,
    pub(super) port: u16,
    pods: u8,
}

const fn service(namespace: &'static str, name: &'static str, port: u16, pods: u8) -> Service {
    Service { namespace, name, kind: "Deployment", port, pods }
}

const fn stateful(namespace: &'static str, name: &'static str, port: u16, pods: u8) -> Service {
    Service { namespace, name, kind: "StatefulSet", port, pods }
}

/// The services; [`super::traffic`] refers to them by their places.
pub(super) const SERVICES: [Service; 13] = [
    service("shop", "gateway", 8443, 4),
    service("shop", "web", 8080, 6),
    service("shop", "cart", 8080, 4),
    service("shop", "catalog", 8080, 4),
    service("shop", "search", 9200, 3),
    service("pay", "checkout", 8080, 4),
    service("pay", "payments", 8443, 3),
    service("pay", "fraud", 9090, 3),
    service("pay", "ledger", 8080, 3),
    stateful("data", "postgres", 5432, 3),
    stateful("data", "redis", 6379, 3),
    stateful("data", "kafka", 9092, 3),
    service("kube-system", "coredns", 53, 2),
];
pub(super) const DNS: usize = 12;

/// A service by its place, the first where there is none.
pub(super) fn service_at(place: usize) -> &'static Service {
    SERVICES.get(place).unwrap_or(const { &SERVICES[0] })
}

pub(super) struct Node {
    /// With the cluster's name before it, as in flows; other events carry the bare name.
    pub(super) full_name: String,
    pub(super) name: String,
    pub(super) labels: Vec<String>,
}

/// A pod, or somebody outside.
pub(super) struct Party {
    pub(super) service: Option<usize>,
    pub(super) node: Option<u8>,
    id: u32,
    identity: u32,
    namespace: &'static str,
    pod: String,
    labels: Vec<String>,
    workload: Option<(&'static str, &'static str)>,
    pub(super) ip: String,
    pub(super) mac: String,
    pub(super) interface: (u32, String),
    pub(super) dns_names: Vec<String>,
}

pub(super) struct Cluster {
    pub(super) nodes: Vec<Node>,
    pub(super) all: Vec<Party>,
    /// Places in `all` of the pods of each service.
    pub(super) of_service: Vec<Vec<u16>>,
    pub(super) visitors: Vec<u16>,
    pub(super) destinations: Vec<u16>,
}

/// A party with its labels as the line model wants them.
pub(super) struct PartyView<'a> {
    pub(super) party: &'a Party,
    pub(super) labels: Vec<&'a str>,
    pub(super) names: Vec<&'a str>,
}

pub(super) const CLUSTER: &str = "prod";
const GENERATED: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

impl Cluster {
    pub(super) fn new(nodes: u8, random: &mut SplitMix64) -> Self {
        let mut cluster = Self {
            nodes: (1..=nodes).map(node).collect(),
            all: Vec::new(),
            of_service: Vec::new(),
            visitors: Vec::new(),
            destinations: Vec::new(),
        };
        let mut pods = 0u32;
        for (at, service) in SERVICES.iter().enumerate() {
            let mut places = Vec::new();
            let replica_set = generated(random, 9);
            for number in 0..service.pods {
                let node = u8::try_from(pods % u32::from(nodes)).unwrap_or(0);
                pods += 1;
                let pod = match service.kind {
                    "StatefulSet" => format!("{}-{number}", service.name),
                    _ => format!("{}-{replica_set}-{}", service.name, generated(random, 5)),
                };
                places.push(cluster.add(pod_party(at, pods, node, pod)));
            }
            cluster.of_service.push(places);
        }
        for number in 0..200u32 {
            let ip = format!("203.0.113.{}", number + 20);
            let visitor = cluster.add(outside(ip, 2, vec!["reserved:world".to_owned()], Vec::new()));
            cluster.visitors.push(visitor);
        }
        for number in 0..6u32 {
            let (ip, name) = (format!("198.51.100.{}", number + 10), format!("api{number}.payments.example"));
            let labels = vec![format!("cidr:{ip}/32"), format!("fqdn:{name}"), "reserved:world".to_owned()];
            let place = cluster.add(outside(ip, 16_777_217 + number, labels, vec![name]));
            cluster.destinations.push(place);
        }
        cluster
    }

    fn add(&mut self, party: Party) -> u16 {
        self.all.push(party);
        u16::try_from(self.all.len() - 1).unwrap_or(0)
    }

    pub(super) fn parties(&self) -> Vec<PartyView<'_>> {
        self.all
            .iter()
            .map(|party| PartyView {
                party,
                labels: party.labels.iter().map(String::as_str).collect(),
                names: party.dns_names.iter().map(String::as_str).collect(),
            })
            .collect()
    }
}

impl PartyView<'_> {
    /// What the agent of a node knows of it: number and workload of its own pods only.
    pub(super) fn endpoint(&self, observer: u8) -> Endpoint<'_> {
        let local = self.party.node == Some(observer);
        Endpoint {
            id: if local { self.party.id } else { 0 },
            identity: self.party.identity,
            cluster_name: if self.party.node.is_some() { CLUSTER } else { "" },
            namespace: self.party.namespace,
            labels: &self.labels,
            pod_name: &self.party.pod,
            workload: self.party.workload.filter(|_| local),
        }
    }

    pub(super) fn ethernet<'a>(&'a self, to: &'a Self) -> Ethernet<'a> {
        Ethernet { source: &self.party.mac, destination: &to.party.mac }
    }
}

fn node(number: u8) -> Node {
    let name = format!("worker-{number}");
    let labels = vec![
        format!("kubernetes.io/hostname={name}"),
        format!("topology.kubernetes.io/zone=eu-1{}", if number.is_multiple_of(2) { 'a' } else { 'b' }),
    ];
    Node { full_name: format!("{CLUSTER}/{name}"), name, labels }
}

fn pod_party(service: usize, number: u32, node: u8, pod: String) -> Party {
    let Service { namespace, name, kind, .. } = *service_at(service);
    let octet = number % 250 + 4;
    Party {
        service: Some(service),
        node: Some(node),
        id: 100 + number * 37 % 4000,
        identity: 20_000 + u32::try_from(service).unwrap_or(0) * 731,
        namespace,
        pod,
        labels: vec![
            format!("k8s:app.kubernetes.io/instance={name}-{namespace}"),
            format!("k8s:app.kubernetes.io/name={name}"),
            format!("k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name={namespace}"),
            format!("k8s:io.cilium.k8s.policy.cluster={CLUSTER}"),
            format!("k8s:io.cilium.k8s.policy.serviceaccount={name}"),
            format!("k8s:io.kubernetes.pod.namespace={namespace}"),
        ],
        workload: Some((name, kind)),
        ip: format!("10.244.{node}.{octet}"),
        mac: format!("0a:58:0a:f4:{node:02x}:{octet:02x}"),
        interface: (10 + number, format!("lxc{:012x}", SplitMix64::new(u64::from(number)).next() >> 16)),
        dns_names: Vec::new(),
    }
}

fn outside(ip: String, identity: u32, labels: Vec<String>, dns_names: Vec<String>) -> Party {
    Party {
        service: None,
        node: None,
        id: 0,
        identity,
        namespace: "",
        pod: String::new(),
        labels,
        workload: None,
        ip,
        mac: "0a:58:0a:f4:00:01".to_owned(),
        interface: (0, String::new()),
        dns_names,
    }
}

/// A part of a pod's name as Kubernetes makes it.
fn generated(random: &mut SplitMix64, length: usize) -> String {
    (0..length).filter_map(|_| random.pick(GENERATED)).map(|letter| char::from(*letter)).collect()
}
