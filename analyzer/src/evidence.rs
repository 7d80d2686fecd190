//! What an answer rests on: what was read, what was rejected, what was lost, and which time and nodes it covers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use anyhow::Result;
use arrow::array::RecordBatch;
use lookback_flow::columns::ColumnId;
use lookback_flow::oddities::Oddities;
use lookback_flow::schema::presence_bit;
use lookback_flow::time::rfc3339;
use lookback_flow::view::View;
use serde_json::{Value, json};

use lookback_question::catalogue::Needs;
use lookback_question::window::human_span;

/// Columns that evidence is gathered from; they are read with every question.
pub(crate) const COLUMNS: &[&str] = &[
    "time",
    "node_name",
    "kind",
    "messages",
    "verdict",
    "l7_protocol",
    "event_type",
    "tcp_flags",
    "lost_count",
    "lost_first",
    "lost_last",
];

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
    /// Where the line stands in its chunk, or its beginning.
    pub text: Range<usize>,
}

/// What was observed on one node.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeEvidence {
    pub events: u64,
    pub first: Option<i64>,
    pub last: Option<i64>,
    /// Minutes since 1970 in which the node observed a flow.
    minutes: BTreeSet<i64>,
}

const MINUTE: i64 = 60_000_000_000;

/// A node silent for so many minutes is worth a word.
const SILENCE: i64 = 5;

/// A last event so much later than those of all other nodes is a clock gone wrong rather than news.
const SKEW: i64 = 60 * MINUTE;

/// Most nodes that are told of one by one.
const MOST: usize = 8;

impl NodeEvidence {
    /// The longest stretch of whole minutes without a flow within a window, as its first and last moment; before the first
    /// flow and after the last one, too.
    fn longest_silence(&self, (since, until): (i64, i64)) -> Option<(i64, i64)> {
        let (first, last) = (since.div_euclid(MINUTE), until.div_euclid(MINUTE));
        let inside = self.minutes.range(first..=last.max(first)).copied();
        let mut longest = None;
        let mut before = first - 1;
        for minute in inside.chain([last + 1]) {
            if longest.is_none_or(|(from, to)| minute - before > to - from) {
                longest = Some((before, minute));
            }
            before = minute;
        }
        let (from, to) = longest.filter(|(from, to)| to - from > SILENCE)?;
        Some((((from + 1) * MINUTE).max(since), (to * MINUTE).min(until)))
    }

    fn merge(&mut self, other: Self) {
        self.events += other.events;
        self.first = earlier(self.first, other.first);
        self.last = later(self.last, other.last);
        self.minutes.extend(other.minutes);
    }
}

/// A report of lost events: the time in which they were lost, and how many.
#[derive(Clone, Copy, Debug)]
struct Lost {
    first: i64,
    last: i64,
    count: u64,
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
    /// Lines that stand in the input more than once, as far as they were compared.
    pub repeated: u64,
    pub first: Option<i64>,
    pub last: Option<i64>,
    lost: Vec<Lost>,
    verdicts: BTreeMap<String, u64>,
    l7: BTreeMap<String, u64>,
    with_flags: u64,
    policy_verdicts: u64,
    aggregated: u64,
    /// Flows, neither aggregated nor of a file without presence, that lack a time or node of their own.
    masked: u64,
    /// Presence bits that some flow has; of a file without presence, all.
    some: u64,
}

impl Evidence {
    /// Counts a batch that has [`COLUMNS`].
    pub(crate) fn count(&mut self, batch: &RecordBatch) -> Result<()> {
        let view = View::new(batch)?;
        let ids: Vec<ColumnId> = COLUMNS.iter().filter_map(|name| ColumnId::of(name)).collect();
        let [time, node_name, kind, messages, verdict, l7, event_type, flags, lost_count, lost_first, lost_last] =
            ids.as_slice()
        else {
            return Ok(());
        };
        let bit = |path| presence_bit(path).map_or(0u64, |bit| 1 << bit);
        let own_fields = bit("flow.time") | bit("flow.node_name");
        let aggregate = bit("flow.aggregate");
        let moment = |column, row| view.number(column, row).and_then(|nanos| i64::try_from(nanos).ok());
        let mut by_node: HashMap<&str, NodeEvidence> = HashMap::new();
        for row in 0..batch.num_rows() {
            let name = view.text(*kind, row).unwrap_or("flow");
            add(&mut self.kinds, name, 1);
            let at = moment(*time, row);
            let node = by_node.entry(view.text(*node_name, row).unwrap_or_default()).or_default();
            node.events += 1;
            match at {
                Some(at) => {
                    node.first = earlier(node.first, Some(at));
                    node.last = later(node.last, Some(at));
                    if name == "flow" {
                        node.minutes.insert(at.div_euclid(MINUTE));
                    }
                }
                None => self.without_time += 1,
            }
            if name == "lost_events" {
                let count =
                    view.number(*lost_count, row).and_then(|count| u64::try_from(count).ok()).unwrap_or_default();
                // A report without a time may be of any time.
                let first = moment(*lost_first, row).or(at).unwrap_or(i64::MIN);
                let until = moment(*lost_last, row).or(at).unwrap_or(i64::MAX);
                self.lost.push(Lost { first, last: until, count });
            }
            if name == "flow" {
                match view.number(*messages, row).and_then(|bits| u64::try_from(bits).ok()) {
                    Some(present) => {
                        self.some |= present;
                        let aggregated = present & aggregate != 0;
                        self.aggregated += u64::from(aggregated);
                        self.masked += u64::from(!aggregated && present & own_fields != own_fields);
                    }
                    None => self.some = u64::MAX,
                }
                add(&mut self.verdicts, view.text(*verdict, row).unwrap_or("none"), 1);
                if let Some(protocol) = view.text(*l7, row) {
                    add(&mut self.l7, protocol, 1);
                }
                self.with_flags += u64::from(view.text(*flags, row).is_some());
                self.policy_verdicts += u64::from(view.number(*event_type, row) == Some(5));
            }
        }
        for (name, node) in by_node {
            self.first = earlier(self.first, node.first);
            self.last = later(self.last, node.last);
            self.nodes.entry(name.to_owned()).or_default().merge(node);
        }
        Ok(())
    }

