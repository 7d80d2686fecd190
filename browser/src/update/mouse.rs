//! The mouse: a click chooses, the wheel moves, a drag over the histogram chooses a time.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::{act, fetch, flows, moved, views};
use crate::keys::{Action, ViewId};
use crate::layout;
use crate::message::Effect;
use crate::state::table::Move;
use crate::state::{Brush, State};

pub(super) fn mouse(state: &mut State, event: MouseEvent) -> Vec<Effect> {
    if state.overlay.is_some() || state.filter.is_edited {
        return Vec::new();
    }
    let at = Position::new(event.column, event.row);
    let frame = layout::frame(state);
    let areas = layout::flows(state);
    let in_timeline = state.view == ViewId::Flows && areas.timeline.contains(at);
    let bar = usize::from(event.column.saturating_sub(areas.timeline.x));
    match event.kind {
        MouseEventKind::ScrollDown => (0..3).flat_map(|_| moved(state, Move::Down)).collect(),
        MouseEventKind::ScrollUp => (0..3).flat_map(|_| moved(state, Move::Up)).collect(),
        MouseEventKind::Down(MouseButton::Left) if in_timeline => {
            state.brush = Some(Brush { anchor: Some(bar), at: bar });
            Vec::new()
        }
        MouseEventKind::Drag(MouseButton::Left) if state.brush.is_some() => {
            if let Some(brush) = &mut state.brush {
                brush.at = bar.min(usize::from(areas.timeline.width.saturating_sub(1)));
            }
            Vec::new()
        }
        MouseEventKind::Up(MouseButton::Left) if state.brush.is_some() => {
            let Some(mut brush) = state.brush.take() else { return Vec::new() };
            if brush.anchor == Some(brush.at) {
                brush.anchor = None;
            }
            flows::brushed(state, brush)
        }
        MouseEventKind::Down(MouseButton::Left) if frame.tabs.contains(at) => {
            let tab = crate::view::tabs(state).into_iter().find(|(_, from, to)| (*from..*to).contains(&event.column));
            tab.map(|(view, ..)| views::open(state, view)).unwrap_or_default()
        }
        MouseEventKind::Down(MouseButton::Left) if frame.filter.contains(at) => act(state, Action::Filter),
        MouseEventKind::Down(MouseButton::Left) => click(state, at, areas.table, frame.body),
        _ => Vec::new(),
    }
}

fn click(state: &mut State, at: Position, table: Rect, body: Rect) -> Vec<Effect> {
    if state.view == ViewId::Flows && table.contains(at) {
        let Some(line) = usize::from(at.y - table.y).checked_sub(1) else { return Vec::new() };
        state.detail.has_focus = false;
        let (rows, shown) = (state.flow_rows(), state.progress.shown);
        let wanted = state.table.top + line;
        // A click on the line under the cursor opens it.
        if wanted == state.table.at && !state.detail.is_open {
            return act(state, Action::Detail);
        }
        state.table.set(wanted, shown, rows);
        return fetch(state);
    }
    if state.view == ViewId::Questions {
        let [list, _] = layout::questions(state);
        if list.contains(at) && !state.questions.in_answer {
            let line = usize::from(at.y - list.y).saturating_sub(1) + state.questions.list.top;
            let (lines, room) = (state.questions.catalogue.len(), layout::table_room(state));
            state.questions.list.set(line, lines, room);
        }
        return Vec::new();
    }
    let room = layout::table_room(state);
    if let Some(pane) = state.summaries.get_mut(&state.view) {
        let [_, area, _] = layout::summary(body, pane.summary.notes.len(), pane.chart_lines());
        if area.contains(at)
            && let Some(line) = usize::from(at.y - area.y).checked_sub(1)
        {
            let lines = pane.summary.table.lines.len();
            pane.cursor.set(pane.cursor.top + line, lines, room);
        }
    }
    Vec::new()
}
