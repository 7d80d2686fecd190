//! What can be read, and what becomes of what cannot.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use lookback_flow::json::Decoder;
use lookback_flow::lines::Chunks;
use lookback_flow::rows::Projection;
use lookback_flow::segment::{SegmentInfo, SegmentWriter};
use serde_json::Value;

use crate::{Folder, count, flow, lookback, lookback_reading, testdata};

const COUNT: &str = "SELECT count(*) AS flows FROM flows";

#[test]
fn standard_input() {
    let log = [flow(1, "a"), flow(2, "b")].concat();
    let run = lookback_reading(&["sql", COUNT, "-", "-o", "csv"], log.as_bytes());
    assert!(run.err.starts_with("read    2 lines of 1 input"), "{}", run.err);
    assert_eq!(run.answer(), "flows\n2\n");
    let packed = fs::read(testdata("torn/members.log.gz")).unwrap();
    assert_eq!(lookback_reading(&["sql", COUNT, "-", "-q", "-o", "csv"], &packed).answer(), "flows\n9\n");
    // Named twice, it is read once; beside a file it is one of two.
    let folder = Folder::new();
    let file = folder.file("a.log", flow(3, "c"));
    let run = lookback_reading(&["sql", COUNT, "-", &file, "-", "-q", "-o", "csv"], log.as_bytes());
    assert_eq!(run.answer(), "flows\n3\n");
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_with_a_name() {
    let log = [flow(1, "a"), flow(2, "b")].concat();
    let run = lookback_reading(&["sql", COUNT, "/dev/stdin", "-q", "-o", "csv"], log.as_bytes());
    assert_eq!(run.answer(), "flows\n2\n");
}

#[test]
fn files_folders_and_patterns() {
    let folder = Folder::new();
    let one = folder.file("x/a.log", flow(1, "a"));
    folder.file("x/y/b.json", flow(2, "a").repeat(2));
    folder.file("x/y/c.txt", flow(3, "a"));
    folder.file("x/.hidden.log", flow(4, "a"));
    folder.file("d.log", flow(5, "a").repeat(4));
    let within = |path: &str| folder.path().join(path).display().to_string();
    assert_eq!(count(&[&one]), 1);
    assert_eq!(count(&[&one, &within("d.log")]), 5);
    assert_eq!(count(&[&within("x")]), 3);
    assert_eq!(count(&[&folder.name()]), 7);
    assert_eq!(count(&[&within("*.log")]), 4);
    assert_eq!(count(&[&within("x/**/*.json")]), 2);
    assert_eq!(count(&[&within("x/y/c.txt")]), 1);
    // Whatever names a file again, it is read once, and that is told.
    let run = lookback(&["sql", COUNT, &folder.name(), &one, "-o", "csv"]);
    assert!(run.err.contains("a.log: named twice"), "{}", run.err);
    assert_eq!(run.answer(), "flows\n7\n");
}

#[cfg(unix)]
#[test]
fn a_file_whose_name_is_not_text() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let folder = Folder::new();
    let name = OsStr::from_bytes(b"node-\xff.log");
    folder.file(name, flow(1, "a"));
    assert_eq!(count(&[&folder.name()]), 1);
    let run = lookback(&[OsStr::new("ask"), OsStr::new("verdicts"), folder.path().join(name).as_os_str()]);
    assert_eq!((run.code, run.err.contains("UTF-8")), (Some(2), true), "{}", run.err);
}

#[test]
fn compressed_files_are_known_by_their_content() {
    for (file, flows) in [
        ("gzip-inside.log", 4),
        ("zstd-inside.json", 4),
        ("plain-inside.log.gz", 4),
        ("members.log.gz", 9),
        ("members-in-a-line.log.gz", 20),
        ("empty.log.gz", 0),
        ("no-newline.log", 3),
    ] {
        assert_eq!(count(&[&testdata(&format!("torn/{file}"))]), flows, "{file}");
    }
}

#[test]
fn a_file_that_breaks_off_gives_its_good_part() {
    for file in ["cut.log.gz", "cut.log.zst"] {
        let path = testdata(&format!("torn/{file}"));
        let run = lookback(&["sql", COUNT, &path, "-o", "csv"]);
        assert!(run.err.contains(&format!("warning {path}: ")), "{}", run.err);
        assert!(run.err.contains("1 of 1 inputs could not be read to the end"), "{}", run.err);
        assert_eq!(run.answer(), "flows\n20\n");
        let error = lookback(&["sql", COUNT, &path, "--strict"]).error();
        assert!(error.starts_with(&path), "{error}");
    }
    let run = lookback(&["sql", COUNT, &testdata("torn/torn-line.log"), "-o", "csv"]);
    assert!(run.err.contains("1 rejected: 1 torn"), "{}", run.err);
    assert_eq!(run.answer(), "flows\n3\n");
}

#[test]
fn what_cannot_be_read_at_all_does_not_hide_the_rest() {
    let folder = Folder::new();
    folder.file("a.log", flow(1, "a"));
    folder.file("b.log", b"BZh91AY&SY");
    folder.file("c.parquet", b"PAR1 and no more");
    let run = lookback(&["sql", COUNT, &folder.name(), "-o", "csv"]);
    assert!(run.err.contains("b.log: is compressed with bzip2"), "{}", run.err);
    assert!(run.err.contains("c.parquet: "), "{}", run.err);
    assert!(run.err.contains("2 of 3 inputs could not be read to the end"), "{}", run.err);
    assert_eq!(run.answer(), "flows\n1\n");
}

