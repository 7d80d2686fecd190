//! Every way through a row gives back what went in, for events with all fields and hostile texts.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod reference;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use lookback_flow::columns::{COLUMNS, ColumnId};
use lookback_flow::json::{self, encode};
use lookback_flow::protobuf::{self, Envelope};
use lookback_flow::rows::Projection;
use lookback_flow::segment::{Form, Reading, SegmentFile, SegmentInfo, SegmentWriter, Wanted};
use lookback_flow::view::View;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use prost::Message as _;
use prost_reflect::DynamicMessage;
use reference::{Random, envelope, event, line};

fn from_line(line: &str, projection: Projection) -> RecordBatch {
    let mut decoder = json::Decoder::new(projection);
    decoder.line(line.as_bytes()).unwrap_or_else(|bad| panic!("{bad}: {line}"));
    decoder.finish().unwrap()
}

fn to_line(batch: &RecordBatch) -> String {
    let mut out = String::new();
    encode(batch, &mut out).unwrap();
    out.trim_end_matches('\n').to_owned()
}

fn to_protobuf(batch: &RecordBatch) -> DynamicMessage {
    let mut bytes = Vec::new();
    protobuf::encode_row(&View::new(batch).unwrap(), 0, &mut bytes);
    DynamicMessage::decode(envelope(), &*bytes).unwrap()
}

fn from_protobuf(message: &DynamicMessage) -> RecordBatch {
    let mut decoder = protobuf::Decoder::new(Projection::all());
    decoder.message(&message.encode_to_vec()).unwrap();
    decoder.finish().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn line_to_row_to_line_is_the_identity(seed: u64) {
        let line = line(&event(&mut Random(seed), false));
        prop_assert_eq!(to_line(&from_line(&line, Projection::all())), line);
    }

    #[test]
    fn json_and_protobuf_of_an_event_make_the_same_row(seed: u64) {
        let event = event(&mut Random(seed), false);
        prop_assert_eq!(from_line(&line(&event), Projection::all()), from_protobuf(&event));
    }

    #[test]
    fn protobuf_to_row_to_protobuf_is_the_identity(seed: u64) {
        let event = event(&mut Random(seed), true);
        // Fields that are set to their default are not there on the wire.
        let event = DynamicMessage::decode(envelope(), &*event.encode_to_vec()).unwrap();
        prop_assert_eq!(to_protobuf(&from_protobuf(&event)), event);
    }

    #[test]
    fn a_projection_gives_the_columns_that_the_whole_gives(seed: u64, chosen in proptest::collection::vec(0..COLUMNS.len(), 0..20)) {
        let line = line(&event(&mut Random(seed), false));
        let all = from_line(&line, Projection::all());
        let some = from_line(&line, Projection::of(chosen.iter().map(|column| COLUMNS[*column].name)));
        prop_assert_eq!(some.num_rows(), 1);
        for (field, column) in some.schema().fields().iter().zip(some.columns()) {
            prop_assert_eq!(Some(column), all.column_by_name(field.name()));
        }
    }
}

