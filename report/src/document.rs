//! What a report says.
//!
//! Texts are as they stand in the log: whoever writes them makes them harmless.

use crate::zone::Zone;

/// A whole report.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub title: String,
    /// What was asked: a heading and a value each.
    pub scope: Vec<(String, String)>,
    /// First and last moment, nanoseconds since 1970; `None` when the input has no time at all.
    pub period: Option<(i64, i64)>,
    pub zone: Zone,
    /// The command that makes this report again.
    pub command: String,
    /// What made it: program and version.
    pub producer: String,
    pub completeness: Completeness,
    pub findings: Vec<Finding>,
}

/// What the evidence is worth.
#[derive(Clone, Debug, Default)]
pub struct Completeness {
    /// What makes it less than whole, each a sentence; none when it is.
    pub doubts: Vec<String>,
    /// What was read: a heading and a text each.
    pub facts: Vec<(String, String)>,
    pub nodes: Vec<Node>,
    /// Losses that were reported, by node and cause.
    pub lost: Option<Table>,
    /// What was rejected, by reason.
    pub rejected: Vec<(String, u64)>,
}

/// What one node saw.
#[derive(Clone, Debug, Default)]
pub struct Node {
    pub name: String,
    pub events: u64,
    pub first: Option<i64>,
    pub last: Option<i64>,
    /// Stretches of the period in which it saw something, to the minute: first and last moment.
    pub seen: Vec<(i64, i64)>,
    /// Stretches in which it was silent for long.
    pub silences: Vec<(i64, i64)>,
}

/// A question and its answer.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The question's name; its data are files of this name.
    pub name: String,
    pub title: String,
    /// What the question answers, in a sentence.
    pub answers: String,
    /// What is counted and what is not.
    pub notes: String,
    pub parameters: Vec<(String, String)>,
    /// The command that gives this answer again.
    pub command: String,
    pub chart: Chart,
    /// What tells more comes first.
    pub weight: u8,
    pub outcome: Outcome,
    /// Drawings that stand beside the table.
    pub drawing: Option<Drawing>,
}

/// What came of a question.
#[derive(Clone, Debug)]
pub enum Outcome {
    Found(Table),
    /// Nothing matched, with what there was that could have.
    Nothing(String),
    /// It could not be answered, and why.
    Unanswered(String),
}

/// A picture that was made elsewhere.
#[derive(Clone, Debug)]
pub struct Drawing {
    /// SVG, harmless as it is.
    pub svg: String,
    pub caption: String,
}

/// How an answer is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chart {
    #[default]
    None,
    Bar,
    Line,
    Stacked,
}

/// Rows with headings.
#[derive(Clone, Debug, Default)]
pub struct Table {
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Cell>>,
    /// Whether there may be more rows than the limit let through.
    pub is_cut: bool,
}

/// A column of an answer.
#[derive(Clone, Debug, Default)]
pub struct Column {
    pub heading: String,
    pub help: String,
    pub kind: Kind,
}

/// What a column holds, as far as a chart cares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    Text,
    Number,
    /// A moment; its number is nanoseconds since 1970.
    Time,
}

/// A value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// As people read it.
    pub text: String,
    /// As a chart takes it.
    pub number: Option<f64>,
}

impl Finding {
    /// Whether there is something to see.
    #[must_use]
    pub const fn is_found(&self) -> bool {
        matches!(self.outcome, Outcome::Found(_))
    }
}

impl Report {
    /// Puts findings in the order of weight: what was found, what was not, what could not be answered.
    pub fn sort(&mut self) {
        let class = |finding: &Finding| match finding.outcome {
            Outcome::Found(_) => 0,
            Outcome::Nothing(_) => 1,
            Outcome::Unanswered(_) => 2,
        };
        self.findings.sort_by(|a, b| {
            (class(a), std::cmp::Reverse(a.weight), &a.name).cmp(&(class(b), std::cmp::Reverse(b.weight), &b.name))
        });
    }

    /// The findings that say something.
    pub fn found(&self) -> impl Iterator<Item = (&Finding, &Table)> {
        self.findings.iter().filter_map(|finding| match &finding.outcome {
            Outcome::Found(table) => Some((finding, table)),
            _ => None,
        })
    }

    /// The others, each with why: nothing matched, or it could not be answered.
    pub fn silent(&self) -> impl Iterator<Item = (&Finding, &str)> {
        self.findings.iter().filter_map(|finding| match &finding.outcome {
            Outcome::Found(_) => None,
            Outcome::Nothing(why) | Outcome::Unanswered(why) => Some((finding, why.as_str())),
        })
    }
}
