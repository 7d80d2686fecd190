//! Within one frame: boxes in columns, and lanes past them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Metrics, Plan, Point, Shape};
use crate::groups::{Group, GroupKind};
use crate::layered::{Link, Node, place, size};

/// Which way a line runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    Right,
    Left,
}

/// What the lines of a lane have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    To(usize, Way),
    From(usize, Way),
}

/// A frame with its upper left corner at (0, 0).
#[derive(Debug, Default)]
pub(super) struct Inside {
    pub width: f64,
    pub height: f64,
    pub boxes: BTreeMap<usize, Shape>,
    /// Left edges and widths of columns.
    columns: Vec<(f64, f64)>,
    lanes: BTreeMap<(Key, usize), f64>,
    aside: f64,
}

/// Things and lines of a frame.
struct Graph {
    nodes: Vec<Node>,
    links: Vec<Link>,
    lanes: BTreeMap<(Key, usize), usize>,
}

pub(super) fn most_nodes(plan: &Plan) -> usize {
    let metrics = Metrics::default();
    (0..plan.groups.len())
        .map(|number| graph(plan, number, &[], &metrics))
        .map(|graph| size(&graph.nodes, &graph.links))
        .max()
        .unwrap_or(0)
}

/// Lines that cross the frame of a group: from or to which service, which way.
pub(super) fn crossing(plan: &Plan, number: usize) -> BTreeSet<Key> {
    let mut keys = BTreeSet::new();
    for &(from, to) in plan.ends.iter().filter(|(from, to)| plan.group(*from) != plan.group(*to)) {
        let way = if plan.group_column(from) < plan.group_column(to) { Way::Right } else { Way::Left };
        if plan.group(from) == number {
            keys.insert(Key::From(from, way));
        }
        if plan.group(to) == number {
            keys.insert(Key::To(to, way));
        }
    }
    keys
}

fn graph(plan: &Plan, number: usize, hints: &[f64], metrics: &Metrics) -> Graph {
    let members = plan.groups.get(number).map(|group| group.members.as_slice()).unwrap_or_default();
    let hint = |service: usize| hints.get(service).copied().unwrap_or_default();
    let node_of: BTreeMap<usize, usize> = members.iter().enumerate().map(|(node, member)| (*member, node)).collect();
    let mut graph = Graph {
        nodes: members
            .iter()
            .map(|&member| Node {
                column: plan.column(member),
                breadth: metrics.box_height + metrics.gap,
                hint: hint(member),
            })
            .collect(),
        links: Vec::new(),
        lanes: BTreeMap::new(),
    };
    let last = plan.columns(number) - 1;
    let mut run = |key: Key, from: Option<usize>, to: Option<usize>| {
        let way = match key {
            Key::To(_, way) | Key::From(_, way) => way,
        };
        let mut before = None;
        for (column, lane) in steps(way, from.map(|from| plan.column(from)), to.map(|to| plan.column(to)), last) {
            let node = if lane {
                let service = from.or(to).unwrap_or_default();
                *graph.lanes.entry((key, column)).or_insert_with(|| {
                    graph.nodes.push(Node { column, breadth: metrics.lane, hint: hint(service) });
                    graph.nodes.len() - 1
                })
            } else {
                let service = if before.is_none() && from.is_some() { from } else { to };
                service.and_then(|service| node_of.get(&service)).copied().unwrap_or_default()
            };
            let offset = match (lane, way) {
                (false, Way::Left) => metrics.aside,
                _ => 0.0,
            };
            if let Some((before, offset_before)) = before.replace((node, offset)) {
                graph.links.push(match way {
                    Way::Right => Link { from: before, to: node, offsets: (offset_before, offset) },
                    Way::Left => Link { from: node, to: before, offsets: (offset, offset_before) },
                });
            }
        }
    };
    for &(from, to) in plan.ends.iter().filter(|(from, to)| from != to) {
        if plan.group(from) == number && plan.group(to) == number {
            let way = if plan.column(from) < plan.column(to) { Way::Right } else { Way::Left };
            run(Key::To(to, way), Some(from), Some(to));
        }
    }
    for key in crossing(plan, number) {
        match key {
            Key::From(from, _) => run(key, Some(from), None),
            Key::To(to, _) => run(key, None, Some(to)),
        }
    }
    let key = |link: &Link| (link.from, link.to, link.offsets.0.to_bits(), link.offsets.1.to_bits());
    graph.links.sort_by_key(key);
    graph.links.dedup_by_key(|link| key(link));
    graph
}

/// Columns that a line passes, in its own order, and whether it has a lane there; else a box of its end stands there.
fn steps(way: Way, from: Option<usize>, to: Option<usize>, last: usize) -> Vec<(usize, bool)> {
    let columns = |left: Option<usize>, right: Option<usize>| -> Vec<(usize, bool)> {
        let first = left.unwrap_or(0);
        let end = right.unwrap_or(last);
        (first..=end).map(|column| (column, Some(column) != left && Some(column) != right)).collect()
    };
    match way {
        Way::Right => columns(from, to),
        Way::Left => {
            let mut steps = columns(to, from);
            steps.reverse();
            steps
        }
    }
}

