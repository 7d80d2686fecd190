//! The fast decoder against the plain one: the same rows, counts, hashes and rejected lines, whatever comes and whatever
//! was met before.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod reference;

use std::fs;
use std::path::{Path, PathBuf};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use lookback_flow::columns::ColumnId;
use lookback_flow::inputs::{Input, find};
use lookback_flow::json::{Decoder, Wants};
use lookback_flow::lines::{Chunk, Chunks, Content, sniff};
use lookback_flow::names::Workloads;
use lookback_flow::rows::Projection;
use lookback_flow::segment::{Needle, Pattern};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use reference::{Random, event, line};

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata")
}

/// What may be wanted of lines: everything, nothing, and what questions want.
fn wants() -> Vec<Wants> {
    let needle = |clauses: &[&[(&str, &str)]]| -> Needle {
        let clause = |texts: &&[(&str, &str)]| {
            texts
                .iter()
                .map(|(name, text)| {
                    (
                        ColumnId::of(name).unwrap(),
                        match text.strip_suffix('*') {
                            Some(start) => Pattern::Begins(start.to_owned()),
                            None => Pattern::from(*text),
                        },
                    )
                })
                .collect()
        };
        clauses.iter().map(clause).collect()
    };
    let named = ["client", "server"].iter().flat_map(|name| lookback_flow::derive::needs(name)).collect::<Vec<_>>();
    let ends = Projection::of(named.iter().map(String::as_str));
    vec![
        Wants { columns: Projection::all(), ..Wants::default() },
        Wants { counts: true, learns: true, ..Wants::default() },
        Wants {
            columns: Projection::of(["drop_reason_desc", "source_port", "summary", "tcp_flags", "http_headers"]),
            needles: vec![needle(&[&[("verdict", "DROPPED")]]), needle(&[&[("source_pod", "we*")]])],
            counts: true,
            ..Wants::default()
        },
        Wants {
            columns: ends,
            needles: vec![
                needle(&[&[("l7_protocol", "dns"), ("l7_protocol", "http")], &[("l7_type", "RESPONSE")]]),
                needle(&[&[("kind", "lost_events")]]),
                needle(&[&[("node_name", "web"), ("dns_query", "206"), ("summary", "a, b")]]),
            ],
            counts: true,
            learns: true,
            ..Wants::default()
        },
    ]
}

/// The columns, whatever numbers their names have.
fn columns(batch: &RecordBatch) -> Vec<(String, ArrayRef)> {
    let plain = |column: &ArrayRef| match column.data_type() {
        DataType::Dictionary(..) => cast(column, &DataType::Utf8).unwrap(),
        _ => column.clone(),
    };
    batch
        .schema_ref()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .zip(batch.columns().iter().map(plain))
        .collect()
}

/// What came of a chunk.
#[derive(PartialEq)]
struct Found {
    told: Vec<String>,
    columns: Vec<(String, ArrayRef)>,
}

/// What came of some chunks, and how many lines were decoded fast.
fn decoded(mut decoder: Decoder, chunks: &[Chunk]) -> (Vec<Found>, u64) {
    let mut found = Vec::new();
    let mut workloads = Workloads::default();
    for chunk in chunks {
        let mut told = Vec::new();
        let lines = decoder.chunk(chunk, |line, bad| told.push(format!("{line:?} {bad}")));
        told.push(format!("{lines} lines, {:?}, {} rows", decoder.end(), decoder.rows()));
        told.push(format!("{:x?}", decoder.hashes()));
        told.push(format!("{:?}", decoder.oddities()));
        told.push(format!("{:?}", decoder.coverage()));
        // What was learnt once is not told again.
        workloads.merge(&decoder.workloads());
        told.push(format!("{workloads:?}"));
        found.push(Found { told, columns: columns(&decoder.finish().unwrap()) });
    }
    (found, decoder.fast_lines())
}

/// Holds the two against each other; gives how many lines were decoded fast.
fn compare(chunks: &[Chunk], wants: &Wants) -> u64 {
    let (fast, taken) = decoded(Decoder::wanting(wants.clone()), chunks);
    let (plain, none) = decoded(Decoder::reference(wants.clone()), chunks);
    assert_eq!(none, 0);
    for (fast, plain) in fast.iter().zip(&plain) {
        for (fast, plain) in fast.told.iter().zip(&plain.told) {
            assert!(fast == plain, "{:?}\nfast:  {fast}\nplain: {plain}", wants.needles);
        }
        for (fast, plain) in fast.columns.iter().zip(&plain.columns) {
            assert!(fast == plain, "{:?}\nfast:  {fast:?}\nplain: {plain:?}", wants.needles);
        }
        assert!(fast == plain);
    }
    // Lines that are left out would have given nothing, whatever they are.
    let (skimmed, _) = decoded(Decoder::wanting(Wants { skims: true, ..wants.clone() }), chunks);
    for (skimmed, plain) in skimmed.iter().zip(&plain) {
        assert!(skimmed.columns == plain.columns, "{:?}", wants.needles);
    }
    taken
}

fn chunks(path: &Path) -> Vec<Chunk> {
    let mut chunks = Chunks::new(fs::File::open(path).unwrap()).unwrap();
    std::iter::from_fn(|| chunks.next_chunk().unwrap_or_default()).collect()
}

