//! The map as a page: the drawing, and below it every edge in a table. No script, and no request to anywhere.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::edge::Edge;
use crate::graph::Map;
use crate::svg;
use crate::text::{grouped, latency, percent, whole};

/// More lines than this make a page slow; the JSON has all.
const MOST_LINES: usize = 5_000;

const STYLE: &str = "\
:root{color-scheme:light dark}body{margin:0;background:#fff;color:#1b2733;font:14px/1.45 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}\
.drawing{overflow:auto}h2{font-size:17px;margin:8px 24px}p{margin:8px 24px}.table{overflow-x:auto;padding:0 24px 32px}\
table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{padding:4px 12px 4px 0;text-align:left;border-bottom:1px solid #d3dae1;\
overflow-wrap:anywhere;vertical-align:top}th{white-space:nowrap}.n{text-align:right}.dropped,.failing{font-weight:600}\
@media(prefers-color-scheme:dark){body{background:#12171d;color:#e4eaf0}th,td{border-color:#303b46}}\
@media print{.drawing{overflow:visible}.drawing svg{max-width:100%;height:auto}}";

pub(crate) fn write(map: &Map, title: &str) -> String {
    let title = whole(if title.is_empty() { "Service map" } else { title });
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy"
                    content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                div.drawing { (svg::drawing(&map.layout(), &title)) }
                h2 { "All edges" }
                (table(map))
            }
        }
    }
    .into_string()
}

fn table(map: &Map) -> Markup {
    let mut edges: Vec<&Edge> = map.edges().iter().collect();
    edges.sort_by_key(|edge| std::cmp::Reverse((edge.health(), edge.weight())));
    html! {
        @if edges.len() > MOST_LINES {
            p { "The first " (grouped(MOST_LINES as u64)) " of " (grouped(edges.len() as u64)) "; the map as JSON has all." }
        }
        div.table {
            table {
                thead {
                    tr {
                        th { "client" } th { "server" } th { "ports" } th { "state" }
                        @for name in ["connections", "requests", "dropped", "audited", "errors", "p95"] { th.n { (name) } }
                    }
                }
                tbody {
                    @for edge in edges.iter().take(MOST_LINES) {
                        tr class=(edge.health().word()) {
                            td { (whole(&edge.source.full_name())) }
                            td { (whole(&edge.destination.full_name())) }
                            td { (whole(&edge.ports_text(20))) }
                            td { (edge.health().word()) }
                            @for count in [edge.connections, edge.requests, edge.dropped, edge.audited] {
                                td.n { (grouped(count)) }
                            }
                            td.n { (edge.error_share().map(percent).unwrap_or_default()) }
                            td.n { (edge.p95_ns.map(latency).unwrap_or_default()) }
                        }
                    }
                }
            }
        }
    }
}
