//! `CiliumNetworkPolicy` and `CiliumClusterwideNetworkPolicy`.

use regex::{Regex, RegexBuilder};

use super::{
    HttpRule, Icmps, Item, L7Rules, LabelSelector, Name, NumberOrName, PortProtocol, Spec, ToPorts, Wrong, foreign,
};
use crate::peer::{Entity, Pattern, Peer, Range};
use crate::policy::{Policy, Rule, Subject, Way};
use crate::port::{Http, Icmp, Port, PortRule, Ports, Protocol, Requests};
use crate::selector::Selector;

/// Largest size of one compiled expression.
const MAX_EXPRESSION: usize = 1 << 20;

/// One `spec`; `namespace` is that of a `CiliumNetworkPolicy`.
pub(super) fn policy(name: &str, namespace: Option<&str>, place: &str, spec: Spec) -> Result<Policy, Wrong> {
    foreign(
        &[("podSelector", spec.pod_selector.is_some()), ("policyTypes", spec.policy_types.is_some())],
        place,
        "CiliumNetworkPolicy",
    )?;
    let subject = match (&spec.endpoint_selector, &spec.node_selector) {
        (Some(labels), None) => {
            let selector = labels.selector(&format!("{place}.endpointSelector"), "")?;
            match namespace {
                Some(namespace) => Subject::Endpoints { selector: selector.inside(namespace), beyond: false },
                None => Subject::Endpoints { selector, beyond: true },
            }
        }
        (None, Some(_)) => Subject::Nodes,
        _ => return Err((place.to_owned(), "wants an endpointSelector or a nodeSelector".to_owned())),
    };
    let lists = [
        ("ingress", Way::Ingress, false, &spec.ingress),
        ("ingressDeny", Way::Ingress, true, &spec.ingress_deny),
        ("egress", Way::Egress, false, &spec.egress),
        ("egressDeny", Way::Egress, true, &spec.egress_deny),
    ];
    let default = spec.enable_default_deny.unwrap_or_default();
    let (mut rules, mut closes) = (Vec::new(), Vec::new());
    for (list, way, denies, items) in lists {
        let asked = if way == Way::Ingress { default.ingress } else { default.egress };
        let Some(items) = items else { continue };
        // An empty list is as none at all.
        if asked.unwrap_or(true) && !items.is_empty() && !closes.contains(&way) {
            closes.push(way);
        }
        for (at, item) in items.iter().enumerate() {
            let place = format!("{place}.{list}[{at}]");
            if let Some(item) = item {
                rules.extend(rule(way, denies, place, item, namespace)?);
            }
        }
    }
    Ok(Policy { name: name.to_owned(), subject, rules, closes })
}

/// Peers that flows do not tell about.
const UNTOLD: [&str; 5] = ["fromNodes", "toNodes", "toServices", "fromGroups", "toGroups"];

