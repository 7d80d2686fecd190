//! The map for Graphviz: `dot -Tsvg`. Namespaces are clusters.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::edge::{Health, Kind};
use crate::graph::Map;
use crate::groups::{GroupKind, group};
use crate::svg::width;
use crate::text::{shortened, whole};

pub(crate) fn write(map: &Map, title: &str) -> String {
    let services = map.services();
    let mut out = String::from("digraph services {\n");
    let _ =
        writeln!(out, "  graph [rankdir=LR, fontname=\"sans-serif\", labelloc=t, label={}];", quoted(&whole(title)));
    out.push_str("  node [shape=box, style=rounded, fontname=\"sans-serif\", fontsize=11];\n");
    out.push_str("  edge [fontname=\"sans-serif\", fontsize=9];\n");
    for (number, group) in group(&services, map.edges()).iter().enumerate() {
        let is_framed = group.kind != GroupKind::Alone;
        if is_framed {
            let title = quoted(&shortened(group.title(), 60));
            let _ = writeln!(out, "  subgraph cluster_{number} {{\n    label={title};");
        }
        for &member in &group.members {
            let Some(service) = services.get(member) else { continue };
            let shape = if service.kind == Kind::Outside { ", shape=ellipse" } else { "" };
            let (name, tip) = (quoted(&shortened(&service.name, 60)), quoted(&whole(&service.full_name())));
            let _ = writeln!(out, "    n{member} [label={name}, tooltip={tip}{shape}];");
        }
        if is_framed {
            out.push_str("  }\n");
        }
    }
    let places: BTreeMap<_, usize> = services.iter().enumerate().map(|(place, service)| (*service, place)).collect();
    #[expect(clippy::cast_precision_loss, reason = "a logarithm of it")]
    let logarithm = |weight: u64| (weight as f64).ln_1p();
    let heaviest = map.edges().iter().map(|edge| logarithm(edge.weight())).fold(1.0, f64::max);
    for edge in map.edges() {
        let (Some(from), Some(to)) = (places.get(&edge.source), places.get(&edge.destination)) else { continue };
        let (color, style) = look(edge.health());
        let ports = quoted(&shortened(&edge.ports_text(3), 40));
        let wide = width(logarithm(edge.weight()) / heaviest);
        let _ =
            writeln!(out, "  n{from} -> n{to} [label={ports}, color=\"{color}\", style={style}, penwidth={wide:.1}];");
    }
    out.push_str("}\n");
    out
}

pub(crate) fn look(health: Health) -> (&'static str, &'static str) {
    match health {
        Health::Good => ("#8fa3b5", "solid"),
        Health::Audited => ("#8250df", "dotted"),
        Health::Erring => ("#c98a00", "solid"),
        Health::Failing => ("#e4570b", "solid"),
        Health::Dropped => ("#cf2237", "dashed"),
    }
}

/// Graphviz reads backslashes and entities in a quoted text.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '&' => out.push_str("&amp;"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
