//! Drafts as `CiliumNetworkPolicy`.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::Serialize;

use super::draft::{Asked, Draft, MOST_REQUESTS, OneWay, Peer, Port, Ports};
use super::{Labels, LeftOut, Options, Suggestion};
use crate::endpoint::NAMESPACE;
use crate::port::Protocol;

/// As many as Cilium takes in one list.
const MOST_PORTS: usize = 40;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    api_version: &'a str,
    kind: &'a str,
    metadata: Metadata<'a>,
    spec: Spec,
}

#[derive(Serialize)]
struct Metadata<'a> {
    name: String,
    namespace: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    endpoint_selector: Selector,
    #[serde(skip_serializing_if = "Option::is_none")]
    ingress: Option<Vec<Rule>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    egress: Option<Vec<Rule>>,
}

#[derive(Clone, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
struct Selector {
    match_labels: Labels,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    from_endpoints: Vec<Selector>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    from_entities: Vec<&'static str>,
    #[serde(rename = "fromCIDR", skip_serializing_if = "Vec::is_empty")]
    from_cidr: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    to_endpoints: Vec<Selector>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    to_entities: Vec<&'static str>,
    #[serde(rename = "toCIDR", skip_serializing_if = "Vec::is_empty")]
    to_cidr: Vec<String>,
    #[serde(rename = "toFQDNs", skip_serializing_if = "Vec::is_empty")]
    to_fqdns: Vec<Name>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    to_ports: Vec<ToPorts>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    icmps: Vec<Icmps>,
}

