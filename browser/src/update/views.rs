//! The views that count, and moving in them.

use super::{fetch, filter, questions};
use crate::data::summary::Kind;
use crate::data::worker::Request;
use crate::keys::{Action, ViewId};
use crate::layout;
use crate::message::Effect;
use crate::state::State;
use crate::state::SummaryPane;
use crate::state::table::Move;

/// What a view counts.
#[must_use]
pub(super) fn kind(view: ViewId) -> Option<Kind> {
    Some(match view {
        ViewId::Map => Kind::Map,
        ViewId::Drops => Kind::Drops,
        ViewId::Dns => Kind::Dns,
        ViewId::Http => Kind::Http,
        ViewId::Connections => Kind::Connections,
        ViewId::Flows | ViewId::Questions | ViewId::Coverage => return None,
    })
}

/// Opens a view, and asks for what it shows unless that is there.
pub(super) fn open(state: &mut State, view: ViewId) -> Vec<Effect> {
    state.view = view;
    if view == ViewId::Flows {
        return fetch(state);
    }
    if view == ViewId::Coverage {
        return vec![Effect::Ask(Request::Coverage)];
    }
    let Some(kind) = kind(view) else { return Vec::new() };
    let is_there = state.summaries.get(&view).is_some_and(|pane| pane.is_done && pane.generation == state.generation);
    if is_there {
        return Vec::new();
    }
    let (generation, query) = (state.generation, state.query.clone());
    state.summaries.insert(view, SummaryPane { generation, ..SummaryPane::default() });
    state.busy = Some("counting".to_owned());
    vec![Effect::Ask(Request::Summary { generation, kind, query })]
}

pub(super) fn moved(state: &mut State, step: Move) -> Vec<Effect> {
    let room = layout::table_room(state);
    if state.view == ViewId::Questions {
        return questions::moved(state, step, room);
    }
    if let Some(pane) = state.summaries.get_mut(&state.view) {
        let lines = pane.summary.table.lines.len();
        pane.cursor.go(step, lines, room);
    }
    Vec::new()
}

/// Shows the flows behind a line, or narrows the filter by it.
pub(super) fn act(state: &mut State, action: Action) -> Vec<Effect> {
    if state.view == ViewId::Questions {
        return if action == Action::Enter { questions::enter(state) } else { Vec::new() };
    }
    let line = state.summaries.get(&state.view).and_then(|pane| pane.summary.table.lines.get(pane.cursor.at));
    let Some(words) = line.and_then(|line| line.words.clone()) else {
        state.say("no filter asks for what stands here");
        return Vec::new();
    };
    match action {
        Action::FilterOut if words.contains(' ') && !words.starts_with("cel-expression") => {
            state.say("a line of several words cannot be left out; Enter shows its flows");
            Vec::new()
        }
        Action::Enter => {
            state.view = ViewId::Flows;
            filter::narrow(state, &words, true)
        }
        _ => filter::narrow(state, &words, action == Action::FilterIn),
    }
}

/// The command that gives what is shown.
#[must_use]
pub(super) fn command(state: &State) -> String {
    state.query.command(&state.inputs)
}
