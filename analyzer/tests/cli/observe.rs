//! `observe`: as the hubble CLI filters and prints.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::archive::{archive, flows, import};
use crate::{Folder, command, flow, lookback, testdata};

/// The real CLI's output for many arguments. `LOOKBACK_GOLDEN` names their folder, as `.ci/run` does where it is there.
#[test]
fn the_real_cli_prints_the_same() {
    let Some(folder) = std::env::var_os("LOOKBACK_GOLDEN") else {
        eprintln!("LOOKBACK_GOLDEN is not set: not compared with the real CLI");
        return;
    };
    let folder = Path::new(&folder);
    let cases = fs::read_to_string(folder.join("cases.jsonl")).unwrap();
    let mut compared = 0;
    for case in cases.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let text = |key: &str| case[key].as_str().unwrap().to_owned();
        let args: Vec<&str> = case["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
        let input = folder.join(text("input")).display().to_string();
        let run = lookback(&[&["observe"], &args[..], &[&input]].concat());
        if case["exit"] == 0 {
            let expected = fs::read_to_string(folder.join(format!("out/{}.txt", text("id")))).unwrap();
            assert!(run.out == expected, "{args:?}:\n{}\nexpected:\n{expected}", run.out);
        } else {
            assert_ne!(run.code, Some(0), "{args:?}");
        }
        compared += 1;
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn several_files_are_merged_by_time_and_one_keeps_its_order() {
    let folder = Folder::new();
    let (late, early) = (folder.file("a.log", flows(5..7)), folder.file("b.log", flows(0..2)));
    let times = |args: &[&str]| -> Vec<String> {
        let run = lookback(&[&["observe", "--time-format", "RFC3339Nano"], args].concat());
        run.answer().lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };
    let merged = times(&[&late, &early]);
    assert!(merged.is_sorted() && merged.len() == 4, "{merged:?}");
    assert_eq!(times(&[&late, &early, "--sort", "file"]), [&merged[2..], &merged[..2]].concat());
    assert_eq!(times(&[&late, &early, "--last", "1"]), merged[3..]);
    assert_eq!(times(&[&late, &early, "--first", "3"]), merged[..3]);
    // Out of an archive, too.
    import(&[&late, &early], &archive(&folder));
    assert_eq!(times(&[&archive(&folder)]), merged);
}

#[test]
fn a_filter_that_makes_no_sense_is_told_before_anything_is_read() {
    for (args, word) in [
        (&["--from-ip", "1.2.3"][..], "source_ip"),
        (&["--label", "((("], "source_label"),
        (&["--http-path", "("], "http_path"),
        (&["--allowlist", r#"{"nope":1}"#], "nope"),
        (&["--not", "--not", "--reply"], "--not is given twice"),
        (&["--reply", "--not"], "--not stands at the end"),
        (&["--pod", "a", "--from-pod", "b"], "cannot be combined"),
    ] {
        let run = lookback(&[&["observe"], args, &["not-there.log"]].concat());
        assert!(run.code == Some(2) && run.err.contains(word) && run.out.is_empty(), "{args:?}: {}", run.err);
    }
}

#[test]
fn help_tells_what_it_is() {
    let help = lookback(&["observe", "--help"]).answer();
    assert!(help.starts_with("Print flows as `hubble observe` does"), "{help}");
}

#[test]
fn hostile_text_does_not_drive_a_terminal() {
    let folder = Folder::new();
    let line = r#"{"flow":{"time":"2026-03-01T10:00:00Z","verdict":"\u001b[2J","IP":{"source":"a\u001b]0;x\u0007","destination":"b\t\u202ec"},"Summary":"d\r\ne"}}"#;
    let log = folder.file("a.log", format!("{line}\n"));
    for format in ["compact", "dict", "table"] {
        let out = lookback(&["observe", &log, "-o", format]).answer();
        assert!(!out.contains(['\u{1b}', '\r', '\u{7}', '\u{202e}']), "{out:?}");
        assert!(out.contains("a^[]0;x"), "{out}");
    }
    let json = lookback(&["observe", &testdata("shop"), "-o", "json", "--first", "2"]).answer();
    assert_eq!(json.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count(), 2);
}

#[test]
fn of_an_archive_only_the_events_that_are_printed_are_read_and_they_are_the_same() {
    let folder = Folder::new();
    let archive = archive(&folder);
    let logs = testdata("shop");
    import(&[&logs], &archive);
    let json = |input: &str, args: &[&str]| -> Vec<String> {
        let run = lookback(&[&["observe", "-o", "json", "--sort", "time", input], args].concat());
        run.answer().lines().map(str::to_owned).collect()
    };
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    for filter in
        [&[][..], &["--verdict", "DROPPED"], &["--pod", "shop/"], &["--not", "--protocol", "dns", "--to-port", "53"]]
    {
        let all = json(&logs, filter);
        assert!(sorted(json(&archive, filter)) == sorted(all.clone()), "{filter:?}");
        let times = |lines: &[String]| -> Vec<String> {
            let time = |line: &String| {
                serde_json::from_str::<Value>(line).unwrap()["time"].as_str().unwrap().trim_end_matches('Z').to_owned()
            };
            lines.iter().map(time).collect()
        };
        assert!(times(&json(&archive, filter)).is_sorted(), "{filter:?}");
        for count in [1, 7, 100_000] {
            let number = count.to_string();
            let (first, last) = ([filter, &["--first", &number]].concat(), [filter, &["--last", &number]].concat());
            let first = json(&archive, &first);
            assert_eq!(times(&first), times(&all)[..count.min(all.len())], "{filter:?}");
            let last = json(&archive, &last);
            assert_eq!(times(&last), times(&all)[all.len().saturating_sub(count)..], "{filter:?}");
            assert!(first.iter().chain(&last).all(|line| all.contains(line)), "{filter:?}");
        }
    }
}

#[test]
fn what_is_passed_over_would_not_have_been_printed() {
    let folder = Folder::new();
    for logs in ["hostile", "compat", "incident", "wrapped"] {
        let logs = testdata(logs);
        for filter in [
            &["--verdict", "DROPPED"][..],
            &["--protocol", "dns"],
            &["--traffic-direction", "egress", "--not", "--protocol", "tcp"],
            &["--from-ip", "10.0.1.10"],
        ] {
            let args = [&["observe", "-o", "json", &logs][..], filter].concat();
            // With --rejects, every line is read whole.
            let rejects = folder.path().join("rejects").display().to_string();
            let whole = lookback(&[&args[..], &["--rejects", &rejects]].concat()).answer();
            assert!(lookback(&args).answer() == whole, "{args:?}");
        }
    }
}

/// A run that is followed, and ended with the test.
struct Following(Child, std::io::Lines<BufReader<std::process::ChildStdout>>);

impl Following {
    fn new(args: &[&str], stdin: Stdio) -> Self {
        let mut child = command(&[&["observe", "-f", "-o", "json"], args].concat())
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self(child, lines)
    }

    /// The seconds of the minute of the next events.
    #[track_caller]
    fn next(&mut self, count: usize) -> Vec<u32> {
        let second = |line: String| {
            let event: Value = serde_json::from_str(&line).unwrap();
            event["time"].as_str().unwrap()[17..19].parse().unwrap()
        };
        self.1.by_ref().take(count).map(|line| second(line.unwrap())).collect()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_log_is_followed_across_rotation() {
    let folder = Folder::new();
    let log = folder.file("events.log", flows(0..3) + &flow(3, "shop")[..40]);
    let append = |name: &str, text: &str| {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(folder.path().join(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    let mut following = Following::new(&[&log, "--last", "2", "--pod", "shop/"], Stdio::null());
    assert_eq!(following.next(2), [1, 2]);
    // The rest of a line, and what is not asked for.
    append("events.log", &(flow(3, "shop")[40..].to_owned() + &flow(4, "pay") + &flow(5, "shop")));
    assert_eq!(following.next(2), [3, 5]);
    // As an exporter rotates; something still comes into the old file.
    fs::rename(&log, folder.path().join("events-2026-03-01T10-00-00.000.log")).unwrap();
    append("events.log", &(flow(7, "shop") + &flow(7, "pay").repeat(5)));
    assert_eq!(following.next(1), [7]);
    append("events-2026-03-01T10-00-00.000.log", &flow(6, "shop"));
    assert_eq!(following.next(1), [6]);
    // As `copytruncate` of logrotate does.
    fs::write(&log, flow(8, "shop")).unwrap();
    append("events.log", &flow(9, "shop"));
    assert_eq!(following.next(2), [8, 9]);
    drop(following);

    // A folder, with a log that is new, and one that is compressed.
    let mut following = Following::new(&[&folder.name()], Stdio::null());
    assert_eq!(following.next(9).len(), 9);
    folder.file("events-2026-03-01T10-00-01.000.log.gz", [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
    folder.file("node-b/events.log", flows(20..22));
    assert_eq!(following.next(2), [20, 21]);
}

#[test]
fn a_pipe_is_followed_line_by_line() {
    let mut following = Following::new(&["-"], Stdio::piped());
    let mut pipe = following.0.stdin.take().unwrap();
    for second in [1, 2] {
        pipe.write_all(flow(second, "shop").as_bytes()).unwrap();
        assert_eq!(following.next(1), [second]);
    }
    drop(pipe);
    assert_eq!(following.0.wait().unwrap().code(), Some(0));
    let both = lookback(&["observe", "-f", "-", &testdata("shop")]);
    assert!(both.error().contains("followed alone"));
    assert!(lookback(&["observe", "-f", "-o", "table", &testdata("shop")]).error().contains("--follow"));
}

#[test]
fn agent_and_debug_events_are_printed_as_the_cli_does() {
    let folder = Folder::new();
    let agent = |kind: &str, content: &str| {
        format!(
            r#"{{"agent_event":{{"type":"{kind}",{content}}},"node_name":"node-b","time":"2026-03-01T10:00:10Z"}}{}"#,
            "\n"
        )
    };
    let debug = |content: &str| {
        format!(r#"{{"debug_event":{{{content}}},"node_name":"node-b","time":"2026-03-01T10:00:11Z"}}{}"#, "\n")
    };
    let log = folder.file(
        "events.log",
        [
            agent("POLICY_UPDATED", r#""policy_update":{"labels":["k8s:name=deny-db","a=b"],"revision":"7","rule_count":"1"}"#),
            agent("ENDPOINT_REGENERATE_FAILURE", r#""endpoint_regenerate":{"id":"5","labels":[],"error":"no \u001b[2J"}"#),
            agent("ENDPOINT_CREATED", r#""endpoint_update":{"id":"9","pod_name":"web-1","namespace":"shop"}"#),
            agent("IPCACHE_UPSERTED", r#""ipcache_update":{"cidr":"10.0.0.1/32","identity":5,"host_ip":"1.2.3.4"}"#),
            agent("SERVICE_UPSERTED", r#""service_upsert":{"id":3,"frontend_address":{"ip":"fd00::1","port":80},"backend_addresses":[{"ip":"10.0.0.1","port":8080},{"ip":"10.0.0.2","port":8080}],"name":"web"}"#),
            agent("SERVICE_DELETED", r#""policy_update":{}"#),
            debug(r#""type":"DBG_CT_LOOKUP","source":{"ID":101,"namespace":"shop","pod_name":"web-1"},"hash":3735928559,"cpu":1,"message":"Conntrack lookup""#),
            debug(r#""type":"DBG_ENCAP","source":{"ID":1,"labels":["reserved:host"]}"#),
            flow(0, "shop"),
        ]
        .concat(),
    );
    assert_eq!(
        lookback(&["observe", "agent-events", &log]).answer(),
        "\
Mar  1 10:00:10.000: POLICY_UPDATED (labels: [k8s:name=deny-db,a=b], revision: 7, count: 1)
Mar  1 10:00:10.000: ENDPOINT_REGENERATE_FAILURE (id: 5, labels: [], error: no ^[[2J)
Mar  1 10:00:10.000: ENDPOINT_CREATED (id: 9, namespace: shop, pod name: web-1)
Mar  1 10:00:10.000: IPCACHE_UPSERTED (cidr: 10.0.0.1/32, identity: 5, host ip: 1.2.3.4, encrypt key: 0)
Mar  1 10:00:10.000: SERVICE_UPSERTED (id: 3, frontend: [fd00::1]:80, backends: [10.0.0.1:8080,10.0.0.2:8080], name: web)
Mar  1 10:00:10.000: SERVICE_DELETED (UNKNOWN)
"
    );
    assert_eq!(
        lookback(&["observe", "debug-events", &log, "--print-node-name"]).answer(),
        "\
Mar  1 10:00:11.000 [node-b]: shop/web-1 (ID: 101) DBG_CT_LOOKUP MARK: 0xdeadbeef CPU: 01 (Conntrack lookup)
Mar  1 10:00:11.000 [node-b]: reserved:host (ID: 1) DBG_ENCAP MARK: N/A CPU: N/A ()
"
    );
    assert_eq!(
        lookback(&["observe", "agent-events", &log, "-o", "dict", "--last", "1"]).answer(),
        "  TIMESTAMP: Mar  1 10:00:10.000\n       TYPE: SERVICE_DELETED\n    DETAILS: UNKNOWN\n"
    );
    assert_eq!(
        lookback(&["observe", "debug-events", &log, "-o", "table", "--first", "1"]).answer(),
        "\
TIMESTAMP             FROM                      TYPE            CPU/MARK        MESSAGE
Mar  1 10:00:11.000   shop/web-1 (ID: 101)      DBG_CT_LOOKUP   01 0xdeadbeef   Conntrack lookup
"
    );
    assert_eq!(lookback(&["observe", "agent-events", &log, "-o", "json"]).answer().lines().count(), 6);
}

#[test]
fn parquet_holds_what_json_does_and_csv_harms_no_spreadsheet() {
    let folder = Folder::new();
    let (logs, file) = (testdata("shop"), folder.path().join("flows.parquet"));
    let out = command(&["observe", &logs, "-o", "parquet"]).output().unwrap();
    fs::write(&file, out.stdout).unwrap();
    let json = |input: &str| lookback(&["observe", input, "-o", "json"]).answer();
    assert_eq!(json(&file.display().to_string()), json(&logs));

    let log = folder.file("a.log", flow(0, "=1+1,\"x\""));
    let csv = lookback(&["observe", &log, "-o", "csv"]).answer();
    let (header, row) = csv.trim_end().split_once('\n').unwrap();
    let fields =
        csv::ReaderBuilder::new().has_headers(false).from_reader(row.as_bytes()).records().next().unwrap().unwrap();
    assert_eq!(fields.len(), header.split(',').count());
    let namespace = header.split(',').position(|name| name == "source_namespace").unwrap();
    assert_eq!(&fields[namespace], "'=1+1,\"x\"");
}
