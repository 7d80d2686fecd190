//! What some events cover: nodes, time, kinds, losses, and the signs of what an exporter left out.
//!
//! It is counted once, while rows are decoded, and kept in the metadata of a file that holds them, so that an answer from an
//! archive rests on the same counts as one from the logs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use arrow::array::RecordBatch;
use serde::{Deserialize, Serialize};

use crate::columns::ColumnId;
use crate::schema::presence_bit;
use crate::view::{View, WrongType};

/// Columns that are counted.
pub const COLUMNS: &[&str] = &[
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

/// Nanoseconds of a minute.
pub const MINUTE: i64 = 60_000_000_000;

/// Most reports of lost events that are kept one by one; beyond, neighbours in time are taken together, so that a window
/// may be told of a loss beside it, and never be told of none.
const MOST_REPORTS: usize = 4096;

/// Most names of one kind that are counted apart; a hostile log could otherwise fill memory with them.
const MOST_NAMES: usize = 100_000;

/// Most minutes that are noted of a node, nearly two years of them.
const MOST_MINUTES: usize = 1_000_000;

/// What stands for the names beyond.
const OTHERS: &str = "(others)";

/// What was observed on one node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Node {
    pub events: u64,
    pub first: Option<i64>,
    pub last: Option<i64>,
    /// Minutes since 1970 in which the node observed a flow.
    pub minutes: BTreeSet<i64>,
}

impl Node {
    fn merge(&mut self, other: Self) {
        self.events += other.events;
        self.first = earlier(self.first, other.first);
        self.last = later(self.last, other.last);
        let room = MOST_MINUTES.saturating_sub(self.minutes.len());
        self.minutes.extend(other.minutes.into_iter().take(room));
    }
}

/// Reports of lost events: the time in which they were lost, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Lost {
    pub first: i64,
    pub last: i64,
    pub count: u64,
    pub reports: u64,
}

/// What some events cover. Times are nanoseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Coverage {
    /// Events by kind.
    pub kinds: BTreeMap<String, u64>,
    pub nodes: BTreeMap<String, Node>,
    pub without_time: u64,
    pub first: Option<i64>,
    pub last: Option<i64>,
    pub lost: Vec<Lost>,
    /// Flows by verdict; `none` for those without.
    pub verdicts: BTreeMap<String, u64>,
    /// Flows by layer 7 protocol.
    pub l7: BTreeMap<String, u64>,
    /// Flows with TCP flags.
    pub with_flags: u64,
    /// Flows that are policy verdicts.
    pub policy_verdicts: u64,
    /// Flows that stand for many.
    pub aggregated: u64,
    /// Flows, neither aggregated nor of a file without presence, that lack a time or node of their own.
    pub masked: u64,
    /// Presence bits that some flow has; of a file without presence, all.
    pub some: u64,
}

/// The ids of [`COLUMNS`].
struct CountedColumns {
    time: ColumnId,
    node_name: ColumnId,
    kind: ColumnId,
    messages: ColumnId,
    verdict: ColumnId,
    l7_protocol: ColumnId,
    event_type: ColumnId,
    tcp_flags: ColumnId,
    lost_count: ColumnId,
    lost_first: ColumnId,
    lost_last: ColumnId,
}

static COUNTED: LazyLock<CountedColumns> = LazyLock::new(|| {
    let column = ColumnId::known;
    CountedColumns {
        time: column("time"),
        node_name: column("node_name"),
        kind: column("kind"),
        messages: column("messages"),
        verdict: column("verdict"),
        l7_protocol: column("l7_protocol"),
        event_type: column("event_type"),
        tcp_flags: column("tcp_flags"),
        lost_count: column("lost_count"),
        lost_first: column("lost_first"),
        lost_last: column("lost_last"),
    }
});

/// The kind of a report of lost events.
const LOST_EVENTS: &str = "lost_events";

/// The event type of a policy verdict.
const POLICY_VERDICT: i128 = 5;

/// What is counted of one event.
#[derive(Debug)]
struct Counted<'a> {
    kind: &'a str,
    /// Empty when no node is named.
    node: &'a str,
    time: Option<i64>,
    /// Presence bits, where they are known.
    messages: Option<u64>,
    verdict: Option<&'a str>,
    l7: Option<&'a str>,
    has_flags: bool,
    is_policy_verdict: bool,
}

/// Counts events one by one. What was counted last is found first: neighbours are of one node, and mostly of one kind.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    coverage: Coverage,
    kinds: Counts,
    verdicts: Counts,
    l7: Counts,
    nodes: HashMap<Box<str>, Node>,
    /// The node of the last event, and the minute that was last noted of it.
    node: (Box<str>, Node, Option<i64>),
}

