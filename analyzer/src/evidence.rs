//! What an answer rests on: what was read, what was rejected, what was lost, and which time and nodes it covers.

use std::collections::{BTreeMap, BTreeSet};

use lookback_flow::coverage::{Coverage, MINUTE, Node};
use lookback_flow::oddities::Oddities;
use lookback_flow::schema::presence_bit;
use lookback_flow::segment::{Origin, Skipped};
use lookback_flow::time::rfc3339;
use lookback_report::redact::Redaction;
use serde_json::{Value, json};

use lookback_question::catalogue::Needs;
use lookback_question::window::human_span;

/// A node silent for so many minutes is worth a word.
const SILENCE: i64 = 5;

/// A last event so much later than those of all other nodes is a clock gone wrong rather than news.
const SKEW: i64 = 60 * MINUTE;

/// Most nodes that are told of one by one.
const MOST: usize = 8;

/// Parquet files: how many were read, and how much of them and of others was not.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Files {
    pub read: u64,
    /// Rows of the files that were read, whether needed or not.
    pub rows: u64,
    /// Files of an archive that were not opened, or not read.
    pub skipped: u64,
    pub parts: Skipped,
    /// Files that a later version wrote.
    pub newer: u64,
}

/// Everything known of an input, beside its rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    /// The logs that were read, and the Parquet files that could not be.
    pub inputs: Vec<Origin>,
    pub files: Files,
    /// The logs that the Parquet files were made from, each once, by content.
    pub origins: BTreeMap<String, Origin>,
    /// Columns of Parquet files that this version does not know.
    pub unknown_columns: Vec<String>,
    /// Nodes that have files in an archive, but none in the hours that were read.
    pub absent: BTreeSet<String>,
    pub passed_over: Vec<String>,
    pub oddities: Oddities,
    /// Lines that stand in the input more than once, as far as they were compared.
    pub repeated: u64,
    pub covers: Coverage,
    /// First and last moment of all the data, that which was not read, too.
    pub extent: Option<(i64, i64)>,
}

impl Evidence {
    /// Widens the extent.
    pub(crate) fn reaches(&mut self, first: Option<i64>, last: Option<i64>) {
        if let (Some(first), Some(last)) = (first, last) {
            let (from, to) = self.extent.unwrap_or((first, last));
            self.extent = Some((from.min(first), to.max(last)));
        }
    }

    /// Adds a log that a file was made from, unless another file told of it.
    pub(crate) fn origin(&mut self, origin: &Origin) {
        // A file that was closed before its log was read to the end knows the name alone, and is known by it.
        if origin.sha256.is_empty() {
            if self.origins.values().any(|known| known.name == origin.name) {
                return;
            }
        } else if self.origins.get(&origin.name).is_some_and(|known| known.sha256.is_empty()) {
            self.origins.remove(&origin.name);
        }
        if self.origins.insert(origin.key().to_owned(), origin.clone()).is_none() {
            self.oddities.merge(origin.oddities.clone());
            self.repeated += origin.repeated;
        }
    }

    /// Writes tokens for the names of hosts, which files are called by, too.
    pub(crate) fn redact(&mut self, redaction: &Redaction) {
        if !redaction.hides_hosts() {
            return;
        }
        let name = |name: &str| redaction.domain(name);
        self.covers.nodes =
            std::mem::take(&mut self.covers.nodes).into_iter().map(|(own, node)| (name(&own), node)).collect();
        self.absent = self.absent.iter().map(|own| name(own)).collect();
        self.passed_over = self.passed_over.iter().map(|_| "a file".to_owned()).collect();
        for origin in self.inputs.iter_mut().chain(self.origins.values_mut()) {
            origin.name = name(&origin.name);
        }
    }

    /// Lines of logs.
    pub(crate) fn lines(&self) -> u64 {
        self.inputs.iter().map(|input| input.lines).sum()
    }

    pub(crate) fn rejected(&self) -> u64 {
        rejected(self.inputs.iter().chain(self.origins.values())).values().sum()
    }

    fn flows(&self) -> u64 {
        self.covers.flows()
    }

