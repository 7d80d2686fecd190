//! The filter line, and what is shown by it.

use crossterm::event::KeyEvent;
use tui_input::{Input, InputRequest};

use super::{fetch, views};
use crate::data::query::{Query, with_word, without_times};
use crate::data::worker::Request;
use crate::keys::{self, Action, ViewId};
use crate::message::Effect;
use crate::state::State;
use crate::state::overlay::{Overlay, Prompt, Purpose};
use crate::state::table::TableCursor;

pub(super) fn act(state: &mut State, action: Action) -> Vec<Effect> {
    match action {
        Action::Filter => {
            let text = state.query.text.clone();
            state.filter.before.clone_from(&text);
            state.filter.input = Input::new(text);
            state.filter.is_edited = true;
            state.filter.mistakes.clear();
            offers(state)
        }
        Action::ClearFilter => change(state, ""),
        Action::UndoFilter => match state.filter.past.pop() {
            Some(text) => {
                let own = state.query.text.clone();
                state.filter.future.push(own);
                show(state, &text)
            }
            None => told(state, "no filter before this one"),
        },
        Action::RedoFilter => match state.filter.future.pop() {
            Some(text) => {
                let own = state.query.text.clone();
                state.filter.past.push(own);
                show(state, &text)
            }
            None => told(state, "no filter after this one"),
        },
        Action::TimeRange => {
            let window = state.query.window.or(state.extent);
            let text = window.map(|(since, until)| {
                let whole =
                    |time: i64| time.clamp(state.extent.map_or(time, |e| e.0), state.extent.map_or(time, |e| e.1));
                let time = |time| lookback_flow::time::rfc3339(whole(time));
                format!("since:{} until:{}", time(since), time(until))
            });
            state.overlay = Some(Overlay::Prompt(Prompt {
                title: "Time range".to_owned(),
                hint: "since:12:10 until:12:20, last:10m, or whole times; empty for all".to_owned(),
                input: Input::new(text.unwrap_or_default()),
                purpose: Purpose::TimeRange,
            }));
            Vec::new()
        }
        _ => {
            let text = without_times(&state.query.text);
            change(state, &text)
        }
    }
}

fn told(state: &mut State, what: &str) -> Vec<Effect> {
    state.say(what);
    Vec::new()
}

/// Shows another filter, and remembers the one before.
pub(super) fn change(state: &mut State, text: &str) -> Vec<Effect> {
    if text == state.query.text {
        return Vec::new();
    }
    let before = state.query.text.clone();
    let effects = show(state, text);
    if state.query.text == text {
        state.filter.remember(&before);
    }
    effects
}

/// Keeps, or leaves out, what a word of the filter line says.
pub(super) fn narrow(state: &mut State, words: &str, keeps: bool) -> Vec<Effect> {
    let text = if keeps {
        let is_time = |word: &str| word.starts_with("since:") || word.starts_with("until:");
        let base =
            if words.split(' ').any(is_time) { without_times(&state.query.text) } else { state.query.text.clone() };
        with_word(&base, words)
    } else {
        with_word(&state.query.text, &format!("not:{words}"))
    };
    state.wanted = state.wanted.or(state.current().and_then(|row| row.time));
    change(state, &text)
}

/// Shows a filter from its first row on; a mistake in it is told and changes nothing.
pub fn show(state: &mut State, text: &str) -> Vec<Effect> {
    match Query::parse(text, state.extent) {
        Ok(query) => {
            state.query = query;
            requery(state)
        }
        Err(mistakes) => {
            let what = mistakes.first().map(|mistake| mistake.what.clone()).unwrap_or_default();
            state.complain(what);
            Vec::new()
        }
    }
}

/// Asks for the rows anew: the filter or the order has changed.
pub(super) fn requery(state: &mut State) -> Vec<Effect> {
    state.generation += 1;
    state.asked = None;
    state.table = TableCursor::default();
    state.progress.is_done = false;
    state.progress.shown = 0;
    state.busy = None;
    state.summaries.retain(|view, _| *view == ViewId::Coverage);
    let (query, sort) = (state.query.clone(), state.sort);
    let mut effects = vec![Effect::Ask(Request::Query { generation: state.generation, query, sort })];
    effects.extend(fetch(state));
    effects.extend(super::flows::hits(state));
    if state.view != ViewId::Flows {
        effects.extend(views::open(state, state.view));
    }
    effects
}

