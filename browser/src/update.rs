//! What becomes of the state when something happens, and what is to be done then. Nothing here waits or touches the world.

mod filter;
mod flows;
mod mouse;
mod overlay;
mod questions;
mod reply;
mod trail;
mod views;

use crossterm::event::{KeyEvent, KeyEventKind};

use crate::data::worker::Request;
use crate::keys::{self, Action, ViewId};
use crate::message::{Effect, Message};
use crate::state::State;
use crate::state::overlay::Overlay;
use crate::state::table::{Move, TableCursor};

pub use filter::show;
pub use flows::fetch;

/// Takes what happened.
pub fn update(state: &mut State, message: Message) -> Vec<Effect> {
    match message {
        Message::Key(key) if key.kind != KeyEventKind::Release => press(state, key),
        Message::Key(_) => Vec::new(),
        Message::Mouse(event) => mouse::mouse(state, event),
        Message::Paste(text) => overlay::paste(state, &text),
        Message::Resize(width, height) => {
            state.size = (width, height);
            let (at, rows) = (state.table.at, state.flow_rows());
            state.table.set(at, state.progress.shown, rows);
            fetch(state)
        }
        Message::Reply(reply) => reply::reply(state, reply),
        Message::Answer { generation, answer } => questions::answered(state, generation, answer),
        Message::Tick => {
            state.ticks += 1;
            Vec::new()
        }
        Message::End => vec![Effect::Quit],
    }
}

fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    if keys::name(&key) == "ctrl-c" {
        return vec![Effect::Quit];
    }
    if state.filter.is_edited {
        return filter::edit(state, key);
    }
    if state.brush.is_some() {
        return flows::brush_key(state, key);
    }
    if state.overlay.is_some() {
        return overlay::press(state, key);
    }
    let Some(action) = keys::action(&key, state.view == ViewId::Flows) else {
        let name = keys::name(&key);
        if name.chars().count() == 1 {
            state.say(format!("{name} does nothing here; ? shows the keys"));
        }
        return Vec::new();
    };
    state.message.clear();
    act(state, action)
}

/// Does what an action says, wherever it came from.
pub fn act(state: &mut State, action: Action) -> Vec<Effect> {
    match action {
        Action::Quit => vec![Effect::Quit],
        Action::Help => overlaid(state, Overlay::Help(TableCursor::default())),
        Action::Palette => {
            let mut palette = crate::state::overlay::Palette::default();
            palette.update(&state.questions.catalogue);
            overlaid(state, Overlay::Palette(palette))
        }
        Action::Back => back(state),
        Action::Theme => {
            state.theme = state.theme.next();
            state.say(format!("theme: {}", state.theme.name()));
            Vec::new()
        }
        Action::View(view) => views::open(state, view),
        Action::NextView | Action::PreviousView => {
            let at = ViewId::ALL.iter().position(|view| *view == state.view).unwrap_or(0);
            let step = if action == Action::NextView { 1 } else { ViewId::ALL.len() - 1 };
            let next = ViewId::ALL.get((at + step) % ViewId::ALL.len()).copied().unwrap_or_default();
            views::open(state, next)
        }
        Action::Filter
        | Action::ClearFilter
        | Action::UndoFilter
        | Action::RedoFilter
        | Action::TimeRange
        | Action::WholeTime => filter::act(state, action),
        Action::CopyCommand if state.view == ViewId::Questions && state.questions.asked.is_some() => {
            state.say("copied the command of the question");
            state.questions.asked.clone().map(Effect::CopyQuestion).into_iter().collect()
        }
        Action::CopyCommand => {
            let command = views::command(state);
            state.say(format!("copied: {command}"));
            vec![Effect::Copy(command)]
        }
        Action::Up => moved(state, Move::Up),
        Action::Down => moved(state, Move::Down),
        Action::PageUp => moved(state, Move::PageUp),
        Action::PageDown => moved(state, Move::PageDown),
        Action::Top => moved(state, Move::Top),
        Action::Bottom => moved(state, Move::Bottom),
        _ if state.view == ViewId::Flows => flows::act(state, action),
        Action::Enter | Action::FilterIn | Action::FilterOut => views::act(state, action),
        _ => views::open(state, ViewId::Flows).into_iter().chain(flows::act(state, action)).collect(),
    }
}

fn overlaid(state: &mut State, overlay: Overlay) -> Vec<Effect> {
    state.overlay = Some(overlay);
    Vec::new()
}

fn moved(state: &mut State, step: Move) -> Vec<Effect> {
    if state.view == ViewId::Flows { flows::moved(state, step) } else { views::moved(state, step) }
}

/// Stops what runs, else closes what is open.
fn back(state: &mut State) -> Vec<Effect> {
    if state.questions.is_running && state.view == ViewId::Questions {
        state.questions.is_running = false;
        state.questions.generation += 1;
        state.say("stopped");
        return vec![Effect::CancelQuestion];
    }
    if state.busy.take().is_some() {
        state.say("stopped");
        return vec![Effect::Ask(Request::Cancel)];
    }
    if state.view == ViewId::Questions && state.questions.in_answer {
        state.questions.in_answer = false;
        return Vec::new();
    }
    if state.detail.has_focus {
        state.detail.has_focus = false;
    } else if state.detail.is_open {
        state.detail.is_open = false;
        return fetch(state);
    } else if state.view != ViewId::Flows {
        return views::open(state, ViewId::Flows);
    }
    Vec::new()
}