#[test]
fn a_parquet_file_gives_the_answers_of_the_log_it_was_made_of() {
    let folder = Folder::new();
    let mut writer = SegmentWriter::unordered(Vec::new()).unwrap();
    for node in ["node-a", "node-b"] {
        let log = fs::File::open(testdata(&format!("incident/{node}/events.log"))).unwrap();
        let mut chunks = Chunks::new(log).unwrap();
        let mut decoder = Decoder::new(Projection::all());
        while let Some(chunk) = chunks.next_chunk().unwrap() {
            chunk.lines().for_each(|(_, line, _)| decoder.line(line).unwrap());
        }
        writer.write(&decoder.finish().unwrap()).unwrap();
    }
    let archive = folder.file("incident.parquet", writer.finish(&SegmentInfo::default()).unwrap());
    for question in
        ["verdicts", "failure-causes", "service-map", "lost-events", "http-errors", "policy-denied", "coverage"]
    {
        let ask = |input: &str| lookback(&["ask", question, input, "-o", "csv", "-q"]).answer();
        let (from_log, from_archive) = (ask(&testdata("incident")), ask(&archive));
        assert!(from_log.lines().count() > 1, "{question}");
        assert_eq!(from_archive, from_log, "{question}");
    }
}

#[test]
fn long_lines_are_read_and_endless_ones_rejected() {
    let long = |length: usize| {
        flow(1, "a").replace("\"verdict\"", &format!("\"Summary\":\"{}\",\"verdict\"", "x".repeat(length)))
    };
    let folder = Folder::new();
    let file = folder.file("a.log", [flow(2, "a"), long(100_000), long(17 << 20), flow(3, "a")].concat());
    let run = lookback(&["sql", COUNT, &file, "-o", "csv"]);
    assert!(run.err.starts_with("read    4 lines of 1 input, 1 rejected: 1 too-long"), "{}", run.err);
    assert_eq!(run.answer(), "flows\n3\n");
}

#[test]
fn strict_fails_at_the_first_bad_line() {
    let folder = Folder::new();
    let file = folder.file("a.log", flow(1, "a") + "{\"flow\":\n" + "nothing\n");
    assert_eq!(lookback(&["ask", "verdicts", &file]).code, Some(0));
    let error = lookback(&["ask", "verdicts", &file, "--strict"]).error();
    assert_eq!(error, format!("{file}:2: the line ends in the middle of a value"));
    assert_eq!(lookback(&["ask", "verdicts", &testdata("incident"), "--strict"]).code, Some(0));
}

#[test]
fn rejects_keeps_each_bad_line_with_its_place_and_reason() {
    let folder = Folder::new();
    let kept = folder.path().join("rejects.ndjson").display().to_string();
    let log = testdata("hostile/events.log");
    let run = lookback(&["ask", "verdicts", &log, "--rejects", &kept]);
    let kept = fs::read_to_string(kept).unwrap();
    let found: BTreeMap<u64, String> = kept
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .inspect(|reject| assert_eq!(reject["input"], *log))
        .map(|reject| (reject["line"].as_u64().unwrap(), reject["reason"].as_str().unwrap().to_owned()))
        .collect();
    let expected: BTreeMap<u64, String> = fs::read_to_string(testdata("hostile/lines.tsv"))
        .unwrap()
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .filter(|fields| fields[1] == "bad")
        .map(|fields| (fields[0].parse().unwrap(), fields[2].to_owned()))
        .collect();
    assert_eq!(found, expected);
    assert!(run.err.contains(&format!(" {} rejected: ", expected.len())), "{}", run.err);
    // The text is kept, too.
    let lines = fs::read(&log).unwrap();
    let lines: Vec<&[u8]> = lines.split(|byte| *byte == b'\n').collect();
    for reject in kept.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let number = usize::try_from(reject["line"].as_u64().unwrap()).unwrap();
        assert_eq!(reject["text"], *String::from_utf8_lossy(lines[number - 1]), "line {number}");
    }
}

#[test]
fn a_log_is_not_written_over_by_its_rejects() {
    let folder = Folder::new();
    let file = folder.file("a.log", flow(1, "a") + "bad\n");
    let run = lookback(&["ask", "verdicts", &file, "--rejects", &file]);
    assert_eq!(run.error(), format!("{file}: is an input; the rejected lines would be written over it"));
    assert_eq!(count(&[&file]), 1);
}

#[test]
fn unknown_fields_are_named_once() {
    let line = |n| flow(n, "a").replace("\"verdict\"", "\"brand_new\":{\"x\":1},\"verdict\"");
    let folder = Folder::new();
    let file = folder.file("a.log", (1..=20).map(line).collect::<String>());
    let run = lookback(&["ask", "verdicts", &file, &testdata("compat")]);
    assert_eq!(run.err.matches("flow.brand_new").count(), 1, "{}", run.err);
    assert!(run.err.contains("flow.brand_new (20)"), "{}", run.err);
}

#[test]
fn inputs_that_are_not_there() {
    let folder = Folder::new();
    for (input, why) in [
        (testdata("nowhere.log"), "No such file or directory"),
        (folder.name(), "no flow log in this folder"),
        (folder.path().join("*.log").display().to_string(), "no file matches"),
    ] {
        // What is there is not answered alone.
        let error = lookback(&["ask", "verdicts", &testdata("incident"), &input]).error();
        assert!(error.starts_with(&format!("{input}: ")) && error.contains(why), "{error}");
    }
    let rejects = Path::new("/nonexistent/rejects").display().to_string();
    let error = lookback(&["ask", "verdicts", &testdata("incident"), "--rejects", &rejects]).error();
    assert!(error.starts_with("/nonexistent/rejects: cannot write the rejected lines there"), "{error}");
}
