//! Messages as a server should not send them.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, DictionaryArray, Int64Array, ListArray, RecordBatch, StringArray, StringViewArray};
use arrow::datatypes::{Int32Type, Int64Type};
use arrow_flight::FlightData;
use arrow_flight::encode::{DictionaryHandling, FlightDataEncoderBuilder};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::IpcWriteOptions;
use tokio::runtime::{Builder, Runtime};
use tokio_stream::StreamExt as _;

use super::{Bad, Batches, Budget, Item};
use crate::answer::{Answer, Gathering};
use crate::options::Limits;

/// All kinds of columns in one batch.
fn batch() -> RecordBatch {
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("ccc")]));
    let numbered: DictionaryArray<Int32Type> = vec!["x", "y", "x"].into_iter().collect();
    let view = StringViewArray::from(vec!["a text that is longer than twelve bytes", "b", "c"]);
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), None]), None, Some(vec![])]);
    let columns: [(&str, ArrayRef); 5] = [
        ("text", texts),
        ("numbered", Arc::new(numbered)),
        ("view", Arc::new(view)),
        ("list", Arc::new(lists)),
        ("number", Arc::new(Int64Array::from(vec![1, 2, 3]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn encoded(compression: Option<CompressionType>) -> Vec<FlightData> {
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let encoder = FlightDataEncoderBuilder::new().with_dictionary_handling(DictionaryHandling::Resend);
    let encoder = encoder.with_options(options).build(tokio_stream::iter([Ok(batch())]));
    Builder::new_current_thread().build().unwrap().block_on(encoder.collect::<Result<Vec<_>, _>>()).unwrap()
}

fn read(messages: Vec<FlightData>, limits: Limits) -> Result<Answer, Bad> {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).build().unwrap());
    RUNTIME.block_on(async {
        let mut batches = Batches::new(tokio_stream::iter(messages).map(Ok), Arc::new(Budget::new(limits.bytes)));
        let mut gathering = Gathering::new(limits, None);
        while let Some(item) = batches.next().await? {
            match item {
                Item::Schema(schema) => gathering.check(&schema)?,
                Item::Batch(batch) => gathering.push(&batch)?,
            }
        }
        gathering.finish(-1)
    })
}

const LIMITS: Limits = Limits { rows: 1000, bytes: 1 << 20 };

#[test]
fn a_good_stream_is_read() {
    for compression in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
        let answer = read(encoded(compression), LIMITS).unwrap();
        assert_eq!((answer.rows(), answer.schema.fields().len()), (3, 5));
    }
}

#[test]
fn no_byte_of_a_message_brings_us_down() {
    for compression in [None, Some(CompressionType::LZ4_FRAME)] {
        let messages = encoded(compression);
        for (at, message) in messages.iter().enumerate() {
            let (header, body) = (message.data_header.to_vec(), message.data_body.to_vec());
            for byte in 0..header.len() + body.len() {
                let changes: &[u8] = if byte < header.len() { &[0x01, 0x80, 0xff] } else { &[0xff] };
                for change in changes {
                    let (mut header, mut body) = (header.clone(), body.clone());
                    match header.get_mut(byte) {
                        Some(byte) => *byte ^= change,
                        None => body[byte - header.len()] ^= change,
                    }
                    let mut messages = messages.clone();
                    messages[at] = FlightData::new().with_data_header(header).with_data_body(body);
                    // Good or bad, it is an answer within its limits, or an error.
                    if let Ok(answer) = read(messages, LIMITS) {
                        assert!(answer.rows() <= LIMITS.rows);
                    }
                }
            }
        }
    }
}

#[test]
fn a_message_that_is_cut_is_an_error() {
    let messages = encoded(None);
    for at in 1..messages.len() {
        let mut messages = messages.clone();
        let body = messages[at].data_body.clone();
        messages[at].data_body = body.slice(..body.len() / 2);
        assert!(matches!(read(messages, LIMITS), Err(Bad::Broken(_))));
    }
}

#[test]
fn room_is_not_made_for_what_is_only_claimed() {
    let mut messages = encoded(Some(CompressionType::LZ4_FRAME));
    let last = messages.last_mut().unwrap();
    let mut body = last.data_body.to_vec();
    // The lengths that buffers claim stand at multiples of 64 bytes, or 8: each that looks like one claims a terabyte.
    let mut claimed = 0;
    for at in (0..body.len() - 8).step_by(8) {
        let length = i64::from_le_bytes(body[at..at + 8].try_into().unwrap());
        if (1..4096).contains(&length) || length == -1 {
            body[at..at + 8].copy_from_slice(&(1_i64 << 40).to_le_bytes());
            claimed += 1;
        }
    }
    assert!(claimed > 0);
    last.data_body = body.into();
    assert!(matches!(read(messages, LIMITS), Err(Bad::TooMuch(_))));
}
