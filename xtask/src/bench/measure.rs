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
        let mut seconds = self.seconds.clone();
        seconds.sort_by(f64::total_cmp);
        seconds.get(seconds.len() / 2).copied().unwrap_or_default()
    }

    pub(super) fn peak_mb(&self) -> u64 {
        self.peak * 1024 / 1_000_000
    }
}

/// The peak resident memory of a process so far, in KiB; 0 once it has ended.
pub(super) fn peak(child: &Child) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
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
        #[expect(clippy::disallowed_methods, reason = "a measurement looks at a process now and then")]
        std::thread::sleep(Duration::from_millis(2));
    }
}