    /// How many records there are of what a question needs.
    pub(crate) fn has(&self, needs: Needs) -> u64 {
        let of = |map: &BTreeMap<String, u64>, key: &str| map.get(key).copied().unwrap_or_default();
        match needs {
            Needs::Drops => of(&self.covers.verdicts, "DROPPED"),
            Needs::Http => of(&self.covers.l7, "http"),
            Needs::Dns => of(&self.covers.l7, "dns"),
            Needs::Kafka => of(&self.covers.l7, "kafka"),
            Needs::PolicyVerdicts => self.covers.policy_verdicts,
            Needs::TcpFlags => self.covers.with_flags,
        }
    }

    /// What makes the evidence less than whole, each a sentence.
    pub(crate) fn caveats(&self, window: (i64, i64)) -> Vec<String> {
        let mut caveats = Vec::new();
        let (reports, events) = self.covers.lost_within(window);
        if reports > 0 {
            caveats.push(format!(
                "{events} events were lost in this time ({reports} reports): every count is a lower bound"
            ));
        }
        let broken = self.inputs.iter().filter(|input| input.broken.is_some()).count();
        if broken > 0 {
            let inputs = self.inputs.len() as u64 + self.files.read;
            caveats.push(format!("{broken} of {inputs} inputs could not be read to the end"));
        }
        let unknown = self.origins.values().filter(|origin| origin.sha256.is_empty() && origin.lines == 0).count();
        if unknown > 0 {
            caveats.push(format!(
                "what was rejected of {unknown} imported logs is not known here: later hours of the archive tell"
            ));
        }
        let broken = self.origins.values().filter(|origin| origin.broken.is_some()).count();
        if broken > 0 {
            caveats.push(format!("{broken} of {} imported logs could not be read to the end then", self.origins.len()));
        }
        caveats.extend(self.doubts().into_iter().map(|(_, text)| text));
        let (first, last) = self.extent.unwrap_or_default();
        let clipped = (window.0.max(first), window.1.min(last));
        let mut silences =
            self.covers.nodes.iter().filter(|(_, node)| !node.minutes.is_empty()).filter_map(|(name, node)| {
                let (from, to) = silences(node, clipped).into_iter().max_by_key(|(from, to)| (to - from, -from))?;
                let name = if name.is_empty() { "an unnamed node" } else { name };
                Some(format!("{name} was silent from {} to {}", rfc3339(from), rfc3339(to)))
            });
        caveats.extend(silences.by_ref().take(MOST));
        if !self.absent.is_empty() {
            let nodes: Vec<&str> = self.absent.iter().take(MOST).map(String::as_str).collect();
            let more = self.absent.len().saturating_sub(MOST);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            caveats.push(format!(
                "{}{more} observed nothing in the hours that were read, though in others of the archive",
                nodes.join(", ")
            ));
        }
        match silences.count() {
            0 => {}
            more => caveats.push(format!("{more} more nodes were silent for over {SILENCE} minutes")),
        }
        caveats
    }

    /// What the rows themselves show to be missing or changed: a stable word and a sentence each.
    pub(crate) fn doubts(&self) -> Vec<(&'static str, String)> {
        let mut doubts = Vec::new();
        if self.files.newer > 0 {
            let columns = match self.unknown_columns.as_slice() {
                [] => String::new(),
                columns => format!(" (columns that only it knows: {})", columns.join(", ")),
            };
            doubts.push((
                "newer-schema",
                format!(
                    "{} files were written by a later version of Lookback: what it added is not shown{columns}",
                    self.files.newer
                ),
            ));
        }
        if self.covers.without_time > 0 {
            doubts.push((
                "without-time",
                format!("{} events carry no time and are in no answer about a time", self.covers.without_time),
            ));
        }
        if self.repeated > 0 {
            doubts.push(("duplicates", format!(
                "{} lines stand in the input more than once and count as often: a file given twice, or logs that overlap?",
                self.repeated
            )));
        }
        if self.covers.aggregated > 0 {
            doubts.push(("aggregated", format!(
                "{} of {} flows were aggregated by the exporter: one line stands for many flows, so counts are lower bounds",
                self.covers.aggregated,
                self.flows()
            )));
        }
        if self.covers.masked > 0 {
            doubts.push(("masked", format!(
                "{} flows lack a time or node of their own: the exporter masked fields, and what they held is in no answer",
                self.covers.masked
            )));
        } else if self.flows() > self.covers.aggregated {
            let usual = ["flow.IP", "flow.source", "flow.destination", "flow.event_type"];
            let missing: Vec<&str> = usual
                .into_iter()
                .filter(|path| presence_bit(path).is_some_and(|bit| self.covers.some & (1 << bit) == 0))
                .map(|path| path.trim_start_matches("flow."))
                .collect();
            if !missing.is_empty() {
                doubts.push(("masked", format!(
                    "no flow has {}: the exporter may have masked fields; without event_type a drop and its verdict count twice",
                    missing.join(", ")
                )));
            }
        }
        if self.flows() >= 10 && self.covers.verdicts.len() == 1 && self.covers.verdicts.contains_key("DROPPED") {
            doubts.push((
                "filtered",
                "every flow is DROPPED: the exporter may have filtered the rest, so shares mean nothing".to_owned(),
            ));
        }
        doubts.extend(self.skew().map(|text| ("skew", text)));
        doubts
    }

