//! The report as text, for a wiki or a ticket.

use std::fmt::Write as _;

use crate::document::{Finding, Kind, Report, Table};

/// Writes the report as Markdown; what comes from a log is no markup in it.
#[must_use]
pub fn page(report: &Report) -> String {
    let mut out = format!("# {}\n\n", text(&report.title));
    let mut line = |text: &str| {
        out.push_str(text);
        out.push('\n');
    };
    match report.period {
        Some((since, until)) => line(&format!(
            "- Period: {} to {}, both included; all times are in the zone {}",
            report.zone.moment(since),
            report.zone.moment(until),
            report.zone
        )),
        None => line("- Period: the input holds no event with a time"),
    }
    for (heading, value) in &report.scope {
        line(&format!("- {}: {}", text(heading), text(value)));
    }
    let own = &report.completeness;
    line("\n## Completeness\n");
    if own.doubts.is_empty() {
        line("Nothing is known to be missing.\n");
    } else {
        line("**The evidence is not whole.** What is counted below may be less than what happened:\n");
        own.doubts.iter().for_each(|doubt| line(&format!("- {}", text(doubt))));
        line("");
    }
    own.facts.iter().for_each(|(heading, value)| line(&format!("- {}: {}", text(heading), text(value))));
    for node in &own.nodes {
        let time = |at: Option<i64>| at.map_or_else(|| "never".to_owned(), |at| report.zone.moment(at));
        line(&format!(
            "- {}: {} events, {} to {}, silent {} times for more than five minutes",
            text(&node.name),
            node.events,
            time(node.first),
            time(node.last),
            node.silences.len()
        ));
    }
    own.rejected.iter().for_each(|(reason, count)| line(&format!("- rejected: {count} {}", text(reason))));
    if let Some(lost) = &own.lost {
        line("\n### Lost events\n");
        line(&rows(lost));
    }
    for (finding, table) in report.found() {
        line(&section(finding, table));
    }
    if report.silent().next().is_some() {
        line("\n## Nothing found, or not answered\n");
        report.silent().for_each(|(finding, why)| line(&format!("- {}: {}", text(&finding.title), text(why))));
    }
    line("\n## How to make this report again\n");
    line(&code(&report.command));
    out
}

fn section(finding: &Finding, table: &Table) -> String {
    let mut out = format!("\n## {}\n\n{}\n\n{}", text(&finding.title), text(&finding.answers), rows(table));
    if table.is_cut {
        let _ = writeln!(out, "\nOnly the first {} rows; there may be more.", table.rows.len());
    }
    if !finding.notes.is_empty() {
        let _ = writeln!(out, "\n{}", text(&finding.notes));
    }
    if !finding.parameters.is_empty() {
        let parameters: Vec<String> =
            finding.parameters.iter().map(|(name, value)| format!("{} = {}", text(name), text(value))).collect();
        let _ = writeln!(out, "\nParameters: {}", parameters.join(", "));
    }
    out + "\n" + &code(&finding.command)
}

fn rows(table: &Table) -> String {
    let mut out = String::from("|");
    let mut rule = String::from("|");
    for column in &table.columns {
        let _ = write!(out, " {} |", text(&column.heading));
        rule.push_str(if column.kind == Kind::Number { " ---: |" } else { " --- |" });
    }
    out = out + "\n" + &rule + "\n";
    for row in &table.rows {
        out.push('|');
        row.iter().for_each(|cell| {
            let _ = write!(out, " {} |", text(&cell.text));
        });
        out.push('\n');
    }
    out
}

/// A command as a block, fenced by more marks than it holds in a row.
fn code(command: &str) -> String {
    let command = lookback_flow::escape::terminal(command);
    let longest = command.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}sh\n{command}\n{fence}\n")
}

fn text(text: &str) -> String {
    lookback_flow::escape::markdown(text)
}
