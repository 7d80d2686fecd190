//! `Summary`: the line of text that the agent adds to each flow, made from its other fields.

use std::fmt::Write as _;

use super::{Dns, Flow, Http, Kafka, L7Type, Layer4, Layer7, Record, TcpFlags};

/// Writes the summary of `flow` to `out`, which is emptied first.
pub(crate) fn summary(out: &mut String, flow: &Flow<'_>) {
    out.clear();
    match (&flow.l7, &flow.l4) {
        (Some(l7), _) => layer7(out, l7),
        (None, Some(l4)) => layer4(out, l4, flow.kind),
        (None, None) => {}
    }
}

fn layer4(out: &mut String, l4: &Layer4, kind: &str) {
    match *l4 {
        // Socket traces know no flags; the agent names the protocol only.
        Layer4::Tcp { .. } if kind == "SOCK" => out.push_str("TCP"),
        Layer4::Tcp { flags, .. } => tcp_flags(out, flags.unwrap_or_default()),
        Layer4::Udp { .. } => out.push_str("UDP"),
        Layer4::Icmp4 { kind, .. } => {
            out.push_str("ICMPv4 ");
            out.push_str(match kind {
                0 => "EchoReply",
                3 => "DestinationUnreachable",
                8 => "EchoRequest",
                11 => "TimeExceeded",
                _ => "",
            });
        }
    }
}

fn tcp_flags(out: &mut String, flags: TcpFlags) {
    out.push_str("TCP Flags: ");
    let mut separator = "";
    for (name, one) in [
        ("SYN", TcpFlags::SYN),
        ("ACK", TcpFlags::ACK),
        ("RST", TcpFlags::RST),
        ("FIN", TcpFlags::FIN),
        ("PSH", TcpFlags::PSH),
    ] {
        if flags.has(one) {
            out.push_str(separator);
            out.push_str(name);
            separator = ", ";
        }
    }
}

fn layer7(out: &mut String, l7: &Layer7<'_>) {
    // Writing to a String cannot fail.
    let _ = match &l7.record {
        Record::Dns(dns) if l7.kind == L7Type::Request => {
            write!(out, "DNS Query {} {}", dns.query, dns.qtypes.join(","))
        }
        Record::Dns(dns) => dns_answer(out, dns),
        Record::Http(http) => http_summary(out, l7, http),
        Record::Kafka(kafka) => kafka_summary(out, l7.kind, kafka),
    };
}

fn dns_answer(out: &mut String, dns: &Dns<'_>) -> std::fmt::Result {
    out.push_str("DNS Answer ");
    if dns.rcode == 0 {
        if !dns.ips.is_empty() {
            write!(out, "\"{}\"", dns.ips.join(","))?;
        }
        if !dns.cnames.is_empty() {
            let space = if dns.ips.is_empty() { "" } else { " " };
            write!(out, "{space}CNAMEs: \"{}\"", dns.cnames.join(","))?;
        }
    } else {
        out.push_str("RCode: ");
        out.push_str(match dns.rcode {
            1 => "Format Error",
            2 => "Server Failure",
            3 => "Non-Existent Domain",
            4 => "Not Implemented",
            5 => "Query Refused",
            _ => "",
        });
    }
    let source = if dns.observation_source == "proxy" { "Proxy" } else { "Query" };
    write!(out, " TTL: {} ({source} {} {})", dns.ttl, dns.query, dns.qtypes.join(","))
}

fn http_summary(out: &mut String, l7: &Layer7<'_>, http: &Http<'_>) -> std::fmt::Result {
    let Http { code, method, url, protocol, .. } = http;
    match l7.kind {
        L7Type::Request => write!(out, "{protocol} {method} {url}"),
        L7Type::Response => {
            write!(out, "{protocol} {code} {}ms ({method} {url})", l7.latency_ns / 1_000_000)
        }
    }
}

fn kafka_summary(out: &mut String, kind: L7Type, kafka: &Kafka<'_>) -> std::fmt::Result {
    let Kafka { error_code, api_key, correlation_id, topic, .. } = kafka;
    match kind {
        L7Type::Request => {
            write!(out, "Kafka request {api_key} correlation id {correlation_id} topic '{topic}'")
        }
        L7Type::Response => write!(
            out,
            "Kafka response {api_key} correlation id {correlation_id} topic '{topic}' return code {error_code}"
        ),
    }
}
