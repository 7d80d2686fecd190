//! What colours, strokes and widths mean, and what is not drawn.

use maud::{Markup, html};

use super::{HEAD, number};
use crate::edge::Health;
use crate::layout::Layout;
use crate::text::width;

const ROW: f64 = 22.0;
const LINE: f64 = 44.0;
const BETWEEN: f64 = 26.0;

/// The legend, and its height; in as many rows as it takes.
pub(super) fn draw(layout: &Layout, room: f64) -> (Markup, f64) {
    let mut items: Vec<(Option<Health>, &str)> =
        Health::ALL.into_iter().map(|health| (Some(health), health.meaning())).collect();
    items.push((None, "wider: more connections or requests"));
    items.push((None, "lines that run together have one end in common; the worst lies above"));
    let mut x = 0.0;
    let mut y = 12.0;
    let mut placed = Vec::new();
    for (health, text) in items {
        let line = if health.is_some() { LINE } else { 0.0 };
        #[expect(clippy::cast_precision_loss, reason = "a few characters")]
        let wide = line + width(text) as f64 * 6.6;
        if x > 0.0 && x + wide > room {
            x = 0.0;
            y += ROW;
        }
        placed.push((x, y, health, text));
        x += wide + BETWEEN;
    }
    let note = layout.left_out.text();
    let empty = layout.edges.is_empty().then(|| "Nothing to draw: there are no edges.".to_owned());
    let notes: Vec<String> = note.into_iter().chain(empty).collect();
    let legend = html! {
        g.legend {
            @for (x, y, health, text) in &placed {
                @if let Some(health) = health {
                    g class=(format!("edge {}", health.word())) {
                        path d=(format!("M{} {}H{}", number(*x), number(y - 4.0), number(x + LINE - 8.0 - HEAD))) stroke-width="2.4"
                            marker-end=(format!("url(#lb-map-{})", health.word())) {}
                    }
                }
                text x=(number(x + if health.is_some() { LINE } else { 0.0 })) y=(number(*y)) { (text) }
            }
            @for note in &notes {
                @let below = y + ROW;
                text.note x="0" y=(number(below)) { (note) }
            }
        }
    };
    #[expect(clippy::cast_precision_loss, reason = "one or none")]
    let height = y + notes.len() as f64 * ROW;
    (legend, height)
}
