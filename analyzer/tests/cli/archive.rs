//! Questions asked of an archive, `export` and `archive stats`.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::{Folder, Run, flow, lookback, testdata};

pub(crate) fn archive(folder: &Folder) -> String {
    folder.path().join("archive").display().to_string()
}

pub(crate) fn import(inputs: &[&str], archive: &str) -> Run {
    lookback(&[&["import"], inputs, &["-o", archive]].concat())
}

/// The lines of an archive.
#[track_caller]
pub(crate) fn export(archive: &str) -> Vec<String> {
    lookback(&["export", archive, "-q"]).answer().lines().map(str::to_owned).collect()
}

pub(crate) fn flows(seconds: impl IntoIterator<Item = u32>) -> String {
    seconds.into_iter().map(|second| flow(second, "shop")).collect()
}

/// Files below a folder with this ending.
pub(crate) fn files(folder: &Path, ending: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.display().to_string().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn what_an_exporter_wrote_comes_out_byte_for_byte() {
    let folder = Folder::new();
    for logs in ["shop", "incident", "compat", "wrapped"] {
        let archive = folder.path().join(logs.replace('/', "-")).display().to_string();
        assert_eq!(import(&[&testdata(logs)], &archive).code, Some(0));
        let mut lines = export(&archive);
        // Compatible spellings come out as an exporter writes them; straight from the log they do so, too.
        let mut expected: Vec<String> =
            lookback(&["export", &testdata(logs), "-q"]).answer().lines().map(str::to_owned).collect();
        assert_eq!(lines, expected, "{logs}");
        if matches!(logs, "shop" | "incident") {
            let text = |path: std::path::PathBuf| {
                let run = Command::new("gzip").arg("-dcf").arg(path).output().unwrap();
                String::from_utf8(run.stdout).unwrap()
            };
            let logs = testdata(logs);
            let mut sources = files(Path::new(&logs), ".log");
            sources.extend(files(Path::new(&logs), ".gz"));
            expected = sources.into_iter().map(text).collect::<String>().lines().map(str::to_owned).collect();
            lines.sort();
            expected.sort();
            assert_eq!(lines, expected);
        }
    }
}

#[test]
fn real_flows_come_out_equal_in_meaning() {
    let Ok(real) = std::env::var("LOOKBACK_REAL_DATA") else {
        eprintln!("LOOKBACK_REAL_DATA is not set: no real flows to try");
        return;
    };
    let folder = Folder::new();
    assert_eq!(import(&[&real], &archive(&folder)).code, Some(0));
    let parse = |lines: &[String]| -> Vec<String> {
        let mut values: Vec<String> =
            lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap().to_string()).collect();
        values.sort();
        values
    };
    let direct: Vec<String> = lookback(&["export", &real, "-q"]).answer().lines().map(str::to_owned).collect();
    assert!(direct.len() > 100, "{} lines", direct.len());
    assert_eq!(parse(&export(&archive(&folder))), parse(&direct));
}

#[test]
fn a_node_that_is_silent_in_the_hours_read_is_told() {
    let folder = Folder::new();
    let other = |second: u32| flow(second, "shop").replace("node-a", "node-b");
    let lines: String = (0..180u32).map(|minute| flow(minute * 60, "shop")).collect();
    let silent: String = (0..30u32).map(|minute| other(minute * 60)).collect();
    let log = folder.file("a.log", lines + &silent);
    assert_eq!(import(&[&log], &archive(&folder)).code, Some(0));
    let ask = |input: &str| lookback(&["ask", "verdicts", input, "--last", "10m"]).err;
    assert!(ask(&log).contains("node-b was silent"));
    let run = ask(&archive(&folder));
    assert!(run.contains("node-b observed nothing in the hours that were read"), "{run}");
}

#[test]
fn files_of_a_later_version_are_told_of_by_every_command() {
    let folder = Folder::new();
    let newer = testdata("compat-parquet/schema-3.parquet");
    let word = "written by a later version";
    assert!(lookback(&["export", &newer, "-o", &folder.path().join("x").display().to_string()]).err.contains(word));
    assert!(import(&[&newer], &archive(&folder)).err.contains(word));
    assert!(lookback(&["check", &newer]).out.contains("newer-schema"));
}

