//! `lookback policy`: what policies would have done to archived flows, and policies that allow just what was seen.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use lookback_flow::inputs::{Found, find};
use lookback_policy::policy::By;
use lookback_policy::report::{Judged, Uses};
use lookback_policy::seen::Untold;
use lookback_policy::suggest::{self, suggest};
use lookback_policy::{Limits, Policies, Report, Seen};
use lookback_question::catalogue::{ResultColumn, Unit};

use crate::answer::Answer;
use crate::cli::{self, LineArgs, WindowArgs};
use crate::evidence::Evidence;
use crate::fold::{Folded, Window, fold};
use crate::read::Options;
use crate::render::{self, Format, write_evidence};
use crate::session::Outcome;

/// What no policy can be judged by.
const NOTES: &str = "An access is who reached whom by which port, or one request; its flows are observations of it. These policies are taken for all that there are. ICMP errors and neighbour discovery pass whatever policies say, and so does what a node sends to its own pods.";

/// Writes policies that allow what was seen.
pub(crate) fn write(args: &cli::PolicySuggest) -> Result<Outcome> {
    let found = find(&args.inputs)?;
    if let Some(path) = &args.output
        && fs::canonicalize(path).is_ok_and(|path| found.inputs.iter().any(|input| input.is(&path)))
    {
        bail!("{}: is an input; the policies would be written over it", path.display());
    }
    let (seen, evidence, window) = seen(&found, args.requests, &args.window, &args.lines)?;
    let options = suggest::Options {
        namespace: args.namespace.clone(),
        labels: args.label.clone(),
        with_requests: args.requests,
        leaves_unseen_open: args.leave_unseen_open,
    };
    let suggestion = suggest(&seen, &options)?;
    if suggestion.policies == 0 {
        bail!("no flow that passed has a pod of namespace {:?} with labels; {}", args.namespace, namespaces(&seen));
    }
    let header = format!(
        "# What passed from {} on, and nothing else. Read it before it is applied: what was not seen is denied.\n",
        evidence.covers.first.map_or_else(|| "an unknown time".to_owned(), lookback_flow::time::rfc3339)
    );
    let text = header + &suggestion.to_string();
    match &args.output {
        Some(path) => fs::write(path, text).with_context(|| path.display().to_string())?,
        None => io::stdout().lock().write_all(text.as_bytes())?,
    }
    if !args.quiet {
        let mut stderr = io::stderr().lock();
        writeln!(stderr, "{} policies of {} flows", suggestion.policies, seen.flows)?;
        for remark in suggestion.remarks.iter().cloned().chain(untold(&seen.untold)) {
            writeln!(stderr, "left out: {}", render::terminal(&remark))?;
        }
        write_evidence(&Answer::without_rows(window, evidence, NOTES), &mut stderr)?;
    }
    Ok(Outcome::Answered)
}

/// Judges flows by policies.
pub(crate) fn test(args: &cli::PolicyTest) -> Result<Outcome> {
    let mut policies = Policies::default();
    for path in std::iter::once(&args.policy).chain(&args.with) {
        for file in files(path)? {
            let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            policies.extend(Policies::parse(&file.display().to_string(), &text)?);
        }
    }
    let found = find(&args.inputs)?;
    let (seen, evidence, window) = seen(&found, policies.has_layer_seven(), &args.window, &args.lines)?;
    let report = Report::new(&policies, &seen);
    let columns = if args.rules { rule_columns() } else { flow_columns() };
    let rows = if args.rules { by_rule(&report)? } else { by_flow(&report, args.all, args.limit)? };
    let summary = summary(&report, &seen);
    let answer = Answer {
        title: "What the policies decide".to_owned(),
        columns: Answer::units(&rows, &columns),
        rows,
        ..Answer::without_rows(window, evidence, &format!("{summary} {NOTES}"))
    };
    let mut stdout = BufWriter::new(io::stdout().lock());
    render::write(&answer, args.output.output, args.output.raw, &mut stdout)?;
    stdout.flush()?;
    if !args.output.quiet && args.output.output != Format::Json {
        let mut stderr = io::stderr().lock();
        if answer.rows.num_rows() == 0 {
            writeln!(stderr, "nothing changes")?;
        }
        write_evidence(&answer, &mut stderr)?;
    }
    Ok(if report.is_clean() { Outcome::Answered } else { Outcome::Empty })
}

