//! Answers as text, for eyes and for pipes.
//!
//! Standard output gets the answer and nothing else; the evidence goes to standard error, except in JSON, which has
//! room for both. Text from a log passes one of the functions of `escape` on its way to a reader that could be harmed.

mod escape;
mod evidence;

use std::io::{self, IsTerminal as _, Write};

use anyhow::{Result, bail};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use lookback_flow::time::rfc3339;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};
use serde_json::{Value, json};

use crate::answer::{Answer, Cell};
use lookback_question::catalogue::Unit;
use lookback_question::window::human_span;

use escape::Harmless;
pub(crate) use escape::{markdown, spreadsheet, terminal};
pub(crate) use evidence::{evidence_lines, kinds, plural, rejected, write_evidence};

/// How to write an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For eyes: units spelled out, evidence on standard error
    Table,
    /// One object: the rows, the evidence, the units
    Json,
    /// A JSON object for each row
    Ndjson,
    /// With a header line
    Csv,
    /// A table for a page
    Markdown,
    /// A file for another tool; not to a terminal
    Parquet,
}

/// Writes an answer; `raw` leaves times as nanoseconds and CSV texts as they are.
pub(crate) fn write(answer: &Answer, format: Format, raw: bool, out: &mut dyn Write) -> Result<()> {
    match format {
        Format::Table => write_table(answer, out),
        Format::Json => write_json(answer, raw, out),
        Format::Ndjson => write_ndjson(answer, raw, out),
        Format::Csv => write_csv(answer, raw, out),
        Format::Markdown => write_markdown(answer, out),
        Format::Parquet => write_parquet(answer, out),
    }
}

/// A value as people read it.
pub(crate) fn human(cell: &Cell, unit: Unit) -> String {
    match (cell, unit) {
        (Cell::Null, _) => String::new(),
        (Cell::Integer(nanos), Unit::Ns) => i64::try_from(*nanos).map_or_else(|_| nanos.to_string(), human_span),
        (Cell::Integer(number), Unit::Count) => grouped(*number),
        (Cell::Integer(number), _) => number.to_string(),
        (Cell::Fraction(share), Unit::Ratio) => format!("{:.2}%", share * 100.0),
        (Cell::Fraction(number), _) => format!("{number:.3}"),
        (Cell::Boolean(value), _) => value.to_string(),
        (Cell::Text(text), _) => text.clone(),
        (Cell::Time(nanos), _) => rfc3339(nanos.div_euclid(1_000_000) * 1_000_000),
    }
}

/// `1,234,567`.
pub(crate) fn grouped(number: i128) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

fn is_numeric(cell: &Cell) -> bool {
    matches!(cell, Cell::Integer(_) | Cell::Fraction(_))
}

/// A column's name as a heading; a unit that every value shows is left out of it.
pub(crate) fn heading(name: &str, unit: Unit) -> String {
    let name = if unit == Unit::Ns { name.strip_suffix("_ns").unwrap_or(name) } else { name };
    terminal(&name.replace('_', " ").to_uppercase()).into_owned()
}

fn write_table(answer: &Answer, out: &mut dyn Write) -> Result<()> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(answer.columns.iter().map(|(name, unit)| heading(name, *unit)));
    let mut numeric = vec![false; answer.columns.len()];
    for row in 0..answer.rows.num_rows() {
        let mut cells = Vec::with_capacity(numeric.len());
        for (column, (_, unit)) in answer.columns.iter().enumerate() {
            let cell = answer.cell(row, column)?;
            if let Some(numeric) = numeric.get_mut(column) {
                *numeric |= is_numeric(&cell);
            }
            cells.push(terminal(&human(&cell, *unit)).into_owned());
        }
        table.add_row(cells);
    }
    for (position, numeric) in numeric.into_iter().enumerate() {
        if numeric && let Some(column) = table.column_mut(position) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    if answer.rows.num_rows() == 0 {
        return Ok(());
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn value(cell: Cell, raw: bool) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Boolean(value) => value.into(),
        Cell::Integer(number) => i64::try_from(number)
            .map(Value::from)
            .or_else(|_| u64::try_from(number).map(Value::from))
            .unwrap_or_else(|_| number.to_string().into()),
        Cell::Fraction(number) => number.into(),
        Cell::Text(text) => text.into(),
        Cell::Time(nanos) if raw => nanos.into(),
        Cell::Time(nanos) => rfc3339(nanos).into(),
    }
}

