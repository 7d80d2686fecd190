//! Hubble's metrics after the fact: the same counts as questions give, and files that Prometheus takes.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use crate::{Folder, lookback, testdata};

/// The last value of each series of a metric, by its labels as they stand there.
fn last(text: &str, metric: &str) -> BTreeMap<String, u64> {
    let mut last = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, rest) = line.rsplit_once("} ").unwrap();
        let (name, labels) = series.split_once('{').unwrap();
        if name == metric {
            last.insert(labels.to_owned(), rest.split(' ').next().unwrap().parse().unwrap());
        }
    }
    last
}

fn sum(text: &str, metric: &str, label: &str) -> u64 {
    last(text, metric).iter().filter(|(labels, _)| labels.contains(label)).map(|(_, value)| value).sum()
}

fn counted(query: &str, input: &str) -> u64 {
    let answer = lookback(&["sql", query, input, "-q", "-o", "csv"]).answer();
    answer.lines().nth(1).unwrap().parse().unwrap()
}

#[test]
fn counts_agree_with_questions() {
    let folder = Folder::new();
    let archive = folder.path().join("archive").display().to_string();
    lookback(&["import", &testdata("incident"), "-o", &archive]).answer();
    let mut inputs = vec![testdata("incident"), archive, testdata("shop")];
    match std::env::var("LOOKBACK_REAL_DATA") {
        Ok(real) => inputs.push(real),
        Err(_) => eprintln!("LOOKBACK_REAL_DATA is not set: no metrics of real flows"),
    }
    for input in inputs {
        let text = lookback(&["metrics", &input, "-q"]).answer();
        let flows = |condition: &str| {
            counted(&format!("SELECT count(*) AS n FROM flows WHERE time_ns IS NOT NULL AND {condition}"), &input)
        };
        assert_eq!(sum(&text, "hubble_flows_processed_total", ""), flows("TRUE"), "{input}");
        assert_eq!(
            sum(&text, "hubble_flows_processed_total", "verdict=\"DROPPED\""),
            flows("verdict = 'DROPPED'"),
            "{input}"
        );
        assert_eq!(sum(&text, "hubble_drop_total", ""), flows("verdict = 'DROPPED'"), "{input}");
        assert_eq!(
            sum(&text, "hubble_http_requests_total", ""),
            flows("l7_protocol = 'http' AND l7_type = 'RESPONSE'"),
            "{input}"
        );
        let buckets = sum(&text, "hubble_http_request_duration_seconds_bucket", "le=\"+Inf\"");
        assert_eq!(buckets, flows("l7_protocol = 'http' AND l7_type = 'RESPONSE'"), "{input}");
        let answered = "l7_protocol = 'dns' AND is_reply AND coalesce(verdict, '') <> 'DROPPED'";
        assert_eq!(sum(&text, "hubble_dns_responses_total", ""), flows(answered), "{input}");
        assert!(text.ends_with("# EOF\n"));
    }
}

#[test]
fn logs_and_an_archive_give_the_same_file_and_promtool_takes_it() {
    let folder = Folder::new();
    let archive = folder.path().join("archive").display().to_string();
    lookback(&["import", &testdata("shop"), "-o", &archive]).answer();
    let metrics = "flow:labelsContext=source_namespace,destination_namespace drop httpV2:exemplars=true tcp dns:query";
    for window in [
        &[][..],
        &["--last", "20m"],
        &["--since", "2026-03-01T10:10:00Z", "--until", "2026-03-01T10:20:00Z", "--step", "30s"],
    ] {
        let of = |input: &str| lookback(&[&["metrics", input, "-q", "-m", metrics], window].concat()).answer();
        let text = of(&testdata("shop"));
        assert_eq!(of(&archive), text, "{window:?}");
        assert!(text.contains("source_namespace=\"shop\""), "{window:?}");
        let file = folder.file("metrics.txt", &text);
        let blocks = folder.path().join("blocks");
        match Command::new("promtool").args(["tsdb", "create-blocks-from", "openmetrics", &file]).arg(&blocks).output()
        {
            Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => eprintln!("promtool is not here, and the file was not given to it: {error}"),
        }
    }
}

#[test]
fn a_file_and_json_and_mistakes() {
    let folder = Folder::new();
    let file = folder.path().join("metrics.txt").display().to_string();
    let run = lookback(&["metrics", &testdata("incident"), "-f", &file]);
    assert_eq!(run.out, "");
    assert!(run.err.contains("series of") && run.err.contains("1527 events were lost"), "{}", run.err);
    assert!(fs::read_to_string(&file).unwrap().contains("hubble_lost_events_total{source="));
    let json = lookback(&["metrics", &testdata("incident"), "-q", "-o", "json"]).answer();
    let _: serde_json::Value = serde_json::from_str(&json).unwrap();
    let log = folder.file("a.log", crate::flow(1, "shop"));
    assert!(lookback(&["metrics", &log, "-f", &log]).error().contains("would be written over it"));
    assert!(lookback(&["metrics", &log, "-m", "dsn"]).error().contains("did you mean \"dns\"?"));
    assert!(lookback(&["metrics", &log, "--step", "fast"]).error().contains("fast"));
    // Nothing to count is an empty, valid file.
    let empty = lookback(&["metrics", &log, "-m", "dns", "-q"]).answer();
    assert_eq!(empty, "# EOF\n");
}
