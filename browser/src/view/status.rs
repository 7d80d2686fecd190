//! The last line: what goes on, what happened, and the keys that matter here.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::fitted;
use crate::data::summary::grouped;
use crate::keys::{Action, ViewId, key_of};
use crate::state::State;

/// Turns while something is done.
const TURNING: [&str; 4] = ["◐", "◓", "◑", "◒"];

pub(super) fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    let right = progress(state);
    let width = u16::try_from(unicode_width::UnicodeWidthStr::width(right.as_str())).unwrap_or(0);
    let room = usize::from(area.width.saturating_sub(width + 1));
    let (left, style) = if state.message.is_empty() && on_the_way(state) {
        (trail(state), state.theme.accent())
    } else if state.message.is_empty() {
        (hints(state), state.theme.dim())
    } else {
        let style = if state.is_error { state.theme.bad() } else { state.theme.accent() };
        (state.message.clone(), style)
    };
    buffer.set_string(area.x, area.y, fitted(&left, room), style);
    buffer.set_string(area.right().saturating_sub(width), area.y, right, state.theme.accent());
}

/// Steps down, while the filter is that of the last one.
fn on_the_way(state: &State) -> bool {
    state.view == ViewId::Flows && state.trail.last().is_some_and(|crumb| crumb.filter == state.query.text)
}

fn trail(state: &State) -> String {
    let names: Vec<&str> = state.trail.iter().map(|crumb| crumb.name.as_str()).collect();
    format!("all › {}   {} down  {} up", names.join(" › "), key_of(Action::Deeper), key_of(Action::Shallower))
}

fn hints(state: &State) -> String {
    let hint = |action: Action, what: &str| format!("{} {what}", key_of(action));
    let own: &[(Action, &str)] = match state.view {
        ViewId::Flows => &[
            (Action::Help, "help"),
            (Action::Filter, "filter"),
            (Action::FilterIn, "/- in/out"),
            (Action::NextDrop, "drop"),
            (Action::NextError, "error"),
            (Action::Story, "story"),
            (Action::Detail, "detail"),
            (Action::Search, "search"),
            (Action::Mark, "mark"),
            (Action::Palette, "all"),
            (Action::Quit, "quit"),
        ],
        ViewId::Questions => {
            &[(Action::Help, "help"), (Action::Enter, "ask"), (Action::Back, "back"), (Action::Quit, "quit")]
        }
        _ => &[
            (Action::Help, "help"),
            (Action::Filter, "filter"),
            (Action::Enter, "flows behind it"),
            (Action::Back, "to the flows"),
            (Action::Quit, "quit"),
        ],
    };
    own.iter().map(|(action, what)| hint(*action, what)).collect::<Vec<_>>().join("  ").replace("+ /-", "+/-")
}

fn progress(state: &State) -> String {
    let turning = usize::try_from(state.ticks % 4).ok().and_then(|at| TURNING.get(at)).copied().unwrap_or("◐");
    if let Some(busy) = &state.busy {
        return format!("{turning} {} (Esc stops)", fitted(busy, 40));
    }
    let progress = &state.progress;
    if !progress.is_done {
        let percent = progress.read * 100 / progress.rows.max(1);
        return if progress.is_loaded {
            format!("{turning} {percent}%")
        } else {
            format!("{turning} reading, {} rows", grouped(progress.rows))
        };
    }
    let mut told = Vec::new();
    if progress.broken > 0 {
        told.push(format!("{} unreadable", progress.broken));
    }
    if progress.rejected > 0 {
        told.push(format!("{} bad lines (8)", grouped(progress.rejected)));
    }
    if state.view == ViewId::Flows && progress.shown > 0 {
        told.push(format!("{}/{}", grouped(state.table.at as u64 + 1), grouped(progress.shown as u64)));
    }
    told.join("  ")
}
