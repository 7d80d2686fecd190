//! What came from the thread that reads.

use std::sync::Arc;

use super::{fetch, views};
use crate::data::worker::{Progress, Reply};
use crate::keys::ViewId;
use crate::message::Effect;
use crate::state::drawing::Drawing;
use crate::state::overlay::Overlay;
use crate::state::{State, SummaryPane};

pub(super) fn reply(state: &mut State, reply: Reply) -> Vec<Effect> {
    match reply {
        Reply::Progress(progress) if progress.generation == state.generation => progressed(state, *progress),
        Reply::Page { generation, page } if generation == state.generation => {
            let asked = state.asked.take();
            state.page = page;
            // A page that broke off comes again with the rows that were not there yet.
            state.asked = asked.filter(|(at, count)| state.page.at == *at && state.page.rows.len() == *count);
            fetch(state)
        }
        Reply::Detail(detail) => {
            if detail.place == state.detail.asked {
                let room = state.detail.cursor;
                state.detail.detail = *detail;
                let lines = state.detail.lines().len();
                state.detail.cursor = room;
                state.detail.cursor.set(room.at, lines, 5);
            }
            Vec::new()
        }
        Reply::Story { generation, story, is_done } if generation == state.generation => {
            state.busy = None;
            if let Some(Overlay::Story { story: own, is_done: done, cursor }) = &mut state.overlay {
                cursor.at = story.lines.iter().position(|line| line.is_self).unwrap_or(0);
                (*own, *done) = (*story, is_done);
            }
            Vec::new()
        }
        Reply::Summary { generation, summary, done, is_done } if generation == state.generation => {
            let is_frequency = matches!(state.overlay, Some(Overlay::Frequency(_)));
            let pane = if is_frequency { &mut state.frequency } else { state.summaries.entry(state.view).or_default() };
            (pane.generation, pane.summary, pane.done, pane.is_done) = (generation, *summary, done, is_done);
            pane.drawing = None;
            if is_done {
                state.busy = None;
                if !is_frequency && state.view == ViewId::Map {
                    pane.drawing = Drawing::of(&pane.summary.table).map(Arc::new);
                    // The table is shorter beside it.
                    let (at, lines) = (pane.cursor.at, pane.summary.table.lines.len());
                    let room = crate::layout::table_room(state);
                    if let Some(pane) = state.summaries.get_mut(&ViewId::Map) {
                        pane.cursor.set(at, lines, room);
                    }
                }
            }
            Vec::new()
        }
        Reply::Coverage(summary) => {
            let cursor = state.summaries.get(&ViewId::Coverage).map(|pane| pane.cursor).unwrap_or_default();
            let pane = SummaryPane { summary: *summary, is_done: true, cursor, ..SummaryPane::default() };
            state.summaries.insert(ViewId::Coverage, pane);
            Vec::new()
        }
        Reply::Values { flag, values } => {
            state.filter.completion.values.insert(flag, values);
            let (text, cursor) =
                (state.filter.input.value().to_owned(), super::filter::byte_cursor(&state.filter.input));
            let chosen = state.filter.completion.chosen;
            state.filter.completion.update(&text, cursor);
            state.filter.completion.chosen = chosen.filter(|at| *at < state.filter.completion.offers.len());
            Vec::new()
        }
        Reply::Hits { generation, rows } if generation == state.generation => {
            state.hits = rows;
            Vec::new()
        }
        Reply::At(at) => {
            let what = state.busy.take();
            match at {
                Some(at) => {
                    let (lines, room) = (state.progress.shown, state.flow_rows());
                    state.table.jump(at, lines, room);
                }
                None => {
                    let what = what.and_then(|what| what.split_once("the ").map(|(_, what)| what.to_owned()));
                    let what = what.unwrap_or_else(|| "such line".to_owned());
                    state.say(format!("no {what}{}", if state.progress.is_done { "" } else { " so far" }));
                }
            }
            fetch(state)
        }
        Reply::Exported { path, rows, total, is_done } => {
            let name = path.display().to_string();
            if is_done {
                state.busy = None;
                state.say(format!("{rows} of {total} rows written to {name}"));
            } else {
                state.busy = Some(format!("writing {name}: {rows} of {total}"));
            }
            Vec::new()
        }
        Reply::Failed(why) => {
            state.busy = None;
            state.complain(lookback_flow::escape::terminal(&why).into_owned());
            Vec::new()
        }
        Reply::Progress(_) | Reply::Page { .. } | Reply::Story { .. } | Reply::Summary { .. } | Reply::Hits { .. } => {
            Vec::new()
        }
    }
}

fn progressed(state: &mut State, progress: Progress) -> Vec<Effect> {
    let had_extent = state.extent;
    state.extent = progress.extent;
    let is_loaded = progress.is_loaded && !state.progress.is_loaded;
    // Rows that come late stand between others: what is in sight may be others now.
    let is_settled = progress.is_done && !state.progress.is_done;
    state.progress = progress;
    if is_settled {
        state.asked = None;
        state.page.rows.truncate(0);
    }
    let room = state.flow_rows();
    state.table.set(state.table.at, state.progress.shown, room);
    let mut effects = fetch(state);
    if is_loaded && state.view == ViewId::Coverage {
        effects.extend(views::open(state, ViewId::Coverage));
    }
    // Times of day mean something once it is known which day it is.
    if had_extent.is_none() && state.extent.is_some() && !state.query.text.is_empty() && state.query.window.is_none() {
        let text = state.query.text.clone();
        if let Ok(query) = crate::data::query::Query::parse(&text, state.extent)
            && query.window.is_some()
        {
            effects.extend(super::show(state, &text));
        }
    }
    if let Some(time) = state.wanted.filter(|_| state.progress.is_done) {
        state.wanted = None;
        effects.push(Effect::Ask(crate::data::worker::Request::Goto { time, uuid: None }));
    }
    effects
}
