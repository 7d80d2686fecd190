//! `cargo xtask bench`: how long questions take over a synthetic log, whole process, and how much memory; beside what
//! other engines need for the same.
//!
//! It measures and judges nothing: times on a shared machine are noise, ratios within one run are not. So all who do the
//! same thing take turns.

mod measure;
mod recorder;
mod replay;
mod rivals;
mod scale;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use lookback_flow::proto::flow::FlowFilter;
use lookback_flow::proto::observer::GetFlowsRequest;

use crate::synth;
use measure::Measured;
use rivals::Rivals;
use table::{OURS, Row};

#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    questions: Option<Questions>,
}

#[derive(clap::Subcommand, Debug)]
enum What {
    /// Measure what a recorder costs, and how many events it can take; as root
    Recorder(recorder::Args),
    /// Measure how questions over archives grow with their size
    Scale(scale::Args),
}

#[derive(clap::Args, Debug)]
struct Questions {
    /// Flows in the log; about 1.7 kB each
    #[arg(long, default_value_t = 600_000)]
    flows: u64,
    /// Runs of each; the median is told
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// The binary to measure
    #[arg(long, value_name = "FILE")]
    binary: PathBuf,
    /// Where log and archive are kept between runs
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// A Python, whose duckdb, chdb and polars do the same, as far as it has them
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// Measure only what has this in its name
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Write the table there, to compare with later
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Compare with a table that was written before
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
}

/// Questions that are measured; the first ones are also asked of others.
const QUESTIONS: &[&str] =
    &["top-drop-reasons", "http-latency", "dns-failures", "verdicts", "service-map", "failure-causes"];
const OF_RIVALS: &[&str] = &["top-drop-reasons", "http-latency", "dns-failures"];

/// The needle: one pod, five minutes.
const NEEDLE: &str = "SELECT time, verdict, destination_pod FROM flows WHERE source_pod = 'POD'";

pub(crate) fn run(args: &Args) -> Result<()> {
    match (&args.what, &args.questions) {
        (Some(What::Recorder(args)), _) => recorder::run(args),
        (Some(What::Scale(args)), _) => scale::run(args),
        (None, Some(args)) => questions(args),
        (None, None) => anyhow::bail!("--binary and --dir are needed, or `recorder`, or `scale`"),
    }
}

fn questions(args: &Questions) -> Result<()> {
    let before = args.compare.as_deref().map(table::load).transpose()?;
    let logs = args.dir.join(format!("synth-{}", args.flows));
    if !logs.exists() {
        synth::write(&logs, args.flows)?;
    }
    let archive = args.dir.join(format!("archive-{}", args.flows));
    let sorted = args.dir.join(format!("sorted-{}.parquet", args.flows));
    let rivals = args.python.as_deref().map(Rivals::of);
    let mut bench = Bench { args, bytes: size(&logs)?, rows: Vec::new() };
    let origin = table::origin(args.flows, bench.bytes / 1_000_000, args.runs);
    println!("{origin}");
    if let Some(missing) = rivals.as_ref().map(Rivals::missing).filter(|missing| !missing.is_empty()) {
        println!("not installed: {}", missing.join(", "));
    }
    println!();
    let [logs, archive, sorted] = [&logs, &archive, &sorted].map(|path| path.display().to_string());
    for question in QUESTIONS {
        let others = rivals.iter().filter(|_| OF_RIVALS.contains(question));
        let others = others.flat_map(|rivals| rivals.of_logs(question, &logs)).collect();
        bench.row(question, bench.asked(question, &logs), others, || Ok(()))?;
    }
    let observe = bench.ours(&["observe", "--verdict", "DROPPED", "-o", "json", &logs]);
    bench.row("observe: drops as JSON", observe, Vec::new(), || Ok(()))?;
    let others = rivals.iter().flat_map(|rivals| rivals.of_import(&logs, &sorted)).collect();
    let import = bench.ours(&["import", "-q", &logs, "-o", &archive]);
    bench.row("import", import, others, || remove(&archive))?;
    for question in QUESTIONS {
        let others = rivals.iter().filter(|_| OF_RIVALS.contains(question));
        let others = others.flat_map(|rivals| rivals.of_archive(question, &archive)).collect();
        bench.row(&format!("archive: {question}"), bench.asked(question, &archive), others, || Ok(()))?;
    }
    let needle = NEEDLE.replace("POD", &pod(&args.binary, &archive)?.1);
    let needle = bench.ours(&["sql", &needle, &archive, "--last", "5m", "-q", "-o", "csv"]);
    bench.row("archive: needle", needle, Vec::new(), || Ok(()))?;
    let newest = bench.ours(&["observe", "--last", "20", "--pod", "pay/checkout", &archive]);
    bench.row("archive: observe, the last 20 of a pod", newest, Vec::new(), || Ok(()))?;
    for command in ["export", "check"] {
        bench.row(&format!("archive: {command}"), bench.ours(&[command, &archive]), Vec::new(), || Ok(()))?;
    }
    let report = args.dir.join("report").display().to_string();
    let made = bench.ours(&["report", "-q", &archive, "-o", &report]);
    bench.row("archive: report", made, Vec::new(), || remove(&report))?;
    let metrics = bench.ours(&["metrics", "-q", &archive]);
    bench.row("archive: metrics", metrics, Vec::new(), || Ok(()))?;
    let judged = bench.ours(&["policy", "suggest", "-q", "-n", "shop", &archive]);
    bench.row("archive: policy suggest", judged, Vec::new(), || Ok(()))?;
    bench.replay(&archive)?;
    bench.browse(&archive)?;
    println!("{}", table::markdown(&bench.rows));
    for (what, path) in [("archive", &archive), ("DuckDB's file", &sorted)] {
        if let Ok(bytes) = size(Path::new(path)) {
            #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
            let each = bytes as f64 / args.flows as f64;
            println!("{what}: {} MB, {each:.1} bytes a flow", bytes / 1_000_000);
        }
    }
    if let Some((origin, before)) = &before {
        println!("\nCompared with {origin}:\n\n{}", table::comparison(before, &bench.rows));
    }
    args.save.as_deref().map_or(Ok(()), |path| table::save(path, &origin, &bench.rows))
}

