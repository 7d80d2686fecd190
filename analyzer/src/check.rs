//! `lookback check`: what logs and archives are worth as evidence.
//!
//! Everything is read, and nothing that a file tells of itself is believed: rows are counted again, files are hashed again.

mod report;

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use indicatif::ProgressBar;
use lookback_flow::archive::content::file_sha256;
use lookback_flow::archive::disorder::Disorder;
use lookback_flow::archive::journal::{ImportedFile, Journal};
use lookback_flow::archive::layout::hour_of;
use lookback_flow::archive::{Archive, ArchiveError};
use lookback_flow::coverage::{self, Coverage, Node};
use lookback_flow::inputs::{Found, Input, find};
use lookback_flow::json::{Decoder, Wants};
use lookback_flow::rows::Projection;
use lookback_flow::segment::{Origin, SegmentFile, Wanted};
use lookback_flow::store;
use lookback_flow::time::rfc3339;
use rayon::prelude::*;

use crate::cli::{self, Words};
use crate::evidence::{Evidence, silences};
use crate::read::{self, Opened, Options, Reader};
use crate::render::{grouped, write_pretty};
use crate::seen::Seen;
use crate::session::Outcome;
use crate::signs::{self, Signs};

/// Something that makes the evidence less than whole.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    /// A stable word.
    kind: &'static str,
    text: String,
}

pub(crate) fn run(args: &cli::Check) -> Result<Outcome> {
    let found = find(&args.inputs)?;
    let mut options = Options::new(&args.lines, &found)?;
    let mut checking = Checking::default();
    checking.read(&found, &mut options)?;
    options.flush()?;
    let findings = checking.findings();
    let mut out = io::stdout().lock();
    match args.output {
        Words::Json => write_pretty(&checking.json(&findings), &mut out)?,
        Words::Text => checking.write(&findings, &mut out)?,
    }
    Ok(if findings.is_empty() { Outcome::Answered } else { Outcome::Empty })
}

#[derive(Default)]
struct Checking {
    evidence: Evidence,
    signs: Signs,
    /// Lines of the logs.
    seen: Seen,
    /// Files that wrote each schema version, and the programs.
    schemas: BTreeMap<u32, u64>,
    producers: BTreeMap<String, u64>,
    /// Files whose hash is that of their import.
    unchanged: u64,
    findings: Vec<Finding>,
}

impl Checking {
    fn read(&mut self, found: &Found, options: &mut Options) -> Result<()> {
        self.evidence.passed_over =
            found.passed_over.iter().map(|(path, why)| format!("{}: {why}", path.display())).collect();
        let mut files: Vec<PathBuf> = Vec::new();
        for input in &found.inputs {
            if let Input::Archive(archive) = input {
                self.hashes(archive)?;
                files.extend(archive.all_files()?);
            }
        }
        let bytes = read::bytes(found) + files.iter().map(|path| read::size(path)).sum::<u64>();
        let progress = read::progress("checking", bytes, options.progress);
        for input in &found.inputs {
            if !matches!(input, Input::Archive(_)) {
                files.extend(self.log(input, &progress, options)?);
            }
        }
        // Lines that are the same are of the same hour: besides those of the logs, those of others need not be kept in mind.
        files.sort_unstable_by_key(|path| (hour_of(path), path.clone()));
        let (mut hour, mut seen) = (None, Seen::default());
        for path in &files {
            if hour_of(path) != hour {
                seen.clear();
                hour = hour_of(path);
            }
            self.file(path, &mut seen, options)?;
            progress.inc(read::size(path));
        }
        progress.finish_and_clear();
        self.evidence.covers.join_nodes();
        let (first, last) = (self.evidence.covers.first, self.evidence.covers.last);
        self.evidence.reaches(first, last);
        Ok(())
    }

