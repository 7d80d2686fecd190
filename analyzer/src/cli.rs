//! The command line.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use clap::{Args, Parser, Subcommand};
use lookback_browser::data::query::{Query, words};
use lookback_flow::filter::Filters;
use lookback_question::window::Asked;

use crate::observe;
use crate::remote::EngineArgs;
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
    /// Print flows as `hubble observe` does, from files
    ///
    /// Takes its filter flags and prints its formats. Reports of lost events come unless something is asked about flows.
    Observe,
    /// Explore logs and archives in the terminal
    ///
    /// Opens at once, whatever the size; ? shows the keys. Without a terminal, prints a table. Filter, view, columns and marks are
    /// kept for each set of inputs.
    Browse(Browse),
    /// Write logs into an archive: Parquet by day, hour and node
    ///
    /// May be run again: a log that is there already, under whatever name, is skipped, and of one that has grown only what
    /// is new is taken. An import that is killed leaves whole logs behind, or nothing of them; run it again to go on.
    Import(Import),
    /// Give the lines back, in the order of time
    ///
    /// What an exporter wrote comes out byte for byte.
    Export(Export),
    /// Tell what logs and archives are worth: gaps, losses, bad lines, signs of filters and masks
    ///
    /// Reads everything, counts again what files say of themselves, and compares files with the hashes of their import. Exits
    /// with 1 when there is any finding.
    Check(Check),
    /// Draw the service map: who talks to whom, how much, and how well
    ///
    /// As SVG, HTML, DOT, JSON or Mermaid, told by the ending of the file; namespaces are groups, and edges are coloured by drops and errors.
    Map(Map),
    /// Write a report: pages, their data, and a manifest by which others can check them
    ///
    /// Answers a pack of questions into a folder: report.html (one file, no script), report.md, data/ as CSV and Parquet, and
    /// manifest.json with the SHA-256 of every input and output. The first page tells what is missing from the evidence.
    Report(Box<Report>),
    /// Tell whether a report is as it was made
    ///
    /// Recomputes every hash, and the signature where there is one. Exits with 1 when anything differs, and names it.
    Verify(Verify),
    /// Tell what changed from one span of time to another
    ///
    /// Edges of the service map, drops, names looked up, destinations outside, failures and latency; small numbers are kept quiet.
    Diff(Diff),
    #[expect(clippy::doc_markdown, reason = "shown as it is by --help")]
    /// Compute Hubble's own metrics after the fact
    ///
    /// As cumulative samples at a step, in the OpenMetrics text format, which `promtool tsdb create-blocks-from openmetrics` takes; with
    /// Hubble's names, labels, options and contexts.
    Metrics(Metrics),
    /// Judge flows by network policies, or write policies from flows
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Serve archived flows through Hubble's gRPC API
    ///
    /// As an agent or a relay would: `hubble observe --server localhost:4245`, hubble-relay and hubble-ui read it. Logs are put in
    /// order in a temporary folder first; import large ones. Runs until it is stopped.
    Replay(Replay),
    /// Look after archives
    #[command(subcommand)]
    Archive(ArchiveCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ArchiveCommand {
    /// Rows, bytes and time covered: in all, by node, by day, by column
    Stats(Stats),
    /// Merge small files of the same hour and node
    ///
    /// Imports that come often leave many small files. Whoever reads meanwhile sees the old files or the new one, never both. Exits with
    /// 1 when a file was left alone because it is not as it was imported.
    Compact(Compact),
    /// Let old hours go, by age or by the archive's size
    Expire(Expire),
    /// Print the SQL by which another engine reads an archive
    ///
    /// Makes the files a table, and over it the view `events`, which has every column that is known here.
    Sql(ArchiveSql),
}

#[derive(Debug, Args)]
pub(crate) struct ArchiveSql {
    /// The engine's SQL
    #[arg(value_name = "ENGINE")]
    pub dialect: Dialect,
    /// Where the engine finds the archive: a folder, or the address of its bucket
    #[arg(value_name = "LOCATION")]
    pub location: String,
}

/// Whose SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Dialect {
    /// DataFusion and Ballista
    Datafusion,
    Duckdb,
    Clickhouse,
    Spark,
    Trino,
}

