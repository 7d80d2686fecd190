//! JSON: one object, in it a series a line.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::family::{Family, Store};
use crate::metrics::Content;
use crate::openmetrics::seconds;
use crate::points::{BUCKETS, Count, Exemplar, Histogram, INFINITE, TRACE_ID};

pub(crate) fn write(content: &Content<'_>, out: &mut impl Write) -> io::Result<()> {
    let step = time(content.step_ns / 1_000_000);
    let left_out = content.left_out.iter().map(|(metric, reason, count)| {
        let metric = if metric.is_empty() { Value::Null } else { format!("hubble_{metric}").into() };
        json!({"count": count, "metric": metric, "reason": reason})
    });
    writeln!(out, "{{\"step\":{step},\"left_out\":{},\"metrics\":[", left_out.collect::<Value>())?;
    let families: Vec<_> = content.families.iter().filter(|family| family.counted() > 0).collect();
    for (at, family) in families.iter().enumerate() {
        write_family(content, family, out)?;
        writeln!(out, "]}}{}", if at + 1 < families.len() { "," } else { "" })?;
    }
    writeln!(out, "]}}")
}

fn write_family(content: &Content<'_>, family: &Family, out: &mut impl Write) -> io::Result<()> {
    let kind = if family.spec.is_histogram() { "histogram" } else { "counter" };
    let (name, help) = (family.spec.name, Value::from(family.spec.help));
    writeln!(out, "{{\"name\":\"hubble_{name}\",\"type\":\"{kind}\",\"help\":{help},\"series\":[")?;
    let all = family.sorted(content.texts);
    for (at, (values, number)) in all.iter().enumerate() {
        let labels = family.labels.iter().zip(values).map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
        write!(out, "{{\"labels\":{},\"samples\":[", Value::Object(labels.collect()))?;
        let mut comma = "";
        let mut put = |sample: Value| {
            write!(out, "{comma}{sample}")?;
            comma = ",";
            Ok(())
        };
        match &family.points {
            Store::Counts(all) => all.get(*number).into_iter().try_for_each(|points| {
                points.samples(content.repeats, |step, count| put(of_count(count, &time(content.end_ms(step)))))
            })?,
            Store::Histograms(all) => all.get(*number).into_iter().try_for_each(|points| {
                points.samples(content.repeats, |step, histogram| {
                    put(of_histogram(histogram, &time(content.end_ms(step))))
                })
            })?,
        }
        writeln!(out, "]}}{}", if at + 1 < all.len() { "," } else { "" })?;
    }
    Ok(())
}

fn of_count(count: &Count, time: &Value) -> Value {
    match &count.exemplar {
        Some(exemplar) => json!({"exemplar": of_exemplar(exemplar, &1.into()), "time": time, "value": count.total}),
        None => json!({"time": time, "value": count.total}),
    }
}

fn of_histogram(histogram: &Histogram, time: &Value) -> Value {
    let bounds = BUCKETS.iter().map(|(_, bound)| *bound).chain([INFINITE]);
    let mut total: u64 = 0;
    let buckets = bounds.zip(histogram.buckets).map(|(bound, count)| {
        total = total.saturating_add(count);
        json!([bound, total])
    });
    let (buckets, sum) = (buckets.collect::<Value>(), number(histogram.sum_ns));
    let exemplars = histogram.exemplars.iter().flat_map(|all| all.iter().flatten());
    let exemplars = exemplars.map(|exemplar| of_exemplar(exemplar, &number(exemplar.latency_ns.into())));
    match exemplars.collect::<Vec<_>>() {
        none if none.is_empty() => json!({"buckets": buckets, "count": total, "sum": sum, "time": time}),
        some => json!({"buckets": buckets, "count": total, "exemplars": some, "sum": sum, "time": time}),
    }
}

fn of_exemplar(exemplar: &Exemplar, value: &Value) -> Value {
    let at = number(u128::try_from(exemplar.time_ns).unwrap_or_default());
    json!({"time": at, TRACE_ID: &*exemplar.trace_id, "value": value})
}

/// Nanoseconds as a number of seconds.
fn number(ns: u128) -> Value {
    seconds(ns).parse::<f64>().map_or(Value::Null, Value::from)
}

/// Milliseconds as a number of seconds.
fn time(ms: i64) -> Value {
    if ms % 1000 == 0 { (ms / 1000).into() } else { number(u128::try_from(ms).unwrap_or_default() * 1_000_000) }
}
