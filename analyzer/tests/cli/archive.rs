//! `import`, `export` and `archive stats`, and questions asked of an archive.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{Folder, Run, command, flow, lookback, testdata};

fn archive(folder: &Folder) -> String {
    folder.path().join("archive").display().to_string()
}

fn import(inputs: &[&str], archive: &str) -> Run {
    lookback(&[&["import"], inputs, &["-o", archive]].concat())
}

/// The lines of an archive.
#[track_caller]
fn export(archive: &str) -> Vec<String> {
    lookback(&["export", archive, "-q"]).answer().lines().map(str::to_owned).collect()
}

fn flows(seconds: impl IntoIterator<Item = u32>) -> String {
    seconds.into_iter().map(|second| flow(second, "shop")).collect()
}

/// Files below a folder with this ending.
fn files(folder: &Path, ending: &str) -> Vec<std::path::PathBuf> {
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
fn the_same_log_is_imported_once_under_whatever_name() {
    let folder = Folder::new();
    let archive = archive(&folder);
    let log = folder.file("node-a/events.log", flows(0..50));
    assert!(import(&[&log], &archive).err.contains("wrote   50 rows"));
    let again = import(&[&log], &archive);
    assert!(again.err.contains("events.log: is in the archive already"), "{}", again.err);
    assert!(again.err.contains("wrote   0 rows"), "{}", again.err);
    // As the rotation renames and compresses it, and twice in one import.
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(flows(0..50).as_bytes()).unwrap();
    let renamed = folder.file("events-2026-03-01T00-01-00.000.log.gz", gz.finish().unwrap());
    let other = folder.file("b.log", flows(100..110));
    let copy = folder.file("c.log", flows(100..110));
    let run = import(&[&renamed, &other, &copy], &archive);
    assert!(run.err.contains("wrote   10 rows"), "{}", run.err);
    assert_eq!(export(&archive).len(), 60);
    assert!(lookback(&["import", &log, "-o", &archive, "--again"]).err.contains("wrote   50 rows"));
    assert_eq!(export(&archive).len(), 110);
}

#[test]
fn an_archive_among_the_logs_is_not_imported_into_itself() {
    let folder = Folder::new();
    folder.file("a.log", flows(0..10));
    for rows in [10, 0, 0] {
        let run = import(&[&folder.name()], &archive(&folder));
        assert!(run.err.contains(&format!("wrote   {rows} rows")), "{}", run.err);
    }
    // Another archive is an input like any other, and known when it comes again.
    let other = folder.path().join("other").display().to_string();
    assert!(import(&[&archive(&folder)], &other).err.contains("wrote   10 rows"));
    assert!(import(&[&archive(&folder)], &other).err.contains("wrote   0 rows"));
    assert_eq!(export(&other), export(&archive(&folder)));
}

#[test]
fn of_a_log_that_has_grown_only_what_is_new_is_imported() {
    let folder = Folder::new();
    let archive = archive(&folder);
    let whole = flows(0..100);
    // While the exporter writes: up to the middle of a line, to the end of one, to its last byte.
    for end in [
        whole.len() / 3,
        whole.len() / 2,
        whole[..whole.len() - 300].rfind('\n').unwrap() + 1,
        whole.len() - 1,
        whole.len(),
    ] {
        let log = folder.file("events.log", &whole[..end]);
        assert_eq!(import(&[&log], &archive).code, Some(0));
        let expected = whole[..end].lines().filter(|line| line.ends_with("Z\"}")).count();
        assert_eq!(export(&archive).len(), expected, "up to byte {end}");
    }
    assert_eq!(export(&archive).join("\n") + "\n", whole);
    // A container log, between two parts of a line.
    let line = flow(500, "shop");
    let (begin, end) = line.split_at(50);
    let begin = format!("2026-03-01T10:00:00Z stdout F {}2026-03-01T10:00:00Z stdout P {begin}\n", flow(499, "shop"));
    let cri = folder.file("0.log", &begin);
    assert!(import(&[&cri], &archive).err.contains("wrote   1 rows"));
    folder.file("0.log", begin + "2026-03-01T10:00:00Z stdout F " + end);
    assert!(import(&[&cri], &archive).err.contains("wrote   1 rows"));
    assert_eq!(export(&archive).len(), 102);
    // A new file with the old name is another log.
    let log = folder.file("events.log", flows(1000..1010));
    assert!(import(&[&log], &archive).err.contains("wrote   10 rows"));
}

#[test]
fn a_line_that_is_too_long_counts_the_same_when_its_log_has_grown() {
    let folder = Folder::new();
    let archive = archive(&folder);
    let endless = "x".repeat(40 << 20) + "\n";
    let log = folder.file("a.log", flows(0..1) + &endless + &flows(1..10));
    assert!(import(&[&log], &archive).err.contains("wrote   10 rows"));
    folder.file("a.log", flows(0..1) + &endless + &flows(1..11));
    assert!(import(&[&log], &archive).err.contains("wrote   1 rows"));
    assert_eq!(export(&archive).join("\n") + "\n", flows(0..11));
}

#[test]
fn a_damaged_parquet_file_is_imported_as_far_as_it_goes_and_once() {
    let folder = Folder::new();
    let log = folder.file("a.log", flows(0..40_000));
    assert_eq!(import(&[&log], &archive(&folder)).code, Some(0));
    let file = files(&folder.path().join("archive"), ".parquet").remove(0);
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle..middle + 200].fill(0xff);
    let damaged = folder.file("damaged.parquet", bytes);
    let other = folder.path().join("other").display().to_string();
    let first = import(&[&damaged], &other);
    assert!(first.err.contains("warning "), "{}", first.err);
    let rows = export(&other).len();
    assert!(rows < 40_000);
    assert!(import(&[&damaged], &other).err.contains("is in the archive already"));
    assert_eq!(export(&other).len(), rows);
}