    /// Adds what was counted elsewhere.
    pub(crate) fn merge(&mut self, other: Self) {
        for (name, node) in other.nodes {
            self.nodes.entry(name).or_default().merge(node);
        }
        for (own, theirs) in
            [(&mut self.kinds, other.kinds), (&mut self.verdicts, other.verdicts), (&mut self.l7, other.l7)]
        {
            for (key, count) in theirs {
                add(own, &key, count);
            }
        }
        self.lost.extend(other.lost);
        self.without_time += other.without_time;
        self.with_flags += other.with_flags;
        self.policy_verdicts += other.policy_verdicts;
        self.aggregated += other.aggregated;
        self.masked += other.masked;
        self.some |= other.some;
        self.first = earlier(self.first, other.first);
        self.last = later(self.last, other.last);
    }

    /// Flows name a node `cluster/node`, other events just `node`: where only one cluster has it, they are one.
    pub(crate) fn join_nodes(&mut self) {
        let bare: Vec<String> = self.nodes.keys().filter(|name| !name.contains('/')).cloned().collect();
        for name in bare {
            let mut whole =
                self.nodes.keys().filter(|other| other.rsplit_once('/').is_some_and(|(_, node)| node == name));
            if let (Some(whole), None) = (whole.next().cloned(), whole.next())
                && let Some(node) = self.nodes.remove(&name)
            {
                self.nodes.entry(whole).or_default().merge(node);
            }
        }
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

    /// Events lost within the window, or in a time that reaches into it: reports, events.
    pub(crate) fn lost_within(&self, (since, until): (i64, i64)) -> (u64, u64) {
        let within = self.lost.iter().filter(|lost| lost.first <= until && lost.last >= since);
        within.fold((0, 0), |(reports, events), lost| (reports + 1, events.saturating_add(lost.count)))
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
        if self.repeated > 0 {
            caveats.push(format!(
                "{} lines stand in the input more than once and count as often: a file given twice, or logs that overlap?",
                self.repeated
            ));
        }
        if self.aggregated > 0 {
            caveats.push(format!(
                "{} of {} flows were aggregated by the exporter: one line stands for many flows, so counts are lower bounds",
                self.aggregated,
                self.flows()
            ));
        }
        if self.masked > 0 {
            caveats.push(format!(
                "{} flows lack a time or node of their own: the exporter masked fields, and what they held is in no answer",
                self.masked
            ));
        } else if self.flows() > self.aggregated {
            let usual = ["flow.IP", "flow.source", "flow.destination", "flow.event_type"];
            let missing: Vec<&str> = usual
                .into_iter()
                .filter(|path| presence_bit(path).is_some_and(|bit| self.some & (1 << bit) == 0))
                .map(|path| path.trim_start_matches("flow."))
                .collect();
            if !missing.is_empty() {
                caveats.push(format!(
                    "no flow has {}: the exporter may have masked fields; without event_type a drop and its verdict count twice",
                    missing.join(", ")
                ));
            }
        }
        if self.flows() >= 10 && self.verdicts.len() == 1 && self.verdicts.contains_key("DROPPED") {
            caveats.push(
                "every flow is DROPPED: the exporter may have filtered the rest, so shares mean nothing".to_owned(),
            );
        }
        caveats.extend(self.skew());
        let clipped = (window.0.max(self.first.unwrap_or(0)), window.1.min(self.last.unwrap_or(0)));
        let mut silences = self.nodes.iter().filter(|(_, node)| !node.minutes.is_empty()).filter_map(|(name, node)| {
            let (from, to) = node.longest_silence(clipped)?;
            let name = if name.is_empty() { "an unnamed node" } else { name };
            Some(format!("{name} was silent from {} to {}", rfc3339(from), rfc3339(to)))
        });
        caveats.extend(silences.by_ref().take(MOST));
        match silences.count() {
            0 => {}
            more => caveats.push(format!("{more} more nodes were silent for over {SILENCE} minutes")),
        }
        caveats
    }

    /// A node whose last event is far behind all others', so that spans that count back from the end miss them.
    fn skew(&self) -> Option<String> {
        let mut lasts: Vec<(i64, &str)> =
            self.nodes.iter().filter_map(|(name, node)| Some((node.last?, name.as_str()))).collect();
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
            "repeated_lines": self.repeated,
            "passed_over": self.passed_over,
            "unknown_fields": self.oddities.unknown_fields,
            "unknown_values": self.oddities.unknown_values,
            "mistyped_fields": self.oddities.mistyped,
            "more_oddities": self.oddities.more,
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
