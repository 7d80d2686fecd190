//! What keys do, without a look at the screen.

use crate::harness::{Session, testdata};
use lookback_browser::data::story::Section;
use lookback_browser::keys::ViewId;
use lookback_browser::message::Message;
use lookback_browser::state::overlay::Overlay;

fn incident() -> Session {
    Session::open(&["incident"], (140, 40))
}

fn verdict(session: &Session) -> String {
    session.state.current().unwrap().cells[1].clone()
}

#[test]
fn all_flows_and_losses_are_shown_in_the_order_of_time() {
    let mut session = incident();
    // 178 flows and 3 reports of lost events; the agent event is none of them.
    assert_eq!(session.state.progress.shown, 181);
    let mut last = None;
    for _ in 0..181 {
        let time = session.state.current().unwrap().time;
        assert!(last <= time);
        last = time;
        session.keys(&["Down"]);
    }
}

#[test]
fn the_filter_counts_and_comes_back() {
    let mut session = incident();
    session.keys(&["f", "\"verdict:dropped\""]);
    assert_eq!(session.state.progress.shown, 39, "counted while one types");
    session.keys(&["Esc"]);
    assert_eq!(session.state.progress.shown, 181, "Esc leaves the line as it was");
    session.keys(&["f", "\"verdict:dropped\"", "Enter", "x"]);
    assert_eq!(session.state.progress.shown, 181);
    session.keys(&["u"]);
    assert_eq!((session.state.query.text.as_str(), session.state.progress.shown), ("verdict:dropped", 39));
    session.keys(&["ctrl-r"]);
    assert_eq!(session.state.query.text, "");
    session.keys(&["f", "Up", "Enter"]);
    assert_eq!(session.state.query.text, "verdict:dropped", "history");
}

#[test]
fn a_mistake_keeps_what_is_shown() {
    let mut session = incident();
    session.keys(&["f", "\"verdict:dropped verdit:x\""]);
    assert_eq!(session.state.filter.mistakes.len(), 1);
    session.keys(&["Enter"]);
    assert!(session.state.filter.is_edited, "the line stays open");
    assert!(session.state.is_error);
}

#[test]
fn what_is_under_the_cursor_filters_in_and_out() {
    let mut session = incident();
    session.keys(&["d", "Right", "+"]);
    assert_eq!(session.state.query.text, "verdict:DROPPED");
    assert_eq!(session.state.progress.shown, 39);
    session.keys(&["x", "d", "-"]);
    assert_eq!(session.state.query.text, "not:verdict:DROPPED");
    assert_eq!(session.state.progress.shown, 181 - 39);
}

#[test]
fn the_filter_says_the_same_as_the_command() {
    let mut session = incident();
    session.keys(&["f", "\"verdict:dropped not:from-pod:shop/ since:12:20\"", "Enter", "Y"]);
    assert_eq!(
        session.copied,
        ["lookback observe --verdict DROPPED --not --from-pod shop/ --since 2026-03-01T12:20:00Z incident"]
    );
}

#[test]
fn jumps_find_drops_errors_losses_and_gaps() {
    let mut session = incident();
    session.keys(&["d"]);
    assert_eq!((session.state.table.at > 0, verdict(&session)), (true, "DROPPED".to_owned()));
    let first = session.state.table.at;
    session.keys(&["d", "D"]);
    assert_eq!(session.state.table.at, first);
    session.keys(&["D"]);
    assert_eq!((session.state.table.at, session.state.message.as_str()), (first, "no previous drop"));
    session.keys(&["g", "w"]);
    assert_eq!(session.state.current().unwrap().cells[4], "EVENTS LOST");
    session.keys(&["g", "a"]);
    let (at, time) = (session.state.table.at, session.state.current().unwrap().time.unwrap());
    session.keys(&["Up"]);
    assert!(time - session.state.current().unwrap().time.unwrap() >= 60_000_000_000 && at > 0);
    session.keys(&["g", "e"]);
    assert!(session.state.current().unwrap().class & 8 != 0 || verdict(&session) == "AUDIT");
}

#[test]
fn sorting_goes_up_down_and_back() {
    let mut session = incident();
    session.keys(&["Right", "s"]);
    assert_eq!(session.state.current().unwrap().cells[1], "AUDITED", "AUDIT is the first verdict");
    session.keys(&["s"]);
    assert_eq!(session.state.progress.shown, 181);
    let first = session.state.current().unwrap().clone();
    assert!(first.class & 7 == 4, "what has no verdict comes last, and so first downwards");
    session.keys(&["s", "Left", "s"]);
    let newest = session.state.current().unwrap().time;
    session.keys(&["G"]);
    assert!(session.state.current().unwrap().time < newest);
}

