//! The evidence below an answer, for people.

use std::io::{self, Write};

use lookback_flow::time::rfc3339;

use super::{grouped, terminal};
use crate::answer::Answer;
use lookback_question::window::human_span;

/// Most names that one line lists.
const MOST: usize = 8;

/// Writes what an answer rests on.
pub(crate) fn write_evidence(answer: &Answer, out: &mut dyn Write) -> io::Result<()> {
    let evidence = &answer.evidence;
    let files = match evidence.inputs.len() {
        1 => "1 input".to_owned(),
        count => format!("{count} inputs"),
    };
    let rejected = match evidence.rejected() {
        0 => "none rejected".to_owned(),
        count => {
            let reasons: Vec<String> =
                evidence.rejected_by_reason().iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            format!("{} rejected: {}", grouped(count.into()), reasons.join(", "))
        }
    };
    writeln!(out, "read    {} lines of {files}, {rejected}", grouped(evidence.lines().into()))?;
    let kinds: Vec<String> = evidence
        .kinds
        .iter()
        .map(|(kind, count)| format!("{} {}", grouped((*count).into()), kind_name(kind, *count)))
        .collect();
    let nodes: Vec<String> = evidence.nodes.keys().map(|name| terminal(or_unnamed(name)).into_owned()).collect();
    if !kinds.is_empty() {
        writeln!(out, "events  {}, seen by {}", kinds.join(", "), listed(&nodes))?;
    }
    if let Some((since, until)) = answer.window {
        let span = human_span(until.saturating_sub(since));
        writeln!(out, "time    {} to {} ({span})", rfc3339(since), rfc3339(until))?;
    }
    for input in &evidence.inputs {
        if let Some(why) = &input.broken {
            writeln!(out, "warning {}: {}", terminal(&input.name), terminal(why))?;
        }
    }
    for caveat in evidence.caveats(answer.window.unwrap_or((i64::MIN, i64::MAX))) {
        writeln!(out, "warning {}", terminal(&caveat))?;
    }
    let oddities = &evidence.oddities;
    for (what, places) in [
        ("unknown fields, kept but not understood", &oddities.unknown_fields),
        ("unknown values", &oddities.unknown_values),
        ("values of another type than expected, kept but not used", &oddities.mistyped),
    ] {
        if !places.is_empty() {
            let names: Vec<String> =
                places.iter().map(|(place, count)| format!("{} ({count})", terminal(place))).collect();
            writeln!(out, "warning {what}: {}", listed(&names))?;
        }
    }
    for passed_over in &evidence.passed_over {
        writeln!(out, "passed over {}", terminal(passed_over))?;
    }
    if !answer.notes.is_empty() {
        writeln!(out, "note    {}", terminal(&answer.notes))?;
    }
    Ok(())
}

fn kind_name(kind: &str, count: u64) -> &str {
    match (kind, count) {
        ("flow", 1) => "flow",
        ("flow", _) => "flows",
        ("lost_events", _) => "reports of lost events",
        ("agent_event", _) => "agent events",
        ("debug_event", _) => "debug events",
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
