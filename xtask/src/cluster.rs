//! `cargo xtask cluster`: a Ballista of one scheduler and a few executors on this machine, to ask questions of with `--engine`.
//!
//! 1. Nothing listens but on loopback.
//! 2. What `down` ends is what `up` started, and only while a number still is that process.
//! 3. A cluster that does not come up is told of with the last lines of a log, and nothing of it goes on running.

mod install;
mod ports;
mod process;
mod ready;
mod record;

use std::env;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::path::{self, Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use self::install::Programs;
use self::process::{Process, moment, run};
use self::record::Record;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
    /// Folder of Ballista's programs, kept between runs [default: lookback-cluster in the user's cache folder]
    #[arg(long, value_name = "DIR", global = true)]
    dir: Option<PathBuf>,
    /// Folder of what runs: its record, its logs, what executors keep [default: run in the folder of the programs]
    #[arg(long, value_name = "DIR", global = true)]
    state: Option<PathBuf>,
}

#[derive(clap::Subcommand, Debug)]
enum What {
    /// Start a cluster, installing Ballista where it is missing, and print its address
    Up(Up),
    /// End the processes that `up` started
    Down,
    /// Tell which processes run
    Status,
    /// Install Ballista alone
    Install {
        /// Tell whether it is there, and install nothing
        #[arg(long)]
        check: bool,
    },
}

#[derive(clap::Args, Debug)]
struct Up {
    /// The scheduler's port; none: one that is free
    #[arg(long)]
    port: Option<u16>,
    /// How many executors
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    executors: u8,
    /// Tasks that an executor works on at a time
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    cores: u8,
    /// Longest wait until all have met, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait: u64,
    /// How long an executor that says nothing is still believed in, in seconds; a scheduler that plans hears nothing
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    missed: u64,
    /// Leave Flight SQL out, to see what is said then
    #[arg(long, hide = true)]
    no_flight_sql: bool,
}

pub(crate) fn run_chore(args: &Args) -> Result<()> {
    // Programs run in a folder of their own.
    let dir = path::absolute(args.dir.clone().map_or_else(cache, Ok)?)?;
    let state = args.state.clone().unwrap_or_else(|| dir.join("run"));
    match &args.what {
        What::Up(up) => begin(up, &dir, &state),
        What::Down => end(&state),
        What::Status => status(&state),
        What::Install { check: true } => install::missing(&dir),
        What::Install { check: false } => install::ensure(&dir).map(|_| ()),
    }
}

/// The user's cache folder, as .ci/run finds it.
fn cache() -> Result<PathBuf> {
    let named = |name| env::var_os(name).filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let folder = named("XDG_CACHE_HOME").or_else(|| named("HOME").map(|home| home.join(".cache")));
    Ok(folder.context("there is no HOME: name a folder with --dir")?.join("lookback-cluster"))
}

fn begin(up: &Up, dir: &Path, state: &Path) -> Result<()> {
    if let Some(record) = Record::load(state)?.filter(Record::is_whole) {
        already(&record);
        return Ok(());
    }
    let programs = install::ensure(dir)?;
    let _lock = lock(state)?;
    // Once more, now that nobody else begins one.
    if let Some(record) = Record::load(state)? {
        if record.is_whole() {
            already(&record);
            return Ok(());
        }
        if let Some(gone) = record.processes.iter().find(|process| !process.is_alive())
            && record.processes.iter().any(Process::is_alive)
        {
            bail!(
                "of a cluster that was begun before, {gone} has ended, others run: `cargo xtask cluster down`, then again"
            );
        }
        eprintln!("a cluster that was begun before has ended by itself; its logs are written anew");
    }
    let state = state.canonicalize().with_context(|| state.display().to_string())?;
    let mut starting = Starting { record: Record::default(), children: Vec::new(), state };
    match starting.start(up, &programs) {
        Ok(()) => {
            println!("{}", starting.record.address());
            Ok(())
        }
        Err(error) => {
            starting.give_up()?;
            Err(error)
        }
    }
}

fn already(record: &Record) {
    eprintln!("it is up already, {} processes", record.processes.len());
    println!("{}", record.address());
}

