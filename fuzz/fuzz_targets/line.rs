//! Any bytes as a line of a log: never a panic, good or bad whatever is asked of it, and a good one comes out as one
//! line that is read as the same row.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::{Corpus, fuzz_target};
use lookback_flow::json::{Decoder, encode};
use lookback_flow::rows::Projection;

/// The same for every input; looking up its columns each time would take most of the time.
static ALL: LazyLock<Projection> = LazyLock::new(Projection::all);
static NONE: LazyLock<Projection> = LazyLock::new(|| Projection::of([]));

fuzz_target!(|line: &[u8]| -> Corpus {
    // A reader splits at line feeds before it decodes.
    if line.contains(&b'\n') {
        return Corpus::Reject;
    }
    let mut decoder = Decoder::new(ALL.clone());
    let found = decoder.line(line);
    let mut narrow = Decoder::new(NONE.clone());
    assert_eq!(found, narrow.line(line), "good or bad depends on the columns asked for");
    assert_eq!(decoder.rows(), narrow.rows());
    assert_eq!(decoder.end(), narrow.end());
    assert!(found.is_ok() || decoder.rows() == 0, "a bad line left a row");
    // The first part of a wrapped line is good, and no row yet.
    if decoder.rows() == 0 {
        return Corpus::Keep;
    }
    let row = decoder.finish().expect("arrays that fit the schema");
    let mut text = String::new();
    encode(&row, &mut text).expect("a batch of the schema");
    let again = text.strip_suffix('\n').expect("a line feed at the end");
    assert!(!again.contains('\n'), "more than one line: {text:?}");
    let mut decoder = Decoder::new(ALL.clone());
    assert_eq!(decoder.line(again.as_bytes()), Ok(()), "{again}");
    let back = decoder.finish().expect("arrays that fit the schema");
    if back != row {
        let columns = row.columns().iter().zip(back.columns()).zip(row.schema_ref().fields());
        let differ: Vec<_> = columns.filter(|((a, b), _)| a != b).collect();
        panic!("{again}\n{differ:#?}");
    }
    Corpus::Keep
});
