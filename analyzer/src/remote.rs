//! `--engine`: a question asked of an engine elsewhere, by Arrow Flight SQL.
//!
//! Promises:
//! 1. The statement is the one that `--explain` prints; nothing else is sent but, where it is asked for, the declaration of the table.
//! 2. What the answer rests on is told by the archive's own files, read here: the engine's word is not taken for it.
//! 3. An answer that does not agree with our own on a slice of time is refused, where that is asked for.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Schema};
use clap::Args;
use lookback_flow::inputs::{Found, Input};
use lookback_flow::time::rfc3339;
use lookback_question::catalogue::{Catalogue, Unit};
use lookback_question::window::duration;
use lookback_remote::table::create_table;
use lookback_remote::{Address, Engine, Options, Tls};

use crate::answer::{Answer, Cell};
use crate::cli::{RelativeTo, ScopeArgs, WindowArgs};
use crate::joint;
use crate::read;
use crate::render;
use crate::session::Asking;

/// Names the token that is sent to an engine.
const TOKEN: &str = "LOOKBACK_ENGINE_TOKEN";

/// An engine elsewhere.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Engine")]
pub(crate) struct EngineArgs {
    #[expect(clippy::doc_markdown, reason = "shown as it is by --help")]
    /// Ask an engine elsewhere, by Arrow Flight SQL: `flight://HOST:PORT`, or flight+tls://; LOOKBACK_ENGINE_TOKEN holds its token
    #[arg(long, value_name = "ADDRESS")]
    pub engine: Option<String>,
    /// Where the engine finds the archive: declares it there, in DataFusion's SQL; else it must have the view `events` (archive sql)
    #[arg(long, value_name = "LOCATION", requires = "engine", hide_short_help = true)]
    pub engine_archive: Option<String>,
    /// Ask for a slice of time here, too, and refuse an engine that answers otherwise
    #[arg(long, requires = "engine")]
    pub cross_check: bool,
    /// Longest wait for an answer
    #[arg(long, value_name = "DURATION", default_value = "5m", hide_short_help = true)]
    pub engine_timeout: String,
    /// Trust the authorities in this PEM file, instead of the system's; may be given again
    #[arg(long, value_name = "FILE", requires = "engine", hide_short_help = true)]
    pub engine_ca: Vec<PathBuf>,
    /// PEM file of a certificate to show
    #[arg(long, value_name = "FILE", requires = "engine_key", hide_short_help = true)]
    pub engine_cert: Option<PathBuf>,
    /// PEM file of its key
    #[arg(long, value_name = "FILE", requires = "engine_cert", hide_short_help = true)]
    pub engine_key: Option<PathBuf>,
    /// A host, beside the engine's own, that it may send us to for parts of an answer; may be given again; * for any
    #[arg(long, value_name = "HOST", requires = "engine", hide_short_help = true)]
    pub engine_follow: Vec<String>,
}

impl EngineArgs {
    fn options(&self) -> Result<Options> {
        let timeout = duration(&self.engine_timeout).map_err(|why| anyhow::anyhow!("--engine-timeout: {why}"))?;
        let client = self.engine_cert.clone().zip(self.engine_key.clone());
        Ok(Options {
            tls: Tls { ca_files: self.engine_ca.clone(), client, server_name: None },
            timeout: std::time::Duration::from_nanos(timeout.unsigned_abs()),
            token: env::var(TOKEN).ok().filter(|token| !token.is_empty()),
            follow: self.engine_follow.clone(),
            ..Options::default()
        })
    }

    /// The engine that the flags name, if they name one; it knows the archive, where they say so.
    ///
    /// # Errors
    /// When something is no archive, flows are picked in a way that SQL does not know, or nobody answers there.
    pub(crate) fn connect(&self, found: &Found, scope: &ScopeArgs) -> Result<Option<Elsewhere>> {
        let Some(address) = &self.engine else { return Ok(None) };
        let address: Address = address.parse()?;
        if found.inputs.iter().any(|input| !matches!(input, Input::Archive(_))) {
            bail!("an engine reads archives: lookback import LOG… -o ARCHIVE, and name the archive");
        }
        if scope.filter.is_some() {
            bail!("--filter is not for an engine elsewhere; --namespace, --service and SQL are");
        }
        let engine = Engine::connect(&address, &self.options()?)?;
        if let Some(location) = &self.engine_archive {
            for statement in create_table(engine.dialect()?, location)? {
                engine.execute(&statement).context("the archive was not declared")?;
            }
        }
        Ok(Some(Elsewhere { engine, is_checked: self.cross_check }))
    }
}

