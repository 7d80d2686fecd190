//! The filter line, its mistakes, and what may stand at its cursor.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget as _};

use super::{fitted, padded};
use crate::data::query::words;
use crate::data::summary::grouped;
use crate::keys::{Action, key_of};
use crate::state::State;

const LABEL: &str = "Filter ";

pub(super) fn draw(state: &State, area: Rect, frame: &mut Frame<'_>) {
    let buffer = frame.buffer_mut();
    let right = match state.filter.mistakes.first() {
        Some(mistake) if state.filter.is_edited => fitted(&mistake.what, usize::from(area.width) * 3 / 5),
        _ => count(state),
    };
    let right_style =
        if state.filter.mistakes.is_empty() || !state.filter.is_edited { state.theme.dim() } else { state.theme.bad() };
    let width = u16::try_from(unicode_width::UnicodeWidthStr::width(right.as_str())).unwrap_or(0);
    let room = area.width.saturating_sub(width + 1);
    buffer.set_string(area.x, area.y, LABEL, state.theme.heading());
    buffer.set_string(area.x + room + 1, area.y, &right, right_style);
    let at = area.x + u16::try_from(LABEL.len()).unwrap_or(0);
    let room = room.saturating_sub(u16::try_from(LABEL.len()).unwrap_or(0));
    if !state.filter.is_edited {
        if state.query.text.is_empty() {
            let hint = format!("{} to filter: verdict:dropped from-pod:shop/", key_of(Action::Filter));
            buffer.set_string(at, area.y, fitted(&hint, usize::from(room)), state.theme.dim());
        } else {
            let text = fitted(&state.query.text, usize::from(room));
            buffer.set_line(at, area.y, &coloured(state, &text), room);
        }
        return;
    }
    let input = &state.filter.input;
    // What is before the cursor stays in sight.
    let scroll = input.visual_scroll(usize::from(room.saturating_sub(1)));
    let shown: String = input.value().chars().skip(scroll).collect();
    buffer.set_line(at, area.y, &coloured(state, &shown), room);
    for mistake in &state.filter.mistakes {
        let chars = |byte: usize| input.value().get(..byte).map_or(0, |text| text.chars().count());
        let (from, to) = (chars(mistake.at.start), chars(mistake.at.end));
        let x = at + u16::try_from(from.saturating_sub(scroll)).unwrap_or(0);
        let length = u16::try_from(to.saturating_sub(from.max(scroll))).unwrap_or(0).min((at + room).saturating_sub(x));
        let style = state.theme.bad().add_modifier(Modifier::UNDERLINED);
        buffer.set_style(Rect { x, y: area.y, width: length, height: 1 }, style);
    }
    let cursor = at + u16::try_from(input.visual_cursor().saturating_sub(scroll)).unwrap_or(0).min(room);
    frame.set_cursor_position(Position::new(cursor, area.y));
}

/// How many rows there are, and of how many.
fn count(state: &State) -> String {
    let progress = &state.progress;
    let shown = grouped(progress.shown as u64);
    let sign = if progress.is_done { "" } else { "+" };
    if state.query.filters.is_empty() && state.query.window.is_none() {
        format!("{shown}{sign} flows")
    } else {
        format!("{shown}{sign} of {}", grouped(progress.rows))
    }
}

/// Keys and values of a line in colours.
fn coloured(state: &State, text: &str) -> Line<'static> {
    let mut spans = Vec::new();
    let mut from = 0;
    for word in words(text) {
        spans.push(Span::raw(text.get(from..word.at.start).unwrap_or_default().to_owned()));
        spans.push(Span::styled(
            text.get(word.at.start..word.value_at).unwrap_or_default().to_owned(),
            state.theme.accent(),
        ));
        spans.push(Span::styled(
            text.get(word.value_at..word.at.end).unwrap_or_default().to_owned(),
            Style::new().add_modifier(Modifier::BOLD),
        ));
        from = word.at.end;
    }
    spans.push(Span::raw(text.get(from..).unwrap_or_default().to_owned()));
    Line::from(spans)
}

/// The offers, below the line.
pub(super) fn draw_offers(state: &State, area: Rect, frame: &mut Frame<'_>) {
    let completion = &state.filter.completion;
    if !state.filter.is_edited || completion.offers.is_empty() {
        return;
    }
    let room = usize::from(state.size.1.saturating_sub(4)).min(10);
    let top = completion.chosen.map_or(0, |at| (at + 1).saturating_sub(room));
    let shown: Vec<_> = completion.offers.iter().enumerate().skip(top).take(room).collect();
    let width = shown.iter().map(|(_, offer)| offer.word.chars().count()).max().unwrap_or(0).min(48);
    let whole = u16::try_from(width + 2 + 44).unwrap_or(80).min(area.width.saturating_sub(8));
    let x = area.x + 7;
    let list = Rect { x, y: area.y + 1, width: whole, height: u16::try_from(shown.len()).unwrap_or(0) };
    Clear.render(list, frame.buffer_mut());
    for ((at, offer), y) in shown.into_iter().zip(list.y..) {
        let style = if completion.chosen == Some(at) { state.theme.chosen() } else { state.theme.cursor() };
        let text = format!(" {} {}", padded(&offer.word, width, false), offer.help);
        frame.buffer_mut().set_string(x, y, padded(&text, usize::from(whole), false), style);
    }
}