pub(super) fn arrange(plan: &Plan, number: usize, lengths: &[f64], hints: &[f64], metrics: &Metrics) -> Inside {
    let Some(group) = plan.groups.get(number) else { return Inside::default() };
    let graph = graph(plan, number, hints, metrics);
    let middles = place(&graph.nodes, &graph.links);
    let middle = |node: usize| middles.get(node).copied().unwrap_or_default();
    let (padding, header) = edges(group, metrics);
    let mut x = padding;
    let mut columns = Vec::new();
    for column in 0..plan.columns(number) {
        let members = group.members.iter().filter(|member| plan.column(**member) == column);
        let width = members.filter_map(|member| lengths.get(*member)).copied().fold(0.0, f64::max);
        columns.push((x, width));
        x += width + metrics.channel;
    }
    // Half a gap is around each box.
    let top = padding + header - metrics.gap / 2.0;
    let boxes: BTreeMap<usize, Shape> = group
        .members
        .iter()
        .enumerate()
        .map(|(node, &member)| {
            let (x, width) = columns.get(plan.column(member)).copied().unwrap_or_default();
            let y = (top + middle(node) - metrics.box_height / 2.0).floor();
            (member, Shape { x, y, width, height: metrics.box_height })
        })
        .collect();
    let lanes: BTreeMap<(Key, usize), f64> =
        graph.lanes.iter().map(|(key, node)| (*key, (top + middle(*node)).floor())).collect();
    let lowest =
        boxes.values().map(|shape| shape.y + shape.height).chain(lanes.values().map(|y| y + metrics.lane / 2.0));
    Inside {
        width: x - metrics.channel + padding,
        height: lowest.fold(0.0, f64::max) + padding,
        boxes,
        columns,
        lanes,
        aside: metrics.aside,
    }
}

/// Around what is in the frame, and more above it.
fn edges(group: &Group, metrics: &Metrics) -> (f64, f64) {
    match group.kind {
        GroupKind::Alone => (0.0, 0.0),
        _ => (metrics.padding, metrics.header),
    }
}

impl Inside {
    /// The line from one service of the frame to another.
    pub(super) fn within(&self, plan: &Plan, from: usize, to: usize) -> Vec<Point> {
        if from == to {
            return self.circle(from);
        }
        let way = if plan.column(from) < plan.column(to) { Way::Right } else { Way::Left };
        self.line(plan, Key::To(to, way), way, Some(from), Some(to))
    }

    /// The part of a line up to the frame, or from it on.
    pub(super) fn crossing(&self, plan: &Plan, key: Key) -> Vec<Point> {
        match key {
            Key::From(from, way) => self.line(plan, key, way, Some(from), None),
            Key::To(to, way) => self.line(plan, key, way, None, Some(to)),
        }
    }

    fn line(&self, plan: &Plan, key: Key, way: Way, from: Option<usize>, to: Option<usize>) -> Vec<Point> {
        let mut points = Vec::new();
        let last = self.columns.len().saturating_sub(1);
        let place = |service: Option<usize>| service.map(|service| plan.column(service));
        let (begin, end) = match way {
            Way::Right => (0.0, self.width),
            Way::Left => (self.width, 0.0),
        };
        for (column, lane) in steps(way, place(from), place(to), last) {
            let (left, width) = self.columns.get(column).copied().unwrap_or_default();
            if lane {
                let y = self.lanes.get(&(key, column)).copied().unwrap_or_default();
                let ends = [Point { x: left, y }, Point { x: left + width, y }];
                match way {
                    Way::Right => points.extend(ends),
                    Way::Left => points.extend(ends.into_iter().rev()),
                }
                continue;
            }
            let is_first = points.is_empty() && from.is_some();
            let service = if is_first { from } else { to };
            let shape = service.and_then(|service| self.boxes.get(&service)).copied().unwrap_or_default();
            // Who asks is left by the side that the line runs to; what is asked is entered by the other.
            let is_right = is_first == (way == Way::Right);
            let x = if is_right { shape.x + shape.width } else { shape.x };
            let aside = if way == Way::Left { self.aside } else { 0.0 };
            points.push(Point { x, y: (shape.y + shape.height / 2.0 + aside).floor() });
        }
        if let (None, Some(first)) = (from, points.first().copied()) {
            points.insert(0, Point { x: begin, y: first.y });
        }
        if let (None, Some(end_point)) = (to, points.last().copied()) {
            points.push(Point { x: end, y: end_point.y });
        }
        points
    }

    /// Above the right end of its box.
    fn circle(&self, service: usize) -> Vec<Point> {
        let shape = self.boxes.get(&service).copied().unwrap_or_default();
        let right = shape.x + shape.width;
        vec![
            Point { x: right - 26.0_f64.min(shape.width * 0.6), y: shape.y },
            Point { x: right - 10.0_f64.min(shape.width * 0.3), y: shape.y },
        ]
    }
}
