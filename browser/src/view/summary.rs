//! Views that count: notes, a table, bars.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{fitted, padded};
use crate::data::summary::{Bars, Summary, Table, grouped};
use crate::keys::ViewId;
use crate::layout;
use crate::state::State;
use crate::state::table::TableCursor;

pub(super) fn draw(state: &State, view: ViewId, area: Rect, frame: &mut Frame<'_>) {
    let buffer = frame.buffer_mut();
    let Some(pane) = state.summaries.get(&view) else { return };
    let [notes, table, chart] = layout::summary(area, pane.summary.notes.len(), pane.chart_lines());
    draw_notes(state, &pane.summary, (pane.done, pane.is_done), notes, buffer);
    draw_table(state, &pane.summary.table, pane.cursor, table, buffer);
    if let Some(bars) = &pane.summary.bars {
        draw_bars(state, bars, chart, buffer);
    }
    if let Some(drawing) = &pane.drawing {
        super::map::draw(state, pane, drawing, chart, buffer);
    }
}

pub(super) fn draw_notes(
    state: &State,
    summary: &Summary,
    (done, is_done): ((usize, usize), bool),
    area: Rect,
    buffer: &mut Buffer,
) {
    for (note, y) in summary.notes.iter().zip(area.y..area.bottom()) {
        let more = if is_done { String::new() } else { format!("  (counting, {} of {} parts)", done.0, done.1) };
        buffer.set_string(
            area.x + 1,
            y,
            fitted(&format!("{note}{more}"), usize::from(area.width.saturating_sub(2))),
            state.theme.dim(),
        );
    }
}

/// Least width that a column is cut down to; what stands to the right of the room is left out.
const LEAST: usize = 14;

/// The widths that the cells ask for; what is missing is taken from the widest, and then the last columns are left out.
fn widths(table: &Table, room: usize) -> Vec<usize> {
    let wanted = |(at, (name, _)): (usize, &(String, bool))| {
        let cells = table.lines.iter().take(200).filter_map(|line| line.cells.get(at));
        let widest = cells.map(|cell| unicode_width::UnicodeWidthStr::width(cell.as_str())).max().unwrap_or(0);
        widest.max(name.chars().count())
    };
    let mut widths: Vec<usize> = table.columns.iter().enumerate().map(wanted).collect();
    let whole = |widths: &[usize], least: usize| {
        widths.iter().map(|width| *width.min(&least)).sum::<usize>() + widths.len().saturating_sub(1) * 2
    };
    while widths.len() > 1 && whole(&widths, LEAST) > room {
        widths.pop();
    }
    while whole(&widths, usize::MAX) > room {
        let Some(widest) = widths.iter_mut().max().filter(|width| **width > 4) else { break };
        *widest -= 1;
    }
    widths
}

pub(super) fn draw_table(state: &State, table: &Table, cursor: TableCursor, area: Rect, buffer: &mut Buffer) {
    let room = usize::from(area.width.saturating_sub(2));
    let widths = widths(table, room);
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let each = cells.zip(&widths).zip(&table.columns);
        let texts: Vec<String> = each.map(|((cell, width), (_, right))| padded(cell, *width, *right)).collect();
        texts.join("  ")
    };
    let heading = line(&mut table.columns.iter().map(|(name, _)| name.as_str()));
    buffer.set_stringn(area.x + 1, area.y, heading, room, state.theme.heading());
    let rows = usize::from(area.height.saturating_sub(1));
    let shown = table.lines.iter().enumerate().skip(cursor.top).take(rows);
    for ((at, of), y) in shown.zip(area.y + 1..) {
        let style = if of.is_bad { state.theme.class(crate::data::class::Class::Warned) } else { Style::new() };
        buffer.set_stringn(area.x, y, if of.is_bad { "!" } else { " " }, 1, style);
        buffer.set_stringn(
            area.x + 1,
            y,
            line(&mut of.cells.iter().map(String::as_str)),
            room,
            if of.is_bad { style.remove_modifier(ratatui::style::Modifier::BOLD) } else { style },
        );
        if at == cursor.at {
            buffer.set_style(Rect { x: area.x, y, width: area.width, height: 1 }, state.theme.cursor());
        }
    }
}

/// Bars side by side with their names, the longest as wide as there is room.
pub(super) fn draw_bars(state: &State, bars: &Bars, area: Rect, buffer: &mut Buffer) {
    if area.height < 2 {
        return;
    }
    buffer.set_stringn(area.x + 1, area.y, &bars.title, usize::from(area.width), state.theme.heading());
    let name_width = bars
        .bars
        .iter()
        .map(|(name, _)| unicode_width::UnicodeWidthStr::width(name.as_str()))
        .max()
        .unwrap_or(0)
        .min(usize::from(area.width) / 3);
    let most = bars.bars.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    let room = u64::from(area.width).saturating_sub(name_width as u64 + 14);
    for ((name, count), y) in bars.bars.iter().zip(area.y + 1..area.bottom()) {
        let length = usize::try_from((count * room).div_ceil(most)).unwrap_or(0);
        let text = format!("{} {} {}", padded(name, name_width, true), "█".repeat(length), grouped(*count));
        buffer.set_stringn(area.x + 1, y, text, usize::from(area.width.saturating_sub(1)), state.theme.accent());
    }
}
