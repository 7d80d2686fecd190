//! What an answer rests on: what was read, what was rejected, what was lost, and which time and nodes it covers.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Result;
use arrow::array::RecordBatch;
use lookback_flow::columns::ColumnId;
use lookback_flow::oddities::Oddities;
use lookback_flow::schema::{MESSAGES, presence_bit};
use lookback_flow::view::View;
use serde_json::{Value, json};

use lookback_question::catalogue::Needs;

/// Columns that evidence is gathered from; they are read with every question.
pub(crate) const COLUMNS: &[&str] =
    &["time", "node_name", "kind", "messages", "verdict", "l7_protocol", "event_type", "tcp_flags", "lost_count"];

/// Bytes, lines and rejected lines of one input.
#[derive(Clone, Debug, Default)]
pub(crate) struct InputEvidence {
    pub name: String,
    /// Lines of a log, rows of a Parquet file.
    pub lines: u64,
    pub rejected: BTreeMap<&'static str, u64>,
    /// Why the input could not be read to its end.
    pub broken: Option<String>,
}

/// A line that was rejected.
#[derive(Clone, Debug)]
pub(crate) struct Reject {
    pub line: u64,
    pub reason: &'static str,
    pub detail: String,
    /// The line itself, or its beginning.
    pub text: Vec<u8>,
}

/// What was observed on one node.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeEvidence {
    pub events: u64,
    pub first: Option<i64>,
    pub last: Option<i64>,
    /// Minutes since 1970 in which the node observed something.
    minutes: BTreeSet<i64>,
}

const MINUTE: i64 = 60_000_000_000;

/// A node silent for so many minutes is worth a word.
const SILENCE: i64 = 5;

impl NodeEvidence {
    /// The longest stretch of whole minutes without any event, as its first and last moment.
    fn longest_silence(&self) -> Option<(i64, i64)> {
        let pairs = self.minutes.iter().zip(self.minutes.iter().skip(1));
        let (from, to) = pairs.max_by_key(|(from, to)| (*to - *from, -**from))?;
        (to - from > SILENCE).then_some(((from + 1) * MINUTE, to * MINUTE))
    }
}

/// Everything known of an input, beside its rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    pub inputs: Vec<InputEvidence>,
    pub passed_over: Vec<String>,
    pub oddities: Oddities,
    pub kinds: BTreeMap<String, u64>,
    pub nodes: BTreeMap<String, NodeEvidence>,
    pub without_time: u64,
    pub first: Option<i64>,
    pub last: Option<i64>,
    /// Reports of lost events: when, and how many events each.
    lost: Vec<(i64, u64)>,
    verdicts: BTreeMap<String, u64>,
    l7: BTreeMap<String, u64>,
    with_flags: u64,
    policy_verdicts: u64,
    aggregated: u64,
    /// Presence bits that some flow has, and that every flow has.
    some: u64,
    unmasked: u64,
}

impl Evidence {
    /// Counts a batch that has [`COLUMNS`].
    pub(crate) fn count(&mut self, batch: &RecordBatch) -> Result<()> {
        let view = View::new(batch)?;
        let ids: Vec<ColumnId> = COLUMNS.iter().filter_map(|name| ColumnId::of(name)).collect();
        let [time, node, kind, messages, verdict, l7, event_type, flags, lost] = ids.as_slice() else {
            return Ok(());
        };
        let bit = |path| presence_bit(path).map_or(0u64, |bit| 1 << bit);
        let own_fields = bit("flow.time") | bit("flow.node_name");
        let aggregate = bit("flow.aggregate");
        let mut by_node: HashMap<&str, NodeEvidence> = HashMap::new();
        for row in 0..batch.num_rows() {
            let name = view.text(*kind, row).unwrap_or("flow");
            add(&mut self.kinds, name, 1);
            let at = view.number(*time, row).and_then(|nanos| i64::try_from(nanos).ok());
            let node = by_node.entry(view.text(*node, row).unwrap_or_default()).or_default();
            node.events += 1;
            match at {
                Some(at) => {
                    node.first = Some(node.first.map_or(at, |first| first.min(at)));
                    node.last = Some(node.last.map_or(at, |last| last.max(at)));
                    node.minutes.insert(at.div_euclid(MINUTE));
                }
                None => self.without_time += 1,
            }
            if name == "lost_events" {
                let count = view.number(*lost, row).and_then(|count| u64::try_from(count).ok()).unwrap_or_default();
                self.lost.push((at.unwrap_or(i64::MAX), count));
            }
            if name == "flow" {
                let present = view.number(*messages, row).and_then(|bits| u64::try_from(bits).ok()).unwrap_or(u64::MAX);
                self.some |= present;
                self.aggregated += u64::from(present & aggregate != 0);
                self.unmasked += u64::from(present & own_fields == own_fields);
                add(&mut self.verdicts, view.text(*verdict, row).unwrap_or("none"), 1);
                if let Some(protocol) = view.text(*l7, row) {
                    add(&mut self.l7, protocol, 1);
                }
                self.with_flags += u64::from(view.text(*flags, row).is_some());
                self.policy_verdicts += u64::from(view.number(*event_type, row) == Some(5));
            }
        }
        for (name, node) in by_node {
            let whole = match self.nodes.get_mut(name) {
                Some(whole) => whole,
                None => self.nodes.entry(name.to_owned()).or_default(),
            };
            whole.events += node.events;
            whole.first = earlier(whole.first, node.first);
            whole.last = later(whole.last, node.last);
            whole.minutes.extend(node.minutes);
            self.first = earlier(self.first, whole.first);
            self.last = later(self.last, whole.last);
        }
        Ok(())
    }

    pub(crate) fn lines(&self) -> u64 {
        self.inputs.iter().map(|input| input.lines).sum()
    }