/// What is measured, and what was.
struct Bench<'a> {
    args: &'a Questions,
    /// Bytes of the log, whatever is read of them.
    bytes: u64,
    rows: Vec<Row>,
}

impl Bench<'_> {
    /// Measures our command and those of others, who take turns; `prepare` comes before each of our runs.
    fn row(
        &mut self,
        name: &str,
        ours: Vec<String>,
        others: Vec<(String, Vec<String>)>,
        prepare: impl Fn() -> Result<()>,
    ) -> Result<()> {
        if !name.contains(&self.args.only) {
            return Ok(());
        }
        let mut all = vec![(OURS.to_owned(), ours, Measured::default())];
        all.extend(others.into_iter().map(|(who, command)| (who, command, Measured::default())));
        for _ in 0..self.args.runs.max(1) {
            prepare()?;
            for (who, command, measured) in &mut all {
                measured.run(command).with_context(|| format!("{name}, {who}"))?;
            }
        }
        for (who, _, measured) in all {
            self.measured(name, who, &measured);
        }
        Ok(())
    }

    fn measured(&mut self, name: &str, who: String, measured: &Measured) {
        let seconds = measured.seconds();
        // Few read all of the log.
        let is_part =
            name.contains("needle") || name.contains("first") || name.contains("last") || name.contains("browse");
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        let mb_per_second = if is_part { 0.0 } else { self.bytes as f64 / 1e6 / seconds };
        eprintln!("{name:<28} {who:<10} {seconds:>8.4} s {:>6} MB", measured.peak_mb());
        let (name, peak_mb) = (name.to_owned(), measured.peak_mb());
        self.rows.push(Row { name, who, seconds, mb_per_second, peak_mb });
    }

    /// Requests to a replay, by one client of this machine.
    fn replay(&mut self, archive: &str) -> Result<()> {
        let of_pod = FlowFilter { source_pod: vec!["pay/checkout".to_owned()], ..FlowFilter::default() };
        let first = GetFlowsRequest { number: 1, first: true, whitelist: vec![of_pod], ..GetFlowsRequest::default() };
        let last = GetFlowsRequest { first: false, number: 20, ..first.clone() };
        let requests = [
            ("replay: all flows", GetFlowsRequest::default()),
            ("replay: the first of a pod", first),
            ("replay: the last 20 of a pod", last),
        ];
        let wanted: Vec<_> = requests.into_iter().filter(|(name, _)| name.contains(&self.args.only)).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let replay = replay::Replay::begin(&self.args.binary, archive)?;
        for (name, request) in wanted {
            let mut measured = Measured::default();
            for _ in 0..self.args.runs.max(1) {
                replay.request(&request, &mut measured).context(name)?;
            }
            self.measured(name, OURS.to_owned(), &measured);
        }
        Ok(())
    }

    /// Keys in the browser. The program measures itself: a key is a small part of a run.
    fn browse(&mut self, archive: &str) -> Result<()> {
        if !"browse: first screen, key to frame".contains(&self.args.only) {
            return Ok(());
        }
        let command = self.ours(&["browse", "--measure", archive]);
        let mut all: Vec<(String, Measured)> = Vec::new();
        for _ in 0..self.args.runs.max(1) {
            let (told, peak) = measure::told(&command)?;
            for line in told.lines() {
                let (name, seconds) = line.split_once('\t').with_context(|| format!("browse: {line:?}"))?;
                let time = Duration::from_secs_f64(seconds.parse()?);
                let name = format!("browse: {name}");
                match all.iter_mut().find(|(own, _)| *own == name) {
                    Some((_, measured)) => measured.add(time, peak),
                    None => {
                        let mut measured = Measured::default();
                        measured.add(time, peak);
                        all.push((name, measured));
                    }
                }
            }
        }
        all.iter().for_each(|(name, measured)| self.measured(name, OURS.to_owned(), measured));
        Ok(())
    }

    fn ours(&self, arguments: &[&str]) -> Vec<String> {
        let program = self.args.binary.display().to_string();
        std::iter::once(program).chain(arguments.iter().map(|argument| (*argument).to_owned())).collect()
    }

    fn asked(&self, question: &str, input: &str) -> Vec<String> {
        self.ours(&["ask", question, input, "-q", "-o", "csv"])
    }
}

/// Namespace and name of the pod with the fewest flows.
fn pod(binary: &Path, archive: &str) -> Result<(String, String)> {
    let query = "SELECT source_namespace, source_pod, count(*) AS n FROM flows WHERE source_pod IS NOT NULL \
                 GROUP BY source_namespace, source_pod ORDER BY n, source_pod LIMIT 1";
    let output = Command::new(binary).args(["sql", query, archive, "-q", "-o", "csv"]).output()?;
    let answer = String::from_utf8(output.stdout)?;
    let mut row = answer.lines().nth(1).with_context(|| format!("no pod in {archive}"))?.split(',').map(str::to_owned);
    row.next().zip(row.next()).with_context(|| format!("no pod in {archive}"))
}

/// Removes what an earlier run has left.
fn remove(folder: &str) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn size(path: &Path) -> Result<u64> {
    if !path.is_dir() {
        return Ok(path.metadata()?.len());
    }
    fs::read_dir(path)?.map(|entry| size(&entry?.path())).sum()
}