/// `None`: it allows nothing, and is there to close the way.
fn rule(way: Way, denies: bool, place: String, item: &Item, namespace: Option<&str>) -> Result<Option<Rule>, Wrong> {
    foreign(&item.of_kubernetes(), &place, "CiliumNetworkPolicy (is it a NetworkPolicy?)")?;
    let (from, to) = (item.fields_from(), item.fields_to());
    let (own, others) = if way == Way::Ingress { (&from[..], &to[..]) } else { (&to[..], &from[..]) };
    foreign(others, &place, if way == Way::Ingress { "rule for ingress" } else { "rule for egress" })?;
    let says_who = own.iter().any(|(_, is_there)| *is_there);
    let mut peers = Vec::new();
    for (at, labels) in item.from_endpoints.iter().chain(&item.to_endpoints).flatten().enumerate() {
        peers.push(Peer::Endpoints(endpoints(labels, &format!("{place}.…Endpoints[{at}]"), namespace)?));
    }
    for name in item.from_entities.iter().chain(&item.to_entities).flatten() {
        let known = || {
            let names: Vec<&str> = Entity::NAMES.iter().map(|(name, _)| *name).collect();
            (place.clone(), format!("{name:?} is no entity; there are {}", names.join(", ")))
        };
        peers.push(Peer::Entity(Entity::of(name).ok_or_else(known)?));
    }
    let range = |text: &String| text.parse::<Range>().map_err(|why| (place.clone(), why));
    for text in item.from_cidr.iter().chain(&item.to_cidr).flatten() {
        peers.push(Peer::Range(range(text)?, Vec::new()));
    }
    for set in item.from_cidr_set.iter().chain(&item.to_cidr_set).flatten() {
        peers.push(match &set.cidr {
            Some(cidr) => Peer::Range(range(cidr)?, set.except.iter().flatten().map(range).collect::<Result<_, _>>()?),
            None if set.cidr_group_ref.is_some() || set.cidr_group_selector.is_some() => Peer::Untold("cidrGroupRef"),
            None => return Err((place, "an item of a CIDRSet wants a cidr".to_owned())),
        });
    }
    for name in item.to_fqdns.iter().flatten() {
        peers.push(Peer::Name(pattern(name, &place)?));
    }
    let untold = own.iter().filter(|(name, is_there)| *is_there && UNTOLD.contains(name));
    peers.extend(untold.map(|(name, _)| Peer::Untold(name)));
    let mut groups = own.iter().filter(|(name, is_there)| *is_there && !name.ends_with("Requires"));
    if let (Some((one, _)), Some((other, _))) = (groups.next(), groups.next()) {
        return Err((
            place,
            format!("Cilium does not take {one} and {other} in one rule: give each a rule of its own"),
        ));
    }
    let ports = ports(item, &place)?;
    if !ports.rules.is_empty() && !ports.icmp.is_empty() {
        return Err((
            place,
            "Cilium does not take toPorts and icmps in one rule: give each a rule of its own".to_owned(),
        ));
    }
    if way == Way::Ingress && ports.rules.iter().any(|own| matches!(own.requests, Requests::Dns(_))) {
        return Err((place, "Cilium takes rules for DNS on egress alone".to_owned()));
    }
    if !says_who && ports.rules.is_empty() && ports.icmp.is_empty() {
        return Ok(None);
    }
    let also = [
        ("authentication", item.authentication.is_some()),
        ("fromRequires", item.from_requires.is_some()),
        ("toRequires", item.to_requires.is_some()),
    ];
    let untold = also.iter().find(|(_, is_there)| *is_there).map(|(name, _)| *name);
    Ok(Some(Rule { way, denies, place, peers: says_who.then_some(peers), ports, untold }))
}

/// Endpoints of the policy's own namespace, unless the selector names another.
fn endpoints(labels: &LabelSelector, place: &str, namespace: Option<&str>) -> Result<Selector, Wrong> {
    let selector = labels.selector(place, "")?;
    Ok(match namespace {
        Some(namespace) => selector.within(namespace).of_pods(),
        None => selector.of_pods(),
    })
}

fn pattern(name: &Name, place: &str) -> Result<Pattern, Wrong> {
    let wrong = |why| (place.to_owned(), why);
    match (&name.match_name, &name.match_pattern) {
        (Some(name), None) => Pattern::new(&name.replace('*', "\u{fffd}")).map_err(wrong),
        (None, Some(pattern)) => Pattern::new(pattern).map_err(wrong),
        _ => Err(wrong("a DNS name wants either matchName or matchPattern".to_owned())),
    }
}

