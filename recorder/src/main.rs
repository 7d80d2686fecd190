//! `lookback-recorder`: the command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use clap::{Args, Parser, Subcommand, ValueEnum};
use glob::Pattern;
use lookback_flow::filter;
use lookback_recorder::kernel::flood::Flood;
use lookback_recorder::kernel::namespace::Namespace;
use lookback_recorder::kernel::object::Settings;
use lookback_recorder::kubernetes::{SERVICE_ACCOUNT, Source, What};
use lookback_recorder::probe::probe;
use lookback_recorder::record::{Options, Signals, record};
use lookback_recorder::status;
use lookback_recorder::targets::config::{Place, Target, duration};
use lookback_recorder::targets::rotate::Rotation;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

const SOCKET: &str = "/run/lookback/recorder.sock";

/// Records what the network of a Linux machine does, in Hubble's flow logs.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Record flows until interrupted.
    Record(Box<Record>),
    /// Tell what this kernel and these privileges allow, and what would be missing from a recording.
    Probe {
        /// Where control groups (v2) are mounted.
        #[arg(long, value_name = "DIR")]
        cgroup: Option<PathBuf>,
    },
    /// Ask a recorder how it stands.
    Status {
        #[arg(long, default_value = SOCKET, value_name = "PATH")]
        socket: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
struct Record {
    /// Interfaces, by name or by patterns such as 'veth*'; all that are up otherwise, now and later.
    #[arg(short, long, value_delimiter = ',', value_name = "NAME")]
    interface: Vec<Pattern>,
    /// Network namespaces to record instead of one's own, by name or path.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    netns: Vec<String>,
    /// The node's name in flows; the machine's otherwise.
    #[arg(long, env = "NODE_NAME", value_name = "NAME")]
    node_name: Option<String>,
    /// Write lines of JSON here, rotated as Hubble's exporter does it.
    #[arg(short, long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// Write Parquet to this archive.
    #[arg(short, long, value_name = "DIR")]
    archive: Option<PathBuf>,
    /// Write lines of JSON to standard output.
    #[arg(long)]
    stdout: bool,
    /// Targets in the exporter's YAML (`flowLogs:`), read again when it changes and on SIGHUP.
    #[arg(short, long, value_name = "PATH")]
    config: Option<PathBuf>,
    #[arg(long, default_value_t = 10, value_name = "MIB")]
    file_max_size_mb: u64,
    /// Rotated files that are kept; 0 keeps all.
    #[arg(long, default_value_t = 5, value_name = "N")]
    file_max_backups: usize,
    #[arg(long)]
    file_compress: bool,
    /// Filters of what is written, as JSON, one object after another.
    #[arg(long, default_value = "", value_name = "JSON")]
    allowlist: String,
    /// Filters of what is not.
    #[arg(long, default_value = "", value_name = "JSON")]
    denylist: String,
    /// Fields of flows that are written.
    #[arg(long, value_delimiter = ',', value_name = "FIELD")]
    field_mask: Vec<String>,
    /// Fields by which flows are told together.
    #[arg(long, value_delimiter = ',', value_name = "FIELD", requires = "aggregation_interval")]
    field_aggregate: Vec<String>,
    /// How often these are told, such as 30s.
    #[arg(long, value_parser = span, value_name = "TIME")]
    aggregation_interval: Option<Duration>,
    /// How often rows are committed to the archive.
    #[arg(long, default_value = "60s", value_parser = span, value_name = "TIME")]
    commit_interval: Duration,
    /// Stop after this time, such as 30s.
    #[arg(long, value_parser = span, value_name = "TIME")]
    duration: Option<Duration>,
    /// Stop after so many events.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Pods by the JSON of the kubelet or API server (`PodList`), read again when it changes.
    #[arg(long, value_name = "PATH")]
    pods: Option<PathBuf>,
    /// Pods from the API server: those of this node, or all of the cluster. In a pod, it is found by itself.
    #[arg(long, value_name = "WHICH", num_args = 0..=1, default_missing_value = "node", conflicts_with_all = ["pods", "kubelet"])]
    kubernetes: Option<Which>,
    /// Where the API server is, such as `https://10.96.0.1:443`; as Kubernetes tells its pods otherwise.
    #[arg(long, value_name = "URL", requires = "kubernetes")]
    kube_server: Option<String>,
    /// Pods from the kubelet, such as `https://127.0.0.1:10250`, asked every 10 seconds.
    #[arg(long, value_name = "URL", conflicts_with = "pods")]
    kubelet: Option<String>,
    /// Believe whatever certificate the kubelet shows: many sign their own.
    #[arg(long, requires = "kubelet")]
    kubelet_insecure: bool,
    /// The token that is shown to them, read anew for each request.
    #[arg(long, value_name = "PATH", default_value_os_t = Path::new(SERVICE_ACCOUNT).join("token"))]
    kube_token: PathBuf,
    /// Certificates of those who sign theirs, as PEM.
    #[arg(long, value_name = "PATH", default_value_os_t = Path::new(SERVICE_ACCOUNT).join("ca.crt"))]
    kube_ca: PathBuf,
    /// Answer `lookback-recorder status` here.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// A folder that targets of a later configuration may be written to.
    #[arg(long, value_name = "DIR")]
    allow: Vec<PathBuf>,
    /// Record drops in every network namespace of the machine.
    #[arg(long)]
    all_drops: bool,
    /// Tell of every packet, not of the first and of changes alone.
    #[arg(long)]
    no_aggregation: bool,
    /// Read no DNS and HTTP.
    #[arg(long)]
    no_payload: bool,
    /// A flow that goes on is told of again after this time.
    #[arg(long, default_value = "5s", value_parser = span, value_name = "TIME")]
    monitor_interval: Duration,
    /// Room for events between kernel and recorder; a power of two.
    #[arg(long, default_value_t = 8, value_name = "MIB", value_parser = ring)]
    ring: u32,
    /// Where control groups (v2) are mounted.
    #[arg(long, value_name = "DIR")]
    cgroup: Option<PathBuf>,
    /// Attach by a clsact queue where there is TCX, too.
    #[arg(long, hide = true)]
    no_tcx: bool,
    /// Record so many crafted packets instead of those of interfaces, to measure what the recorder can take.
    #[arg(long, value_name = "N", hide = true)]
    flood: Option<u64>,
    /// So many of them a second; 0 for as many as the kernel makes.
    #[arg(long, value_name = "N", default_value_t = 0, hide = true)]
    flood_rate: u64,
    /// No summary line on the terminal.
    #[arg(short, long)]
    quiet: bool,
}

/// Pods that are asked for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Which {
    Node,
    All,
}