    pub(crate) fn rejected(&self) -> u64 {
        self.inputs.iter().flat_map(|input| input.rejected.values()).sum()
    }

    pub(crate) fn rejected_by_reason(&self) -> BTreeMap<&'static str, u64> {
        let mut reasons = BTreeMap::new();
        for (reason, count) in self.inputs.iter().flat_map(|input| &input.rejected) {
            *reasons.entry(*reason).or_insert(0) += count;
        }
        reasons
    }

    fn flows(&self) -> u64 {
        self.kinds.get("flow").copied().unwrap_or_default()
    }

    /// Lost events reported within the window: reports, events.
    pub(crate) fn lost_within(&self, (since, until): (i64, i64)) -> (u64, u64) {
        let within = self.lost.iter().filter(|(at, _)| (since..=until).contains(at) || *at == i64::MAX);
        within.fold((0, 0), |(reports, events), (_, count)| (reports + 1, events.saturating_add(*count)))
    }

    /// How many records there are of what a question needs.
    pub(crate) fn has(&self, needs: Needs) -> u64 {
        let of = |map: &BTreeMap<String, u64>, key: &str| map.get(key).copied().unwrap_or_default();
        match needs {
            Needs::Drops => of(&self.verdicts, "DROPPED"),
            Needs::Http => of(&self.l7, "http"),
            Needs::Dns => of(&self.l7, "dns"),
            Needs::Kafka => of(&self.l7, "kafka"),
            Needs::PolicyVerdicts => self.policy_verdicts,
            Needs::TcpFlags => self.with_flags,
        }
    }

    /// What makes the evidence less than whole, each a sentence.
    pub(crate) fn caveats(&self, window: (i64, i64)) -> Vec<String> {
        let mut caveats = Vec::new();
        let (reports, events) = self.lost_within(window);
        if reports > 0 {
            caveats.push(format!(
                "{events} events were lost in this time ({reports} reports): every count is a lower bound"
            ));
        }
        let broken = self.inputs.iter().filter(|input| input.broken.is_some()).count();
        if broken > 0 {
            caveats.push(format!("{broken} of {} inputs could not be read to the end", self.inputs.len()));
        }
        if self.without_time > 0 {
            caveats.push(format!("{} events carry no time and are in no answer about a time", self.without_time));
        }
        if self.aggregated > 0 {
            caveats.push(format!(
                "{} of {} flows were aggregated by the exporter: one line stands for many flows",
                self.aggregated,
                self.flows()
            ));
        }
        let plain = self.flows() - self.aggregated;
        if plain > 0 && self.unmasked + self.aggregated < self.flows() {
            let masked = self.flows() - self.unmasked - self.aggregated.min(self.flows() - self.unmasked);
            caveats.push(format!("{masked} flows lack a time or node of their own: the exporter masked fields"));
        } else if plain > 0 {
            let usual = ["flow.IP", "flow.source", "flow.destination", "flow.event_type"];
            let missing: Vec<&str> = usual
                .into_iter()
                .filter(|path| presence_bit(path).is_some_and(|bit| self.some & (1 << bit) == 0))
                .filter(|path| MESSAGES.contains(path))
                .map(|path| path.trim_start_matches("flow."))
                .collect();
            if !missing.is_empty() {
                caveats.push(format!("no flow has {}: the exporter may have masked fields", missing.join(", ")));
            }
        }
        if self.flows() >= 10 && self.verdicts.len() == 1 && self.verdicts.contains_key("DROPPED") {
            caveats.push(
                "every flow is DROPPED: the exporter may have filtered the rest, so shares mean nothing".to_owned(),
            );
        }
        for (name, node) in &self.nodes {
            if let Some((from, to)) = node.longest_silence() {
                caveats.push(format!(
                    "{} was silent from {} to {}",
                    if name.is_empty() { "an unnamed node" } else { name },
                    lookback_flow::time::rfc3339(from),
                    lookback_flow::time::rfc3339(to)
                ));
            }
        }
        caveats
    }

    /// The evidence as JSON, for the window that a question was asked of.
    pub(crate) fn json(&self, window: Option<(i64, i64)>) -> Value {
        let time = |at: Option<i64>| at.map(lookback_flow::time::rfc3339);
        let whole = (i64::MIN, i64::MAX);
        let (reports, events) = self.lost_within(window.unwrap_or(whole));
        json!({
            "lines": self.lines(),
            "rejected": self.rejected(),
            "rejected_by_reason": self.rejected_by_reason(),
            "events": self.kinds,
            "first": time(self.first),
            "last": time(self.last),
            "window": window.map(|(since, until)| json!({"since": time(Some(since)), "until": time(Some(until))})),
            "lost_events": {"reports": reports, "events": events},
            "nodes": self.nodes.iter().map(|(name, node)| json!({
                "name": name, "events": node.events, "first": time(node.first), "last": time(node.last),
            })).collect::<Vec<_>>(),
            "caveats": self.caveats(window.unwrap_or(whole)),
            "inputs": self.inputs.iter().map(|input| json!({
                "name": input.name, "lines": input.lines, "rejected": input.rejected, "broken": input.broken,
            })).collect::<Vec<_>>(),
            "passed_over": self.passed_over,
            "unknown_fields": self.oddities.unknown_fields,
            "unknown_values": self.oddities.unknown_values,
            "mistyped_fields": self.oddities.mistyped,
        })
    }
}

fn add(map: &mut BTreeMap<String, u64>, key: &str, count: u64) {
    match map.get_mut(key) {
        Some(sum) => *sum += count,
        None => {
            map.insert(key.to_owned(), count);
        }
    }
}

fn earlier(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    a.into_iter().chain(b).min()
}

fn later(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    a.into_iter().chain(b).max()
}
