//! Keys in what stands in front of a view.

use std::path::PathBuf;

use crossterm::event::KeyEvent;
use tui_input::Input;

use super::filter::{self, change, narrow};
use super::{act, flows, questions};
use crate::data::export::What;
use crate::data::query::{Query, with_word, without_times};
use crate::data::worker::Request;
use crate::keys::{self, Action, KEYS};
use crate::layout;
use crate::message::Effect;
use crate::state::overlay::{Columns, Does, Overlay, Palette, Prompt, Purpose};
use crate::state::table::{Move, TableCursor};
use crate::state::{Mark, State};

pub(super) fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let Some(overlay) = state.overlay.take() else { return Vec::new() };
    let name = keys::name(&key);
    if name == "Esc" {
        return if state.busy.take().is_some() { vec![Effect::Ask(Request::Cancel)] } else { Vec::new() };
    }
    match overlay {
        Overlay::Help(cursor) => help(state, cursor, &key),
        Overlay::Palette(palette) => in_palette(state, palette, &name, &key),
        Overlay::Columns(columns) => in_columns(state, columns, &name, &key),
        Overlay::Frequency(col) => frequency(state, col, &key),
        Overlay::Story { story, is_done, mut cursor } => {
            let action = keys::action(&key, true);
            if action == Some(Action::Enter) {
                let line = story.lines.get(cursor.at);
                let Some(time) = line.and_then(|line| line.time) else { return Vec::new() };
                state.busy = Some("looking for the line among those shown; x clears the filter".to_owned());
                let uuid = line.map(|line| line.uuid.clone()).filter(|uuid| !uuid.is_empty());
                return vec![Effect::Ask(Request::Goto { time, uuid })];
            }
            let room = usize::from(layout::large(state).height.saturating_sub(10));
            step(&mut cursor, action, story.lines.len(), room);
            let is_left = matches!(action, Some(Action::Quit | Action::Story));
            if !is_left {
                state.overlay = Some(Overlay::Story { story, is_done, cursor });
            }
            Vec::new()
        }
        Overlay::Prompt(prompt) => in_prompt(state, prompt, &name, &key),
    }
}

pub(super) fn paste(state: &mut State, text: &str) -> Vec<Effect> {
    // One line, and nothing that drives a terminal.
    let clean: String = text.chars().filter(|c| !lookback_flow::escape::drives(*c)).collect();
    let add = |input: &mut Input| {
        for c in clean.chars() {
            input.handle(tui_input::InputRequest::InsertChar(c));
        }
    };
    if state.filter.is_edited {
        add(&mut state.filter.input);
        return filter::edited(state);
    }
    match &mut state.overlay {
        Some(Overlay::Prompt(prompt)) => add(&mut prompt.input),
        Some(Overlay::Palette(palette)) => {
            add(&mut palette.input);
            palette.update(&state.questions.catalogue);
        }
        _ => {}
    }
    Vec::new()
}

/// Moves as an action says; gives whether it was one that moves.
fn step(cursor: &mut TableCursor, action: Option<Action>, lines: usize, room: usize) -> bool {
    let step = match action {
        Some(Action::Up) => Move::Up,
        Some(Action::Down) => Move::Down,
        Some(Action::PageUp) => Move::PageUp,
        Some(Action::PageDown) => Move::PageDown,
        Some(Action::Top) => Move::Top,
        Some(Action::Bottom) => Move::Bottom,
        _ => return false,
    };
    cursor.go(step, lines, room);
    true
}

fn help(state: &mut State, mut cursor: TableCursor, key: &KeyEvent) -> Vec<Effect> {
    let room = usize::from(layout::large(state).height.saturating_sub(2));
    // Three headings, and blank lines before two of them.
    let lines = KEYS.len() + 5;
    cursor.at = cursor.top;
    let action = keys::action(key, false);
    let moved = match action {
        // The text moves, not a cursor in it.
        Some(Action::Down) => {
            cursor.top = (cursor.top + 1).min(lines.saturating_sub(room));
            true
        }
        Some(Action::Up) => {
            cursor.top = cursor.top.saturating_sub(1);
            true
        }
        Some(Action::PageDown | Action::Bottom) => {
            cursor.top = (cursor.top + room).min(lines.saturating_sub(room));
            true
        }
        Some(Action::PageUp | Action::Top) => {
            cursor.top = cursor.top.saturating_sub(room);
            true
        }
        _ => false,
    };
    if moved {
        state.overlay = Some(Overlay::Help(cursor));
    }
    Vec::new()
}

