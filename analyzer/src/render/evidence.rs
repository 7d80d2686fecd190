//! The evidence below an answer, for people.

use std::io::{self, IsTerminal as _, Write};

use lookback_flow::coverage::Coverage;
use lookback_flow::segment::Origin;
use lookback_flow::time::rfc3339;
use lookback_question::window::human_span;

use super::{grouped, terminal};
use crate::answer::Answer;

/// Most names that one line lists.
const MOST: usize = 8;

/// Writes what an answer rests on, a heading and a text each, wrapped where standard error is a terminal.
pub(crate) fn write_evidence(answer: &Answer, out: &mut dyn Write) -> io::Result<()> {
    let width = if io::stderr().is_terminal() { textwrap::termwidth() } else { usize::MAX };
    for (heading, text) in evidence_lines(answer) {
        let first = format!("{heading:<8}");
        let options = textwrap::Options::new(width).initial_indent(&first).subsequent_indent("        ");
        writeln!(out, "{}", textwrap::fill(&terminal(&text), options))?;
    }
    Ok(())
}

/// The same, unwrapped; texts from a log are as they are.
pub(crate) fn evidence_lines(answer: &Answer) -> Vec<(&'static str, String)> {
    let evidence = &answer.evidence;
    let mut lines = Vec::new();
    let files = evidence.files;
    if files.read + files.skipped > 0 {
        let (rows, all) = (grouped(files.rows.into()), files.read + files.skipped);
        let of = if files.skipped == 0 { String::new() } else { format!(" of {}", grouped(all.into())) };
        let mut archive = format!("{rows} rows of {}{of} {}", grouped(files.read.into()), plural(all, "file", "files"));
        if !evidence.origins.is_empty() {
            let logs = evidence.origins.len() as u64;
            let lines = evidence.origins.values().map(|origin| origin.lines).sum::<u64>();
            let rejected = rejected(evidence.origins.values(), "when they were imported");
            archive = format!(
                "{archive}, made of {logs} {} with {} lines, {rejected}",
                plural(logs, "log", "logs"),
                grouped(lines.into())
            );
        }
        lines.push(("archive", archive));
    }
    if !evidence.inputs.is_empty() || files.read + files.skipped == 0 {
        let inputs = evidence.inputs.len() as u64;
        let read =
            format!("{} lines of {inputs} {}", grouped(evidence.lines().into()), plural(inputs, "input", "inputs"));
        lines.push(("read", format!("{read}, {}", rejected(&evidence.inputs, "(--rejects FILE keeps them)"))));
    }
    if !evidence.covers.kinds.is_empty() {
        let nodes: Vec<String> = evidence.covers.nodes.keys().map(|name| or_unnamed(name).to_owned()).collect();
        lines.push(("events", format!("{}, seen by {}", kinds(&evidence.covers), listed(&nodes))));
    }
    if let Some((since, until)) = answer.window {
        let span = human_span(until.saturating_sub(since));
        lines.push(("time", format!("{} to {} ({span})", rfc3339(since), rfc3339(until))));
    }
    for input in &evidence.inputs {
        lines.extend(input.broken.as_ref().map(|why| ("warning", format!("{}: {why}", input.name))));
    }
    let window = answer.window.unwrap_or((i64::MIN, i64::MAX));
    lines.extend(evidence.caveats(window).into_iter().map(|caveat| ("warning", caveat)));
    let oddities = &evidence.oddities;
    for (what, places) in [
        ("unknown fields, kept but not understood", &oddities.unknown_fields),
        ("unknown values", &oddities.unknown_values),
        ("values of another type than expected, kept but not used", &oddities.mistyped),
    ] {
        if !places.is_empty() {
            let places: Vec<String> = places.iter().map(|(place, count)| format!("{place} ({count})")).collect();
            lines.push(("warning", format!("{what}: {}", listed(&places))));
        }
    }
    if oddities.more > 0 {
        lines.push(("warning", format!("{} more such fields and values, not listed", grouped(oddities.more.into()))));
    }
    lines.extend(evidence.passed_over.iter().map(|passed_over| ("skipped", passed_over.clone())));
    if !answer.notes.is_empty() {
        lines.push(("note", answer.notes.clone()));
    }
    lines
}

/// How many lines were rejected, and why.
pub(crate) fn rejected<'a>(origins: impl IntoIterator<Item = &'a Origin>, then: &str) -> String {
    let reasons = crate::evidence::rejected(origins);
    if reasons.is_empty() {
        return "none rejected".to_owned();
    }
    let rejected = grouped(reasons.values().sum::<u64>().into());
    let reasons: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    format!("{rejected} rejected: {} {then}", reasons.join(", "))
}

pub(crate) fn plural<'a>(count: u64, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}

/// How many events there are of each kind.
pub(crate) fn kinds(covers: &Coverage) -> String {
    let kinds = covers.kinds.iter();
    let kinds = kinds.map(|(kind, count)| format!("{} {}", grouped((*count).into()), kind_name(kind, *count)));
    kinds.collect::<Vec<_>>().join(", ")
}

fn kind_name(kind: &str, count: u64) -> &str {
    match (kind, count) {
        ("flow", 1) => "flow",
        ("flow", _) => "flows",
        ("lost_events", 1) => "report of lost events",
        ("lost_events", _) => "reports of lost events",
        ("agent_event", 1) => "agent event",
        ("agent_event", _) => "agent events",
        ("debug_event", 1) => "debug event",
        ("debug_event", _) => "debug events",
        ("node_status", 1) => "node status event",
        ("node_status", _) => "node status events",
        (other, _) => other,
    }
}

fn or_unnamed(name: &str) -> &str {
    if name.is_empty() { "an unnamed node" } else { name }
}

fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(MOST);
    let shown: Vec<&str> = names.iter().take(MOST).map(String::as_str).collect();
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}
