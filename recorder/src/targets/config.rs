//! What is to be recorded where: flags, and the exporter's dynamic configuration (`flowLogs:` in YAML).
//!
//! A file is taken whole or not at all: whatever is wrong in one entry, the others are not taken either. Keys that are not known
//! are passed over, as the exporter does; fields of filters that are not known are an error, as there.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use lookback_flow::filter::{FilterError, Filters};
use lookback_flow::mask::{FieldMask, MaskError};
use lookback_flow::proto::flow::FlowFilter;
use lookback_flow::time::parse_rfc3339;
use serde::Deserialize;

use super::rotate::Rotation;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{path}: {error}", path = path.display())]
    Io { path: PathBuf, error: std::io::Error },
    #[error("not the YAML of flow logs: {0}")]
    Yaml(String),
    #[error("entry {0}: it is empty")]
    Empty(usize),
    #[error("entry {0}: `name` is missing")]
    NoName(usize),
    #[error("{name}: {what}")]
    Entry { name: String, what: String },
    #[error("{name}: {error}")]
    Filter { name: String, error: FilterError },
    #[error("{name}: {error}")]
    Mask { name: String, error: MaskError },
}

/// Where a target is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Stdout,
    /// Lines as JSON.
    File(PathBuf, Rotation),
    /// An archive.
    Archive(PathBuf),
}

/// What is recorded, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    pub name: String,
    pub place: Place,
    pub mask: Vec<String>,
    pub aggregate: Vec<String>,
    /// 0 for none.
    pub interval_ns: u64,
    pub include: Vec<FlowFilter>,
    pub exclude: Vec<FlowFilter>,
    /// Nanoseconds since 1970.
    pub end: Option<i64>,
}

impl Target {
    /// A target that takes everything.
    #[must_use]
    pub fn everything(name: &str, place: Place) -> Self {
        Self {
            name: name.to_owned(),
            place,
            mask: Vec::new(),
            aggregate: Vec::new(),
            interval_ns: 0,
            include: Vec::new(),
            exclude: Vec::new(),
            end: None,
        }
    }

    /// Whether it aggregates: both what and how often must be told, as the exporter wants it.
    #[must_use]
    pub fn aggregates(&self) -> bool {
        !self.aggregate.is_empty() && self.interval_ns > 0
    }

    /// Finds out what cannot be done before anything is done.
    ///
    /// # Errors
    /// When a filter or a path makes no sense.
    pub fn check(&self) -> Result<(), ConfigError> {
        let name = || self.name.clone();
        Filters::new(&self.include, &self.exclude).map_err(|error| ConfigError::Filter { name: name(), error })?;
        for paths in [&self.mask, &self.aggregate] {
            FieldMask::new(paths).map_err(|error| ConfigError::Mask { name: name(), error })?;
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "flowLogs", default)]
    flow_logs: Option<Vec<Option<Entry>>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Entry {
    name: Option<String>,
    file_path: Option<String>,
    field_mask: Option<Vec<String>>,
    field_aggregate: Option<Vec<String>>,
    aggregation_interval: Option<String>,
    include_filters: Option<Vec<FlowFilter>>,
    exclude_filters: Option<Vec<FlowFilter>>,
    file_max_size_mb: Option<u32>,
    file_max_backups: Option<u32>,
    file_compress: Option<bool>,
    end: Option<String>,
    /// Of the recorder alone: `json` or `parquet`.
    format: Option<String>,
    /// The archive of Parquet files.
    directory: Option<String>,
    /// How the archive is divided: `hour`.
    partition: Option<String>,
}

/// The targets of a YAML file.
///
/// # Errors
/// When anything in it is wrong.
pub fn read(path: &Path) -> Result<Vec<Target>, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Io { path: path.to_owned(), error })?;
    parse(&text)
}

/// Likewise, from its text.
///
/// # Errors
/// When anything in it is wrong.
pub fn parse(yaml: &str) -> Result<Vec<Target>, ConfigError> {
    if yaml.trim().is_empty() {
        return Ok(Vec::new());
    }
    let document: Document = serde_saphyr::from_str(yaml).map_err(|error| ConfigError::Yaml(error.to_string()))?;
    let (mut names, mut places) = (HashSet::new(), HashSet::new());
    let mut targets = Vec::new();
    for (number, entry) in (1..).zip(document.flow_logs.unwrap_or_default()) {
        let entry = entry.ok_or(ConfigError::Empty(number))?;
        let name = entry.name.clone().filter(|name| !name.is_empty()).ok_or(ConfigError::NoName(number))?;
        let wrong = |what: String| ConfigError::Entry { name: name.clone(), what };
        if !names.insert(name.clone()) {
            return Err(wrong("another entry has this name".to_owned()));
        }
        let target = target(&name, entry).map_err(wrong)?;
        let place = match &target.place {
            Place::Stdout => PathBuf::from("stdout"),
            Place::File(path, _) | Place::Archive(path) => path.clone(),
        };
        if !places.insert(place.clone()) {
            return Err(wrong(format!("another entry is written to {}", place.display())));
        }
        target.check()?;
        targets.push(target);
    }
    Ok(targets)
}