fn in_palette(state: &mut State, mut palette: Palette, name: &str, key: &KeyEvent) -> Vec<Effect> {
    let room = usize::from(layout::large(state).height.saturating_sub(4));
    let lines = palette.items.len();
    match name {
        "Enter" => {
            let Some(item) = palette.items.get(palette.cursor.at) else { return Vec::new() };
            return match item.does {
                Does::Action(action) => act(state, action),
                Does::Question(number) => questions::ask_number(state, number),
            };
        }
        "Down" | "Tab" => palette.cursor.go(Move::Down, lines, room),
        "Up" | "BackTab" => palette.cursor.go(Move::Up, lines, room),
        "PageDown" => palette.cursor.go(Move::PageDown, lines, room),
        "PageUp" => palette.cursor.go(Move::PageUp, lines, room),
        _ => {
            if let Some(request) = filter::request(name, key) {
                palette.input.handle(request);
                palette.update(&state.questions.catalogue);
            }
        }
    }
    state.overlay = Some(Overlay::Palette(palette));
    Vec::new()
}

fn in_columns(state: &mut State, mut columns: Columns, name: &str, key: &KeyEvent) -> Vec<Effect> {
    let room = usize::from(layout::large(state).height.saturating_sub(4));
    let lines = columns.all.len();
    match name {
        "Enter" => {
            state.columns = columns.chosen;
            return flows::refetch(state);
        }
        "Space" | "Tab" => columns.toggle(),
        "ctrl-up" => columns.shift(true),
        "ctrl-down" => columns.shift(false),
        "Down" => columns.cursor.go(Move::Down, lines, room),
        "Up" => columns.cursor.go(Move::Up, lines, room),
        "PageDown" => columns.cursor.go(Move::PageDown, lines, room),
        "PageUp" => columns.cursor.go(Move::PageUp, lines, room),
        _ => {
            if let Some(request) = filter::request(name, key) {
                columns.input.handle(request);
                columns.update();
            }
        }
    }
    state.overlay = Some(Overlay::Columns(columns));
    Vec::new()
}

fn frequency(state: &mut State, col: crate::data::cell::Col, key: &KeyEvent) -> Vec<Effect> {
    let action = keys::action(key, true);
    let words = state.frequency.summary.table.lines.get(state.frequency.cursor.at).and_then(|line| line.words.clone());
    match (action, words) {
        (Some(Action::Enter | Action::FilterIn), Some(words)) => return narrow(state, &words, true),
        (Some(Action::FilterOut), Some(words)) => return narrow(state, &words, false),
        (Some(Action::Quit | Action::Frequency), _) => return Vec::new(),
        _ => {}
    }
    let room = usize::from(layout::large(state).height.saturating_sub(6));
    let lines = state.frequency.summary.table.lines.len();
    step(&mut state.frequency.cursor, action, lines, room);
    state.overlay = Some(Overlay::Frequency(col));
    Vec::new()
}

fn in_prompt(state: &mut State, mut prompt: Prompt, name: &str, key: &KeyEvent) -> Vec<Effect> {
    if name != "Enter" {
        if let Some(request) = filter::request(name, key) {
            prompt.input.handle(request);
        }
        state.overlay = Some(Overlay::Prompt(prompt));
        return Vec::new();
    }
    let text = prompt.input.value().trim().to_owned();
    match prompt.purpose {
        Purpose::Search => {
            state.search = text;
            if state.search.is_empty() {
                state.hits.clear();
                return Vec::new();
            }
            flows::search(state, true).into_iter().chain(flows::hits(state)).collect()
        }
        Purpose::Note => {
            if let Some(entry) = flows::current_entry(state) {
                state.marks.insert(entry.place, Mark { entry, note: text });
            }
            Vec::new()
        }
        Purpose::TimeRange => {
            let line = with_word(&without_times(&state.query.text), &text);
            match Query::parse(&line, state.extent) {
                Ok(_) => change(state, line.trim()),
                Err(mistakes) => {
                    let what = mistakes.first().map(|mistake| mistake.what.clone()).unwrap_or_default();
                    state.complain(what);
                    state.overlay = Some(Overlay::Prompt(prompt));
                    Vec::new()
                }
            }
        }
        Purpose::Parameters => questions::ask_typed(state, &text),
        Purpose::ExportShown | Purpose::ExportMarks | Purpose::ExportLine if text.is_empty() => Vec::new(),
        Purpose::ExportShown => export(state, &text, What::Shown),
        Purpose::ExportMarks => {
            let mut marks: Vec<_> = state.marks.values().map(|mark| (mark.entry, mark.note.clone())).collect();
            marks.sort();
            export(state, &text, What::Marked(marks))
        }
        Purpose::ExportLine => {
            let line = flows::current_entry(state).map(|entry| (entry, String::new()));
            export(state, &text, What::Marked(line.into_iter().collect()))
        }
    }
}

fn export(state: &mut State, path: &str, what: What) -> Vec<Effect> {
    let head =
        format!("# Flows\n\nFrom {}, by:\n\n    {}\n\n", state.inputs.join(", "), state.query.command(&state.inputs));
    state.busy = Some(format!("writing {path}"));
    let columns = state.columns.clone();
    vec![Effect::Ask(Request::Export { path: PathBuf::from(path), what, columns, head })]
}
