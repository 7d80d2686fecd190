//! A table for whoever has no terminal: the first rows, and how to get more.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, channel};

use lookback_flow::inputs::Found;

use crate::data::cell::USUAL;
use crate::data::query::Query;
use crate::data::worker::{self, Progress, Reply, Request};

/// Rows that are printed.
const ROWS: usize = 100;

/// Prints the first rows that a filter shows.
///
/// # Errors
/// When the filter makes no sense, or `out` cannot be written to.
pub fn print(found: Found, filter: &str, out: &mut impl Write) -> io::Result<()> {
    let (sender, replies) = channel();
    let requests = worker::start(found.inputs, move |reply| sender.send(reply).is_ok())?;
    let ask = |request| requests.send(request).map_err(|_| ended());
    // Without a filter, all rows are what is looked for first.
    let mut generation = 0;
    if !filter.trim().is_empty() {
        // A time of day is of the day that the data have, and that is known once all of it was found.
        let extent = wait(&replies, |progress| progress.is_loaded)?.extent;
        let query = Query::parse(filter, extent).map_err(|mistakes| {
            let told: Vec<String> = mistakes.into_iter().map(|mistake| mistake.what).collect();
            io::Error::new(io::ErrorKind::InvalidInput, told.join("; "))
        })?;
        generation = 1;
        ask(Request::Query { generation, query, sort: None })?;
    }
    wait(&replies, |progress| progress.is_done && progress.generation == generation)?;
    ask(Request::Page { generation, at: 0, rows: ROWS, columns: USUAL.to_vec() })?;
    let page = until(&replies, |reply| match reply {
        Reply::Page { page, .. } => Some(page),
        _ => None,
    })?;
    let rows = page.rows;
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

/// Waits until the thread that reads is so far.
fn wait(replies: &Receiver<Reply>, is_so_far: impl Fn(&Progress) -> bool) -> io::Result<Progress> {
    until(replies, |reply| match reply {
        Reply::Progress(progress) if is_so_far(&progress) => Some(*progress),
        _ => None,
    })
}

/// Waits for a reply; what goes wrong meanwhile is told.
fn until<T>(replies: &Receiver<Reply>, wanted: impl Fn(Reply) -> Option<T>) -> io::Result<T> {
    for reply in replies {
        if let Reply::Failed(why) = &reply {
            eprintln!("warning {}", lookback_flow::escape::terminal(why));
        }
        if let Some(found) = wanted(reply) {
            return Ok(found);
        }
    }
    Err(ended())
}

fn ended() -> io::Error {
    io::Error::other("the thread that reads has ended")
}
