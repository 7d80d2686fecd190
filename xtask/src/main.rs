//! Chores of the project that need code: `cargo xtask …`.

mod bench;
mod build_ebpf;
mod cluster;
mod docs;
mod exporter_line;
mod splitmix;
mod synth;
mod testdata;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Chores of the Lookback project
#[derive(Parser, Debug)]
#[command(name = "cargo xtask")]
struct Xtask {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand, Debug)]
enum Chore {
    /// Measure questions over a log of a given size
    Bench(Box<bench::Args>),
    /// Build the recorder's programs for the kernel, or compare what is committed with its source
    BuildEbpf {
        /// Compare, and change nothing
        #[arg(long)]
        check: bool,
    },
    /// Run a small Ballista on this machine, to ask questions of
    Cluster(cluster::Args),
    /// Write the pages that are made from tables and headers, or compare them
    Docs(docs::Args),
    /// Make the logs under testdata/, or compare them
    Testdata(testdata::Args),
    /// Make exporter logs of any size, as the nodes of a small shop would write them
    Synth(synth::Args),
}

fn main() -> Result<()> {
    match Xtask::parse().chore {
        Chore::Bench(args) => bench::run(&args),
        Chore::BuildEbpf { check } => build_ebpf::build(check),
        Chore::Cluster(args) => cluster::run_chore(&args),
        Chore::Docs(args) => docs::run(&args),
        Chore::Testdata(args) => testdata::run(&args),
        Chore::Synth(args) => synth::run(&args),
    }
}