/// An engine elsewhere, connected.
#[derive(Debug)]
pub(crate) struct Elsewhere {
    engine: Engine,
    /// Whether its answers for a slice of time are compared with ours.
    is_checked: bool,
}

/// Answers questions of one scope where they are asked, as [`joint::answer`] does; else an engine that fails fails them all.
///
/// # Errors
/// When the inputs cannot be read, or an engine elsewhere does not answer, or otherwise than we would.
pub(crate) fn answer(
    elsewhere: Option<&Elsewhere>,
    askings: &[Asking<'_>],
    found: &Found,
    options: &mut read::Options,
    catalogue: &Catalogue,
    take: &mut dyn FnMut(usize, Result<Answer>) -> Result<()>,
) -> Result<()> {
    match elsewhere {
        Some(elsewhere) => elsewhere.answer(askings, found, options, catalogue, take),
        None => joint::answer(askings, found, options, catalogue, &|| Ok(()), take),
    }
}

impl Elsewhere {
    /// Where it is.
    pub(crate) fn address(&self) -> String {
        self.engine.address().to_string()
    }

    fn answer(
        &self,
        askings: &[Asking<'_>],
        found: &Found,
        options: &mut read::Options,
        catalogue: &Catalogue,
        take: &mut dyn FnMut(usize, Result<Answer>) -> Result<()>,
    ) -> Result<()> {
        let Some(first) = askings.first() else { return Ok(()) };
        let evidence = first.evidence(found, options)?;
        if self.is_checked {
            self.check(askings, evidence.extent, found, options, catalogue)?;
        }
        for (place, asking) in askings.iter().enumerate() {
            let (rows, window) = self.rows(asking, evidence.extent, catalogue)?;
            take(place, Ok(asking.answered(rows, window, evidence.clone())))?;
        }
        Ok(())
    }

    /// The rows of an answer, and its window.
    fn rows(&self, asking: &Asking<'_>, extent: Option<(i64, i64)>, catalogue: &Catalogue) -> Result<Rows> {
        let (bound, scope, window) = asking.within(extent, catalogue)?;
        let sql = bound.statement(&scope)?.to_string();
        Ok((asked(&self.engine, &sql).with_context(|| asking.origin.to_owned())?, window))
    }

    /// Asks for the last minute, or a tenth of the window, on both sides.
    fn check(
        &self,
        askings: &[Asking<'_>],
        extent: Option<(i64, i64)>,
        found: &Found,
        options: &mut read::Options,
        catalogue: &Catalogue,
    ) -> Result<()> {
        let Some(first) = askings.first() else { return Ok(()) };
        let (_, _, window) = first.within(extent, catalogue)?;
        let Some((since, until)) = window else { return Ok(()) };
        let from = until.saturating_sub((until.saturating_sub(since) / 10).max(SLICE)).max(since);
        let window = WindowArgs {
            last: None,
            since: Some(rfc3339(from)),
            until: Some(rfc3339(until)),
            relative_to: RelativeTo::Data,
        };
        let scope = ScopeArgs { window, ..first.scope.clone() };
        let mut slices: Vec<Asking<'_>> = Vec::new();
        for asking in askings {
            slices.push(Asking { scope: &scope, parameters: asking.parameters.clone(), ..*asking });
        }
        joint::answer(&slices, found, options, catalogue, &|| Ok(()), &mut |place, ours| {
            let Some(slice) = slices.get(place) else { return Ok(()) };
            let ours = ours?;
            let (rows, window) = self.rows(slice, extent, catalogue)?;
            let theirs = slice.answered(rows, window, ours.evidence.clone());
            let Some([wanted, found]) = disagreement(&ours, &theirs)? else { return Ok(()) };
            bail!(
                "{}: {} answers otherwise from {} to {}: {} rows where we have {}; here {wanted}, there {found}. It was not asked for the whole",
                slice.origin,
                self.engine.address(),
                rfc3339(from),
                rfc3339(until),
                theirs.rows.num_rows(),
                ours.rows.num_rows(),
            )
        })
    }
}

/// Rows, and the window that they are of.
type Rows = (RecordBatch, Option<(i64, i64)>);

/// The rows of a statement, in types that every answer of ours has.
fn asked(engine: &Engine, sql: &str) -> Result<RecordBatch> {
    let answer = engine.query(sql)?;
    let rows = concat_batches(&answer.schema, &answer.batches)?;
    let column = |array: &ArrayRef| -> Result<ArrayRef> {
        Ok(match array.data_type() {
            // Sums of whole numbers are wider in some engines.
            DataType::Decimal128(_, 0) | DataType::Decimal256(_, 0) => cast(array, &DataType::Int64)?,
            DataType::Decimal128(..) | DataType::Decimal256(..) => cast(array, &DataType::Float64)?,
            DataType::Null => cast(array, &DataType::Utf8View)?,
            _ => Arc::clone(array),
        })
    };
    let columns = rows.columns().iter().map(column).collect::<Result<Vec<_>>>()?;
    let fields = rows.schema_ref().fields().iter().zip(&columns);
    let fields: Vec<Field> =
        fields.map(|(field, array)| Field::new(field.name(), array.data_type().clone(), true)).collect();
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
}

/// Time that is asked for on both sides.
const SLICE: i64 = 60_000_000_000;

/// The first rows in which two answers differ, ours and theirs.
fn disagreement(ours: &Answer, theirs: &Answer) -> Result<Option<[String; 2]>> {
    let units: Vec<Unit> = ours.columns.iter().map(|(_, unit)| *unit).collect();
    let (mut ours, mut theirs) = (cells(ours)?, cells(theirs)?);
    let agree = |ours: &[Vec<Cell>], theirs: &[Vec<Cell>]| {
        ours.len() == theirs.len() && difference(&units, ours, theirs).is_none()
    };
    if agree(&ours, &theirs) {
        return Ok(None);
    }
    // A query need not say how its rows are ordered.
    ours.sort_by_cached_key(|row| format!("{row:?}"));
    theirs.sort_by_cached_key(|row| format!("{row:?}"));
    if agree(&ours, &theirs) {
        return Ok(None);
    }
    let (ours, theirs) = difference(&units, &ours, &theirs).unwrap_or_default();
    Ok(Some([ours, theirs].map(|row| render::terminal(&row).into_owned())))
}

fn cells(answer: &Answer) -> Result<Vec<Vec<Cell>>> {
    let row = |row| (0..answer.columns.len()).map(|column| answer.cell(row, column)).collect();
    (0..answer.rows.num_rows()).map(row).collect()
}

/// The first rows that differ.
fn difference(units: &[Unit], ours: &[Vec<Cell>], theirs: &[Vec<Cell>]) -> Option<(String, String)> {
    let is_near = |ours: f64, theirs: f64, share: f64| (ours - theirs).abs() <= share * ours.abs().max(1.0);
    #[expect(clippy::cast_precision_loss, reason = "durations that are compared to five digits")]
    let is_same = |(unit, (ours, theirs)): (&Unit, (&Cell, &Cell))| match (ours, theirs) {
        // Engines add up in different orders.
        (Cell::Fraction(ours), Cell::Fraction(theirs)) => is_near(*ours, *theirs, 1e-9),
        // DataFusion takes a quantile between two values at a whole millionth of the way.
        (Cell::Integer(ours), Cell::Integer(theirs)) if *unit == Unit::Ns => {
            is_near(*ours as f64, *theirs as f64, 1e-5)
        }
        _ => ours == theirs,
    };
    let mut pairs = ours.iter().zip(theirs);
    let differs = pairs.find(|(ours, theirs)| {
        ours.len() != theirs.len() || !units.iter().zip(ours.iter().zip(theirs.iter())).all(is_same)
    });
    differs.map(|(ours, theirs)| (format!("{ours:?}"), format!("{theirs:?}")))
}

/// Prints what makes an archive the table `events` of an engine.
pub(crate) fn declaration(args: &crate::cli::ArchiveSql, out: &mut dyn std::io::Write) -> Result<()> {
    let statements = create_table(args.dialect.into(), &args.location)?;
    Ok(writeln!(out, "{};", statements.join(";\n\n"))?)
}