#[test]
fn export_tells_what_it_could_not_read_and_writes_whole_files() {
    let folder = Folder::new();
    let run = lookback(&["export", &testdata("hostile"), "-o", &folder.path().join("x.log").display().to_string()]);
    assert!(run.err.contains("73 rejected: "), "{}", run.err);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    let log = folder.file("a.log", flows(0..10));
    assert_eq!(import(&[&log], &archive(&folder)).code, Some(0));
    let within = lookback(&["export", &archive(&folder), "-o", &format!("{}/x.log", archive(&folder))]);
    assert!(within.error().contains("is an input, or within one"));
    // What is no file is written to as it is.
    assert_eq!(lookback(&["export", &log, "-q", "-o", "/dev/null"]).code, Some(0));
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn an_archive_and_logs_answer_together() {
    let folder = Folder::new();
    let (old, new) = (folder.file("old.log", flows(0..5000)), folder.file("new.log", flows(5000..9000)));
    assert_eq!(import(&[&old], &archive(&folder)).code, Some(0));
    let query = "SELECT CAST(count(*) AS BIGINT) AS n FROM flows";
    let ask = |inputs: &[&str], more: &[&str]| lookback(&[&["sql", query], inputs, &["-o", "csv"], more].concat());
    let (archive, name) = (archive(&folder), folder.name());
    assert_eq!(ask(&[&archive, &new], &[]).answer(), "n\n9000\n");
    assert_eq!(ask(&[&archive, &new], &["--last", "2h"]).answer(), "n\n7201\n");
    // A folder that holds an archive and logs: the old lines are there twice.
    let both = ask(&[&name], &[]);
    assert_eq!(both.answer(), "n\n14000\n");
    let _ = old;
}

#[test]
fn what_cannot_hold_an_answer_is_skipped_and_told() {
    let folder = Folder::new();
    let log = folder.file("a.log", flows((0..24).flat_map(|hour| (0..60).map(move |n| hour * 3600 + n))));
    assert_eq!(import(&[&log], &archive(&folder)).code, Some(0));
    let archive = archive(&folder);
    let query = "SELECT CAST(count(*) AS BIGINT) AS n FROM flows WHERE source_pod = 'web'";
    let explain = lookback(&["sql", query, &archive, "--last", "90m", "--explain"]).answer();
    assert!(explain.contains("-- skipped: 22 of 24 files;"), "{explain}");
    let run = lookback(&["sql", query, &archive, "--last", "90m", "-o", "csv"]);
    assert!(run.err.contains("archive 120 rows of 2 of 24 files"), "{}", run.err);
    assert_eq!(run.answer(), "n\n120\n");
    let none = lookback(&["sql", &query.replace("'web'", "'nobody'"), &archive, "-o", "json"]).answer();
    let none: Value = serde_json::from_str(&none).unwrap();
    assert_eq!(none["rows"][0]["n"], 0);
    assert_eq!(
        (&none["evidence"]["files"]["row_groups_skipped"], &none["evidence"]["files"]["rows_skipped"]),
        (&24.into(), &1440.into())
    );
    // What is not read is not forgotten: the evidence is of the files.
    assert_eq!(none["evidence"]["events"]["flow"], 1440);
}

#[test]
fn losses_reported_after_the_window_are_told_from_an_archive_too() {
    let folder = Folder::new();
    let lost = r#"{"lost_events":{"source":"HUBBLE_RING_BUFFER","num_events_lost":"7","first":"2026-03-01T00:59:58Z","last":"2026-03-01T01:00:01Z"},"node_name":"node-a","time":"2026-03-01T01:00:02Z"}"#;
    let log = folder.file("a.log", flows((0..120).map(|n| n * 60)) + lost + "\n");
    assert_eq!(import(&[&log], &archive(&folder)).code, Some(0));
    let ask = |input: &str| {
        let window = ["--since", "2026-03-01T00:00:00Z", "--until", "2026-03-01T00:59:59Z"];
        lookback(&[&["ask", "lost-events", input, "-o", "csv"], &window[..]].concat())
    };
    let (from_log, from_archive) = (ask(&log), ask(&archive(&folder)));
    for run in [&from_log, &from_archive] {
        assert!(run.err.contains("7 events were lost in this time (1 reports)"), "{}", run.err);
    }
    assert_eq!(from_archive.answer(), from_log.answer());
}

#[test]
fn export_keeps_to_a_window_and_compresses() {
    let folder = Folder::new();
    let log = folder.file("a.log", flows((0..100).map(|n| n * 60)));
    assert_eq!(import(&[&log], &archive(&folder)).code, Some(0));
    let archive = archive(&folder);
    let lines =
        lookback(&["export", &archive, "-q", "--since", "2026-03-01T00:30:00Z", "--until", "2026-03-01T01:10:00Z"]);
    assert_eq!(lines.answer(), flows((30..=70).map(|n| n * 60)));
    for (name, tool) in [("out.log", "cat"), ("out.log.gz", "zcat"), ("out.log.zst", "zstdcat")] {
        let out = folder.path().join(name);
        assert_eq!(lookback(&["export", &archive, "-o", &out.display().to_string()]).code, Some(0));
        let Ok(run) = Command::new(tool).arg(&out).output() else { continue };
        assert_eq!(String::from_utf8(run.stdout).unwrap(), flows((0..100).map(|n| n * 60)), "{name}");
    }
    let onto = lookback(&["export", &archive, "-o", &format!("{archive}/imports/00000001.json")]);
    assert!(onto.error().contains("is an input"));
}

#[test]
fn stats_add_up() {
    let folder = Folder::new();
    assert_eq!(import(&[&testdata("shop"), &testdata("incident")], &archive(&folder)).code, Some(0));
    let archive = archive(&folder);
    let stats: Value = serde_json::from_str(&lookback(&["archive", "stats", &archive, "-o", "json"]).answer()).unwrap();
    let sum = |of: &str, what: &str| {
        stats[of].as_object().unwrap().values().map(|share| share[what].as_u64().unwrap()).sum::<u64>()
    };
    let on_disk: u64 = files(Path::new(&archive), ".parquet").iter().map(|path| path.metadata().unwrap().len()).sum();
    let total = &stats["total"];
    assert_eq!((&total["rows"], &total["files"], &total["bytes"]), (&346.into(), &4.into(), &on_disk.into()));
    assert_eq!((sum("nodes", "rows"), sum("days", "rows"), sum("days", "bytes")), (346, 346, on_disk));
    let columns: u64 = stats["columns"].as_object().unwrap().values().map(|bytes| bytes.as_u64().unwrap()).sum();
    assert_eq!(columns + stats["overhead"].as_u64().unwrap(), on_disk);
    let text = lookback(&["archive", "stats", &archive]).answer();
    assert!(
        text.contains("node-b") && text.contains("2026-03-01") && text.contains("footers, indexes, filters"),
        "{text}"
    );
    assert!(lookback(&["archive", "stats", &testdata("shop")]).error().contains("no archive"));
}

#[test]
fn files_of_other_schema_versions_are_read() {
    let compat = testdata("compat");
    let logs = ["1.19.log", "1.15.log", "unknown.log", "1.10.log"].map(|name| format!("{compat}/{name}"));
    let direct = |query: &str| {
        let inputs: Vec<&str> = logs.iter().map(String::as_str).collect();
        lookback(&[&["sql", query], &inputs[..], &["-q", "-o", "csv"]].concat()).answer()
    };
    let query =
        "SELECT kind, uuid, time_ns, client, verdict, drop_reason_desc FROM events ORDER BY kind, time_ns, uuid";
    for version in ["schema-1", "schema-3"] {
        let file = testdata(&format!("compat-parquet/{version}.parquet"));
        let run = lookback(&["sql", query, &file, "-o", "csv"]);
        assert_eq!(run.err.contains("written by a later version"), version == "schema-3", "{}", run.err);
        assert_eq!(run.err.contains("moon_phase"), version == "schema-3", "{}", run.err);
        assert_eq!(run.answer(), direct(query), "{version}");
        let mut exported = lookback(&["export", &file, "-q"]).answer().lines().map(str::to_owned).collect::<Vec<_>>();
        let mut expected: Vec<String> = logs
            .iter()
            .flat_map(|log| fs::read_to_string(log).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        exported.sort();
        expected.sort();
        assert_eq!(exported, expected, "{version}");
    }
}