#[test]
fn rows_to_parquet_to_rows_is_the_identity() {
    let mut decoder = json::Decoder::new(Projection::all());
    for seed in 0..500 {
        decoder.line(line(&event(&mut Random(seed), false)).as_bytes()).unwrap();
    }
    let batch = decoder.finish().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut writer = SegmentWriter::unordered(file.reopen().unwrap()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish(&SegmentInfo::default()).unwrap();
    let read = |wanted: &Projection| -> Vec<RecordBatch> {
        let file = SegmentFile::open(file.path()).unwrap();
        file.read(wanted, &Wanted::default(), None).unwrap().map(Result::unwrap).collect()
    };

    let all = read(&Projection::all());
    let back = arrow::compute::concat_batches(&batch.schema(), &all).unwrap();
    assert_eq!(to_line(&back), to_line(&batch));

    let wanted = Projection::of(["source_pod", "time"]);
    let some = read(&wanted);
    assert_eq!(some[0].schema(), wanted.schema());
    assert_eq!(some.iter().map(RecordBatch::num_rows).sum::<usize>(), 500);
}

#[test]
fn many_rows_are_encoded_as_each_is() {
    let mut decoder = json::Decoder::new(Projection::all());
    let mut random = Random(5);
    for _ in 0..600 {
        // Some come again: what they are written as is known then.
        let mut seed = Random(random.below(300));
        decoder.line(line(&event(&mut seed, false)).as_bytes()).unwrap();
    }
    let batch = decoder.finish().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut writer = SegmentWriter::unordered(file.reopen().unwrap()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish(&SegmentInfo::default()).unwrap();
    let file = SegmentFile::open(file.path()).unwrap();
    let read = |columns: &Projection, form| -> Vec<RecordBatch> {
        let reading = Reading { batch_rows: Some(70), form, ..Reading::default() };
        file.read_as(columns, &Wanted::default(), reading).unwrap().map(Result::unwrap).collect()
    };

    // Lists that are numbered are the same lists.
    let numbered = read(&Projection::all(), Form::Stored);
    let is_numbered = |batch: &RecordBatch| {
        matches!(batch.column_by_name("source_labels").unwrap().data_type(), DataType::Dictionary(..))
    };
    let numbered_columns = Projection::all().schema().fields().len();
    assert!(numbered.len() > 5 && numbered.iter().all(is_numbered));
    assert_eq!(numbered.iter().map(to_line).collect::<Vec<_>>().join("\n"), to_line(&batch));

    let some = Projection::of(["time", "kind", "messages", "source_labels", "verdict", "tcp_flags", "http_headers"]);
    let lists = read(&Projection::all(), Form::NumberedLists);
    assert!(lists.iter().all(is_numbered) && lists.iter().all(|batch| batch.num_columns() == numbered_columns));
    for batches in [vec![batch], numbered, lists, read(&Projection::all(), Form::Schema), read(&some, Form::Stored)] {
        for envelope in [Envelope::Flows, Envelope::AgentEvents, Envelope::DebugEvents] {
            let mut layout = None;
            for batch in &batches {
                let view = View::new(batch).unwrap();
                let encoder = protobuf::Encoder::new(envelope, &view, batch.num_rows(), layout.as_ref());
                let (mut each, mut ends, mut expected) = (Vec::new(), Vec::new(), Vec::new());
                for row in 0..batch.num_rows() {
                    protobuf::encode_row_of(envelope, &view, row, &mut each);
                    ends.push(each.len());
                }
                let mut found = Vec::new();
                encoder.rows(&view, 0..batch.num_rows(), &mut found, |end| {
                    expected.push(end);
                    true
                });
                assert_eq!(expected, ends);
                assert_eq!(found, each);
                layout = Some(Arc::clone(encoder.layout()));
            }
        }
    }
}

#[test]
fn what_a_newer_version_writes_survives() {
    let newer = r#"{"flow":{"time":"2026-03-01T10:00:00Z","verdict":"POSTPONED","drop_reason_desc":206,"l4":{"QUIC":{"x":[1]}},"source":{"identity":7,"zone":"a","workloads":[{"name":"w","tier":1}]},"brand_new":{"deep":[{},null]}},"node_name":"n","time":"2026-03-01T10:00:00Z","seq":1}"#;
    let mut decoder = json::Decoder::new(Projection::all());
    decoder.line(newer.as_bytes()).unwrap();
    let oddities = decoder.oddities();
    assert_eq!(
        oddities.unknown_fields.keys().collect::<Vec<_>>(),
        ["flow.brand_new", "flow.l4.QUIC", "flow.source.zone", "seq"]
    );
    assert_eq!(
        oddities.unknown_values.keys().collect::<Vec<_>>(),
        ["flow.drop_reason_desc=206", "flow.verdict=POSTPONED"]
    );
    assert_eq!(oddities.mistyped.keys().collect::<Vec<_>>(), ["flow.source.workloads"]);
    let batch = decoder.finish().unwrap();
    let view = View::new(&batch).unwrap();
    assert_eq!(view.text(ColumnId::of("verdict").unwrap(), 0), Some("POSTPONED"));
    let (back, newer): (serde_json::Value, serde_json::Value) =
        (serde_json::from_str(&to_line(&batch)).unwrap(), serde_json::from_str(newer).unwrap());
    assert_eq!(back, newer);
}

#[test]
fn unknown_protobuf_fields_survive() {
    let mut event = event(&mut Random(7), true).encode_to_vec();
    // Field 4000 of the envelope, a number, and 4001, bytes.
    prost::encoding::uint64::encode(4000, &42, &mut event);
    prost::encoding::string::encode(4001, &"new".to_owned(), &mut event);
    let mut decoder = protobuf::Decoder::new(Projection::all());
    decoder.message(&event).unwrap();
    let batch = decoder.finish().unwrap();
    let mut bytes = Vec::new();
    protobuf::encode_row(&View::new(&batch).unwrap(), 0, &mut bytes);
    let decode = |bytes: &[u8]| DynamicMessage::decode(envelope(), bytes).unwrap();
    assert_eq!(decode(&bytes), decode(&event));
}

#[test]
fn hostile_protobuf_is_an_error_or_a_row_and_never_a_panic() {
    let whole = event(&mut Random(3), true).encode_to_vec();
    let mut random = Random(1);
    let mut decoder = protobuf::Decoder::new(Projection::all());
    for _ in 0..20_000 {
        let mut bytes = whole.clone();
        let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
        match random.below(3) {
            0 => bytes.truncate(at),
            1 => bytes[at] = random.next().to_le_bytes()[0],
            // The same fields twice: the last holds, messages are merged.
            _ => bytes.extend_from_within(..at),
        }
        let _ = decoder.message(&bytes);
    }
    decoder.finish().unwrap();
}
