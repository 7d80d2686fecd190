//! One level of the drawing: things stand in columns that are given, and get their places within them.
//!
//! The order within a column, by which few lines cross, is that of rust-sugiyama. Places are computed here: in this order, apart by
//! their sizes, each as near to what it is linked with as can be (least squares), because the library keeps the breadth of the
//! broadest box free all along a line, and cannot know that lines do not begin in the middle of a box.

use std::collections::BTreeMap;
use std::panic::catch_unwind;

use rust_sugiyama::configure::{Config, CrossingMinimization, RankingType};
use rust_sugiyama::from_vertices_and_edges;

/// Something that takes up room in a column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub column: usize,
    /// Across the columns, with the room that is to be free around it.
    pub breadth: f64,
    /// Where it would stand among others that it has nothing to do with.
    pub hint: f64,
}

/// A line from a thing to one in the next column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub from: usize,
    pub to: usize,
    /// Where it begins and ends, from the middles of both.
    pub offsets: (f64, f64),
}

/// More than so many things in one level take the library too long.
pub(crate) const MOST_NODES: usize = 1_200;
const SWEEPS: usize = 12;

/// The middle of each thing across the columns, from 0 on.
pub(crate) fn place(nodes: &[Node], links: &[Link]) -> Vec<f64> {
    let columns = order(nodes, links);
    let mut middles = settle(&columns, nodes, links);
    let lowest =
        nodes.iter().zip(&middles).map(|(node, middle)| middle - node.breadth / 2.0).fold(f64::INFINITY, f64::min);
    if lowest.is_finite() {
        middles.iter_mut().for_each(|middle| *middle -= lowest);
    }
    middles
}

/// How much the library has to do: things, and the points that lead up to those that nothing points to.
pub(crate) fn size(nodes: &[Node], links: &[Link]) -> usize {
    let ends: std::collections::BTreeSet<usize> = links.iter().map(|link| link.to).collect();
    nodes.iter().enumerate().map(|(index, node)| 1 + if ends.contains(&index) { 0 } else { node.column }).sum()
}

