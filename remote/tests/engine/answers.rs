//! Answers, and what is none.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema};
use arrow_flight::FlightData;
use arrow_ipc::CompressionType;
use arrow_ipc::writer::IpcWriteOptions;
use lookback_remote::{Answer, Engine, Error, Limits, Options};
use tonic::Status;

use crate::server::{Fake, Part, Says, Script, batch, connect, encoded, encoded_with, part, says, script};

fn numbers(answer: &Answer) -> Vec<i64> {
    let all = concat_batches(&answer.schema, &answer.batches).unwrap();
    let pods = all.column(1).as_string::<i32>();
    let numbers = all.column(0).as_primitive::<Int64Type>().values().to_vec();
    numbers.iter().enumerate().for_each(|(row, number)| assert_eq!(pods.value(row), format!("pod-{number}")));
    numbers
}

fn ask(script: Script) -> Result<Answer, Error> {
    connect(&Fake::of(script).serve()).query("q")
}

#[test]
fn every_part_is_asked_for_in_order() {
    let announced = Script {
        schema: Some(batch(&[]).schema().as_ref().clone()),
        records: 6,
        ..script([part(&[batch(&[1, 2]), batch(&[3])]), part(&[batch(&[])]), part(&[batch(&[4, 5]), batch(&[6])])])
    };
    let answer = ask(announced).unwrap();
    assert_eq!(numbers(&answer), [1, 2, 3, 4, 5, 6]);
    assert_eq!(answer.rows(), 6);
    assert!(answer.batches.iter().all(|batch| batch.num_rows() > 0));
}

#[test]
fn an_answer_without_rows_has_its_columns() {
    let schema = Some(batch(&[]).schema().as_ref().clone());
    // No part at all, a part without batches, a part that says not even its columns.
    for parts in [vec![], vec![part(&[batch(&[])])], vec![Part::default()]] {
        let answer = ask(Script { schema: schema.clone(), ..script(parts) }).unwrap();
        assert_eq!((answer.rows(), answer.schema.fields().len()), (0, 2));
    }
}

#[test]
fn metadata_alone_is_no_batch() {
    let mut part = part(&[batch(&[1])]);
    part.says.insert(1, Says::Data(FlightData::new().with_app_metadata("half way")));
    assert_eq!(numbers(&ask(script([part])).unwrap()), [1]);
}

#[test]
fn a_stream_that_breaks_is_no_shorter_answer() {
    let mut broken = part(&[batch(&[3]), batch(&[4])]);
    broken.says.pop();
    broken.says.push(Says::Fails(Status::internal("executor \u{1b}[31mlost")));
    let error = ask(script([part(&[batch(&[1, 2])]), broken])).unwrap_err();
    says(&error, &["part 2 of 2 (ticket job q part 1)", "executor ^[[31mlost"]);
}

#[test]
fn a_count_that_is_wrong_is_an_error() {
    for records in [2, 4] {
        let error = ask(Script { records, ..script([part(&[batch(&[1, 2, 3])])]) }).unwrap_err();
        says(&error, &[&format!("announced {records} rows, and sent 3"), "job q"]);
    }
    let error = ask(Script { records: 1, ..script([]) }).unwrap_err();
    says(&error, &["announced 1 rows, and sent 0"]);
}

#[test]
fn an_answer_that_is_too_large_is_an_error() {
    let address = Fake::of(script([part(&[batch(&[1, 2])]), part(&[batch(&[3, 4])])]))
        .and("announced", Script { records: 9, ..script([part(&[batch(&[1])])]) })
        .serve();
    let asked = |sql: &str, limits: Limits| {
        Engine::connect(&address, &Options { limits, ..Options::default() }).unwrap().query(sql)
    };
    let rows = |rows| Limits { rows, ..Limits::default() };
    assert_eq!(numbers(&asked("q", rows(4)).unwrap()), [1, 2, 3, 4]);
    says(&asked("q", rows(3)).unwrap_err(), &["part 2 of 2", "more than 3 rows"]);
    // So it said: nothing is fetched.
    says(&asked("announced", rows(8)).unwrap_err(), &["query", "more than 8 rows"]);
    let bytes = |bytes| Limits { bytes, ..Limits::default() };
    says(&asked("q", bytes(10)).unwrap_err(), &["part 1 of 2", "more than 10 bytes"]);
    let one = encoded(&[batch(&[1, 2])]).iter().map(|data| data.data_header.len() + data.data_body.len()).sum();
    says(&asked("q", bytes(one)).unwrap_err(), &["part 2 of 2", "bytes"]);
    assert!(matches!(asked("q", bytes(one)).unwrap_err(), Error::TooMuch { .. }));
}