#[test]
fn search_goes_on_and_back() {
    let mut session = incident();
    session.keys(&["/", "\"redis\"", "Enter"]);
    let first = session.state.table.at;
    assert!(session.state.current().unwrap().cells.iter().any(|cell| cell.contains("redis")));
    session.keys(&["n"]);
    assert!(session.state.table.at > first);
    session.keys(&["N"]);
    assert_eq!(session.state.table.at, first);
    session.keys(&["/", "ctrl-u", "\"no such text\"", "Enter"]);
    assert_eq!(session.state.table.at, first);
}

#[test]
fn the_story_has_lookup_requests_and_connection() {
    let mut session = incident();
    session.keys(&["f", "\"protocol:http http-status:5+\"", "Enter", "o"]);
    let Some(Overlay::Story { story, is_done: true, .. }) = &session.state.overlay else { panic!("no story") };
    let count = |section| story.lines.iter().filter(|line| line.section == section).count();
    assert!(count(Section::Layer7) >= 2, "{story:#?}");
    assert!(story.lines.iter().any(|line| line.is_self));
    session.keys(&["Enter"]);
    assert!(session.state.overlay.is_none());
}

#[test]
fn values_are_counted_and_filter() {
    let mut session = incident();
    session.keys(&["Right", "F"]);
    let counted: u64 = session.state.frequency.summary.table.lines.len() as u64;
    assert_eq!(counted, 4, "FORWARDED, DROPPED, AUDIT and none");
    session.keys(&["Down", "Enter"]);
    assert_eq!(session.state.query.text, "verdict:DROPPED");
}

#[test]
fn a_line_of_a_view_leads_to_its_flows() {
    let mut session = incident();
    session.keys(&["4", "Enter"]);
    assert_eq!(session.state.view, ViewId::Flows);
    assert_eq!(session.state.progress.shown, 25, "{}", session.state.query.text);
    session.keys(&["x", "7", "Enter"]);
    assert!(session.state.progress.shown > 0, "{}", session.state.query.text);
    session.keys(&["x", "5", "Enter"]);
    assert!(session.state.progress.shown > 0, "{}", session.state.query.text);
    session.keys(&["x", "6", "Enter"]);
    assert!(session.state.progress.shown > 0, "{}", session.state.query.text);
}

#[test]
fn a_brushed_range_is_a_time_range() {
    let mut session = incident();
    session.keys(&["b", "Home", "Space", "Right", "Right", "Enter"]);
    assert!(session.state.query.text.starts_with("since:2026-03-01T12:00:00"), "{}", session.state.query.text);
    let shown = session.state.progress.shown;
    assert!(shown > 0 && shown < 181);
    session.keys(&["R"]);
    assert_eq!(session.state.progress.shown, 181);
    session.keys(&["r", "ctrl-u", "\"since:12:20 until:12:21\"", "Enter"]);
    assert!(session.state.progress.shown > 0 && session.state.progress.shown < 100);
}

#[test]
fn marks_are_exported_with_their_notes() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = incident();
    let path = folder.path().join("marks.md");
    session.keys(&["d", "m", "d", "M", "\"why *this*\"", "Enter"]);
    assert_eq!(session.state.marks.len(), 2);
    session.keys(&["ctrl-x", "ctrl-u"]);
    session.message(Message::Paste(path.display().to_string()));
    session.keys(&["Enter"]);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("lookback observe incident"), "{text}");
    assert!(text.contains("why \\*this\\*"), "{text}");
    assert_eq!(text.matches("\n- ").count(), 2, "{text}");
}

#[test]
fn everything_shown_is_exported_in_each_format_and_nothing_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = incident();
    session.keys(&["f", "\"verdict:dropped\"", "Enter"]);
    for name in ["a.ndjson", "a.csv", "a.parquet"] {
        let path = folder.path().join(name);
        session.keys(&["X", "ctrl-u"]);
        session.message(Message::Paste(path.display().to_string()));
        session.keys(&["Enter"]);
        assert!(session.state.message.contains("39 of 39"), "{}", session.state.message);
        session.keys(&["X", "ctrl-u"]);
        session.message(Message::Paste(path.display().to_string()));
        session.keys(&["Enter"]);
        assert!(session.state.is_error, "{name} is there already");
    }
    let lines = std::fs::read_to_string(folder.path().join("a.ndjson")).unwrap();
    let log: String = ["incident/node-a/events.log", "incident/node-b/events.log"]
        .iter()
        .map(|path| std::fs::read_to_string(testdata(path)).unwrap())
        .collect();
    assert_eq!(lines.lines().count(), 39);
    assert!(lines.lines().all(|line| log.lines().any(|own| own == line)), "each line is one of the log");
    assert_eq!(std::fs::read_to_string(folder.path().join("a.csv")).unwrap().lines().count(), 40);
    let file = lookback_flow::segment::SegmentFile::open(&folder.path().join("a.parquet")).unwrap();
    assert_eq!(file.rows, 39);
}

