//! `cargo xtask bench recorder`: what a recorder costs those whose packets it sees, and how many events it can take.
//!
//! Two network namespaces, a pair of interfaces between them, iperf3 from one to the other, with and without a recorder in turns.
//! Then crafted packets through the real programs and the real ring to files (`lookback-recorder record --flood`).

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::measure::{self, median};
use super::table;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The recorder's binary, a release build
    #[arg(long, value_name = "FILE")]
    binary: PathBuf,
    /// Where recordings go, and are removed again
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Runs of each; the median is told
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Seconds of each run of iperf3
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Crafted packets of each run
    #[arg(long, default_value_t = 5_000_000)]
    events: u64,
    /// So many of them a second; 0 for as many as there can be
    #[arg(long, default_value_t = 0)]
    rate: u64,
    /// Measure only what has this in its name
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
}

/// The namespaces, with the addresses 10.77.0.1 and 10.77.0.2.
const CLIENT: &str = "lookback-bench-c";
const SERVER: &str = "lookback-bench-s";

/// What is sent: its name, what it is told in, iperf3's flags, what iperf3 tells of it.
type Traffic = (&'static str, &'static str, &'static [&'static str], fn(&Value) -> Option<f64>);
const TRAFFIC: [Traffic; 2] = [
    ("TCP", "Gbit/s", &[], |end| Some(end.pointer("/end/sum_received/bits_per_second")?.as_f64()? / 1e9)),
    ("UDP, 64 bytes", "1000 packets/s taken", &["-u", "-b", "0", "-l", "64"], |end| {
        let of = |name: &str| end.pointer("/end/sum")?.get(name)?.as_f64();
        Some((of("packets")? - of("lost_packets")?) / of("seconds")? / 1000.0)
    }),
];

pub(crate) fn run(args: &Args) -> Result<()> {
    println!(
        "{}\n",
        table::origin_of(&format!("iperf3 for {} s, {} crafted packets", args.seconds, args.events), args.runs)
    );
    fs::create_dir_all(&args.dir)?;
    if said(Command::new("iperf3").arg("--version")).is_err() {
        println!("iperf3 is not installed (Debian's package of this name): what a recorder costs is not measured");
    } else {
        let _namespaces = Namespaces::make()?;
        println!(
            "| | in | without | with | cost | recorder's CPU seconds | its peak MB |\n|---|---|---|---|---|---|---|"
        );
        for traffic in TRAFFIC.into_iter().filter(|(name, ..)| name.contains(&args.only)) {
            cost(args, traffic)?;
        }
        println!();
    }
    if "crafted".contains(&args.only) {
        crafted(args)?;
    }
    Ok(())
}

/// One kind of traffic, with and without a recorder in turns.
fn cost(args: &Args, (name, unit, flags, told): Traffic) -> Result<()> {
    let (mut without, mut with, mut cpu, mut peak) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for run in 0..args.runs.max(1) {
        // Who comes first changes, too.
        for has_recorder in [run % 2 == 0, run % 2 != 0] {
            let recorder = has_recorder.then(|| Recorder::begin(args)).transpose()?;
            let answer = iperf(args.seconds, flags)?;
            let value = told(&answer).with_context(|| format!("iperf3 told nothing of {name}: {answer}"))?;
            match recorder {
                None => without.push(value),
                Some(recorder) => {
                    with.push(value);
                    cpu.push(measure::cpu_seconds(&recorder.child));
                    peak = peak.max(measure::peak(&recorder.child));
                    eprintln!("{name}: {}", recorder.end()?);
                }
            }
        }
    }
    let (off, on) = (median(&without), median(&with));
    let cost = (1.0 - on / off) * 100.0;
    let (cpu, peak) = (median(&cpu), peak * 1024 / 1_000_000);
    println!("| {name} | {unit} | {off:.1} | {on:.1} | {cost:.0} % | {cpu:.2} | {peak} |");
    eprintln!("{name}: without {without:.1?}, with {with:.1?}");
    Ok(())
}

/// As many events as there can be.
fn crafted(args: &Args) -> Result<()> {
    println!(
        "| crafted packets to | events/s | written/s | lost | CPU µs an event | peak MB |\n|---|---|---|---|---|---|"
    );
    for (name, flag) in [("an archive", "--archive"), ("JSON", "--file")] {
        let (mut seconds, mut cpu, mut lost, mut peak, mut written) =
            (Vec::new(), Vec::new(), Vec::new(), 0, Vec::new());
        for _ in 0..args.runs.max(1) {
            let folder = args.dir.join("crafted");
            remove(&folder)?;
            fs::create_dir_all(&folder)?;
            let mut command = Command::new(&args.binary);
            command.args(["record", "--quiet", "--node-name", "bench", "--flood", &args.events.to_string()]);
            command.args(["--flood-rate", &args.rate.to_string(), flag]).arg(folder.join("out"));
            let began = Instant::now();
            let mut child =
                command.stderr(Stdio::piped()).spawn().with_context(|| args.binary.display().to_string())?;
            let mut used = 0.0;
            while child.try_wait()?.is_none() {
                peak = peak.max(measure::peak(&child));
                used = measure::cpu_seconds(&child).max(used);
                measure::moment();
            }
            let took = began.elapsed().as_secs_f64();
            let balance = balance(&mut child)?;
            #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
            for (list, value) in [
                (&mut written, balance.written as f64 / took),
                (&mut lost, balance.lost as f64),
                (&mut cpu, used * 1e6 / balance.seen as f64),
            ] {
                list.push(value);
            }
            seconds.push(took);
            eprintln!("crafted, {name}: {} in {took:.2} s, {used:.2} s of CPU", balance.line);
            remove(&folder)?;
        }
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        let rate = args.events as f64 / median(&seconds);
        let (written, lost, cpu, peak) = (median(&written), median(&lost), median(&cpu), peak * 1024 / 1_000_000);
        println!("| {name} | {rate:.0} | {written:.0} | {lost:.0} | {cpu:.2} | {peak} |");
    }
    Ok(())
}

