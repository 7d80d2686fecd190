//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::render::Format;

/// Answer, after the fact, what a Kubernetes network did.
///
/// Reads the flow logs that Cilium Hubble exports (files, folders, patterns; plain, gzip, zstd or Parquet; also wrapped by
/// container logs) and answers questions about them, each with the evidence that it rests on.
#[derive(Debug, Parser)]
#[command(name = "lookback", version, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Answer a question; without one, list the questions
    ///
    /// Durations count back from the end of the data, not from now. Standard output carries the answer, standard error
    /// what it rests on.
    Ask,
    #[expect(clippy::doc_markdown, reason = "shown as it is by --help")]
    /// Run SQL over flows, lost_events and the tables derived from them
    Sql(Box<Sql>),
}

/// What every question takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Ask {
    /// Files, folders, patterns, or - for standard input
    #[arg(value_name = "INPUT", required = true)]
    pub inputs: Vec<String>,
    /// Most rows to give
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Print the bound SQL and what was read, instead of the answer
    #[arg(long)]
    pub explain: bool,
    #[command(flatten)]
    pub scope: ScopeArgs,
    #[command(flatten)]
    pub read: ReadArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Which flows are asked about.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Scope")]
pub(crate) struct ScopeArgs {
    /// Only the last such time of the data: 5m, 1h30m, 2d
    #[arg(long, value_name = "DURATION", conflicts_with = "since")]
    pub last: Option<String>,
    /// From this moment on: 2026-03-01T10:00:00Z, 2026-03-01, or a duration before the end of the data
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Up to this moment
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// What durations count back from
    #[arg(long, value_name = "END", default_value = "data")]
    pub relative_to: RelativeTo,
    /// Only flows from or to this namespace
    #[arg(long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Only flows whose client or server is this service: namespace/name, or a name in any namespace
    #[arg(long, value_name = "SERVICE")]
    pub service: Option<String>,
}

/// The end that durations count back from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum RelativeTo {
    /// The last event of the data
    Data,
    /// The clock of this machine
    Now,
}

/// How the input is read.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Reading")]
pub(crate) struct ReadArgs {
    /// Fail at the first line that cannot be read
    #[arg(long)]
    pub strict: bool,
    /// Keep the lines that cannot be read, with file, line and reason, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
    /// A folder of further questions, besides lookback/queries in the configuration folder
    #[arg(long, value_name = "DIR")]
    pub queries: Vec<PathBuf>,
}

/// How the answer is written.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// How to write the answer
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub output: Format,
    /// Times as nanoseconds since 1970 and CSV texts as they are, for programs
    #[arg(long)]
    pub raw: bool,
    /// Say nothing of what the answer rests on
    #[arg(short, long)]
    pub quiet: bool,
    /// Exit with 1 when the answer has no rows
    #[arg(long)]
    pub fail_if_empty: bool,
}

#[derive(Debug, Args)]
#[command(override_usage = "lookback sql \"SELECT …\" INPUT… [OPTIONS]\n       lookback sql INPUT… [OPTIONS]")]
pub(crate) struct Sql {
    /// A query, which begins with SELECT or WITH; without one, a prompt. Then files, folders, patterns, or -
    #[arg(value_name = "QUERY | INPUT", required = true)]
    pub query_or_inputs: Vec<String>,
    /// Print the bound SQL and what was read, instead of the answer
    #[arg(long)]
    pub explain: bool,
    #[command(flatten)]
    pub scope: ScopeArgs,
    #[command(flatten)]
    pub read: ReadArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}
