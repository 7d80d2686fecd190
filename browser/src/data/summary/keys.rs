//! What a row's group is.

use lookback_flow::columns::ColumnId;
use lookback_flow::event::{COLUMNS, Event};
use lookback_flow::segment::{Needle, Pattern};

use super::Kind;
use super::groups::Sample;
use crate::data::cell::value;
use crate::data::class;

impl Kind {
    /// Columns that it needs, stored and derived.
    pub(super) fn columns(self) -> Vec<&'static str> {
        let own: &[&str] = match self {
            Self::Map => &["client", "server", "server_port", "l4_protocol", "is_reply"],
            Self::Drops => &["drop_reason_desc", "client", "server", "server_port", "l4_protocol", "traffic_direction"],
            Self::Dns => &["l7_protocol", "dns_query", "dns_qtype", "client", "is_reply", "latency_ns"],
            Self::Http => &["l7_protocol", "server", "http_method", "http_url", "latency_ns"],
            Self::Connections => {
                &["client", "server", "client_ip", "client_port", "server_ip", "server_port", "l4_protocol", "is_reply"]
            }
            Self::Frequency(id) => {
                let own = [Some(id.column().name), namespace(id).map(|id| id.column().name)];
                return class::NEEDS.into_iter().chain(["time"]).chain(own.into_iter().flatten()).collect();
            }
        };
        class::NEEDS.into_iter().chain(["time"]).chain(own.iter().copied()).collect()
    }

    /// What rows that count have, for readers that can leave others out.
    pub(super) fn needles(self) -> Vec<Needle> {
        let is = |column, text: &str| vec![vec![vec![(ColumnId::known(column), Pattern::Is(text.to_owned()))]]];
        match self {
            Self::Drops => is("verdict", "DROPPED"),
            Self::Dns => is("l7_protocol", "dns"),
            Self::Http => is("l7_protocol", "http"),
            _ => Vec::new(),
        }
    }

    /// Writes the cells of a row's group with `\0` between; `None` if the row does not count.
    pub(super) fn key(self, event: &Event<'_>, out: &mut String) -> Option<Sample> {
        let known = ColumnId::known;
        let text = |name| event.text(known(name));
        let mut cell = |text: Option<&str>| {
            if !out.is_empty() {
                out.push('\0');
            }
            // The separator cannot come from a log.
            out.extend(text.unwrap_or("-").chars().map(|c| if c == '\0' { ' ' } else { c }));
        };
        let is_reply = event.number(COLUMNS.is_reply) == Some(1);
        let sample = Sample { is_reply, ..Sample::default() };
        let port = || event.number(known("server_port")).filter(|port| *port != 0).map(|port| port.to_string());
        if event.kind() != "flow" && !matches!(self, Self::Frequency(_)) {
            return None;
        }
        match self {
            Self::Map => {
                cell(text("client"));
                cell(text("server"));
                cell(port().as_deref());
                cell(text("l4_protocol"));
            }
            Self::Drops => {
                if text("verdict") != Some("DROPPED") {
                    return None;
                }
                cell(text("drop_reason_desc"));
                cell(text("client"));
                cell(text("server"));
                cell(port().as_deref());
                cell(text("l4_protocol"));
                cell(text("traffic_direction"));
            }
            Self::Dns => {
                if text("l7_protocol") != Some("dns") {
                    return None;
                }
                cell(text("dns_query"));
                cell(text("dns_qtype"));
                if text("l7_type") != Some("RESPONSE") {
                    cell(Some("(asked)"));
                    return Some(sample);
                }
                cell(Some(rcode(event.number(known("dns_rcode")).unwrap_or_default()).as_str()));
                let latency = event.number(known("latency_ns")).and_then(|ns| u64::try_from(ns).ok());
                return Some(Sample { latency: latency.filter(|ns| *ns > 0), ..sample });
            }
            Self::Http => {
                if text("l7_protocol") != Some("http") || text("l7_type") == Some("REQUEST") {
                    return None;
                }
                cell(text("server"));
                cell(text("http_method"));
                cell(Some(&path(text("http_url").unwrap_or_default())));
                let latency = event.number(known("latency_ns")).and_then(|ns| u64::try_from(ns).ok());
                let status = event.number(known("http_code")).and_then(|code| u8::try_from(code / 100).ok());
                return Some(Sample { latency: latency.filter(|ns| *ns > 0), status, is_reply });
            }
            Self::Connections => {
                cell(text("l4_protocol"));
                cell(text("client"));
                cell(text("client_ip"));
                cell(event.number(known("client_port")).map(|port| port.to_string()).as_deref());
                cell(text("server"));
                cell(text("server_ip"));
                cell(port().as_deref());
            }
            Self::Frequency(id) => {
                let value = value(id, event);
                match namespace(id).and_then(|id| event.text(id)) {
                    Some(namespace) if !value.is_empty() => cell(Some(&format!("{namespace}/{value}"))),
                    _ => cell(Some(value.as_str()).filter(|value| !value.is_empty())),
                }
            }
        }
        Some(sample)
    }
}

/// The column of the namespace that a name belongs to.
fn namespace(id: ColumnId) -> Option<ColumnId> {
    let name = id.column().name;
    let end = name
        .strip_suffix("_pod")
        .or_else(|| name.strip_suffix("_service_name").map(|_| name.trim_end_matches("_name")));
    ColumnId::of(&format!("{}_namespace", end?))
}

/// What a DNS response code is called.
fn rcode(code: i128) -> String {
    match code {
        0 => "NOERROR".to_owned(),
        2 => "SERVFAIL".to_owned(),
        3 => "NXDOMAIN".to_owned(),
        5 => "REFUSED".to_owned(),
        other => format!("RCODE {other}"),
    }
}

/// The path of a URL, without what differs from one request to the next: its query, numbers and long hexadecimal ids.
fn path(url: &str) -> String {
    let rest =
        url.split_once("://").map_or(url, |(_, rest)| rest.find('/').map_or("/", |at| rest.get(at..).unwrap_or("/")));
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    let is_id = |step: &str| {
        !step.is_empty()
            && (step.bytes().all(|b| b.is_ascii_digit())
                || step.len() >= 12 && step.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'))
    };
    path.split('/').map(|step| if is_id(step) { "*" } else { step }).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_differ_by_an_id_are_one() {
        assert_eq!(path("http://cart:8080/items/42?x=1"), "/items/*");
        assert_eq!(path("/o/6f1c2d3e-0000-4a5b-8888-123456789abc/x"), "/o/*/x");
        assert_eq!(path("http://cart"), "/");
        assert_eq!(path("/cafe/menu"), "/cafe/menu");
    }
}
