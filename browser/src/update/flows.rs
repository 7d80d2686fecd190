//! The flow table, its histogram and its detail pane.

use crossterm::event::KeyEvent;
use tui_input::Input;

use super::filter::{change, narrow, requery};
use crate::data::index::{NO_TIME, Target};
use crate::data::query::{with_word, without_times};
use crate::data::sort::Sort;
use crate::data::summary::Kind;
use crate::data::worker::Request;
use crate::keys::{self, Action};
use crate::layout;
use crate::message::Effect;
use crate::state::detail_pane::Mode;
use crate::state::overlay::{Columns, Overlay, Prompt, Purpose};
use crate::state::table::Move;
use crate::state::{Brush, Mark, State, SummaryPane};

pub(super) fn act(state: &mut State, action: Action) -> Vec<Effect> {
    let jump = |target, forward| move |state: &mut State| jump(state, target, forward);
    match action {
        Action::NextDrop => jump(Target::Drop, true)(state),
        Action::PreviousDrop => jump(Target::Drop, false)(state),
        Action::NextError => jump(Target::Error, true)(state),
        Action::PreviousError => jump(Target::Error, false)(state),
        Action::NextLoss => jump(Target::Loss, true)(state),
        Action::PreviousLoss => jump(Target::Loss, false)(state),
        Action::NextGap => jump(Target::Gap, true)(state),
        Action::PreviousGap => jump(Target::Gap, false)(state),
        Action::Left => side(state, false),
        Action::Right => side(state, true),
        Action::Enter if state.detail.has_focus => {
            state.detail.toggle();
            Vec::new()
        }
        Action::Enter | Action::Detail => {
            state.detail.is_open = action == Action::Enter || !state.detail.is_open;
            state.detail.has_focus = action == Action::Enter && state.detail.asked.is_some() && !state.detail.has_focus;
            let (at, rows) = (state.table.at, state.flow_rows());
            state.table.set(at, state.progress.shown, rows);
            fetch(state)
        }
        Action::Focus => {
            state.detail.has_focus = state.detail.is_open && !state.detail.has_focus;
            Vec::new()
        }
        Action::DetailMode => {
            state.detail.mode = match state.detail.mode {
                Mode::Tree => Mode::Json,
                Mode::Json => Mode::Labels,
                Mode::Labels => Mode::Tree,
            };
            state.detail.is_open = true;
            state.detail.cursor = crate::state::table::TableCursor::default();
            fetch(state)
        }
        Action::FilterIn | Action::FilterOut => match word(state) {
            Some(word) => narrow(state, &word, action == Action::FilterIn),
            None => told(state, "no filter asks for what stands here"),
        },
        Action::Sort => sort(state),
        Action::Columns => {
            state.overlay = Some(Overlay::Columns(Columns::new(&state.columns)));
            Vec::new()
        }
        Action::Freeze => {
            state.frozen = if state.frozen == state.column + 1 { 0 } else { state.column + 1 };
            state.first_column = state.first_column.max(state.frozen);
            told(state, "the columns up to this one stay in sight")
        }
        Action::Story => match state.current() {
            Some(row) => {
                let place = row.place;
                let story = crate::data::story::Story::default();
                state.overlay =
                    Some(Overlay::Story { story, is_done: false, cursor: crate::state::table::TableCursor::default() });
                state.busy = Some("looking up the story".to_owned());
                vec![Effect::Ask(Request::Story { generation: state.generation, place })]
            }
            None => Vec::new(),
        },
        Action::Frequency => frequency(state),
        Action::Search => prompt(state, Purpose::Search, "Search", "in the columns that are shown", ""),
        Action::SearchNext => search(state, true),
        Action::SearchPrevious => search(state, false),
        Action::Deeper | Action::Shallower => super::trail::act(state, action == Action::Deeper),
        Action::Mark => mark(state),
        Action::Note => {
            let note = state.current().and_then(|row| state.marks.get(&row.place)).map(|mark| mark.note.clone());
            prompt(state, Purpose::Note, "Note", "goes with the mark into a report", &note.unwrap_or_default())
        }
        Action::NextMark => next_mark(state),
        Action::Export => prompt(state, Purpose::ExportShown, "Export everything shown to", HINT, "flows.ndjson"),
        Action::ExportMarks if state.marks.is_empty() => told(state, "nothing is marked; m marks a line"),
        Action::ExportMarks => prompt(state, Purpose::ExportMarks, "Export the marks to", HINT, "marks.md"),
        Action::ExportLine => prompt(state, Purpose::ExportLine, "Export this line to", HINT, "flow.ndjson"),
        Action::CopyLine => match state.current() {
            Some(row) if state.detail.detail.place == Some(row.place) => {
                let json: String = state.detail.detail.json.iter().map(|line| line.trim()).collect();
                state.say("copied the line");
                vec![Effect::Copy(json)]
            }
            Some(row) => {
                let text = row.cells.join("  ");
                state.say("copied the cells; with the detail open (i), the JSON is copied");
                vec![Effect::Copy(text)]
            }
            None => Vec::new(),
        },
        Action::Brush => {
            if state.progress.timeline.span().is_none() {
                return told(state, "no time to choose from");
            }
            let middle = usize::from(state.size.0) / 2;
            state.brush = Some(Brush { anchor: None, at: middle });
            told(state, "Left and Right move, Space begins, Enter takes, Esc leaves")
        }
        _ => Vec::new(),
    }
}

