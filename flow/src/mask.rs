//! Field masks: which fields of a flow are wanted.
//!
//! Rules:
//! 1. A path leads through the fields of `flow.Flow`, by their names in the `.proto` files. That of a message stands for all in
//!    it; what is kept as one value (a time, a wrapped number, TCP flags) is taken whole by a path into it.
//! 2. A message on the way of a path is there if it was there, and is not made where it was not.
//! 3. Of a oneof nothing shows but the member that is there, and that only if a path leads to it.
//! 4. The envelope keeps its time and node, for what merges flows goes by them; other events are kept whole.
//! 5. No path is everything.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow::compute::{is_null, nullif};
use arrow::datatypes::{Field, Schema, UInt64Type};
use arrow::error::ArrowError;
use arrow_select::zip::zip;

use crate::columns::ColumnId;
use crate::rows::Projection;
use crate::schema::{FieldKind, MessageId, SCHEMA, Scalar};
use crate::settled::SETTLED;
use crate::view::View;

/// Why a mask is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("field mask: {path:?}: {why}")]
pub struct MaskError {
    pub path: String,
    pub why: String,
}

/// The message in which a column stands: its bit, and its name as a member of a oneof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    bit: Option<u8>,
    member: Option<(ColumnId, MessageId)>,
}

/// Which fields of flows are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldMask(Option<Selected>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Selected {
    /// Presence bits that stay.
    bits: u64,
    /// The columns that stay, and in which places.
    columns: BTreeMap<ColumnId, Vec<Place>>,
}

/// Everything that a flow can have.
static WHOLE: LazyLock<Selected> = LazyLock::new(|| {
    let mut whole = Selected::default();
    if let Some(flow) = SCHEMA.body("flow") {
        whole.message(flow);
    }
    whole
});

impl Selected {
    /// Takes all of a message.
    fn message(&mut self, id: MessageId) {
        self.presence(id);
        for position in 0..SCHEMA.message(id).fields.len() {
            self.field(id, position);
        }
    }

    /// Keeps a message if it is there, whatever is taken of it.
    fn presence(&mut self, id: MessageId) {
        let message = SCHEMA.message(id);
        self.bits |= message.bit.map_or(0, |bit| 1 << bit);
        if let Some(case) = SCHEMA.message(message.parent).case {
            self.place(case, id);
        }
    }

    fn place(&mut self, column: ColumnId, id: MessageId) {
        let message = SCHEMA.message(id);
        let member = SCHEMA.message(message.parent).case.map(|case| (case, id));
        let places = self.columns.entry(column).or_default();
        let place = Place { bit: message.bit, member };
        if !places.contains(&place) {
            places.push(place);
            places.sort_unstable();
        }
    }

    fn field(&mut self, id: MessageId, position: usize) {
        let Some(field) = SCHEMA.message(id).fields.get(position) else { return };
        let bits = &SETTLED.bits;
        match &field.kind {
            FieldKind::Message(child) => self.message(*child),
            FieldKind::Scalar { column, .. } if *column == SETTLED.time => self.bits |= 1 << bits.flow_time,
            FieldKind::Scalar { column, .. } if *column == SETTLED.node_name => self.bits |= 1 << bits.flow_node_name,
            FieldKind::Scalar { column, .. }
            | FieldKind::Texts(column)
            | FieldKind::Structs { column, .. }
            | FieldKind::Flags { column, .. }
            | FieldKind::Any(column) => self.place(*column, id),
        }
    }

