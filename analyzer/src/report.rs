//! `lookback report`: a pack of questions, answered into a folder that others can check.

mod asked;
mod completeness;
mod finding;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use lookback_flow::archive::content::file_sha256;
use lookback_flow::inputs::{Found, Input, find};
use lookback_question::catalogue::{Catalogue, Question};
use lookback_report::document::{Drawing, Finding, Report};
use lookback_report::folder::Folder;
use lookback_report::manifest::{self, Manifest, sha256};
use lookback_report::sign::Key;
use lookback_report::{html, markdown};
use rayon::prelude::*;

use crate::answer::Answer;
use crate::cli;
use crate::diff::Changes;
use crate::evidence::Evidence;
use crate::read::Options;
use crate::remote::Elsewhere;
use crate::render::{self, Format, plural};
use crate::session::Outcome;
use crate::{map, memory, remote};
use asked::Asked;

/// What made a report, as its manifest says it.
const PRODUCER: &str = concat!("lookback ", env!("CARGO_PKG_VERSION"));

pub(crate) fn run(args: &cli::Report, catalogue: &Catalogue) -> Result<Outcome> {
    memory::give_large_blocks_back();
    let known = args.from.as_deref().map(Manifest::read).transpose()?.map(|(manifest, _)| manifest);
    let mut asked = match &known {
        Some(manifest) => Asked::of_manifest(manifest)?,
        None => Asked::of_flags(args)?,
    };
    if !args.inputs.is_empty() {
        asked.inputs.clone_from(&args.inputs);
    }
    let redaction = asked.redaction(args.redact_key.as_deref())?;
    if known.is_none() {
        asked.redact_scope(redaction.as_ref());
    }
    let key = args.sign.as_deref().map(signing_key).transpose()?;
    let previous = match (&known, &args.previous) {
        (Some(manifest), _) => manifest.previous.clone(),
        (None, Some(path)) => Some(previous(path)?),
        (None, None) => None,
    };
    let found = find(&asked.inputs)?;
    let scope = asked.scope();
    let elsewhere = args.engine.connect(&found, &scope)?;
    if elsewhere.is_some() && redaction.is_some() {
        bail!("--redact is not for an engine elsewhere, which knows the names as they are");
    }
    let mut folder = Folder::begin(&args.output)?;
    let hides_names = redaction.as_ref().is_some_and(lookback_report::redact::Redaction::hides_hosts);
    let inputs = hashes(&found, hides_names)?;
    if let Some(manifest) = &known {
        same_inputs(manifest, &inputs)?;
    }
    let mut options = Options::new(&args.lines, &found)?;
    options.redaction = redaction;
    let questions = asked.questions(catalogue);
    let mut report = Report {
        title: asked.title.clone(),
        scope: asked.told(elsewhere.as_ref().map(Elsewhere::address).as_deref()),
        zone: asked.zone()?,
        command: asked.again(),
        producer: PRODUCER.to_owned(),
        ..Report::default()
    };
    let askings = questions.iter().map(|question| asked.asking(question, &scope)).collect::<Result<Vec<_>>>()?;
    let mut rests_on: Option<Evidence> = None;
    remote::answer(elsewhere.as_ref(), &askings, &found, &mut options, catalogue, &mut |place, answer| {
        let Some(question) = questions.get(place) else { return Ok(()) };
        if let Ok(answer) = &answer {
            report.period = report.period.or(answer.window);
            rests_on.get_or_insert_with(|| answer.evidence.clone());
            write_data(&mut folder, &finding::name(question), answer)?;
        }
        let drawing = answer.as_ref().ok().map(|answer| drawing(question, answer)).transpose()?.flatten();
        let finding = finding::of(question, answer, &asked, report.zone)?;
        report.findings.push(Finding { drawing, ..finding });
        Ok(())
    })?;
    let evidence = rests_on.unwrap_or_default();
    if asked.is_of_an_incident() {
        let changes = changes(&asked, report.period, &found, elsewhere.as_ref(), &mut options, catalogue)?;
        let (finding, answer) = finding::of_changes(changes, &asked, report.zone)?;
        if let Some(answer) = answer {
            write_data(&mut folder, finding::CHANGES, &answer)?;
        }
        report.findings.push(finding);
    }
    options.flush()?;
    let signs = completeness::signs(&found, &scope.window, &options)?;
    report.completeness = completeness::of(&evidence, signs, &mut report);
    report.sort();
    folder.write("report.html", html::page(&report).as_bytes())?;
    folder.write("report.md", markdown::page(&report).as_bytes())?;
    let hash = |question: &&Question| (finding::name(question), sha256(question.sql.as_bytes()));
    let manifest = Manifest {
        manifest: manifest::VERSION,
        producer: PRODUCER.to_owned(),
        flow_schema: lookback_flow::segment::VERSION,
        command: known.as_ref().map_or_else(|| asked.words(), |manifest| manifest.command.clone()),
        parameters: serde_json::to_value(&asked)?,
        inputs,
        counts: completeness::counts(&evidence),
        is_whole: report.completeness.doubts.is_empty(),
        doubts: report.completeness.doubts.clone(),
        questions: questions.iter().map(hash).collect(),
        previous,
        files: Vec::new(),
    };
    let sha256 = folder.finish(manifest, key.as_ref())?;
    tell(args, &report, &sha256)?;
    Ok(Outcome::Answered)
}

