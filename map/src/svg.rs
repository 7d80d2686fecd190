//! The map as SVG: one file, or part of a page. No script, no reference to anything outside; light and dark by what the reader prefers.

mod legend;
mod style;

use std::fmt::Write;

use maud::{Markup, PreEscaped, html};

use crate::edge::{Health, Kind, Service};
use crate::groups::GroupKind;
use crate::layout::{Drawn, Layout, Metrics, Placed, Point};
use crate::text::{clean, grouped, latency, percent, shortened, whole};

const MARGIN: f64 = 24.0;
const TITLE: f64 = 40.0;
/// Of an arrow's head.
const HEAD: f64 = 9.0;

pub(crate) fn write(layout: &Layout, title: &str) -> String {
    drawing(layout, title).into_string()
}

pub(crate) fn drawing(layout: &Layout, title: &str) -> Markup {
    let width = (layout.width + 2.0 * MARGIN).max(560.0);
    let (legend, legend_height) = legend::draw(layout, width - 2.0 * MARGIN);
    let top = if title.is_empty() { MARGIN } else { MARGIN + TITLE };
    let height = top + layout.height + MARGIN + legend_height + MARGIN;
    let left = ((width - layout.width) / 2.0).floor();
    html! {
        svg xmlns="http://www.w3.org/2000/svg" class="lb-map" role="img" width=(number(width)) height=(number(height))
            viewBox=(format!("0 0 {} {}", number(width), number(height))) {
            title { (whole(title)) }
            style { (PreEscaped(style::STYLE)) }
            defs {
                @for health in Health::ALL {
                    marker id=(format!("lb-map-{}", health.word())) class=(format!("head {}", health.word())) orient="auto"
                        markerUnits="userSpaceOnUse" markerWidth=(number(HEAD)) markerHeight="10" refX="0" refY="5" {
                        path d=(format!("M0 0L{} 5L0 10z", number(HEAD))) {}
                    }
                }
            }
            rect.ground width="100%" height="100%" {}
            @if !title.is_empty() {
                text.heading x=(number(MARGIN)) y=(number(MARGIN + 18.0)) { (shortened(title, 80)) }
            }
            g transform=(format!("translate({} {})", number(left), number(top))) {
                @for frame in layout.frames.iter().filter(|frame| frame.kind != GroupKind::Alone) {
                    g.frame {
                        title { (whole(&frame.title)) }
                        rect class=(if frame.kind == GroupKind::Namespace { "namespace" } else { "outside" }) rx="10"
                            x=(number(frame.shape.x)) y=(number(frame.shape.y))
                            width=(number(frame.shape.width)) height=(number(frame.shape.height)) {}
                        text x=(number(frame.shape.x + 14.0)) y=(number(frame.shape.y + 21.0)) {
                            (shortened(&frame.title, fitting(frame.shape.width - 24.0)))
                        }
                    }
                }
                @for edge in &layout.edges { (line(layout, edge)) }
                @for ((placed, service), ports) in layout.services.iter().zip(layout.map.services()).zip(layout.map.ports()) {
                    (service_box(layout, placed, service, &ports))
                }
            }
            g transform=(format!("translate({} {})", number(MARGIN), number(top + layout.height + MARGIN))) { (legend) }
        }
    }
}

fn line(layout: &Layout, drawn: &Drawn) -> Markup {
    let Some(edge) = layout.map.edges().get(drawn.edge) else { return Markup::default() };
    html! {
        g class=(format!("edge {}", drawn.health.word())) {
            title {
                (whole(&edge.source.full_name())) " → " (whole(&edge.destination.full_name()))
                @for fact in facts(edge) { "\n" (fact) }
            }
            path d=(path(&drawn.points, edge.source == edge.destination)) stroke-width=(number(width(drawn.strength)))
                marker-end=(format!("url(#lb-map-{})", drawn.health.word())) {}
        }
    }
}