/// A key while the line is edited. What stands there is shown as soon as it makes sense.
pub(super) fn edit(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let chosen = state.filter.completion.chosen;
    let offers_there = state.filter.completion.offers.len();
    match keys::name(&key).as_str() {
        "Esc" if chosen.is_some() => {
            state.filter.completion.chosen = None;
            return Vec::new();
        }
        "Esc" => {
            state.filter.is_edited = false;
            state.filter.mistakes.clear();
            let before = state.filter.before.clone();
            return if before == state.query.text { Vec::new() } else { show(state, &before) };
        }
        "Tab" if offers_there > 0 => return complete(state, chosen.unwrap_or(0)),
        "Enter" => {
            if let Some(chosen) = chosen {
                return complete(state, chosen);
            }
            return enter(state);
        }
        "Down" if offers_there > 0 && state.filter.recalled.is_none() => {
            state.filter.completion.chosen = Some(chosen.map_or(0, |at| (at + 1) % offers_there));
            return Vec::new();
        }
        "Up" if chosen.is_some() => {
            state.filter.completion.chosen = chosen.and_then(|at| at.checked_sub(1));
            return Vec::new();
        }
        name @ ("Up" | "Down") => {
            if let Some(text) = state.filter.recall(name == "Up") {
                state.filter.input = Input::new(text);
                return edited(state);
            }
            return Vec::new();
        }
        name => match request(name, &key) {
            Some(request) => {
                state.filter.input.handle(request);
                state.filter.recalled = None;
            }
            None => return Vec::new(),
        },
    }
    edited(state)
}

/// What a key does in a line of text.
pub(super) fn request(name: &str, key: &KeyEvent) -> Option<InputRequest> {
    use InputRequest as R;
    Some(match name {
        "Backspace" | "ctrl-h" => R::DeletePrevChar,
        "Delete" => R::DeleteNextChar,
        "Left" => R::GoToPrevChar,
        "Right" => R::GoToNextChar,
        "ctrl-left" => R::GoToPrevWord,
        "ctrl-right" => R::GoToNextWord,
        "Home" | "ctrl-a" => R::GoToStart,
        "End" | "ctrl-e" => R::GoToEnd,
        "ctrl-w" => R::DeletePrevWord,
        "ctrl-u" => R::DeleteLine,
        "ctrl-k" => R::DeleteTillEnd,
        "Space" => R::InsertChar(' '),
        _ => match key.code {
            crossterm::event::KeyCode::Char(c) if !key.modifiers.contains(crossterm::event::KeyModifiers::CONTROL) => {
                R::InsertChar(c)
            }
            _ => return None,
        },
    })
}

fn complete(state: &mut State, offer: usize) -> Vec<Effect> {
    let (text, cursor) = (state.filter.input.value().to_owned(), byte_cursor(&state.filter.input));
    if let Some((text, end)) = state.filter.completion.complete(&text, cursor, offer) {
        let chars = text.get(..end).map_or(0, |before| before.chars().count());
        state.filter.input = Input::new(text).with_cursor(chars);
    }
    edited(state)
}

/// The cursor in bytes.
pub(super) fn byte_cursor(input: &Input) -> usize {
    input.value().char_indices().nth(input.cursor()).map_or(input.value().len(), |(at, _)| at)
}

/// The line has changed: its mistakes are shown, or its rows.
pub(super) fn edited(state: &mut State) -> Vec<Effect> {
    let text = state.filter.input.value().to_owned();
    let mut effects = offers(state);
    match Query::parse(&text, state.extent) {
        Ok(query) => {
            state.filter.mistakes.clear();
            let is_new = query.flags != state.query.flags;
            state.query = query;
            if is_new {
                effects.extend(requery(state));
            }
        }
        Err(mistakes) => state.filter.mistakes = mistakes,
    }
    effects
}

fn offers(state: &mut State) -> Vec<Effect> {
    let (text, cursor) = (state.filter.input.value().to_owned(), byte_cursor(&state.filter.input));
    let wanted = state.filter.completion.update(&text, cursor);
    wanted.map(|(flag, column)| Effect::Ask(Request::Values { flag, column })).into_iter().collect()
}

fn enter(state: &mut State) -> Vec<Effect> {
    let text = state.filter.input.value().trim().to_owned();
    if let Some(mistake) = state.filter.mistakes.first() {
        let what = mistake.what.clone();
        state.complain(what);
        return Vec::new();
    }
    state.filter.is_edited = false;
    state.filter.enter(&text);
    let before = state.filter.before.clone();
    if before != text {
        state.filter.remember(&before);
    }
    state.query.text = text;
    Vec::new()
}
