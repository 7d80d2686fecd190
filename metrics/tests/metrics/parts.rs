//! A log in parts, in any order and form, and windows of it.

use crate::log::{MINUTE_NS, batch, flow, metrics, openmetrics, samples_at};
use lookback_flow::json::Decoder;
use lookback_flow::rows::Projection;
use lookback_metrics::{DEFAULT, Metrics};

const ALL: &str = "dns:query;labelsContext=source_pod,destination_app;sourceContext=pod|dns|ip drop:destinationContext=app|identity \
    tcp flow:sourceContext=workload port-distribution icmp httpV2:exemplars=true flows-to-world:port policy kafka sctp";

/// The good lines of the project's test data.
fn lines() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata");
    let mut lines = Vec::new();
    for name in ["shop", "incident", "review"] {
        for node in ["node-a", "node-b"] {
            read(&format!("{folder}/{name}/{node}/events.log"), &mut lines);
        }
    }
    for entry in std::fs::read_dir(format!("{folder}/compat")).unwrap() {
        read(entry.unwrap().path().to_str().unwrap(), &mut lines);
    }
    read(&format!("{folder}/hostile/events.log"), &mut lines);
    let mut decoder = Decoder::new(Projection::default());
    lines.retain(|line| decoder.line(line.as_bytes()).is_ok());
    assert!(lines.len() > 200, "{}", lines.len());
    lines
}

fn read(path: &str, lines: &mut Vec<String>) {
    let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    lines.extend(text.lines().map(str::to_owned));
}

#[test]
fn packed_and_unpacked_batches_give_the_same() {
    let lines = lines();
    let packed = openmetrics(&metrics(ALL, &lines));
    let mut unpacked = Metrics::parse(ALL, MINUTE_NS).unwrap();
    unpacked.add(&batch(&unpacked, &lines, false)).unwrap();
    assert_eq!(openmetrics(&unpacked), packed);
    for name in ["dns_queries", "http_requests", "drop", "tcp_flags", "policy_verdicts", "flows_to_world"] {
        assert!(packed.contains(&format!("# TYPE hubble_{name} counter")), "{name}\n{packed}");
    }
}

/// Also: what is remembered of one row is right for the next.
#[test]
fn parts_give_the_same_in_any_order() {
    let lines = lines();
    for text in [ALL.to_owned(), ALL.replace("httpV2", "http"), DEFAULT.to_owned()] {
        let whole = metrics(&text, &lines);
        for size in [1, 7, 100] {
            let part = |lines: &[String]| {
                let mut part = whole.fork();
                part.add(&batch(&part, lines, true)).unwrap();
                part
            };
            let parts: Vec<Metrics> = lines.chunks(size).map(part).collect();
            for order in [parts.iter().collect::<Vec<_>>(), parts.iter().rev().collect()] {
                let mut merged = whole.fork();
                order.into_iter().for_each(|part| merged.merge(part));
                assert_eq!(openmetrics(&merged), openmetrics(&whole));
                assert_eq!(json(&merged), json(&whole));
            }
        }
        serde_json::from_str::<serde_json::Value>(&json(&whole)).unwrap();
    }
}

fn json(metrics: &Metrics) -> String {
    let mut out = Vec::new();
    metrics.write_json(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_batch_that_lacks_columns_counts_what_it_has() {
    let mut metrics = Metrics::parse("flow:sourceContext=pod dns tcp", MINUTE_NS).unwrap();
    let drop = Metrics::parse("drop", MINUTE_NS).unwrap();
    metrics.add(&batch(&drop, &[flow("10:00:01", r#""verdict":"DROPPED""#)], true)).unwrap();
    assert_eq!(
        samples_at(&openmetrics(&metrics), 60),
        [
            r#"hubble_flows_processed_total{protocol="Unknown flow",source="",subtype="0",type="Unknown",verdict="DROPPED"} 1"#
        ]
    );
}

#[test]
fn only_needed_columns_are_asked_for() {
    let columns = |text: &str| Metrics::parse(text, MINUTE_NS).unwrap().columns();
    assert_eq!(
        columns("tcp"),
        [
            "ip_encrypted",
            "ip_version",
            "kind",
            "l4_protocol",
            "lost_count",
            "lost_source",
            "tcp_flags",
            "time",
            "verdict"
        ]
    );
    assert!(!columns("httpV2").contains(&"trace_id") && columns("httpV2:exemplars=true").contains(&"trace_id"));
    assert!(!columns("dns").contains(&"dns_query") && columns("dns:query").contains(&"dns_query"));
    assert!(columns("drop:sourceEgressContext=pod").contains(&"traffic_direction"));
}

#[test]
fn json_has_the_same_samples() {
    let lines = [flow("10:00:01", r#""verdict":"DROPPED","l4":{"TCP":{}},"event_type":{"type":1}"#)];
    let mut out = Vec::new();
    metrics("drop", &lines).write_json(&mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        r#"{"step":60,"left_out":[],"metrics":[
{"name":"hubble_drop_total","type":"counter","help":"Drops by reason.","series":[
{"labels":{"protocol":"TCP","reason":"DROP_REASON_UNKNOWN"},"samples":[{"time":1772359200,"value":0},{"time":1772359260,"value":1}]}
]}
]}
"#
    );
}

#[test]
fn steps_are_of_whole_milliseconds() {
    for step in [0, -1, 999_000_000, 1_000_000_001, i64::MIN] {
        assert!(Metrics::parse("drop", step).is_err());
    }
    let mut metrics = Metrics::parse("drop", 1_500_000_000).unwrap();
    metrics.add(&batch(&metrics, &[flow("10:00:01.6", r#""verdict":"DROPPED""#)], true)).unwrap();
    assert!(openmetrics(&metrics).contains("} 0 1772359201.500\n"));
}

#[test]
fn parts_go_to_other_threads() {
    fn goes<T: Send + Sync>(_: &T) {}
    goes(&Metrics::parse(DEFAULT, MINUTE_NS).unwrap());
}
