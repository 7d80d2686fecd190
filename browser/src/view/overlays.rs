//! What stands in front of a view: help, palette, columns, frequency, story, a line that is asked for.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Widget as _};
use tui_input::Input;

use super::summary::{draw_notes, draw_table};
use super::{fitted, padded};
use crate::data::class::{Class, FAILED};
use crate::data::story::Story;
use crate::keys::{KEYS, Place};
use crate::layout;
use crate::state::State;
use crate::state::overlay::{Columns, Overlay, Palette, Prompt};
use crate::state::table::TableCursor;

pub(super) fn draw(state: &State, frame: &mut Frame<'_>) {
    match &state.overlay {
        None => {}
        Some(Overlay::Help(cursor)) => help(state, *cursor, frame),
        Some(Overlay::Palette(palette)) => draw_palette(state, palette, frame),
        Some(Overlay::Columns(columns)) => draw_columns(state, columns, frame),
        Some(Overlay::Frequency(col)) => {
            let title = format!("How often: {}", col.name());
            let area = boxed(state, layout::large(state), &title, "Enter or + keeps, - leaves out, Esc closes", frame);
            let pane = &state.frequency;
            let notes = Rect { height: 1.min(area.height), ..area };
            let table = Rect { y: area.y + notes.height, height: area.height - notes.height, ..area };
            draw_notes(state, &pane.summary, (pane.done, pane.is_done), notes, frame.buffer_mut());
            draw_table(state, &pane.summary.table, pane.cursor, table, frame.buffer_mut());
        }
        Some(Overlay::Story { story, is_done, cursor }) => draw_story(state, story, *is_done, *cursor, frame),
        Some(Overlay::Prompt(prompt)) => draw_prompt(state, prompt, frame),
    }
}

/// An empty box with a title and a hint; gives what is inside.
fn boxed(state: &State, area: Rect, title: &str, hint: &str, frame: &mut Frame<'_>) -> Rect {
    Clear.render(area, frame.buffer_mut());
    let block = Block::bordered()
        .border_style(state.theme.accent())
        .title(Line::styled(format!(" {title} "), state.theme.heading()))
        .title_bottom(Line::styled(format!(" {hint} "), state.theme.dim()));
    let inner = block.inner(area);
    block.render(area, frame.buffer_mut());
    inner
}

fn input_line(state: &State, input: &Input, label: &str, area: Rect, frame: &mut Frame<'_>) {
    let label_width = u16::try_from(label.chars().count()).unwrap_or(0);
    frame.buffer_mut().set_string(area.x, area.y, label, state.theme.accent());
    let room = area.width.saturating_sub(label_width);
    let scroll = input.visual_scroll(usize::from(room.saturating_sub(1)));
    let shown: String = input.value().chars().skip(scroll).collect();
    frame.buffer_mut().set_stringn(area.x + label_width, area.y, shown, usize::from(room), Style::new());
    let cursor = u16::try_from(input.visual_cursor().saturating_sub(scroll)).unwrap_or(0);
    frame.set_cursor_position(Position::new(area.x + label_width + cursor.min(room), area.y));
}

fn help(state: &State, cursor: TableCursor, frame: &mut Frame<'_>) {
    let area =
        boxed(state, layout::large(state), "Keys", "made from the key table; Down and Up move, Esc closes", frame);
    let mut lines: Vec<(String, Style)> = Vec::new();
    for place in [Place::Everywhere, Place::Tables, Place::Flows] {
        if !lines.is_empty() {
            lines.push((String::new(), Style::new()));
        }
        lines.push((place.title().to_owned(), state.theme.heading()));
        for binding in KEYS.iter().filter(|binding| binding.place == place) {
            lines.push((format!("  {:<22} {}", binding.keys.join(" "), binding.help), Style::new()));
        }
    }
    let room = usize::from(area.width);
    for ((text, style), y) in lines.iter().skip(cursor.top).zip(area.y..area.bottom()) {
        frame.buffer_mut().set_string(area.x, y, fitted(text, room), *style);
    }
}

fn draw_palette(state: &State, palette: &Palette, frame: &mut Frame<'_>) {
    let area = boxed(state, layout::large(state), "Do", "type some letters; Enter does it, Esc closes", frame);
    input_line(state, &palette.input, "> ", Rect { height: 1, ..area }, frame);
    let rows = usize::from(area.height.saturating_sub(2));
    for ((at, item), y) in palette.items.iter().enumerate().skip(palette.cursor.top).take(rows).zip(area.y + 2..) {
        let room = usize::from(area.width).saturating_sub(16);
        let text = format!("{:<14} {}", item.keys, fitted(&item.text, room));
        let style = if at == palette.cursor.at { state.theme.chosen() } else { Style::new() };
        frame.buffer_mut().set_string(area.x, y, padded(&text, usize::from(area.width), false), style);
    }
}

