//! Edges put together: services, one edge for each pair, and what is left out of a drawing.

use std::collections::{BTreeMap, BTreeSet};

use crate::edge::{Edge, Health, Port, Service};

/// Of more ports than this a box tells the number.
const MOST_PORTS: usize = 4;

/// Who talks to whom.
#[derive(Clone, Debug, Default)]
pub struct Map {
    edges: Vec<Edge>,
    folded: Folded,
}

/// What is too much to draw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    pub edges: usize,
    pub services: usize,
}

impl Folded {
    /// What the map says of it; nothing where all is drawn.
    #[must_use]
    pub fn text(self) -> Option<String> {
        let things = |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
        (self.edges > 0).then(|| {
            let services = if self.services > 0 {
                format!(" and {}", things(self.services, "service", "services"))
            } else {
                String::new()
            };
            format!("Not drawn: {}{services}, the lightest.", things(self.edges, "edge", "edges"))
        })
    }
}

impl Map {
    /// Edges of the same two ends become one, whatever their order.
    pub fn new(edges: impl IntoIterator<Item = Edge>) -> Self {
        let mut by_ends: BTreeMap<(Service, Service), Edge> = BTreeMap::new();
        for edge in edges {
            let ends = (edge.source.clone(), edge.destination.clone());
            match by_ends.entry(ends) {
                std::collections::btree_map::Entry::Occupied(mut known) => known.get_mut().add(edge),
                std::collections::btree_map::Entry::Vacant(place) => {
                    place.insert(edge);
                }
            }
        }
        Self { edges: by_ends.into_values().collect(), folded: Folded::default() }
    }

    /// All edges, by their ends; of one that was [folded](Self::folded), those that are left.
    #[must_use]
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// All services, by namespace and name.
    #[must_use]
    pub fn services(&self) -> Vec<&Service> {
        self.edges
            .iter()
            .flat_map(|edge| [&edge.source, &edge.destination])
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    /// Where each service was spoken to, in a few words; in the order of [`services`](Self::services).
    pub(crate) fn ports(&self) -> Vec<String> {
        let mut served: BTreeMap<&Service, BTreeSet<String>> = BTreeMap::new();
        for edge in &self.edges {
            // The same port without layer 7 is what the proxy did not see of it.
            let is_seen =
                |port: &Port| edge.ports.iter().any(|other| other.l7.is_some() && other.number == port.number);
            let ports = edge.ports.iter().take(100).filter(|port| port.l7.is_some() || !is_seen(port));
            let ports = ports.map(Port::short).filter(|text| !text.is_empty());
            served.entry(&edge.destination).or_default().extend(ports);
        }
        let text = |ports: &BTreeSet<String>| match ports.len() {
            0..=MOST_PORTS => ports.iter().map(String::as_str).collect::<Vec<_>>().join(", "),
            more => format!("{more} ports"),
        };
        self.services().into_iter().map(|service| served.get(service).map(text).unwrap_or_default()).collect()
    }

    /// What is missing here of the map that this one was made from.
    #[must_use]
    pub fn left_out(&self) -> Folded {
        self.folded
    }

    /// The heaviest edges: so many at most, between so many services at most. Those with drops or many errors go last.
    #[must_use]
    pub fn folded(&self, most_services: usize, most_edges: usize) -> Self {
        let all = self.services().len();
        if self.edges.len() <= most_edges && all <= most_services {
            return self.clone();
        }
        let mut by_weight: Vec<&Edge> = self.edges.iter().collect();
        by_weight.sort_by_key(|edge| std::cmp::Reverse((edge.health() >= Health::Failing, edge.weight())));
        let mut services = BTreeSet::new();
        let mut kept = BTreeSet::new();
        for edge in by_weight {
            let ends: BTreeSet<&Service> = [&edge.source, &edge.destination].into();
            let new = ends.iter().filter(|end| !services.contains(*end)).count();
            if kept.len() < most_edges && services.len() + new <= most_services {
                services.extend(ends);
                kept.insert((&edge.source, &edge.destination));
            }
        }
        let edges: Vec<Edge> =
            self.edges.iter().filter(|edge| kept.contains(&(&edge.source, &edge.destination))).cloned().collect();
        let folded = Folded {
            edges: self.folded.edges + self.edges.len() - edges.len(),
            services: self.folded.services + all - services.len(),
        };
        Self { edges, folded }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(from: &str, to: &str, connections: u64) -> Edge {
        Edge { connections, ..Edge::new(Service::named(from), Service::named(to)) }
    }

    #[test]
    fn edges_of_the_same_ends_are_one() {
        let map = Map::new([edge("a/x", "a/y", 1), edge("a/y", "a/x", 5), edge("a/x", "a/y", 2)]);
        assert_eq!(map.edges().iter().map(|edge| edge.connections).collect::<Vec<_>>(), [3, 5]);
        assert_eq!(map.services().len(), 2);
    }

    #[test]
    fn the_lightest_go_first_and_drops_last() {
        let dropped = Edge { dropped: 1, ..edge("a/x", "a/z", 0) };
        let map = Map::new([edge("a/x", "a/y", 9), edge("a/y", "a/w", 5), dropped]).folded(9, 2);
        let names: Vec<&str> = map.edges().iter().map(|edge| &*edge.destination.name).collect();
        assert_eq!(names, ["y", "z"]);
        assert_eq!(map.left_out(), Folded { edges: 1, services: 1 });
        assert_eq!(map.left_out().text().unwrap(), "Not drawn: 1 edge and 1 service, the lightest.");
    }
}
