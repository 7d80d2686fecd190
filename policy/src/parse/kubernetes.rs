//! Kubernetes' own `NetworkPolicy`.

use super::{Item, KubernetesPeer, Spec, Wrong, cilium, foreign, namespace_prefix};
use crate::peer::{Peer, Range};
use crate::policy::{Policy, Rule, Subject, Way};
use crate::port::{PortRule, Ports, Protocol, Requests};
use crate::selector::Selector;

pub(super) fn policy(name: &str, namespace: &str, place: &str, spec: Spec) -> Result<Policy, Wrong> {
    foreign(
        &[
            ("endpointSelector", spec.endpoint_selector.is_some()),
            ("nodeSelector", spec.node_selector.is_some()),
            ("ingressDeny", spec.ingress_deny.is_some()),
            ("egressDeny", spec.egress_deny.is_some()),
            ("enableDefaultDeny", spec.enable_default_deny.is_some()),
        ],
        place,
        "NetworkPolicy",
    )?;
    let selector = spec.pod_selector.unwrap_or_default().selector(&format!("{place}.podSelector"), "k8s:")?;
    let subject = Subject::Endpoints { selector: selector.within(namespace), beyond: false };
    let closes = match &spec.policy_types {
        Some(types) => types
            .iter()
            .map(|kind| match kind.as_str() {
                "Ingress" => Ok(Way::Ingress),
                "Egress" => Ok(Way::Egress),
                other => Err((format!("{place}.policyTypes"), format!("{other:?} is neither Ingress nor Egress"))),
            })
            .collect::<Result<_, _>>()?,
        None if spec.egress.iter().flatten().next().is_some() => vec![Way::Ingress, Way::Egress],
        None => vec![Way::Ingress],
    };
    let mut rules = Vec::new();
    for (list, way, items) in [("ingress", Way::Ingress, &spec.ingress), ("egress", Way::Egress, &spec.egress)] {
        for (at, item) in items.iter().flatten().enumerate() {
            let none = Item::default();
            rules.push(rule(way, format!("{place}.{list}[{at}]"), item.as_ref().unwrap_or(&none), namespace)?);
        }
    }
    Ok(Policy { name: name.to_owned(), subject, rules, closes })
}

fn rule(way: Way, place: String, item: &Item, namespace: &str) -> Result<Rule, Wrong> {
    let also = [
        ("toPorts", item.to_ports.is_some()),
        ("icmps", item.icmps.is_some()),
        ("authentication", item.authentication.is_some()),
    ];
    let cilium = item.fields_from().into_iter().chain(item.fields_to()).chain(also);
    foreign(&cilium.collect::<Vec<_>>(), &place, "NetworkPolicy (is it a CiliumNetworkPolicy?)")?;
    let [from, to, _] = item.of_kubernetes();
    foreign(&[if way == Way::Ingress { to } else { from }], &place, "rule for this direction")?;
    let own = if way == Way::Ingress { &item.from } else { &item.to };
    // No list and an empty one are everyone.
    let peers = match own.as_deref() {
        None | Some([]) => None,
        Some(own) => Some(own.iter().map(|one| peer(one, &place, namespace)).collect::<Result<Vec<_>, _>>()?),
    };
    let mut ports = Vec::new();
    for (at, one) in item.ports.iter().flatten().enumerate() {
        let mut port = cilium::port(one, &format!("{place}.ports[{at}]"))?;
        // Without a protocol it is TCP here.
        if let crate::port::Port::Numbers(protocol @ None, ..) | crate::port::Port::Named(protocol @ None) = &mut port {
            *protocol = Some(Protocol::Tcp);
        }
        ports.push(port);
    }
    let rules = if ports.is_empty() { Vec::new() } else { vec![PortRule { ports, requests: Requests::Any }] };
    Ok(Rule { way, denies: false, place, peers, ports: Ports { rules, icmp: Vec::new() }, untold: None })
}

fn peer(one: &KubernetesPeer, place: &str, namespace: &str) -> Result<Peer, Wrong> {
    let range = |text: &String| text.parse::<Range>().map_err(|why| (place.to_owned(), why));
    if let Some(block) = &one.ip_block {
        return Ok(Peer::Range(range(&block.cidr)?, block.except.iter().map(range).collect::<Result<_, _>>()?));
    }
    let pods = match &one.pod_selector {
        Some(labels) => labels.selector(&format!("{place}.podSelector"), "k8s:")?,
        None => Selector::default(),
    };
    Ok(Peer::Endpoints(match &one.namespace_selector {
        None => pods.within(namespace),
        Some(labels) => {
            let mut namespaces = labels.selector(&format!("{place}.namespaceSelector"), &namespace_prefix())?;
            namespaces.requirements.extend(pods.requirements);
            namespaces.of_pods()
        }
    }))
}
