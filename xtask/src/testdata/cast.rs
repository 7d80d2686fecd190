//! Who takes part in the small scenarios: pods on two nodes, and what stands outside.

/// One end of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Peer {
    pub(crate) namespace: &'static str,
    pub(crate) pod: &'static str,
    pub(crate) app: &'static str,
    /// Name and kind of the workload; Cilium tells it only on the pod's own node.
    pub(crate) workload: Option<(&'static str, &'static str)>,
    /// Empty for what is outside the cluster.
    pub(crate) node: &'static str,
    pub(crate) ip: &'static str,
    pub(crate) mac: &'static str,
    pub(crate) id: u32,
    pub(crate) identity: u32,
    pub(crate) interface: (u32, &'static str),
    /// Labels of a peer that is no pod.
    pub(crate) reserved: &'static [&'static str],
    /// What the observing node's DNS cache calls the address.
    pub(crate) names: &'static [&'static str],
}

impl Peer {
    pub(crate) fn labels(&self) -> Vec<String> {
        if !self.reserved.is_empty() || self.app.is_empty() {
            return self.reserved.iter().map(ToString::to_string).collect();
        }
        let (app, namespace) = (self.app, self.namespace);
        vec![
            format!("k8s:app={app}"),
            format!("k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name={namespace}"),
            "k8s:io.cilium.k8s.policy.cluster=default".to_owned(),
            format!("k8s:io.kubernetes.pod.namespace={namespace}"),
        ]
    }

    pub(crate) fn is_pod(&self) -> bool {
        !self.pod.is_empty()
    }
}

const A: &str = "node-a";
const B: &str = "node-b";
const GATEWAY_MAC: &str = "0a:58:0a:00:00:01";

/// A pod of a deployment or stateful set named like its `app` label.
const fn pod(
    namespace: &'static str,
    app: &'static str,
    kind: &'static str,
    name: &'static str,
    place: (&'static str, &'static str, &'static str),
    numbers: (u32, u32),
    interface: (u32, &'static str),
) -> Peer {
    Peer {
        namespace,
        pod: name,
        app,
        workload: Some((app, kind)),
        node: place.0,
        ip: place.1,
        mac: place.2,
        id: numbers.0,
        identity: numbers.1,
        interface,
        reserved: &[],
        names: &[],
    }
}

const fn outside(
    ip: &'static str,
    identity: u32,
    reserved: &'static [&'static str],
    names: &'static [&'static str],
) -> Peer {
    Peer {
        namespace: "",
        pod: "",
        app: "",
        workload: None,
        node: "",
        ip,
        mac: GATEWAY_MAC,
        id: 0,
        identity,
        interface: (0, ""),
        reserved,
        names,
    }
}

const fn reserved(node: &'static str, ip: &'static str, identity: u32, labels: &'static [&'static str]) -> Peer {
    let mut peer = outside(ip, identity, labels, &[]);
    peer.node = node;
    peer
}

const DEPLOYMENT: &str = "Deployment";
const STATEFUL_SET: &str = "StatefulSet";

pub(crate) const WEB: Peer = pod(
    "shop",
    "web",
    DEPLOYMENT,
    "web-7c9d8b6f5-k2xvq",
    (A, "10.0.1.10", "0a:58:0a:00:01:0a"),
    (101, 50_001),
    (11, "lxc11aa01"),
);
pub(crate) const ORDERS: Peer = pod(
    "shop",
    "orders",
    DEPLOYMENT,
    "orders-5d4b7c8f96-t7wzn",
    (A, "10.0.1.11", "0a:58:0a:00:01:0b"),
    (102, 50_004),
    (12, "lxc11aa02"),
);
pub(crate) const BILLING: Peer = pod(
    "pay",
    "billing",
    DEPLOYMENT,
    "billing-84c6f9d5b7-h5m2q",
    (A, "10.0.1.12", "0a:58:0a:00:01:0c"),
    (103, 50_005),
    (13, "lxc11aa03"),
);
pub(crate) const CART: Peer = pod(
    "shop",
    "cart",
    DEPLOYMENT,
    "cart-6f5d8c7b9-x4zpl",
    (B, "10.0.2.20", "0a:58:0a:00:02:14"),
    (201, 50_002),
    (21, "lxc22bb01"),
);
pub(crate) const DB: Peer =
    pod("shop", "db", STATEFUL_SET, "db-0", (B, "10.0.2.30", "0a:58:0a:00:02:1e"), (202, 50_003), (22, "lxc22bb02"));
pub(crate) const KAFKA: Peer = pod(
    "data",
    "kafka",
    STATEFUL_SET,
    "kafka-0",
    (B, "10.0.2.40", "0a:58:0a:00:02:28"),
    (203, 50_006),
    (23, "lxc22bb03"),
);
pub(crate) const REDIS: Peer = pod(
    "data",
    "redis",
    STATEFUL_SET,
    "redis-0",
    (A, "10.0.1.41", "0a:58:0a:00:01:29"),
    (104, 50_007),
    (14, "lxc11aa04"),
);
pub(crate) const SCRAPER: Peer = pod(
    "monitoring",
    "scraper",
    STATEFUL_SET,
    "scraper-0",
    (A, "10.0.1.60", "0a:58:0a:00:01:3c"),
    (105, 50_008),
    (15, "lxc11aa05"),
);
pub(crate) const DNS: Peer = pod(
    "kube-system",
    "coredns",
    DEPLOYMENT,
    "coredns-76f75df574-9kqvw",
    (B, "10.0.2.53", "0a:58:0a:00:02:35"),
    (204, 50_053),
    (24, "lxc22bb04"),
);

/// The kubelet, seen by Cilium as its host.
pub(crate) const HOST_B: Peer = reserved(B, "10.0.2.1", 1, &["reserved:host"]);
/// Cilium's own ingress proxy.
pub(crate) const INGRESS: Peer = reserved(A, "10.0.1.5", 8, &["reserved:ingress"]);
/// Another node, or what came in through its `NodePort` and lost its address.
pub(crate) const REMOTE_NODE: Peer = outside("192.168.7.3", 6, &["reserved:remote-node"], &[]);
pub(crate) const VISITOR: Peer = outside("203.0.113.7", 2, &["reserved:world"], &[]);
pub(crate) const PARTNER: Peer = outside("203.0.113.99", 16_777_220, &["cidr:203.0.113.96/27", "reserved:world"], &[]);
pub(crate) const PAYMENTS: Peer = outside(
    "198.51.100.20",
    16_777_218,
    &["cidr:198.51.100.20/32", "fqdn:api.payments.example", "reserved:world"],
    &["api.payments.example"],
);
/// An address of the cluster behind which nobody listens any more.
pub(crate) const GONE: Peer = Peer {
    namespace: "shop",
    pod: "search-6b9c5f7d84-vz2kd",
    app: "search",
    workload: None,
    node: "node-c",
    ip: "10.0.3.70",
    mac: GATEWAY_MAC,
    id: 0,
    identity: 50_009,
    interface: (0, ""),
    reserved: &[],
    names: &[],
};
