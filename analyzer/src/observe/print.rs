//! Events as `hubble observe` prints them: a line, a block of keys and values, or the cells of a table.

use chrono::{DateTime, Utc};
use clap::ValueEnum;
use lookback_flow::columns::{COLUMNS as TABLE, ColumnId, Type};
use lookback_flow::time::rfc3339;

use super::{agent, flow};
use crate::render::spreadsheet;
use lookback_flow::event::Event;

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A line for each event
    Compact,
    /// A block of keys and values for each event
    Dict,
    /// Columns, once all events are there
    #[value(alias = "tab")]
    Table,
    /// The lines of an exporter
    #[value(alias = "jsonpb")]
    Json,
    /// With a header line; texts that a spreadsheet would take for formulas are quoted
    Csv,
    /// A file as of an archive; not to a terminal
    Parquet,
}

impl Format {
    /// Whether events are lines of an exporter, perhaps on their way into something else.
    pub(super) fn is_json(self) -> bool {
        matches!(self, Self::Json | Self::Parquet)
    }
}

/// How times are written; always in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub(crate) enum TimeFormat {
    #[default]
    StampMilli,
    YearMonthDay,
    YearMonthDayHour,
    YearMonthDayHourMinute,
    #[value(name = "RFC3339")]
    Rfc3339,
    #[value(name = "RFC3339Milli")]
    Rfc3339Milli,
    #[value(name = "RFC3339Micro")]
    Rfc3339Micro,
    #[value(name = "RFC3339Nano")]
    Rfc3339Nano,
    #[value(name = "RFC1123Z")]
    Rfc1123z,
}

/// What is shown, and how.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub format: Format,
    pub time: TimeFormat,
    pub node_names: bool,
    pub policy_names: bool,
    /// Names instead of addresses.
    pub translates: bool,
    pub colours: bool,
    pub events: Events,
}

/// Which events are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Events {
    Flows,
    Agent,
    Debug,
}

impl Events {
    /// As the column `kind` has them.
    pub(super) fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::Flows => &["flow", "lost_events"],
            Self::Agent => &["agent_event"],
            Self::Debug => &["debug_event"],
        }
    }
}

/// SGR parameters.
#[derive(Clone, Copy)]
pub(super) enum Colour {
    Red = 31,
    Green = 32,
    Yellow = 33,
    Magenta = 35,
    Cyan = 36,
}

