//! What a file tells of itself.

use std::collections::BTreeMap;

use parquet::file::metadata::{FileMetaData, KeyValue};
use serde::{Deserialize, Serialize};

use super::VERSION;
use crate::coverage::{Coverage, MINUTE, Node};
use crate::names::Workloads;
use crate::oddities::Oddities;

/// Keys of a file's metadata.
const VERSION_KEY: &str = "lookback.schema";
const INFO_KEY: &str = "lookback.segment";
const WORKLOADS_KEY: &str = "lookback.workloads";

/// Most pods whose workloads a file tells of; those beyond are learnt from the rows that are read.
const MOST_PODS: usize = 20_000;

/// The last minute that has a time.
const LAST_MINUTE: i64 = i64::MAX / MINUTE;

/// Most lines of a log.
const MOST_LINES: u64 = 1 << 48;

/// A log that rows of a file come from. Its counts are of the whole log, whose other rows may be in other files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    pub name: String,
    /// Of the file as it was read, compressed or not; empty when that cannot be told.
    pub sha256: String,
    /// Lines of a log, rows of a Parquet file.
    pub lines: u64,
    pub rejected: BTreeMap<String, u64>,
    /// Why it could not be read to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
    /// Lines older than one before them.
    pub disordered: u64,
    /// By how much the most disordered one was older, in nanoseconds.
    pub furthest_back_ns: i64,
    /// Lines that stood in it, or in another log of the same import, before; as far as they were compared.
    pub repeated: u64,
    #[serde(skip_serializing_if = "Oddities::is_empty")]
    pub oddities: Oddities,
}

impl Origin {
    /// What tells one log from another: its content, or its name where the content is not known.
    #[must_use]
    pub fn key(&self) -> &str {
        if self.sha256.is_empty() { &self.name } else { &self.sha256 }
    }
}

/// What a file tells of itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SegmentInfo {
    /// Version of its schema.
    #[serde(skip)]
    pub version: u32,
    /// The program that wrote it.
    #[serde(skip)]
    pub producer: String,
    /// Its place among the files of an archive, in the order of their making; rows of the same time stand in this order.
    pub sequence: u64,
    pub origins: Vec<Origin>,
    /// What its rows cover; `None` in files of version 1 and of others' making.
    pub coverage: Option<Coverage>,
    /// Which pods belong to which workloads, by all its rows.
    #[serde(skip)]
    pub workloads: Workloads,
}

impl SegmentInfo {
    /// Reads it from a file's metadata. What is not there, or not understood, is left empty: rows can be counted again.
    pub(super) fn read(metadata: &FileMetaData) -> Self {
        let value = |key: &str| {
            let pairs = metadata.key_value_metadata().into_iter().flatten();
            pairs.into_iter().find(|pair| pair.key == key).and_then(|pair| pair.value.as_deref())
        };
        let mut info: Self = value(INFO_KEY).and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
        let rows = u64::try_from(metadata.num_rows()).unwrap_or_default();
        if !info.is_plausible(rows) {
            (info.coverage, info.origins) = (None, Vec::new());
        }
        info.version = value(VERSION_KEY).and_then(|version| version.parse().ok()).unwrap_or_default();
        metadata.created_by().unwrap_or_default().clone_into(&mut info.producer);
        info.workloads = value(WORKLOADS_KEY).and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
        info
    }

    pub(super) fn metadata(&self) -> Result<Vec<KeyValue>, serde_json::Error> {
        Ok(vec![
            KeyValue::new(VERSION_KEY.to_owned(), VERSION.to_string()),
            KeyValue::new(INFO_KEY.to_owned(), serde_json::to_string(self)?),
            KeyValue::new(WORKLOADS_KEY.to_owned(), serde_json::to_string(&self.workloads.first(MOST_PODS))?),
        ])
    }

    /// Whether it can be true of a file of so many rows. What cannot would be in the way of sums and spans.
    fn is_plausible(&self, rows: u64) -> bool {
        let time = |time: i64| time >= 0;
        let span = |first: Option<i64>, last: Option<i64>| first.is_none_or(time) && last.is_none_or(time);
        let is_small = |counts: &BTreeMap<String, u64>| counts.values().all(|count| *count <= rows);
        let covers = self.coverage.as_ref().is_none_or(|covers| {
            let numbers =
                [covers.without_time, covers.with_flags, covers.policy_verdicts, covers.aggregated, covers.masked];
            let reports = covers.lost.iter().map(|lost| lost.reports);
            let node = |node: &Node| {
                node.events <= rows
                    && span(node.first, node.last)
                    && node.minutes.iter().all(|minute| (0..=LAST_MINUTE).contains(minute))
            };
            span(covers.first, covers.last)
                && [&covers.kinds, &covers.verdicts, &covers.l7].into_iter().all(is_small)
                && numbers.into_iter().chain(reports).all(|count| count <= rows)
                && covers.nodes.values().all(node)
        });
        // A log of more lines than that cannot be read in a lifetime.
        let is_log = |origin: &Origin| {
            let oddities = &origin.oddities;
            let counts = [&origin.rejected, &oddities.unknown_fields, &oddities.unknown_values, &oddities.mistyped];
            let numbers = [origin.lines, origin.disordered, origin.repeated, oddities.more];
            counts.into_iter().flat_map(BTreeMap::values).copied().chain(numbers).all(|count| count <= MOST_LINES)
                && time(origin.furthest_back_ns)
        };
        covers && self.origins.iter().all(is_log)
    }

    /// Whether its rows have nothing to tell of workloads that it does not.
    #[must_use]
    pub fn knows_all_workloads(&self) -> bool {
        self.coverage.is_some() && self.workloads.pods() < MOST_PODS
    }

    /// Whether a later version wrote it.
    #[must_use]
    pub fn is_newer(&self) -> bool {
        self.version > VERSION
    }
}
