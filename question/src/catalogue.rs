//! Questions: SQL files with a header that says what they answer, what they take and what they give.
//!
//! The leading `-- ` comment lines of a file are one TOML document, [`Header`]; what follows is one SELECT. The shipped
//! ones are part of the binary; a user's own stand in folders, and go before shipped ones of the same name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{QuestionError, Result};

include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

/// One question, or one of its variants.
#[derive(Clone, Debug)]
pub struct Question {
    /// Name of the file without `.sql`, and without `.by-KEY` for a variant.
    pub name: String,
    /// The key of a variant: `pair` for `top-drop-reasons.by-pair.sql`.
    pub by: Option<String>,
    /// Where it comes from, for messages.
    pub origin: String,
    pub header: Header,
    pub sql: String,
}

/// What a file says of itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    pub title: String,
    /// What it answers, in a sentence.
    pub answers: String,
    pub theme: String,
    /// How early a report tells of it when there is something to tell: 0 to 100.
    #[serde(default)]
    pub weight: u8,
    #[serde(default)]
    pub audience: Vec<Audience>,
    #[serde(default)]
    pub chart: Chart,
    /// What is counted, what makes it a lower bound, what is left out.
    #[serde(default)]
    pub notes: String,
    /// What the log must hold for an answer.
    #[serde(default)]
    pub needs: Option<Needs>,
    #[serde(default)]
    pub defaults: Defaults,
    #[serde(default)]
    pub parameters: Parameters,
    pub columns: Vec<ResultColumn>,
}

/// Whom a question is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    Incident,
    Compliance,
}

/// How its answer is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Chart {
    #[default]
    None,
    Bar,
    Line,
    Stacked,
}

/// What a question needs to find in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Needs {
    #[serde(rename = "drops")]
    Drops,
    #[serde(rename = "l7 http")]
    Http,
    #[serde(rename = "l7 dns")]
    Dns,
    #[serde(rename = "l7 kafka")]
    Kafka,
    #[serde(rename = "policy verdicts")]
    PolicyVerdicts,
    #[serde(rename = "tcp flags")]
    TcpFlags,
}

/// Defaults of the flags that every question has.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    pub limit: Option<u64>,
    pub last: Option<String>,
}

/// A question's own parameters, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Parameters(pub Vec<(String, Parameter)>);

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = toml::Table::deserialize(deserializer)?;
        let parameters = table.into_iter().map(|(name, value)| {
            let bad = |why: &str| serde::de::Error::custom(format!("parameter {name}: {why}"));
            let parameter: Parameter = value.try_into().map_err(|error: toml::de::Error| bad(error.message()))?;
            parameter.check(&name).map_err(|why| bad(&why))?;
            Ok((name, parameter))
        });
        Ok(Self(parameters.collect::<Result<_, _>>()?))
    }
}

/// One parameter.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    #[serde(rename = "type")]
    pub kind: Kind,
    #[serde(default)]
    pub default: Option<toml::Value>,
    #[serde(default)]
    pub choices: Vec<String>,
    #[serde(default)]
    pub positional: bool,
    #[serde(default)]
    pub help: String,
}

/// Names of the flags that every question has.
pub const RESERVED: &[&str] = &[
    "by",
    "cross_check",
    "engine",
    "engine_archive",
    "engine_ca",
    "engine_cert",
    "engine_follow",
    "engine_key",
    "engine_timeout",
    "explain",
    "fail_if_empty",
    "help",
    "inputs",
    "last",
    "limit",
    "namespace",
    "output",
    "queries",
    "quiet",
    "filter",
    "raw",
    "rejects",
    "relative_to",
    "service",
    "since",
    "strict",
    "until",
    "version",
];