fn draw_columns(state: &State, columns: &Columns, frame: &mut Frame<'_>) {
    let hint = "Space shows or hides, ctrl-Up and ctrl-Down move, Enter takes, Esc leaves";
    let area = boxed(state, layout::large(state), "Columns", hint, frame);
    input_line(state, &columns.input, "find ", Rect { height: 1, ..area }, frame);
    let rows = usize::from(area.height.saturating_sub(2));
    for ((at, col), y) in columns.all.iter().enumerate().skip(columns.cursor.top).take(rows).zip(area.y + 2..) {
        let place = columns.chosen.iter().position(|own| own == col);
        let sign = place.map_or_else(|| "   ".to_owned(), |place| format!("{:>2} ", place + 1));
        let doc = match col {
            crate::data::cell::Col::Stored(id) => id.column().doc,
            _ => "in Hubble's words",
        };
        let text = format!("{sign}{:<30} {doc}", col.name());
        let style = if at == columns.cursor.at { state.theme.chosen() } else { Style::new() };
        frame.buffer_mut().set_string(area.x, y, padded(&text, usize::from(area.width), false), style);
    }
}

fn draw_story(state: &State, story: &Story, is_done: bool, cursor: TableCursor, frame: &mut Frame<'_>) {
    let hint = "Enter goes to the line, Esc closes";
    let area = boxed(state, layout::large(state), "Story", hint, frame);
    let buffer = frame.buffer_mut();
    let room = usize::from(area.width);
    buffer.set_string(area.x, area.y, fitted(&story.title, room), state.theme.heading());
    if !is_done {
        buffer.set_string(area.x, area.y + 1, "looking …", state.theme.dim());
        return;
    }
    // Sections with their titles; the line under the cursor is kept in sight.
    let mut rows: Vec<(Option<usize>, String, Style)> = Vec::new();
    let mut section = None;
    for (at, line) in story.lines.iter().enumerate() {
        if section != Some(line.section) {
            section = Some(line.section);
            rows.push((None, line.section.title().to_owned(), state.theme.heading()));
        }
        let class = Class::of_byte(line.class);
        let sign = match class {
            Class::Dropped => 'x',
            Class::Warned => '!',
            Class::Lost => 'L',
            _ if line.class & FAILED != 0 => '!',
            _ => ' ',
        };
        let own = if line.is_self { '▶' } else { ' ' };
        let width = room.saturating_sub(58) / 2;
        let cell = |at: usize| line.cells.get(at).map(String::as_str).unwrap_or_default();
        let ends = width.clamp(16, 40);
        let text = format!(
            "{own}{sign} {} {} {} {} {} {}",
            cell(0),
            padded(cell(1), ends, false),
            padded(cell(2), ends, false),
            padded(cell(3), 16, false),
            padded(cell(4), 10, false),
            cell(5)
        );
        let style =
            if matches!(class, Class::Dropped | Class::Warned) { state.theme.class(class) } else { Style::new() };
        rows.push((Some(at), text, style));
    }
    rows.extend(story.missing.iter().map(|text| (None, text.clone(), state.theme.dim())));
    let height = usize::from(area.height.saturating_sub(2));
    let current = rows.iter().position(|(at, ..)| *at == Some(cursor.at)).unwrap_or(0);
    let top = (current + 1).saturating_sub(height);
    for ((at, text, style), y) in rows.iter().skip(top).take(height).zip(area.y + 2..) {
        let style = if *at == Some(cursor.at) { style.patch(state.theme.cursor()) } else { *style };
        buffer.set_string(area.x, y, padded(text, room, false), style);
    }
}

fn draw_prompt(state: &State, prompt: &Prompt, frame: &mut Frame<'_>) {
    let area = boxed(state, layout::popup(state, 84, 4), &prompt.title, "Enter takes, Esc leaves", frame);
    input_line(state, &prompt.input, "> ", Rect { height: 1, ..area }, frame);
    if area.height > 1 {
        let hint = fitted(&prompt.hint, usize::from(area.width));
        frame.buffer_mut().set_string(area.x, area.y + 1, hint, state.theme.dim());
    }
}
