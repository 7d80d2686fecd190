//! Events of a live Hubble: an agent, a relay, or `lookback replay`.
//!
//! The server filters and selects; what comes is printed as events of files are. The CLI's field masks are not sent: they would
//! leave out what is printed of files.

use anyhow::Result;
use arrow::array::RecordBatch;
use lookback_flow::columns::ColumnId;
use lookback_flow::mask::FieldMask;
use lookback_flow::proto::observer::{GetAgentEventsRequest, GetDebugEventsRequest, GetFlowsRequest};
use lookback_flow::time::timestamp;
use lookback_flow::view::View;
use lookback_observer::client::{Batches, Client};

use super::print::{Events, Style};
use super::printer::{Keep, Printer};
use super::read::columns;
use crate::cli::Server;
use crate::server::connect;
use lookback_flow::event::{COLUMNS, Event};
use lookback_flow::filter::flags::Raw;

/// Events that are asked for when nothing says how many, as the hubble CLI has it.
const SOME: u64 = 20;

/// Longest list of nodes that is told.
const LONGEST: usize = 50;

/// What is asked of a server.
pub(super) struct Request<'a> {
    pub raw: &'a Raw,
    pub keep: Keep,
    pub all: bool,
    pub window: Option<(i64, i64)>,
    pub follow: bool,
    pub mask: &'a [String],
    pub style: Style,
}

/// Prints what a server has; gives what is to be told.
pub(super) fn print(server: &Server, request: &Request<'_>, mut printer: Printer<'_>) -> Result<Vec<String>> {
    let mask = FieldMask::new(request.mask)?;
    let mut batches = request.send(&connect(server)?)?;
    for batch in &mut batches {
        let batch = batch?;
        tell_states(&batch, request.style)?;
        printer.batch(0, &mask.apply(&batch)?)?;
        printer.flush()?;
    }
    printer.finish()?;
    let rejected = batches.rejected();
    Ok((rejected > 0).then(|| format!("{rejected} messages of the server could not be read")).into_iter().collect())
}

impl Request<'_> {
    fn send(&self, client: &Client) -> Result<Batches> {
        let (number, first) = match self.keep {
            Keep::First(first) => (first as u64, true),
            Keep::Last(last) => (last as u64, false),
            Keep::All if self.all => (u64::MAX, false),
            Keep::All if self.follow || self.window.is_some() => (0, false),
            Keep::All => (SOME, false),
        };
        let since = self.window.map(|(since, _)| since).filter(|since| *since != i64::MIN).map(timestamp);
        let until = self.window.map(|(_, until)| until).filter(|until| *until != i64::MAX).map(timestamp);
        let (follow, columns) = (self.follow, columns());
        Ok(match self.style.events {
            Events::Flows => {
                let field_mask = (!self.mask.is_empty()).then(|| prost_types::FieldMask { paths: self.mask.to_vec() });
                let (whitelist, blacklist) = (self.raw.allow.clone(), self.raw.deny.clone());
                let request = GetFlowsRequest {
                    number,
                    first,
                    follow,
                    since,
                    until,
                    whitelist,
                    blacklist,
                    field_mask,
                    ..GetFlowsRequest::default()
                };
                client.flows(request, &columns)?
            }
            Events::Agent => {
                client.agent_events(GetAgentEventsRequest { number, first, follow, since, until }, &columns)?
            }
            Events::Debug => {
                client.debug_events(GetDebugEventsRequest { number, first, follow, since, until }, &columns)?
            }
        })
    }
}

/// Tells on standard error which nodes are missing from what is printed.
fn tell_states(batch: &RecordBatch, style: Style) -> Result<()> {
    let view = View::new(batch)?;
    for row in 0..batch.num_rows() {
        let event = Event { view: &view, row };
        if event.kind() != "node_status" {
            continue;
        }
        let names = view.texts(ColumnId::known("node_status_names"), row);
        let names: Vec<&str> = names.iter().flat_map(|names| names.iter().flatten()).collect();
        let (count, listed) = (names.len(), listed(&names));
        let what = match event.text(ColumnId::known("node_state_change")) {
            Some("NODE_UNAVAILABLE") => format!("{count} nodes are unavailable: {listed}"),
            Some("NODE_ERROR") => {
                let message = event.clean(ColumnId::known("node_status_message")).unwrap_or_default();
                format!("Error {message:?} on {count} nodes: {listed}")
            }
            _ => continue,
        };
        let relay = event.clean(COLUMNS.node_name).unwrap_or_default();
        eprintln!("{} [{relay}]: {what}", style.time(event.time()));
    }
    Ok(())
}

/// Names, cut off where there are many.
fn listed(names: &[&str]) -> String {
    let mut text = String::new();
    for (at, name) in names.iter().enumerate() {
        let name = lookback_flow::event::clean(name);
        if at > 0 && text.len() + name.len() > LONGEST {
            return format!("{text} (and {} more)", names.len() - at);
        }
        text = if at == 0 { name } else { format!("{text}, {name}") };
    }
    text
}
