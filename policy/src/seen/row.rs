//! One flow: what became of it, and who was at its ends.

use lookback_flow::columns::ColumnId;
use lookback_flow::derive::is_outside;
use lookback_flow::view::View;

use super::Request;
use crate::endpoint::Endpoint;
use crate::peer::plain;
use crate::port::Protocol;

pub(super) const COLUMNS: &[&str] = &[
    "time",
    "kind",
    "flow_type",
    "verdict",
    "drop_reason",
    "drop_reason_desc",
    "event_type",
    "event_sub_type",
    "trace_observation_point",
    "traffic_direction",
    "l4_protocol",
    "icmp_type",
    "l7_protocol",
    "http_method",
    "http_url",
    "dns_query",
    "kafka_topic",
];
pub(super) const SIDE_COLUMNS: &[&str] = &["port", "ip", "identity", "namespace", "labels", "names"];

/// `event_type` of lines about requests.
const L7: i128 = 129;
/// `event_type` of policy verdicts.
const VERDICT: i128 = 5;
/// `event_type` of trace points, and those of them (`from-endpoint` to `from-network`) that lie before a policy.
const TRACE: i128 = 4;
const EARLY: std::ops::RangeInclusive<i128> = 5..=10;
/// Numbers of `POLICY_DENIED` and `POLICY_DENY`, from logs that have no names yet.
const DENIED: [i128; 2] = [133, 181];
/// Longer texts of requests are cut.
const MAX_TEXT: usize = 2048;

/// What became of a flow's packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Passed,
    Denied,
    NoFlow,
    Early,
    Related,
    OtherDrop,
    NoDirection,
}

struct End {
    port: ColumnId,
    ip: ColumnId,
    identity: ColumnId,
    namespace: ColumnId,
    labels: ColumnId,
    names: ColumnId,
}

impl End {
    fn of(side: &str) -> Self {
        let column = |name: &str| ColumnId::known(&format!("{side}_{name}"));
        Self {
            port: column("port"),
            ip: column("ip"),
            identity: column("identity"),
            namespace: column("namespace"),
            labels: column("labels"),
            names: column("names"),
        }
    }
}

/// Reads the rows of a batch.
pub(super) struct Reader<'a> {
    view: &'a View<'a>,
    directions: &'a View<'a>,
    columns: Vec<ColumnId>,
    source: End,
    destination: End,
    direction: ColumnId,
}

impl<'a> Reader<'a> {
    pub(super) fn new(view: &'a View<'a>, directions: &'a View<'a>) -> Self {
        Self {
            view,
            directions,
            columns: COLUMNS.iter().map(|name| ColumnId::known(name)).collect(),
            source: End::of("source"),
            destination: End::of("destination"),
            direction: ColumnId::known("direction"),
        }
    }

    fn column(&self, name: &str) -> Option<ColumnId> {
        let at = COLUMNS.iter().position(|own| *own == name)?;
        self.columns.get(at).copied()
    }

