//! What the server tells of itself and of what it serves.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use lookback_flow::columns::ColumnId;
use lookback_flow::proto::observer::{Namespace, Node, ServerStatusResponse, Tls};
use lookback_flow::proto::relay::NodeState;
use lookback_flow::rows::Projection;
use lookback_flow::segment::{Reading, SegmentError, Wanted};
use lookback_flow::time::timestamp;
use lookback_flow::view::View;

use super::clock::Speed;
use super::selection::UNTIMED;
use super::serving::Serving;
use super::store::{Store, StoreError};
use super::streams::Stream;
use crate::proto::replay::{self, StatusResponse};

/// The version that clients are told.
pub(crate) const VERSION: &str = concat!("lookback-", env!("CARGO_PKG_VERSION"));

/// Columns of the names of a namespace.
const NAMESPACES: [(&str, &str); 2] =
    [("source_cluster_name", "source_namespace"), ("destination_cluster_name", "destination_namespace")];

impl Serving {
    /// Of what is served, all of it, whether it is past or still to come; of a node, as its agent would.
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    pub(crate) fn status(&self, node: Option<&str>) -> ServerStatusResponse {
        let covers = &self.store.coverage;
        let of_node = node.and_then(|node| covers.nodes.get(node));
        let (events, flows, span) = match of_node {
            Some(of_node) => (of_node.events, of_node.events, of_node.first.zip(of_node.last)),
            None => (covers.events(), covers.flows(), self.store.span()),
        };
        let seconds = span.map_or(0.0, |(first, last)| last.saturating_sub(first) as f64 / 1e9);
        ServerStatusResponse {
            num_flows: events,
            max_flows: events,
            seen_flows: flows,
            uptime_ns: u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX),
            // Agents know of themselves alone.
            num_connected_nodes: if node.is_some() { None } else { u32::try_from(covers.nodes.len()).ok() },
            num_unavailable_nodes: if node.is_some() { None } else { Some(0) },
            unavailable_nodes: Vec::new(),
            version: VERSION.to_owned(),
            flows_rate: if seconds > 0.0 { flows as f64 / seconds } else { 0.0 },
        }
    }

    /// Where the replay is, and who reads it.
    pub(crate) fn replay_status(&self) -> StatusResponse {
        let served = |time: i64| timestamp(time.saturating_add(self.timeline.shift));
        let span = self.store.span();
        let past = *self.past.borrow();
        let stream = |stream: &Arc<Stream>| replay::Stream {
            client: stream.client.map(|client| client.to_string()).unwrap_or_default(),
            call: stream.call.to_owned(),
            follow: stream.follow,
            sent: stream.sent.load(Ordering::Relaxed),
            open_ns: u64::try_from(stream.since.elapsed().as_nanos()).unwrap_or(u64::MAX),
        };
        StatusResponse {
            version: VERSION.to_owned(),
            first: span.map(|(first, _)| served(first)),
            last: span.map(|(_, last)| served(last)),
            position: (past != UNTIMED).then(|| served(past)),
            speed: match self.replay.speed {
                Speed::Still => 0.0,
                Speed::Times(times) => times,
                Speed::Max => f64::INFINITY,
            },
            streams: self.streams.open().iter().map(stream).collect(),
        }
    }

    /// The nodes that observed what is served.
    pub(crate) fn nodes(&self) -> Vec<Node> {
        let nodes = self.store.coverage.nodes.iter().filter(|(name, _)| !name.is_empty());
        let span = |node: &lookback_flow::coverage::Node| {
            let (first, last) = node.first.zip(node.last)?;
            u64::try_from(last - first).ok()
        };
        let node = |(name, node): (&String, &lookback_flow::coverage::Node)| Node {
            name: name.clone(),
            version: VERSION.to_owned(),
            address: String::new(),
            state: NodeState::NodeConnected.into(),
            tls: Some(Tls::default()),
            uptime_ns: span(node).unwrap_or_default(),
            num_flows: node.events,
            max_flows: node.events,
            seen_flows: node.events,
        };
        nodes.map(node).collect()
    }
}

/// The namespaces of sources and destinations, by cluster and name; all files are read for that once.
pub(crate) fn namespaces(store: &Store) -> Result<Vec<Namespace>, StoreError> {
    if let Some(known) = store.namespaces.get() {
        return Ok(known.clone());
    }
    let mut found: BTreeSet<(String, String)> = BTreeSet::new();
    for segment in 0..store.segments().len() {
        of_file(store, segment, &mut found).map_err(|error| store.failed(segment, error))?;
    }
    let found = found.into_iter().map(|(cluster, namespace)| Namespace { cluster, namespace }).collect();
    Ok(store.namespaces.get_or_init(|| found).clone())
}

fn of_file(store: &Store, segment: usize, found: &mut BTreeSet<(String, String)>) -> Result<(), SegmentError> {
    let columns = Projection::of(NAMESPACES.into_iter().flat_map(|(cluster, namespace)| [cluster, namespace]));
    for batch in store.rows(segment, &columns, &Wanted::default(), Reading::default())? {
        let batch = batch?;
        let view = View::new(&batch).map_err(arrow::error::ArrowError::from)?;
        for (cluster, namespace) in NAMESPACES {
            let (Some(cluster), Some(namespace)) = (ColumnId::of(cluster), ColumnId::of(namespace)) else { continue };
            let mut last = None;
            for row in 0..batch.num_rows() {
                // Names are numbered: a pair that came just before need not be looked up.
                let keys = (view.key(cluster, row), view.key(namespace, row));
                if last.replace(keys) == Some(keys) {
                    continue;
                }
                let Some(name) = view.text(namespace, row).filter(|name| !name.is_empty()) else { continue };
                let cluster = view.text(cluster, row).unwrap_or_default();
                if !found.contains(&(cluster.to_owned(), name.to_owned())) {
                    found.insert((cluster.to_owned(), name.to_owned()));
                }
            }
        }
    }
    Ok(())
}
