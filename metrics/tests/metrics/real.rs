//! Flows of real clusters, if `LOOKBACK_REAL_DATA` says where they are.

use std::path::{Path, PathBuf};

use lookback_flow::columns::ColumnId;
use lookback_flow::json::Decoder;
use lookback_flow::rows::Projection;
use lookback_flow::view::View;
use lookback_metrics::Metrics;

use crate::log::{MINUTE_NS, openmetrics};

fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.extension().and_then(|extension| extension.to_str()) {
            _ if path.is_dir() => files(&path, all),
            Some("json" | "jsonl") => all.push(path),
            _ => {}
        }
    }
}

/// The sum of the last samples of a metric's series.
fn total(text: &str, name: &str, label: &str) -> u64 {
    let mut last = std::collections::BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with(&format!("{name}{{")) && line.contains(label)) {
        let (series, sample) = line.rsplit_once("} ").unwrap();
        last.insert(series, sample.split(' ').next().unwrap().parse::<u64>().unwrap());
    }
    last.values().sum()
}

#[test]
fn counts_agree_with_plain_counts() {
    let Ok(folder) = std::env::var("LOOKBACK_REAL_DATA") else {
        eprintln!("not tested: LOOKBACK_REAL_DATA does not say where real flows are");
        return;
    };
    let mut paths = Vec::new();
    files(Path::new(&folder), &mut paths);
    let text = "dns drop tcp flow port-distribution icmp http flows-to-world policy kafka sctp";
    let mut metrics = Metrics::parse(text, MINUTE_NS).unwrap();
    let (mut flows, mut drops, mut queries, mut answers, mut syns, mut icmp) = (0, 0, 0, 0, 0, 0);
    for path in paths {
        let mut decoder = Decoder::new(Projection::of(metrics.columns()));
        for line in std::fs::read(&path).unwrap().split(|byte| *byte == b'\n') {
            let _ = decoder.line(line);
        }
        let batch = decoder.finish_packed().unwrap();
        metrics.add(&batch).unwrap();
        let view = View::new(&batch).unwrap();
        for row in 0..batch.num_rows() {
            let text = |name: &str| view.text(ColumnId::known(name), row).unwrap_or_default();
            let number = |name: &str| view.number(ColumnId::known(name), row);
            if text("kind") != "flow" || number("time").is_none() {
                continue;
            }
            flows += 1;
            drops += u64::from(text("verdict") == "DROPPED");
            let is_answer = number("is_reply") == Some(1) && text("verdict") != "DROPPED";
            queries += u64::from(text("l7_protocol") == "dns" && !is_answer);
            answers += u64::from(text("l7_protocol") == "dns" && is_answer);
            let is_forwarded = ["FORWARDED", "REDIRECTED"].contains(&text("verdict"));
            syns += u64::from(is_forwarded && text("tcp_flags") == "SYN");
            icmp += u64::from(text("l4_protocol").starts_with("ICMP"));
        }
    }
    let text = openmetrics(&metrics);
    assert!(flows > 500, "{flows} flows in {folder}");
    assert_eq!(total(&text, "hubble_flows_processed_total", ""), flows);
    assert_eq!(total(&text, "hubble_drop_total", ""), drops);
    assert_eq!(total(&text, "hubble_dns_queries_total", ""), queries);
    assert_eq!(total(&text, "hubble_dns_responses_total", ""), answers);
    assert_eq!(total(&text, "hubble_tcp_flags_total", "flag=\"SYN\""), syns);
    assert_eq!(total(&text, "hubble_icmp_total", ""), icmp);
}