/// Kinds of files.
const HINT: &str = ".ndjson, .csv, .parquet, or .md for a report";

fn told(state: &mut State, what: &str) -> Vec<Effect> {
    state.say(what);
    Vec::new()
}

fn prompt(state: &mut State, purpose: Purpose, title: &str, hint: &str, text: &str) -> Vec<Effect> {
    let input = Input::new(text.to_owned());
    state.overlay = Some(Overlay::Prompt(Prompt { title: title.to_owned(), hint: hint.to_owned(), input, purpose }));
    Vec::new()
}

/// The word for what is under the cursor.
fn word(state: &State) -> Option<String> {
    if state.detail.has_focus {
        return state.detail.lines().get(state.detail.cursor.at)?.word.clone();
    }
    state.current()?.words.get(state.column)?.clone()
}

pub(super) fn moved(state: &mut State, step: Move) -> Vec<Effect> {
    if state.detail.has_focus {
        let lines = state.detail.lines().len();
        let room = layout::flows(state).detail.map_or(1, |area| usize::from(area.height.saturating_sub(2)));
        state.detail.cursor.go(step, lines, room);
        return Vec::new();
    }
    let (lines, room) = (state.progress.shown, state.flow_rows());
    state.table.go(step, lines, room);
    state.wanted = None;
    fetch(state)
}

fn side(state: &mut State, right: bool) -> Vec<Effect> {
    let last = state.columns.len().saturating_sub(1);
    state.column = if right { (state.column + 1).min(last) } else { state.column.saturating_sub(1) };
    // What is left of sight comes back; what is right of it comes when it does not fit.
    if state.column >= state.frozen && state.column < state.first_column {
        state.first_column = state.column;
    }
    while state.column >= state.frozen
        && state.first_column < state.column
        && !crate::view::flow_table::is_in_sight(state, state.column)
    {
        state.first_column += 1;
    }
    Vec::new()
}

/// Asks for the rows that are to be in sight, and for the detail of the one under the cursor.
pub fn fetch(state: &mut State) -> Vec<Effect> {
    let mut effects = Vec::new();
    let rows = state.flow_rows();
    let (from, to) = (state.table.top, (state.table.top + rows).min(state.progress.shown));
    let have = state.page.at..state.page.at + state.page.rows.len();
    let is_there = have.start <= from && to <= have.end && to > from;
    let is_coming = state.asked.is_some_and(|(at, count)| at <= from && to <= at + count);
    if !is_there && !is_coming && to > from {
        // A screen before and two behind, so that paging need not wait.
        let at = from.saturating_sub(rows);
        let count = rows * 4;
        state.asked = Some((at, count));
        let columns = state.columns.clone();
        effects.push(Effect::Ask(Request::Page { generation: state.generation, at, rows: count, columns }));
    }
    if state.detail.is_open
        && let Some(place) = state.current().map(|row| row.place)
        && state.detail.asked != Some(place)
    {
        state.detail.asked = Some(place);
        effects.push(Effect::Ask(Request::Detail(place)));
    }
    effects
}

/// Asks for the page anew: other columns are shown.
pub(super) fn refetch(state: &mut State) -> Vec<Effect> {
    state.page = crate::data::page::Page::default();
    state.asked = None;
    state.column = state.column.min(state.columns.len().saturating_sub(1));
    state.frozen = state.frozen.min(state.columns.len());
    state.first_column = state.frozen;
    fetch(state)
}

fn jump(state: &mut State, target: Target, forward: bool) -> Vec<Effect> {
    let what = match target {
        Target::Drop => "drop",
        Target::Error => "error",
        Target::Loss => "report of lost events",
        Target::Gap => "gap",
    };
    state.busy = Some(format!("looking for the {} {what}", if forward { "next" } else { "previous" }));
    vec![Effect::Ask(Request::Jump { from: state.table.at, target, forward })]
}

fn sort(state: &mut State) -> Vec<Effect> {
    let Some(col) = state.current_column() else { return Vec::new() };
    let column = col.key();
    let is_own = |sort: &Sort| sort.column == column;
    state.sort = match state.sort.filter(is_own) {
        None if column.is_none() => Some(Sort { column: None, is_reversed: true }),
        None => Some(Sort { column, is_reversed: false }),
        Some(Sort { is_reversed: false, .. }) => Some(Sort { column, is_reversed: true }),
        Some(_) => None,
    };
    let told = match state.sort {
        None => "sorted by time".to_owned(),
        Some(Sort { column: None, .. }) => "sorted by time, newest first".to_owned(),
        Some(Sort { column: Some(id), is_reversed }) => {
            format!("sorted by {}{}", id.column().name, if is_reversed { ", downwards" } else { "" })
        }
    };
    state.say(told);
    requery(state)
}

