//! `lookback metrics`: Hubble's own metrics, computed after the fact.

use std::fs::{self, File};
use std::io::{self, Write};

use anyhow::{Context as _, Result, bail};
use arrow::array::RecordBatch;
use lookback_flow::inputs::find;
use lookback_metrics::{Metrics, Written};
use lookback_question::window::{duration, human_span};

use crate::answer::Answer;
use crate::cli::{self, Exposition};
use crate::fold::{Folded, fold};
use crate::read::Options;
use crate::render::{grouped, terminal, write_evidence};
use crate::session::Outcome;

const NOTES: &str = "Counted from lines, as Hubble counts: a packet that several nodes report counts once for each, and an aggregated line counts once. Lost events are in no metric but hubble_lost_events_total.";

pub(crate) fn run(args: &cli::Metrics) -> Result<Outcome> {
    let mut metrics = Metrics::parse(&args.wanted, duration(&args.step)?)?;
    let found = find(&args.inputs)?;
    if let Some(path) = &args.file
        && fs::canonicalize(path).is_ok_and(|path| found.inputs.iter().any(|input| input.is(&path)))
    {
        bail!("{}: is an input; the metrics would be written over it", path.display());
    }
    let mut options = Options::new(&args.lines, &found)?;
    let columns: Vec<String> = metrics.columns().into_iter().map(str::to_owned).collect();
    let add = |metrics: &mut Metrics, batch: &RecordBatch| Ok(metrics.add(batch)?);
    let Folded { parts, evidence, window } =
        fold(&found, &columns, &args.window, &mut options, &|| metrics.fork(), &add)?;
    options.flush()?;
    parts.iter().for_each(|part| metrics.merge(part));
    let write = |out: &mut dyn Write| match args.output {
        Exposition::Openmetrics => metrics.write_openmetrics(&mut { out }),
        Exposition::Json => metrics.write_json(&mut { out }),
    };
    let written = match &args.file {
        Some(path) => {
            File::create(path).and_then(|mut file| write(&mut file)).with_context(|| path.display().to_string())?
        }
        None => write(&mut io::stdout().lock())?,
    };
    if !args.quiet {
        told(&written, &Answer::without_rows(window, evidence, NOTES))?;
    }
    Ok(Outcome::Answered)
}

/// What was written, what was not, and what it rests on.
fn told(written: &Written, answer: &Answer) -> Result<()> {
    let mut err = io::stderr().lock();
    writeln!(err, "{} series of {} metrics", grouped(written.series as i128), written.metrics)?;
    if written.left_out > 0 {
        writeln!(
            err,
            "warning: {} counts are beyond the bounds, and told as lookback_left_out",
            grouped(written.left_out.into())
        )?;
    }
    if written.untimed > 0 {
        writeln!(err, "warning: {} flows without a time are in no sample", grouped(written.untimed.into()))?;
    }
    if let Some(rest) = written.longest_rest_ns {
        writeln!(
            err,
            "warning: the data reach so far that a series at rest is told for {} only",
            terminal(&human_span(rest))
        )?;
    }
    Ok(write_evidence(answer, &mut err)?)
}
