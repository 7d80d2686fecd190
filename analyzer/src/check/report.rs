//! What a check found, for eyes and for programs.

use std::collections::BTreeMap;
use std::io;

use anyhow::Result;
use lookback_flow::coverage::Node;
use lookback_flow::segment::Origin;
use lookback_flow::time::rfc3339;
use lookback_question::window::human_span;
use serde_json::{Value, json};

use super::{Checking, Finding, or_unnamed};
use crate::render::{grouped, kinds, plural, terminal};

/// Most findings of one kind, and most nodes, that are told one by one.
const MOST: usize = 20;

impl Checking {
    pub(super) fn write(&self, findings: &[Finding], out: &mut dyn io::Write) -> Result<()> {
        let evidence = &self.evidence;
        let mut line = |heading: &str, text: &str| writeln!(out, "{heading:<10}{}", terminal(text));
        if !evidence.inputs.is_empty() {
            let (lines, logs) = (grouped(evidence.lines().into()), evidence.inputs.len());
            line("logs", &format!("{lines} lines of {logs} {}", plural(logs as u64, "input", "inputs")))?;
        }
        if evidence.files.read > 0 {
            let (rows, files) = (grouped(evidence.files.rows.into()), evidence.files.read);
            let logs = evidence.origins.len();
            let (of_files, of_logs) = (plural(files, "file", "files"), plural(logs as u64, "log", "logs"));
            line("files", &format!("{rows} rows of {files} Parquet {of_files}, made of {logs} {of_logs}"))?;
            line("hashes", &format!("{} of {files} {of_files} as imported", self.unchanged))?;
        }
        let kinds = kinds(&evidence.covers);
        line("events", if kinds.is_empty() { "none" } else { &kinds })?;
        if let Some((first, last)) = evidence.extent {
            let span = human_span(last.saturating_sub(first));
            line("time", &format!("{} to {} ({span})", rfc3339(first), rfc3339(last)))?;
        }
        for (name, node) in evidence.covers.nodes.iter().take(MOST) {
            line("node", &self.node(name, node))?;
        }
        if let Some(more) = evidence.covers.nodes.len().checked_sub(MOST).filter(|more| *more > 0) {
            line("", &format!("and {more} more nodes"))?;
        }
        line("order", &self.order())?;
        line("versions", &self.versions())?;
        for passed_over in &evidence.passed_over {
            line("skipped", passed_over)?;
        }
        writeln!(out)?;
        let mut told: BTreeMap<&str, usize> = BTreeMap::new();
        for finding in findings {
            let count = told.entry(finding.kind).or_default();
            *count += 1;
            if *count <= MOST {
                writeln!(out, "{:<16} {}", finding.kind, terminal(&finding.text))?;
            }
        }
        for (kind, more) in told.iter().filter_map(|(kind, count)| Some((kind, count.checked_sub(MOST)?))) {
            if more > 0 {
                writeln!(out, "{kind:<16} and {more} more")?;
            }
        }
        match findings.len() {
            0 => writeln!(out, "Nothing is known to be missing.")?,
            count => {
                let findings = plural(count as u64, "finding", "findings");
                writeln!(out, "\n{count} {findings}: what is here is less than what happened, or other than it.")?;
            }
        }
        Ok(())
    }

    fn node(&self, name: &str, node: &Node) -> String {
        let name = or_unnamed(name);
        let events = grouped(node.events.into());
        let (Some(first), Some(last)) = (node.first, node.last) else {
            return format!("{name}: {events} events without time");
        };
        let silences = self.silences(node);
        let silent: i64 = silences.iter().map(|(from, to)| to - from).sum();
        let silence = match silences.len() {
            0 => "never silent for 5 minutes".to_owned(),
            1 => format!("silent for {}", human_span(silent)),
            count => format!("silent for {} in {count} stretches", human_span(silent)),
        };
        format!("{name}: {events} events, {} to {}, {silence}", rfc3339(first), rfc3339(last))
    }

    fn order(&self) -> String {
        let logs = || self.evidence.inputs.iter().chain(self.evidence.origins.values());
        let lines: u64 = logs().map(|origin| origin.disordered).sum();
        let back = logs().map(|origin| origin.furthest_back_ns).max().unwrap_or_default();
        match lines {
            0 => "every log was in the order of time".to_owned(),
            lines => {
                let (count, lines) = (grouped(lines.into()), plural(lines, "line", "lines"));
                format!("{count} {lines} stood after a later one, by up to {}", human_span(back))
            }
        }
    }

    fn versions(&self) -> String {
        let (emitters, least) = self.signs.versions();
        let mut versions = Vec::new();
        if !emitters.is_empty() {
            versions.push(format!("flows made by {}", emitters.join(", ")));
        }
        if let Some((version, column)) = least {
            versions.push(format!("Cilium {version} or later, by {column}"));
        }
        if self.signs.agent_starts > 0 {
            let starts = self.signs.agent_starts;
            versions.push(format!("{starts} {} of an agent", plural(starts, "start", "starts")));
        }
        for (producer, files) in &self.producers {
            versions.push(format!("{files} {} written by {producer}", plural(*files, "file", "files")));
        }
        for (version, files) in &self.schemas {
            versions.push(format!("{files} {} of schema {version}", plural(*files, "file", "files")));
        }
        if versions.is_empty() { "unknown".to_owned() } else { versions.join("; ") }
    }

    pub(super) fn json(&self, findings: &[Finding]) -> Value {
        let (emitters, least) = self.signs.versions();
        let time = |(from, to): (i64, i64)| json!({"from": rfc3339(from), "to": rfc3339(to)});
        let origin = |origin: &Origin| {
            json!({
                "name": origin.name, "sha256": origin.sha256, "lines": origin.lines, "rejected": origin.rejected,
                "broken": origin.broken, "disordered": origin.disordered, "furthest_back_ns": origin.furthest_back_ns,
            })
        };
        let nodes = self.evidence.covers.nodes.iter().map(|(name, node)| {
            json!({
                "name": name, "events": node.events, "first": node.first.map(rfc3339), "last": node.last.map(rfc3339),
                "silences": self.silences(node).into_iter().map(time).collect::<Vec<_>>(),
            })
        });
        json!({
            "findings": findings.iter().map(|finding| json!({"kind": finding.kind, "text": finding.text})).collect::<Vec<_>>(),
            "evidence": self.evidence.json(None),
            "nodes": nodes.collect::<Vec<_>>(),
            "logs": self.evidence.inputs.iter().chain(self.evidence.origins.values()).map(origin).collect::<Vec<_>>(),
            "files_unchanged": self.unchanged,
            "emitters": emitters,
            "least_version": least.map(|(version, column)| json!({"version": version, "by": column})),
            "agent_starts": self.signs.agent_starts,
            "producers": self.producers,
            "schemas": self.schemas,
        })
    }
}