impl From<Dialect> for lookback_remote::table::Dialect {
    fn from(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Datafusion => Self::DataFusion,
            Dialect::Duckdb => Self::DuckDb,
            Dialect::Clickhouse => Self::ClickHouse,
            Dialect::Spark => Self::Spark,
            Dialect::Trino => Self::Trino,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    #[expect(clippy::doc_markdown, reason = "shown as it is by --help")]
    /// Write CiliumNetworkPolicy that allows exactly what was seen to pass
    ///
    /// One policy for each set of labels in the namespace, closed both ways: by labels, ports, DNS names and addresses, and with
    /// --requests by HTTP paths and DNS queries, too. What was not seen is denied, so let the flows cover what happens seldom.
    Suggest(PolicySuggest),
    #[expect(clippy::doc_markdown, reason = "shown as it is by --help")]
    /// Tell which flows policies would have denied or allowed, and by which rule
    ///
    /// Takes CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy and NetworkPolicy. What the log does not tell comes out as not known,
    /// with the reason. Exits with 1 when something that passed would have been denied.
    Test(PolicyTest),
}

/// What `observe` takes besides the flags that filter.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Debug, Args)]
pub(crate) struct Observe {
    /// Files, folders, patterns, archives, or - for standard input
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<String>,
    /// Another input, as the hubble CLI has it
    #[arg(long, value_name = "INPUT", hide_short_help = true)]
    pub input_file: Vec<String>,
    #[command(flatten)]
    pub server: Server,
    /// Go on with what the files grow by, across rotation
    #[arg(short, long, conflicts_with = "first", help_heading = "Selection")]
    pub follow: bool,
    /// Only the oldest so many events
    #[arg(long, value_name = "N", conflicts_with_all = ["last", "all"], help_heading = "Selection")]
    pub first: Option<usize>,
    /// Only the newest so many events
    #[arg(long, value_name = "N", help_heading = "Selection")]
    pub last: Option<usize>,
    /// All events, which is what there is without --first or --last
    #[arg(long, conflicts_with = "last", help_heading = "Selection")]
    pub all: bool,
    /// From this moment on: 2026-03-01T10:00:00Z, 2026-03-01, or a duration before now
    #[arg(long, value_name = "TIME", help_heading = "Selection")]
    pub since: Option<String>,
    /// Up to this moment
    #[arg(long, value_name = "TIME", help_heading = "Selection")]
    pub until: Option<String>,
    /// The order of events: of one file its own, of several by time
    #[arg(long, value_name = "ORDER", help_heading = "Selection")]
    pub sort: Option<Sort>,
    /// How to write events
    #[arg(short, long, value_name = "FORMAT", default_value = "compact", help_heading = "Output")]
    pub output: observe::Format,
    /// Only these fields of flows, as `source.pod_name`; with -o json
    #[arg(long, value_name = "FIELD", value_delimiter = ',', help_heading = "Output")]
    pub field_mask: Vec<String>,
    /// How to write times, which are always UTC
    #[arg(long, value_name = "FORMAT", default_value = "StampMilli", help_heading = "Output")]
    pub time_format: observe::TimeFormat,
    /// Show the observing node
    #[arg(long, help_heading = "Output")]
    pub print_node_name: bool,
    /// Show the policies that allowed or denied
    #[arg(long, help_heading = "Output")]
    pub print_policy_names: bool,
    /// Names of pods, services and domains instead of addresses
    #[arg(long, value_name = "BOOL", default_value_t = true, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", action = clap::ArgAction::Set, help_heading = "Output")]
    pub ip_translation: bool,
    /// Addresses instead of names
    #[arg(long, help_heading = "Output")]
    pub numeric: bool,
    /// Colours
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = "Output")]
    pub color: Colour,
    /// Print the filters that the flags make, and nothing else
    #[arg(long, help_heading = "Output")]
    pub print_raw_filters: bool,
    #[command(flatten)]
    pub lines: LineArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Browse {
    /// Files, folders, patterns, archives, or - for standard input
    #[arg(value_name = "INPUT", required = true)]
    pub inputs: Vec<String>,
    /// What to show at first: the filter flags of `observe` as words, such as "verdict:dropped not:protocol:dns since:12:10"
    #[arg(short, long, value_name = "WORDS")]
    pub filter: Option<String>,
    /// Colours [default: as last time, or dark; mono where `NO_COLOR` is set]
    #[arg(long, value_name = "THEME", value_parser = ["dark", "light", "mono"])]
    pub theme: Option<String>,
    /// Neither take up what was kept of the last time nor keep anything
    #[arg(long)]
    pub no_session: bool,
    /// Leave the mouse to the terminal
    #[arg(long)]
    pub no_mouse: bool,
    /// Drive keys, draw into memory, and print how long they took (`cargo xtask bench`)
    #[arg(long, hide = true)]
    pub measure: bool,
}

