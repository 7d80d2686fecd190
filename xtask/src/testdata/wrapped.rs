//! `wrapped/`: the same twelve flows in every wrapping, with other log lines between them.
//!
//! The agent's own lines are no flows: a reader counts them as rejected text and reads on.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};

use super::Files;
use super::cast::{CART, WEB};
use super::files::put;
use super::observe::{Log, MS, Reply, at, tcp};
use super::records::{Answer, Call, Reporter};
use crate::exporter_line::{TcpFlags, rfc3339, string};

const AGENT_LINE: &str = "level=info msg=\"Imported endpoint policy\" endpointID=204 subsys=policy";

pub(crate) fn files(files: &mut Files) -> Result<()> {
    let lines = lines();
    put(files, "wrapped/enveloped.log", (lines.join("\n") + "\n").into());
    put(files, "wrapped/bare.log", bare(&lines)?.into());
    put(files, "wrapped/cri.log", cri(&lines).into());
    put(files, "wrapped/cri-parts.log", cri_parts(&lines)?.into());
    put(files, "wrapped/docker.log", docker(&lines, usize::MAX)?.into());
    put(files, "wrapped/docker-parts.log", docker(&lines, 700)?.into());
    put(files, "wrapped/logfmt.log", logfmt(&lines).into());
    put(files, "wrapped/stdout.log", between(&lines).into());
    Ok(())
}

/// Twelve flows: a lookup, a connection and a request, all seen by the client's node.
fn lines() -> Vec<String> {
    let mut log = Log::new(4);
    let start = at(10, 0, 0);
    let name = ("cart.shop.svc.cluster.local.", "A");
    log.dns(start, &WEB, 40_001, name, Answer::Addresses(&["10.96.0.20"]), 2);
    let connection = tcp(WEB, 41_000, CART, 8080);
    log.translated(start + 5 * MS, &connection, ("cart", "10.96.0.20"), 9101);
    log.handshake(start + 10 * MS, &connection);
    let call = Call {
        method: "GET",
        url: "http://cart:8080/items?a=1&b=<2>",
        id: "w-01",
        code: 200,
        latency: Some(7),
        gap: Some(8),
    };
    log.http(start + 20 * MS, &connection, Reporter::Client, &call);
    log.close(start + 50 * MS, &connection);
    log.packet(start + 60 * MS, &connection, Reply, TcpFlags::ACK);
    let lines = log.into_lines().remove("node-a").unwrap_or_default();
    lines.into_iter().map(|(_, line)| String::from_utf8_lossy(&line).trim_end().to_owned()).collect()
}

/// The flows without their envelopes.
fn bare(lines: &[String]) -> Result<String> {
    let mut out = String::new();
    for line in lines {
        let start = line.strip_prefix("{\"flow\":").context("an envelope")?;
        let end = start.rfind(",\"node_name\":").context("the envelope's node name")?;
        writeln!(out, "{}", start.get(..end).context("a flow")?)?;
    }
    Ok(out)
}

/// When the container runtime took the line over: one a millisecond.
fn taken(number: usize) -> String {
    let mut time = Vec::new();
    rfc3339(&mut time, at(10, 0, 1) + u64::try_from(number).unwrap_or(0) * MS + 123_456);
    String::from_utf8_lossy(&time).into_owned()
}

fn cri(lines: &[String]) -> String {
    let mut out = String::new();
    for (number, line) in lines.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{} stdout F {line}", taken(number));
        if number % 4 == 1 {
            let _ = writeln!(out, "{} stderr F {AGENT_LINE}", taken(number));
        }
    }
    out
}

/// Every line in parts, of which another stream's lines stand between.
fn cri_parts(lines: &[String]) -> Result<String> {
    let mut out = String::new();
    for (number, line) in lines.iter().enumerate() {
        let time = taken(number);
        let third = line.len() / 3;
        let cuts = [0, third, 2 * third, line.len()];
        for (part, bounds) in cuts.windows(2).enumerate() {
            let [from, to] = bounds else { continue };
            let tag = if part == 2 { "F" } else { "P" };
            let text = line.get(*from..*to).context("a cut between characters")?;
            writeln!(out, "{time} stdout {tag} {text}")?;
            if part == 0 && number % 4 == 1 {
                writeln!(out, "{time} stderr F {AGENT_LINE}")?;
            }
        }
    }
    Ok(out)
}

/// Docker's json-file driver, which cuts lines longer than `longest` bytes.
fn docker(lines: &[String], longest: usize) -> Result<String> {
    let mut out = String::new();
    for (number, line) in lines.iter().enumerate() {
        let mut rest = line.as_str();
        while rest.len() > longest {
            let (part, after) = rest.split_at_checked(longest).context("a cut between characters")?;
            docker_line(&mut out, part, "stdout", number);
            rest = after;
        }
        docker_line(&mut out, &format!("{rest}\n"), "stdout", number);
        if number % 4 == 1 {
            docker_line(&mut out, &format!("{AGENT_LINE}\n"), "stderr", number);
        }
    }
    Ok(out)
}

fn docker_line(out: &mut String, text: &str, stream: &str, number: usize) {
    let mut quoted = Vec::new();
    string(&mut quoted, text);
    let quoted = String::from_utf8_lossy(&quoted);
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{{\"log\":{quoted},\"stream\":\"{stream}\",\"time\":\"{}\"}}", taken(number));
}

/// As early 1.16 pre-releases logged flows to stdout.
fn logfmt(lines: &[String]) -> String {
    let mut out = String::new();
    for (number, line) in lines.iter().enumerate() {
        let quoted = line.replace('\\', "\\\\").replace('"', "\\\"");
        // Writing to a String cannot fail.
        let _ = writeln!(out, "level=info msg=\"{quoted}\" subsys=hubble");
        if number % 4 == 1 {
            let _ = writeln!(out, "{AGENT_LINE}");
        }
    }
    out
}

/// Raw lines between the agent's own, as an exporter to `stdout` leaves them.
fn between(lines: &[String]) -> String {
    let mut out = String::new();
    for (number, line) in lines.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{line}");
        if number % 4 == 1 {
            let _ = writeln!(out, "{AGENT_LINE}");
        }
    }
    out
}