/// Whom to ask for pods, if anybody.
fn kubernetes(flags: &Record, node: &str) -> Result<Option<Source>> {
    let (what, url) = match (&flags.kubelet, flags.kubernetes) {
        (Some(url), _) => (What::Kubelet, url.clone()),
        (None, Some(which)) => {
            let node = matches!(which, Which::Node).then(|| node.to_owned());
            let url = flags.kube_server.clone().map_or_else(api_server, Ok)?;
            (What::Pods { node }, url)
        }
        (None, None) => return Ok(None),
    };
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err(anyhow!("{url}: a URL with https:// or http:// is wanted"));
    }
    let insecure = flags.kubelet_insecure;
    Ok(Some(Source { what, url, token: flags.kube_token.clone(), ca: flags.kube_ca.clone(), insecure }))
}

/// Where Kubernetes tells its pods that the API server is.
fn api_server() -> Result<String> {
    let of = |name| std::env::var(name).ok().filter(|text: &String| !text.is_empty());
    let host = of("KUBERNETES_SERVICE_HOST").context("outside of a cluster: name the API server by --kube-server")?;
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    Ok(format!("https://{host}:{}", of("KUBERNETES_SERVICE_PORT").unwrap_or_else(|| "443".to_owned())))
}

fn span(text: &str) -> Result<Duration, String> {
    let nanos = duration(text).filter(|nanos| *nanos > 0);
    nanos.map(Duration::from_nanos).ok_or_else(|| "a time such as 30s or 1m30s is wanted".to_owned())
}