#[test]
fn an_answer_that_is_not_wanted_any_more_is_dropped() {
    let mut session = incident();
    let before = session.state.progress.shown;
    let stale = lookback_browser::data::worker::Progress { generation: 0, shown: 7, ..Default::default() };
    session.message(Message::Reply(lookback_browser::data::worker::Reply::Progress(Box::new(stale))));
    assert_eq!(session.state.progress.shown, before);
    let page = lookback_browser::data::page::Page { at: 0, rows: Vec::new() };
    session.message(Message::Reply(lookback_browser::data::worker::Reply::Page { generation: 0, page }));
    assert!(!session.state.page.rows.is_empty());
}

#[test]
fn questions_are_asked_with_their_parameters() {
    let mut session = incident();
    session.keys(&["3", "Down", "Enter", "\"cart\"", "Enter"]);
    let Some(Err(why)) = &session.state.questions.answer else { panic!("no answer") };
    assert_eq!(why, "no service Some(\"cart\")");
    session.keys(&[":", "\"drop reasons\"", "Enter"]);
    assert!(matches!(&session.state.questions.answer, Some(Ok(answer)) if answer.rows.len() == 2));
}

#[test]
fn ctrl_c_ends_it_wherever_one_is() {
    for keys in [&["ctrl-c"][..], &["f", "ctrl-c"], &["?", "ctrl-c"], &["b", "ctrl-c"], &["q"]] {
        let mut session = incident();
        session.keys(keys);
        assert!(session.is_over, "{keys:?}");
    }
}

#[test]
fn an_archive_shows_the_same_as_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = incident();
    let path = folder.path().join("all.parquet");
    session.keys(&["X", "ctrl-u"]);
    session.message(Message::Paste(path.display().to_string()));
    session.keys(&["Enter"]);
    let found = lookback_flow::inputs::find(&[path.to_str().unwrap()]).unwrap();
    let mut archived = incident();
    archived.data = lookback_browser::data::worker::Data::new(found.inputs);
    archived.keys(&["f", "\"verdict:dropped\"", "Enter"]);
    session.keys(&["f", "\"verdict:dropped\"", "Enter"]);
    assert_eq!(archived.state.progress.shown, 39);
    let cells = |session: &Session| session.state.page.rows.iter().map(|row| row.cells.clone()).collect::<Vec<_>>();
    assert_eq!(cells(&archived), cells(&session));
}

#[test]
fn steps_lead_down_to_a_connection_and_back_up() {
    let mut session = Session::open(&["incident"], (140, 40));
    session.keys(&["d"]);
    let row = session.state.current().unwrap().place;
    let mut shown = vec![session.state.progress.shown];
    let mut filters = vec![session.state.query.text.clone()];
    for _ in 0..4 {
        session.keys(&["]"]);
        shown.push(session.state.progress.shown);
        filters.push(session.state.query.text.clone());
        // The line that one came by stays under the cursor, or at least its time.
        assert!(session.state.page.rows.iter().any(|own| own.place == row), "{filters:?}");
    }
    assert!(shown.windows(2).all(|pair| pair[1] <= pair[0] && pair[1] > 0), "{shown:?}");
    assert!(filters[1].starts_with("namespace:") && filters[2].starts_with("pod:"), "{filters:?}");
    assert!(filters[3].contains("to-") && filters[4].contains("to-port:"), "{filters:?}");
    for wanted in filters.iter().rev().skip(1) {
        session.keys(&["["]);
        assert_eq!(&session.state.query.text, wanted);
    }
    session.keys(&["["]);
    assert!(session.state.message.starts_with("nothing above"));
    // A filter of another kind ends the way.
    session.keys(&["]", "x", "["]);
    assert!(session.state.trail.is_empty() && session.state.query.text.is_empty());
}

#[test]
fn all_hits_of_a_search_are_known_and_those_of_another_filter_are_not_kept() {
    let mut session = Session::open(&["incident"], (140, 40));
    session.keys(&["/", "\"redis\"", "Enter"]);
    let hits = session.state.hits.clone();
    assert!(hits.len() > 5 && hits.is_sorted(), "{hits:?}");
    assert!(hits.contains(&session.state.table.at));
    session.keys(&["f", "\"verdict:dropped\"", "Enter"]);
    assert!(!session.state.hits.is_empty() && session.state.hits.len() < hits.len());
    session.keys(&["/", "Backspace", "Backspace", "Backspace", "Backspace", "Backspace", "Enter"]);
    assert_eq!(session.state.search, "");
    assert!(session.state.hits.is_empty());
}
