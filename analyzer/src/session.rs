//! Asking: inputs are found and read, the query is bound to the window and scope, run, and written.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::slice;

use anyhow::{Result, bail};
use arrow::array::RecordBatch;
use lookback_flow::columns::ColumnId;
use lookback_flow::inputs::{Found, find};
use lookback_flow::segment::Needle;

use crate::answer::Answer;
use crate::cli::{OutputArgs, ReadArgs, ScopeArgs};
use crate::evidence::Evidence;
use crate::joint;
use crate::load::{Request, Source};
use crate::read::Options;
use crate::remote;
use crate::render::{self, Format};
use lookback_question::bind::{Bound, Literal, Scope};
use lookback_question::catalogue::{Catalogue, Needs, ResultColumn};
use lookback_question::window::Asked;

/// One thing that is asked of some inputs.
pub(crate) struct Asking<'a> {
    pub title: &'a str,
    pub sql: &'a str,
    /// Where the SQL comes from, for messages.
    pub origin: &'a str,
    pub parameters: BTreeMap<String, Literal>,
    pub columns: &'a [ResultColumn],
    pub notes: &'a str,
    pub needs: Option<Needs>,
    pub scope: &'a ScopeArgs,
    /// The span that the question is about when none is given.
    pub default_last: Option<&'a str>,
}

/// A query that is bound, the scope that it is asked in, and first and last moment.
pub(crate) type Within = (Bound, Scope, Option<(i64, i64)>);

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    /// Nothing matched, and that was to be a failure.
    Empty,
}