/// A live Hubble, instead of files.
#[derive(Debug, Args)]
#[command(next_help_heading = "Live")]
pub(crate) struct Server {
    /// Ask a live Hubble: an agent, a relay or `lookback replay`; `HOST:PORT`, `tls://HOST:PORT` or `unix:///PATH`
    #[arg(id = "server", long = "server", value_name = "ADDRESS")]
    pub address: Option<String>,
    /// Use TLS
    #[arg(long, requires = "server")]
    pub tls: bool,
    /// Encrypt, and trust whoever answers
    #[arg(long, requires = "server")]
    pub tls_allow_insecure: bool,
    /// Authorities to trust, PEM [default: those of the system]
    #[arg(long, requires = "server", value_name = "FILE", value_delimiter = ',')]
    pub tls_ca_cert_files: Vec<PathBuf>,
    /// The client's certificate, PEM
    #[arg(long, requires = "server", requires = "tls_client_key_file", value_name = "FILE")]
    pub tls_client_cert_file: Option<PathBuf>,
    /// The client's key, PEM
    #[arg(long, requires = "server", requires = "tls_client_cert_file", value_name = "FILE")]
    pub tls_client_key_file: Option<PathBuf>,
    /// The name in the server's certificate
    #[arg(long, requires = "server", value_name = "NAME")]
    pub tls_server_name: Option<String>,
    /// Longest wait for a connection
    #[arg(long, requires = "server", value_name = "DURATION", default_value = "5s")]
    pub timeout: String,
}

/// The order of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Sort {
    /// As they stand, file after file
    File,
    /// By time, over all files
    Time,
}