impl Parameter {
    /// What of it could not be a flag, or an argument before the inputs.
    fn check(&self, name: &str) -> Result<(), String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(plain) {
            return Err("a name is of a to z, 0 to 9 and _, and begins with a letter".to_owned());
        }
        if RESERVED.contains(&name) {
            return Err("every question has a flag of this name".to_owned());
        }
        if (self.kind == Kind::Choice) == self.choices.is_empty() {
            return Err("a choice, and nothing else, has choices = […]".to_owned());
        }
        if self.positional && self.default.is_some() {
            return Err("what is taken by its place comes before the inputs and can have no default".to_owned());
        }
        let Some(default) = &self.default else { return Ok(()) };
        let fits = match (self.kind, default) {
            (Kind::Text, toml::Value::String(_))
            | (Kind::Integer, toml::Value::Integer(_))
            | (Kind::Number, toml::Value::Integer(_) | toml::Value::Float(_))
            | (Kind::Boolean, toml::Value::Boolean(_)) => true,
            (Kind::Duration, toml::Value::String(text)) => crate::window::duration(text).is_ok(),
            (Kind::Choice, toml::Value::String(text)) => self.choices.contains(text),
            _ => false,
        };
        if fits {
            return Ok(());
        }
        Err(format!("the default {} is not of its type", self.default_text().unwrap_or_default()))
    }

    /// The default as a user would write it.
    #[must_use]
    pub fn default_text(&self) -> Option<String> {
        Some(match self.default.as_ref()? {
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Float(number) => number.to_string(),
            toml::Value::Boolean(value) => value.to_string(),
            toml::Value::Datetime(time) => time.to_string(),
            toml::Value::Array(_) | toml::Value::Table(_) => return None,
        })
    }
}

/// Type of a parameter's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Text,
    Integer,
    Number,
    Duration,
    Boolean,
    Choice,
}

/// A column of the answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultColumn {
    pub name: String,
    #[serde(default)]
    pub unit: Unit,
    #[serde(default)]
    pub help: String,
}

impl ResultColumn {
    #[must_use]
    pub fn new(name: &str, unit: Unit, help: &str) -> Self {
        Self { name: name.to_owned(), unit, help: help.to_owned() }
    }
}

/// Unit of a column, which decides how it is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    #[default]
    #[serde(rename = "")]
    Plain,
    Count,
    /// A share between 0 and 1.
    Ratio,
    /// A duration in nanoseconds.
    Ns,
    /// Nanoseconds since 1970.
    Time,
    Bytes,
}

impl Unit {
    /// The unit as a header names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Count => "count",
            Self::Ratio => "ratio",
            Self::Ns => "ns",
            Self::Time => "time",
            Self::Bytes => "bytes",
        }
    }
}

impl Question {
    /// Reads a question from the text of its file.
    fn parse(stem: &str, origin: &str, text: &str) -> Result<Self> {
        let text = text.trim_start_matches('\u{feff}');
        let (header, sql): (Header, String) = split(origin, text)?;
        if let Some(error) = header.defaults.last.as_deref().and_then(|last| crate::window::duration(last).err()) {
            let line = text.lines().position(|line| line.contains("last")).map_or(1, |at| at + 1);
            return Err(QuestionError::Header { origin: origin.to_owned(), line, message: error.to_string() });
        }
        let (name, by) = match stem.split_once(".by-") {
            Some((name, by)) => (name, Some(by.to_owned())),
            None => (stem, None),
        };
        Ok(Self { name: name.to_owned(), by, origin: origin.to_owned(), header, sql })
    }

    /// The positional parameters, in the order of the file.
    pub fn positional(&self) -> impl Iterator<Item = (&str, &Parameter)> {
        self.header.parameters.0.iter().filter(|(_, own)| own.positional).map(|(name, own)| (name.as_str(), own))
    }
}

/// The header of a file, and the SELECT behind it.
fn split<H: serde::de::DeserializeOwned>(origin: &str, text: &str) -> Result<(H, String)> {
    let header_lines = text.lines().take_while(|line| line.starts_with("--")).count();
    let header: String = text
        .lines()
        .take(header_lines)
        .map(|line| line.strip_prefix("-- ").or_else(|| line.strip_prefix("--")).unwrap_or(line).to_owned() + "\n")
        .collect();
    let header = toml::from_str(&header).map_err(|error| {
        let line =
            error.span().map_or(1, |span| header.get(..span.start).unwrap_or_default().matches('\n').count() + 1);
        QuestionError::Header { origin: origin.to_owned(), line, message: error.message().trim().to_owned() }
    })?;
    let sql: String = text.lines().skip(header_lines).map(|line| line.to_owned() + "\n").collect();
    if sql.trim().is_empty() {
        return Err(QuestionError::NoSelect(origin.to_owned()));
    }
    Ok((header, sql))
}