    fn path(&mut self, path: &str) -> Result<(), String> {
        let mut id = SCHEMA.body("flow").ok_or("there are no flows")?;
        let mut names = path.split('.').peekable();
        while let Some(name) = names.next() {
            let message = SCHEMA.message(id);
            let found = message.by_name(name).and_then(|position| Some((position, message.fields.get(position)?)));
            let Some((position, field)) = found.filter(|(_, field)| *field.name == *name) else {
                let of = if *message.path == *"flow" { "a flow" } else { &message.path };
                return Err(format!("{of} has no field {name:?}"));
            };
            match (&field.kind, names.peek()) {
                (FieldKind::Message(child), Some(_)) => {
                    id = *child;
                    self.presence(id);
                }
                (_, None) => self.field(id, position),
                (kind, Some(inner)) => {
                    let known = match kind {
                        FieldKind::Scalar { scalar: Scalar::Time, .. } => ["seconds", "nanos"].contains(inner),
                        FieldKind::Scalar { wrapped, .. } => *wrapped && *inner == "value",
                        FieldKind::Flags { names, .. } => names.iter().any(|(_, flag)| **flag == **inner),
                        _ => false,
                    };
                    self.field(id, position);
                    let more = (names.next(), names.next());
                    return if known && more.1.is_none() {
                        Ok(())
                    } else {
                        Err(format!("{name:?} is taken whole or not at all"))
                    };
                }
            }
        }
        Ok(())
    }
}

impl FieldMask {
    /// # Errors
    /// When a path leads to no field of a flow.
    pub fn new<S: AsRef<str>>(paths: &[S]) -> Result<Self, MaskError> {
        if paths.is_empty() {
            return Ok(Self(None));
        }
        let mut selected = Selected::default();
        for path in paths {
            let path = path.as_ref();
            selected.path(path).map_err(|why| MaskError { path: path.to_owned(), why })?;
        }
        Ok(Self(Some(selected)))
    }

    /// Whether all of a flow is wanted.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.0.is_none()
    }

    /// The columns that a masked flow is made of.
    #[must_use]
    pub fn columns(&self) -> Projection {
        let Some(selected) = &self.0 else { return Projection::all() };
        let own = [
            SETTLED.time,
            SETTLED.node_name,
            SETTLED.kind,
            SETTLED.envelope_time,
            SETTLED.envelope_node_name,
            SETTLED.messages,
        ];
        // Where it is not known which messages are there, the name of the member tells.
        let cases = selected.columns.values().flatten().filter_map(|place| Some(place.member?.0));
        Projection::of([]).with(own.into_iter().chain(selected.columns.keys().copied()).chain(cases))
    }

    /// The batch without what is not wanted: columns of which nothing is left are not in it.
    ///
    /// # Errors
    /// When a column has not the type of the schema.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let Some(selected) = &self.0 else { return Ok(batch.clone()) };
        let view = View::new(batch)?;
        let rows = batch.num_rows();
        let is_flow: Vec<bool> =
            (0..rows).map(|row| view.text(SETTLED.kind, row).is_none_or(|kind| kind == "flow")).collect();
        let (mut fields, mut arrays): (Vec<Arc<Field>>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
        for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let Some(id) = ColumnId::of(field.name()) else { continue };
            let (wanted, whole) = (selected.columns.get(&id), WHOLE.columns.get(&id));
            let kept = match (wanted, whole) {
                _ if id == SETTLED.messages => selected.presence_of(array, &is_flow),
                _ if id == SETTLED.time && selected.bits & 1 << SETTLED.bits.flow_time == 0 => {
                    envelopes(array, batch.column_by_name(SETTLED.envelope_time.column().name), &is_flow)?
                }
                _ if id == SETTLED.node_name && selected.bits & 1 << SETTLED.bits.flow_node_name == 0 => {
                    envelopes(array, batch.column_by_name(SETTLED.envelope_node_name.column().name), &is_flow)?
                }
                _ if id == SETTLED.extra => nullif(array, &BooleanArray::from(is_flow.clone()))?,
                (None, Some(_)) => continue,
                (Some(places), Some(whole)) if places != whole => {
                    let elsewhere = (0..rows).map(|row| !places.iter().any(|place| place.is_in(&view, row, id)));
                    nullif(array, &elsewhere.map(Some).collect())?
                }
                _ => Arc::clone(array),
            };
            fields.push(Arc::clone(field));
            arrays.push(kept);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
    }
}

