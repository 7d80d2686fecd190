//! `cargo xtask bench scale`: how cost grows with the work. The same questions over archives of several sizes, which are made slice by
//! slice, so that neither disk nor memory ever hold a log of that size.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use anyhow::{Context as _, Result, ensure};

use super::measure::Measured;
use super::table::origin_of;
use super::{NEEDLE, QUESTIONS, pod, remove, size};
use crate::synth;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Flows in an archive; may be given again
    #[arg(long, default_values_t = [1_000_000, 10_000_000, 100_000_000])]
    flows: Vec<u64>,
    /// Runs of each; the median is told
    #[arg(long, default_value_t = 1)]
    runs: usize,
    /// The binary to measure
    #[arg(long, value_name = "FILE")]
    binary: PathBuf,
    /// Where archives are kept between runs; about 50 bytes a flow, and 4 GB more while one is made
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Measure only what has this in its name
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
}

/// Flows that are written as logs before they are imported, and deleted.
const SLICE: u64 = 1_000_000;

/// An event by its name, whatever its time.
const BY_UUID: &str = "SELECT time, verdict, destination_pod FROM flows WHERE uuid = 'UUID'";

/// What is measured: a name, and the same at each size.
type Grown = (String, Vec<Measured>);

pub(super) fn run(args: &Args) -> Result<()> {
    let mut archives = Vec::new();
    for flows in &args.flows {
        let archive = args.dir.join(format!("scale-{flows}"));
        if !archive.exists() {
            make(args, *flows, &archive)?;
        }
        archives.push(archive);
    }
    let mut rows: Vec<Grown> = Vec::new();
    for archive in &archives {
        let archive = archive.display().to_string();
        for (name, command) in commands(args, &archive)? {
            if !name.contains(&args.only) {
                continue;
            }
            let mut measured = Measured::default();
            for _ in 0..args.runs.max(1) {
                measured.run(&command).with_context(|| name.clone())?;
            }
            eprintln!("{archive}: {name:<34} {:>8.3} s {:>6} MB", measured.seconds(), measured.peak_mb());
            match rows.iter_mut().find(|(own, _)| *own == name) {
                Some((_, of_sizes)) => of_sizes.push(measured),
                None => rows.push((name, vec![measured])),
            }
        }
    }
    println!("{}\n", origin_of("archives of several sizes, as imports of a million flows each leave them", args.runs));
    for (flows, archive) in args.flows.iter().zip(&archives) {
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        let each = size(archive)? as f64 / *flows as f64;
        println!("{flows} flows: {} MB, {each:.1} bytes a flow, {} files", size(archive)? / 1_000_000, files(archive)?);
    }
    println!("\n{}", markdown(&args.flows, &rows));
    Ok(())
}

/// Makes an archive: while one slice is imported, the next one is written.
fn make(args: &Args, flows: u64, archive: &Path) -> Result<()> {
    let unfinished = archive.with_extension("unfinished");
    remove(&unfinished.display().to_string())?;
    let mut running: Option<(Child, PathBuf)> = None;
    let ended = |running: Option<(Child, PathBuf)>| -> Result<()> {
        let Some((mut import, logs)) = running else { return Ok(()) };
        ensure!(import.wait()?.success(), "an import failed");
        Ok(fs::remove_dir_all(logs)?)
    };
    synth::slices(&args.dir.join("slices"), flows, SLICE, |logs| {
        ended(running.take())?;
        let arguments = ["import".as_ref(), "-q".as_ref(), logs.as_os_str(), "-o".as_ref(), unfinished.as_os_str()];
        running = Some((Command::new(&args.binary).args(arguments).spawn()?, logs.to_owned()));
        Ok(())
    })?;
    ended(running.take())?;
    Ok(fs::rename(unfinished, archive)?)
}

/// What is asked of an archive, each with its name.
fn commands(args: &Args, archive: &str) -> Result<Vec<(String, Vec<String>)>> {
    let ours = |arguments: &[&str]| -> Vec<String> {
        let program = args.binary.display().to_string();
        std::iter::once(program).chain(arguments.iter().map(|argument| (*argument).to_owned())).collect()
    };
    let asked = |question: &&str| ((*question).to_owned(), ours(&["ask", question, archive, "-q", "-o", "csv"]));
    let mut commands: Vec<_> = QUESTIONS.iter().map(asked).collect();
    let (namespace, pod) = pod(&args.binary, archive)?;
    let uuid = Command::new(&args.binary).args(["observe", "--first", "1", "-o", "json", archive]).output()?;
    let uuid = String::from_utf8(uuid.stdout)?;
    let uuid = uuid.split_once("\"uuid\":\"").and_then(|(_, rest)| rest.split('"').next()).context("no uuid")?;
    let needle = NEEDLE.replace("POD", &pod);
    let last_of = |pod: &str| ours(&["observe", "--last", "20", "--pod", pod, archive]);
    commands.extend([
        ("needle: a pod, five minutes".to_owned(), ours(&["sql", &needle, archive, "--last", "5m", "-q", "-o", "csv"])),
        ("needle: a uuid".to_owned(), ours(&["sql", &BY_UUID.replace("UUID", uuid), archive, "-q", "-o", "csv"])),
        ("needle: the last 20 of a pod".to_owned(), last_of(&format!("{namespace}/{pod}"))),
        // Namespace and name are in every file, but never together.
        ("needle: the last 20 of a pod that is not there".to_owned(), last_of(&format!("kube-system/{pod}"))),
        ("drops of the last hour".to_owned(), ours(&["ask", "top-drop-reasons", archive, "--last", "1h", "-q"])),
        ("export of five minutes".to_owned(), ours(&["export", "-q", archive, "--last", "5m"])),
    ]);
    Ok(commands)
}

/// Files of flows below a folder.
fn files(folder: &Path) -> Result<u64> {
    let mut count = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            count += files(&path)?;
        } else {
            count += u64::from(path.extension().is_some_and(|own| own == "parquet"));
        }
    }
    Ok(count)
}

/// Time and memory by size, and how much more than linearly the time grows from one size to the next.
fn markdown(sizes: &[u64], rows: &[Grown]) -> String {
    let mut text = "| |".to_owned();
    for flows in sizes {
        // Writing to a String cannot fail.
        let _ = write!(text, " {flows} flows, s | MB | of linear |");
    }
    let _ = writeln!(text, "\n|---|{}", "---|---|---|".repeat(sizes.len()));
    for (name, of_sizes) in rows {
        let _ = write!(text, "| {name} |");
        for (at, (measured, flows)) in of_sizes.iter().zip(sizes).enumerate() {
            let before = at.checked_sub(1).and_then(|before| Some((of_sizes.get(before)?, sizes.get(before)?)));
            #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
            let grown = before.map_or(String::new(), |(smaller, fewer)| {
                format!("{:.2}", measured.seconds() / smaller.seconds() / (*flows as f64 / *fewer as f64))
            });
            let _ = write!(text, " {:.3} | {} | {grown} |", measured.seconds(), measured.peak_mb());
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn growth_is_told_against_the_size_before() {
        let measured = |seconds| {
            let mut measured = Measured::default();
            measured.add(Duration::from_secs(seconds), 0);
            measured
        };
        let text = markdown(&[10, 100], &[("a".to_owned(), vec![measured(1), measured(5)])]);
        assert!(text.ends_with("| a | 1.000 | 0 |  | 5.000 | 0 | 0.50 |\n"), "{text}");
    }
}
