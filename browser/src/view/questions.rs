//! Questions: the list, and the answer with its chart and what it rests on.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::widgets::{Paragraph, Widget as _, Wrap};

use super::charts::Plot;
use super::fitted;
use super::summary::draw_table;
use crate::data::summary::{Line, Table};
use crate::layout;
use crate::questions::{Answer, Question};
use crate::state::State;

pub(super) fn draw(state: &State, frame: &mut Frame<'_>) {
    let [list, answer] = layout::questions(state);
    if list.width > 0 {
        draw_list(state, list, frame.buffer_mut());
    }
    draw_answer(state, answer, frame);
}

fn draw_list(state: &State, area: Rect, buffer: &mut Buffer) {
    let pane = &state.questions;
    if pane.catalogue.is_empty() {
        buffer.set_string(area.x + 1, area.y, "no questions here", state.theme.dim());
        return;
    }
    let heading = "QUESTION  (Enter asks)";
    buffer.set_stringn(area.x + 1, area.y, heading, usize::from(area.width), state.theme.heading());
    let rows = usize::from(area.height.saturating_sub(1));
    for ((at, question), y) in pane.catalogue.iter().enumerate().skip(pane.list.top).take(rows).zip(area.y + 1..) {
        let text = if area.width > 60 {
            format!("{:<24} {}", question.name, question.answers)
        } else {
            question.title.clone()
        };
        buffer.set_string(
            area.x + 1,
            y,
            fitted(&text, usize::from(area.width.saturating_sub(2))),
            ratatui::style::Style::new(),
        );
        if at == pane.list.at {
            let style = if pane.in_answer { state.theme.dim() } else { state.theme.cursor() };
            buffer.set_style(Rect { y, height: 1, ..area }, style);
        }
    }
}

fn draw_answer(state: &State, area: Rect, frame: &mut Frame<'_>) {
    let pane = &state.questions;
    let buffer = frame.buffer_mut();
    let question = pane.asked.as_ref().and_then(|asked| pane.catalogue.iter().find(|own| own.name == asked.name));
    let Some(question) = question else {
        if let Some(question) = pane.catalogue.get(pane.list.at) {
            let text = format!("{}: {}", question.theme, question.answers);
            Paragraph::new(text).wrap(Wrap { trim: true }).style(state.theme.dim()).render(area, buffer);
        }
        return;
    };
    let [title, rest] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    buffer.set_string(
        title.x + 1,
        title.y,
        fitted(&question.title, usize::from(title.width.saturating_sub(2))),
        state.theme.heading(),
    );
    match &pane.answer {
        None if pane.is_running => {
            buffer.set_string(rest.x + 1, rest.y, "asking … (Esc stops)", state.theme.dim());
        }
        None => {}
        Some(Err(why)) => {
            Paragraph::new(why.as_str()).wrap(Wrap { trim: true }).style(state.theme.bad()).render(rest, buffer);
        }
        Some(Ok(answer)) => answered(state, question, answer, rest, buffer),
    }
}

fn answered(state: &State, question: &Question, answer: &Answer, area: Rect, buffer: &mut Buffer) {
    let plot = Plot::of(question.chart, answer).filter(|_| area.height >= 14);
    let chart_height =
        plot.as_ref().map_or(0, |plot| u16::try_from(plot.height()).unwrap_or(0)).min(area.height * 2 / 5);
    let evidence = u16::try_from(answer.evidence.len()).unwrap_or(0).min(area.height / 4).min(4);
    let [table, chart, below] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(chart_height), Constraint::Length(evidence)])
            .areas(area);
    let is_number =
        |at: usize| answer.rows.iter().take(20).any(|row| row.get(at).is_some_and(|value| value.number.is_some()));
    let columns = answer.columns.iter().enumerate().map(|(at, name)| (name.clone(), is_number(at))).collect();
    let lines = answer
        .rows
        .iter()
        .map(|row| Line { cells: row.iter().map(|value| value.text.clone()).collect(), ..Line::default() });
    draw_table(state, &Table { columns, lines: lines.collect() }, state.questions.table, table, buffer);
    if answer.rows.is_empty() {
        buffer.set_string(table.x + 1, table.y + 1, "nothing matches", state.theme.dim());
    }
    if let Some(plot) = plot {
        plot.draw(state, chart, buffer);
    }
    for (text, y) in answer.evidence.iter().zip(below.y..below.bottom()) {
        buffer.set_string(below.x + 1, y, fitted(text, usize::from(below.width.saturating_sub(2))), state.theme.dim());
    }
}
