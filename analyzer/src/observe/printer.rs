//! Events on their way out: at once, or held until their order, or which are the last ones, is known.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use lookback_flow::json::encode_lines;
use lookback_flow::view::View;

use super::print::{Format, Style};
use crate::cli::Sort;
use lookback_flow::event::Event;

/// Which of the events that were asked for are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    All,
    /// The oldest ones, or those that stand first.
    First(usize),
    /// The newest ones, or those that stand last.
    Last(usize),
}

/// No more events are asked for.
#[derive(Debug, thiserror::Error)]
#[error("enough")]
pub(super) struct Enough;

/// Where an event stands: its time, where that counts, its part of the input, how many came before it.
type Place = (i64, u64, u64);

/// Prints events.
pub(super) struct Printer<'a> {
    out: &'a mut (dyn Write + Send),
    style: Style,
    order: Sort,
    keep: Keep,
    /// As many as there can be use for.
    held: BTreeMap<Place, String>,
    came: u64,
    printed: usize,
}

impl<'a> Printer<'a> {
    pub(super) fn new(out: &'a mut (dyn Write + Send), style: Style, order: Sort, keep: Keep) -> Self {
        Self { out, style, order, keep, held: BTreeMap::new(), came: 0, printed: 0 }
    }

    pub(super) fn order(&self) -> Sort {
        self.order
    }

    pub(super) fn keep(&self) -> Keep {
        self.keep
    }

    /// Prints, or holds, the events of a part of the input.
    ///
    /// # Errors
    /// [`Enough`] when no more are asked for.
    pub(super) fn batch(&mut self, part: u64, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let places: Vec<Place> = {
            let view = View::new(batch)?;
            let events = (0..batch.num_rows()).map(|row| Event { view: &view, row });
            events.zip(self.came..).map(|(event, came)| (self.moment(&event), part, came)).collect()
        };
        self.came += places.len() as u64;
        // Those that would be dropped at once need not be written.
        let is_last =
            |at: usize| matches!(self.keep, Keep::Last(last) if self.order == Sort::File && at + last < places.len());
        let keep: BooleanArray =
            places.iter().enumerate().map(|(at, place)| Some(!is_last(at) && self.has_room(place))).collect();
        let batch = if keep.true_count() == places.len() { batch.clone() } else { filter_record_batch(batch, &keep)? };
        let places = places.into_iter().zip(keep.values()).filter(|(_, keep)| *keep).map(|(place, _)| place);
        let view = View::new(&batch)?;
        let mut json = String::new();
        let ends = if self.style.format.is_json() { encode_lines(&batch, &mut json)? } else { Vec::new() };
        let mut start = 0;
        for (row, place) in places.enumerate() {
            let text = match ends.get(row) {
                Some(end) => json.get(std::mem::replace(&mut start, *end)..*end).map(|line| line.trim_end().to_owned()),
                None => self.style.event(&Event { view: &view, row }),
            };
            if let Some(text) = text {
                self.event(place, text)?;
            }
        }
        Ok(())
    }

    /// What events are put in order by.
    fn moment(&self, event: &Event<'_>) -> i64 {
        match (self.order, self.keep) {
            (Sort::File, _) => 0,
            // Events without a time are neither the oldest nor the newest.
            (Sort::Time, Keep::Last(_)) => event.time().unwrap_or(i64::MIN),
            (Sort::Time, _) => event.time().unwrap_or(i64::MAX),
        }
    }

    fn has_room(&self, place: &Place) -> bool {
        match self.keep {
            Keep::Last(last) => {
                self.held.len() < last || self.held.first_key_value().is_some_and(|(least, _)| place > least)
            }
            Keep::First(first) => {
                self.order == Sort::File
                    || self.held.len() < first
                    || self.held.last_key_value().is_some_and(|(most, _)| place < most)
            }
            Keep::All => true,
        }
    }

    fn event(&mut self, place: Place, text: String) -> Result<()> {
        let is_held =
            self.order == Sort::Time || matches!(self.keep, Keep::Last(_)) || self.style.format == Format::Table;
        if is_held {
            self.held.insert(place, text);
        } else {
            self.print(&text)?;
        }
        match self.keep {
            Keep::Last(last) if self.held.len() > last => {
                self.held.pop_first();
            }
            Keep::First(first) if self.order == Sort::File && self.printed + self.held.len() >= first => {
                return Err(Enough.into());
            }
            Keep::First(first) if self.held.len() > first => {
                self.held.pop_last();
            }
            _ => {}
        }
        Ok(())
    }

    /// Prints what is held and older than a moment: nothing older will come.
    pub(super) fn settle(&mut self, before: i64) -> Result<()> {
        if self.keep == Keep::All && self.style.format != Format::Table {
            let later = self.held.split_off(&(before, 0, 0));
            for text in std::mem::replace(&mut self.held, later).into_values() {
                self.print(&text)?;
            }
        }
        Ok(())
    }

    fn print(&mut self, text: &str) -> Result<()> {
        if self.printed == 0
            && let Some(heading) = self.style.first_line()
        {
            writeln!(self.out, "{heading}")?;
        }
        if self.style.format == Format::Dict && self.printed > 0 {
            writeln!(self.out, "------------")?;
        }
        self.printed += 1;
        Ok(writeln!(self.out, "{text}")?)
    }

    /// Prints what is held; from now on, events are printed as they come.
    pub(super) fn follow(&mut self) -> Result<()> {
        self.release()?;
        (self.order, self.keep) = (Sort::File, Keep::All);
        self.flush()
    }

    /// Lets whoever reads along see what was printed.
    pub(super) fn flush(&mut self) -> Result<()> {
        Ok(self.out.flush()?)
    }

    /// Prints what is held.
    pub(super) fn finish(mut self) -> Result<()> {
        if self.style.format == Format::Table {
            return self.table();
        }
        self.release()
    }

    fn release(&mut self) -> Result<()> {
        std::mem::take(&mut self.held).values().try_for_each(|text| self.print(text))
    }

    /// Columns as wide as their widest cell, with three blanks between.
    fn table(&mut self) -> Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        let headings = self.style.headings();
        let lines: Vec<Vec<&str>> =
            std::iter::once(&headings).chain(self.held.values()).map(|line| line.split('\t').collect()).collect();
        let columns = lines.first().map_or(0, Vec::len);
        let width = |at: usize| lines.iter().filter_map(|line| line.get(at)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|at| width(at).unwrap_or_default() + 3).collect();
        for line in &lines {
            let mut text = String::new();
            for (at, cell) in line.iter().enumerate() {
                let width = if at + 1 == columns { 0 } else { widths.get(at).copied().unwrap_or_default() };
                text.push_str(cell);
                text.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count())));
            }
            writeln!(self.out, "{text}")?;
        }
        Ok(())
    }
}
