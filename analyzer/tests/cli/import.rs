//! `import`: once, whole or not at all, whatever is in a log and whenever it is killed.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lookback_flow::archive::content::file_sha256;

use crate::archive::{archive, export, files, flows, import};
use crate::{Folder, command, flow, lookback};

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
fn an_archive_tells_the_logs_it_was_made_from_by_the_hashes_of_their_files() {
    let folder = Folder::new();
    let archive = archive(&folder);
    let mut logs = vec![("plain.log", flows(0..50).into_bytes())];
    let torn = flows(50..60);
    logs.push(("torn.log", torn[..torn.len() - 100].into()));
    // Of a line that is too long a part is passed over, and of a wrapped one a part is still to come.
    logs.push(("long.log", [flows(60..70).as_bytes(), "x".repeat(40 << 20).as_bytes(), b"\n"].concat()));
    let part = "2026-03-01T10:00:00.000000001Z stdout";
    logs.push(("wrapped.log", format!("{part} F {}{part} P {{\"fl\n", flows(70..71)).into_bytes()));
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(flows(80..90).as_bytes()).unwrap();
    logs.push(("packed.log.gz", gz.finish().unwrap()));
    let paths: Vec<String> = logs.into_iter().map(|(name, bytes)| folder.file(name, bytes)).collect();
    import(&paths.iter().map(String::as_str).collect::<Vec<_>>(), &archive);
    let records: String = files(&folder.path().join("archive/imports"), ".json")
        .into_iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for path in paths {
        let hash = file_sha256(Path::new(&path)).unwrap();
        assert!(records.contains(&hash), "{path}: {hash} in {records}");
    }
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
fn an_import_does_not_wait_for_another_one() {
    let folder = Folder::new();
    let archive = archive(&folder);
    let log = folder.file("a.log", flows(0..10));
    let mut first =
        command(&["import", "-", "-o", &archive]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = first.stdin.take().unwrap();
    // Once the pipe has taken more than it holds, the first import has begun to read.
    stdin.write_all(flows(100..2000).as_bytes()).unwrap();
    assert!(import(&[&log], &archive).err.contains("wrote   10 rows"));
    assert_eq!(export(&archive).len(), 10, "of the first one nothing is there before all is");
    drop(stdin);
    assert!(first.wait().unwrap().success());
    assert_eq!(export(&archive).len(), 1910);
}

#[test]
fn many_import_and_merge_at_once_and_no_line_is_lost_or_there_twice() {
    let folder = Folder::new();
    let archive = archive(&folder);
    let logs: Vec<String> = (0..8u32).map(|n| folder.file(format!("{n}.log"), flows(n * 500..(n + 1) * 500))).collect();
    assert_eq!(import(&[&logs[0]], &archive).code, Some(0));
    // Each log by two of them.
    let imports = logs[1..].iter().chain(&logs[1..]);
    let mut running: Vec<Child> = imports
        .map(|log| command(&["import", "-q", log, "-o", &archive]).stderr(Stdio::piped()).spawn().unwrap())
        .collect();
    while running.iter_mut().any(|child| child.try_wait().unwrap().is_none()) {
        assert!(export(&archive).len().is_multiple_of(500));
        assert_eq!(lookback(&["archive", "compact", &archive]).code, Some(0));
    }
    for child in running {
        let ended = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(ended.status.success() || told.contains("run this one again"), "{told}");
    }
    let mut exported = export(&archive);
    assert_eq!(exported.len(), 4000);
    exported.sort();
    exported.dedup();
    assert_eq!(exported.len(), 4000);
    let check = lookback(&["check", &archive]);
    assert!(!check.out.contains("no import made it") && !check.out.contains("is gone"), "{}", check.out);
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