/// A file, or the YAML files of a folder.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).with_context(|| path.display().to_string())? {
        let path = entry.with_context(|| path.display().to_string())?.path();
        let is_policy = path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml" || ending == "json");
        if is_policy && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        bail!("{}: no .yaml, .yml or .json file in it", path.display());
    }
    files.sort();
    Ok(files)
}

/// What was seen in the window.
fn seen(found: &Found, with_requests: bool, window: &WindowArgs, lines: &LineArgs) -> Result<(Seen, Evidence, Window)> {
    let mut options = Options::new(lines, found)?;
    let new = || Seen::new(Limits::default(), with_requests);
    let add = |seen: &mut Seen, batch: &RecordBatch| Ok(seen.add(batch)?);
    let Folded { parts, evidence, window } = fold(found, &Seen::columns(), window, &mut options, &new, &add)?;
    options.flush()?;
    let mut all = new();
    parts.into_iter().for_each(|part| all.merge(part));
    Ok((all, evidence, window))
}

/// The namespaces that there are, for whoever asked for another.
fn namespaces(seen: &Seen) -> String {
    let accesses = seen.accesses();
    let ends = accesses.iter().flat_map(|access| [access.client, access.server]);
    let mut names: Vec<&str> = ends.filter_map(|end| end.namespace.as_deref()).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() { "the log names no namespace".to_owned() } else { format!("there are {}", names.join(", ")) }
}

/// Flows that say nothing of policies, in words.
fn untold(untold: &Untold) -> Vec<String> {
    let Untold { direction, early, related, other_drops, left_out } = *untold;
    [
        (direction, "of which it is not known which way they went"),
        (early, "seen before a policy decided"),
        (related, "of ICMP errors and neighbour discovery, which policies do not decide"),
        (other_drops, "dropped for another reason than a policy"),
        (left_out, "beyond what is kept in memory"),
    ]
    .iter()
    .filter(|(flows, _)| *flows > 0)
    .map(|(flows, what)| format!("{flows} flows {what}"))
    .collect()
}

