//! The story of a line: its connection, its request and answer, the DNS lookup before it, the policy verdict.
//!
//! What belongs to it is looked for in the `AROUND` before and behind it, by the addresses of its ends.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::error::ArrowError;
use lookback_flow::columns::ColumnId;
use lookback_flow::event::{COLUMNS, Event};
use lookback_flow::rows::Projection;
use lookback_flow::segment::{Needle, Pattern, RowTest};
use lookback_flow::view::View;

use super::DataError;
use super::cell::{self, Col, value};
use super::class::{Fields, NEEDS, classify};
use super::part::{Batches, RowRef};
use super::store::Store;

/// Nanoseconds before and behind the line.
const AROUND: i64 = 600_000_000_000;

/// Lines of a section.
const MOST: usize = 500;

/// The columns of a line of a story.
pub const COLS: [Col; 6] = [Col::Time, Col::Source, Col::Destination, Col::Type, Col::Verdict, Col::Summary];

/// How a line belongs to the story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    Dns,
    Policy,
    Layer7,
    Connection,
}

impl Section {
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Dns => "DNS lookup before",
            Self::Policy => "Policy verdict",
            Self::Layer7 => "Request and answer",
            Self::Connection => "Connection",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoryLine {
    pub section: Section,
    pub time: Option<i64>,
    pub uuid: String,
    pub class: u8,
    /// It is the line that the story is of.
    pub is_self: bool,
    pub cells: Vec<String>,
}

/// What belongs to a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Story {
    pub title: String,
    pub lines: Vec<StoryLine>,
    /// Sections without a line, and why there may be none.
    pub missing: Vec<String>,
}

/// What a line is told by.
#[derive(Clone, Debug, Default)]
struct Subject {
    ips: [String; 2],
    ports: [Option<i128>; 2],
    protocol: String,
    uuid: String,
    time: Option<i64>,
    l7: Option<(String, String)>,
    /// Where the client is: 0 the source, 1 the destination.
    client: usize,
    title: String,
}

/// A story being looked up.
#[derive(Debug)]
pub struct Telling {
    pub generation: u64,
    subject: Subject,
    columns: Projection,
    window: Option<(i64, i64)>,
    part: usize,
    batches: Option<Batches>,
    lines: Vec<StoryLine>,
    fields: Fields,
}

fn known(name: &str) -> ColumnId {
    ColumnId::known(name)
}

impl Telling {
    /// The story of a row.
    ///
    /// # Errors
    /// When its part cannot be read.
    pub fn new(generation: u64, store: &Store, place: RowRef) -> Result<Self, DataError> {
        let more = [
            "uuid",
            "source_ip",
            "destination_ip",
            "source_port",
            "destination_port",
            "l4_protocol",
            "dns_ips",
            "dns_query",
        ];
        let columns = cell::needs(&COLS).with(NEEDS.into_iter().chain(more).map(known));
        let mut subject = Subject::default();
        if let Some(part) = store.parts.get(place.part()) {
            for batch in part.pick(&columns, &[place.row()])? {
                let view = View::new(&batch)?;
                if batch.num_rows() > 0 {
                    subject = Subject::of(&Event { view: &view, row: 0 });
                }
            }
        }
        let window = subject.time.map(|at| (at.saturating_sub(AROUND), at.saturating_add(AROUND)));
        Ok(Self {
            generation,
            subject,
            columns,
            window,
            part: 0,
            batches: None,
            lines: Vec::new(),
            fields: Fields::default(),
        })
    }

