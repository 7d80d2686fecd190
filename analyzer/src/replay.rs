//! `lookback replay`: archived flows through Hubble's gRPC API.

use std::io::{self, IsTerminal as _, Write as _};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use lookback_flow::inputs::find;
use lookback_flow::time::rfc3339;
use lookback_observer::address::Address;
use lookback_observer::server::{Config, Limits, Listen, Nodes, Replay, Server, Speed, StatusResponse, Store, Tls};

use crate::cli;
use crate::observe::moment;
use crate::render::{grouped, plural, rejected, terminal};
use crate::server::{connect, nanoseconds};
use crate::session::Outcome;

/// Serves until it is stopped.
pub(crate) fn run(args: &cli::Replay) -> Result<Outcome> {
    if args.status {
        return status(&args.server);
    }
    if args.server.address.is_some() {
        bail!("--server is for --status: replay what was recorded of a server with `lookback import --server`");
    }
    let now = chrono::Utc::now().timestamp_nanos_opt().unwrap_or(i64::MAX);
    let nodes = args.as_nodes.then(|| Nodes { advertise: args.advertise.clone() });
    let config = Config { listen: listen(args)?, replay: replay(args, now)?, limits: Limits::default(), nodes };
    let found = find(&args.inputs)?;
    let store = Store::open(&found.inputs, &std::env::temp_dir())?;
    for origin in &store.read {
        if let Some(why) = &origin.broken {
            eprintln!("warning {}: {}", terminal(&origin.name), terminal(why));
        }
    }
    if store.read.iter().any(|origin| !origin.rejected.is_empty()) {
        eprintln!("warning {}", rejected(&store.read, "(`lookback check` tells more)"));
    }
    let server = Server::start(store, &config, now)?;
    let addresses: Vec<String> = server.addresses().iter().map(ToString::to_string).collect();
    eprintln!("serving {}", addresses.join(", "));
    for peer in server.peers() {
        eprintln!("serving {} as node {}", peer.address, terminal(&peer.name));
    }
    show(&server)
}

/// Shows where the replay is, on a terminal, for as long as it is served.
#[expect(clippy::disallowed_methods, reason = "the line is written anew now and then")]
fn show(server: &Server) -> Result<Outcome> {
    let line = ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} {msg}")?);
    if !io::stderr().is_terminal() {
        line.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    loop {
        line.set_message(heading(&server.status()));
        line.tick();
        thread::sleep(Duration::from_millis(500));
    }
}

/// Where a replay is, how fast it goes, and how many read it.
fn heading(status: &StatusResponse) -> String {
    let position = match &status.position {
        Some(position) => format!("at {}", rfc3339(nanoseconds(position))),
        None => "all is past".to_owned(),
    };
    let speed = match status.speed {
        0.0 => String::new(),
        speed if speed.is_finite() => format!(", {speed} times as fast"),
        _ => ", as fast as it is taken".to_owned(),
    };
    let streams = status.streams.len() as u64;
    format!("{position}{speed}, {streams} open {}", plural(streams, "stream", "streams"))
}

/// Tells of a replay that runs.
fn status(server: &cli::Server) -> Result<Outcome> {
    let status = connect(server)?.replay_status()?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}", heading(&status))?;
    if let (Some(first), Some(last)) = (&status.first, &status.last) {
        writeln!(out, "holds {} to {}", rfc3339(nanoseconds(first)), rfc3339(nanoseconds(last)))?;
    }
    for stream in &status.streams {
        let client = if stream.client.is_empty() { "Unix socket" } else { &stream.client };
        let follows = if stream.follow { ", follows" } else { "" };
        let open = Duration::from_nanos(stream.open_ns).as_secs();
        let sent = grouped(stream.sent.into());
        writeln!(out, "{}  {}{follows}, {sent} sent, open for {open} s", terminal(client), terminal(&stream.call))?;
    }
    Ok(Outcome::Answered)
}

fn listen(args: &cli::Replay) -> Result<Vec<Listen>> {
    let tls = args.tls_cert.clone().zip(args.tls_key.clone());
    let tls = tls.map(|(certificate, key)| Tls { certificate, key, client_ca: args.client_ca.clone() });
    let one = |text: &String| {
        let address: Address = text.parse().with_context(|| format!("--listen {text}"))?;
        // The file of a Unix socket says who may connect.
        let tls = tls.clone().filter(|_| !matches!(address, Address::Unix(_)));
        Ok(Listen { address, tls, insecure: args.insecure })
    };
    args.listen.iter().map(one).collect()
}

fn replay(args: &cli::Replay, now: i64) -> Result<Replay> {
    let speed = match args.speed.as_deref() {
        None => Speed::Still,
        Some("max") => Speed::Max,
        Some(text) => match text.parse::<f64>() {
            Ok(times) if times.is_finite() && times > 0.0 => Speed::Times(times),
            _ => bail!("--speed: {text:?} is neither a number above 0 nor max"),
        },
    };
    let span = |text: &String| {
        let nanos = lookback_question::window::duration(text).map_err(|why| anyhow!("--max-gap: {why}"))?;
        Ok::<_, anyhow::Error>(Duration::from_nanos(u64::try_from(nanos)?))
    };
    let at = args.at.as_deref().map(|text| moment(text, now).context("--at")).transpose()?;
    let max_gap = args.max_gap.as_ref().map(span).transpose()?;
    Ok(Replay { speed, max_gap, shift_to_now: args.shift_to_now, at, repeat: args.r#loop })
}