/// What a recorder says at its end.
struct Balance {
    seen: u64,
    written: u64,
    lost: u64,
    line: String,
}

/// Reads it, and sees that it adds up.
fn balance(child: &mut Child) -> Result<Balance> {
    let mut text = String::new();
    child.stderr.take().context("no standard error")?.read_to_string(&mut text)?;
    let line = text.lines().find(|line| line.contains(": seen ")).with_context(|| format!("no balance: {text}"))?;
    let number = |what: &str| {
        let rest = line.split_once(what).map_or("0", |(_, rest)| rest);
        rest.split(|c: char| !c.is_ascii_digit())
            .next()
            .and_then(|digits| digits.parse::<u64>().ok())
            .unwrap_or_default()
    };
    let [seen, written, lost] = ["seen ", "written ", "+ lost "].map(number);
    let others = number("filtered ") + number("aggregated ") + number("waiting ");
    if seen != written + lost + others {
        bail!("the balance does not add up: {line}");
    }
    Ok(Balance { seen, written, lost, line: line.to_owned() })
}

fn iperf(seconds: u32, flags: &[&str]) -> Result<Value> {
    let mut server = Command::new("ip")
        .args(["netns", "exec", SERVER, "iperf3", "-s", "-1", "--forceflush"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut lines = BufReader::new(server.stdout.take().context("no standard output")?).lines();
    while let Some(line) = lines.next().transpose()? {
        if line.contains("listening") {
            break;
        }
    }
    // Read on, so that it does not wait for whoever listens.
    let rest = std::thread::spawn(move || lines.count());
    let client = said(
        Command::new("ip")
            .args(["netns", "exec", CLIENT, "iperf3", "-c", "10.77.0.2", "-J", "-t", &seconds.to_string()])
            .args(flags),
    );
    if client.is_err() {
        let _ = server.kill();
    }
    server.wait()?;
    let _ = rest.join();
    Ok(serde_json::from_slice(&client?.stdout)?)
}

/// A recorder in the server's namespace.
struct Recorder {
    child: Child,
    folder: PathBuf,
}

impl Recorder {
    fn begin(args: &Args) -> Result<Self> {
        let folder = args.dir.join("cost");
        remove(&folder)?;
        fs::create_dir_all(&folder)?;
        let socket = folder.join("status.sock");
        let child = Command::new(&args.binary)
            .args(["record", "--quiet", "--netns", SERVER, "--archive"])
            .arg(folder.join("archive"))
            .arg("--socket")
            .arg(&socket)
            .stderr(Stdio::piped())
            .spawn()?;
        let recorder = Self { child, folder };
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(30) {
            let asked = said(Command::new(&args.binary).args(["status", "--socket"]).arg(&socket));
            if asked.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("bench0")) {
                return Ok(recorder);
            }
            measure::moment();
        }
        bail!("the recorder did not begin")
    }

    fn end(mut self) -> Result<String> {
        said(Command::new("kill").arg(self.child.id().to_string()))?;
        let line = balance(&mut self.child)?.line;
        self.child.wait()?;
        remove(&self.folder)?;
        Ok(line)
    }
}

/// The namespaces, until they are dropped.
struct Namespaces;

impl Namespaces {
    fn make() -> Result<Self> {
        let made = Self;
        for arguments in [
            format!("netns add {CLIENT}"),
            format!("netns add {SERVER}"),
            format!("link add bench0 netns {CLIENT} type veth peer bench0 netns {SERVER}"),
            format!("-n {CLIENT} addr add 10.77.0.1/24 dev bench0"),
            format!("-n {SERVER} addr add 10.77.0.2/24 dev bench0"),
            format!("-n {CLIENT} link set bench0 up"),
            format!("-n {SERVER} link set bench0 up"),
        ] {
            said(Command::new("ip").args(arguments.split(' ')))?;
        }
        Ok(made)
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for name in [CLIENT, SERVER] {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}

fn said(command: &mut Command) -> Result<Output> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {} {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output)
}

fn remove(folder: &Path) -> Result<()> {
    super::remove(&folder.display().to_string())
}
