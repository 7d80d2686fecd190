//! The questions view.

use tui_input::Input;

use crate::data::query::words;
use crate::keys::ViewId;
use crate::message::Effect;
use crate::questions::{Answer, Asked};
use crate::state::State;
use crate::state::overlay::{Overlay, Prompt, Purpose};
use crate::state::table::{Move, TableCursor};

pub(super) fn moved(state: &mut State, step: Move, room: usize) -> Vec<Effect> {
    let pane = &mut state.questions;
    if pane.in_answer {
        let lines = pane.answer.as_ref().and_then(|answer| answer.as_ref().ok()).map_or(0, |answer| answer.rows.len());
        pane.table.go(step, lines, room);
    } else {
        let lines = pane.catalogue.len();
        pane.list.go(step, lines, room);
    }
    Vec::new()
}

/// Asks the question under the cursor; in the answer, goes back to the list.
pub(super) fn enter(state: &mut State) -> Vec<Effect> {
    if state.questions.in_answer {
        state.questions.in_answer = false;
        return Vec::new();
    }
    let Some(question) = state.questions.catalogue.get(state.questions.list.at).cloned() else { return Vec::new() };
    if question.parameters.iter().all(|parameter| parameter.default.is_some()) {
        return ask(state, Vec::new());
    }
    let open = question.parameters.iter().filter(|parameter| parameter.default.is_none());
    let (mut text, mut hint) = (String::new(), Vec::new());
    for parameter in open {
        text.push_str(&parameter.name);
        text.push(':');
        hint.push(format!("{}: {}", parameter.name, parameter.help));
    }
    state.overlay = Some(Overlay::Prompt(Prompt {
        title: question.title.clone(),
        hint: hint.join("; "),
        input: Input::new(text),
        purpose: Purpose::Parameters,
    }));
    Vec::new()
}

/// Asks with parameters as they were typed: `name:value name:value`.
pub(super) fn ask_typed(state: &mut State, text: &str) -> Vec<Effect> {
    let parameters = words(text).into_iter().filter_map(|word| Some((word.key, word.value?)));
    let parameters = parameters.filter(|(_, value)| !value.is_empty()).collect();
    ask(state, parameters)
}

/// Asks the question of a number of the catalogue.
pub(super) fn ask_number(state: &mut State, number: usize) -> Vec<Effect> {
    state.view = ViewId::Questions;
    state.questions.in_answer = false;
    let room = crate::layout::table_room(state);
    let lines = state.questions.catalogue.len();
    state.questions.list.jump(number, lines, room);
    enter(state)
}

fn ask(state: &mut State, parameters: Vec<(String, String)>) -> Vec<Effect> {
    let Some(question) = state.questions.catalogue.get(state.questions.list.at) else { return Vec::new() };
    let namespace = words(&state.query.text).into_iter().find(|word| word.key == "namespace" && !word.is_turned);
    let asked = Asked {
        name: question.name.clone(),
        parameters,
        window: state.query.window,
        namespace: namespace.and_then(|word| word.value),
    };
    let others = words(&state.query.text);
    let is_scope = |key: &str| matches!(key, "since" | "until" | "last" | "namespace");
    if others.iter().any(|word| word.is_turned || !is_scope(&word.key)) {
        state.say("of the filter, time and namespace hold for questions");
    }
    let pane = &mut state.questions;
    pane.generation += 1;
    pane.is_running = true;
    pane.answer = None;
    pane.table = TableCursor::default();
    pane.asked = Some(asked.clone());
    vec![Effect::CancelQuestion, Effect::Question { generation: pane.generation, asked }]
}

pub(super) fn answered(state: &mut State, generation: u64, answer: Result<Answer, String>) -> Vec<Effect> {
    let pane = &mut state.questions;
    if generation == pane.generation {
        pane.is_running = false;
        pane.in_answer = answer.as_ref().is_ok_and(|answer| !answer.rows.is_empty());
        pane.answer = Some(answer);
    }
    Vec::new()
}
