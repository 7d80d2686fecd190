//! Where things stand on the screen.

use ratatui::layout::{Constraint, Layout, Rect};

use crate::keys::ViewId;
use crate::state::State;

/// The areas that every view has.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub tabs: Rect,
    pub filter: Rect,
    pub body: Rect,
    pub status: Rect,
}

/// The areas of the flow view.
#[derive(Clone, Copy, Debug)]
pub struct Flows {
    pub timeline: Rect,
    pub table: Rect,
    pub detail: Option<Rect>,
}

/// Width from which on the detail stands beside the table.
const WIDE: u16 = 110;

#[must_use]
pub fn frame(state: &State) -> Frame {
    let (width, height) = state.size;
    let [tabs, filter, body, status] =
        Layout::vertical([Constraint::Length(1), Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)])
            .areas(Rect::new(0, 0, width, height));
    Frame { tabs, filter, body, status }
}

#[must_use]
pub fn flows(state: &State) -> Flows {
    let body = frame(state).body;
    let bars = match (body.height, state.detail.is_open && body.width < WIDE) {
        (0..10, _) => 0,
        (10..28, true) => 3,
        (10..28, false) => 5,
        _ => 7,
    };
    let [timeline, rest] = Layout::vertical([Constraint::Length(bars), Constraint::Fill(1)]).areas(body);
    if !state.detail.is_open {
        return Flows { timeline, table: rest, detail: None };
    }
    let [table, detail] = if body.width >= WIDE {
        Layout::horizontal([Constraint::Fill(3), Constraint::Fill(2)]).areas(rest)
    } else {
        Layout::vertical([Constraint::Fill(1), Constraint::Fill(1)]).areas(rest)
    };
    Flows { timeline, table, detail: Some(detail) }
}

/// The list and the answer of the questions view.
#[must_use]
pub fn questions(state: &State) -> [Rect; 2] {
    let body = frame(state).body;
    if body.width >= WIDE {
        Layout::horizontal([Constraint::Length(38), Constraint::Fill(1)]).areas(body)
    } else if state.questions.in_answer {
        [Rect::new(body.x, body.y, 0, 0), body]
    } else {
        Layout::vertical([Constraint::Fill(1), Constraint::Length(if state.questions.asked.is_some() { 8 } else { 3 })])
            .areas(body)
    }
}

/// Notes, table and bars or drawing of a summary.
#[must_use]
pub fn summary(area: Rect, notes: usize, bars: usize) -> [Rect; 3] {
    let notes = u16::try_from(notes).unwrap_or(u16::MAX).min(area.height / 3);
    let bars = if bars == 0 || area.height < 16 {
        0
    } else {
        u16::try_from(bars + 1).unwrap_or(u16::MAX).min(area.height / 2)
    };
    Layout::vertical([Constraint::Length(notes), Constraint::Fill(1), Constraint::Length(bars)]).areas(area)
}

/// An overlay in the middle, of at most so many columns and lines.
#[must_use]
pub fn popup(state: &State, width: u16, height: u16) -> Rect {
    let (all_width, all_height) = state.size;
    let (width, height) = (width.min(all_width.saturating_sub(2)), height.min(all_height.saturating_sub(2)));
    Rect::new((all_width - width) / 2, (all_height - height) / 2, width, height)
}

/// The overlay that most have.
#[must_use]
pub fn large(state: &State) -> Rect {
    popup(state, state.size.0.saturating_sub(6).min(120), state.size.1.saturating_sub(4))
}

/// Lines of the table of a view that fit on the screen.
#[must_use]
pub fn table_room(state: &State) -> usize {
    let height = match state.view {
        ViewId::Flows => flows(state).table.height,
        ViewId::Questions => {
            let [list, answer] = questions(state);
            if state.questions.in_answer { answer.height.saturating_sub(3) } else { list.height }
        }
        view => {
            let pane = state.summaries.get(&view);
            let (notes, bars) = pane.map_or((1, 0), |pane| (pane.summary.notes.len(), pane.chart_lines()));
            let [_, table, _] = summary(frame(state).body, notes, bars);
            table.height
        }
    };
    usize::from(height.saturating_sub(1)).max(1)
}