/// When there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    Always,
    Never,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Files, folders, patterns, archives, or - for standard input
    #[arg(value_name = "INPUT", required_unless_present = "server", conflicts_with = "server")]
    pub inputs: Vec<String>,
    /// The archive's folder, or its address in object storage; made if it is not there
    #[arg(short, long, value_name = "ARCHIVE")]
    pub output: PathBuf,
    /// Import what is there already once more
    #[arg(long, conflicts_with = "server")]
    pub again: bool,
    /// Where to begin with a server from which nothing was recorded [default: with all that it has]
    #[arg(long, value_name = "TIME", requires = "server", help_heading = "Live")]
    pub since: Option<String>,
    /// Stop with what the server has now, rather than go on with what comes
    #[arg(long, requires = "server", help_heading = "Live")]
    pub no_follow: bool,
    /// How often what has come becomes part of the archive
    #[arg(long, value_name = "DURATION", requires = "server", default_value = "1m", help_heading = "Live")]
    pub every: String,
    #[command(flatten)]
    pub server: Server,
    /// Say nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub lines: LineArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Archives, files, folders, patterns, or - for standard input
    #[arg(value_name = "INPUT", required = true)]
    pub inputs: Vec<String>,
    /// Where to write the lines; compressed if it ends in .gz or .zst [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub window: WindowArgs,
    /// Say nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub lines: LineArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Files, folders, patterns, archives, or - for standard input
    #[arg(value_name = "INPUT", required = true)]
    pub inputs: Vec<String>,
    /// How to write what was found
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: Words,
    #[command(flatten)]
    pub lines: LineArgs,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Archives, files, folders, patterns, or - for standard input
    #[arg(value_name = "INPUT", required_unless_present = "status", conflicts_with = "status")]
    pub inputs: Vec<String>,
    /// Where to listen: `HOST:PORT` or `unix:///PATH`; may be given again
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4245")]
    pub listen: Vec<String>,
    /// Serve each node at an address of its own, too: the ports behind the first one; hubble-relay finds them by its peer service
    #[arg(long)]
    pub as_nodes: bool,
    /// The host that relays are told for nodes, if they are elsewhere
    #[arg(long, value_name = "HOST", requires = "as_nodes")]
    pub advertise: Option<String>,
    /// Ask a replay that runs where it is, how fast it goes, and who reads it; --server tells where [default: 127.0.0.1:4245]
    #[arg(long, conflicts_with_all = ["as_nodes", "speed", "shift_to_now", "at"])]
    pub status: bool,
    #[command(flatten)]
    pub server: Server,
    /// Replay to whoever follows: so many times as fast as it happened, or max, as fast as it is taken
    #[arg(long, value_name = "TIMES", help_heading = "Time")]
    pub speed: Option<String>,
    /// Longest silence of a replay: 5s
    #[arg(long, value_name = "DURATION", requires = "speed", help_heading = "Time")]
    pub max_gap: Option<String>,
    /// Move all times so that the end of the archive, or the beginning of a replay, is now
    #[arg(long, help_heading = "Time")]
    pub shift_to_now: bool,
    /// The moment that is moved to now, and where a replay begins
    #[arg(long, value_name = "TIME", help_heading = "Time")]
    pub at: Option<String>,
    /// Begin again at the end
    #[arg(long, requires = "speed", help_heading = "Time")]
    pub r#loop: bool,
    /// The server's certificate, PEM
    #[arg(long, requires = "tls_key", value_name = "FILE", help_heading = "Security")]
    pub tls_cert: Option<PathBuf>,
    /// The server's key, PEM
    #[arg(long, requires = "tls_cert", value_name = "FILE", help_heading = "Security")]
    pub tls_key: Option<PathBuf>,
    /// Let in only clients with a certificate of this authority, PEM
    #[arg(long, requires = "tls_cert", value_name = "FILE", help_heading = "Security")]
    pub client_ca: Option<PathBuf>,
    /// Listen at other addresses than those of this machine without TLS
    #[arg(long, help_heading = "Security")]
    pub insecure: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Map {
    /// Archives, files, folders, patterns, or - for standard input
    #[arg(value_name = "INPUT", required = true)]
    pub inputs: Vec<String>,
    /// The file to write: .svg, .html, .dot, .json or .mmd; or one of svg, html, dot, json, mermaid for standard output
    #[arg(short, long, value_name = "FILE", default_value = "svg")]
    pub output: String,
    /// What stands above the drawing
    #[arg(long, value_name = "TEXT", default_value = "Service map")]
    pub title: String,
    /// Leave out port 53, health checks and what comes from nodes
    #[arg(long)]
    pub hide_noise: bool,
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// Say nothing of what the map rests on
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub lines: LineArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// Archives, files, folders, or patterns
    #[arg(value_name = "INPUT", required_unless_present = "from")]
    pub inputs: Vec<String>,
    /// The folder to write; new or empty
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// Which questions: for whom they are
    #[arg(long, value_name = "PACK", default_value = "incident", conflicts_with = "from")]
    pub pack: Pack,
    /// The report's title
    #[arg(long, value_name = "TEXT", conflicts_with = "from")]
    pub title: Option<String>,
    /// The zone that times are written in: UTC, Europe/Berlin, +02:00
    #[arg(long, value_name = "ZONE", default_value = "UTC", conflicts_with = "from")]
    pub timezone: String,
    /// Most rows of a table, where the question itself does not want more
    #[arg(long, value_name = "N", default_value_t = 50, conflicts_with = "from")]
    pub limit: u64,
    /// The span to compare with, FROM..TO; durations count back from the end of the data [default: the hour before --since or --last]
    #[arg(long, value_name = "RANGE", conflicts_with = "from")]
    pub before: Option<String>,
    /// Make a report again from its manifest and the same inputs: the files are the same, byte for byte
    #[arg(long, value_name = "MANIFEST")]
    pub from: Option<PathBuf>,
    /// The report before this one: a folder or its manifest, whose hash goes into this one's
    #[arg(long, value_name = "DIR", conflicts_with = "from")]
    pub previous: Option<PathBuf>,
    /// Sign the manifest with this private Ed25519 key, PEM
    #[arg(long, value_name = "KEY")]
    pub sign: Option<PathBuf>,
    /// Write tokens for these classes of names: addresses, pods, labels, hosts, urls, ids, all
    #[arg(long, value_name = "CLASS", value_delimiter = ',', requires = "redact_key", conflicts_with = "from")]
    pub redact: Vec<String>,
    /// The key of the tokens, a file of 16 bytes or more; the same key gives the same tokens
    #[arg(long, value_name = "FILE")]
    pub redact_key: Option<PathBuf>,
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// A folder of further questions, besides lookback/queries in the configuration folder
    #[arg(long, value_name = "DIR")]
    pub queries: Vec<PathBuf>,
    /// Say nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub engine: EngineArgs,
    #[command(flatten)]
    pub lines: LineArgs,
}

