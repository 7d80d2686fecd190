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

pub(crate) fn run(args: &Args) -> Result<()> {
    let logs = args.dir.join(format!("synth-{}", args.flows));
    if !logs.exists() {
        synth::write(&logs, args.flows)?;
    }
    let bytes = size(&logs)?;
    println!("{} flows, {} MB, {} runs, median and peak", args.flows, bytes / 1_000_000, args.runs);
    println!("{:<20} {:>10} {:>10} {:>10}", "question", "seconds", "MB/s", "peak MB");
    for question in QUESTIONS {
        let mut seconds = Vec::new();
        let mut peak = 0;
        for _ in 0..args.runs.max(1) {
            let start = Instant::now();
            let child = Command::new(&args.binary)
                .arg("ask")
                .args(*question)
                .arg(&logs)
                .args(["-q", "-o", "csv"])
                .stdout(Stdio::null())
                .spawn()
                .with_context(|| args.binary.display().to_string())?;
            peak = peak.max(watch(child)?);
            seconds.push(start.elapsed().as_secs_f64());
        }
        seconds.sort_by(f64::total_cmp);
        let median = seconds.get(seconds.len() / 2).copied().unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        let speed = bytes as f64 / 1e6 / median;
        println!("{:<20} {median:>10.2} {speed:>10.0} {:>10}", question.join(" "), peak / 1024);
    }
    Ok(())
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
            if !status.success() {
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
