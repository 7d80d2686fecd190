//! Small logs and the metrics of them.

use arrow::array::RecordBatch;
use lookback_flow::json::Decoder;
use lookback_flow::rows::Projection;
use lookback_metrics::Metrics;

pub(crate) const MINUTE_NS: i64 = 60_000_000_000;

/// 2026-03-01T10:00:00Z, in seconds.
pub(crate) const START: i64 = 1_772_359_200;

/// A line with a flow of a time such as `10:00:07`.
pub(crate) fn flow(time: &str, rest: &str) -> String {
    format!(r#"{{"flow":{{"time":"2026-03-01T{time}Z",{rest}}},"node_name":"node-a"}}"#)
}

/// Lines as a batch that has what these metrics read.
pub(crate) fn batch(metrics: &Metrics, lines: &[String], is_packed: bool) -> RecordBatch {
    let mut decoder = Decoder::new(Projection::of(metrics.columns()));
    for line in lines {
        decoder.line(line.as_bytes()).unwrap_or_else(|bad| panic!("{bad}: {line}"));
    }
    if is_packed { decoder.finish_packed().unwrap() } else { decoder.finish().unwrap() }
}

/// Metrics of these lines, a step a minute.
pub(crate) fn metrics(text: &str, lines: &[String]) -> Metrics {
    let mut metrics = Metrics::parse(text, MINUTE_NS).unwrap();
    metrics.add(&batch(&metrics, lines, true)).unwrap();
    metrics
}

pub(crate) fn openmetrics(metrics: &Metrics) -> String {
    let mut out = Vec::new();
    metrics.write_openmetrics(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The samples at one time, in seconds after 10:00, without that time and without buckets.
pub(crate) fn samples_at(text: &str, seconds: i64) -> Vec<String> {
    let end = format!(" {}", START + seconds);
    let samples = text.lines().filter_map(|line| line.strip_suffix(&end));
    samples.filter(|line| !line.contains("_bucket")).map(str::to_owned).collect()
}

/// What lines of the first minute count.
pub(crate) fn counted(text: &str, lines: &[String]) -> Vec<String> {
    samples_at(&openmetrics(&metrics(text, lines)), 60)
}