#[test]
fn a_server_that_does_not_go_on_is_given_up() {
    let mut hanging = part(&[batch(&[1])]);
    hanging.says.push(Says::Hangs);
    let address = Fake::of(Script { hangs: true, ..Script::default() })
        .and("part", script([hanging]))
        .and("well", script([part(&[batch(&[7])])]))
        .serve();
    let options = Options { timeout: Duration::from_millis(200), ..Options::default() };
    let engine = Engine::connect(&address, &options).unwrap();
    says(&engine.query("q").unwrap_err(), &["query: no whole answer within 200ms"]);
    let error = engine.query("part").unwrap_err();
    says(&error, &["part 1 of 1 (ticket job part part 0)", "within 200ms"]);
    assert!(matches!(error, Error::Timeout { .. }));
    // The connection is good for another.
    assert_eq!(numbers(&engine.query("well").unwrap()), [7]);
}

#[test]
fn other_columns_than_announced_are_an_error() {
    let other = |name: &str| {
        RecordBatch::try_from_iter(
            [("n", batch(&[1]).column(0)), (name, batch(&[1]).column(0))]
                .map(|(name, column)| (name.to_owned(), Arc::clone(column))),
        )
        .unwrap()
    };
    let schema = || Some(batch(&[]).schema().as_ref().clone());
    let error = ask(Script { schema: schema(), ..script([part(&[other("pod")])]) }).unwrap_err();
    says(&error, &["part 1 of 1", "column 2", "`pod Int64`, and was announced as `pod Utf8`"]);
    let error = ask(script([part(&[batch(&[1])]), part(&[other("po\u{1b}d")])])).unwrap_err();
    says(&error, &["part 2 of 2", "`po^[d Int64`"]);
    let error = ask(script([part(&[batch(&[1])]), part(&[batch(&[1]).project(&[0]).unwrap()])])).unwrap_err();
    says(&error, &["1 columns, and 2 were announced"]);
    // A schema in the middle of a part.
    let mut two = part(&[batch(&[1])]);
    two.says.extend(part(&[batch(&[2])]).says);
    says(&ask(script([two])).unwrap_err(), &["two schemas"]);
    // And none at all.
    let mut none = part(&[batch(&[1])]);
    none.says.remove(0);
    says(&ask(script([none])).unwrap_err(), &["cannot be read", "prior to Schema"]);
}

#[test]
fn texts_come_in_one_layout() {
    let text = || StringArray::from(vec![Some("a"), None, Some("a")]);
    let named = |array: ArrayRef| RecordBatch::try_from_iter([("name", array)]).unwrap();
    let numbered: DictionaryArray<Int32Type> = text().iter().collect();
    let view = arrow::compute::cast(&text(), &DataType::Utf8View).unwrap();
    let parts = [named(Arc::new(numbered)), named(view), named(Arc::new(text()))].map(|batch| part(&[batch]));
    let announced = DataType::Dictionary(Box::new(DataType::UInt8), Box::new(DataType::Utf8));
    let schema = Schema::new(vec![Field::new("name", announced, false)]);
    let answer = ask(Script { schema: Some(schema), records: 9, ..script(parts) }).unwrap();
    let all = concat_batches(&answer.schema, &answer.batches).unwrap();
    let texts: Vec<Option<&str>> = all.column(0).as_string::<i32>().iter().collect();
    assert_eq!(texts, [Some("a"), None, Some("a")].repeat(3));
    assert_eq!(all.column(0).null_count(), 3);
}

#[test]
fn compressed_batches_are_read() {
    let many: Vec<i64> = (0..5000).collect();
    for compression in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
        let options = IpcWriteOptions::default().try_with_compression(Some(compression)).unwrap();
        let says: Vec<Says> = encoded_with(&[batch(&many)], options).into_iter().map(Says::Data).collect();
        let address = Fake::of(script([Part { says, ..Part::default() }])).serve();
        assert_eq!(numbers(&connect(&address).query("q").unwrap()), many);
        // It is what it unpacks to that counts.
        let limits = Limits { bytes: 60_000, ..Limits::default() };
        let error = Engine::connect(&address, &Options { limits, ..Options::default() }).unwrap().query("q");
        assert!(matches!(error, Err(Error::TooMuch { .. })), "{error:?}");
    }
}

#[test]
fn what_the_server_refuses_is_told() {
    let error = connect(&Fake::of(Script::default()).serve()).query("no such").unwrap_err();
    says(&error, &["flight://localhost:", "query: what is no such?"]);
    let error = ask(Script { fails: Some(Status::internal("No authorization header!")), ..Script::default() });
    says(&error.unwrap_err(), &["No authorization header!: give a token"]);
    let ticketless = Part { no_ticket: true, ..part(&[batch(&[1])]) };
    says(&ask(script([ticketless])).unwrap_err(), &["part 1 of 1", "no ticket"]);
}