    /// Reads a log; a Parquet file is read later.
    fn log(&mut self, input: &Input, progress: &ProgressBar, options: &mut Options) -> Result<Option<PathBuf>> {
        let mut origin = Origin { name: input.name(), ..Origin::default() };
        match read::open(input, |source, _| progress.wrap_read(source))? {
            Opened::Parquet(path) => return Ok(Some(path)),
            Opened::Broken(why) => origin.broken = Some(why),
            Opened::Lines(chunks) => {
                let columns = Projection::of(coverage::COLUMNS.iter().copied().chain(signs::columns()));
                let wants = Wants { columns, counts: true, ..Wants::default() };
                let mut disorder = Disorder::default();
                Reader::new(wants).lines(chunks, &mut origin, options, |_, decoded| {
                    self.evidence.repeated += self.seen.see(decoded.hashes);
                    disorder.see(&decoded.batch);
                    self.evidence.covers.merge(decoded.covers);
                    Ok(self.signs.count(&decoded.batch)?)
                })?;
                (origin.disordered, origin.furthest_back_ns) = (disorder.lines, disorder.furthest_back_ns);
                self.evidence.oddities.merge(origin.oddities.clone());
            }
        }
        options.told(&origin)?;
        self.evidence.inputs.push(origin);
        Ok(None)
    }

    fn file(&mut self, path: &Path, seen: &mut Seen, options: &Options) -> Result<()> {
        let mut origin = Origin { name: path.display().to_string(), ..Origin::default() };
        if let Err(error) = self.rows(path, seen) {
            if read::is_away(&error) {
                return Err(error.context(path.display().to_string()));
            }
            origin.broken = Some(error.to_string());
            options.told(&origin)?;
            self.evidence.inputs.push(origin);
        }
        Ok(())
    }

    fn rows(&mut self, path: &Path, seen: &mut Seen) -> Result<()> {
        let mut file = SegmentFile::open(path)?;
        let info = std::mem::take(&mut file.info);
        self.evidence.files.read += 1;
        self.evidence.files.rows += file.rows;
        self.evidence.files.newer += u64::from(info.is_newer());
        *self.schemas.entry(info.version).or_default() += 1;
        *self.producers.entry(info.producer).or_default() += 1;
        // Lines that come again are counted here, whatever an import told.
        let repeated = self.evidence.repeated;
        info.origins.iter().for_each(|origin| self.evidence.origin(origin));
        self.evidence.repeated = repeated;
        let mut covers = Coverage::default();
        let mut order = Disorder::default();
        for batch in file.read(&Projection::all(), &Wanted::default(), None)? {
            let batch = batch?;
            covers.count(&batch)?;
            order.see(&batch);
            self.signs.count(&batch)?;
            self.evidence.repeated += seen.see_beside(&self.seen, hashes(&batch)?);
        }
        // From version 2 on a file tells what it covers; what cannot be true is left out when it is read.
        if info.coverage.as_ref().map_or(info.version >= 2, |told| *told != covers) {
            self.find("false-metadata", format!("{}: its rows are not what its metadata says", path.display()));
        }
        if order.lines > 0 && info.coverage.is_some() {
            self.find("unsorted-file", format!("{}: {} rows are out of order", path.display(), order.lines));
        }
        if let (Some((since, until)), Some(first), Some(last)) =
            (hour_of(path).and_then(lookback_flow::archive::layout::Hour::span), covers.first, covers.last)
            && (first < since || last > until)
        {
            self.find("misplaced-file", format!("{}: holds rows of another hour than its folder's", path.display()));
        }
        self.evidence.covers.merge(covers);
        Ok(())
    }