/// The counts in a few sentences.
fn summary(report: &Report<'_>, seen: &Seen) -> String {
    let passed = |judged: &[Judged<'_>]| judged.iter().map(|judged| judged.access.tally.passed()).sum::<u64>();
    let denied = |judged: &[Judged<'_>]| judged.iter().map(|judged| judged.access.tally.denied()).sum::<u64>();
    let mut text = format!(
        "{} flows, {} accesses: {} that passed would have been denied ({} flows), {} that were denied would have passed ({} flows), {} pass and {} are denied as before.",
        seen.flows,
        seen.accesses().len(),
        report.newly_denied.len(),
        passed(&report.newly_denied),
        report.newly_allowed.len(),
        denied(&report.newly_allowed),
        report.still_allowed.len(),
        report.still_denied.len(),
    );
    // Writing to a String cannot fail.
    for (why, Uses { accesses, flows }) in report.unknowns() {
        let _ = write!(text, " {accesses} are not known ({flows} flows): {}.", why.text());
    }
    for what in untold(&seen.untold) {
        let _ = write!(text, " Not judged: {what}.");
    }
    text
}

fn flow_columns() -> Vec<ResultColumn> {
    let column = ResultColumn::new;
    vec![
        column("decision", Unit::Plain, "newly denied, newly allowed, not known, still denied, or allowed."),
        column("client", Unit::Plain, "Who reached out."),
        column("server", Unit::Plain, "Whom."),
        column("protocol", Unit::Plain, "TCP, UDP, …; NULL where the log does not tell."),
        column("port", Unit::Plain, "Port of the server, or ICMP type."),
        column("request", Unit::Plain, "The request, where policies look into them; NULL of the connection itself."),
        column("flows", Unit::Count, "Flows of the log that it is about."),
        column("by", Unit::Plain, "What decides: rules, or the policies that have none for it; or what is not known."),
        column("first_seen", Unit::Time, "When it was first seen."),
        column("last_seen", Unit::Time, "When it was last seen."),
    ]
}

/// What changes first.
const ORDER: [&str; 5] = ["newly denied", "newly allowed", "not known", "still denied", "allowed"];

/// Accesses, by decision and number of flows.
fn by_flow(report: &Report<'_>, all: bool, limit: u64) -> Result<RecordBatch> {
    let mut rows: Vec<(&str, &Judged<'_>, u64, String)> = Vec::new();
    for (what, judged, is_denied) in [
        ("newly denied", &report.newly_denied, false),
        ("newly allowed", &report.newly_allowed, true),
        ("still denied", &report.still_denied, true),
        ("allowed", &report.still_allowed, false),
    ] {
        if what == "allowed" && !all {
            continue;
        }
        let flows =
            |judged: &Judged<'_>| if is_denied { judged.access.tally.denied() } else { judged.access.tally.passed() };
        rows.extend(judged.iter().map(|judged| (what, judged, flows(judged), report.why(judged))));
    }
    for (judged, why) in &report.not_known {
        let flows = judged.access.tally.passed() + judged.access.tally.denied();
        rows.push(("not known", judged, flows, why.text()));
    }
    rows.sort_by_key(|(what, _, flows, _)| (ORDER.iter().position(|own| own == what), std::cmp::Reverse(*flows)));
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let text = |of: &dyn Fn(&Judged<'_>) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(|(_, judged, ..)| of(judged)).collect::<StringArray>())
    };
    let number = |of: &dyn Fn(&Judged<'_>) -> Option<i64>| -> ArrayRef {
        Arc::new(rows.iter().map(|(_, judged, ..)| of(judged)).collect::<Int64Array>())
    };
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|(what, ..)| Some(*what)).collect::<StringArray>()),
        text(&|judged| Some(judged.access.client.to_string())),
        text(&|judged| Some(judged.access.server.to_string())),
        text(&|judged| judged.access.protocol.map(|protocol| protocol.name().to_owned())),
        number(&|judged| judged.access.port.map(i64::from)),
        text(&|judged| judged.access.request.map(ToString::to_string)),
        Arc::new(rows.iter().map(|(_, _, flows, _)| i64::try_from(*flows).ok()).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|(.., by)| Some(by.as_str())).collect::<StringArray>()),
        number(&|judged| judged.access.tally.first),
        number(&|judged| judged.access.tally.last),
    ];
    batch(&flow_columns(), arrays)
}

fn rule_columns() -> Vec<ResultColumn> {
    let column = ResultColumn::new;
    vec![
        column("rule", Unit::Plain, "Policy and place of the rule in it."),
        column(
            "accesses",
            Unit::Count,
            "Accesses that it decides, alone or with others; 0: nothing that was seen wants it.",
        ),
        column("flows", Unit::Count, "Their flows."),
    ]
}

fn by_rule(report: &Report<'_>) -> Result<RecordBatch> {
    let rules: Vec<(&By, &Uses)> = report.rules.iter().collect();
    let number = |of: fn(&Uses) -> u64| -> ArrayRef {
        Arc::new(rules.iter().map(|(_, uses)| i64::try_from(of(uses)).ok()).collect::<Int64Array>())
    };
    let names = rules.iter().map(|(by, _)| Some(report.by(by))).collect::<StringArray>();
    batch(&rule_columns(), vec![Arc::new(names), number(|uses| uses.accesses), number(|uses| uses.flows)])
}

fn batch(columns: &[ResultColumn], arrays: Vec<ArrayRef>) -> Result<RecordBatch> {
    let named = columns.iter().map(|column| column.name.as_str()).zip(arrays).map(|(name, array)| (name, array, true));
    Ok(RecordBatch::try_from_iter_with_nullable(named)?)
}
