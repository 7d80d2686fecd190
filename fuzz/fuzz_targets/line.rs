//! Any bytes as a line of a log: never a panic, good or bad whatever is asked of it, and a good one comes out as one
//! line that is read as the same row.

#![no_main]

use std::cell::RefCell;

use arrow::array::RecordBatch;
use libfuzzer_sys::{Corpus, fuzz_target};
use lookback_flow::json::{Decoder, encode};
use lookback_flow::rows::Projection;

thread_local! {
    // Made once: a decoder of all columns takes longer to make than most lines to decode.
    static ALL: RefCell<Decoder> = RefCell::new(Decoder::new(Projection::all()));
    static NONE: RefCell<Decoder> = RefCell::new(Decoder::new(Projection::of([])));
}

fuzz_target!(|line: &[u8]| -> Corpus {
    // A reader splits at line feeds before it decodes.
    if line.contains(&b'\n') {
        return Corpus::Reject;
    }
    ALL.with_borrow_mut(|all| NONE.with_borrow_mut(|none| check(line, all, none)));
    Corpus::Keep
});

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
