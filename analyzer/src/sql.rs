//! `lookback sql`: any query over the same tables, once or at a prompt.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anyhow::{Result, bail};
use lookback_flow::columns::{COLUMNS, ColumnId};
use lookback_flow::inputs::{Found, Input, find};
use rustyline::error::ReadlineError;

use crate::cli::Sql;
use crate::session::{Asking, Outcome};
use lookback_question::catalogue::Catalogue;

/// Runs the query, or the prompt.
pub(crate) fn run(args: &Sql, catalogue: &Catalogue) -> Result<Outcome> {
    match args.query_or_inputs.split_first() {
        Some((first, inputs)) if is_query(first) => {
            if inputs.is_empty() {
                bail!("no input: name files, folders, patterns or - after the query");
            }
            asking(first, args).run(inputs, args.explain, &args.read, &args.output, catalogue)
        }
        _ => prompt(args, catalogue),
    }
}

/// Whether an argument is meant as a query: it has several words, and no file is called so.
fn is_query(text: &str) -> bool {
    text.split_whitespace().nth(1).is_some() && !std::path::Path::new(text).exists()
}

fn asking<'a>(sql: &'a str, args: &'a Sql) -> Asking<'a> {
    Asking {
        title: sql,
        sql,
        origin: "query",
        parameters: BTreeMap::new(),
        columns: &[],
        notes: "",
        needs: None,
        scope: &args.scope,
        default_last: None,
    }
}

/// Reads queries line by line; a query ends with a semicolon.
fn prompt(args: &Sql, catalogue: &Catalogue) -> Result<Outcome> {
    let found = find(&args.query_or_inputs)?;
    if found.inputs.contains(&Input::Stdin) {
        bail!("a prompt and flows cannot both come from standard input; give the query as the first argument");
    }
    eprintln!(
        "{} inputs. A query ends with ;   \\d lists tables, \\d flows its columns, \\q leaves.",
        found.inputs.len()
    );
    let mut editor = rustyline::DefaultEditor::new()?;
    let mut query = String::new();
    loop {
        match editor.readline(if query.is_empty() { "lookback> " } else { "      …> " }) {
            Ok(line) => {
                if query.is_empty() && line.trim_start().starts_with('\\') {
                    match line.split_whitespace().collect::<Vec<_>>().as_slice() {
                        ["\\q"] => return Ok(Outcome::Answered),
                        ["\\d", "flows" | "lost_events"] => list_columns(&mut io::stdout().lock())?,
                        ["\\d"] => list_tables(catalogue, &mut io::stdout().lock())?,
                        ["\\d", name] if catalogue.table(name).is_some() => {
                            list_table(catalogue, name, &mut io::stdout().lock())?;
                        }
                        _ => eprintln!("\\d lists tables, \\d TABLE its columns, \\q leaves"),
                    }
                    continue;
                }
                query.push_str(&line);
                query.push('\n');
                if let Some(whole) = query.trim_end().strip_suffix(';').map(str::to_owned) {
                    let _ = editor.add_history_entry(query.trim_end());
                    query.clear();
                    if let Err(error) = answer(&whole, &found, args, catalogue) {
                        eprintln!("error: {}", crate::render::terminal(&format!("{error:#}")));
                    }
                }
            }
            Err(ReadlineError::Interrupted) => query.clear(),
            Err(ReadlineError::Eof) => return Ok(Outcome::Answered),
            Err(error) => return Err(error.into()),
        }
    }
}

fn answer(sql: &str, found: &Found, args: &Sql, catalogue: &Catalogue) -> Result<()> {
    if sql.trim().is_empty() {
        return Ok(());
    }
    asking(sql, args).run_on(found, args.explain, &args.read, &args.output, catalogue)?;
    Ok(())
}

fn list_tables(catalogue: &Catalogue, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "flows           every flow, {} columns", COLUMNS.len())?;
    writeln!(out, "lost_events     reports of events that were lost")?;
    for table in catalogue.tables() {
        writeln!(out, "{:<15} {}", table.name, table.header.title)?;
    }
    Ok(())
}

fn list_table(catalogue: &Catalogue, name: &str, out: &mut dyn Write) -> Result<()> {
    for column in catalogue.table(name).iter().flat_map(|table| &table.header.columns) {
        writeln!(out, "{:<20} {:<6} {}", column.name, column.unit.name(), column.help)?;
    }
    Ok(())
}

fn list_columns(out: &mut dyn Write) -> Result<()> {
    for column in COLUMNS {
        let kind = ColumnId::of(column.name).map(|_| lookback_flow::schema::arrow_type(column.kind).to_string());
        let kind = kind.unwrap_or_default().replace("Dictionary(Int32, Utf8)", "Utf8");
        let kind = kind.split('(').next().unwrap_or_default();
        writeln!(out, "{:<36} {kind:<10} {}", column.name, column.doc)?;
    }
    Ok(())
}