fn ring(text: &str) -> Result<u32, String> {
    let size = text.parse().ok().filter(|size: &u32| size.is_power_of_two() && *size <= 1024);
    size.ok_or_else(|| "a power of two up to 1024 is wanted".to_owned())
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("lookback-recorder: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Record(flags) => {
            // What is recorded is nobody else's to read.
            rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
            let options = options(*flags)?;
            let status = record(options, &signals()?)?;
            for (name, balance) in &status.targets {
                eprintln!("lookback-recorder: {name}: {balance}");
            }
            for missing in &status.missing {
                eprintln!("lookback-recorder: missing from the recording: {missing}");
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Probe { cgroup } => {
            let findings = probe(&cgroup.unwrap_or_else(cgroups));
            for finding in &findings {
                match &finding.outcome {
                    Ok(how) => println!("yes  {:12} {how}", finding.what),
                    Err(why) => println!("no   {:12} {why}\n     {:12} missing: {}", finding.what, "", finding.without),
                }
            }
            Ok(ExitCode::from(u8::from(findings.iter().any(|finding| finding.outcome.is_err()))))
        }
        Command::Status { socket, json } => {
            let status = status::ask(&socket).with_context(|| {
                format!("no recorder answers at {}; is it running with --socket?", socket.display())
            })?;
            if json {
                println!("{}", serde_json::to_string_pretty(&status)?);
            } else {
                println!("node {}, interfaces {}", status.node, status.interfaces.join(", "));
                println!(
                    "packets {}, of these {} told of together with others",
                    status.packets, status.aggregated_packets
                );
                println!("drops   {}, of these {} told of together with others", status.drops, status.aggregated_drops);
                println!("retransmissions {}, unreadable {}", status.retransmissions, status.unreadable);
                for (name, balance) in &status.targets {
                    println!("{name}: {balance}");
                }
                status.missing.iter().for_each(|missing| println!("missing from the recording: {missing}"));
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn options(flags: Record) -> Result<Options> {
    let node = match &flags.node_name {
        Some(name) => name.clone(),
        None => rustix::system::uname().nodename().to_string_lossy().into_owned(),
    };
    let kubernetes = kubernetes(&flags, &node)?;
    let rotation = Rotation {
        max_bytes: flags.file_max_size_mb.max(1) << 20,
        max_backups: flags.file_max_backups,
        compress: flags.file_compress,
    };
    let places = [
        flags.file.map(|path| ("file", Place::File(path, rotation))),
        flags.archive.map(|root| ("archive", Place::Archive(root))),
        flags.stdout.then_some(("stdout", Place::Stdout)),
    ];
    let (include, exclude) = (filter::parse(&flags.allowlist)?, filter::parse(&flags.denylist)?);
    let targets = places.into_iter().flatten().map(|(name, place)| Target {
        mask: flags.field_mask.clone(),
        aggregate: flags.field_aggregate.clone(),
        interval_ns: flags.aggregation_interval.map_or(0, nanos),
        include: include.clone(),
        exclude: exclude.clone(),
        ..Target::everything(name, place)
    });
    Ok(Options {
        interfaces: flags.interface,
        namespaces: flags.netns.iter().map(|name| Namespace::named(name)).collect(),
        node,
        targets: targets.collect(),
        config: flags.config,
        pods: flags.pods,
        kubernetes,
        socket: flags.socket,
        cgroups: flags.cgroup.unwrap_or_else(cgroups),
        allow: flags.allow,
        settings: Settings {
            ring_bytes: flags.ring << 20,
            interval_ns: nanos(flags.monitor_interval),
            aggregate: !flags.no_aggregation,
            payloads: !flags.no_payload,
            all_namespaces: flags.all_drops,
            tcx: !flags.no_tcx,
        },
        duration: flags.duration,
        count: flags.count,
        commit_ns: i64::try_from(nanos(flags.commit_interval)).unwrap_or(i64::MAX),
        quiet: flags.quiet,
        flood: flags.flood.map(|events| Flood { events, rate: flags.flood_rate }),
    })
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Where control groups of version 2 are mounted, on machines that have version 1, too.
fn cgroups() -> PathBuf {
    let unified = PathBuf::from("/sys/fs/cgroup/unified");
    if unified.join("cgroup.procs").exists() { unified } else { PathBuf::from("/sys/fs/cgroup") }
}

/// The first signal ends the recording, a second one the program.
fn signals() -> Result<Signals> {
    let signals = Signals::default();
    for signal in [SIGTERM, SIGINT] {
        let again: &Arc<AtomicBool> = &signals.stop;
        flag::register_conditional_shutdown(signal, 130, Arc::clone(again))
            .and_then(|_| flag::register(signal, Arc::clone(again)))
            .map_err(|error| anyhow!("signals: {error}"))?;
    }
    flag::register(SIGHUP, Arc::clone(&signals.reload)).map_err(|error| anyhow!("signals: {error}"))?;
    Ok(signals)
}
