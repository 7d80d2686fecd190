//! The map as a Mermaid flowchart, for Markdown. Namespaces are subgraphs.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::dot::look;
use crate::edge::{Health, Kind};
use crate::graph::Map;
use crate::groups::{GroupKind, group};
use crate::text::shortened;

/// Mermaid draws no more than 500 edges, and no text of more than 50 000 characters.
const MOST_SERVICES: usize = 120;
const MOST_EDGES: usize = 300;

pub(crate) fn write(map: &Map, title: &str) -> String {
    let map = map.folded(MOST_SERVICES, MOST_EDGES);
    let services = map.services();
    let mut out = String::new();
    if !title.is_empty() {
        // The front matter is YAML; a JSON text without what Mermaid reads is one.
        let _ = writeln!(out, "---\ntitle: \"{}\"\n---", escaped(&shortened(title, 80)));
    }
    out.push_str("flowchart LR\n");
    for (number, group) in group(&services, map.edges()).iter().enumerate() {
        let is_framed = group.kind != GroupKind::Alone;
        if is_framed {
            let _ = writeln!(out, "  subgraph g{number}[\"{}\"]", escaped(&shortened(group.title(), 40)));
        }
        for &member in &group.members {
            let Some(service) = services.get(member) else { continue };
            let (open, close) = if service.kind == Kind::Outside { ("([", "])") } else { ("[", "]") };
            let _ = writeln!(out, "    n{member}{open}\"{}\"{close}", escaped(&shortened(&service.name, 40)));
        }
        if is_framed {
            out.push_str("  end\n");
        }
    }
    let places: BTreeMap<_, usize> = services.iter().enumerate().map(|(place, service)| (*service, place)).collect();
    let mut by_health: BTreeMap<Health, Vec<String>> = BTreeMap::new();
    for (number, edge) in map.edges().iter().enumerate() {
        let (Some(from), Some(to)) = (places.get(&edge.source), places.get(&edge.destination)) else { continue };
        let ports = shortened(&edge.ports_text(2), 28);
        let label = if ports.is_empty() { String::new() } else { format!("|\"{}\"|", escaped(&ports)) };
        let arrow = match edge.health() {
            Health::Dropped | Health::Audited => "-.->",
            _ => "-->",
        };
        let _ = writeln!(out, "  n{from} {arrow}{label} n{to}");
        by_health.entry(edge.health()).or_default().push(number.to_string());
    }
    for (health, numbers) in by_health {
        let _ = writeln!(out, "  linkStyle {} stroke:{}", numbers.join(","), look(health).0);
    }
    if let Some(text) = map.left_out().text() {
        let _ = writeln!(out, "  note[\"{}\"]", escaped(&text));
    }
    out
}

/// Letters and digits as they are, and what means nothing to Mermaid; all else by its number.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() || matches!(c, ' ' | '.' | '_' | '-' | '/' | ':' | ',') {
            out.push(c);
        } else {
            let _ = write!(out, "#{};", u32::from(c));
        }
    }
    out
}