impl Selected {
    /// The column `messages` without the bits of what is left out.
    fn presence_of(&self, messages: &ArrayRef, is_flow: &[bool]) -> ArrayRef {
        let Some(messages) = messages.as_primitive_opt::<UInt64Type>() else { return Arc::clone(messages) };
        let left_out = WHOLE.bits & !self.bits;
        let masked =
            messages.iter().zip(is_flow).map(|(bits, flow)| if *flow { Some(bits? & !left_out) } else { bits });
        Arc::new(masked.collect::<UInt64Array>())
    }
}

impl Place {
    /// Whether a row has this place, and the value of the column is of it.
    fn is_in(&self, view: &View<'_>, row: usize, column: ColumnId) -> bool {
        let named = |(case, id): (ColumnId, MessageId)| view.text(case, row) == Some(&*SCHEMA.message(id).name);
        match (self.bit, view.number(SETTLED.messages, row)) {
            // The name of a member tells more than that the member is there.
            _ if self.member.is_some_and(|(case, _)| case == column) => self.member.is_some_and(named),
            (Some(bit), Some(messages)) => messages & (1 << bit) != 0,
            _ => self.member.is_none_or(named),
        }
    }
}

/// What event and envelope share, where the event's own is left out: the envelope's, where it is another one.
fn envelopes(own: &ArrayRef, outer: Option<&ArrayRef>, is_flow: &[bool]) -> Result<ArrayRef, ArrowError> {
    let Some(outer) = outer.filter(|outer| outer.null_count() < outer.len()) else { return Ok(Arc::clone(own)) };
    let absent = is_null(outer)?;
    let stays: BooleanArray = is_flow.iter().enumerate().map(|(row, flow)| Some(!flow || absent.value(row))).collect();
    zip(&stays, own, outer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Decoder, encode_lines};

    const LINES: &str = r#"{"flow":{"time":"2026-03-01T10:00:00Z","uuid":"u","verdict":"FORWARDED","IP":{"source":"1.1.1.1","destination":"2.2.2.2"},"l4":{"TCP":{"source_port":1,"destination_port":2,"flags":{"SYN":true}}},"source":{"ID":1,"labels":["k8s:app=a"],"pod_name":"a"},"node_name":"n","is_reply":false,"Summary":"s","new":1},"node_name":"n","time":"2026-03-01T10:00:00Z"}
{"flow":{"time":"2026-03-01T10:00:01Z","l4":{"UDP":{"source_port":3,"destination_port":4}},"source":{},"destination":{"pod_name":"b"},"node_name":"m","l7":{"type":"REQUEST","dns":{"query":"q."}}},"node_name":"n","time":"2026-03-01T10:00:02Z"}
{"flow":{"l4":{"ICMPv4":{"type":8}}}}
{"lost_events":{"source":"PERF_EVENT_RING_BUFFER","num_events_lost":"5"},"node_name":"n","time":"2026-03-01T10:00:03Z"}
"#;

    fn masked(paths: &[&str]) -> Vec<String> {
        let mask = FieldMask::new(paths).unwrap();
        let mut decoder = Decoder::new(Projection::all());
        LINES.lines().for_each(|line| decoder.line(line.as_bytes()).unwrap());
        let batch = decoder.finish().unwrap();
        let mut text = String::new();
        encode_lines(&mask.apply(&batch).unwrap(), &mut text).unwrap();
        // The columns that it says are enough.
        let columns: Vec<usize> = batch
            .schema_ref()
            .fields()
            .iter()
            .enumerate()
            .filter(|(_, field)| {
                let id = ColumnId::of(field.name()).unwrap();
                mask.columns().has(id) || id.column().name.starts_with("lost_")
            })
            .map(|(at, _)| at)
            .collect();
        let mut projected = String::new();
        encode_lines(&mask.apply(&batch.project(&columns).unwrap()).unwrap(), &mut projected).unwrap();
        assert_eq!(text, projected, "{paths:?}");
        text.lines().map(str::to_owned).collect()
    }

    /// The flow of each line, without the envelope.
    fn flows(paths: &[&str]) -> Vec<String> {
        let flow = |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap()["flow"].to_string();
        masked(paths).iter().take(3).map(flow).collect()
    }

    #[test]
    fn no_path_is_everything() {
        assert_eq!(masked(&[]).join("\n") + "\n", LINES);
        assert!(FieldMask::new::<&str>(&[]).unwrap().is_everything());
    }

    #[test]
    fn a_message_is_taken_whole_and_a_field_alone() {
        assert_eq!(
            flows(&["IP", "source.pod_name"]),
            [
                r#"{"IP":{"destination":"2.2.2.2","source":"1.1.1.1"},"source":{"pod_name":"a"}}"#,
                r#"{"source":{}}"#,
                "{}"
            ]
        );
        assert_eq!(flows(&["is_reply.value", "uuid"]), [r#"{"is_reply":false,"uuid":"u"}"#, "{}", "{}"]);
    }

    #[test]
    fn nothing_shows_of_a_member_that_is_not_there_or_not_asked_for() {
        assert_eq!(
            flows(&["l4.TCP.destination_port", "l4.UDP.source_port"]),
            [r#"{"l4":{"TCP":{"destination_port":2}}}"#, r#"{"l4":{"UDP":{"source_port":3}}}"#, r#"{"l4":{}}"#]
        );
        assert_eq!(
            flows(&["l4.TCP"])[0],
            r#"{"l4":{"TCP":{"destination_port":2,"flags":{"SYN":true},"source_port":1}}}"#
        );
        assert_eq!(flows(&["l7.http.code"]), ["{}", r#"{"l7":{}}"#, "{}"]);

        // Not even in the columns, which other ways lead out of.
        let mut decoder = Decoder::new(Projection::all());
        LINES.lines().for_each(|line| decoder.line(line.as_bytes()).unwrap());
        let batch = decoder.finish().unwrap();
        let batch = FieldMask::new(&["l4.TCP.source_port"]).unwrap().apply(&batch).unwrap();
        let view = View::new(&batch).unwrap();
        let of = |name: &str| ColumnId::of(name).unwrap();
        let ports: Vec<_> = (0..3).map(|row| view.number(of("source_port"), row)).collect();
        assert_eq!(ports, [Some(1), None, None]);
        let protocols: Vec<_> = (0..3).map(|row| view.text(of("l4_protocol"), row)).collect();
        assert_eq!(protocols, [Some("TCP"), None, None]);
        assert!(batch.column_by_name("destination_port").is_none() && batch.column_by_name("uuid").is_none());
    }

    #[test]
    fn the_envelope_and_other_events_are_kept() {
        let lines = masked(&["uuid"]);
        assert_eq!(lines[0], r#"{"flow":{"uuid":"u"},"node_name":"n","time":"2026-03-01T10:00:00Z"}"#);
        assert_eq!(lines[1], r#"{"flow":{},"node_name":"n","time":"2026-03-01T10:00:02Z"}"#);
        assert_eq!(lines[3], LINES.lines().last().unwrap());
        let lines = masked(&["time", "node_name"]);
        assert_eq!(
            lines[1],
            r#"{"flow":{"time":"2026-03-01T10:00:01Z","node_name":"m"},"node_name":"n","time":"2026-03-01T10:00:02Z"}"#
        );
    }

    #[test]
    fn a_path_that_leads_nowhere_is_an_error() {
        for path in
            ["", "nope", "source.", "source.podName", "uuid.x", "source.workloads.name", "time.hours", "flow.uuid"]
        {
            assert!(FieldMask::new(&[path]).is_err(), "{path}");
        }
        let error = FieldMask::new(&["l4.TCP.port"]).unwrap_err().to_string();
        assert_eq!(error, r#"field mask: "l4.TCP.port": flow.l4.TCP has no field "port""#);
        for path in ["time.seconds", "l4.TCP.flags.SYN", "source.workloads", "Summary", "tunnel.l4.UDP.source_port"] {
            assert!(FieldMask::new(&[path]).is_ok(), "{path}");
        }
    }
}