    fn text(&self, name: &str, row: usize) -> Option<&'a str> {
        self.view.text(self.column(name)?, row)
    }

    fn number(&self, name: &str, row: usize) -> Option<i128> {
        self.view.number(self.column(name)?, row)
    }

    pub(super) fn time(&self, row: usize) -> Option<i64> {
        self.number("time", row).and_then(|time| time.try_into().ok())
    }

    fn direction(&self, row: usize) -> &'a str {
        self.directions.text(self.direction, row).unwrap_or_default()
    }

    pub(super) fn is_reply(&self, row: usize) -> bool {
        self.direction(row) == "reply"
    }

    pub(super) fn is_request(&self, row: usize) -> bool {
        self.number("event_type", row) == Some(L7) || self.text("l7_protocol", row).is_some()
    }

    pub(super) fn fate(&self, row: usize) -> Fate {
        if self.text("kind", row) != Some("flow") || self.text("flow_type", row) == Some("SOCK") {
            return Fate::NoFlow;
        }
        let kind = self.number("icmp_type", row).unwrap_or(-1);
        match self.text("l4_protocol", row) {
            Some("ICMPv4") if matches!(kind, 3..=5 | 11 | 12) => return Fate::Related,
            Some("ICMPv6") if matches!(kind, 1..=4 | 133..=137) => return Fate::Related,
            _ => {}
        }
        let direction = self.direction(row);
        match self.text("verdict", row) {
            Some("FORWARDED" | "REDIRECTED" | "AUDIT") => {
                let is_early =
                    self.text("trace_observation_point", row).is_some_and(|point| point.starts_with("FROM_"))
                        || (self.number("event_type", row) == Some(TRACE)
                            && self.number("event_sub_type", row).is_some_and(|point| EARLY.contains(&point)));
                match direction {
                    "unknown" => Fate::NoDirection,
                    "forward" if is_early => Fate::Early,
                    _ => Fate::Passed,
                }
            }
            Some("DROPPED") => {
                let is_denied = match self.text("drop_reason_desc", row) {
                    Some(name) => matches!(name, "POLICY_DENIED" | "POLICY_DENY"),
                    None => self.number("drop_reason", row).is_some_and(|reason| DENIED.contains(&reason)),
                };
                // Policies decide on the first packet, and so on the way to the server, whatever else is known of it.
                if is_denied || self.is_request(row) { Fate::Denied } else { Fate::OtherDrop }
            }
            _ => Fate::NoFlow,
        }
    }

    /// Whose policies saw it: 0 the client's, 1 the server's, 2 not told.
    pub(super) fn place(&self, row: usize) -> usize {
        // A verdict has the direction of its packet, everything else that of its connection.
        let is_turned = self.is_reply(row) && self.number("event_type", row) == Some(VERDICT);
        match (self.text("traffic_direction", row), is_turned) {
            (Some("EGRESS"), false) | (Some("INGRESS"), true) => 0,
            (Some("INGRESS"), false) | (Some("EGRESS"), true) => 1,
            _ => 2,
        }
    }

    pub(super) fn port(&self, row: usize, is_reply: bool) -> (Option<Protocol>, Option<u16>) {
        let protocol = self.text("l4_protocol", row).and_then(Protocol::of);
        let number = match protocol {
            Some(Protocol::Icmpv4) => self.number("icmp_type", row).map(|kind| match kind {
                0 => 8,
                14 => 13,
                43 => 42,
                kind => kind,
            }),
            Some(Protocol::Icmpv6) => self.number("icmp_type", row).map(|kind| match kind {
                129 => 128,
                161 => 160,
                kind => kind,
            }),
            Some(protocol) if protocol.has_ports() => {
                self.view.number(if is_reply { self.source.port } else { self.destination.port }, row)
            }
            _ => None,
        };
        // No server is reached by port 0: the log was masked, or the port was not read.
        let is_told = |number: &u16| *number > 0 || protocol.is_some_and(|protocol| !protocol.has_ports());
        (protocol, number.and_then(|number| number.try_into().ok()).filter(is_told))
    }

    pub(super) fn request(&self, row: usize) -> Option<Request> {
        if !self.is_request(row) {
            return None;
        }
        let text = |name| cut(self.text(name, row).unwrap_or_default());
        match self.text("l7_protocol", row)? {
            "http" => {
                let (host, path) = parts(self.text("http_url", row).unwrap_or_default());
                Some(Request::Http { method: text("http_method"), host: host.map(cut), path: cut(path) })
            }
            "dns" => Some(Request::Dns { query: plain(&text("dns_query")) }),
            "kafka" => Some(Request::Kafka { topic: text("kafka_topic") }),
            _ => None,
        }
    }

    fn end(&self, is_source: bool) -> &End {
        if is_source { &self.source } else { &self.destination }
    }

    fn identity(&self, end: &End, row: usize) -> Option<u32> {
        self.view.number(end.identity, row).and_then(|identity| u32::try_from(identity).ok()).filter(|id| *id > 0)
    }

    /// All that an endpoint is made of, as bytes that differ where it does.
    pub(super) fn bytes(&self, row: usize, is_source: bool, out: &mut Vec<u8>) {
        out.clear();
        let end = self.end(is_source);
        let mut put = |text: &str| {
            out.extend_from_slice(text.as_bytes());
            out.push(0xff);
        };
        put(self.view.text(end.namespace, row).unwrap_or_default());
        let identity = self.identity(end, row);
        let mut outside = identity.is_some_and(is_outside);
        let labels = self.view.texts(end.labels, row);
        for label in labels.iter().flatten().flatten() {
            outside |= !label.starts_with("k8s:");
            put(label);
        }
        if labels.is_none() || outside {
            out.extend_from_slice(&identity.unwrap_or_default().to_le_bytes());
        }
        if outside {
            out.extend_from_slice(self.view.text(end.ip, row).unwrap_or_default().as_bytes());
            for name in self.view.texts(end.names, row).iter().flatten().flatten() {
                out.push(0xff);
                out.extend_from_slice(name.as_bytes());
            }
        }
    }

    pub(super) fn endpoint(&self, row: usize, is_source: bool) -> Endpoint {
        let end = self.end(is_source);
        let texts =
            |id| self.view.texts(id, row).map(|texts| texts.iter().flatten().map(str::to_owned).collect::<Vec<_>>());
        let names = || {
            let mut names: Vec<String> = texts(end.names).unwrap_or_default().iter().map(|name| plain(name)).collect();
            names.sort_unstable();
            names.dedup();
            names
        };
        Endpoint::new(
            self.view.text(end.namespace, row),
            texts(end.labels),
            self.identity(end, row),
            self.view.text(end.ip, row),
            names,
        )
    }
}

/// Host and path of a URL as the proxy writes it, absolute or not.
fn parts(url: &str) -> (Option<&str>, &str) {
    match url.split_once("://") {
        Some((_, rest)) => {
            let at = rest.find(['/', '?']).unwrap_or(rest.len());
            let (host, path) = rest.split_at(at);
            (Some(host).filter(|host| !host.is_empty()), if path.is_empty() { "/" } else { path })
        }
        None => (None, url),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}
