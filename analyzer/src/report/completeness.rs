//! What the evidence is worth: the first page.

use std::collections::BTreeMap;

use anyhow::Result;
use arrow::array::RecordBatch;
use lookback_flow::coverage::{MINUTE, Node};
use lookback_flow::inputs::Found;
use lookback_report::document::{self, Completeness, Outcome, Report};

use super::finding;
use crate::cli::WindowArgs;
use crate::evidence::{Evidence, rejected, silences};
use crate::fold::{Folded, fold};
use crate::read::Options;
use crate::render::{grouped, kinds};
use crate::signs::{self, Signs};

/// Most nodes that are told of one by one.
const MOST_NODES: usize = 200;

/// Signs in the period's rows of what the exporter filtered, masked or mixed up, each a sentence. The inputs are read once more, all
/// of whose flows count, whatever the report's scope.
pub(super) fn signs(found: &Found, window: &WindowArgs, options: &Options) -> Result<Vec<String>> {
    let columns: Vec<String> = signs::columns().map(str::to_owned).collect();
    let redaction = options.redaction.as_ref();
    let add = |signs: &mut Signs, batch: &RecordBatch| {
        let redacted = redaction.map(|redaction| redaction.batch(batch)).transpose()?;
        Ok(signs.count(redacted.as_ref().unwrap_or(batch))?)
    };
    // Bad lines were told when the questions were answered.
    let mut again = Options { progress: options.progress, ..Options::default() };
    let Folded { parts, .. } = fold(found, &columns, window, &mut again, &Signs::default, &add)?;
    let mut all = Signs::default();
    parts.into_iter().for_each(|part| all.merge(part));
    let leaked = all.leaked();
    let leaked = leaked.iter().map(|text| format!("{text}: looks like a field mask that mixes flows up"));
    Ok(all.filtered().into_iter().chain(leaked).collect())
}

/// The completeness of a report whose period and findings are known; takes the losses out of the findings.
pub(super) fn of(evidence: &Evidence, signs: Vec<String>, report: &mut Report) -> Completeness {
    let period = report.period.unwrap_or((i64::MIN, i64::MAX));
    let (mut lost, mut uncounted) = (None, None);
    report.findings.retain_mut(|finding| {
        if finding.name != finding::LOSSES {
            return true;
        }
        match &mut finding.outcome {
            Outcome::Found(table) => lost = Some(std::mem::take(table)),
            Outcome::Unanswered(why) => uncounted = Some(format!("what was lost is not known: {why}")),
            Outcome::Nothing(_) => {}
        }
        false
    });
    let rejected: Vec<(String, u64)> =
        rejected(evidence.inputs.iter().chain(evidence.origins.values())).into_iter().collect();
    let mut doubts: Vec<String> = evidence
        .inputs
        .iter()
        .filter_map(|input| Some(format!("{}: {}", input.name, input.broken.as_ref()?)))
        .chain(evidence.caveats(period))
        .collect();
    let bad: u64 = rejected.iter().map(|(_, count)| count).sum();
    if bad > 0 {
        doubts.push(format!("{} lines could not be read, of whatever time they are", grouped(bad.into())));
    }
    doubts.extend(uncounted);
    doubts.extend(signs);
    if evidence.covers.nodes.len() > MOST_NODES {
        doubts.push(format!("only {MOST_NODES} of {} nodes are listed below", evidence.covers.nodes.len()));
    }
    let nodes = evidence.covers.nodes.iter().take(MOST_NODES);
    let nodes = nodes.map(|(name, node)| told(name, node, within(evidence, period))).collect();
    Completeness { doubts, facts: facts(evidence), nodes, lost, rejected }
}

/// The part of a period that the data reach into: what is outside of all data is no silence of a node.
fn within(evidence: &Evidence, (since, until): (i64, i64)) -> (i64, i64) {
    let (first, last) = evidence.extent.unwrap_or((since, until));
    (since.max(first), until.min(last))
}

fn told(name: &str, node: &Node, (since, until): (i64, i64)) -> document::Node {
    let inside = node.minutes.range(since.div_euclid(MINUTE)..=until.div_euclid(MINUTE).max(since.div_euclid(MINUTE)));
    let mut seen: Vec<(i64, i64)> = Vec::new();
    for minute in inside {
        let (from, to) = (minute.saturating_mul(MINUTE), (minute + 1).saturating_mul(MINUTE));
        match seen.last_mut() {
            Some((_, end)) if *end == from => *end = to,
            _ => seen.push((from, to)),
        }
    }
    document::Node {
        name: if name.is_empty() { "an unnamed node".to_owned() } else { name.to_owned() },
        events: node.events,
        first: node.first,
        last: node.last,
        seen,
        silences: if node.minutes.is_empty() { Vec::new() } else { silences(node, (since, until)) },
    }
}

fn facts(evidence: &Evidence) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let mut tell = |heading: &str, text: String| facts.push((heading.to_owned(), text));
    let lines = evidence.lines();
    if !evidence.inputs.is_empty() {
        tell("Lines read", format!("{} of {} logs", grouped(lines.into()), evidence.inputs.len()));
    }
    let files = evidence.files;
    if files.read + files.skipped > 0 {
        tell(
            "Rows stored",
            format!(
                "{} in {} files of an archive, made of {} logs",
                grouped(files.rows.into()),
                files.read,
                evidence.origins.len()
            ),
        );
    }
    let all = kinds(&evidence.covers);
    tell("Events seen", if all.is_empty() { "none".to_owned() } else { all });
    let verdicts: Vec<String> =
        evidence.covers.verdicts.iter().map(|(name, count)| format!("{} {name}", grouped((*count).into()))).collect();
    if !verdicts.is_empty() {
        tell("Verdicts", verdicts.join(", "));
    }
    let l7: Vec<String> =
        evidence.covers.l7.iter().map(|(name, count)| format!("{} {name}", grouped((*count).into()))).collect();
    tell(
        "Layer 7",
        if l7.is_empty() { "none: nothing is known of DNS, HTTP or Kafka".to_owned() } else { l7.join(", ") },
    );
    let passed_over = evidence.passed_over.len();
    if passed_over > 0 {
        tell("Files passed over", evidence.passed_over.join("; "));
    }
    facts
}

/// The counts of a manifest.
pub(super) fn counts(evidence: &Evidence) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::from([
        ("lines".to_owned(), evidence.lines()),
        ("rows".to_owned(), evidence.files.rows),
        ("rejected".to_owned(), evidence.rejected()),
        ("lost".to_owned(), evidence.covers.lost_within((i64::MIN, i64::MAX)).1),
        ("nodes".to_owned(), evidence.covers.nodes.len() as u64),
    ]);
    counts.extend(evidence.covers.kinds.iter().map(|(kind, count)| (format!("events.{kind}"), *count)));
    counts
}
