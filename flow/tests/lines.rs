//! Which lines are good, and what is read from them, on the logs of `testdata/` and on real ones.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod reference;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lookback_flow::inputs::{Input, find};
use lookback_flow::json::{Decoder, encode};
use lookback_flow::lines::Chunks;
use lookback_flow::rows::Projection;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use reference::{Random, event, line};

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata")
}

#[test]
fn a_line_is_good_or_bad_whatever_is_asked_of_it() {
    let folder = testdata().join("hostile");
    let log = fs::read(folder.join("events.log")).unwrap();
    let expected: BTreeMap<u64, (String, String)> = fs::read_to_string(folder.join("lines.tsv"))
        .unwrap()
        .lines()
        .skip(1)
        .map(|line| {
            let mut fields = line.split('\t').map(str::to_owned);
            let number = fields.next().unwrap().parse().unwrap();
            (number, (fields.next().unwrap(), fields.next().unwrap()))
        })
        .collect();
    let projections = [
        Projection::all(),
        Projection::of([]),
        Projection::of(["verdict"]),
        Projection::of(["source_labels", "extra"]),
    ];
    for projection in projections {
        let mut wrong = Vec::new();
        let mut good = 0;
        for (number, line) in (1..).zip(log.split(|byte| *byte == b'\n')) {
            let Some((verdict, reason)) = expected.get(&number) else { continue };
            let mut decoder = Decoder::new(projection.clone());
            let found = decoder.line(line);
            good += decoder.rows();
            let agrees = match &found {
                Ok(()) => verdict == "good",
                Err(bad) => verdict == "bad" && bad.reason() == reason,
            };
            if !agrees {
                wrong.push(format!("line {number}: expected {verdict} {reason}, found {found:?}"));
            }
            let rows = decoder.finish().unwrap().num_rows();
            assert_eq!(rows, usize::from(found.is_ok()), "line {number}");
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(good > 10 && expected.len() > 50);
    }
}

#[test]
fn wrapped_lines_give_the_flows_that_they_wrap() {
    let folder = testdata().join("wrapped");
    let read = |name: &str| {
        let mut decoder = Decoder::new(Projection::all());
        for line in fs::read(folder.join(name)).unwrap().split(|byte| *byte == b'\n') {
            let _ = decoder.line(line);
        }
        decoder.end().unwrap();
        let mut out = String::new();
        encode(&decoder.finish().unwrap(), &mut out).unwrap();
        out
    };
    let plain = read("enveloped.log");
    assert!(plain.lines().count() >= 10);
    for name in ["cri.log", "cri-parts.log", "docker.log", "docker-parts.log", "logfmt.log", "stdout.log", "bare.log"] {
        assert_eq!(read(name), plain, "{name}");
    }
}

/// A line feed between the values of a wrapped line would otherwise part the line that is written of it.
#[test]
fn a_wrapped_line_comes_out_as_one_line() {
    let forged = r#"{"flow":{"verdict":"FORWARDED"}}"#;
    let flow = format!("{{\"flow\":{{\"unknown\":[\n{forged}\n],\"extensions\":{{\"a\":\n1}}}}}}\n");
    let quoted = serde_json::to_string(&flow).unwrap();
    for line in [format!("{{\"log\":{quoted}}}"), format!("level=info msg={quoted}")] {
        let mut decoder = Decoder::new(Projection::all());
        decoder.line(line.as_bytes()).unwrap();
        let mut out = String::new();
        encode(&decoder.finish().unwrap(), &mut out).unwrap();
        assert_eq!(out.matches('\n').count(), 1, "{out:?}");
        let (found, expected): (serde_json::Value, serde_json::Value) =
            (serde_json::from_str(&out).unwrap(), serde_json::from_str(&flow).unwrap());
        assert_eq!(found["flow"], expected["flow"]);
    }
}

#[test]
fn real_logs_are_read_without_a_rejected_line_and_come_out_byte_for_byte() {
    let Ok(folder) = std::env::var("LOOKBACK_REAL_DATA") else {
        eprintln!("LOOKBACK_REAL_DATA is not set: no real flows to read");
        return;
    };
    let mut lines = 0;
    for input in find(&[folder]).unwrap().inputs {
        let Input::File(path) = input else { continue };
        let mut chunks = Chunks::new(fs::File::open(&path).unwrap()).unwrap();
        while let Some(chunk) = chunks.next_chunk().unwrap() {
            for (number, line, _) in chunk.lines() {
                let mut decoder = Decoder::new(Projection::all());
                decoder.line(line).unwrap_or_else(|bad| panic!("{}:{number}: {bad}", path.display()));
                let mut out = String::new();
                encode(&decoder.finish().unwrap(), &mut out).unwrap();
                assert_eq!(out.trim_end().as_bytes(), line, "{}:{number}", path.display());
                assert!(decoder.oddities().is_empty(), "{}:{number}", path.display());
                lines += 1;
            }
        }
    }
    assert!(lines > 700, "{lines}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20000, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    /// What is JSON to serde_json is JSON here, and the other way round, on lines with a few bytes changed.
    #[test]
    fn json_is_what_serde_json_takes(seed: u64) {
        let mut random = Random(seed);
        let mut bytes = line(&event(&mut random, false)).into_bytes();
        for _ in 0..random.below(4) {
            let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
            match random.below(4) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes[at] = random.pick(b"{}[]\",:\\0-e. \x00\xffntf"),
                2 => { bytes.remove(at); if bytes.is_empty() { bytes.push(b'{') } }
                _ => bytes.insert(at, random.pick(b"{}[]\",:\\0-e. u\x1fa")),
            }
        }
        let ours = Decoder::new(Projection::all()).line(&bytes);
        let theirs = serde_json::from_slice::<serde_json::Value>(&bytes);
        match ours {
            // Rules above the grammar: serde_json lets these pass.
            Err(bad) if ["duplicate-key", "two-of-one-choice", "no-event", "body-not-an-object", "not-an-object"].contains(&bad.reason()) => {}
            // A number too large for a float is JSON all the same; its field finds that it does not fit.
            Ok(()) => prop_assert!(
                theirs.as_ref().err().is_none_or(|error| error.to_string().contains("number out of range")),
                "{}", String::from_utf8_lossy(&bytes)
            ),
            Err(bad) => prop_assert!(theirs.is_err(), "{bad}: {}", String::from_utf8_lossy(&bytes)),
        }
    }
}