fn target(name: &str, entry: Entry) -> Result<Target, String> {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (path, directory) = (given(entry.file_path), given(entry.directory));
    let place = match (entry.format.as_deref().unwrap_or("json"), path, directory) {
        ("json", Some(path), None) if path == "stdout" => Place::Stdout,
        ("json", Some(path), None) => {
            let or = |number: Option<u32>, default: u32| number.filter(|number| *number > 0).unwrap_or(default);
            let rotation = Rotation {
                max_bytes: u64::from(or(entry.file_max_size_mb, 10)) << 20,
                max_backups: or(entry.file_max_backups, 5) as usize,
                compress: entry.file_compress.unwrap_or_default(),
            };
            Place::File(PathBuf::from(path), rotation)
        }
        ("json", None, _) => return Err("`filePath` is missing".to_owned()),
        ("json", _, Some(_)) => return Err("`directory` is for `format: parquet`; name a `filePath`".to_owned()),
        ("parquet", None, Some(directory)) => Place::Archive(PathBuf::from(directory)),
        ("parquet", Some(_), _) => return Err("`filePath` is for `format: json`; name a `directory`".to_owned()),
        ("parquet", None, None) => return Err("`directory` is missing".to_owned()),
        (other, ..) => return Err(format!("there is no format {other:?}; json and parquet are there")),
    };
    if let Some(partition) = entry.partition.filter(|partition| partition != "hour") {
        return Err(format!("archives are divided by `hour`, not by {partition:?}"));
    }
    let interval_ns = match given(entry.aggregation_interval) {
        Some(text) => duration(&text).ok_or_else(|| format!("{text:?} is no duration such as `30s` or `1m30s`"))?,
        None => 0,
    };
    let end = match given(entry.end) {
        Some(text) => {
            Some(parse_rfc3339(&text).ok_or_else(|| format!("end: {text:?} is no time such as 2026-03-01T10:00:00Z"))?)
        }
        None => None,
    };
    Ok(Target {
        name: name.to_owned(),
        place,
        mask: entry.field_mask.unwrap_or_default(),
        aggregate: entry.field_aggregate.unwrap_or_default(),
        interval_ns,
        include: entry.include_filters.unwrap_or_default(),
        exclude: entry.exclude_filters.unwrap_or_default(),
        end,
    })
}

/// Nanoseconds of a duration as Go writes it: `1h30m`, `1.5s`, `300ms`.
#[must_use]
pub fn duration(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, unit) = rest.split_at_checked(digits)?;
        let end = unit.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(unit.len());
        let (unit, after) = unit.split_at_checked(end)?;
        let scale = match unit {
            "ns" => 1.0,
            "us" | "µs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * scale;
        rest = after;
    }
    // A hundred years are enough.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    (!text.is_empty() && (0.0..3.2e18).contains(&total)).then_some(total as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
flowLogs:
- name: drops
  filePath: /tmp/drops.log
  fieldMask: [time, verdict]
  includeFilters:
  - verdict: [DROPPED]
    source_pod: ["shop/"]
  excludeFilters:
  - sourceIp: ["10.0.0.0/8"]
  fileMaxSizeMb: 0
  fileCompress: true
  somethingNew: 7
  end: "2023-10-09T23:59:59-07:00"
- name: all
  format: parquet
  directory: /tmp/archive
  partition: hour
  fieldAggregate: [verdict]
  aggregationInterval: 1m30s
"#;

    #[test]
    fn the_exporters_file_is_read() {
        let targets = parse(GOOD).unwrap();
        let rotation = Rotation { max_bytes: 10 << 20, max_backups: 5, compress: true };
        assert_eq!(targets[0].place, Place::File("/tmp/drops.log".into(), rotation));
        assert_eq!(targets[0].include[0].source_pod, ["shop/"]);
        assert_eq!(targets[0].exclude[0].source_ip, ["10.0.0.0/8"]);
        assert_eq!(targets[0].end, Some(1_696_921_199_000_000_000));
        assert_eq!((targets[1].interval_ns, targets[1].aggregates()), (90_000_000_000, true));
        assert_eq!(parse("").unwrap(), []);
        assert_eq!(parse("flowLogs:\n").unwrap(), []);
    }

    #[test]
    fn a_file_with_a_mistake_is_refused_whole() {
        let cases = [
            ("flowLogs:\n- filePath: a\n", "entry 1: `name` is missing"),
            ("flowLogs:\n- name: a\n", "a: `filePath` is missing"),
            ("flowLogs:\n-\n", "entry 1: it is empty"),
            ("flowLogs:\n- {name: a, filePath: x}\n- {name: a, filePath: y}\n", "a: another entry has this name"),
            ("flowLogs:\n- {name: a, filePath: x}\n- {name: b, filePath: x}\n", "b: another entry is written to x"),
            ("flowLogs:\n- {name: a, filePath: x, aggregationInterval: soon}\n", "a: \"soon\" is no duration"),
            ("flowLogs:\n- {name: a, filePath: x, end: soon}\n", "a: end: \"soon\" is no time"),
            ("flowLogs:\n- {name: a, filePath: x, format: csv}\n", "a: there is no format \"csv\""),
            ("flowLogs:\n- {name: a, filePath: x, fieldMask: [nothing]}\n", "a: field mask: \"nothing\""),
            ("flowLogs:\n- {name: a, filePath: x, includeFilters: [{nothing: 1}]}\n", "unknown field `nothing`"),
            (
                "flowLogs:\n- {name: a, filePath: x, includeFilters: [{source_ip: [nowhere]}]}\n",
                "a: filter field source_ip",
            ),
            ("flowLogs: 7\n", "not the YAML of flow logs"),
            ("{", "not the YAML of flow logs"),
        ];
        for (yaml, expected) in cases {
            let error = parse(yaml).unwrap_err().to_string();
            assert!(error.contains(expected), "{yaml}: {error}");
        }
    }

    #[test]
    fn durations_are_gos() {
        for (text, expected) in [
            ("0s", Some(0)),
            ("0", Some(0)),
            ("1.5s", Some(1_500_000_000)),
            ("1h2m3s4ms", Some(3_723_004_000_000)),
            ("5", None),
            ("", None),
            ("s", None),
            ("1d", None),
            ("-1s", None),
        ] {
            assert_eq!(duration(text), expected, "{text}");
        }
    }
}
