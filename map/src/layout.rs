//! Where everything stands: services in columns within their frame, frames in columns, and lines that run through no box.
//!
//! Whoever asks stands left of what it asks, as far as cycles allow. A line that passes a column has a lane of its own through it;
//! lines to the same service share theirs, and so do those that leave a frame from the same service: a line that is shared has
//! one end in common, and so it is still plain who talks to whom.

mod frames;
mod inside;

use std::collections::BTreeMap;

use crate::edge::{Edge, Health};
use crate::graph::{Folded, Map};
use crate::groups::{Group, GroupKind, group};
use crate::layered::MOST_NODES;
use crate::text;

/// What things measure: for a picture in its units, for a terminal in cells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metrics {
    /// Of the name of a service, for each narrow character.
    pub character: f64,
    /// Characters of a name that are shown.
    pub name: usize,
    /// Of the ports below it; 0 where they are not shown.
    pub small_character: f64,
    /// Characters of them.
    pub ports: usize,
    /// Left and right of a name, together.
    pub beside_name: f64,
    pub box_height: f64,
    /// Between boxes of a column.
    pub gap: f64,
    /// What a line takes up that passes a column.
    pub lane: f64,
    /// Between columns of services.
    pub channel: f64,
    /// Between columns of frames; with many lines it is up to three times as wide.
    pub wide_channel: f64,
    /// Between a frame and what is in it.
    pub padding: f64,
    /// More of it above, for its title.
    pub header: f64,
    /// How far from the middle of a box lines begin and end that run to the left.
    pub aside: f64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            character: 7.2,
            name: 26,
            small_character: 6.2,
            ports: 22,
            beside_name: 20.0,
            box_height: 38.0,
            gap: 14.0,
            lane: 9.0,
            channel: 52.0,
            wide_channel: 64.0,
            padding: 16.0,
            header: 18.0,
            aside: 10.0,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    pub x: f64,
    pub y: f64,
}

/// A rectangle: its upper left corner and its size.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shape {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

/// Around the services of a namespace, or of the outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    pub kind: GroupKind,
    pub title: String,
    pub shape: Shape,
}

/// A service.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// Its place in [`Map::services`] of [`Layout::map`].
    pub service: usize,
    pub shape: Shape,
}

/// An edge.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// Its place in [`Map::edges`] of [`Layout::map`].
    pub edge: usize,
    /// From the client to the server. Between two points the line runs level, or swings over from level to level. A service
    /// that talks to itself has two points above its box.
    pub points: Vec<Point>,
    /// From 0 to 1, by the logarithm of its weight.
    pub strength: f64,
    pub health: Health,
}

/// The drawing, in abstract units, from (0, 0) on.
#[derive(Clone, Debug)]
pub struct Layout {
    /// What is drawn: what is left after folding.
    pub map: Map,
    pub width: f64,
    pub height: f64,
    pub frames: Vec<Frame>,
    pub services: Vec<Placed>,
    /// In the order in which to draw them: what is worst lies above.
    pub edges: Vec<Drawn>,
    pub left_out: Folded,
}

/// More is not readable.
const MOST_SERVICES: usize = 160;
const MOST_EDGES: usize = 600;

impl Map {
    /// The drawing as it is in a picture.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout_with(&Metrics::default())
    }

    /// The drawing in other measures. Beyond 160 services or 600 edges, or where lines would need too many lanes, the lightest
    /// edges are left out.
    #[must_use]
    pub fn layout_with(&self, metrics: &Metrics) -> Layout {
        let mut most = MOST_EDGES;
        loop {
            let map = self.folded(MOST_SERVICES, most);
            if let Some(layout) = laid_out(&map, metrics, most <= 1) {
                return layout;
            }
            most = (most * 2 / 3).max(1);
        }
    }
}

/// Nothing where there is more than the library can do soon.
fn laid_out(map: &Map, metrics: &Metrics, anyhow: bool) -> Option<Layout> {
    let services = map.services();
    let groups = group(&services, map.edges());
    let places: BTreeMap<_, usize> = services.iter().enumerate().map(|(place, service)| (*service, place)).collect();
    let ends: Vec<(usize, usize)> = map
        .edges()
        .iter()
        .filter_map(|edge| Some((*places.get(&edge.source)?, *places.get(&edge.destination)?)))
        .collect();
    let plan = Plan::new(groups, &ends, map.edges(), services.len());
    let lengths: Vec<f64> = services
        .iter()
        .zip(map.ports())
        .map(|(service, ports)| {
            let shown = text::width(&text::shortened(&service.name, metrics.name));
            let below = text::width(&text::shortened(&ports, metrics.ports));
            #[expect(clippy::cast_precision_loss, reason = "a few characters")]
            let length = (shown.max(4) as f64 * metrics.character).max(below as f64 * metrics.small_character);
            (length + metrics.beside_name).ceil()
        })
        .collect();
    if !anyhow && (frames::nodes(&plan) > MOST_NODES || inside::most_nodes(&plan) > MOST_NODES) {
        return None;
    }

    // Once without knowing where the others are, then by where they were.
    let mut hints = vec![0.0; services.len()];
    let mut drawing = frames::arrange(&plan, &lengths, &hints, metrics);
    for _ in 0..2 {
        for (service, hint) in hints.iter_mut().enumerate() {
            let others = plan.ends.iter().filter_map(|&(from, to)| match service {
                _ if from == to => None,
                _ if service == from => Some(to),
                _ if service == to => Some(from),
                _ => None,
            });
            let middles: Vec<f64> = others
                .filter_map(|other| drawing.services.get(other))
                .map(|shape| shape.y + shape.height / 2.0)
                .collect();
            if !middles.is_empty() {
                #[expect(clippy::cast_precision_loss, reason = "a mean")]
                let count = middles.len() as f64;
                *hint = middles.iter().sum::<f64>() / count;
            }
        }
        drawing = frames::arrange(&plan, &lengths, &hints, metrics);
    }
    Some(finished(map, &plan, drawing))
}

