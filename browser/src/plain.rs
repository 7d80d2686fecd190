//! A table for whoever has no terminal: the first rows, and how to get more.

use std::io::{self, Write};

use lookback_flow::inputs::Found;

use crate::data::cell::USUAL;
use crate::data::query::Query;
use crate::data::worker::{Data, Reply, Request};

/// Rows that are printed.
const ROWS: usize = 100;

/// Prints the first rows that a filter shows.
///
/// # Errors
/// When the filter makes no sense, or `out` cannot be written to.
pub fn print(found: Found, filter: &str, out: &mut impl Write) -> io::Result<()> {
    let mut data = Data::new(found.inputs);
    let mut extent = None;
    let mut settle = |data: &mut Data| {
        // What is read counts once all of it is.
        while data.step() || data.is_loading() {
            for reply in data.replies(true) {
                match reply {
                    Reply::Progress(progress) => extent = progress.extent,
                    Reply::Failed(why) => eprintln!("warning {}", lookback_flow::escape::terminal(&why)),
                    _ => {}
                }
            }
        }
        extent
    };
    let extent = settle(&mut data);
    let query = Query::parse(filter, extent).map_err(|mistakes| {
        let told: Vec<String> = mistakes.into_iter().map(|mistake| mistake.what).collect();
        io::Error::new(io::ErrorKind::InvalidInput, told.join("; "))
    })?;
    data.request(Request::Query { generation: 1, query, sort: None });
    settle(&mut data);
    data.request(Request::Page { generation: 1, at: 0, rows: ROWS, columns: USUAL.to_vec() });
    let page = data.replies(false).into_iter().find_map(|reply| match reply {
        Reply::Page { page, .. } => Some(page),
        _ => None,
    });
    let rows = page.unwrap_or_default().rows;
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.cells.get(at)).map(|cell| cell.chars().count());
        cells.chain([USUAL.get(at).map_or(0, |col| col.name().len())]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..USUAL.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    writeln!(out, "{}", line(&mut USUAL.iter().map(|col| col.name())))?;
    for row in &rows {
        writeln!(out, "{}", line(&mut row.cells.iter().map(String::as_str)))?;
    }
    out.flush()?;
    eprintln!(
        "{} rows; the browser needs a terminal, `lookback observe` prints all rows and other formats",
        rows.len()
    );
    Ok(())
}
