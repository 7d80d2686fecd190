//! The screen: a pure function of the state.

mod charts;
mod detail;
mod filter_bar;
pub mod flow_table;
mod map;
mod overlays;
mod questions;
mod status;
mod summary;
mod timeline;

use lookback_flow::escape::drives;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget as _;
use unicode_width::UnicodeWidthChar as _;

use crate::keys::ViewId;
use crate::layout;
use crate::state::State;

/// Least size at which anything is drawn.
const LEAST: (u16, u16) = (40, 8);

/// Draws the screen.
pub fn draw(state: &State, frame: &mut Frame<'_>) {
    let areas = layout::frame(state);
    if state.size.0 < LEAST.0 || state.size.1 < LEAST.1 {
        Line::from("too small").render(frame.area(), frame.buffer_mut());
        return;
    }
    tab_line(state).render(areas.tabs, frame.buffer_mut());
    filter_bar::draw(state, areas.filter, frame);
    match state.view {
        ViewId::Flows => {
            let flows = layout::flows(state);
            timeline::draw(state, flows.timeline, frame.buffer_mut());
            flow_table::draw(state, flows.table, frame.buffer_mut());
            if let Some(area) = flows.detail {
                detail::draw(state, area, frame.buffer_mut());
            }
        }
        ViewId::Questions => questions::draw(state, frame),
        view => summary::draw(state, view, areas.body, frame),
    }
    status::draw(state, areas.status, frame.buffer_mut());
    filter_bar::draw_offers(state, areas.filter, frame);
    overlays::draw(state, frame);
    guard(frame.buffer_mut());
}

/// The views, and the columns that each name takes in the first line.
#[must_use]
pub fn tabs(state: &State) -> Vec<(ViewId, u16, u16)> {
    let mut at = 0;
    let is_narrow = state.size.0 < 100;
    let tab = |view: &ViewId| {
        let name = view.name();
        let name = if is_narrow { name.get(..name.len().min(5)).unwrap_or(name) } else { name };
        let width = u16::try_from(name.len() + 4).unwrap_or(0);
        at += width;
        (*view, at - width, at)
    };
    ViewId::ALL.iter().map(tab).collect()
}

fn tab_line(state: &State) -> Line<'static> {
    let spans = tabs(state).into_iter().enumerate().map(|(number, (view, from, to))| {
        let name = view.name();
        let shown = name.get(..usize::from(to - from).saturating_sub(4)).unwrap_or(name);
        let text = format!(" {} {shown} ", number + 1);
        if view == state.view {
            Span::styled(text, state.theme.chosen())
        } else {
            Span::styled(text, state.theme.accent())
        }
    });
    Line::from(spans.collect::<Vec<_>>())
}

/// The last gate before the terminal: what could drive it is not drawn, wherever it came from.
fn guard(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if cell.symbol().chars().any(drives) {
            cell.set_symbol("\u{fffd}");
        }
    }
}

/// A text of at most so many columns, with `…` where it was longer.
pub(crate) fn fitted(text: &str, room: usize) -> String {
    let width = |c: char| c.width().unwrap_or(0);
    if text.len() <= room || text.chars().map(width).sum::<usize>() <= room {
        return text.to_owned();
    }
    let (mut out, mut used) = (String::new(), 0);
    for c in text.chars() {
        if used + width(c) + 1 > room {
            break;
        }
        used += width(c);
        out.push(c);
    }
    if room > 0 {
        out.push('…');
    }
    out
}

/// A text that fills so many columns.
pub(crate) fn padded(text: &str, room: usize, right: bool) -> String {
    let text = fitted(text, room);
    let used: usize = text.chars().map(|c| c.width().unwrap_or(0)).sum();
    let blanks = " ".repeat(room.saturating_sub(used));
    if right { format!("{blanks}{text}") } else { format!("{text}{blanks}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fit_and_wide_letters_count_twice() {
        assert_eq!(fitted("abcdef", 4), "abc…");
        assert_eq!(fitted("日本語", 5), "日本…");
        assert_eq!(padded("日", 4, false), "日  ");
        assert_eq!(padded("7", 3, true), "  7");
        assert_eq!(fitted("abc", 0), "");
    }
}
