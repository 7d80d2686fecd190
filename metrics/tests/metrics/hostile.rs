//! Texts and times that are meant to do harm.

use crate::log::{MINUTE_NS, batch, counted, flow, metrics, openmetrics};
use lookback_metrics::{MOST_LABEL_BYTES, Metrics};

#[test]
fn no_label_leaves_its_place() {
    let pod = r#"a\"} 9 9\n# EOF\nx{y=\"\\ \u001b[2J \u202e\u0000"#;
    let line = flow("10:00:01", &format!(r#""verdict":"DROPPED","source":{{"pod_name":"{pod}"}}"#));
    let text = openmetrics(&metrics("drop:sourceContext=pod", &[line]));
    let expected = r#"hubble_drop_total{protocol="Unknown flow",reason="DROP_REASON_UNKNOWN",source="a\"} 9 9\\n# EOF\\nx{y=\"\\ ^[[2J \\u{202e}\\u{0}"} 1 1772359260"#;
    assert_eq!(text.lines().nth(3), Some(expected));
    assert_eq!(text.lines().count(), 5);
    assert_eq!(text.matches("\n# EOF\n").count(), 1);
}

#[test]
fn labels_are_short() {
    let line = flow("10:00:01", &format!(r#""verdict":"DROPPED","source":{{"pod_name":"{}"}}"#, "x".repeat(1 << 20)));
    let found = counted("drop:sourceContext=pod", &[line]);
    assert!(found[0].len() < MOST_LABEL_BYTES + 100);
    assert!(found[0].contains("xxx…\""));
}

#[test]
fn trace_ids_are_escaped_or_left_out() {
    let line = |id: &str| {
        flow(
            "10:00:01",
            &format!(
                r#""l7":{{"type":"RESPONSE","http":{{"method":"GET"}}}},"trace_context":{{"parent":{{"trace_id":"{id}"}}}}"#
            ),
        )
    };
    let text = |id: &str| openmetrics(&metrics("httpV2:exemplars=true", &[line(id)]));
    assert!(text(r#"a\"}\n"#).contains(r#" # {traceID="a\"}\\n"} 1.0 1772359201.0"#));
    assert!(!text(&"x".repeat(122)).contains("traceID"));
    assert!(text(&"x".repeat(121)).contains("traceID"));
}

#[test]
fn a_time_far_away_does_not_fill_the_disk() {
    let drop = r#""verdict":"DROPPED""#;
    let mut lines = vec![flow("10:00:01", drop)];
    lines.push(lines[0].replace("2026", "2261"));
    lines.push(lines[0].replace("2026", "1971"));
    lines.push(r#"{"flow":{"verdict":"DROPPED"}}"#.to_owned());
    let metrics = metrics("drop", &lines);
    let mut out = Vec::new();
    let written = metrics.write_openmetrics(&mut out).unwrap();
    assert_eq!(written.longest_rest_ns, Some(24 * 60 * MINUTE_NS));
    assert_eq!((written.series, written.untimed, written.left_out), (1, 1, 0));
    let text = String::from_utf8(out).unwrap();
    // Two samples for each of the changes, and a day of repeats after the first and the second.
    assert_eq!(text.matches("hubble_drop_total").count(), 6 + 2 * 360);
    assert!(text.contains("lookback_left_out_total{metric=\"\",reason=\"no time\"} 1 "));
}

#[test]
fn too_many_series_are_told() {
    let mut metrics = Metrics::parse("flow:sourceContext=ip", MINUTE_NS).unwrap();
    for part in 0..21 {
        let lines: Vec<_> = (0..10_000)
            .map(|n| flow("10:00:01", &format!(r#""IP":{{"source":"s{part}.{n}","ipVersion":"IPv4"}}"#)))
            .collect();
        metrics.add(&batch(&metrics, &lines, true)).unwrap();
    }
    let mut out = Vec::new();
    let written = metrics.write_openmetrics(&mut out).unwrap();
    assert_eq!((written.series, written.left_out), (200_000, 10_000));
    let text = String::from_utf8(out).unwrap();
    let last: Vec<_> = text.lines().rev().take(2).collect();
    assert_eq!(
        last[1],
        r#"lookback_left_out_total{metric="hubble_flows_processed_total",reason="too many series or samples"} 10000 1772359260"#
    );
}
