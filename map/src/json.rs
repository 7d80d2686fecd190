//! The map as JSON; `docs/map.md` says what is in it.

use std::fmt::Write;

use serde::Serialize;

use crate::edge::{Edge, Health, Port, Service};
use crate::graph::Map;

/// Of the format: it changes when a member is taken away or means something else.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    title: &'a str,
    services: &'a [&'a Service],
    edges: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    source: usize,
    destination: usize,
    ports: Vec<&'a Port>,
    connections: u64,
    requests: u64,
    dropped: u64,
    audited: u64,
    judged: u64,
    errors: u64,
    error_share: Option<f64>,
    p95_ns: Option<u64>,
    health: Health,
}

pub(crate) fn write(map: &Map, title: &str) -> String {
    let services = map.services();
    let place = |service: &Service| services.binary_search(&service).unwrap_or_default();
    let edges = map.edges().iter().map(|edge| {
        let Edge { source, destination, ports, connections, requests, dropped, audited, judged, errors, p95_ns } = edge;
        Line {
            source: place(source),
            destination: place(destination),
            ports: ports.iter().collect(),
            connections: *connections,
            requests: *requests,
            dropped: *dropped,
            audited: *audited,
            judged: *judged,
            errors: *errors,
            error_share: edge.error_share(),
            p95_ns: *p95_ns,
            health: edge.health(),
        }
    });
    let document = Document { version: VERSION, title, services: &services, edges: edges.collect() };
    // Nothing of it can fail to be written: all keys are text.
    let text = serde_json::to_string_pretty(&document).unwrap_or_default();
    let mut out = String::with_capacity(text.len() + 1);
    // Only texts have other than ASCII in them. What would turn them round on a terminal is written by its number.
    for c in text.chars() {
        if !c.is_ascii() && lookback_flow::escape::drives(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out.push('\n');
    out
}
