//! `cargo xtask bench`: how long questions take over a synthetic log, whole process, and how much memory.
//!
//! It measures and judges nothing: times on a shared machine are noise, ratios within one run are not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::synth;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Flows in the log; about 1.7 kB each
    #[arg(long, default_value_t = 600_000)]
    flows: u64,
    /// Runs of each question; the median is told
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// The binary to measure
    #[arg(long, value_name = "FILE")]
    binary: PathBuf,
    /// Where the log is kept between runs
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

const QUESTIONS: &[&[&str]] = &[
    &["verdicts"],
    &["top-drop-reasons"],
    &["http-latency"],
    &["dns-failures"],
    &["service-map"],
    &["failure-causes"],
];

/// The needle: one pod, five minutes.
const NEEDLE: &str = "SELECT time, verdict, destination_pod FROM flows WHERE source_pod = 'POD'";

pub(crate) fn run(args: &Args) -> Result<()> {
    let logs = args.dir.join(format!("synth-{}", args.flows));
    if !logs.exists() {
        synth::write(&logs, args.flows)?;
    }
    let archive = args.dir.join(format!("archive-{}", args.flows));
    let bench = Bench { binary: &args.binary, runs: args.runs.max(1), bytes: size(&logs)? };
    println!("{} flows, {} MB, {} runs, median and peak", args.flows, bench.bytes / 1_000_000, bench.runs);
    println!("{:<28} {:>10} {:>10} {:>10}", "", "seconds", "MB/s", "peak MB");
    let [logs, archive] = [&logs, &archive].map(|path| path.display().to_string());
    let asked = |question: &[&str], input: &str| {
        let mut command = vec!["ask".to_owned()];
        command.extend(question.iter().map(|word| (*word).to_owned()));
        command.extend([input, "-q", "-o", "csv"].map(str::to_owned));
        command
    };
    for question in QUESTIONS {
        bench.row(&question.join(" "), &asked(question, &logs), || Ok(()))?;
    }
    let import = ["import", "-q", &logs, "-o", &archive].map(str::to_owned);
    bench.row("import", &import, || match fs::remove_dir_all(&archive) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    })?;
    let kept = size(Path::new(&archive))?;
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let each = kept as f64 / args.flows as f64;
    println!("{:<28} {} MB, {each:.1} bytes a flow", "the archive", kept / 1_000_000);
    for question in QUESTIONS {
        bench.row(&format!("archive: {}", question.join(" ")), &asked(question, &archive), || Ok(()))?;
    }
    let query = NEEDLE.replace("POD", &bench.pod(&archive)?);
    let needle = ["sql", &query, &archive, "--last", "5m", "-q", "-o", "csv"].map(str::to_owned);
    bench.row("archive: needle", &needle, || Ok(()))?;
    for command in ["export", "check"] {
        bench.row(&format!("archive: {command}"), &[command, &archive].map(str::to_owned), || Ok(()))?;
    }
    Ok(())
}

/// What is measured, and how often.
struct Bench<'a> {
    binary: &'a Path,
    runs: usize,
    /// Bytes of the log, whatever is read of them.
    bytes: u64,
}

impl Bench<'_> {
    /// Runs a command and prints its row; `prepare` comes before each run.
    fn row(&self, name: &str, command: &[String], prepare: impl Fn() -> Result<()>) -> Result<()> {
        let mut seconds = Vec::new();
        let mut peak = 0;
        for _ in 0..self.runs {
            prepare()?;
            let start = Instant::now();
            let mut command = self.command(command);
            let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
            peak = peak.max(watch(child.with_context(|| self.binary.display().to_string())?)?);
            seconds.push(start.elapsed().as_secs_f64());
        }
        seconds.sort_by(f64::total_cmp);
        let median = seconds.get(seconds.len() / 2).copied().unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        let speed = self.bytes as f64 / 1e6 / median;
        println!("{name:<28} {median:>10.2} {speed:>10.0} {:>10}", peak / 1024);
        Ok(())
    }

    fn command(&self, arguments: &[String]) -> Command {
        let mut command = Command::new(self.binary);
        command.args(arguments);
        command
    }

    /// The pod with the fewest flows.
    fn pod(&self, archive: &str) -> Result<String> {
        let query = "SELECT source_pod, count(*) AS n FROM flows WHERE source_pod IS NOT NULL \
                     GROUP BY source_pod ORDER BY n, source_pod LIMIT 1";
        let output = self.command(&["sql", query, archive, "-q", "-o", "csv"].map(str::to_owned)).output()?;
        let answer = String::from_utf8(output.stdout)?;
        let row = answer.lines().nth(1).with_context(|| format!("no pod in {archive}"))?;
        Ok(row.split(',').next().unwrap_or_default().to_owned())
    }
}

/// Waits for a process and gives its peak resident memory in KiB.
fn watch(mut child: Child) -> Result<u64> {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = peak.max(line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default());
        if let Some(status) = child.try_wait()? {
            // `check` says with 1 that it found something.
            if !matches!(status.code(), Some(0 | 1)) {
                bail!("the binary failed: {status}");
            }
            return Ok(peak);
        }
        #[expect(clippy::disallowed_methods, reason = "a measurement looks at a process now and then")]
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        bytes += if path.is_dir() { size(&path)? } else { path.metadata()?.len() };
    }
    Ok(bytes)
}