#[test]
fn a_log_in_which_there_is_nothing_leaves_no_record() {
    let folder = Folder::new();
    let log = folder.file("empty.log", "");
    for _ in 0..2 {
        assert_eq!(import(&[&log], &archive(&folder)).code, Some(0));
    }
    assert!(files(&folder.path().join("archive"), ".json").is_empty());
}

#[test]
fn what_is_not_an_archive_s_own_is_never_removed() {
    let folder = Folder::new();
    let log = folder.file("a.log", flows(0..10));
    let thesis = folder.file("archive/importing/thesis.txt", "ten years");
    assert_eq!(import(&[&log], &archive(&folder)).code, Some(0));
    assert_eq!(fs::read_to_string(thesis).unwrap(), "ten years");
    let onto = import(&[&log], &folder.file("a.txt", "text"));
    assert!(onto.error().contains("no archive"));
}

#[test]
fn a_log_of_odd_times_and_names_takes_few_files_and_loses_nothing() {
    let folder = Folder::new();
    let line = |n: u32| {
        let day = 1 + n * 7919 % 28;
        flow(n % 86_400, "shop")
            .replace("2026-03-01", &format!("20{:02}-{:02}-{day:02}", 10 + n % 60, 1 + n % 12))
            .replace("node-a", &format!("node-{n}"))
    };
    let lines: String = (0..1500).map(line).collect();
    assert_eq!(import(&[&folder.file("a.log", &lines)], &archive(&folder)).code, Some(0));
    let mut exported = export(&archive(&folder));
    let mut expected: Vec<String> = lines.lines().map(str::to_owned).collect();
    exported.sort();
    expected.sort();
    assert!(exported == expected, "{} lines of {}", exported.len(), expected.len());
    let count = files(&folder.path().join("archive"), ".parquet").len();
    assert!(count < 600, "{count} files");
    // What has no folder of its own is found by its time all the same.
    let query = "SELECT CAST(count(*) AS BIGINT) AS n FROM flows";
    let of_2015 = ["-q", "-o", "csv", "--since", "2015-01-01", "--until", "2016-01-01"];
    let ask = |input: &str| lookback(&[&["sql", query, input], &of_2015[..]].concat()).answer();
    assert_eq!(ask(&archive(&folder)), ask(&folder.path().join("a.log").display().to_string()));
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

#[test]
fn two_imports_do_not_write_at_once() {
    let folder = Folder::new();
    let archive = archive(&folder);
    let log = folder.file("a.log", flows(0..10));
    let mut first =
        command(&["import", "-", "-o", &archive]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = first.stdin.take().unwrap();
    // Once the pipe has taken more than it holds, the first import has begun to read.
    stdin.write_all(flows(100..2000).as_bytes()).unwrap();
    assert!(import(&[&log], &archive).error().contains("another import is writing"));
    drop(stdin);
    assert!(first.wait().unwrap().success());
    assert!(import(&[&log], &archive).err.contains("wrote   10 rows"));
    assert_eq!(export(&archive).len(), 1910);
}

/// Kills imports at moments spread over the time that they take, and looks at what they leave behind.
#[test]
fn an_import_that_is_killed_leaves_whole_files_and_is_completed_by_the_next() {
    let folder = Folder::new();
    let line = |node: u32, second: u32| flow(second, "shop").replace("node-a", &format!("node-{node}"));
    let mut expected = Vec::new();
    let mut logs = Vec::new();
    for log in 0..3u32 {
        let lines: Vec<String> = (0..400).map(|n| line(n % 3, log * 3600 + n)).collect();
        expected.extend(lines.iter().map(|line| line.trim_end().to_owned()));
        logs.push(folder.file(format!("{log}.log"), lines.concat()));
    }
    let reference = folder.path().join("reference").display().to_string();
    let mut whole = Duration::MAX;
    for log in &logs {
        let start = Instant::now();
        assert_eq!(import(&[log], &reference).code, Some(0));
        whole = whole.min(start.elapsed());
    }
    assert_eq!(export(&reference), expected);

    let mut random = 1u32;
    let mut killed = 0;
    for round in 0.. {
        let archive = folder.path().join(format!("archive-{round}")).display().to_string();
        for log in &logs[..2] {
            let start = Instant::now();
            let mut child = command(&["import", "-q", log, "-o", &archive]).stderr(Stdio::null()).spawn().unwrap();
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            wait(whole * (random >> 16) / (1 << 16));
            let _ = child.kill();
            if child.wait().unwrap().success() {
                whole = whole.min(start.elapsed());
            } else {
                killed += 1;
            }
            // What is there is whole logs, each once, in whole files.
            if Path::new(&archive).join("flows").is_dir() {
                let lines = export(&archive);
                assert!(lines.len().is_multiple_of(400), "{} lines", lines.len());
                let mut unique = lines.clone();
                unique.dedup();
                assert_eq!(unique.len(), lines.len());
            }
            for file in files(&Path::new(&archive).join("flows"), "") {
                let run = lookback(&["export", "-q", &file.display().to_string()]);
                assert_eq!(run.code, Some(0), "{}: {}", file.display(), run.err);
            }
        }
        let all: Vec<&str> = logs.iter().map(String::as_str).collect();
        assert_eq!(import(&all, &archive).code, Some(0));
        assert_eq!(export(&archive), expected, "round {round}");
        assert_eq!(files(&Path::new(&archive).join("importing"), "").len(), 1, "the lock alone");
        if killed >= 100 {
            break;
        }
        assert!(round < 400, "imports end before they can be killed: {killed} of {round} rounds were");
    }
}

/// Waits without giving the processor away for longer than asked.
fn wait(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

#[test]
fn a_full_disk_is_one_error_and_leaves_no_half_file() {
    let folder = Folder::new();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let log = folder.file("a.log", flows(0..20_000));
    // In a mount namespace of its own, so that nothing is left mounted.
    let script = r#"mount -t tmpfs -o size=128k none "$1" && { "$2" import "$3" -o "$1/archive"; echo "code $?"; find "$1" -type f -size +0; }"#;
    let mut unshare = Command::new("unshare");
    let binary = env!("CARGO_BIN_EXE_lookback");
    unshare.args(["-m", "sh", "-c", script, "sh"]).arg(&disk).args([binary, &log]);
    let output = unshare.output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    if !out.contains("code ") {
        eprintln!("this machine does not allow a file system of one's own: {err}");
        return;
    }
    assert_eq!(out, "code 2\n", "what is left: {out}{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(err.contains("No space left on device"), "{err}");
}