    /// Does a little; gives whether it is over.
    ///
    /// # Errors
    /// When a part cannot be read.
    pub fn step(&mut self, store: &Store) -> Result<bool, DataError> {
        if let Some(batches) = &mut self.batches {
            match batches.next() {
                Some(batch) => self.batch(&batch?)?,
                None => self.batches = None,
            }
            return Ok(false);
        }
        let Some(part) = store.parts.get(self.part) else { return Ok(true) };
        self.part += 1;
        if !part.overlaps(self.window) || self.subject.ips.iter().all(String::is_empty) {
            return Ok(false);
        }
        let subject = self.subject.clone();
        let window = self.window;
        let columns = Projection::of(["time", "kind", "source_ip", "destination_ip", "l7_protocol"]);
        let test = move |batch: &RecordBatch| subject.concerns(batch, window);
        let test = RowTest { columns, test: Arc::new(test) };
        let is = |column: &str, ip: &String| (known(column), Pattern::Is(ip.clone()));
        let clause = self.subject.ips.iter().flat_map(|ip| [is("source_ip", ip), is("destination_ip", ip)]).collect();
        let needle: Needle = vec![clause];
        self.batches = Some(part.tested(&self.columns, self.window, &[needle], test)?);
        Ok(false)
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<(), DataError> {
        let view = View::new(batch)?;
        for row in 0..batch.num_rows() {
            let event = Event { view: &view, row };
            if let Some(section) = self.subject.section(&event) {
                let uuid = event.clean(known("uuid")).unwrap_or_default();
                let time = event.time();
                self.lines.push(StoryLine {
                    section,
                    is_self: time == self.subject.time && uuid == self.subject.uuid,
                    time,
                    uuid,
                    class: classify(&event, &self.fields),
                    cells: COLS.iter().map(|col| cell::text(*col, &event)).collect(),
                });
            }
        }
        Ok(())
    }

    /// What was found.
    #[must_use]
    pub fn story(&self) -> Story {
        let mut lines = self.lines.clone();
        lines.sort_by(|a, b| (a.section, a.time, &a.uuid).cmp(&(b.section, b.time, &b.uuid)));
        let at = self.subject.time.unwrap_or(i64::MAX);
        // Of the lookups before it, the last one is the one that it used.
        let lookup =
            lines.iter().filter(|line| line.section == Section::Dns && line.time.is_some_and(|time| time <= at));
        let lookup = lookup.filter_map(|line| line.time).max();
        lines.retain(|line| line.section != Section::Dns || line.time == lookup && lookup.is_some());
        let mut missing = Vec::new();
        for section in [Section::Dns, Section::Policy, Section::Layer7, Section::Connection] {
            let of: Vec<Option<i64>> =
                lines.iter().filter(|line| line.section == section).map(|line| line.time).collect();
            if of.is_empty() {
                missing.push(format!("{}: none within ten minutes", section.title()));
            } else if of.len() > MOST {
                missing.push(format!("{}: {} of {} lines, those nearest to it", section.title(), MOST, of.len()));
                let mut far: Vec<i64> = of.iter().map(|time| (time.unwrap_or(at)).abs_diff(at).cast_signed()).collect();
                far.sort_unstable();
                let most = far.get(MOST).copied().unwrap_or(i64::MAX).unsigned_abs();
                lines.retain(|line| line.section != section || line.time.unwrap_or(at).abs_diff(at) < most);
            }
        }
        Story { title: self.subject.title.clone(), lines, missing }
    }
}

impl Subject {
    fn of(event: &Event<'_>) -> Self {
        let text = |name: &str| event.text(known(name)).unwrap_or_default().to_owned();
        let title = COLS.iter().take(3).map(|col| cell::text(*col, event)).collect::<Vec<_>>();
        let is_reply = event.number(COLUMNS.is_reply) == Some(1);
        Self {
            ips: [text("source_ip"), text("destination_ip")],
            ports: [event.number(known("source_port")), event.number(known("destination_port"))],
            protocol: text("l4_protocol"),
            uuid: text("uuid"),
            time: event.time(),
            l7: event.text(COLUMNS.l7_protocol).map(|protocol| (protocol.to_owned(), text("dns_query"))),
            client: usize::from(is_reply),
            title: match title.as_slice() {
                [time, source, destination] => format!("{time}  {source} → {destination}"),
                _ => String::new(),
            },
        }
    }

    /// Which rows have to do with its ends.
    fn concerns(&self, batch: &RecordBatch, window: Option<(i64, i64)>) -> Result<BooleanArray, ArrowError> {
        let view = View::new(batch).map_err(ArrowError::from)?;
        let client = self.ips.get(self.client).map(String::as_str);
        let is_own = |ip: Option<&str>| ip.is_some_and(|ip| self.ips.iter().any(|own| own == ip));
        let concerns = |row: usize| {
            let event = Event { view: &view, row };
            let inside = window.is_none_or(|(from, to)| event.time().is_some_and(|at| at >= from && at <= to));
            let (source, destination) = (event.text(known("source_ip")), event.text(known("destination_ip")));
            let is_dns =
                || event.text(COLUMNS.l7_protocol) == Some("dns") && (source == client || destination == client);
            inside && (is_own(source) && is_own(destination) || is_dns())
        };
        Ok((0..batch.num_rows()).map(|row| Some(concerns(row))).collect())
    }

    fn section(&self, event: &Event<'_>) -> Option<Section> {
        let ips = [known("source_ip"), known("destination_ip")].map(|id| event.text(id).unwrap_or_default());
        let ports = [known("source_port"), known("destination_port")].map(|id| event.number(id));
        let [own_source, own_destination] = &self.ips;
        let is_same = ips == [own_source, own_destination] && ports == self.ports;
        let is_back = ips == [own_destination, own_source] && ports == [self.ports[1], self.ports[0]];
        let is_connection =
            (is_same || is_back) && event.text(known("l4_protocol")).unwrap_or_default() == self.protocol;
        let server = self.ips.get(1 - self.client.min(1)).map(String::as_str).unwrap_or_default();
        if is_connection && event.number(COLUMNS.event_type) == Some(lookback_flow::terms::POLICY_VERDICT.into()) {
            return Some(Section::Policy);
        }
        if is_connection && event.text(COLUMNS.l7_protocol).is_some() {
            let is_other_name = self.l7.as_ref().is_some_and(|(protocol, query)| {
                protocol == "dns" && event.text(known("dns_query")).unwrap_or_default() != query
            });
            return Some(if is_other_name { Section::Connection } else { Section::Layer7 });
        }
        if is_connection {
            return Some(Section::Connection);
        }
        let answers = value(known("dns_ips"), event);
        let is_lookup = event.text(COLUMNS.l7_protocol) == Some("dns") && answers.split(',').any(|ip| ip == server);
        is_lookup.then_some(Section::Dns)
    }
}
