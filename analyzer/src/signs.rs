//! Signs in the rows themselves of what an exporter filtered, masked or mixed up, and of who wrote them.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array as _, RecordBatch};
use lookback_flow::columns::ColumnId;
use lookback_flow::view::{View, WrongType};

/// Columns that signs are read from, besides those of `MARKS`.
const COLUMNS: &[&str] = &[
    "kind",
    "verdict",
    "flow_type",
    "event_type",
    "traffic_direction",
    "l4_protocol",
    "source_port",
    "destination_port",
    "tcp_flags",
    "l7_protocol",
    "http_code",
    "http_method",
    "http_url",
    "dns_query",
    "dns_rcode",
    "source_namespace",
    "destination_namespace",
    "emitter_version",
    "agent_event_type",
];

/// Columns by the release of Cilium that first wrote them (`flow.proto` of its tags), oldest first.
const MARKS: &[(&str, &str)] = &[
    ("1.10", "is_reply"),
    ("1.11", "source_workloads"),
    ("1.11", "destination_workloads"),
    ("1.13", "trace_id"),
    ("1.13", "sock_xlate_point"),
    ("1.13", "socket_cookie"),
    ("1.14", "uuid"),
    ("1.14", "auth_type"),
    ("1.15", "egress_allowed_by"),
    ("1.15", "ingress_allowed_by"),
    ("1.16", "source_ip_xlated"),
    ("1.16", "trace_reason"),
    ("1.16", "node_labels"),
    ("1.16", "source_cluster_name"),
    ("1.16", "egress_denied_by"),
    ("1.16", "ingress_denied_by"),
    ("1.17", "file_name"),
    ("1.18", "tunnel_protocol"),
    ("1.18", "policy_log"),
    ("1.19", "emitter_name"),
    ("1.19", "ip_trace_id"),
    ("1.19", "lost_first"),
    ("1.20", "sctp_chunk_type"),
];

/// The columns that signs are read from.
pub(crate) fn columns() -> impl Iterator<Item = &'static str> {
    COLUMNS.iter().copied().chain(MARKS.iter().map(|(_, column)| *column))
}

/// Fewest flows that show a habit.
const ENOUGH: u64 = 100;

/// Most versions that are told apart.
const MOST: usize = 16;

/// Of the flows that have a message, how many have each of its fields.
#[derive(Clone, Debug, Default)]
struct Fields {
    all: u64,
    with: BTreeMap<&'static str, u64>,
}

impl Fields {
    fn count(&mut self, fields: &[(&'static str, bool)]) {
        self.all += 1;
        for (name, there) in fields {
            *self.with.entry(name).or_default() += u64::from(*there);
        }
    }

    /// The one field that there ever is, where there should be several.
    fn only(&self) -> Option<&'static str> {
        let mut there = self.with.iter().filter(|(_, count)| **count > 0);
        match (there.next(), there.next()) {
            (Some((name, _)), None) if self.all >= 10 => Some(name),
            _ => None,
        }
    }
}

/// What the rows show.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signs {
    flows: u64,
    verdicts: BTreeMap<String, u64>,
    directions: BTreeMap<String, u64>,
    types: BTreeMap<String, u64>,
    /// Namespaces that every flow so far has at one end.
    everywhere: Option<BTreeSet<String>>,
    /// Layer 7 messages on flows of another type.
    misplaced: u64,
    l4: BTreeMap<&'static str, Fields>,
    l7: BTreeMap<&'static str, Fields>,
    /// Releases named by flows.
    emitters: BTreeSet<String>,
    /// Position of the newest mark in `MARKS`.
    newest: Option<usize>,
    pub agent_starts: u64,
}

impl Signs {
    pub(crate) fn count(&mut self, batch: &RecordBatch) -> Result<(), WrongType> {
        let view = View::new(batch)?;
        let text = |id, row| view.text(id, row);
        let number = |id, row| view.number(id, row).filter(|number| *number != 0);
        let known = ColumnId::known;
        let (kind, agent_event) = (known("kind"), known("agent_event_type"));
        let (verdict, direction, flow_type) = (known("verdict"), known("traffic_direction"), known("flow_type"));
        let (source, destination) = (known("source_namespace"), known("destination_namespace"));
        let (emitter, event_type) = (known("emitter_version"), known("event_type"));
        let (l4, source_port, destination_port) =
            (known("l4_protocol"), known("source_port"), known("destination_port"));
        let (flags, l7_protocol) = (known("tcp_flags"), known("l7_protocol"));
        let (code, method, url) = (known("http_code"), known("http_method"), known("http_url"));
        let (query, rcode) = (known("dns_query"), known("dns_rcode"));
        for (position, (_, column)) in MARKS.iter().enumerate() {
            let there = |array: &arrow::array::ArrayRef| array.logical_null_count() < array.len();
            if batch.column_by_name(column).is_some_and(there) {
                self.newest = self.newest.max(Some(position));
            }
        }
        for row in 0..batch.num_rows() {
            if text(kind, row).is_some_and(|kind| kind != "flow") {
                self.agent_starts += u64::from(text(agent_event, row) == Some("AGENT_STARTED"));
                continue;
            }
            self.flows += 1;
            let values =
                [(&mut self.verdicts, verdict), (&mut self.directions, direction), (&mut self.types, flow_type)];
            values.into_iter().for_each(|(map, id)| add(map, text(id, row).unwrap_or("none"), 1));
            self.namespaces(text(source, row), text(destination, row));
            if let Some(version) = text(emitter, row)
                && self.emitters.len() < MOST
                && !self.emitters.contains(version)
            {
                self.emitters.insert(version.to_owned());
            }
            let l7 = text(l7_protocol, row);
            let other_type = text(flow_type, row).is_some_and(|kind| kind != "L7");
            let other_event = number(event_type, row).is_some_and(|kind| kind != 129);
            self.misplaced += u64::from(l7.is_some() && (other_type || other_event));
            let ports = [
                ("source_port", number(source_port, row).is_some()),
                ("destination_port", number(destination_port, row).is_some()),
            ];
            match text(l4, row) {
                Some("TCP") => {
                    let flags = ("flags", text(flags, row).is_some());
                    self.l4.entry("TCP").or_default().count(&[ports[0], ports[1], flags]);
                }
                Some("UDP") => self.l4.entry("UDP").or_default().count(&ports),
                _ => {}
            }
            match l7 {
                Some("http") => self.l7.entry("http").or_default().count(&[
                    ("code", number(code, row).is_some()),
                    ("method", text(method, row).is_some()),
                    ("url", text(url, row).is_some()),
                ]),
                Some("dns") => self
                    .l7
                    .entry("dns")
                    .or_default()
                    .count(&[("query", text(query, row).is_some()), ("rcode", number(rcode, row).is_some())]),
                _ => {}
            }
        }
        Ok(())
    }