/// A row as an object whose members stand in the order of the columns.
struct Object<'a> {
    answer: &'a Answer,
    row: usize,
    raw: bool,
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.answer.columns.len()))?;
        for (column, (name, _)) in self.answer.columns.iter().enumerate() {
            let cell = self.answer.cell(self.row, column).map_err(serde::ser::Error::custom)?;
            map.serialize_entry(name, &value(cell, self.raw))?;
        }
        map.end()
    }
}

/// Writes a value as JSON in which nothing drives a terminal that it is printed to; for a program it is the same value.
fn write_value<F: Formatter>(value: &impl Serialize, formatter: F, out: &mut dyn Write) -> Result<()> {
    Ok(value.serialize(&mut serde_json::Serializer::with_formatter(out, Harmless(formatter)))?)
}

#[derive(serde::Serialize)]
struct Whole<'a> {
    title: &'a str,
    columns: Vec<Value>,
    rows: Vec<Object<'a>>,
    notes: &'a str,
    evidence: Value,
}

/// Likewise, laid out for reading.
pub(crate) fn write_pretty(value: &impl Serialize, out: &mut dyn Write) -> Result<()> {
    write_value(value, PrettyFormatter::new(), out)?;
    Ok(writeln!(out)?)
}

fn write_json(answer: &Answer, raw: bool, out: &mut dyn Write) -> Result<()> {
    let columns = answer.columns.iter().map(|(name, unit)| json!({"name": name, "unit": unit.name()})).collect();
    let whole = Whole {
        title: &answer.title,
        columns,
        rows: (0..answer.rows.num_rows()).map(|row| Object { answer, row, raw }).collect(),
        notes: &answer.notes,
        evidence: answer.evidence.json(answer.window),
    };
    write_pretty(&whole, out)
}

fn write_ndjson(answer: &Answer, raw: bool, out: &mut dyn Write) -> Result<()> {
    for row in 0..answer.rows.num_rows() {
        write_value(&Object { answer, row, raw }, CompactFormatter, out)?;
        writeln!(out)?;
    }
    Ok(())
}

fn write_csv(answer: &Answer, raw: bool, out: &mut dyn Write) -> Result<()> {
    let to_terminal = io::stdout().is_terminal();
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(answer.columns.iter().map(|(name, _)| name))?;
    for row in 0..answer.rows.num_rows() {
        for column in 0..answer.columns.len() {
            csv.write_field(match answer.cell(row, column)? {
                Cell::Null => String::new(),
                Cell::Boolean(value) => value.to_string(),
                Cell::Integer(number) => number.to_string(),
                Cell::Fraction(number) => number.to_string(),
                Cell::Text(text) if to_terminal => terminal(&text).into_owned(),
                Cell::Text(text) if raw => text,
                Cell::Text(text) => spreadsheet(&text).into_owned(),
                Cell::Time(nanos) if raw => nanos.to_string(),
                Cell::Time(nanos) => rfc3339(nanos),
            })?;
        }
        csv.write_record(None::<&[u8]>)?;
    }
    Ok(csv.flush()?)
}

fn write_markdown(answer: &Answer, out: &mut dyn Write) -> Result<()> {
    let mut line = String::from("|");
    let mut rule = String::from("|");
    for (column, (name, _)) in answer.columns.iter().enumerate() {
        let numeric = answer.rows.num_rows() > 0 && is_numeric(&answer.cell(0, column)?);
        line = line + " " + &markdown(name) + " |";
        rule.push_str(if numeric { " ---: |" } else { " --- |" });
    }
    writeln!(out, "{line}\n{rule}")?;
    for row in 0..answer.rows.num_rows() {
        let mut line = String::from("|");
        for (column, (_, unit)) in answer.columns.iter().enumerate() {
            line = line + " " + &markdown(&human(&answer.cell(row, column)?, *unit)) + " |";
        }
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn write_parquet(answer: &Answer, out: &mut dyn Write) -> Result<()> {
    if io::stdout().is_terminal() {
        bail!("Parquet is not for a terminal; send it to a file: … -o parquet > answer.parquet");
    }
    Ok(out.write_all(&parquet(answer)?)?)
}

/// An answer as a Parquet file.
pub(crate) fn parquet(answer: &Answer) -> Result<Vec<u8>> {
    let zstd = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), answer.rows.schema(), Some(zstd))?;
    writer.write(&answer.rows)?;
    Ok(writer.into_inner()?)
}