/// What is known of an edge, a line each.
fn facts(edge: &crate::edge::Edge) -> Vec<String> {
    let mut facts = Vec::new();
    let ports = edge.ports_text(8);
    if !ports.is_empty() {
        facts.push(whole(&ports));
    }
    let mut counts = Vec::new();
    for (count, word) in [
        (edge.connections, "connections"),
        (edge.requests, "requests"),
        (edge.dropped, "dropped"),
        (edge.audited, "audited"),
    ] {
        if count > 0 {
            counts.push(format!("{} {word}", grouped(count)));
        }
    }
    facts.push(counts.join(", "));
    if let Some(share) = edge.error_share() {
        facts.push(format!("{} errors", percent(share)));
    }
    if let Some(p95) = edge.p95_ns {
        facts.push(format!("95 % within {}", latency(p95)));
    }
    facts
}

pub(crate) fn width(strength: f64) -> f64 {
    1.2 + 4.8 * strength * strength
}

/// Curves with level ends; the last one ends where the arrow's head begins.
fn path(points: &[Point], is_circle: bool) -> String {
    let mut out = String::new();
    if let ([from, to], true) = (points, is_circle) {
        let up = from.y - 11.0;
        let end = to.y - HEAD;
        let _ = write!(
            out,
            "M{} {}C{} {} {} {} {} {}",
            number(from.x),
            number(from.y),
            number(from.x),
            number(up - 6.0),
            number(to.x),
            number(up - 6.0),
            number(to.x),
            number(end)
        );
        return out;
    }
    let mut last: Option<Point> = None;
    for (at, point) in points.iter().enumerate() {
        let mut point = *point;
        let Some(before) = last.replace(point) else {
            let _ = write!(out, "M{} {}", number(point.x), number(point.y));
            continue;
        };
        if at + 1 == points.len() {
            point.x -= HEAD * (point.x - before.x).signum();
        }
        if (before.y - point.y).abs() < 0.01 {
            let _ = write!(out, "H{}", number(point.x));
        } else {
            let middle = number(f64::midpoint(before.x, point.x));
            let _ = write!(
                out,
                "C{middle} {} {middle} {} {} {}",
                number(before.y),
                number(point.y),
                number(point.x),
                number(point.y)
            );
        }
    }
    out
}

fn service_box(layout: &Layout, placed: &Placed, service: &Service, ports: &str) -> Markup {
    let shape = placed.shape;
    let into: Vec<_> = layout.map.edges().iter().filter(|edge| edge.destination == *service).collect();
    let out = layout.map.edges().iter().filter(|edge| edge.source == *service).count();
    let worst = into.iter().map(|edge| edge.health()).max().unwrap_or_default();
    let middle = shape.x + shape.width / 2.0;
    let kind = match service.kind {
        Kind::Workload => "workload",
        Kind::Cluster => "cluster",
        Kind::Outside => "outside",
    };
    let most = Metrics::default();
    html! {
        g class=(format!("service {kind} {}", worst.word())) {
            title {
                (whole(&service.full_name()))
                @if !ports.is_empty() { "\n" (whole(ports)) }
                "\nasked by " (into.len()) ", asks " (out)
            }
            rect rx=(if service.kind == Kind::Outside { "19" } else { "7" }) x=(number(shape.x)) y=(number(shape.y))
                width=(number(shape.width)) height=(number(shape.height)) {}
            @let lowered = if ports.is_empty() { 24.0 } else { 17.0 };
            text.name x=(number(middle)) y=(number(shape.y + lowered)) { (shortened(&service.name, most.name)) }
            @if !ports.is_empty() {
                text.ports x=(number(middle)) y=(number(shape.y + 30.0)) { (shortened(ports, most.ports)) }
            }
        }
    }
}

/// Characters of a frame's title.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small, and not below 4")]
fn fitting(width: f64) -> usize {
    (width / 7.6).clamp(4.0, 200.0) as usize
}

/// With one digit behind the point, if it needs one.
fn number(number: f64) -> String {
    let text = format!("{number:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0".to_owned() } else { clean(text).into_owned() }
}