#[derive(Clone, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
enum Name {
    MatchName(String),
    MatchPattern(&'static str),
}

#[derive(Serialize)]
struct ToPorts {
    ports: Vec<PortProtocol>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<Requests>,
}

#[derive(Serialize)]
struct PortProtocol {
    port: String,
    protocol: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Requests {
    Http(Vec<Http>),
    Dns(Vec<Name>),
}

#[derive(Serialize)]
struct Http {
    method: String,
    path: String,
}

#[derive(Serialize)]
struct Icmps {
    fields: Vec<Icmp>,
}

#[derive(Serialize)]
struct Icmp {
    family: &'static str,
    r#type: u16,
}

/// Writes the drafts, and what was left out.
pub(super) fn write(
    drafts: BTreeMap<Labels, Draft>,
    options: &Options,
    mut left_out: LeftOut,
) -> Result<Suggestion, fmt::Error> {
    let mut documents = Vec::new();
    let mut names = BTreeMap::new();
    for (labels, mut draft) in drafts {
        let name = name(&labels, &mut names);
        for way in [&mut draft.ingress, &mut draft.egress] {
            if way.fold_addresses() {
                left_out.outside.push(name.clone());
            }
        }
        // Cilium learns which addresses a name has from the look-ups that it lets through.
        let wants_names = draft.egress.has_names();
        if wants_names && !draft.egress.looks_up() {
            left_out.lookups.push(name.clone());
        }
        let ingress = rules(&draft.ingress, true, false, options, &name, &mut left_out);
        let egress = rules(&draft.egress, false, wants_names, options, &name, &mut left_out);
        let or_closed = |rules: Vec<Rule>| match (rules.is_empty(), options.leaves_unseen_open) {
            (true, true) => None,
            (true, false) => Some(vec![Rule::default()]),
            (false, _) => Some(rules),
        };
        let spec = Spec {
            endpoint_selector: Selector { match_labels: labels },
            ingress: or_closed(ingress),
            egress: or_closed(egress),
        };
        let metadata = Metadata { name, namespace: &options.namespace };
        documents.push(Document { api_version: "cilium.io/v2", kind: "CiliumNetworkPolicy", metadata, spec });
    }
    let remarks = remarks(&left_out);
    let mut yaml = String::new();
    for (at, document) in documents.iter().enumerate() {
        if at > 0 {
            yaml.push_str("---\n");
        }
        serde_saphyr::to_fmt_writer(&mut yaml, document).map_err(|_| fmt::Error)?;
        if !yaml.ends_with('\n') {
            yaml.push('\n');
        }
    }
    Ok(Suggestion { policies: documents.len(), remarks, yaml })
}

fn remarks(left_out: &LeftOut) -> Vec<String> {
    let mut remarks = Vec::new();
    let counts = [
        (
            left_out.unlabelled,
            "pods of the namespace that no label of their own selects (masked?): no policy is written for them",
        ),
        (left_out.unknown_peers, "peers of which the log does not tell what they are: nothing allows them"),
        (left_out.portless, "flows without protocol or port: nothing allows them"),
    ];
    for (flows, what) in counts {
        if flows > 0 {
            remarks.push(format!("{flows} flows of {what}"));
        }
    }
    let lists = [
        (&left_out.outside, "too many addresses outside to list, so the entity world stands for them"),
        (
            &left_out.lookups,
            "DNS names are allowed, and no look-up was seen: Cilium learns their addresses from look-ups to port 53 that it lets through, so allow those",
        ),
        (&left_out.requests, "too many different requests on a port to list, so all are allowed there"),
    ];
    for (names, what) in lists {
        let mut names = names.clone();
        names.dedup();
        if !names.is_empty() {
            remarks.push(format!("{}: {what}", names.join(", ")));
        }
    }
    remarks
}

/// A name that Kubernetes takes and no other policy here has: of the label that names the application.
fn name(labels: &Labels, taken: &mut BTreeMap<String, usize>) -> String {
    const NAMING: [&str; 3] = ["app.kubernetes.io/name", "k8s-app", "app"];
    let naming = NAMING.iter().find_map(|key| labels.get(*key)).or_else(|| labels.values().next());
    let mut name = String::new();
    for c in naming.map(String::as_str).unwrap_or_default().chars().take(50) {
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        } else if !name.ends_with('-') && !name.is_empty() {
            name.push('-');
        }
    }
    let name = match name.trim_end_matches('-') {
        "" => "pods".to_owned(),
        name => name.to_owned(),
    };
    let number = taken.entry(name.clone()).or_default();
    *number += 1;
    if *number == 1 { format!("{name}-seen") } else { format!("{name}-seen-{number}") }
}

/// The rules of one way: peers of one kind with the same ports share one.
fn rules(
    way: &OneWay,
    is_ingress: bool,
    wants_names: bool,
    options: &Options,
    name: &str,
    left_out: &mut LeftOut,
) -> Vec<Rule> {
    let kind = |peer: &Peer| match peer {
        Peer::Pods { .. } => 0,
        Peer::Entity(_) => 1,
        Peer::Names(_) => 2,
        Peer::Address(_) => 3,
    };
    let mut groups: BTreeMap<(u8, bool, Ports), Vec<&Peer>> = BTreeMap::new();
    for (peer, ports) in &way.peers {
        // One rule has either ports or ICMP types.
        let (icmp, ports): (Ports, Ports) = ports
            .clone()
            .into_iter()
            .partition(|((protocol, _), _)| matches!(protocol, Protocol::Icmpv4 | Protocol::Icmpv6));
        for (is_icmp, ports) in [(false, ports), (true, icmp)] {
            if !ports.is_empty() {
                groups.entry((kind(peer), is_icmp, ports)).or_default().push(peer);
            }
        }
    }
    let mut rules = Vec::new();
    for ((_, is_icmp, ports), peers) in groups {
        let mut rule = Rule::default();
        peers.into_iter().for_each(|peer| rule.add(peer, is_ingress, &options.namespace));
        if is_icmp {
            let family = |protocol| if protocol == Protocol::Icmpv4 { "IPv4" } else { "IPv6" };
            let fields =
                ports.into_keys().map(|(protocol, kind)| Icmp { family: family(protocol), r#type: kind }).collect();
            rule.icmps.push(Icmps { fields });
        } else {
            rule.to_ports = to_ports(ports, is_ingress, wants_names, name, left_out);
        }
        rules.push(rule);
    }
    rules
}

impl Rule {
    fn add(&mut self, peer: &Peer, is_ingress: bool, own_namespace: &str) {
        match peer {
            Peer::Pods { namespace, labels } => {
                let mut match_labels = labels.clone();
                if namespace != own_namespace || labels.is_empty() {
                    match_labels.insert(NAMESPACE.to_owned(), namespace.clone());
                }
                let list = if is_ingress { &mut self.from_endpoints } else { &mut self.to_endpoints };
                list.push(Selector { match_labels });
            }
            Peer::Entity(name) => (if is_ingress { &mut self.from_entities } else { &mut self.to_entities }).push(name),
            Peer::Address(ip) => {
                let cidr = format!("{ip}/{}", if ip.is_ipv4() { 32 } else { 128 });
                (if is_ingress { &mut self.from_cidr } else { &mut self.to_cidr }).push(cidr);
            }
            Peer::Names(names) => {
                self.to_fqdns.extend(names.iter().cloned().map(Name::MatchName));
                self.to_fqdns.sort_unstable();
                self.to_fqdns.dedup();
            }
        }
    }
}

fn to_ports(ports: Ports, is_ingress: bool, wants_names: bool, name: &str, left_out: &mut LeftOut) -> Vec<ToPorts> {
    let mut plain = Vec::new();
    let mut looked_into = Vec::new();
    for (port, asked) in ports {
        let own = PortProtocol { port: port.1.to_string(), protocol: port.0.name() };
        match requests(port, &asked, is_ingress, wants_names, name, left_out) {
            Some(rules) => looked_into.push(ToPorts { ports: vec![own], rules: Some(rules) }),
            None => plain.push(own),
        }
    }
    let mut to_ports = Vec::new();
    while !plain.is_empty() {
        let rest = plain.split_off(plain.len().min(MOST_PORTS));
        to_ports.push(ToPorts { ports: std::mem::replace(&mut plain, rest), rules: None });
    }
    to_ports.extend(looked_into);
    to_ports
}

/// The rules for requests on a port, where there are to be some.
fn requests(
    (protocol, port): Port,
    asked: &Asked,
    is_ingress: bool,
    wants_names: bool,
    name: &str,
    left_out: &mut LeftOut,
) -> Option<Requests> {
    let Asked { http, dns, others } = asked;
    let is_too_much = http.len().max(dns.len()) > MOST_REQUESTS;
    if is_too_much {
        left_out.requests.push(name.to_owned());
    }
    let is_dns = port == 53 && matches!(protocol, Protocol::Tcp | Protocol::Udp);
    match (http.is_empty(), dns.is_empty()) {
        // Cilium takes rules for DNS on egress alone.
        (true, false) if !others && !is_too_much && !is_ingress => {
            Some(Requests::Dns(dns.iter().cloned().map(Name::MatchName).collect()))
        }
        (false, true) if !others && !is_too_much && protocol == Protocol::Tcp => {
            let rule = |((method, path), has_query): (&(String, String), &bool)| {
                let query = if *has_query { r"(\?.*)?" } else { "" };
                Http { method: expression(method), path: format!("{}{query}", expression(path)) }
            };
            Some(Requests::Http(http.iter().map(rule).collect()))
        }
        (true, _) if is_dns && wants_names => Some(Requests::Dns(vec![Name::MatchPattern("*")])),
        _ => None,
    }
}

/// The expression that fits just this text.
fn expression(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            let _ = write!(out, "\\{c}");
        } else {
            out.push(c);
        }
    }
    out
}
