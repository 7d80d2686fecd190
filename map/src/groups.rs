//! Which services stand together in a frame.

use std::collections::{BTreeMap, BTreeSet};

use crate::edge::{Edge, Kind, Service};

/// What a frame is around.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupKind {
    Namespace,
    /// A part of the cluster, or something without a namespace: alone, and no frame is drawn.
    Alone,
    /// From outside of the cluster: only clients.
    Clients,
    /// Outside of the cluster.
    Outside,
}

#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub kind: GroupKind,
    /// Of the namespace.
    pub name: String,
    /// Places in the list of services.
    pub members: Vec<usize>,
}

impl Group {
    /// What stands on the frame.
    pub(crate) fn title(&self) -> &str {
        match self.kind {
            GroupKind::Namespace | GroupKind::Alone => &self.name,
            GroupKind::Clients => "from outside",
            GroupKind::Outside => "outside",
        }
    }
}

/// Each service is in one group.
pub(crate) fn group(services: &[&Service], edges: &[Edge]) -> Vec<Group> {
    let served: BTreeSet<&Service> = edges.iter().map(|edge| &edge.destination).collect();
    let mut groups: BTreeMap<(GroupKind, &str), Vec<usize>> = BTreeMap::new();
    for (place, service) in services.iter().enumerate() {
        let key = match service.kind {
            Kind::Outside if served.contains(service) => (GroupKind::Outside, ""),
            Kind::Outside => (GroupKind::Clients, ""),
            _ if service.namespace.is_empty() => (GroupKind::Alone, service.name.as_str()),
            _ => (GroupKind::Namespace, service.namespace.as_str()),
        };
        groups.entry(key).or_default().push(place);
    }
    groups.into_iter().map(|((kind, name), members)| Group { kind, name: name.to_owned(), members }).collect()
}
