//! Frames in columns, lanes past them, and each line as a whole.

use std::collections::BTreeMap;

use super::inside::{self, Inside, Key, Way};
use super::{Metrics, Plan, Point, Shape};
use crate::layered::{Link, Node, place, size};

#[derive(Debug, Default)]
pub(super) struct Drawing {
    pub width: f64,
    pub height: f64,
    /// Of each group.
    pub frames: Vec<Shape>,
    /// Of each service.
    pub services: Vec<Shape>,
    /// Of each edge.
    pub routes: Vec<Vec<Point>>,
}

struct Graph {
    nodes: Vec<Node>,
    links: Vec<Link>,
    /// By the service to which lines run, which way, and the column.
    lanes: BTreeMap<(usize, Way, usize), usize>,
}

pub(super) fn nodes(plan: &Plan) -> usize {
    let graph = graph(plan, &[], &[], &Metrics::default());
    size(&graph.nodes, &graph.links)
}

pub(super) fn arrange(plan: &Plan, lengths: &[f64], hints: &[f64], metrics: &Metrics) -> Drawing {
    let insides: Vec<Inside> =
        (0..plan.groups.len()).map(|number| inside::arrange(plan, number, lengths, hints, metrics)).collect();
    let graph = graph(plan, &insides, hints, metrics);
    let middles = place(&graph.nodes, &graph.links);
    let middle = |node: usize| middles.get(node).copied().unwrap_or_default();
    let columns = columns(plan, &insides, &graph, metrics);

    let mut drawing = Drawing { services: vec![Shape::default(); plan.group_of.len()], ..Drawing::default() };
    for (number, inside) in insides.iter().enumerate() {
        let (left, width) = column(&columns, plan.group_column.get(number).copied().unwrap_or_default());
        let x = (left + (width - inside.width) / 2.0).floor();
        let y = (middle(number) - inside.height / 2.0).floor();
        drawing.frames.push(Shape { x, y, width: inside.width, height: inside.height });
        for (&service, shape) in &inside.boxes {
            if let Some(slot) = drawing.services.get_mut(service) {
                *slot = Shape { x: x + shape.x, y: y + shape.y, ..*shape };
            }
        }
    }
    drawing.width = columns.last().map_or(0.0, |(left, width)| left + width);
    let lowest = graph.nodes.iter().zip(&middles).map(|(node, middle)| middle + node.breadth / 2.0).fold(0.0, f64::max);
    drawing.height = lowest.ceil();
    let lanes: BTreeMap<(usize, Way, usize), f64> =
        graph.lanes.iter().map(|(key, node)| (*key, middle(*node).floor())).collect();
    drawing.routes = plan.ends.iter().map(|&ends| route(plan, &insides, &drawing, &lanes, &columns, ends)).collect();
    drawing
}

fn way(plan: &Plan, from: usize, to: usize) -> Way {
    if plan.group_column(from) < plan.group_column(to) { Way::Right } else { Way::Left }
}

fn graph(plan: &Plan, insides: &[Inside], hints: &[f64], metrics: &Metrics) -> Graph {
    let hint = |service: usize| hints.get(service).copied().unwrap_or_default();
    let mut graph = Graph { nodes: Vec::new(), links: Vec::new(), lanes: BTreeMap::new() };
    for (number, group) in plan.groups.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "a mean")]
        let count = group.members.len().max(1) as f64;
        graph.nodes.push(Node {
            column: plan.group_column.get(number).copied().unwrap_or_default(),
            breadth: insides.get(number).map_or(0.0, |inside| inside.height) + 2.0 * metrics.gap,
            hint: group.members.iter().map(|member| hint(*member)).sum::<f64>() / count,
        });
    }
    // Where a line crosses a frame, from the middle of the frame.
    let offset = |number: usize, key: Key| {
        let Some(inside) = insides.get(number) else { return 0.0 };
        let points = inside.crossing(plan, key);
        let end = if matches!(key, Key::From(..)) { points.last() } else { points.first() };
        end.map_or(0.0, |point| point.y) - inside.height / 2.0
    };
    for &(from, to) in plan.ends.iter().filter(|(from, to)| plan.group(*from) != plan.group(*to)) {
        let way = way(plan, from, to);
        let mut before = (plan.group(from), offset(plan.group(from), Key::From(from, way)));
        let mut link = |graph: &mut Graph, next: (usize, f64)| {
            let last = std::mem::replace(&mut before, next);
            graph.links.push(match way {
                Way::Right => Link { from: last.0, to: next.0, offsets: (last.1, next.1) },
                Way::Left => Link { from: next.0, to: last.0, offsets: (next.1, last.1) },
            });
        };
        for column in between(plan.group_column(from), plan.group_column(to)) {
            let node = *graph.lanes.entry((to, way, column)).or_insert_with(|| {
                graph.nodes.push(Node { column, breadth: metrics.lane, hint: hint(to) });
                graph.nodes.len() - 1
            });
            link(&mut graph, (node, 0.0));
        }
        link(&mut graph, (plan.group(to), offset(plan.group(to), Key::To(to, way))));
    }
    let key = |link: &Link| (link.from, link.to, link.offsets.0.to_bits(), link.offsets.1.to_bits());
    graph.links.sort_by_key(key);
    graph.links.dedup_by_key(|link| key(link));
    graph
}