    /// Adds what other rows show.
    pub(crate) fn merge(&mut self, other: Self) {
        // One without flows says nothing of where all have an end.
        self.everywhere = match (self.everywhere.take(), other.everywhere) {
            (Some(own), Some(others)) => Some(own.intersection(&others).cloned().collect()),
            (own, others) => own.or(others),
        };
        self.flows += other.flows;
        for (own, others) in [
            (&mut self.verdicts, other.verdicts),
            (&mut self.directions, other.directions),
            (&mut self.types, other.types),
        ] {
            others.iter().for_each(|(value, count)| add(own, value, *count));
        }
        self.misplaced += other.misplaced;
        for (own, others) in [(&mut self.l4, other.l4), (&mut self.l7, other.l7)] {
            for (protocol, fields) in others {
                let own = own.entry(protocol).or_default();
                own.all += fields.all;
                fields.with.into_iter().for_each(|(name, count)| *own.with.entry(name).or_default() += count);
            }
        }
        self.emitters.extend(other.emitters);
        self.newest = self.newest.max(other.newest);
        self.agent_starts += other.agent_starts;
    }

    fn namespaces(&mut self, source: Option<&str>, destination: Option<&str>) {
        let here = || [source, destination].into_iter().flatten();
        match &mut self.everywhere {
            Some(known) if known.is_empty() => {}
            Some(known) => known.retain(|name| here().any(|here| here == name)),
            None => self.everywhere = Some(here().map(str::to_owned).collect()),
        }
    }

    /// What the exporter may have left out, each a sentence.
    pub(crate) fn filtered(&self) -> Vec<String> {
        let mut signs = Vec::new();
        if self.flows < ENOUGH {
            return signs;
        }
        let mut only = |map: &BTreeMap<String, u64>, what: &str, usual: &[&str]| {
            if let (Some(value), 1) = (map.keys().next(), map.len())
                && !usual.contains(&value.as_str())
            {
                signs.push(format!(
                    "every flow is {what}{value}: an allow list of the exporter may have left out the rest"
                ));
            }
        };
        only(&self.verdicts, "", &["none", "FORWARDED", "DROPPED"]);
        only(&self.directions, "", &["none"]);
        only(&self.types, "of type ", &["none", "L3_L4"]);
        for namespace in self.everywhere.iter().flatten() {
            signs.push(format!(
                "every flow has an end in namespace {namespace}: an allow list of the exporter may have left out the rest"
            ));
        }
        signs
    }

    /// Signs of a field mask that goes through a oneof, which Cilium fills with what other flows left (cilium PR 43924).
    pub(crate) fn leaked(&self) -> Vec<String> {
        let mut signs = Vec::new();
        if self.misplaced > 0 {
            signs.push(format!("{} flows that are no layer 7 records carry a layer 7 message", self.misplaced));
        }
        for (of, protocols) in [("l4", &self.l4), ("l7", &self.l7)] {
            for (protocol, fields) in protocols {
                // An answered name is enough of a DNS record: rcode 0 is never written.
                if let Some(only) = fields.only().filter(|only| *protocol != "dns" || *only != "query") {
                    signs.push(format!("of {of}.{protocol} no flow has anything but {only}"));
                }
            }
        }
        signs
    }

    /// Releases that wrote the log: those that it names, and the least that its fields tell of.
    pub(crate) fn versions(&self) -> (Vec<String>, Option<(&'static str, &'static str)>) {
        let least = self.newest.and_then(|position| MARKS.get(position)).copied();
        (self.emitters.iter().cloned().collect(), least)
    }
}

/// Counts a value, if it is one of the first few.
fn add(map: &mut BTreeMap<String, u64>, value: &str, count: u64) {
    if let Some(own) = map.get_mut(value) {
        *own += count;
    } else if map.len() < MOST {
        map.insert(value.to_owned(), count);
    }
}
