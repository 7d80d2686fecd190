//! Which events a request asks for.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::error::ArrowError;
use lookback_flow::columns::{COLUMNS, ColumnId};
use lookback_flow::filter::Filters;
use lookback_flow::mask::FieldMask;
use lookback_flow::proto::flow::FlowFilter;
use lookback_flow::protobuf::Envelope;
use lookback_flow::rows::Projection;
use lookback_flow::segment::{Needle, Pattern, RowTest, SegmentError};
use lookback_flow::view::View;
use prost_types::{FieldMask as Paths, Timestamp};
use tonic::Status;

use crate::wire::FlowsRequest;

/// The time of an event that has none: it comes after all others.
pub(crate) const UNTIMED: i64 = i64::MAX;

/// How much of what fits is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Amount {
    All,
    First(u64),
    Last(u64),
}

/// What a request asks for.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) envelope: Envelope,
    filters: Filters,
    pub(crate) mask: FieldMask,
    /// As the request has them.
    pub(crate) since: Option<i64>,
    pub(crate) until: Option<i64>,
    pub(crate) amount: Amount,
    pub(crate) follow: bool,
    /// Only what this node observed.
    node: Option<Arc<str>>,
}

/// Columns by which rows are selected.
pub(crate) struct Ids {
    pub(crate) time: ColumnId,
    pub(crate) kind: ColumnId,
    node_name: ColumnId,
}

impl Ids {
    pub(crate) fn new() -> Result<Self, SegmentError> {
        let id = |name| ColumnId::of(name).ok_or(SegmentError::NotFlows);
        Ok(Self { time: id("time")?, kind: id("kind")?, node_name: id("node_name")? })
    }
}

/// The selectors that all requests for events have.
pub(crate) struct Selectors {
    pub(crate) number: u64,
    pub(crate) first: bool,
    pub(crate) follow: bool,
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
}

impl Selection {
    pub(crate) fn flows(asked: FlowsRequest) -> Result<Self, Status> {
        let FlowsRequest { request, old_mask } = asked;
        let selectors = Selectors {
            number: request.number,
            first: request.first,
            follow: request.follow,
            since: request.since,
            until: request.until,
        };
        let paths = request.field_mask.or(old_mask).unwrap_or_default();
        Self::new(Envelope::Flows, &selectors, (&request.whitelist, &request.blacklist), &paths)
    }

    pub(crate) fn events(envelope: Envelope, selectors: &Selectors) -> Result<Self, Status> {
        Self::new(envelope, selectors, (&[], &[]), &Paths::default())
    }

    /// All that `GetFlows` sends, without what a mask leaves out.
    pub(crate) fn everything(mask: FieldMask) -> Self {
        let (envelope, filters) = (Envelope::Flows, Filters::default());
        Self { envelope, filters, mask, since: None, until: None, amount: Amount::All, follow: false, node: None }
    }

    fn new(
        envelope: Envelope,
        selectors: &Selectors,
        (allow, deny): (&[FlowFilter], &[FlowFilter]),
        paths: &Paths,
    ) -> Result<Self, Status> {
        let Selectors { number, first, follow, .. } = *selectors;
        let refused = |why: &str| Status::invalid_argument(why);
        if first && follow {
            return Err(refused("first cannot be specified with follow"));
        }
        let time = |name: &str, time: Option<&Timestamp>| time.map(|time| nanoseconds(name, time)).transpose();
        let since = time("since", selectors.since.as_ref())?;
        let until = time("until", selectors.until.as_ref())?;
        if let (Some(since), Some(until)) = (since, until)
            && since > until
        {
            return Err(refused("since is later than until: no event can be in between"));
        }
        Ok(Self {
            envelope,
            filters: Filters::new(allow, deny).map_err(|error| refused(&error.to_string()))?,
            mask: FieldMask::new(&paths.paths).map_err(|error| refused(&error.to_string()))?,
            since,
            until,
            amount: match number {
                0 => Amount::All,
                number if first => Amount::First(number),
                number => Amount::Last(number),
            },
            follow,
            node: None,
        })
    }

    /// Likewise, but only of what a node observed.
    pub(crate) fn of_node(self, node: Option<&Arc<str>>) -> Self {
        Self { node: node.cloned(), ..self }
    }

