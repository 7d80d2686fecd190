//! One process: how long it takes, and how much memory.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// What was measured, run by run.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    seconds: Vec<f64>,
    /// Most resident memory of any run, in KiB.
    peak: u64,
}

impl Measured {
    /// Runs a command once more.
    pub(super) fn run(&mut self, command: &[String]) -> Result<()> {
        let (program, arguments) = command.split_first().context("no command")?;
        let start = Instant::now();
        let child = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let peak = watch(child.with_context(|| program.clone())?)?;
        self.add(start.elapsed(), peak);
        Ok(())
    }

    /// One run more.
    pub(super) fn add(&mut self, time: Duration, peak: u64) {
        self.seconds.push(time.as_secs_f64());
        self.peak = self.peak.max(peak);
    }

    /// The median.
    pub(super) fn seconds(&self) -> f64 {
        median(&self.seconds)
    }

    pub(super) fn peak_mb(&self) -> u64 {
        self.peak * 1024 / 1_000_000
    }
}

/// The value in the middle; 0 of none.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Waits for as long as a look now and then may be apart.
pub(super) fn moment() {
    #[expect(clippy::disallowed_methods, reason = "a measurement looks at a process now and then")]
    std::thread::sleep(Duration::from_millis(2));
}

/// The CPU time of a process so far, with that of the kernel for it, to a hundredth of a second.
pub(super) fn cpu_seconds(child: &Child) -> f64 {
    let text = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
    // Behind the name, which may hold anything: state, then numbers; the 12th and 13th are ticks of a hundredth.
    let fields = text.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ');
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// The peak resident memory of a process so far, in KiB; 0 once it has ended.
pub(super) fn peak(child: &Child) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}

/// What a command tells on standard output, a little, and its peak resident memory in KiB.
pub(super) fn told(command: &[String]) -> Result<(String, u64)> {
    let (program, arguments) = command.split_first().context("no command")?;
    let child = Command::new(program).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.with_context(|| program.clone())?;
    let stdout = child.stdout.take();
    let peak = watch(child)?;
    let mut text = String::new();
    if let Some(mut stdout) = stdout {
        std::io::Read::read_to_string(&mut stdout, &mut text)?;
    }
    Ok((text, peak))
}

/// Waits for a process and gives its peak resident memory in KiB.
fn watch(mut child: Child) -> Result<u64> {
    let mut most = 0;
    loop {
        most = most.max(peak(&child));
        if let Some(status) = child.try_wait()? {
            // `check` says with 1 that it found something.
            if !matches!(status.code(), Some(0 | 1)) {
                let mut why = String::new();
                if let Some(mut stderr) = child.stderr.take() {
                    std::io::Read::read_to_string(&mut stderr, &mut why)?;
                }
                bail!("it failed ({status}): {}", why.lines().last().unwrap_or_default());
            }
            return Ok(most);
        }
        moment();
    }
}