fn frequency(state: &mut State) -> Vec<Effect> {
    let Some((col, id)) = state.current_column().and_then(|col| Some((col, col.key()?))) else {
        return told(state, "times hardly come twice; choose another column");
    };
    state.frequency = SummaryPane { generation: state.generation, ..SummaryPane::default() };
    state.overlay = Some(Overlay::Frequency(col));
    state.busy = Some("counting".to_owned());
    let (generation, query) = (state.generation, state.query.clone());
    vec![Effect::Ask(Request::Summary { generation, kind: Kind::Frequency(id), query })]
}

pub(super) fn search(state: &mut State, forward: bool) -> Vec<Effect> {
    if state.search.is_empty() {
        return act(state, Action::Search);
    }
    state.busy = Some(format!("searching for {:?}", state.search));
    let (text, columns) = (state.search.clone(), state.columns.clone());
    vec![Effect::Ask(Request::Search { text, from: state.table.at, forward, columns })]
}

/// Asks for all rows that have the text.
pub(super) fn hits(state: &mut State) -> Option<Effect> {
    state.hits.clear();
    let (generation, text, columns) = (state.generation, state.search.clone(), state.columns.clone());
    (!text.is_empty()).then_some(Effect::Ask(Request::Hits { generation, text, columns }))
}

/// The row under the cursor as an entry of an index.
pub(super) fn current_entry(state: &State) -> Option<crate::data::index::Entry> {
    let row = state.current()?;
    Some(crate::data::index::Entry { time: row.time.unwrap_or(NO_TIME), place: row.place, class: row.class })
}

fn mark(state: &mut State) -> Vec<Effect> {
    if let Some(entry) = current_entry(state)
        && state.marks.remove(&entry.place).is_none()
    {
        state.marks.insert(entry.place, Mark { entry, note: String::new() });
    }
    let marks = state.marks.len();
    state.say(format!("{marks} marked; ctrl-x exports them"));
    moved(state, Move::Down)
}

fn next_mark(state: &mut State) -> Vec<Effect> {
    let here = state.current().map_or(i64::MIN, |row| row.time.unwrap_or(NO_TIME));
    let mut marks: Vec<_> = state.marks.values().map(|mark| mark.entry).collect();
    marks.sort_unstable();
    let place = state.current().map(|row| row.place);
    let behind = marks.iter().find(|entry| (entry.time, Some(entry.place)) > (here, place));
    match behind.or(marks.first()) {
        Some(entry) => vec![Effect::Ask(Request::Goto { time: entry.time, uuid: None })],
        None => told(state, "nothing is marked; m marks a line"),
    }
}

/// A key while a range is chosen in the histogram.
pub(super) fn brush_key(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let Some(mut brush) = state.brush else { return Vec::new() };
    let last = usize::from(layout::flows(state).timeline.width.saturating_sub(1));
    match keys::name(&key).as_str() {
        "Left" | "h" => brush.at = brush.at.saturating_sub(1),
        "Right" | "l" => brush.at = (brush.at + 1).min(last),
        "PageUp" | "H" => brush.at = brush.at.saturating_sub(10),
        "PageDown" | "L" => brush.at = (brush.at + 10).min(last),
        "Home" => brush.at = 0,
        "End" => brush.at = last,
        "Space" | "v" => brush.anchor = if brush.anchor.is_some() { None } else { Some(brush.at) },
        "Enter" => {
            state.brush = None;
            return brushed(state, brush);
        }
        _ => {
            state.brush = None;
            return Vec::new();
        }
    }
    state.brush = Some(brush);
    Vec::new()
}

/// Shows the time that was chosen; without a beginning, goes there.
pub(super) fn brushed(state: &mut State, brush: Brush) -> Vec<Effect> {
    let room = usize::from(layout::flows(state).timeline.width);
    let bars = state.progress.timeline.bars(room, None);
    let (from, to) = (brush.anchor.unwrap_or(brush.at).min(brush.at), brush.anchor.unwrap_or(brush.at).max(brush.at));
    let (Some(first), Some(last)) = (bars.get(from), bars.get(to)) else { return Vec::new() };
    if brush.anchor.is_none() {
        return vec![Effect::Ask(Request::Goto { time: first.from, uuid: None })];
    }
    let time = lookback_flow::time::rfc3339;
    let base = without_times(&state.query.text);
    // Nobody means nanoseconds with a bar of seconds.
    let grain = if first.to.saturating_sub(first.from) >= 1_000_000_000 { 1_000_000 } else { 1 };
    let (from, to) = (first.from, last.to.saturating_sub(1));
    let from = from.saturating_sub(from.rem_euclid(grain));
    let to = to.saturating_add((grain - to.rem_euclid(grain)) % grain);
    let words = format!("since:{} until:{}", time(from), time(to));
    change(state, &with_word(&base, &words))
}
