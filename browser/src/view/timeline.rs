//! Events over time, stacked by verdict: bars, marks of trouble below them, and the time.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::data::cell::clock;
use crate::data::class::Class;
use crate::data::timeline::Bar;
use crate::state::State;

/// From the bottom up.
const STACK: [Class; 5] = [Class::Dropped, Class::Warned, Class::Lost, Class::Forwarded, Class::Other];

const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

pub(super) fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    if area.height < 3 || area.width == 0 {
        return;
    }
    let bars = state.progress.timeline.bars(usize::from(area.width), None);
    let most = bars.iter().map(Bar::total).max().unwrap_or(0).max(1);
    let rows = area.height - 2;
    for (x, bar) in (area.x..).zip(&bars) {
        column(state, Rect { x, width: 1, height: rows, ..area }, bar, most, buffer);
        let (mark, class) = mark(bar);
        buffer.set_string(x, area.y + rows, mark, state.theme.class(class));
    }
    brush(state, area, rows, buffer);
    times(state, area, &bars, buffer);
}

/// Nothing is told by colour alone: what is under a bar says that there were drops, errors or losses in it.
fn mark(bar: &Bar) -> (&'static str, Class) {
    let of = |class: Class| bar.counts.get(class as usize).copied().unwrap_or_default();
    if of(Class::Lost) > 0 {
        ("L", Class::Lost)
    } else if of(Class::Dropped) > 0 {
        ("x", Class::Dropped)
    } else if of(Class::Warned) > 0 {
        ("!", Class::Warned)
    } else if bar.total() > 0 {
        ("─", Class::Other)
    } else {
        (" ", Class::Other)
    }
}

/// One bar. Where one class ends within a cell, the next one is the cell's background.
fn column(state: &State, area: Rect, bar: &Bar, most: u64, buffer: &mut Buffer) {
    let units = u64::from(area.height) * 8;
    let mut pieces: Vec<(Class, u64)> = Vec::new();
    let mut used = 0;
    for class in STACK {
        let count = bar.counts.get(class as usize).copied().unwrap_or_default();
        if count > 0 {
            // However few they are, they are seen.
            let own = (count * units / most).max(1).min(units.saturating_sub(used));
            pieces.push((class, used + own));
            used += own;
        }
    }
    for row in 0..area.height {
        let floor = u64::from(row) * 8;
        let y = area.y + area.height - 1 - row;
        let at = |unit: u64| pieces.iter().find(|(_, end)| unit < *end).map(|(class, _)| *class);
        let Some(lower) = at(floor) else { continue };
        let own_end = pieces.iter().find(|(class, _)| *class == lower).map_or(0, |(_, end)| *end);
        let eighths = own_end.saturating_sub(floor).min(8);
        let upper = at(floor + eighths).filter(|_| eighths < 8);
        let mut style = state.theme.class(lower);
        if let Some(colour) = upper.and_then(|class| state.theme.class(class).fg) {
            style = style.bg(colour);
        }
        let symbol = usize::try_from(eighths).ok().and_then(|at| EIGHTHS.get(at)).copied().unwrap_or(" ");
        buffer.set_string(area.x, y, symbol, style);
    }
}

fn brush(state: &State, area: Rect, rows: u16, buffer: &mut Buffer) {
    let Some(brush) = state.brush else { return };
    let anchor = brush.anchor.unwrap_or(brush.at);
    let (from, to) = (anchor.min(brush.at), anchor.max(brush.at));
    for x in from..=to {
        let x = area.x + u16::try_from(x).unwrap_or(u16::MAX).min(area.width.saturating_sub(1));
        buffer.set_style(Rect { x, y: area.y, width: 1, height: rows + 1 }, state.theme.cursor());
        if brush.at == usize::from(x - area.x) {
            buffer.set_string(x, area.y, "▼", state.theme.heading());
        }
    }
}

/// The time of the first and last bar, of the one under the cursor, and what a bar stands for.
fn times(state: &State, area: Rect, bars: &[Bar], buffer: &mut Buffer) {
    let (Some(first), Some(last)) = (bars.first(), bars.last()) else { return };
    let y = area.y + area.height - 1;
    let dim = state.theme.dim();
    let blank = " ".repeat(usize::from(area.width));
    buffer.set_string(area.x, y, blank, Style::new());
    let (left, right) = (clock(first.from), clock(last.to));
    buffer.set_string(area.x, y, &left, dim);
    let end = area.x + area.width.saturating_sub(u16::try_from(right.len()).unwrap_or(0));
    buffer.set_string(end, y, &right, dim);
    let chosen =
        state.brush.and_then(|brush| bars.get(brush.at)).map(|bar| format!("{} {}", clock(bar.from), counts(bar)));
    let cursor = state.current().and_then(|row| row.time);
    let middle = chosen.unwrap_or_else(|| {
        let seconds = (first.to - first.from).max(1) / 1_000_000_000;
        if seconds > 0 {
            format!("a bar is {seconds}s")
        } else {
            format!("a bar is {}ms", (first.to - first.from) / 1_000_000)
        }
    });
    let width = u16::try_from(middle.chars().count()).unwrap_or(0);
    let start = area.x + area.width.saturating_sub(width) / 2;
    if width + 28 < area.width {
        buffer.set_string(start, y, &middle, dim);
    }
    if let Some(at) = cursor.and_then(|time| bars.iter().position(|bar| bar.from <= time && time < bar.to)) {
        let x = area.x + u16::try_from(at).unwrap_or(0);
        buffer.set_style(Rect { x, y: y - 1, width: 1, height: 1 }, state.theme.chosen());
    }
}

fn counts(bar: &Bar) -> String {
    let told = Class::ALL.iter().filter_map(|class| {
        let count = bar.counts.get(*class as usize).copied().unwrap_or_default();
        (count > 0).then(|| format!("{count} {}", class.name()))
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() { "nothing".to_owned() } else { told.join(", ") }
}