/// For whom a report is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Pack {
    /// What happened, since when, and who was hit
    Incident,
    /// Who could reach what, and what the evidence is worth
    Compliance,
    /// Every question that needs no argument
    All,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The report's folder
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// The public key of whoever should have signed it, PEM
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Compare the inputs, too, by the paths that the manifest tells
    #[arg(long)]
    pub inputs: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// Archives, files, folders, or patterns
    #[arg(value_name = "INPUT", required = true)]
    pub inputs: Vec<String>,
    /// The earlier span, FROM..TO: moments, or durations before the end of the data, such as 2h..1h
    #[arg(long, value_name = "RANGE")]
    pub before: Option<String>,
    /// The later span
    #[arg(long, value_name = "RANGE")]
    pub after: Option<String>,
    /// The earlier input, where it is another one
    #[arg(long, value_name = "INPUT")]
    pub against: Vec<String>,
    /// List also what chance explains
    #[arg(long)]
    pub all: bool,
    /// Most rows to give
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: u64,
    /// Only flows from or to this namespace
    #[arg(long, value_name = "NAMESPACE", help_heading = "Scope")]
    pub namespace: Option<String>,
    /// Only flows whose client or server is this service
    #[arg(long, value_name = "SERVICE", help_heading = "Scope")]
    pub service: Option<String>,
    /// Only flows that fit: the filter flags of `observe` as words, such as "verdict:dropped not:protocol:dns"
    #[arg(long, value_name = "WORDS", help_heading = "Scope")]
    pub filter: Option<String>,
    #[command(flatten)]
    pub lines: LineArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Metrics {
    /// Archives, files, folders, patterns, or - for standard input
    #[arg(value_name = "INPUT", required = true)]
    pub inputs: Vec<String>,
    #[expect(clippy::doc_markdown, reason = "shown as it is by --help")]
    /// Which metrics, as Hubble's --hubble-metrics has them: "dns:query drop httpV2:exemplars=true;labelsContext=source_namespace"
    #[arg(short = 'm', long = "metrics", value_name = "METRICS", default_value = lookback_metrics::DEFAULT)]
    pub wanted: String,
    /// From one sample to the next
    #[arg(long, value_name = "DURATION", default_value = "1m")]
    pub step: String,
    /// How to write them
    #[arg(short, long, value_name = "FORMAT", default_value = "openmetrics")]
    pub output: Exposition,
    /// The file to write, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Scope")]
    pub window: WindowArgs,
    /// Say nothing of what the metrics rest on
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub lines: LineArgs,
}