/// Who holds it begins or ends a cluster.
fn lock(state: &Path) -> Result<File> {
    fs::create_dir_all(state).with_context(|| state.display().to_string())?;
    let path = state.join("lock");
    let file = File::create(&path).with_context(|| path.display().to_string())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("{}: another `cargo xtask cluster` is at it", state.display())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// A cluster on its way up.
struct Starting {
    record: Record,
    children: Vec<Child>,
    state: PathBuf,
}

impl Starting {
    fn start(&mut self, up: &Up, programs: &Programs) -> Result<()> {
        let executors = usize::from(up.executors);
        let free = ports::pick(up.port, 1 + 3 * executors)?;
        let (home, others) = free.split_first().context("no port")?;
        let deadline = Instant::now() + Duration::from_secs(up.wait);
        let arguments = scheduler(*home, up);
        self.process("scheduler", &programs.scheduler, *home, &arguments)?;
        // An executor that meets nobody gives up.
        self.until(deadline, *home, |_| true)?;
        for (at, ports) in others.chunks_exact(3).enumerate() {
            let name = format!("executor-{}", at + 1);
            let folder = self.state.join(&name);
            fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
            let port = ports.first().copied().unwrap_or_default();
            self.process(&name, &programs.executor, port, &executor(*home, ports, &folder, up))?;
        }
        self.until(deadline, *home, |answer| answer.is_ready)
    }

    fn process(&mut self, name: &str, program: &Path, port: u16, arguments: &[OsString]) -> Result<()> {
        let log = self.log(name);
        let child = run(program, arguments, &log, &self.state)?;
        let process = Process::of(name, child.id(), port, program);
        self.children.push(child);
        // Written at once, so that `down` knows it even when we are ended here.
        self.record.processes.push(process.with_context(|| self.told(name, "has ended at once"))?);
        self.record.save(&self.state)?;
        eprintln!("{name}: 127.0.0.1:{port}, log {}", log.display());
        Ok(())
    }

    /// Waits until the scheduler answers so, and all still run.
    fn until(&mut self, deadline: Instant, port: u16, is_it: impl Fn(&ready::Answer) -> bool) -> Result<()> {
        loop {
            for (child, process) in self.children.iter_mut().zip(&self.record.processes) {
                if let Some(status) = child.try_wait()? {
                    let name = process.name.clone();
                    bail!("{}", self.told(&name, &format!("has ended ({status})")));
                }
            }
            let answer = ready::ask(port);
            if answer.as_ref().is_ok_and(&is_it) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let why = match answer {
                    Ok(answer) => format!("says {:?}: some executor did not register", answer.said),
                    Err(error) => format!("does not answer at 127.0.0.1:{port} ({error})"),
                };
                bail!("{}", self.told("scheduler", &why));
            }
            moment();
        }
    }

    fn log(&self, name: &str) -> PathBuf {
        self.state.join(format!("{name}.log"))
    }

    /// What happened to a process, and what it wrote last.
    fn told(&self, name: &str, what: &str) -> String {
        let log = self.log(name);
        format!("{name} {what}; {} ends with:\n{}", log.display(), process::last_lines(&log))
    }

    /// Ends what was begun, and keeps the logs.
    fn give_up(&mut self) -> Result<()> {
        for child in self.children.iter_mut().rev() {
            // It may have ended by itself.
            let _ = child.kill();
            child.wait()?;
        }
        self.record.forget(&self.state)
    }
}

fn scheduler(port: u16, up: &Up) -> Vec<OsString> {
    let mut arguments = words(&[
        "--bind-host=127.0.0.1",
        "--external-host=127.0.0.1",
        &format!("--bind-port={port}"),
        &format!("--min-ready-executors={}", up.executors),
        &format!("--executor-timeout-seconds={}", up.missed),
        &format!("--no-executors-grace-period-seconds={}", up.missed),
        "--expire-dead-executor-interval-seconds=1",
    ]);
    if !up.no_flight_sql {
        arguments.push("--flight-sql".into());
    }
    arguments
}

fn executor(scheduler: u16, ports: &[u16], folder: &Path, up: &Up) -> Vec<OsString> {
    let mut arguments = words(&[
        "--bind-host=127.0.0.1",
        "--external-host=127.0.0.1",
        "--scheduler-host=127.0.0.1",
        &format!("--scheduler-port={scheduler}"),
        "--executor-heartbeat-interval-seconds=2",
        &format!("--vcores={}", up.cores),
        // Ballista gives each this much of the machine.
        &format!("--memory-pool-fraction={:.3}", 0.7 / f64::from(up.executors)),
    ]);
    for (flag, port) in ["--bind-port", "--bind-grpc-port", "--bind-health-port"].iter().zip(ports) {
        arguments.push(format!("{flag}={port}").into());
    }
    arguments.push("--work-dir".into());
    arguments.push(folder.into());
    arguments
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn end(state: &Path) -> Result<()> {
    if !state.exists() {
        eprintln!("there is no cluster: nothing was begun in {}", state.display());
        return Ok(());
    }
    let _lock = lock(state)?;
    let Some(record) = Record::load(state)? else {
        eprintln!("there is no cluster: nothing was begun in {}", state.display());
        return Ok(());
    };
    // Executors first: they take leave of the scheduler.
    for process in record.processes.iter().rev() {
        let how = process.end(Duration::from_secs(10)).with_context(|| format!("{process} does not end"))?;
        eprintln!("{process}: {how}");
    }
    record.forget(state)
}

fn status(state: &Path) -> Result<()> {
    let record = Record::load(state)?;
    let record = record.with_context(|| format!("there is no cluster: nothing was begun in {}", state.display()))?;
    for process in &record.processes {
        let how = if process.is_alive() { "runs" } else { "has ended" };
        let log = state.join(format!("{}.log", process.name));
        println!("{process}: {how}, 127.0.0.1:{}, log {}", process.port, log.display());
    }
    match record.processes.first().map(|scheduler| ready::ask(scheduler.port)) {
        Some(Ok(answer)) if answer.is_ready && record.is_whole() => {
            println!("{}: {}", record.address(), answer.said);
            Ok(())
        }
        Some(Ok(answer)) => bail!("{}: {}", record.address(), answer.said),
        Some(Err(error)) => bail!("{} does not answer: {error}", record.address()),
        None => bail!("nothing was begun"),
    }
}

#[cfg(test)]
mod tests;
