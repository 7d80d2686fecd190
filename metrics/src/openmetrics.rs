//! The `OpenMetrics` text format.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::family::{Family, Store};
use crate::metrics::Content;
use crate::points::{BUCKETS, Count, Exemplar, Histogram, INFINITE, Points, TRACE_ID};

pub(crate) fn write(content: &Content<'_>, out: &mut impl Write) -> io::Result<()> {
    for family in content.families.iter().filter(|family| family.counted() > 0) {
        write_family(content, family, out)?;
    }
    if !content.left_out.is_empty() {
        writeln!(out, "# TYPE lookback_left_out counter")?;
        writeln!(out, "# HELP lookback_left_out Flows and lost events that are not in the metrics.")?;
        let end = Time(content.end_ms(content.repeats.last()));
        for (metric, reason, count) in &content.left_out {
            let name = if metric.is_empty() { String::new() } else { format!("hubble_{metric}") };
            writeln!(out, "lookback_left_out_total{{metric=\"{name}\",reason=\"{reason}\"}} {count} {end}")?;
        }
    }
    writeln!(out, "# EOF")
}

fn write_family(content: &Content<'_>, family: &Family, out: &mut impl Write) -> io::Result<()> {
    // Samples of a counter end in `_total`, its name does not.
    let name = family.spec.name.strip_suffix("_total").unwrap_or(family.spec.name);
    let is_histogram = family.spec.is_histogram();
    writeln!(out, "# TYPE hubble_{name} {}", if is_histogram { "histogram" } else { "counter" })?;
    if is_histogram {
        writeln!(out, "# UNIT hubble_{name} seconds")?;
    }
    writeln!(out, "# HELP hubble_{name} {}", family.spec.help)?;
    for (values, number) in family.sorted(content.texts) {
        let labels = labels(&family.labels, &values);
        match &family.points {
            Store::Counts(all) => write_counts(content, name, &labels, all.get(number), out)?,
            Store::Histograms(all) => write_histograms(content, name, &labels, all.get(number), out)?,
        }
    }
    Ok(())
}

fn write_counts(
    content: &Content<'_>,
    name: &str,
    labels: &str,
    points: Option<&Points<Count>>,
    out: &mut impl Write,
) -> io::Result<()> {
    points.into_iter().try_for_each(|points| {
        points.samples(content.repeats, |step, count| {
            write!(out, "hubble_{name}_total{{{labels}}} {} {}", count.total, Time(content.end_ms(step)))?;
            write_exemplar(count.exemplar.as_deref(), |_| "1.0".to_owned(), out)
        })
    })
}

fn write_histograms(
    content: &Content<'_>,
    name: &str,
    labels: &str,
    points: Option<&Points<Histogram>>,
    out: &mut impl Write,
) -> io::Result<()> {
    points.into_iter().try_for_each(|points| {
        points.samples(content.repeats, |step, histogram| {
            let time = Time(content.end_ms(step));
            let bounds = BUCKETS.iter().map(|(_, bound)| *bound).chain([INFINITE]);
            let mut total: u64 = 0;
            for (at, (bound, count)) in bounds.zip(histogram.buckets).enumerate() {
                total = total.saturating_add(count);
                write!(out, "hubble_{name}_bucket{{{labels},le=\"{bound}\"}} {total} {time}")?;
                let exemplar = histogram.exemplars.as_ref().and_then(|all| all.get(at)?.as_ref());
                write_exemplar(exemplar, |exemplar| seconds(exemplar.latency_ns.into()), out)?;
            }
            writeln!(out, "hubble_{name}_count{{{labels}}} {total} {time}")?;
            writeln!(out, "hubble_{name}_sum{{{labels}}} {} {time}", seconds(histogram.sum_ns))
        })
    })
}

/// The end of a line, with the exemplar if there is one.
fn write_exemplar(
    exemplar: Option<&Exemplar>,
    value: impl Fn(&Exemplar) -> String,
    out: &mut impl Write,
) -> io::Result<()> {
    let Some(exemplar) = exemplar else { return writeln!(out) };
    let (id, value) = (escaped(&exemplar.trace_id), value(exemplar));
    let time = seconds(u128::try_from(exemplar.time_ns).unwrap_or_default());
    writeln!(out, " # {{{TRACE_ID}=\"{id}\"}} {value} {time}")
}

fn labels(names: &[&str], values: &[&str]) -> String {
    let mut all = String::new();
    for (name, value) in names.iter().zip(values) {
        let comma = if all.is_empty() { "" } else { "," };
        let _ = write!(all, "{comma}{name}=\"{}\"", escaped(value));
    }
    all
}

/// A text between quotes.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Nanoseconds as seconds, with as many digits as they have.
pub(crate) fn seconds(ns: u128) -> String {
    let text = format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000);
    let short = text.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
}

/// A time stamp in milliseconds, written in seconds.
#[derive(Clone, Copy)]
struct Time(i64);

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.rem_euclid(1000) {
            0 => write!(f, "{}", self.0.div_euclid(1000)),
            ms => write!(f, "{}.{ms:03}", self.0.div_euclid(1000)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_are_written_exactly() {
        for (ns, text) in [(0, "0.0"), (5_000_000, "0.005"), (12_000_000_000, "12.0"), (1_000_000_001, "1.000000001")] {
            assert_eq!(seconds(ns), text);
        }
        assert_eq!(Time(60_000).to_string(), "60");
        assert_eq!(Time(60_050).to_string(), "60.050");
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
