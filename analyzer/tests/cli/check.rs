//! `check`: what makes evidence less than whole is found, and nothing else is.

use std::fs;

use serde_json::Value;

use crate::{Folder, Run, flow, lookback, testdata};

/// A log in which nothing is missing: a flow every minute.
fn whole() -> String {
    (0..30).map(|minute| flow(minute * 60, "shop")).collect()
}

fn check(inputs: &[&str]) -> (Run, Vec<String>) {
    let json = lookback(&[&["check", "-o", "json"], inputs].concat());
    let told: Value = serde_json::from_str(&json.out).unwrap_or_else(|_| panic!("{}", json.err));
    let kinds = told["findings"].as_array().unwrap().iter().map(|finding| finding["kind"].as_str().unwrap().to_owned());
    (lookback(&[&["check"], inputs].concat()), kinds.collect())
}

/// The kinds of findings in a log with these lines besides.
fn kinds(lines: &str) -> Vec<String> {
    let folder = Folder::new();
    let (run, mut kinds) = check(&[&folder.file("a.log", whole() + lines)]);
    assert_eq!(run.code, Some(i32::from(!kinds.is_empty())), "{}", run.out);
    kinds.dedup();
    kinds
}

#[test]
fn a_whole_log_has_no_findings() {
    let folder = Folder::new();
    let log = folder.file("a.log", full(&whole()));
    let (run, kinds) = check(&[&log]);
    assert_eq!(kinds, Vec::<String>::new(), "{}", run.out);
    assert!(run.out.ends_with("Nothing is known to be missing.\n"), "{}", run.out);
    assert!(run.out.contains("node-a: 30 events, 2026-03-01T00:00:00Z to 2026-03-01T00:29:00Z"), "{}", run.out);
    assert_eq!(run.code, Some(0));
    let archive = folder.path().join("archive").display().to_string();
    assert_eq!(lookback(&["import", &log, "-o", &archive]).code, Some(0));
    let (run, kinds) = check(&[&archive]);
    assert_eq!(kinds, Vec::<String>::new(), "{}", run.out);
    assert!(run.out.contains("1 of 1 file as imported"), "{}", run.out);
}

