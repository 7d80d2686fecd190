//! What the inputs cover: nodes and their gaps, losses, lines that were rejected, files that could not be read.

use lookback_flow::coverage::{Coverage, MINUTE};
use lookback_flow::escape::terminal;
use lookback_flow::time::rfc3339;

use super::table::{Line, Summary, Table, grouped};
use crate::data::query::written;
use crate::data::store::Store;

/// Losses that are listed.
const MOST_LOSSES: usize = 200;

/// What the store tells of itself; nothing is read for it.
#[must_use]
pub fn coverage(store: &Store) -> Summary {
    let mut covers = store.coverage.clone();
    covers.join_nodes();
    let lost: u64 = covers.lost.iter().map(|lost| lost.count).sum();
    let mut notes = vec![format!(
        "{} events from {} nodes; {} events lost in {} reports",
        grouped(covers.events()),
        covers.nodes.len(),
        grouped(lost),
        grouped(covers.lost.iter().map(|lost| lost.reports).sum()),
    )];
    if let (Some(first), Some(last)) = (covers.first, covers.last) {
        notes.push(format!("from {} to {}", rfc3339(first), rfc3339(last)));
    }
    let columns = ["WHAT", "NAME", "EVENTS", "FIRST", "LAST", "REMARK"];
    let columns = columns.iter().enumerate().map(|(at, name)| ((*name).to_owned(), at == 2)).collect();
    let mut lines = nodes(&covers);
    lines.extend(losses(&covers));
    lines.extend(store.origins.iter().filter_map(|origin| {
        let rejected: u64 = origin.rejected.values().sum();
        let mut remarks: Vec<String> =
            origin.rejected.iter().map(|(why, count)| format!("{} lines {why}", grouped(*count))).collect();
        remarks.extend(origin.broken.clone());
        if origin.repeated > 0 {
            remarks.push(format!("{} lines came before", grouped(origin.repeated)));
        }
        let is_bad = rejected > 0 || origin.broken.is_some();
        let cells = vec![
            "input".to_owned(),
            terminal(&origin.name).into_owned(),
            grouped(origin.lines),
            String::new(),
            String::new(),
            terminal(&remarks.join(", ")).into_owned(),
        ];
        (!origin.name.is_empty()).then_some(Line { cells, words: None, is_bad })
    }));
    lines.extend(store.broken.iter().map(|(path, why)| Line {
        cells: vec![
            "unreadable".to_owned(),
            terminal(&path.display().to_string()).into_owned(),
            String::new(),
            String::new(),
            String::new(),
            terminal(why).into_owned(),
        ],
        words: None,
        is_bad: true,
    }));
    Summary { notes, table: Table { columns, lines }, bars: None }
}

fn nodes(covers: &Coverage) -> Vec<Line> {
    let time = |time: Option<i64>| time.map(rfc3339).unwrap_or_default();
    let line = |(name, node): (&String, &lookback_flow::coverage::Node)| {
        let silent = silent_minutes(&node.minutes);
        let remark = if silent == 0 { String::new() } else { format!("{} minutes without a flow", grouped(silent)) };
        let word = (!name.is_empty()).then(|| written("node-name", Some(&terminal(name))));
        let shown = if name.is_empty() { "(none named)".to_owned() } else { terminal(name).into_owned() };
        Line {
            cells: vec!["node".to_owned(), shown, grouped(node.events), time(node.first), time(node.last), remark],
            words: word,
            is_bad: silent > 0,
        }
    };
    covers.nodes.iter().map(line).collect()
}

/// Minutes between the first and the last in which nothing was seen.
fn silent_minutes(minutes: &std::collections::BTreeSet<i64>) -> u64 {
    match (minutes.first(), minutes.last()) {
        (Some(first), Some(last)) => (last - first + 1).unsigned_abs().saturating_sub(minutes.len() as u64),
        _ => 0,
    }
}

fn losses(covers: &Coverage) -> Vec<Line> {
    let mut lost = covers.lost.clone();
    lost.sort_unstable();
    let line = |lost: &lookback_flow::coverage::Lost| {
        let time = |time: i64| if time == i64::MIN || time == i64::MAX { "unknown".to_owned() } else { rfc3339(time) };
        let around = |time: i64| time.saturating_add(MINUTE);
        let words = format!(
            "{} {}",
            written("since", Some(&rfc3339(lost.first.saturating_sub(MINUTE)))),
            written("until", Some(&rfc3339(around(lost.last))))
        );
        Line {
            cells: vec![
                "loss".to_owned(),
                format!("{} reports", lost.reports),
                grouped(lost.count),
                time(lost.first),
                time(lost.last),
                "events that no agent could tell of".to_owned(),
            ],
            words: (lost.first != i64::MIN && lost.last != i64::MAX).then_some(words),
            is_bad: true,
        }
    };
    lost.iter().take(MOST_LOSSES).map(line).collect()
}