/// How often names came.
#[derive(Debug, Default)]
struct Counts {
    few: Vec<(Box<str>, u64)>,
    many: HashMap<Box<str>, u64>,
}

impl Counts {
    const FEW: usize = 16;

    fn add(&mut self, name: &str) {
        if let Some((_, count)) = self.few.iter_mut().find(|(known, _)| **known == *name) {
            *count += 1;
        } else if self.few.len() < Self::FEW {
            self.few.push((name.into(), 1));
        } else if let Some(count) = self.many.get_mut(name) {
            *count += 1;
        } else {
            self.many.insert(name.into(), 1);
        }
    }

    fn finish(self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        self.few.into_iter().chain(self.many).for_each(|(name, count)| add(&mut counts, &name, count));
        counts
    }
}

impl Tally {
    /// Counts an event by the texts and numbers of its columns.
    #[inline]
    pub(crate) fn count<'a>(
        &mut self,
        text: impl Fn(ColumnId) -> Option<&'a str>,
        number: impl Fn(ColumnId) -> Option<i128>,
    ) {
        let columns = &*COUNTED;
        let unsigned = |id| number(id).and_then(|number| u64::try_from(number).ok());
        let moment = |id| number(id).and_then(|nanos| i64::try_from(nanos).ok());
        let kind = text(columns.kind).unwrap_or("flow");
        self.add(&Counted {
            kind,
            node: text(columns.node_name).unwrap_or_default(),
            time: moment(columns.time),
            messages: unsigned(columns.messages),
            verdict: text(columns.verdict),
            l7: text(columns.l7_protocol),
            has_flags: text(columns.tcp_flags).is_some(),
            is_policy_verdict: number(columns.event_type) == Some(POLICY_VERDICT),
        });
        if kind == LOST_EVENTS {
            let count = unsigned(columns.lost_count).unwrap_or_default();
            self.add_lost(count, moment(columns.time), moment(columns.lost_first), moment(columns.lost_last));
        }
    }

    fn add(&mut self, event: &Counted<'_>) {
        static BITS: LazyLock<(u64, u64)> = LazyLock::new(|| {
            let bit = |path| presence_bit(path).map_or(0u64, |bit| 1 << bit);
            (bit("flow.time") | bit("flow.node_name"), bit("flow.aggregate"))
        });
        let (own_fields, aggregate) = *BITS;
        let is_flow = event.kind == "flow";
        self.kinds.add(event.kind);
        if *self.node.0 != *event.node {
            self.change_node(event.node);
        }
        let (_, node, noted) = &mut self.node;
        node.events += 1;
        match event.time {
            Some(at) => {
                node.first = earlier(node.first, Some(at));
                node.last = later(node.last, Some(at));
                if is_flow {
                    let minute = at.div_euclid(MINUTE);
                    if *noted != Some(minute) && node.minutes.len() < MOST_MINUTES {
                        node.minutes.insert(minute);
                        *noted = Some(minute);
                    }
                }
            }
            None => self.coverage.without_time += 1,
        }
        if !is_flow {
            return;
        }
        match event.messages {
            Some(present) => {
                self.coverage.some |= present;
                let aggregated = present & aggregate != 0;
                self.coverage.aggregated += u64::from(aggregated);
                self.coverage.masked += u64::from(!aggregated && present & own_fields != own_fields);
            }
            None => self.coverage.some = u64::MAX,
        }
        self.verdicts.add(event.verdict.unwrap_or("none"));
        if let Some(protocol) = event.l7 {
            self.l7.add(protocol);
        }
        self.coverage.with_flags += u64::from(event.has_flags);
        self.coverage.policy_verdicts += u64::from(event.is_policy_verdict);
    }

    /// Counts what a report of lost events says, besides the event itself.
    fn add_lost(&mut self, count: u64, at: Option<i64>, first: Option<i64>, last: Option<i64>) {
        // A report without a time may be of any time.
        let (first, last) = (first.or(at).unwrap_or(i64::MIN), last.or(at).unwrap_or(i64::MAX));
        self.coverage.add_lost(Lost { first, last, count, reports: 1 });
    }

    fn change_node(&mut self, name: &str) {
        let next = self.nodes.remove(name).unwrap_or_default();
        let (name, node, _) = std::mem::replace(&mut self.node, (name.into(), next, None));
        self.nodes.insert(name, node);
    }

    /// What was counted.
    pub(crate) fn finish(self) -> Coverage {
        let mut coverage = self.coverage;
        (coverage.kinds, coverage.verdicts, coverage.l7) =
            (self.kinds.finish(), self.verdicts.finish(), self.l7.finish());
        let (name, node, _) = self.node;
        for (name, node) in self.nodes.into_iter().chain([(name, node)]).filter(|(_, node)| node.events > 0) {
            coverage.first = earlier(coverage.first, node.first);
            coverage.last = later(coverage.last, node.last);
            entry(&mut coverage.nodes, &name).merge(node);
        }
        coverage
    }
}