/// A value and what it is called; a heading may be empty.
pub(super) type Cell = (&'static str, String);

impl Style {
    /// An event as it is printed; `None` for what is not shown.
    pub(super) fn event(self, event: &Event<'_>) -> Option<String> {
        if !self.events.kinds().contains(&event.kind()) {
            return None;
        }
        Some(match (self.format, event.kind()) {
            (Format::Csv, _) => csv(event),
            (Format::Compact, "flow") => flow::compact(self, event),
            (Format::Compact, "lost_events") => flow::compact_lost(self, event),
            (Format::Compact, "agent_event") => agent::compact_agent(self, event),
            (Format::Compact, _) => agent::compact_debug(self, event),
            (_, "flow") => self.cells(flow::cells(self, event).into_iter(), ""),
            (_, "lost_events") => self.cells(flow::lost(self, event).into_iter(), "DESTINATION"),
            (_, "agent_event") => self.cells(agent::agent(self, event).into_iter(), ""),
            (Format::Table, _) => self.cells(agent::debug_row(self, event).into_iter(), ""),
            _ => self.cells(agent::debug(self, event).into_iter(), ""),
        })
    }

    /// The line before all others, where there is one.
    pub(super) fn first_line(self) -> Option<String> {
        (self.format == Format::Csv).then(|| shown().map(|id| id.column().name).collect::<Vec<_>>().join(","))
    }

    /// The headings of a table.
    pub(super) fn headings(self) -> String {
        let all: &[&str] = match self.events {
            Events::Flows => &["TIMESTAMP", "NODE", "SOURCE", "DESTINATION", "TYPE", "VERDICT", "SUMMARY"],
            Events::Agent => &["TIMESTAMP", "NODE", "TYPE", "DETAILS"],
            Events::Debug => &["TIMESTAMP", "NODE", "FROM", "", "TYPE", "CPU/MARK", "MESSAGE"],
        };
        let shown = all.iter().filter(|heading| self.shows(heading)).copied();
        shown.collect::<Vec<_>>().join("\t")
    }

    fn shows(self, heading: &str) -> bool {
        self.node_names || heading != "NODE"
    }

    /// The cells of a table, or the lines of a dict, which has one less.
    fn cells(self, cells: impl Iterator<Item = Cell>, not_in_dict: &str) -> String {
        let cells = cells.filter(|(heading, _)| self.shows(heading));
        if self.format == Format::Table {
            return cells.map(|(_, text)| text).collect::<Vec<_>>().join("\t");
        }
        let cells = cells.filter(|(heading, _)| not_in_dict.is_empty() || *heading != not_in_dict);
        cells.map(|(heading, text)| format!("{heading:>11}: {text}")).collect::<Vec<_>>().join("\n")
    }

    /// Where the observing node is told in a line.
    pub(super) fn node(self, name: &str) -> String {
        if self.node_names { format!(" [{name}]") } else { String::new() }
    }

    pub(super) fn coloured(self, text: &str, colour: Colour) -> String {
        if self.colours { format!("\u{1b}[{}m{text}\u{1b}[0m", colour as u8) } else { text.to_owned() }
    }

    pub(super) fn time(self, nanos: Option<i64>) -> String {
        let Some(nanos) = nanos else { return "N/A".to_owned() };
        let time: DateTime<Utc> = DateTime::from_timestamp_nanos(nanos);
        let fraction = |digits: usize| {
            let all = format!("{:09}", nanos.rem_euclid(1_000_000_000));
            let some = all.get(..digits).unwrap_or_default().trim_end_matches('0');
            if some.is_empty() { String::new() } else { format!(".{some}") }
        };
        let seconds = || time.format("%Y-%m-%dT%H:%M:%S").to_string();
        match self.time {
            TimeFormat::StampMilli => time.format("%b %e %H:%M:%S%.3f").to_string(),
            TimeFormat::YearMonthDay => time.format("%Y-%m-%d").to_string(),
            TimeFormat::YearMonthDayHour => time.format("%Y-%m-%dT%HZ").to_string(),
            TimeFormat::YearMonthDayHourMinute => time.format("%Y-%m-%dT%H:%MZ").to_string(),
            TimeFormat::Rfc3339 => format!("{}Z", seconds()),
            TimeFormat::Rfc3339Milli => format!("{}{}Z", seconds(), fraction(3)),
            TimeFormat::Rfc3339Micro => format!("{}{}Z", seconds(), fraction(6)),
            TimeFormat::Rfc3339Nano => format!("{}{}Z", seconds(), fraction(9)),
            TimeFormat::Rfc1123z => time.format("%a, %d %b %Y %H:%M:%S +0000").to_string(),
        }
    }
}

/// The columns that are shown where there is room for a few.
fn shown() -> impl Iterator<Item = ColumnId> {
    (0u16..).map(ColumnId).zip(TABLE).filter(|(_, column)| column.shown).map(|(id, _)| id)
}

fn csv(event: &Event<'_>) -> String {
    let value = |id: ColumnId| match (id.column().kind, event.text(id), event.number(id)) {
        (_, Some(text), _) => spreadsheet(text).into_owned(),
        (Type::Time, _, Some(nanos)) => i64::try_from(nanos).map(rfc3339).unwrap_or_default(),
        (Type::Bool, _, Some(number)) => (number != 0).to_string(),
        (_, _, number) => number.map(|number| number.to_string()).unwrap_or_default(),
    };
    let mut line = csv::Writer::from_writer(Vec::new());
    // Writing into memory does not fail.
    let _ = line.write_record(shown().map(value));
    let mut line = line.into_inner().unwrap_or_default();
    line.pop();
    String::from_utf8(line).unwrap_or_default()
}