impl Asking<'_> {
    /// Reads, runs and writes.
    pub(crate) fn run(
        &self,
        inputs: &[String],
        explain: bool,
        read: &ReadArgs,
        output: &OutputArgs,
        catalogue: &Catalogue,
    ) -> Result<Outcome> {
        self.run_on(&find(inputs)?, explain, read, output, catalogue)
    }

    /// The same, once the inputs are found.
    pub(crate) fn run_on(
        &self,
        found: &Found,
        explain: bool,
        read: &ReadArgs,
        output: &OutputArgs,
        catalogue: &Catalogue,
    ) -> Result<Outcome> {
        // Mistakes in the question are told before anything long is read.
        let bound = self.checked(catalogue)?;
        if output.output == Format::Parquet && io::stdout().is_terminal() {
            bail!("Parquet is not for a terminal; send it to a file: … -o parquet > answer.parquet");
        }
        let mut options = Options::new(&read.lines, found)?;
        let mut stdout = BufWriter::new(io::stdout().lock());
        if explain {
            let read = self.read(&bound, found, &mut options)?;
            options.flush()?;
            self.explain(&bound, &read, catalogue, &mut stdout)?;
            stdout.flush()?;
            return Ok(Outcome::Answered);
        }
        let elsewhere = read.engine.connect(found, self.scope)?;
        let answer = joint::only(|take| {
            remote::answer(elsewhere.as_ref(), slice::from_ref(self), found, &mut options, catalogue, take)
        })?;
        options.flush()?;
        self.write(&answer, output, &mut stdout)
    }

    /// The query, parsed and bound before it is known what it is asked of; its mistakes are told here.
    pub(crate) fn checked(&self, catalogue: &Catalogue) -> Result<Bound> {
        let bound = self.bound(&self.bind_window((0, 0)), catalogue)?;
        self.asked().check()?;
        self.scope.filters()?;
        Ok(bound)
    }

    /// Reads what the query may be about: how many rows, and their evidence.
    fn read(&self, bound: &Bound, found: &Found, options: &mut Options) -> Result<(usize, Evidence)> {
        let scope = self.scope();
        self.read_of(&bound.columns_in(&scope), bound.needles(&scope), found, options)
    }

    /// What an answer rests on, with as little of the rows as there is.
    pub(crate) fn evidence(&self, found: &Found, options: &mut Options) -> Result<Evidence> {
        Ok(self.read_of(&[ColumnId::known("kind")], Vec::new(), found, options)?.1)
    }

    fn read_of(
        &self,
        columns: &[ColumnId],
        needles: Vec<Needle>,
        found: &Found,
        options: &mut Options,
    ) -> Result<(usize, Evidence)> {
        let request =
            Request { columns, window: &|extent| self.windowed(extent), needles, filters: self.scope.filters()? };
        let mut source = Source::open(found, &request, options)?;
        let of_part = |batches: &[RecordBatch]| Ok(batches.iter().map(RecordBatch::num_rows).sum::<usize>());
        let mut rows = 0;
        let evidence = source.parts(options, false, &of_part, &mut |of_part| {
            rows += of_part;
            Ok(())
        })?;
        Ok((rows, evidence))
    }

    /// The query bound to the window of what was read, the scope that it is asked in, and the window.
    pub(crate) fn within(&self, extent: Option<(i64, i64)>, catalogue: &Catalogue) -> Result<Within> {
        let window = extent.map(|(first, last)| self.window(first, last)).transpose()?;
        let bound = self.bound(&self.bind_window(window.unwrap_or_default()), catalogue)?;
        Ok((bound, Scope { window: self.windowed(extent)?, ..self.scope() }, window))
    }

    /// Which flows are asked about, before the window is known.
    pub(crate) fn scope(&self) -> Scope {
        Scope { window: None, namespace: self.scope.namespace.clone(), service: self.scope.service.clone() }
    }

    /// Writes an answer and what it rests on.
    pub(crate) fn write(&self, answer: &Answer, output: &OutputArgs, out: &mut dyn Write) -> Result<Outcome> {
        render::write(answer, output.output, output.raw, out)?;
        out.flush()?;
        let mut stderr = io::stderr().lock();
        if answer.rows.num_rows() == 0 && matches!(output.output, Format::Table | Format::Markdown) && !output.quiet {
            writeln!(stderr, "{}", nothing(answer, self.needs))?;
        }
        if !output.quiet && output.output != Format::Json {
            if output.output == Format::Table && answer.rows.num_rows() > 0 && io::stdout().is_terminal() {
                writeln!(stderr)?;
            }
            render::write_evidence(answer, &mut stderr)?;
        }
        let empty = answer.rows.num_rows() == 0 && output.fail_if_empty;
        Ok(if empty { Outcome::Empty } else { Outcome::Answered })
    }

    /// Rows as the answer.
    pub(crate) fn answered(&self, rows: RecordBatch, window: Option<(i64, i64)>, evidence: Evidence) -> Answer {
        Answer {
            title: self.title.to_owned(),
            columns: Answer::units(&rows, self.columns),
            rows,
            window,
            evidence,
            notes: self.notes.to_owned(),
        }
    }

    fn asked(&self) -> Asked {
        let mut asked = self.scope.window.asked();
        if asked == Asked::default() {
            asked.last = self.default_last.map(str::to_owned);
        }
        asked
    }

    /// The window, if one was asked for; else events without a time count, too.
    pub(crate) fn windowed(&self, extent: Option<(i64, i64)>) -> Result<Option<(i64, i64)>> {
        match extent {
            Some((first, last)) if self.asked() != Asked::default() => Ok(Some(self.window(first, last)?)),
            _ => Ok(None),
        }
    }

    fn window(&self, first: i64, last: i64) -> Result<(i64, i64)> {
        self.scope.window.bounds(&self.asked(), first, last)
    }

    fn bind_window(&self, (since, until): (i64, i64)) -> BTreeMap<String, Literal> {
        let mut parameters = self.parameters.clone();
        parameters.insert("since".to_owned(), Literal::Integer(since));
        parameters.insert("until".to_owned(), Literal::Integer(until));
        parameters
    }

    fn bound(&self, parameters: &BTreeMap<String, Literal>, catalogue: &Catalogue) -> Result<Bound> {
        Ok(Bound::new(self.sql, self.origin, parameters, catalogue)?)
    }

    /// What would be run, as SQL that another engine could run, too.
    fn explain(
        &self,
        bound: &Bound,
        (rows, evidence): &(usize, Evidence),
        catalogue: &Catalogue,
        out: &mut dyn Write,
    ) -> Result<()> {
        let columns = bound.columns_in(&self.scope());
        let (bound, scope, window) = self.within(evidence.extent, catalogue)?;
        let statement = bound.statement(&scope)?;
        let names: Vec<&str> = columns.iter().map(|id| id.column().name).collect();
        // A query of several lines, as one comment.
        writeln!(out, "-- {}", self.title.split_whitespace().collect::<Vec<_>>().join(" "))?;
        let files = evidence.files;
        let inputs = evidence.inputs.len() as u64 + files.read;
        writeln!(out, "-- over events: {rows} rows of {inputs} inputs")?;
        if files.read + files.skipped > 0 {
            writeln!(
                out,
                "-- skipped: {} of {} files; of the others, {} row groups and {} of {} rows",
                files.skipped,
                files.read + files.skipped,
                files.parts.row_groups,
                files.parts.rows,
                files.rows
            )?;
        }
        writeln!(out, "-- columns read: {}", names.join(", "))?;
        if let Some((since, until)) = window {
            let time = lookback_flow::time::rfc3339;
            writeln!(out, "-- window: {} to {}", time(since), time(until))?;
        }
        Ok(writeln!(out, "{statement:#};")?)
    }
}

/// Why there are no rows: nothing matched, or there was nothing to match.
pub(crate) fn nothing(answer: &Answer, needs: Option<Needs>) -> String {
    if answer.evidence.covers.kinds.is_empty() {
        return "no events in the input".to_owned();
    }
    let (needs, what) = match needs {
        Some(needs @ Needs::Drops) => (needs, "dropped flows"),
        Some(needs @ Needs::Http) => (needs, "layer 7 HTTP records, which need a policy or annotation for visibility"),
        Some(needs @ Needs::Dns) => (needs, "layer 7 DNS records, which need a DNS policy for visibility"),
        Some(needs @ Needs::Kafka) => (needs, "layer 7 Kafka records, which Cilium writes up to 1.19"),
        Some(needs @ Needs::PolicyVerdicts) => (needs, "policy verdict events"),
        Some(needs @ Needs::TcpFlags) => (needs, "TCP flags"),
        None => return "nothing matches".to_owned(),
    };
    match answer.evidence.has(needs) {
        0 => format!("nothing matches: the input has no {what}"),
        count => format!("nothing matches, among {count} records that could have"),
    }
}