/// How metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Exposition {
    /// Text that Prometheus reads
    Openmetrics,
    /// One JSON object
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Compact {
    /// The archive's folder
    #[arg(value_name = "ARCHIVE")]
    pub archive: PathBuf,
    /// Files below this size are merged, into files of about this size
    #[arg(long, value_name = "SIZE", default_value = "128MiB")]
    pub target: String,
    /// How long what was merged is kept for readers that had listed it before
    #[arg(long, value_name = "DURATION", default_value = "10m")]
    pub grace: String,
    /// Tell what would be merged, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Expire {
    /// The archive's folder
    #[arg(value_name = "ARCHIVE")]
    pub archive: PathBuf,
    /// Hours that ended longer ago than this go: 90d, 12h
    #[arg(long, value_name = "DURATION")]
    pub older_than: Option<String>,
    /// The oldest hours go until no more than this is left: 500GiB
    #[arg(long, value_name = "SIZE")]
    pub max_size: Option<String>,
    /// What durations count back from
    #[arg(long, value_name = "END", default_value = "now")]
    pub relative_to: RelativeTo,
    /// How long what went is kept for readers that had listed it before; 0s frees the room at once
    #[arg(long, value_name = "DURATION", default_value = "10m")]
    pub grace: String,
    /// Tell what would go, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PolicySuggest {
    /// Archives, files, folders, patterns, or - for standard input
    #[arg(value_name = "INPUT", required = true)]
    pub inputs: Vec<String>,
    /// Whose pods get policies
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: String,
    /// Key of a label that tells applications apart; may be repeated. Without it all labels count that whoever deployed a pod has set
    #[arg(long, value_name = "KEY")]
    pub label: Vec<String>,
    /// Write rules for HTTP requests and DNS names where the log has some
    #[arg(long)]
    pub requests: bool,
    /// Leave ingress or egress open where none was seen; otherwise it is closed
    #[arg(long)]
    pub leave_unseen_open: bool,
    /// The file to write, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Scope")]
    pub window: WindowArgs,
    /// Say nothing of what the policies rest on and leave out
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub lines: LineArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PolicyTest {
    /// The policies: a YAML file, or a folder of them
    #[arg(value_name = "POLICY")]
    pub policy: PathBuf,
    /// Archives, files, folders, patterns, or - for standard input
    #[arg(value_name = "INPUT", required = true)]
    pub inputs: Vec<String>,
    /// More policies that are there, too; may be repeated
    #[arg(long, value_name = "POLICY")]
    pub with: Vec<PathBuf>,
    /// List what passes as before, too
    #[arg(long)]
    pub all: bool,
    /// How much each rule is used, instead of flows
    #[arg(long)]
    pub rules: bool,
    /// Most rows to give
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: u64,
    #[command(flatten, next_help_heading = "Scope")]
    pub window: WindowArgs,
    #[command(flatten)]
    pub lines: LineArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Stats {
    /// The archive's folder, or its address in object storage
    #[arg(value_name = "ARCHIVE")]
    pub archive: PathBuf,
    /// How to write them
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: Words,
}

/// How facts are written that are no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Words {
    /// For eyes
    Text,
    /// For programs
    Json,
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
    #[command(flatten)]
    pub window: WindowArgs,
    /// Only flows from or to this namespace
    #[arg(long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Only flows whose client or server is this service: namespace/name, or a name in any namespace
    #[arg(long, value_name = "SERVICE")]
    pub service: Option<String>,
    /// Only flows that fit: the filter flags of `observe` as words, such as "verdict:dropped not:protocol:dns"
    #[arg(long, value_name = "WORDS", visible_alias = "scope")]
    pub filter: Option<String>,
}

impl ScopeArgs {
    /// What flows have to fit, if anything.
    pub(crate) fn filters(&self) -> Result<Option<Arc<Filters>>> {
        let Some(text) = &self.filter else { return Ok(None) };
        let query = Query::parse(text, None).map_err(|mistakes| {
            anyhow!("--filter: {}", mistakes.first().map_or("", |mistake| mistake.what.as_str()))
        })?;
        if query.window.is_some() || words(text).iter().any(|word| word.key == "last") {
            bail!("--filter: times are flags of their own: --since, --until, --last");
        }
        Ok(Some(query.filters))
    }
}

/// Which time is asked about.
#[derive(Clone, Debug, Args)]
pub(crate) struct WindowArgs {
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
}

impl WindowArgs {
    pub(crate) fn asked(&self) -> Asked {
        Asked { since: self.since.clone(), until: self.until.clone(), last: self.last.clone() }
    }

    /// The window within data that reach so far.
    pub(crate) fn bounds(&self, asked: &Asked, first: i64, last: i64) -> Result<(i64, i64)> {
        let end = match self.relative_to {
            RelativeTo::Data => last,
            RelativeTo::Now => chrono::Utc::now().timestamp_nanos_opt().unwrap_or(i64::MAX),
        };
        Ok(asked.window(first, last.max(end), end)?)
    }

    /// The window, if one was asked for.
    pub(crate) fn within(&self, extent: Option<(i64, i64)>) -> Result<Option<(i64, i64)>> {
        let asked = self.asked();
        match extent {
            Some((first, last)) if asked != Asked::default() => Ok(Some(self.bounds(&asked, first, last)?)),
            _ => Ok(None),
        }
    }
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
    #[command(flatten)]
    pub lines: LineArgs,
    /// A folder of further questions, besides lookback/queries in the configuration folder
    #[arg(long, value_name = "DIR")]
    pub queries: Vec<PathBuf>,
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// What is done with bad lines.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Reading")]
pub(crate) struct LineArgs {
    /// Fail at the first line that cannot be read
    #[arg(long)]
    pub strict: bool,
    /// Keep the lines that cannot be read, with file, line and reason, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
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
