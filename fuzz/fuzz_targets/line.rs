//! Any bytes as a line of a log: never a panic, good or bad whatever is asked of it, and a good one comes out as one
//! line that is read as the same row. The fast path, which remembers what it met in earlier lines, reads what the plain one
//! reads.

#![no_main]

use std::cell::RefCell;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use libfuzzer_sys::{Corpus, fuzz_target};
use lookback_flow::json::{Decoder, Wants, encode};
use lookback_flow::rows::Projection;

thread_local! {
    // Made once: a decoder of all columns takes longer to make than most lines to decode.
    static ALL: RefCell<Decoder> = RefCell::new(Decoder::new(Projection::all()));
    static NONE: RefCell<Decoder> = RefCell::new(Decoder::new(Projection::of([])));
    static PLAIN: RefCell<Decoder> = RefCell::new(Decoder::reference(Wants {
        columns: Projection::all(),
        ..Wants::default()
    }));
}

fuzz_target!(|line: &[u8]| -> Corpus {
    // A reader splits at line feeds before it decodes.
    if line.contains(&b'\n') {
        return Corpus::Reject;
    }
    ALL.with_borrow_mut(|all| {
        PLAIN.with_borrow_mut(|plain| compare(line, all, plain));
        NONE.with_borrow_mut(|none| check(line, all, none));
    });
    Corpus::Keep
});

/// Reads a line twice, the second time when everything in it has been met, and holds that against the plain path.
fn compare(line: &[u8], fast: &mut Decoder, plain: &mut Decoder) {
    // Of the lines before.
    let _ = (fast.hashes(), fast.oddities());
    for decoder in [&mut *fast, &mut *plain] {
        let first = decoder.line(line);
        assert_eq!(decoder.line(line), first);
    }
    assert_eq!(fast.line(line), plain.line(line), "good or bad depends on the path");
    assert_eq!(fast.rows(), plain.rows());
    assert_eq!(fast.end(), plain.end());
    assert_eq!(fast.hashes(), plain.hashes());
    assert_eq!(fast.oddities(), plain.oddities());
    let rows = [&mut *fast, &mut *plain].map(|decoder| decoder.finish().expect("arrays that fit the schema"));
    for ((a, b), field) in rows[0].columns().iter().zip(rows[1].columns()).zip(rows[0].schema_ref().fields()) {
        assert_eq!(&named(a), &named(b), "{}", field.name());
    }
}

/// A column, whatever numbers its names have.
fn named(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Dictionary(..) => cast(column, &DataType::Utf8).expect("names"),
        _ => column.clone(),
    }
}

fn check(line: &[u8], decoder: &mut Decoder, narrow: &mut Decoder) {
    let found = decoder.line(line);
    assert_eq!(found, narrow.line(line), "good or bad depends on the columns asked for");
    assert_eq!(decoder.rows(), narrow.rows());
    assert_eq!(decoder.end(), narrow.end());
    assert!(found.is_ok() || decoder.rows() == 0, "a bad line left a row");
    // The first part of a wrapped line is good, and no row yet.
    if decoder.rows() == 0 {
        return;
    }
    narrow.finish().expect("arrays that fit the schema");
    let row = decoder.finish().expect("arrays that fit the schema");
    let text = line_of(&row);
    let back = row_of(&text, decoder);
    assert_eq!(line_of(&back), text, "the row of a written line is written otherwise");
    // A written line has its keys in the order of the schema; what was kept as it stood may have come in another.
    let columns = row.columns().iter().zip(back.columns()).zip(row.schema_ref().fields());
    let differ: Vec<_> = columns.filter(|((a, b), field)| a != b && field.name() != "extra").collect();
    assert!(differ.is_empty(), "{text}\n{differ:#?}");
    assert_eq!(row_of(&line_of(&back), decoder), back);
}

fn line_of(row: &RecordBatch) -> String {
    let mut text = String::new();
    encode(row, &mut text).expect("a batch of the schema");
    let line = text.strip_suffix('\n').expect("a line feed at the end");
    assert!(!line.contains('\n'), "more than one line: {text:?}");
    line.to_owned()
}

fn row_of(line: &str, decoder: &mut Decoder) -> RecordBatch {
    assert_eq!(decoder.line(line.as_bytes()), Ok(()), "{line}");
    decoder.finish().expect("arrays that fit the schema")
}