fn logs(folder: &Path) -> Vec<PathBuf> {
    let found = find(&[folder.display().to_string()]).unwrap().inputs;
    let files = found.into_iter().filter_map(|input| if let Input::File(path) = input { Some(path) } else { None });
    files.filter(|path| sniff(&fs::read(path).unwrap()) != Content::Parquet).collect()
}

#[test]
fn logs_of_every_kind_are_read_alike() {
    let mut folders = 0;
    for folder in fs::read_dir(testdata()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let mut all: Vec<Chunk> = logs(&folder).iter().flat_map(|path| chunks(path)).collect();
        // Once more, when everything has been met.
        all.extend(all.iter().map(|chunk| Chunk { bytes: chunk.bytes.clone() }).collect::<Vec<_>>());
        for wants in wants() {
            compare(&all, &wants);
        }
        folders += 1;
    }
    assert!(folders >= 6, "{folders}");
}

#[test]
fn what_an_exporter_writes_is_read_fast() {
    for folder in ["shop", "incident"] {
        let all: Vec<Chunk> = logs(&testdata().join(folder)).iter().flat_map(|path| chunks(path)).collect();
        let lines: usize = all.iter().map(|chunk| chunk.lines().count()).sum();
        for wants in wants() {
            let fast = compare(&all, &wants);
            assert!(lines > 50 && fast == lines as u64, "{folder}: {fast} of {lines}");
        }
    }
}

#[test]
fn what_a_later_version_adds_is_read_fast() {
    let flow = |n: u64, extra: &str| {
        format!(
            r#"{{"flow":{{"verdict":"FORWARDED",{extra}"source":{{"identity":{},"added":[{n}],"pod_name":"web"}},"Type":"L7","is_new":{{"deep":[{n},"\u00e9"]}},"Summary":"s"}},"node_name":"n","time":"2026-03-01T10:00:00Z","also":null}}"#,
            n % 3
        ) + "\n"
    };
    let mut bytes: Vec<u8> = (0..300).flat_map(|n| flow(n, "").into_bytes()).collect();
    // Twice the same, and deeper than may be: both are bad.
    bytes.extend(flow(1, r#""twice":1,"twice":2,"#).bytes());
    bytes.extend(flow(1, &format!("\"deep\":{}{},", "[".repeat(98), "]".repeat(98))).bytes());
    bytes.extend(flow(1, &format!("\"deep\":{}{},", "[".repeat(99), "]".repeat(99))).bytes());
    for wants in wants() {
        assert_eq!(compare(&[Chunk { bytes: bytes.clone() }], &wants), 301);
    }
}

#[test]
fn real_logs_are_read_alike_and_fast() {
    let Ok(folder) = std::env::var("LOOKBACK_REAL_DATA") else {
        eprintln!("LOOKBACK_REAL_DATA is not set: no real flows to read");
        return;
    };
    let all: Vec<Chunk> = logs(Path::new(&folder)).iter().flat_map(|path| chunks(path)).collect();
    let lines: usize = all.iter().map(|chunk| chunk.lines().count()).sum();
    for wants in wants() {
        let fast = compare(&all, &wants);
        assert!(fast * 100 >= lines as u64 * 99, "{fast} of {lines}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    /// Lines of a few shapes that come again, some with parts of others, some with bytes changed.
    #[test]
    fn lines_that_resemble_each_other_are_read_alike(seed: u64) {
        let mut random = Random(seed);
        let mut known: Vec<Vec<u8>> = (0..4).map(|_| line(&event(&mut random, false)).into_bytes()).collect();
        let mut bytes = Vec::new();
        for _ in 0..40 {
            let mut next = known[usize::try_from(random.below(known.len() as u64)).unwrap()].clone();
            match random.below(4) {
                0 => {}
                1 => {
                    // The end of another line, from where the same member begins.
                    let other = &known[usize::try_from(random.below(known.len() as u64)).unwrap()];
                    let at = usize::try_from(random.below(next.len() as u64)).unwrap();
                    let key: Vec<u8> = next[at..].iter().copied().take(12).collect();
                    if let Some(there) = other.windows(key.len()).position(|window| window == key) {
                        next.truncate(at);
                        next.extend_from_slice(&other[there..]);
                    }
                }
                2 => {
                    let at = usize::try_from(random.below(next.len() as u64)).unwrap();
                    match random.below(3) {
                        0 => next[at] = random.pick(b"{}[]\",:\\0-e. \x00\xffntf19"),
                        1 => { next.remove(at); }
                        _ => next.insert(at, random.pick(b"{}[]\",:\\0-e. u\x1fa\xc3")),
                    }
                }
                _ => {
                    next = line(&event(&mut random, false)).into_bytes();
                    let text = String::from_utf8(next).unwrap();
                    let key = random.pick(&["\"source\":{", "\"flow\":{", "\"l4\":{", "{"]);
                    next = text.replacen(key, &format!("{key}\"added_later\":[1,{{}}],"), 1).into_bytes();
                }
            }
            bytes.extend_from_slice(&next);
            bytes.push(b'\n');
            known.push(next);
        }
        let half = bytes.len() / 2;
        let cut = bytes.iter().skip(half).position(|byte| *byte == b'\n').map_or(bytes.len(), |at| half + at + 1);
        let parts = [&bytes[..cut], &bytes[cut..]].map(|part| Chunk { bytes: part.to_vec() });
        for wants in wants() {
            compare(&parts, &wants);
        }
    }
}
