//! Addresses, layer 4 and layer 7 of a flow.

use super::json::{big, close, flag, key, number, open, signed, text, texts};

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ip<'a> {
    pub(crate) source: &'a str,
    pub(crate) source_xlated: &'a str,
    pub(crate) destination: &'a str,
    pub(crate) version: &'a str,
    pub(crate) encrypted: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Layer4 {
    Tcp { source: u16, destination: u16, flags: Option<TcpFlags> },
    Udp { source: u16, destination: u16 },
    Icmp4 { kind: u32, code: u32 },
}

/// TCP flags, by the bits of the header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TcpFlags(pub(crate) u8);

impl TcpFlags {
    pub(crate) const FIN: Self = Self(1);
    pub(crate) const SYN: Self = Self(2);
    pub(crate) const RST: Self = Self(4);
    pub(crate) const PSH: Self = Self(8);
    pub(crate) const ACK: Self = Self(16);
    pub(crate) const SYN_ACK: Self = Self(18);
    pub(crate) const FIN_ACK: Self = Self(17);
    pub(crate) const PSH_ACK: Self = Self(24);
    pub(crate) const RST_ACK: Self = Self(20);

    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum L7Type {
    Request,
    Response,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Layer7<'a> {
    pub(crate) kind: L7Type,
    pub(crate) latency_ns: u64,
    pub(crate) record: Record<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Record<'a> {
    Dns(Dns<'a>),
    Http(Http<'a>),
    Kafka(Kafka<'a>),
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Dns<'a> {
    pub(crate) query: &'a str,
    pub(crate) ips: &'a [&'a str],
    pub(crate) ttl: u32,
    pub(crate) cnames: &'a [&'a str],
    pub(crate) observation_source: &'a str,
    pub(crate) rcode: u32,
    pub(crate) qtypes: &'a [&'a str],
    pub(crate) rrtypes: &'a [&'a str],
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Http<'a> {
    pub(crate) code: u32,
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
    pub(crate) protocol: &'a str,
    pub(crate) headers: &'a [(&'a str, &'a str)],
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kafka<'a> {
    pub(crate) error_code: i32,
    pub(crate) api_version: i32,
    pub(crate) api_key: &'a str,
    pub(crate) correlation_id: i32,
    pub(crate) topic: &'a str,
}

pub(super) fn write_ip(out: &mut Vec<u8>, ip: Option<&Ip<'_>>) {
    let Some(ip) = ip else { return };
    open(out, "IP");
    text(out, "source", ip.source);
    text(out, "source_xlated", ip.source_xlated);
    text(out, "destination", ip.destination);
    text(out, "ipVersion", ip.version);
    flag(out, "encrypted", ip.encrypted);
    close(out);
}

pub(super) fn write_layer4(out: &mut Vec<u8>, l4: Option<&Layer4>) {
    let Some(l4) = l4 else { return };
    open(out, "l4");
    match *l4 {
        Layer4::Tcp { source, destination, flags } => {
            open(out, "TCP");
            write_ports(out, source, destination);
            if let Some(flags) = flags {
                write_flags(out, flags);
            }
        }
        Layer4::Udp { source, destination } => {
            open(out, "UDP");
            write_ports(out, source, destination);
        }
        Layer4::Icmp4 { kind, code } => {
            open(out, "ICMPv4");
            number(out, "type", kind);
            number(out, "code", code);
        }
    }
    close(out);
    close(out);
}

fn write_ports(out: &mut Vec<u8>, source: u16, destination: u16) {
    number(out, "source_port", u32::from(source));
    number(out, "destination_port", u32::from(destination));
}

/// In the order of the declaration, which is neither that of the header nor that of the summary.
fn write_flags(out: &mut Vec<u8>, flags: TcpFlags) {
    open(out, "flags");
    for (name, one) in [
        ("FIN", TcpFlags::FIN),
        ("SYN", TcpFlags::SYN),
        ("RST", TcpFlags::RST),
        ("PSH", TcpFlags::PSH),
        ("ACK", TcpFlags::ACK),
    ] {
        flag(out, name, flags.has(one));
    }
    close(out);
}

pub(super) fn write_layer7(out: &mut Vec<u8>, l7: Option<&Layer7<'_>>) {
    let Some(l7) = l7 else { return };
    open(out, "l7");
    text(out, "type", if l7.kind == L7Type::Request { "REQUEST" } else { "RESPONSE" });
    big(out, "latency_ns", l7.latency_ns);
    match &l7.record {
        Record::Dns(dns) => write_dns(out, dns),
        Record::Http(http) => write_http(out, http),
        Record::Kafka(kafka) => write_kafka(out, kafka),
    }
    close(out);
}

fn write_dns(out: &mut Vec<u8>, dns: &Dns<'_>) {
    open(out, "dns");
    text(out, "query", dns.query);
    texts(out, "ips", dns.ips);
    number(out, "ttl", dns.ttl);
    texts(out, "cnames", dns.cnames);
    text(out, "observation_source", dns.observation_source);
    number(out, "rcode", dns.rcode);
    texts(out, "qtypes", dns.qtypes);
    texts(out, "rrtypes", dns.rrtypes);
    close(out);
}

fn write_http(out: &mut Vec<u8>, http: &Http<'_>) {
    open(out, "http");
    number(out, "code", http.code);
    text(out, "method", http.method);
    text(out, "url", http.url);
    text(out, "protocol", http.protocol);
    if !http.headers.is_empty() {
        key(out, "headers");
        for (at, (name, value)) in http.headers.iter().enumerate() {
            out.extend_from_slice(if at == 0 { b"[{" } else { b",{" });
            text(out, "key", name);
            text(out, "value", value);
            close(out);
        }
        out.push(b']');
    }
    close(out);
}

fn write_kafka(out: &mut Vec<u8>, kafka: &Kafka<'_>) {
    open(out, "kafka");
    signed(out, "error_code", kafka.error_code);
    signed(out, "api_version", kafka.api_version);
    text(out, "api_key", kafka.api_key);
    signed(out, "correlation_id", kafka.correlation_id);
    text(out, "topic", kafka.topic);
    close(out);
}