/// Columns strictly between two, in the order in which a line passes them.
fn between(from: usize, to: usize) -> Vec<usize> {
    if from < to { (from + 1..to).collect() } else { (to + 1..from).rev().collect() }
}

/// Left edges and widths; the more lines cross over between two columns, the more room is there.
fn columns(plan: &Plan, insides: &[Inside], graph: &Graph, metrics: &Metrics) -> Vec<(f64, f64)> {
    let count = plan.group_column.iter().max().map_or(0, |last| last + 1);
    let mut columns = Vec::with_capacity(count);
    let mut x = 0.0;
    for number in 0..count {
        let here = insides.iter().zip(&plan.group_column).filter(|(_, column)| **column == number);
        let width = here.map(|(inside, _)| inside.width).fold(0.0, f64::max);
        columns.push((x, width));
        let crossing =
            graph.links.iter().filter(|link| graph.nodes.get(link.from).is_some_and(|node| node.column == number));
        #[expect(clippy::cast_precision_loss, reason = "a few hundred at most")]
        let lines = crossing.count() as f64;
        x += width + (metrics.wide_channel * (1.0 + lines / 24.0).min(3.0)).floor();
    }
    columns
}

fn column(columns: &[(f64, f64)], number: usize) -> (f64, f64) {
    columns.get(number).copied().unwrap_or_default()
}

fn route(
    plan: &Plan,
    insides: &[Inside],
    drawing: &Drawing,
    lanes: &BTreeMap<(usize, Way, usize), f64>,
    columns: &[(f64, f64)],
    (from, to): (usize, usize),
) -> Vec<Point> {
    let (source, target) = (plan.group(from), plan.group(to));
    let mut points: Vec<Point> = Vec::new();
    let mut within = |number: usize, part: &dyn Fn(&Inside) -> Vec<Point>| {
        if let (Some(inside), Some(frame)) = (insides.get(number), drawing.frames.get(number)) {
            points.extend(part(inside).into_iter().map(|point| Point { x: frame.x + point.x, y: frame.y + point.y }));
        }
    };
    if source == target {
        within(source, &|inside| inside.within(plan, from, to));
    } else {
        let way = way(plan, from, to);
        within(source, &|inside| inside.crossing(plan, Key::From(from, way)));
        let edge = |number: usize, is_right: bool| {
            let (left, width) = column(columns, number);
            if is_right { left + width } else { left }
        };
        // Level on to the edge of the column, over to the next, and so on.
        let out = points.last().map_or(0.0, |point| point.y);
        points.push(Point { x: edge(plan.group_column(from), way == Way::Right), y: out });
        for number in between(plan.group_column(from), plan.group_column(to)) {
            let y = lanes.get(&(to, way, number)).copied().unwrap_or_default();
            points.push(Point { x: edge(number, way == Way::Left), y });
            points.push(Point { x: edge(number, way == Way::Right), y });
        }
        let mut rest = Vec::new();
        if let (Some(inside), Some(frame)) = (insides.get(target), drawing.frames.get(target)) {
            rest = inside.crossing(plan, Key::To(to, way));
            rest.iter_mut().for_each(|point| *point = Point { x: frame.x + point.x, y: frame.y + point.y });
        }
        let into = rest.first().map_or(0.0, |point| point.y);
        points.push(Point { x: edge(plan.group_column(to), way == Way::Left), y: into });
        points.extend(rest);
    }
    straightened(points)
}

/// Without points that a level line merely passes.
fn straightened(points: Vec<Point>) -> Vec<Point> {
    let mut out: Vec<Point> = Vec::with_capacity(points.len());
    for point in points {
        let level = |a: &Point, b: &Point| (a.y - b.y).abs() < 0.01;
        match out.as_slice() {
            [.., last] if level(last, &point) && (last.x - point.x).abs() < 0.01 => continue,
            [.., before, last] if level(before, last) && level(last, &point) => {
                out.pop();
            }
            _ => {}
        }
        out.push(point);
    }
    out
}