/// With the messages that a flow usually has.
fn full(lines: &str) -> String {
    lines.replace(r#""source":{"#, r#""IP":{"source":"10.0.0.1","destination":"10.0.0.2","ipVersion":"IPv4"},"event_type":{"type":4},"destination":{},"source":{"#)
}

fn kinds_of_full(lines: &str) -> Vec<String> {
    let folder = Folder::new();
    let (run, mut kinds) = check(&[&folder.file("a.log", full(&whole()) + lines)]);
    assert_eq!(run.code, Some(i32::from(!kinds.is_empty())), "{}", run.out);
    kinds.dedup();
    kinds
}

#[test]
fn each_thing_that_is_wrong_is_found() {
    let at = |second: u32| full(&flow(second, "shop"));
    let lost = r#"{"lost_events":{"source":"HUBBLE_RING_BUFFER","num_events_lost":"7"},"node_name":"node-a","time":"2026-03-01T00:10:00Z"}"#;
    assert_eq!(kinds_of_full(lost), ["lost-events"]);
    assert_eq!(kinds_of_full("half a li"), ["rejected-lines"]);
    assert_eq!(kinds_of_full(&at(600)), ["duplicates"]);
    assert_eq!(kinds_of_full(&at(3600)), ["silence"]);
    assert_eq!(kinds_of_full(r#"{"flow":{"verdict":"DROPPED"}}"#), ["without-time", "masked"]);
    let aggregated = r#"{"flow":{"time":"2026-03-01T00:10:00Z","node_name":"node-a","aggregate":{"egress_flow_count":12}},"node_name":"node-a","time":"2026-03-01T00:10:00Z"}"#;
    assert_eq!(kinds_of_full(aggregated), ["aggregated"]);
    assert_eq!(kinds(""), ["masked"], "no flow has addresses or an event type");
}

#[test]
fn signs_of_filters_and_masks_are_found() {
    let flows = |replace: &dyn Fn(u32, String) -> String| -> String {
        (0..200).map(|n| replace(n, full(&flow(n, if n % 2 == 0 { "shop" } else { "pay" })))).collect()
    };
    let found = |lines: String| {
        let folder = Folder::new();
        let (run, kinds) = check(&[&folder.file("a.log", lines)]);
        (kinds, run.out)
    };
    assert_eq!(found(flows(&|_, line| line)).0, Vec::<String>::new());
    let dropped = found(flows(&|_, line| line.replace("FORWARDED", "DROPPED")));
    assert_eq!(dropped.0, ["filtered"], "{}", dropped.1);
    let ingress = found(flows(&|_, line| line.replace("\"verdict\"", "\"traffic_direction\":\"INGRESS\",\"verdict\"")));
    assert_eq!(ingress.0, ["filtered"], "{}", ingress.1);
    let namespace = found(flows(&|_, line| line.replace("\"pay\"", "\"shop\"")));
    assert!(namespace.1.contains("every flow has an end in namespace shop"), "{}", namespace.1);
    // A mask of `l4.TCP.destination_port`, and what it does to a flow that is none of TCP's.
    let port = found(flows(&|_, line| {
        line.replace("\"source\":{\"name", "\"l4\":{\"TCP\":{\"destination_port\":443}},\"source\":{\"name")
    }));
    assert_eq!(port.0, ["oneof-mask-leak"], "{}", port.1);
    let whole = found(flows(&|n, line| {
        let flags = if n % 9 == 0 { "" } else { ",\"flags\":{\"ACK\":true}" };
        line.replace(
            "\"source\":{\"name",
            &format!(
                "\"l4\":{{\"TCP\":{{\"source_port\":{},\"destination_port\":443{flags}}}}},\"source\":{{\"name",
                n + 1
            ),
        )
    }));
    assert_eq!(whole.0, Vec::<String>::new(), "{}", whole.1);
    let l7 = found(flows(&|n, line| {
        if n % 50 == 0 {
            line.replace("\"event_type\"", "\"Type\":\"L3_L4\",\"l7\":{\"type\":\"RESPONSE\",\"http\":{\"code\":503,\"method\":\"GET\",\"url\":\"/\"}},\"event_type\"")
        } else {
            line
        }
    }));
    assert_eq!(l7.0, ["oneof-mask-leak"], "{}", l7.1);
}

#[test]
fn disorder_and_versions_are_told() {
    let folder = Folder::new();
    let (run, _) = check(&[&folder.file("a.log", flow(60, "shop") + &flow(58, "shop") + &flow(61, "shop"))]);
    assert!(run.out.contains("1 line stood after a later one, by up to 2.000s"), "{}", run.out);
    let (run, _) = check(&[&testdata("compat/1.19.log")]);
    assert!(run.out.contains("flows made by 1.19.3+g00000000; Cilium 1.19 or later, by "), "{}", run.out);
    let (run, _) = check(&[&testdata("compat/1.9.json")]);
    assert!(run.out.contains("versions  unknown"), "{}", run.out);
}

#[test]
fn an_archive_that_was_changed_is_found() {
    let folder = Folder::new();
    let archive = folder.path().join("archive").display().to_string();
    let logs: Vec<String> = (0..3)
        .map(|hour| folder.file(format!("{hour}.log"), full(&whole()).replace("T00:", &format!("T0{hour}:"))))
        .collect();
    logs.iter().for_each(|log| assert_eq!(lookback(&["import", "-q", log, "-o", &archive]).code, Some(0)));
    let file = |hour: u32| {
        let folder = folder.path().join(format!("archive/flows/date=2026-03-01/hour=0{hour}"));
        fs::read_dir(folder).unwrap().next().unwrap().unwrap().path()
    };
    // One byte of a page, a file that is gone, one that nobody imported.
    let mut bytes = fs::read(file(0)).unwrap();
    bytes[100] ^= 1;
    fs::write(file(0), bytes).unwrap();
    fs::copy(file(1), file(1).with_file_name("node-b-20260301T010000Z-00000009.parquet")).unwrap();
    fs::remove_file(file(2)).unwrap();
    let (run, kinds) = check(&[&archive]);
    assert_eq!(run.code, Some(1));
    for kind in ["changed-file", "unknown-file", "missing-file", "duplicates"] {
        assert!(kinds.iter().any(|found| found == kind), "{kind} in {kinds:?}");
    }
    assert!(run.out.contains("is gone, with 30 rows"), "{}", run.out);
}

#[test]
fn lines_of_a_log_and_of_its_archive_are_duplicates() {
    let folder = Folder::new();
    let archive = folder.path().join("archive").display().to_string();
    let log = folder.file("a.log", whole() + &flow(3600, "shop"));
    assert_eq!(lookback(&["import", "-q", &log, "-o", &archive]).code, Some(0));
    let (run, _) = check(&[&archive, &log]);
    assert!(run.out.contains("duplicates       31 lines"), "{}", run.out);
}

#[test]
fn what_drives_a_terminal_is_shown_and_not_done() {
    let folder = Folder::new();
    let archive = folder.path().join("archive").display().to_string();
    let node = r"n\u001b]0;x\u0007\u009b31m\u202e";
    let log = folder.file("a.log", whole().replace("node-a", node));
    let runs = [
        lookback(&["import", &log, "-o", &archive]),
        lookback(&["check", &archive]),
        lookback(&["check", &archive, "-o", "json"]),
        lookback(&["archive", "stats", &archive]),
        lookback(&["archive", "stats", &archive, "-o", "json"]),
        lookback(&["ask", "verdicts", &archive]),
    ];
    for run in runs {
        let text = run.out + &run.err;
        assert!(
            text.contains('n') && !text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'),
            "{text:?}"
        );
    }
}

#[test]
fn a_broken_record_is_a_finding() {
    let folder = Folder::new();
    let archive = folder.path().join("archive").display().to_string();
    assert_eq!(lookback(&["import", "-q", &folder.file("a.log", full(&whole())), "-o", &archive]).code, Some(0));
    fs::write(folder.path().join("archive/imports/00000001.json"), "{").unwrap();
    let (_, kinds) = check(&[&archive]);
    assert_eq!(kinds, ["broken-record"]);
}

#[test]
fn what_a_file_says_of_itself_is_counted_again() {
    let folder = Folder::new();
    let archive = folder.path().join("archive").display().to_string();
    assert_eq!(lookback(&["import", "-q", &folder.file("a.log", full(&whole())), "-o", &archive]).code, Some(0));
    let path = folder.path().join("archive/flows/date=2026-03-01/hour=00");
    let path = fs::read_dir(path).unwrap().next().unwrap().unwrap().path();
    let bytes = fs::read(&path).unwrap();
    let told = b"\"FORWARDED\":30";
    let at = bytes.windows(told.len()).position(|window| window == told).unwrap();
    // One that could be true, and one that could not.
    for other in [b"\"FORWARDED\":29", b"\"FORWARDED\":31"] {
        fs::write(&path, [&bytes[..at], other, &bytes[at + other.len()..]].concat()).unwrap();
        let (_, kinds) = check(&[&archive]);
        assert_eq!(kinds, ["changed-file", "false-metadata"]);
    }
}
