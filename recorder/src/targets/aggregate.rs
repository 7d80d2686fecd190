//! Flows that are alike, told by one line: the exporter's field aggregation.
//!
//! What is left of a flow under the mask is its key. The first one's time stays, others are counted by their direction.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use lookback_flow::columns::ColumnId;
use lookback_flow::mask::FieldMask;
use lookback_flow::proto::flow::Aggregate;
use lookback_flow::proto::observer::{ExportEvent, export_event::ResponseTypes};
use lookback_flow::protobuf::encode_row;
use lookback_flow::time::timestamp;
use lookback_flow::view::View;
use prost::Message as _;
use prost_types::Timestamp;

/// Lines that may wait; with more the time is up at once.
const MOST: usize = 65_536;

/// Flows that wait to be told of.
#[derive(Debug, Default)]
pub struct Aggregator {
    groups: HashMap<Vec<u8>, (Option<Timestamp>, Aggregate)>,
}

impl Aggregator {
    /// Takes flows in. Other events are not: `true` stands for a row that was taken.
    ///
    /// # Errors
    /// When a batch has not the types of the schema.
    pub fn add(&mut self, batch: &RecordBatch, mask: &FieldMask) -> anyhow::Result<Vec<bool>> {
        let masked = mask.apply(batch)?;
        let (whole, view) = (View::new(batch)?, View::new(&masked)?);
        let column = |name: &str| ColumnId::of(name);
        let (kind, time, direction) = (column("kind"), column("time"), column("traffic_direction"));
        let aggregates = ["aggregate_ingress_count", "aggregate_egress_count", "aggregate_unknown_count"].map(column);
        let mut taken = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            let is_flow = kind.and_then(|kind| whole.text(kind, row)) == Some("flow");
            taken.push(is_flow);
            if !is_flow {
                continue;
            }
            let mut bytes = Vec::new();
            encode_row(&view, row, &mut bytes);
            let mut event = ExportEvent::decode(bytes.as_slice())?;
            event.time = None;
            event.node_name = String::new();
            if let Some(ResponseTypes::Flow(flow)) = &mut event.response_types {
                flow.time = None;
                flow.aggregate = None;
            }
            let at = time.and_then(|time| whole.number(time, row)).and_then(|at| i64::try_from(at).ok());
            let (_, counts) =
                self.groups.entry(event.encode_to_vec()).or_insert_with(|| (at.map(timestamp), Aggregate::default()));
            let count = match direction.and_then(|direction| whole.text(direction, row)) {
                Some("INGRESS") => &mut counts.ingress_flow_count,
                Some("EGRESS") => &mut counts.egress_flow_count,
                _ => &mut counts.unknown_direction_flow_count,
            };
            // A row of the kernel's own stands for several, too.
            let several: i128 = aggregates.iter().flatten().filter_map(|id| whole.number(*id, row)).sum();
            *count = count.saturating_add(u32::try_from(several.max(1)).unwrap_or(u32::MAX));
        }
        Ok(taken)
    }

    /// Whether the lines cannot wait until their time.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.groups.len() >= MOST
    }

    /// What waits, as events, by time.
    ///
    /// # Errors
    /// When a key is no event, which would be a mistake here.
    pub fn take(&mut self) -> anyhow::Result<Vec<ExportEvent>> {
        let mut events = Vec::with_capacity(self.groups.len());
        for (key, (time, counts)) in std::mem::take(&mut self.groups) {
            let mut event = ExportEvent::decode(key.as_slice())?;
            event.time = time;
            if let Some(ResponseTypes::Flow(flow)) = &mut event.response_types {
                flow.time = time;
                flow.aggregate = Some(counts);
                event.node_name.clone_from(&flow.node_name);
            }
            events.push(event);
        }
        events.sort_by_key(|event| event.time.map(|time| (time.seconds, time.nanos)));
        Ok(events)
    }
}
