//! What a drawing keeps to, whatever is drawn.

#![expect(clippy::indexing_slicing, reason = "a test may panic")]

use lookback_map::{Edge, Format, Layout, Map, Service, Shape};

fn edge(from: &str, to: &str, connections: u64) -> Edge {
    Edge { connections, ..Edge::new(Service::named(from), Service::named(to)) }
}

/// Always the same numbers, as if at random.
fn numbers(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |most| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap_or_default() % most.max(1)
    }
}

fn random(services: usize, namespaces: usize, edges: usize, seed: u64) -> Map {
    let mut below = numbers(seed);
    let mut name = move || match below(20) {
        0 => format!("10.0.0.{}", below(9)),
        1 => "host".to_owned(),
        _ => {
            let number = below(services);
            format!("n{}/s{number}", number % namespaces)
        }
    };
    let mut weights = numbers(seed + 1);
    Map::new((0..edges).map(|_| {
        let (from, to) = (name(), name());
        edge(&from, &to, weights(1000) as u64)
    }))
}

fn overlap(a: &Shape, b: &Shape) -> bool {
    a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
}

fn is_inside(inner: &Shape, outer: &Shape) -> bool {
    inner.x >= outer.x
        && inner.y >= outer.y
        && inner.x + inner.width <= outer.x + outer.width
        && inner.y + inner.height <= outer.y + outer.height
}

fn check(layout: &Layout) {
    let whole = Shape { x: 0.0, y: 0.0, width: layout.width, height: layout.height };
    for (at, frame) in layout.frames.iter().enumerate() {
        assert!(is_inside(&frame.shape, &whole), "{frame:?} {whole:?}");
        for other in &layout.frames[at + 1..] {
            assert!(!overlap(&frame.shape, &other.shape), "{frame:?} {other:?}");
        }
    }
    for (at, placed) in layout.services.iter().enumerate() {
        assert!(layout.frames.iter().any(|frame| is_inside(&placed.shape, &frame.shape)), "{placed:?}");
        for other in &layout.services[at + 1..] {
            assert!(!overlap(&placed.shape, &other.shape), "{placed:?} {other:?}");
        }
    }
    assert_eq!(layout.edges.len(), layout.map.edges().len());
    for drawn in &layout.edges {
        assert!(drawn.points.len() >= 2 && drawn.points.iter().all(|point| point.x.is_finite() && point.y.is_finite()));
        // Where a line runs level, it runs through no box; it swings over only where no boxes are.
        for pair in drawn.points.windows(2) {
            let (left, right) = (pair[0].x.min(pair[1].x), pair[0].x.max(pair[1].x));
            for placed in &layout.services {
                let shape = placed.shape;
                let between = left < shape.x + shape.width && shape.x < right;
                let level = (pair[0].y - pair[1].y).abs() < 0.01;
                let meets = shape.y < pair[0].y && pair[0].y < shape.y + shape.height;
                let swings =
                    !level && pair[0].y.min(pair[1].y) < shape.y + shape.height && shape.y < pair[0].y.max(pair[1].y);
                assert!(!(between && (level && meets || swings)), "{pair:?} runs through {placed:?}");
            }
        }
    }
}

#[test]
fn nothing_overlaps_and_no_line_runs_through_a_box() {
    for (services, namespaces, edges) in
        [(2, 1, 3), (9, 2, 20), (30, 4, 60), (60, 1, 90), (80, 9, 200), (200, 200, 150)]
    {
        for seed in 1..6 {
            check(&random(services, namespaces, edges, seed).layout());
        }
    }
}

#[test]
fn hardly_anything_is_a_map_too() {
    for edges in [vec![], vec![edge("a/x", "a/x", 1)], vec![edge("host", "host", 0)], vec![edge("", "", u64::MAX); 3]] {
        let map = Map::new(edges);
        check(&map.layout());
        for format in [Format::Svg, Format::Html, Format::Dot, Format::Json, Format::Mermaid] {
            assert!(!map.write(format, "").is_empty());
        }
    }
}

#[test]
fn a_line_begins_at_its_client_and_ends_at_its_server() {
    let layout = random(40, 5, 90, 3).layout();
    let services = layout.map.services();
    for drawn in &layout.edges {
        let edge = &layout.map.edges()[drawn.edge];
        for (end, point) in [(&edge.source, drawn.points.first()), (&edge.destination, drawn.points.last())] {
            let place = services.iter().position(|service| *service == end).unwrap();
            let (shape, point) = (layout.services[place].shape, point.unwrap());
            assert!(point.x >= shape.x && point.x <= shape.x + shape.width, "{edge:?}");
            assert!(point.y >= shape.y && point.y <= shape.y + shape.height, "{edge:?}");
        }
    }
}

#[test]
fn the_same_edges_are_the_same_bytes_in_any_order() {
    let map = random(40, 5, 90, 3);
    let backwards = Map::new(map.edges().iter().rev().cloned());
    for format in [Format::Svg, Format::Html, Format::Dot, Format::Json, Format::Mermaid] {
        let written = map.write(format, "map");
        assert_eq!(written, backwards.write(format, "map"), "{format}");
        assert_eq!(written, map.write(format, "map"), "{format}");
    }
}

/// That it is over at all is what is tested: without limits some of these take minutes.
#[test]
fn what_is_too_much_is_left_out_and_told() {
    let complete = |count: usize, namespaces: usize| {
        let name = move |number: usize| format!("n{}/s{number}", number % namespaces);
        Map::new((0..count * count).map(|pair| edge(&name(pair / count), &name(pair % count), (pair % 97) as u64)))
    };
    let path = Map::new((0..1000).map(|number| edge(&format!("a/{number}"), &format!("a/{}", number + 1), 1)));
    for map in [complete(100, 1), complete(60, 60), random(1000, 30, 10_000, 1), path] {
        let layout = map.layout();
        check(&layout);
        assert_eq!(layout.left_out.edges + layout.edges.len(), map.edges().len());
        let told = layout.left_out.text().unwrap();
        assert!(map.write(Format::Svg, "").contains(&told), "{told}");
    }
}