/// Things in each column, in their order.
fn order(nodes: &[Node], links: &[Link]) -> Vec<Vec<usize>> {
    let number = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
    let mut vertices: Vec<(u32, (f64, f64))> =
        nodes.iter().enumerate().map(|(index, node)| (number(index), (node.breadth, 1.0))).collect();
    let mut edges: Vec<(u32, u32)> = links.iter().map(|link| (number(link.from), number(link.to))).collect();
    edges.sort_unstable();
    edges.dedup();
    // The library puts what nothing points to into the first column. What is to stand elsewhere gets a line of points up to it.
    let mut has_left = vec![false; nodes.len()];
    for link in links {
        if let Some(has) = has_left.get_mut(link.to) {
            *has = true;
        }
    }
    for (index, node) in nodes.iter().enumerate().filter(|(index, _)| has_left.get(*index) == Some(&false)) {
        let mut last = number(index);
        for _ in 0..node.column {
            let point = number(vertices.len());
            vertices.push((point, (0.1, 1.0)));
            edges.push((point, last));
            last = point;
        }
    }
    let config = Config {
        minimum_length: 1,
        vertex_spacing: 1.0,
        dummy_vertices: true,
        dummy_size: 1.0,
        ranking_type: RankingType::Up,
        c_minimization: CrossingMinimization::Barycenter,
        transpose: vertices.len() <= 300,
    };
    // Nothing is known that makes the library panic; if something does, the order is the one in which things came.
    let parts = catch_unwind(|| from_vertices_and_edges(&vertices, &edges, &config)).unwrap_or_default();

    let mut parts: Vec<(f64, Vec<(usize, f64)>)> = parts
        .into_iter()
        .map(|(places, _, _)| {
            let mut places: Vec<(usize, f64)> = places
                .into_iter()
                .filter(|(index, _)| *index < nodes.len())
                .map(|(index, (across, _))| (index, across))
                .collect();
            places.sort_by_key(|(index, _)| *index);
            let hints = places.iter().filter_map(|(index, _)| nodes.get(*index)).map(|node| node.hint);
            #[expect(clippy::cast_precision_loss, reason = "a mean")]
            let hint = hints.sum::<f64>() / places.len().max(1) as f64;
            (hint, places)
        })
        .collect();
    parts.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut keys: Vec<(usize, f64)> = vec![(usize::MAX, 0.0); nodes.len()];
    for (part, (_, places)) in parts.iter().enumerate() {
        for (index, across) in places {
            if let Some(key) = keys.get_mut(*index) {
                *key = (part, *across);
            }
        }
    }
    let mut columns: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, node) in nodes.iter().enumerate() {
        columns.entry(node.column).or_default().push(index);
    }
    let key = |index: usize| keys.get(index).copied().unwrap_or((usize::MAX, 0.0));
    for column in columns.values_mut() {
        column.sort_by(|a, b| {
            let (a, b) = (key(*a), key(*b));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
    }
    columns.into_values().collect()
}

fn settle(columns: &[Vec<usize>], nodes: &[Node], links: &[Link]) -> Vec<f64> {
    let breadth = |index: usize| nodes.get(index).map_or(0.0, |node| node.breadth);
    let mut middles = vec![0.0; nodes.len()];
    for column in columns {
        let whole: f64 = column.iter().map(|index| breadth(*index)).sum();
        let mut at = -whole / 2.0;
        for &index in column {
            set(&mut middles, index, at + breadth(index) / 2.0);
            at += breadth(index);
        }
    }
    // Of each thing: what it is linked to, left and right, and by how much their middles are to differ.
    let mut sides: Vec<[Vec<(usize, f64)>; 2]> = vec![<[Vec<(usize, f64)>; 2]>::default(); nodes.len()];
    for link in links {
        let shift = link.offsets.0 - link.offsets.1;
        for (index, side, other, shift) in [(link.to, 0, link.from, shift), (link.from, 1, link.to, -shift)] {
            if let Some(side) = sides.get_mut(index).and_then(|sides| sides.get_mut(side)) {
                side.push((other, shift));
            }
        }
    }
    for sweep in 0..=SWEEPS {
        // To the right by what is left, to the left by what is right, and at the end by both.
        let both = sweep >= SWEEPS - 2;
        let order: Vec<&Vec<usize>> =
            if sweep % 2 == 0 { columns.iter().collect() } else { columns.iter().rev().collect() };
        for column in order {
            let wishes: Vec<(f64, f64, f64)> = column
                .iter()
                .map(|&index| {
                    let here = middles.get(index).copied().unwrap_or_default();
                    let side = |side: usize| sides.get(index).and_then(|sides| sides.get(side)).into_iter().flatten();
                    let of = |(other, shift): &(usize, f64)| middles.get(*other).copied().unwrap_or_default() + shift;
                    let wanted: Vec<f64> = match (both, sweep % 2) {
                        (true, _) => side(0).chain(side(1)).map(of).collect(),
                        (false, way) => side(way).map(of).collect(),
                    };
                    #[expect(clippy::cast_precision_loss, reason = "a mean")]
                    let wish = if wanted.is_empty() { here } else { wanted.iter().sum::<f64>() / wanted.len() as f64 };
                    (wish, breadth(index), if wanted.is_empty() { 0.1 } else { 1.0 })
                })
                .collect();
            for (&index, middle) in column.iter().zip(apart(&wishes)) {
                set(&mut middles, index, middle);
            }
        }
    }
    middles
}

fn set(middles: &mut [f64], index: usize, middle: f64) {
    if let Some(place) = middles.get_mut(index) {
        *place = middle;
    }
}

/// Middles in the same order, as near to those wished for as can be, and apart by half of both breadths: pooling of neighbours that
/// are in each other's way. Takes wishes, breadths and weights.
fn apart(wishes: &[(f64, f64, f64)]) -> Vec<f64> {
    let mut offsets = Vec::with_capacity(wishes.len());
    let mut offset = 0.0;
    let mut before: Option<f64> = None;
    for (_, breadth, _) in wishes {
        offset += before.map_or(0.0, |before| f64::midpoint(before, *breadth));
        offsets.push(offset);
        before = Some(*breadth);
    }
    // Blocks that move together: mean, weight, members.
    let mut blocks: Vec<(f64, f64, usize)> = Vec::new();
    for ((wish, _, weight), offset) in wishes.iter().zip(&offsets) {
        let mut block = (wish - offset, *weight, 1);
        while let Some(last) = blocks.last().copied().filter(|last| last.0 >= block.0) {
            let weight = last.1 + block.1;
            block = ((last.0 * last.1 + block.0 * block.1) / weight, weight, last.2 + block.2);
            blocks.pop();
        }
        blocks.push(block);
    }
    let means = blocks.iter().flat_map(|(mean, _, members)| std::iter::repeat_n(*mean, *members));
    means.zip(&offsets).map(|(mean, offset)| mean + offset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_in_each_others_way_share_the_shift() {
        assert_eq!(apart(&[(0.0, 2.0, 1.0), (0.0, 2.0, 1.0), (9.0, 2.0, 1.0)]), [-1.0, 1.0, 9.0]);
    }

    #[test]
    fn nothing_overlaps_and_a_chain_is_straight() {
        let node = |column, breadth| Node { column, breadth, hint: 0.0 };
        let nodes = [node(0, 10.0), node(1, 4.0), node(2, 30.0), node(1, 10.0), node(2, 10.0), node(1, 5.0)];
        let link = |from, to| Link { from, to, offsets: (0.0, 0.0) };
        let links = [link(0, 1), link(1, 2), link(0, 3), link(3, 4)];
        let middles = place(&nodes, &links);
        for (a, one) in nodes.iter().enumerate() {
            for (b, other) in nodes.iter().enumerate().filter(|(b, other)| *b > a && other.column == one.column) {
                let free = (middles[a] - middles[b]).abs() - f64::midpoint(one.breadth, other.breadth);
                assert!(free > -1e-6, "{a} {b} {middles:?}");
            }
        }
    }
}