    /// A node whose last event is far behind all others', so that spans that count back from the end miss them.
    fn skew(&self) -> Option<String> {
        let mut lasts: Vec<(i64, &str)> =
            self.covers.nodes.iter().filter_map(|(name, node)| Some((node.last?, name.as_str()))).collect();
        lasts.sort_unstable();
        let ((last, name), (before, _)) = (lasts.pop()?, lasts.pop()?);
        (last - before > SKEW).then(|| {
            format!(
                "the last event, of {name} at {}, is {} after the last of any other node: spans count back from it; \
                 --until sets another end",
                rfc3339(last),
                human_span(last - before)
            )
        })
    }

    /// The evidence as JSON, for the window that a question was asked of.
    pub(crate) fn json(&self, window: Option<(i64, i64)>) -> Value {
        let time = |at: Option<i64>| at.map(rfc3339);
        let whole = (i64::MIN, i64::MAX);
        let (reports, events) = self.covers.lost_within(window.unwrap_or(whole));
        json!({
            "lines": self.lines(),
            "rejected": self.rejected(),
            "rejected_by_reason": rejected(self.inputs.iter().chain(self.origins.values())),
            "events": self.covers.kinds,
            "first": time(self.extent.map(|(first, _)| first)),
            "last": time(self.extent.map(|(_, last)| last)),
            "window": window.map(|(since, until)| json!({"since": time(Some(since)), "until": time(Some(until))})),
            "lost_events": {"reports": reports, "events": events},
            "nodes": self.covers.nodes.iter().map(|(name, node)| json!({
                "name": name, "events": node.events, "first": time(node.first), "last": time(node.last),
            })).collect::<Vec<_>>(),
            "caveats": self.caveats(window.unwrap_or(whole)),
            "inputs": self.inputs.iter().map(|input| json!({
                "name": input.name, "lines": input.lines, "rejected": input.rejected, "broken": input.broken,
            })).collect::<Vec<_>>(),
            "files": {
                "read": self.files.read, "rows": self.files.rows, "skipped": self.files.skipped,
                "row_groups_skipped": self.files.parts.row_groups, "rows_skipped": self.files.parts.rows,
                "imported_logs": self.origins.len(),
                "imported_lines": self.origins.values().map(|origin| origin.lines).sum::<u64>(),
            },
            "repeated_lines": self.repeated,
            "passed_over": self.passed_over,
            "unknown_fields": self.oddities.unknown_fields,
            "unknown_values": self.oddities.unknown_values,
            "mistyped_fields": self.oddities.mistyped,
            "more_oddities": self.oddities.more,
        })
    }
}

/// Rejected lines by reason.
pub(crate) fn rejected<'a>(origins: impl IntoIterator<Item = &'a Origin>) -> BTreeMap<String, u64> {
    let mut reasons = BTreeMap::new();
    for (reason, count) in origins.into_iter().flat_map(|origin| &origin.rejected) {
        *reasons.entry(reason.clone()).or_insert(0) += count;
    }
    reasons
}

/// The stretches of whole minutes without a flow within a window, as their first and last moments; before the first flow
/// and after the last one, too.
pub(crate) fn silences(node: &Node, (since, until): (i64, i64)) -> Vec<(i64, i64)> {
    let (first, last) = (since.div_euclid(MINUTE), until.div_euclid(MINUTE));
    let inside = node.minutes.range(first..=last.max(first)).copied();
    let mut silences = Vec::new();
    let mut before = first - 1;
    for minute in inside.chain([last + 1]) {
        if minute - before > SILENCE {
            let start = (before + 1).saturating_mul(MINUTE);
            silences.push((start.max(since), minute.saturating_mul(MINUTE).min(until)));
        }
        before = minute;
    }
    silences
}
