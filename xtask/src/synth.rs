//! `cargo xtask synth`: exporter logs of any size, for benchmarks.
//!
//! 1. The same seed gives the same bytes.
//! 2. Memory is bounded by what is under way at one moment, whatever the number of flows.
//! 3. Lines come in the order in which an agent would write them: nearly by time, per node, never mixed between nodes.

mod cluster;
mod lines;
mod records;
mod rotated;
mod sighting;
mod traffic;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use self::cluster::Cluster;
use self::lines::Lines;
use self::rotated::RotatedLog;
use self::sighting::Sighting;
use self::traffic::Traffic;
use crate::exporter_line::Nanos;
use crate::splitmix::SplitMix64;
use crate::testdata::start_of_day;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Flow lines in all
    #[arg(long)]
    flows: u64,
    /// Nodes that write them
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    nodes: u8,
    /// The same seed gives the same bytes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder to write, with a folder for each node
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Compress rotated files, as `fileCompress` of the exporter does
    #[arg(long, value_enum, default_value_t = Compress::None)]
    compress: Compress,
    /// Size at which a file is rotated; the exporter's own default is 10
    #[arg(long, value_name = "MIB", default_value_t = 128, value_parser = clap::value_parser!(u64).range(1..))]
    max_size_mib: u64,
    /// Flow lines a second of the cluster's time; with the number of flows it makes the span of the log
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rate: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Compress {
    None,
    Gz,
}

/// Writes a log with the defaults of the command.
pub(crate) fn write(output: &Path, flows: u64) -> Result<()> {
    let output = output.to_owned();
    run(&Args { flows, nodes: 4, seed: 1, output, compress: Compress::None, max_size_mib: 128, rate: 1000 })
}

/// Writes a log with the defaults of the command in slices of so many flows, each in a folder of its own that is handed on.
pub(crate) fn slices(
    output: &Path,
    flows: u64,
    slice: u64,
    mut hand_on: impl FnMut(&Path) -> Result<()>,
) -> Result<()> {
    let folder = |number: u64| output.join(number.to_string());
    let args =
        |output| Args { flows, nodes: 4, seed: 1, output, compress: Compress::None, max_size_mib: 128, rate: 1000 };
    let cluster = Cluster::new(4, &mut SplitMix64::new(1));
    let (mut number, mut written) = (0, 0);
    let mut logs = create(&args(folder(0)), &cluster)?;
    generate(&args(folder(0)), &cluster, |node, line, time| {
        if written >= slice {
            let full = std::mem::replace(&mut logs, create(&args(folder(number + 1)), &cluster)?);
            full.into_iter().try_for_each(RotatedLog::finish)?;
            hand_on(&folder(number))?;
            (number, written) = (number + 1, 0);
        }
        written += 1;
        logs.get_mut(usize::from(node)).context("a node of the cluster")?.write(line, time)
    })?;
    logs.into_iter().try_for_each(RotatedLog::finish)?;
    hand_on(&folder(number))
}

/// A log for each node.
fn create(args: &Args, cluster: &Cluster) -> Result<Vec<RotatedLog>> {
    let empty = !args.output.exists() || args.output.read_dir()?.next().is_none();
    ensure!(empty, "{} is not empty; choose another folder", args.output.display());
    let (most, is_gz) = (args.max_size_mib << 20, args.compress == Compress::Gz);
    cluster.nodes.iter().map(|node| RotatedLog::create(args.output.join(&node.name), most, is_gz)).collect()
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let started = Instant::now();
    let cluster = Cluster::new(args.nodes, &mut SplitMix64::new(args.seed));
    let mut logs = create(args, &cluster)?;
    let mut bytes = 0;
    generate(args, &cluster, |node, line, time| {
        bytes += line.len();
        logs.get_mut(usize::from(node)).context("a node of the cluster")?.write(line, time)
    })?;
    for log in logs {
        log.finish()?;
    }
    let seconds = started.elapsed().as_secs_f64();
    let mb = bytes / 1_000_000;
    eprintln!("{} flows, {mb} MB before compression, in {seconds:.1} s to {}", args.flows, args.output.display());
    Ok(())
}

/// Lets traffic happen and gives each line, with its node and the time at which it is written, in that order.
fn generate(args: &Args, cluster: &Cluster, mut put: impl FnMut(u8, &[u8], Nanos) -> Result<()>) -> Result<()> {
    let parties = cluster.parties();
    let mut lines = Lines::new(cluster, &parties, args.seed);
    let mut traffic = Traffic::new(cluster, args.seed, args.rate);
    // What is under way: sightings that are to come after the start of the newest exchange.
    let mut pending: BinaryHeap<Reverse<Sighting>> = BinaryHeap::new();
    let (mut time, mut line, mut flows) = (start_of_day(), Vec::with_capacity(8192), 0);
    while flows < args.flows {
        time += traffic.until_next();
        traffic.exchange(time, |sighting| pending.push(Reverse(sighting)));
        while flows < args.flows && pending.peek().is_some_and(|Reverse(next)| next.written <= time) {
            let Some(Reverse(next)) = pending.pop() else { break };
            line.clear();
            flows += u64::from(lines.write(&mut line, &next));
            put(next.node, &line, next.written)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Args, Cluster, Compress, Nanos, SplitMix64, generate};

    /// Node, time of writing and text of each line.
    fn lines(seed: u64, flows: u64) -> Vec<(u8, Nanos, String)> {
        let output = PathBuf::new();
        let args = Args { flows, nodes: 4, seed, output, compress: Compress::None, max_size_mib: 1, rate: 1000 };
        let cluster = Cluster::new(args.nodes, &mut SplitMix64::new(seed));
        let mut lines = Vec::new();
        let put = |node, line: &[u8], written| {
            lines.push((node, written, String::from_utf8(line.to_vec())?));
            Ok(())
        };
        generate(&args, &cluster, put).unwrap();
        lines
    }

    #[test]
    fn a_seed_gives_the_same_lines_and_another_one_others() {
        assert_eq!(lines(1, 500), lines(1, 500));
        assert_ne!(lines(1, 500), lines(2, 500));
    }

    #[test]
    fn every_line_is_an_event_of_its_node_and_they_are_written_in_order() {
        let mut last = 0;
        for (node, written, line) in lines(3, 5000) {
            let json: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert!(json["flow"].is_object() != json["lost_events"].is_object(), "{line}");
            let name = json["node_name"].as_str().unwrap();
            assert!(name.ends_with(&format!("worker-{}", node + 1)), "{line}");
            assert!(last <= written, "{line}");
            last = written;
        }
    }
}