impl Coverage {
    /// Counts a batch that has [`COLUMNS`].
    ///
    /// # Errors
    /// When a column has not the type of the schema.
    pub fn count(&mut self, batch: &RecordBatch) -> Result<(), WrongType> {
        let view = View::new(batch)?;
        let mut tally = Tally::default();
        for row in 0..batch.num_rows() {
            tally.count(|id| view.text(id, row), |id| view.number(id, row));
        }
        self.merge(tally.finish());
        Ok(())
    }

    /// Adds what was counted elsewhere.
    pub fn merge(&mut self, other: Self) {
        for (name, node) in other.nodes {
            entry(&mut self.nodes, &name).merge(node);
        }
        for (own, theirs) in
            [(&mut self.kinds, other.kinds), (&mut self.verdicts, other.verdicts), (&mut self.l7, other.l7)]
        {
            for (key, count) in theirs {
                add(own, &key, count);
            }
        }
        other.lost.into_iter().for_each(|lost| self.add_lost(lost));
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
    pub fn join_nodes(&mut self) {
        let mut whole: HashMap<String, Option<String>> = HashMap::new();
        for name in self.nodes.keys() {
            if let Some((_, node)) = name.rsplit_once('/') {
                // Of two clusters none is meant.
                whole.entry(node.to_owned()).and_modify(|name| *name = None).or_insert_with(|| Some(name.clone()));
            }
        }
        for (bare, whole) in whole {
            if let Some(whole) = whole
                && let Some(node) = self.nodes.remove(&bare)
            {
                self.nodes.entry(whole).or_default().merge(node);
            }
        }
    }

    /// How many events there are.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.kinds.values().sum()
    }

    #[must_use]
    pub fn flows(&self) -> u64 {
        self.kinds.get("flow").copied().unwrap_or_default()
    }

    /// Events lost within a window, or in a time that reaches into it: reports, events.
    #[must_use]
    pub fn lost_within(&self, (since, until): (i64, i64)) -> (u64, u64) {
        let within = self.lost.iter().filter(|lost| lost.first <= until && lost.last >= since);
        within.fold((0, 0), |(reports, events), lost| (reports + lost.reports, events.saturating_add(lost.count)))
    }

    fn add_lost(&mut self, lost: Lost) {
        self.lost.push(lost);
        if self.lost.len() <= MOST_REPORTS {
            return;
        }
        self.lost.sort_unstable();
        let pairs = self.lost.chunks(2).map(|pair| {
            let whole = |a: Lost, b: &Lost| Lost {
                first: a.first.min(b.first),
                last: a.last.max(b.last),
                count: a.count.saturating_add(b.count),
                reports: a.reports + b.reports,
            };
            let none = Lost { first: i64::MAX, last: i64::MIN, count: 0, reports: 0 };
            pair.iter().fold(none, whole)
        });
        self.lost = pairs.collect();
    }
}

/// The entry of a name, or of all others when there are too many.
fn entry<'a, T: Default>(map: &'a mut BTreeMap<String, T>, name: &str) -> &'a mut T {
    let name = if map.len() < MOST_NAMES || map.contains_key(name) { name } else { OTHERS };
    map.entry(name.to_owned()).or_default()
}

fn add(map: &mut BTreeMap<String, u64>, key: &str, count: u64) {
    match map.get_mut(key) {
        Some(sum) => *sum += count,
        None => *entry(map, key) += count,
    }
}

fn earlier(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    a.into_iter().chain(b).min()
}

fn later(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    a.into_iter().chain(b).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_taken_together_lose_no_event_and_no_moment() {
        let mut coverage = Coverage::default();
        let n = 3 * i64::try_from(MOST_REPORTS).unwrap();
        for at in 0..n {
            coverage.add_lost(Lost { first: at * 10, last: at * 10 + 5, count: 2, reports: 1 });
        }
        assert!(coverage.lost.len() <= MOST_REPORTS);
        assert_eq!(coverage.lost_within((i64::MIN, i64::MAX)), (n.unsigned_abs(), 2 * n.unsigned_abs()));
        for at in [0, n / 2, n - 1] {
            assert!(coverage.lost_within((at * 10, at * 10)).0 > 0);
        }
    }
}