/// A word to whoever waits.
fn tell(args: &cli::Report, report: &Report, sha256: &str) -> Result<()> {
    let mut out = io::stderr().lock();
    let place = args.output.display();
    if args.quiet {
        return Ok(());
    }
    writeln!(out, "report   {place}/report.html, with {} findings", report.found().count())?;
    match report.completeness.doubts.len() {
        0 => writeln!(out, "whole    nothing is known to be missing")?,
        count => writeln!(
            out,
            "warning  the evidence is not whole: {count} {}, on the first page",
            plural(count as u64, "reason", "reasons")
        )?,
    }
    writeln!(out, "manifest sha256 {sha256}")?;
    Ok(writeln!(out, "check    lookback verify {}", lookback_browser::data::query::shell(&place.to_string()))?)
}

/// Writes an answer's rows beside the page, for whoever wants to count for themselves.
fn write_data(folder: &mut Folder, name: &str, answer: &Answer) -> Result<()> {
    if answer.rows.num_rows() > 0 {
        let mut csv = Vec::new();
        render::write(answer, Format::Csv, false, &mut csv)?;
        folder.write(&format!("data/{name}.csv"), &csv)?;
        folder.write(&format!("data/{name}.parquet"), &render::parquet(answer)?)?;
    }
    Ok(())
}

/// The drawing of a service map.
fn drawing(question: &Question, answer: &Answer) -> Result<Option<Drawing>> {
    if question.name != map::QUESTION || question.by.is_some() || answer.rows.num_rows() == 0 {
        return Ok(None);
    }
    let map = map::of(answer)?;
    let caption = map.left_out().text().unwrap_or_default();
    Ok(Some(Drawing { svg: map.write(lookback_map::Format::Svg, ""), caption }))
}

/// What changed against the span before the period, or why that cannot be told.
///
/// # Errors
/// When an engine elsewhere fails, or answers otherwise than we would.
fn changes(
    asked: &Asked,
    period: Option<(i64, i64)>,
    found: &Found,
    elsewhere: Option<&Elsewhere>,
    options: &mut Options,
    catalogue: &Catalogue,
) -> Result<Result<Changes>> {
    let before = period.map(|(since, _)| asked.before(since)).transpose()?.flatten();
    let Some(before) = before else {
        return Ok(Err(anyhow!(
            "the period begins with the data; a later --since, or --before RANGE, gives something to compare with"
        )));
    };
    let changes = Changes::between([(found, &before), (found, &asked.scope())], elsewhere, options, catalogue);
    if elsewhere.is_some() { Ok(Ok(changes?)) } else { Ok(changes) }
}

fn signing_key(path: &Path) -> Result<Key> {
    let pem = fs::read(path).with_context(|| path.display().to_string())?;
    Key::read(&pem).with_context(|| path.display().to_string())
}

/// The hash of the manifest of the report before.
fn previous(path: &Path) -> Result<String> {
    let path = if path.is_dir() { path.join(manifest::NAME) } else { path.to_owned() };
    let (_, bytes) = Manifest::read(&path)?;
    Ok(sha256(&bytes))
}

/// Every file of the inputs, by its content; without their names where those would tell of hosts.
fn hashes(found: &Found, hides_names: bool) -> Result<Vec<manifest::File>> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for input in &found.inputs {
        match input {
            Input::Stdin => bail!("standard input cannot be named and read again; save it to a file first"),
            Input::File(path) => paths.push(path.clone()),
            Input::Archive(archive) => paths.extend(archive.all_files()?),
        }
    }
    let file = |path: &PathBuf| -> Result<manifest::File> {
        let name = || path.display().to_string();
        let sha256 = file_sha256(path).with_context(name)?;
        Ok(manifest::File { path: name(), bytes: lookback_flow::store::size(path).with_context(name)?, sha256 })
    };
    let mut files: Vec<manifest::File> = paths.par_iter().map(file).collect::<Result<_>>()?;
    if hides_names {
        files.iter_mut().for_each(|file| "(redacted)".clone_into(&mut file.path));
    }
    files.sort();
    Ok(files)
}

/// Whether these inputs are those of a manifest, whatever they are called now.
fn same_inputs(manifest: &Manifest, inputs: &[manifest::File]) -> Result<()> {
    let hashes = |files: &[manifest::File]| {
        let mut hashes: Vec<String> = files.iter().map(|file| file.sha256.clone()).collect();
        hashes.sort_unstable();
        hashes
    };
    if hashes(&manifest.inputs) == hashes(inputs) {
        return Ok(());
    }
    let (then, now) = (hashes(&manifest.inputs), hashes(inputs));
    let gone = manifest
        .inputs
        .iter()
        .filter(|file| !now.contains(&file.sha256))
        .map(|file| format!("{} is not as it was, or gone", file.path));
    let new =
        inputs.iter().filter(|file| !then.contains(&file.sha256)).map(|file| format!("{} was not there", file.path));
    let differences: Vec<String> = gone.chain(new).take(8).collect();
    bail!("the inputs are not those of the report: {}", differences.join("; "))
}
