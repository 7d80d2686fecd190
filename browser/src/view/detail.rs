//! The detail pane.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Widget as _};

use super::fitted;
use crate::keys::{Action, key_of};
use crate::state::State;
use crate::state::detail_pane::Mode;

pub(super) fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    let pane = &state.detail;
    let mode = match pane.mode {
        Mode::Tree => "Flow",
        Mode::Json => "JSON",
        Mode::Labels => "Labels",
    };
    let hint = format!(" {} tree/json/labels  {} focus ", key_of(Action::DetailMode), key_of(Action::Focus));
    let style = if pane.has_focus { state.theme.heading() } else { state.theme.dim() };
    let block = Block::new()
        .borders(Borders::ALL)
        .border_style(style)
        .title(format!(" {mode} "))
        .title_bottom(Line::from(hint).right_aligned());
    let inner = block.inner(area);
    block.render(area, buffer);
    let lines = pane.lines();
    if lines.is_empty() {
        buffer.set_string(
            inner.x,
            inner.y,
            if pane.mode == Mode::Labels { "no labels" } else { "…" },
            state.theme.dim(),
        );
    }
    let room = usize::from(inner.height);
    let top = pane.cursor.top.min(lines.len().saturating_sub(room));
    for (line, y) in lines.iter().enumerate().skip(top).take(room).zip(inner.y..) {
        let (at, line) = line;
        let sign = match line.is_open {
            Some(true) => "▾ ",
            Some(false) => "▸ ",
            None if pane.mode == Mode::Tree => "  ",
            None => "",
        };
        let indent = "  ".repeat(line.depth);
        let name = if line.name.is_empty() { String::new() } else { format!("{sign}{} ", line.name) };
        let name = format!("{indent}{}", if name.is_empty() { sign } else { &name });
        let used = unicode_width::UnicodeWidthStr::width(name.as_str());
        let value = fitted(&line.value, usize::from(inner.width).saturating_sub(used));
        let text = Line::from(vec![Span::styled(name, state.theme.accent()), Span::raw(value)]);
        buffer.set_line(inner.x, y, &text, inner.width);
        if at == pane.cursor.at && pane.has_focus {
            buffer.set_style(Rect { y, height: 1, ..inner }, state.theme.cursor());
        }
    }
}
