//! The flow table: frozen columns, then those from the first one in sight on.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::{fitted, padded};
use crate::data::cell::Col;
use crate::data::class::{Class, FAILED};
use crate::data::page::Row;
use crate::layout;
use crate::state::State;

/// Columns of the screen left of the table: the mark and how it went.
const GUTTER: u16 = 2;

/// A column that is in sight: its number, place and width.
type Placed = (usize, u16, u16);

/// Whether a column of the table is in sight whole.
#[must_use]
pub fn is_in_sight(state: &State, column: usize) -> bool {
    let area = layout::flows(state).table;
    placed(state, area).iter().any(|(own, at, width)| {
        let least = state.columns.get(column).map_or(0, |col| col.width().0);
        *own == column && *width >= least.min(*width) && at + width <= area.right()
    })
}

fn placed(state: &State, area: Rect) -> Vec<Placed> {
    let behind = state.first_column.max(state.frozen)..state.columns.len();
    let mut at = area.x + GUTTER;
    let mut all = Vec::new();
    for number in (0..state.frozen.min(state.columns.len())).chain(behind) {
        let Some(col) = state.columns.get(number).copied() else { continue };
        let room = area.right().saturating_sub(at);
        if room < 6 {
            break;
        }
        let width = wanted(state, col, number).min(room);
        all.push((number, at, width));
        at += width + 1;
    }
    all
}

/// The width that the cells on the screen ask for, within the bounds of the column.
fn wanted(state: &State, col: Col, number: usize) -> u16 {
    let (least, most) = col.width();
    let most = most.min(state.size.0 * 3 / 10).max(least);
    let cells = state.page.rows.iter().filter_map(|row| row.cells.get(number));
    let widest = cells.map(|cell| unicode_width::UnicodeWidthStr::width(cell.as_str())).max().unwrap_or(0);
    let heading = col.name().len() + 2;
    u16::try_from(widest.max(heading)).unwrap_or(most).clamp(least, most)
}

pub(super) fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    if area.height == 0 {
        return;
    }
    let columns = placed(state, area);
    let heading = state.theme.heading();
    for (number, at, width) in &columns {
        let Some(col) = state.columns.get(*number) else { continue };
        let sorted = match state.sort {
            Some(sort) if sort.column == col.key() => {
                if sort.is_reversed {
                    "▼"
                } else {
                    "▲"
                }
            }
            None if *col == Col::Time => "▲",
            _ => "",
        };
        let text = padded(&format!("{}{sorted}", col.name()), usize::from(*width), false);
        let style = if *number == state.column { heading.add_modifier(Modifier::UNDERLINED) } else { heading };
        buffer.set_string(*at, area.y, text, style);
        if *number + 1 == state.frozen {
            buffer.set_string(at + width, area.y, "│", state.theme.dim());
        }
    }
    let rows = usize::from(area.height - 1);
    for line in 0..rows {
        let at = state.table.top + line;
        if at >= state.progress.shown {
            break;
        }
        let y = area.y + 1 + u16::try_from(line).unwrap_or(0);
        match state.row(at) {
            Some(row) => draw_row(state, row, at, Rect { y, height: 1, ..area }, &columns, buffer),
            None => {
                buffer.set_string(area.x + GUTTER, y, "…", state.theme.dim());
            }
        }
    }
    if state.progress.shown == 0 {
        let text = match (state.progress.is_done, state.query.text.is_empty()) {
            (true, true) => "no flows in the input; 8 tells what was read",
            (true, false) => "nothing matches; u takes the filter before, x clears it",
            _ => "reading …",
        };
        buffer.set_string(area.x + GUTTER, area.y + 1, super::fitted(text, usize::from(area.width)), state.theme.dim());
    }
    scroll_bar(state, area, rows, buffer);
}

fn draw_row(state: &State, row: &Row, at: usize, area: Rect, columns: &[Placed], buffer: &mut Buffer) {
    let class = Class::of_byte(row.class);
    let is_current = at == state.table.at;
    let mark = if state.marks.contains_key(&row.place) { "●" } else { " " };
    buffer.set_string(area.x, area.y, mark, state.theme.heading());
    let sign = match class {
        Class::Dropped => "x",
        Class::Warned => "!",
        Class::Lost => "L",
        _ if row.class & FAILED != 0 => "!",
        _ => " ",
    };
    let bad = if row.class & FAILED != 0 { state.theme.class(Class::Warned) } else { state.theme.class(class) };
    buffer.set_string(area.x + 1, area.y, sign, bad);
    for (number, x, width) in columns {
        let Some(cell) = row.cells.get(*number) else { continue };
        let style = match state.columns.get(*number) {
            Some(Col::Verdict) => state.theme.class(class),
            Some(Col::Time | Col::Node) => state.theme.dim(),
            _ if class == Class::Dropped || class == Class::Lost => {
                state.theme.class(class).remove_modifier(Modifier::BOLD)
            }
            _ => Style::new(),
        };
        let style = if is_hit(state, cell) { style.patch(state.theme.hit()) } else { style };
        let is_end = matches!(state.columns.get(*number), Some(Col::Source | Col::Destination));
        let text = if is_end { with_port(cell, usize::from(*width)) } else { padded(cell, usize::from(*width), false) };
        buffer.set_string(*x, area.y, text, style);
        if *number + 1 == state.frozen {
            buffer.set_string(x + width, area.y, "│", state.theme.dim());
        }
    }
    if is_current {
        let style =
            if state.detail.has_focus { Style::new().add_modifier(Modifier::UNDERLINED) } else { state.theme.cursor() };
        buffer.set_style(Rect { width: area.width.saturating_sub(1), ..area }, style);
        if let Some((_, x, width)) = columns.iter().find(|(number, ..)| *number == state.column)
            && !state.detail.has_focus
        {
            buffer.set_style(Rect { x: *x, y: area.y, width: *width, height: 1 }, state.theme.chosen());
        }
    }
}

/// An end of which the name is cut before the port is.
fn with_port(cell: &str, room: usize) -> String {
    let port = cell.rfind(':').and_then(|at| Some((cell.get(..at)?, cell.get(at..)?)));
    match port.filter(|(_, port)| port.len() < 7 && cell.chars().count() > room) {
        Some((name, port)) => padded(&format!("{}{port}", fitted(name, room.saturating_sub(port.len()))), room, false),
        None => padded(cell, room, false),
    }
}

fn is_hit(state: &State, cell: &str) -> bool {
    !state.search.is_empty() && cell.to_lowercase().contains(&state.search.to_lowercase())
}

/// Where the lines in sight stand among all, at the right edge.
fn scroll_bar(state: &State, area: Rect, rows: usize, buffer: &mut Buffer) {
    let all = state.progress.shown;
    if all <= rows || rows == 0 || area.width == 0 {
        return;
    }
    let x = area.right() - 1;
    let from = state.table.top * rows / all;
    let to = ((state.table.top + rows) * rows).div_ceil(all).max(from + 1);
    for line in 0..rows {
        let y = area.y + 1 + u16::try_from(line).unwrap_or(0);
        let (symbol, style) =
            if (from..to).contains(&line) { ("█", state.theme.accent()) } else { ("│", state.theme.dim()) };
        let has_hit = {
            let here = (line * all / rows)..((line + 1) * all / rows);
            let first = state.hits.partition_point(|hit| *hit < here.start);
            state.hits.get(first).is_some_and(|hit| *hit < here.end)
        };
        let (symbol, style) = if has_hit { ("◆", style.patch(state.theme.hit())) } else { (symbol, style) };
        buffer.set_string(x, y, symbol, style);
    }
}
