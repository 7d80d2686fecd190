//! Both ends of a flow, and labels.

use std::net::IpAddr;

use super::{exactly, field, number, pairs, parsed};
use crate::columns::ColumnId;
use crate::filter::FilterError;
use crate::filter::condition::Condition;
use crate::filter::names::{Namespaced, fqdn};
use crate::filter::selector::{Selector, within};
use crate::proto::flow::{FlowFilter, Workload};
use crate::segment::Clause;
use crate::view::View;

/// Both ends of a flow: addresses, pods, services, names, identities, workloads, clusters, ports.
pub(super) fn source_and_destination(filter: &FlowFilter, all: &mut Vec<Condition>) -> Result<(), FilterError> {
    for (name, column, values) in [
        ("source_ip", "source_ip", &filter.source_ip),
        ("source_ip_xlated", "source_ip_xlated", &filter.source_ip_xlated),
        ("destination_ip", "destination_ip", &filter.destination_ip),
    ] {
        if !values.is_empty() {
            let ranges = parsed(name, values, address)?;
            let column = ColumnId::known(column);
            let plain = |range: &Address| {
                if let Address::One(text) = range { Some((column, text.as_str().into())) } else { None }
            };
            let clause: Option<Clause> = ranges.iter().map(plain).collect();
            let test = move |text: Option<&str>| text.is_some_and(|text| ranges.iter().any(|range| range.has(text)));
            all.push(Condition::text(column, test).told_by(clause));
        }
    }
    for (name, namespace, own, values) in [
        ("source_pod", "source_namespace", "source_pod", &filter.source_pod),
        ("destination_pod", "destination_namespace", "destination_pod", &filter.destination_pod),
        ("source_service", "source_service_namespace", "source_service_name", &filter.source_service),
        (
            "destination_service",
            "destination_service_namespace",
            "destination_service_name",
            &filter.destination_service,
        ),
    ] {
        if !values.is_empty() {
            let names = parsed(name, values, Namespaced::parse)?;
            let (namespace, own) = (ColumnId::known(namespace), ColumnId::known(own));
            let clauses = [
                names.iter().map(|name| Some((namespace, name.namespace()?))).collect::<Option<Clause>>(),
                names.iter().map(|name| Some((own, name.prefix()?))).collect(),
            ];
            let test = move |view: &View<'_>, row| {
                let text = |column| view.text(column, row).unwrap_or_default();
                names.iter().any(|name| name.matches(text(namespace), text(own)))
            };
            all.push(Condition::new([namespace, own], test).told_by(clauses.into_iter().flatten()));
        }
    }
    for (name, column, values) in [
        ("source_fqdn", "source_names", &filter.source_fqdn),
        ("destination_fqdn", "destination_names", &filter.destination_fqdn),
    ] {
        if !values.is_empty() {
            let patterns = parsed(name, values, fqdn)?;
            let column = ColumnId::known(column);
            all.push(Condition::new([column], move |view, row| {
                let names = view.texts(column, row);
                let mut names = names.iter().flatten().flatten();
                names.any(|name| patterns.iter().any(|pattern| pattern.is_match(name)))
            }));
        }
    }
    for (column, values) in
        [("source_identity", &filter.source_identity), ("destination_identity", &filter.destination_identity)]
    {
        if !values.is_empty() {
            all.push(number(ColumnId::known(column), values.iter().map(|value| i128::from(*value)).collect()));
        }
    }
    for (column, values) in
        [("source_workloads", &filter.source_workload), ("destination_workloads", &filter.destination_workload)]
    {
        if !values.is_empty() {
            all.push(workload(ColumnId::known(column), values.clone()));
        }
    }
    for (name, column, values) in [
        ("source_cluster_name", "source_cluster_name", &filter.source_cluster_name),
        ("destination_cluster_name", "destination_cluster_name", &filter.destination_cluster_name),
    ] {
        if values.iter().any(String::is_empty) {
            return Err(field(name, "is empty"));
        }
        exactly(column, values, all);
    }
    for (name, column, values) in [
        ("source_port", "source_port", &filter.source_port),
        ("destination_port", "destination_port", &filter.destination_port),
    ] {
        if !values.is_empty() {
            let ports = parsed(name, values, |text| {
                text.parse::<u16>().map(i128::from).map_err(|_| format!("{text:?} is no port"))
            })?;
            all.push(number(ColumnId::known(column), ports));
        }
    }
    Ok(())
}

/// Labels of both ends and of nodes; what has none has no label.
pub(super) fn labels(filter: &FlowFilter, all: &mut Vec<Condition>) -> Result<(), FilterError> {
    for (name, column, values) in [
        ("source_label", "source_labels", &filter.source_label),
        ("destination_label", "destination_labels", &filter.destination_label),
        ("node_labels", "node_labels", &filter.node_labels),
    ] {
        if values.is_empty() {
            continue;
        }
        let selectors = parsed(name, values, Selector::parse)?;
        let column = ColumnId::known(column);
        all.push(Condition::new([column], move |view, row| {
            let labels = view.texts(column, row);
            let labels = labels.iter().flatten().flatten();
            selectors.iter().any(|selector| selector.matches(&labels))
        }));
    }
    Ok(())
}

fn workload(column: ColumnId, wanted: Vec<Workload>) -> Condition {
    Condition::new([column], move |view, row| {
        let Some(workloads) = view.structs(column, row) else { return false };
        let fits = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        pairs(&workloads, "name", "kind")
            .any(|(name, kind)| wanted.iter().any(|wanted| fits(&wanted.name, name) && fits(&wanted.kind, kind)))
    })
}

/// An address, which is compared as text, or a range of them.
enum Address {
    One(String),
    Range(IpAddr, u32),
}

impl Address {
    fn has(&self, text: &str) -> bool {
        match self {
            Self::One(address) => address == text,
            Self::Range(network, bits) => text.parse().is_ok_and(|address| within(address, *network, *bits)),
        }
    }
}

fn address(text: &str) -> Result<Address, String> {
    let parse = |address: &str| address.parse::<IpAddr>().map_err(|_| format!("{text:?} is no address"));
    let Some((network, bits)) = text.split_once('/') else {
        return parse(text).map(|_| Address::One(text.to_owned()));
    };
    let network = parse(network)?;
    let most = if network.is_ipv4() { 32 } else { 128 };
    let is_plain = bits == "0" || !bits.starts_with(['0', '+']);
    let bits = bits.parse::<u32>().ok().filter(|bits| is_plain && *bits <= most);
    Ok(Address::Range(network, bits.ok_or_else(|| format!("{text:?} is no range of addresses"))?))
}