    /// The kinds of events that are sent; only the first is asked for, filtered and counted.
    pub(crate) fn kinds(&self) -> &'static [&'static str] {
        match self.envelope {
            Envelope::Flows => &["flow", "lost_events", "node_status"],
            Envelope::AgentEvents => &["agent_event"],
            Envelope::DebugEvents => &["debug_event"],
        }
    }

    pub(crate) fn is_counted(&self, kind: Option<&str>) -> bool {
        self.kinds().first().copied() == kind.or(Some("flow"))
    }

    /// The columns that tell which events are meant.
    pub(crate) fn asked(&self) -> Projection {
        let node = self.node.iter().filter_map(|_| ColumnId::of("node_name"));
        Projection::of(["time", "kind"]).with(self.filters.columns()).with(node)
    }

    /// The columns that messages are made of, and those that tell which events are meant.
    pub(crate) fn columns(&self) -> Projection {
        let of_kind = |path: &str| self.kinds().iter().any(|kind| path.split('.').next() == Some(*kind));
        let is_shared = |path: &str| path.is_empty() || matches!(path, "time" | "node_name");
        let masked = self.mask.columns();
        let wanted = (0..).map(ColumnId).zip(COLUMNS).filter(|(id, column)| {
            let path = column.path;
            let is_masked = path.starts_with("flow.") && !masked.has(*id);
            let is_extra = path.is_empty() && !self.mask.is_everything() && !masked.has(*id);
            !column.is_derived() && (of_kind(path) || is_shared(path)) && !is_masked && !is_extra
        });
        // Time and node name stand in the table as those of flows.
        self.asked().with(wanted.map(|(id, _)| id)).with(["time", "node_name"].into_iter().filter_map(ColumnId::of))
    }

    /// What every event that is sent fits one of; only those of other kinds come besides what filters ask for.
    pub(crate) fn needles(&self) -> Vec<Needle> {
        let kind = |kind: &&str| Some(vec![vec![(ColumnId::of("kind")?, Pattern::from(*kind))]]);
        let mut needles = self.filters.needles();
        match self.envelope {
            Envelope::Flows if needles.is_empty() => {}
            Envelope::Flows => needles.extend(self.kinds().iter().skip(1).filter_map(kind)),
            _ => needles = self.kinds().iter().filter_map(kind).collect(),
        }
        if let (Some(node), Some(node_name)) = (&self.node, ColumnId::of("node_name")) {
            let clause = vec![(node_name, Pattern::from(&**node))];
            if needles.is_empty() {
                needles.push(Vec::new());
            }
            needles.iter_mut().for_each(|needle| needle.push(clause.clone()));
        }
        needles
    }

    /// Whether some flows may be left out.
    pub(crate) fn has_filters(&self) -> bool {
        self.node.is_some() || !self.filters.is_empty()
    }

    /// The rows that are sent, of times in a window, told by the columns that are asked about.
    pub(crate) fn test(self: &Arc<Self>, window: (i64, i64)) -> Result<RowTest, SegmentError> {
        let (selection, ids) = (Arc::clone(self), Ids::new()?);
        let test = move |batch: &RecordBatch| match selection.keep(batch, &ids, window) {
            Ok(kept) => Ok(BooleanArray::from(kept)),
            Err(SegmentError::Arrow(error)) => Err(error),
            Err(other) => Err(ArrowError::SchemaError(other.to_string())),
        };
        Ok(RowTest { columns: self.asked(), test: Arc::new(test) })
    }

    /// The rows of a batch that are sent, of times in a window.
    pub(crate) fn keep(
        &self,
        batch: &RecordBatch,
        ids: &Ids,
        window: (i64, i64),
    ) -> Result<BooleanBuffer, SegmentError> {
        let view = View::new(batch).map_err(arrow::error::ArrowError::from)?;
        let fits = self.filters.keep(batch).map_err(arrow::error::ArrowError::from)?;
        let kept = (0..batch.num_rows()).map(|row| {
            let kind = view.text(ids.kind, row).unwrap_or("flow");
            let time = view.number(ids.time, row).and_then(|time| i64::try_from(time).ok()).unwrap_or(UNTIMED);
            let is_kind = self.kinds().contains(&kind);
            let is_node = self.node.as_ref().is_none_or(|node| view.text(ids.node_name, row) == Some(node));
            is_kind && is_node && (fits.value(row) || kind != "flow") && (window.0..=window.1).contains(&time)
        });
        Ok(kept.collect())
    }
}

/// A moment as nanoseconds since 1970; before and behind what they can tell, the first or last that they can.
fn nanoseconds(name: &str, time: &Timestamp) -> Result<i64, Status> {
    if !(0..1_000_000_000).contains(&time.nanos) {
        return Err(Status::invalid_argument(format!("{name}: {} are no nanoseconds of a second", time.nanos)));
    }
    let nanos = time.seconds.saturating_mul(1_000_000_000).saturating_add(time.nanos.into());
    // The very last moment stands for none.
    Ok(nanos.min(UNTIMED - 1))
}