fn ports(item: &Item, place: &str) -> Result<Ports, Wrong> {
    let mut ports = Ports::default();
    for (at, own) in item.to_ports.iter().flatten().enumerate() {
        ports.rules.push(port_rule(own, &format!("{place}.toPorts[{at}]"))?);
    }
    for (at, Icmps { fields }) in item.icmps.iter().flatten().enumerate() {
        for field in fields.iter().flatten() {
            let protocol = match field.family.as_deref() {
                None | Some("IPv4") => Protocol::Icmpv4,
                Some("IPv6") => Protocol::Icmpv6,
                Some(other) => {
                    return Err((format!("{place}.icmps[{at}]"), format!("family {other:?} is neither IPv4 nor IPv6")));
                }
            };
            let kind = match &field.r#type {
                NumberOrName::Name(name) => name.parse().ok().or_else(|| Icmp::number(protocol, name)),
                NumberOrName::Number(number) => u16::try_from(*number).ok(),
            };
            let wrong = || (format!("{place}.icmps[{at}]"), format!("{:?} is no ICMP type", field.r#type.text()));
            ports.icmp.push(Icmp { protocol, kind: kind.ok_or_else(wrong)? });
        }
    }
    Ok(ports)
}

fn port_rule(own: &ToPorts, place: &str) -> Result<PortRule, Wrong> {
    let mut ports = Vec::new();
    for (at, one) in own.ports.iter().flatten().enumerate() {
        ports.push(port(one, &format!("{place}.ports[{at}]"))?);
    }
    let untold = [
        ("serverNames", own.server_names.is_some()),
        ("terminatingTLS", own.terminating_tls.is_some()),
        ("originatingTLS", own.originating_tls.is_some()),
        ("listener", own.listener.is_some()),
    ];
    let requests = match untold.iter().find(|(_, is_there)| *is_there) {
        // To end or begin TLS is no limit.
        Some((name, _)) if *name == "serverNames" => Requests::Untold(name),
        _ => own.rules.as_ref().map_or(Ok(Requests::Any), |rules| requests(rules, place))?,
    };
    Ok(PortRule { ports, requests })
}

pub(super) fn port(one: &PortProtocol, place: &str) -> Result<Port, Wrong> {
    let protocol = match one.protocol.as_deref() {
        None | Some("ANY" | "") => None,
        Some(name) => {
            let wrong = || (place.to_owned(), format!("protocol {name:?} is none of TCP, UDP, SCTP, VRRP, IGMP, ANY"));
            Some(Protocol::of(name).ok_or_else(wrong)?)
        }
    };
    let Some(first) = &one.port else { return Ok(Port::Numbers(protocol, 0, 0)) };
    let Some(number) = first.number() else { return Ok(Port::Named(protocol)) };
    let wrong = || (place.to_owned(), format!("port {number} is over 65535"));
    let first = u16::try_from(number).map_err(|_| wrong())?;
    Ok(Port::Numbers(protocol, first, one.end_port.unwrap_or(first).max(first)))
}

fn requests(rules: &L7Rules, place: &str) -> Result<Requests, Wrong> {
    match rules {
        L7Rules { http: Some(items), .. } if !items.is_empty() => {
            let none = HttpRule::default();
            let items = items.iter().enumerate();
            let http =
                items.map(|(at, item)| http(item.as_ref().unwrap_or(&none), &format!("{place}.rules.http[{at}]")));
            Ok(Requests::Http(http.collect::<Result<_, _>>()?))
        }
        L7Rules { dns: Some(items), .. } if !items.is_empty() => {
            let place = format!("{place}.rules.dns");
            Ok(Requests::Dns(items.iter().map(|name| pattern(name, &place)).collect::<Result<_, _>>()?))
        }
        L7Rules { kafka: Some(items), .. } if !items.is_empty() => Ok(Requests::Untold("rules.kafka")),
        L7Rules { l7proto, l7, .. } if l7proto.is_some() || l7.is_some() => Ok(Requests::Untold("rules.l7proto")),
        _ => Ok(Requests::Any),
    }
}

fn http(rule: &HttpRule, place: &str) -> Result<Http, Wrong> {
    let whole = |field: &str, text: &Option<String>| -> Result<Option<Regex>, Wrong> {
        let Some(text) = text.as_ref().filter(|text| !text.is_empty()) else { return Ok(None) };
        let expression = RegexBuilder::new(&format!("^(?:{text})$")).size_limit(MAX_EXPRESSION).build();
        expression
            .map(Some)
            .map_err(|_| (format!("{place}.{field}"), format!("{text:?} is no regular expression that this can use")))
    };
    Ok(Http {
        method: whole("method", &rule.method)?,
        path: whole("path", &rule.path)?,
        host: whole("host", &rule.host)?,
        has_headers: rule.headers.is_some() || rule.header_matches.is_some(),
    })
}