fn finished(map: &Map, plan: &Plan, drawing: frames::Drawing) -> Layout {
    #[expect(clippy::cast_precision_loss, reason = "a logarithm of it")]
    let logarithm = |weight: u64| (weight as f64).ln_1p();
    let heaviest = map.edges().iter().map(Edge::weight).max().map_or(1.0, logarithm);
    let mut edges: Vec<Drawn> = map
        .edges()
        .iter()
        .zip(drawing.routes)
        .enumerate()
        .map(|(place, (edge, points))| Drawn {
            edge: place,
            points,
            strength: logarithm(edge.weight()) / heaviest,
            health: edge.health(),
        })
        .collect();
    edges.sort_by(|a, b| a.health.cmp(&b.health).then(b.strength.total_cmp(&a.strength)));
    let frames = plan.groups.iter().zip(drawing.frames).map(|(group, shape)| Frame {
        kind: group.kind,
        title: group.title().to_owned(),
        shape,
    });
    Layout {
        width: drawing.width,
        height: drawing.height,
        frames: frames.collect(),
        services: drawing.services.into_iter().enumerate().map(|(service, shape)| Placed { service, shape }).collect(),
        edges,
        left_out: map.left_out(),
        map: map.clone(),
    }
}

/// What is settled before anything has a place: the columns, and which way each line runs.
#[derive(Debug)]
struct Plan {
    groups: Vec<Group>,
    /// Of each service.
    group_of: Vec<usize>,
    /// Services of each edge.
    ends: Vec<(usize, usize)>,
    /// Of each group among the groups, and of each service within its group.
    group_column: Vec<usize>,
    column: Vec<usize>,
    /// Columns of each group.
    columns: Vec<usize>,
}

impl Plan {
    fn new(groups: Vec<Group>, ends: &[(usize, usize)], edges: &[Edge], services: usize) -> Self {
        let mut group_of = vec![0; services];
        for (place, group) in groups.iter().enumerate() {
            for &member in &group.members {
                if let Some(slot) = group_of.get_mut(member) {
                    *slot = place;
                }
            }
        }
        let of = |service: usize| group_of.get(service).copied().unwrap_or_default();
        let mut between: BTreeMap<(usize, usize), u64> = BTreeMap::new();
        let mut within: BTreeMap<(usize, usize), u64> = BTreeMap::new();
        for (&(from, to), edge) in ends.iter().zip(edges) {
            let weight = edge.weight();
            let (arrows, pair) =
                if of(from) == of(to) { (&mut within, (from, to)) } else { (&mut between, (of(from), of(to))) };
            let sum = arrows.entry(pair).or_default();
            *sum = sum.saturating_add(weight);
        }
        let group_column = crate::ranks::ranks(groups.len(), &between);
        // Services of all groups at once: there is no arrow from one to another here.
        let mut column = crate::ranks::ranks(services, &within);
        let mut columns = vec![1; groups.len()];
        for (group, columns) in groups.iter().zip(&mut columns) {
            let used: std::collections::BTreeSet<usize> =
                group.members.iter().filter_map(|member| column.get(*member).copied()).collect();
            let dense: BTreeMap<usize, usize> = used.iter().enumerate().map(|(new, old)| (*old, new)).collect();
            for member in &group.members {
                if let Some(column) = column.get_mut(*member) {
                    *column = dense.get(column).copied().unwrap_or_default();
                }
            }
            *columns = used.len().max(1);
        }
        Self { groups, group_of, ends: ends.to_vec(), group_column, column, columns }
    }

    fn group(&self, service: usize) -> usize {
        self.group_of.get(service).copied().unwrap_or_default()
    }

    fn group_column(&self, service: usize) -> usize {
        self.group_column.get(self.group(service)).copied().unwrap_or_default()
    }

    fn column(&self, service: usize) -> usize {
        self.column.get(service).copied().unwrap_or_default()
    }

    fn columns(&self, group: usize) -> usize {
        self.columns.get(group).copied().unwrap_or(1)
    }
}