    /// Compares an archive's files with the record of its imports.
    fn hashes(&mut self, archive: &Archive) -> Result<()> {
        let files = match Journal::new(&archive.root).files() {
            Ok(files) => files,
            Err(error @ ArchiveError::Io { .. }) if store::is_remote(&archive.root) => return Err(error.into()),
            Err(error) => {
                self.find("broken-record", error.to_string());
                return Ok(());
            }
        };
        let known: BTreeMap<PathBuf, ImportedFile> =
            files.into_iter().map(|file| (archive.root.join(&file.path), file)).collect();
        let hashed: Vec<(PathBuf, io::Result<String>)> =
            archive.all_files()?.into_par_iter().map(|path| (path.clone(), file_sha256(&path))).collect();
        let staged: HashSet<PathBuf> = known.values().map(|file| archive.root.join(&file.staged)).collect();
        let mut present = HashSet::new();
        for (path, hash) in hashed {
            match (known.get(&path), hash) {
                (Some(file), Ok(hash)) if hash == file.sha256 => self.unchanged += 1,
                (Some(_), Ok(_)) => {
                    self.find("changed-file", format!("{}: is not as it was imported", path.display()));
                }
                (_, Err(error)) if store::is_remote(&path) && error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| path.display().to_string());
                }
                (_, Err(error)) => self.find("broken", format!("{}: {error}", path.display())),
                (None, _) if staged.contains(&path) => {}
                (None, _) => self.find("unknown-file", format!("{}: no import made it", path.display())),
            }
            present.insert(path);
        }
        for (path, file) in known {
            if !present.contains(&path) && !archive.root.join(&file.staged).exists() {
                let rows = grouped(file.rows.into());
                self.find("missing-file", format!("{}: is gone, with {rows} rows", path.display()));
            }
        }
        Ok(())
    }

    fn find(&mut self, kind: &'static str, text: String) {
        self.findings.push(Finding { kind, text });
    }

    /// Everything that makes the evidence less than whole.
    fn findings(&self) -> Vec<Finding> {
        let evidence = &self.evidence;
        let mut findings = self.findings.clone();
        let mut add = |kind, text| findings.push(Finding { kind, text });
        for input in evidence.inputs.iter().chain(evidence.origins.values()) {
            if let Some(why) = &input.broken {
                add("broken", format!("{}: {why}", input.name));
            }
            if !input.rejected.is_empty() {
                let reasons: Vec<String> =
                    input.rejected.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
                add("rejected-lines", format!("{}: rejected {}", input.name, reasons.join(", ")));
            }
        }
        for lost in &evidence.covers.lost {
            let time = |at: i64| if at == i64::MIN || at == i64::MAX { "unknown".to_owned() } else { rfc3339(at) };
            add("lost-events", format!("{} events lost from {} to {}", lost.count, time(lost.first), time(lost.last)));
        }
        for (name, node) in &evidence.covers.nodes {
            for (from, to) in self.silences(node) {
                add("silence", format!("{} was silent from {} to {}", or_unnamed(name), rfc3339(from), rfc3339(to)));
            }
        }
        evidence.doubts().into_iter().for_each(|(kind, text)| add(kind, text));
        self.signs.filtered().into_iter().for_each(|text| add("filtered", text));
        for text in self.signs.leaked() {
            add(
                "oneof-mask-leak",
                format!("{text}: looks like a field mask through l4 or l7, which may show values of other flows"),
            );
        }
        findings
    }

    /// The stretches of the whole time in which a node saw no flow.
    fn silences(&self, node: &Node) -> Vec<(i64, i64)> {
        match self.evidence.extent {
            Some(extent) if !node.minutes.is_empty() => silences(node, extent),
            _ => Vec::new(),
        }
    }
}

/// The hashes of a batch's lines, as they are when the lines are read from a log.
fn hashes(batch: &arrow::array::RecordBatch) -> Result<Vec<u64>> {
    let mut text = String::new();
    let ends = lookback_flow::json::encode_lines(batch, &mut text)?;
    let mut start = 0;
    let lines: Vec<&str> = ends
        .into_iter()
        .map(|end| text.get(std::mem::replace(&mut start, end)..end.saturating_sub(1)).unwrap_or_default())
        .collect();
    Ok(lines.par_iter().map(|line| Decoder::hash(line)).collect())
}

fn or_unnamed(name: &str) -> &str {
    if name.is_empty() { "an unnamed node" } else { name }
}
