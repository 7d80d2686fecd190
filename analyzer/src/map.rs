//! `lookback map`: the service map as a drawing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use lookback_flow::inputs::find;
use lookback_map::{Edge, Format, Map, Port, Service};
use lookback_question::bind::Literal;
use lookback_question::catalogue::Catalogue;

use crate::answer::{Answer, Cell};
use crate::cli;
use crate::joint;
use crate::read::Options;
use crate::render::write_evidence;
use crate::session::{Asking, Outcome};

/// The question that a map is drawn from.
pub(crate) const QUESTION: &str = "service-map";

/// Rows that are taken, one for each port of an edge; a map folds what is too much to draw.
const MOST: i64 = 1_000_000;

pub(crate) fn run(args: &cli::Map, catalogue: &Catalogue) -> Result<Outcome> {
    let (format, path) = target(&args.output)?;
    let found = find(&args.inputs)?;
    if let Some(path) = path
        && fs::canonicalize(path).is_ok_and(|path| found.inputs.iter().any(|input| input.is(&path)))
    {
        bail!("{}: is an input; the map would be written over it", path.display());
    }
    let question = catalogue.question(QUESTION, None).context("there is no question service-map")?;
    let asking = Asking {
        title: &question.header.title,
        sql: &question.sql,
        origin: &question.origin,
        parameters: BTreeMap::from([
            ("limit".to_owned(), Literal::Integer(MOST)),
            ("hide_noise".to_owned(), Literal::Boolean(args.hide_noise)),
            ("grace".to_owned(), Literal::Integer(5_000_000_000)),
        ]),
        columns: &question.header.columns,
        notes: &question.header.notes,
        needs: None,
        scope: &args.scope,
        default_last: None,
    };
    asking.checked(catalogue)?;
    let mut options = Options::new(&args.lines, &found)?;
    let answer = joint::one(&asking, &found, &mut options, catalogue, &|| Ok(()))?;
    options.flush()?;
    let text = of(&answer)?.write(format, &args.title);
    match path {
        Some(path) => fs::write(path, text).with_context(|| path.display().to_string())?,
        None => io::stdout().lock().write_all(text.as_bytes())?,
    }
    if !args.quiet {
        write_evidence(&answer, &mut io::stderr().lock())?;
    }
    Ok(Outcome::Answered)
}

/// A format by its name, for standard output, or a file by its ending.
fn target(output: &str) -> Result<(Format, Option<&Path>)> {
    match output.parse() {
        Ok(format) if !output.contains('.') => Ok((format, None)),
        _ => {
            let path = Path::new(output);
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or(output);
            Ok((ending.parse()?, Some(path)))
        }
    }
}

/// The map of an answer to the question.
pub(crate) fn of(answer: &Answer) -> Result<Map> {
    let column = |name: &str| answer.columns.iter().position(|(own, _)| own == name);
    let cell = |row: usize, name: &str| column(name).map_or(Ok(Cell::Null), |column| answer.cell(row, column));
    let text = |row: usize, name: &str| -> Result<String> {
        Ok(if let Cell::Text(text) = cell(row, name)? { text } else { String::new() })
    };
    let count = |row: usize, name: &str| -> Result<u64> {
        Ok(if let Cell::Integer(count) = cell(row, name)? { u64::try_from(count).unwrap_or_default() } else { 0 })
    };
    let edge = |row: usize| -> Result<Edge> {
        let port = Port {
            number: u16::try_from(count(row, "server_port")?).ok().filter(|port| *port > 0),
            protocol: text(row, "l4_protocol")?,
            l7: Some(text(row, "l7_protocol")?).filter(|l7| !l7.is_empty()),
        };
        let (connections, requests) = (count(row, "connections")?, count(row, "requests")?);
        // The question tells the share alone, of requests where there are any.
        let judged = if requests > 0 { requests } else { connections };
        let (judged, errors) = match cell(row, "error_share")? {
            Cell::Fraction(share) => (judged.max(1), errors(share, judged.max(1))),
            _ => (0, 0),
        };
        Ok(Edge {
            ports: BTreeSet::from([port]),
            connections,
            requests,
            dropped: count(row, "dropped")?,
            audited: count(row, "audited")?,
            judged,
            errors,
            ..Edge::new(Service::named(&text(row, "client")?), Service::named(&text(row, "server")?))
        })
    };
    Ok(Map::new((0..answer.rows.num_rows()).map(edge).collect::<Result<Vec<_>>>()?))
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a count is a count"
)]
fn errors(share: f64, judged: u64) -> u64 {
    (share.clamp(0.0, 1.0) * judged as f64).round() as u64
}