/// What the file of a derived table says of itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableHeader {
    pub title: String,
    /// What one row is.
    pub answers: String,
    /// Columns of flows. Flows that differ in one of them are of no common row, and what becomes of the one does not depend on the
    /// other: so the table may be made piece by piece.
    #[serde(default)]
    pub apart: Vec<String>,
    pub columns: Vec<ResultColumn>,
}

/// A table that is derived from flows.
#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    pub origin: String,
    pub header: TableHeader,
    pub sql: String,
}

/// All questions and tables that are known.
#[derive(Clone, Debug)]
pub struct Catalogue {
    questions: BTreeMap<(String, Option<String>), Question>,
    tables: BTreeMap<String, Table>,
}

impl Catalogue {
    /// The shipped questions and those of the folders; of two with one name, the later folder's.
    pub fn load(folders: &[PathBuf]) -> Result<Self> {
        let mut catalogue = Self { questions: BTreeMap::new(), tables: BTreeMap::new() };
        for (stem, text) in QUESTIONS {
            catalogue.add(Question::parse(stem, &format!("queries/{stem}.sql"), text)?);
        }
        for (name, text) in TABLES {
            let origin = format!("queries/tables/{name}.sql");
            let (header, sql) = split(&origin, text)?;
            let table = Table { name: (*name).to_owned(), origin, header, sql };
            catalogue.tables.insert((*name).to_owned(), table);
        }
        for folder in folders {
            catalogue.add_folder(folder)?;
        }
        Ok(catalogue)
    }

    fn add(&mut self, question: Question) {
        self.questions.insert((question.name.clone(), question.by.clone()), question);
    }

    fn add_folder(&mut self, folder: &Path) -> Result<()> {
        let entries = fs::read_dir(folder).map_err(|error| QuestionError::Io { path: folder.to_owned(), error })?;
        let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.sort();
        for file in files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "sql") && file.is_file())
        {
            let text = fs::read_to_string(file).map_err(|error| QuestionError::Io { path: file.clone(), error })?;
            let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            self.add(Question::parse(stem, &file.display().to_string(), &text)?);
        }
        Ok(())
    }

    /// The folders of a user's own questions: the configuration folder's, if it is there, and those named.
    #[must_use]
    pub fn folders(named: &[PathBuf]) -> Vec<PathBuf> {
        use etcetera::BaseStrategy as _;
        let own = etcetera::choose_base_strategy().ok().map(|dirs| dirs.config_dir().join("lookback").join("queries"));
        own.into_iter().filter(|folder| folder.is_dir()).chain(named.iter().cloned()).collect()
    }

    /// The questions, each once, by name.
    pub fn questions(&self) -> impl Iterator<Item = &Question> {
        self.questions.values().filter(|question| question.by.is_none())
    }

    /// The keys of a question's variants.
    #[must_use]
    pub fn variants(&self, name: &str) -> Vec<&str> {
        self.questions.values().filter(|question| question.name == name).filter_map(|q| q.by.as_deref()).collect()
    }

    /// A question by name and key.
    #[must_use]
    pub fn question(&self, name: &str, by: Option<&str>) -> Option<&Question> {
        self.questions.get(&(name.to_owned(), by.map(str::to_owned)))
    }

    #[must_use]
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.values()
    }

    /// Themes in the order in which they are listed.
    #[must_use]
    pub fn themes(&self) -> Vec<&str> {
        const ORDER: &[&str] = &["overview", "drops", "dns", "http", "kafka", "tcp", "map", "policy"];
        let themes: BTreeSet<&str> = self.questions().map(|question| question.header.theme.as_str()).collect();
        let known = ORDER.iter().copied().filter(|theme| themes.contains(theme));
        known.chain(themes.iter().copied().filter(|theme| !ORDER.contains(theme))).collect()
    }
}
