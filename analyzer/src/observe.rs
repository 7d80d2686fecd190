//! `lookback observe`: Hubble's own command line, over files.

mod flags;
mod print;
mod terms;

use std::collections::VecDeque;
use std::io::{self, BufWriter, IsTerminal as _, Write};

use anyhow::{Context as _, Result, anyhow, bail};
use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use clap::{ArgMatches, Args as _, Command, FromArgMatches as _};
use lookback_flow::columns::COLUMNS;
use lookback_flow::filter::Filters;
use lookback_flow::inputs::{Input, find};
use lookback_flow::json::{Wants, encode_lines};
use lookback_flow::rows::Projection;
use lookback_flow::segment::{Origin, SegmentFile, Wanted};
use lookback_flow::view::View;

use crate::cli;
use crate::read::{self, Opened, Options, Reader};
use crate::render::{rejected, terminal};
use crate::session::Outcome;
use print::{Event, Style};
pub(crate) use print::{Format, TimeFormat};

/// Adds the flags that filter.
pub(crate) fn with_flags(command: Command) -> Command {
    // The description of `cli::Observe` would stand for the command's.
    let (about, long_about) = (command.get_about().cloned(), command.get_long_about().cloned());
    let command = flags::with_flags(cli::Observe::augment_args(command));
    command.about(about.unwrap_or_default()).long_about(long_about.unwrap_or_default())
}

/// Prints the events that were asked for.
pub(crate) fn run(matches: &ArgMatches) -> Result<Outcome> {
    let args = cli::Observe::from_arg_matches(matches)?;
    let raw = flags::filters(matches)?;
    let mut out = BufWriter::new(io::stdout());
    if args.print_raw_filters {
        out.write_all(raw.yaml().as_bytes())?;
        out.flush()?;
        return Ok(Outcome::Answered);
    }
    let filters = Filters::for_files(&raw.allow, &raw.deny)?;
    let now = chrono::Utc::now().timestamp_nanos_opt().unwrap_or(i64::MAX);
    let moment = |flag: &str, text: &Option<String>| {
        text.as_deref().map(|text| moment(text, now).with_context(|| format!("--{flag}"))).transpose()
    };
    let window = (moment("since", &args.since)?, moment("until", &args.until)?);
    if args.inputs.is_empty() {
        bail!("no input: give files, folders, patterns, archives, or - for standard input");
    }
    let found = find(&args.inputs)?;
    let mut options = Options::new(&args.lines, &found)?;
    let colours = match args.color {
        cli::Colour::Always => true,
        cli::Colour::Never => false,
        cli::Colour::Auto => io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
    };
    let style = Style {
        format: args.output,
        time: args.time_format,
        node_names: args.print_node_name,
        policy_names: args.print_policy_names,
        translates: args.ip_translation && !args.numeric,
        colours: colours && matches!(args.output, Format::Compact | Format::Dict),
    };
    let inputs = read::files(&found.inputs)?;
    let order = args.sort.unwrap_or(if inputs.len() > 1 { cli::Sort::Time } else { cli::Sort::File });
    let printer = Printer::new(&mut out, style, order, args.first, args.last);
    // Whoever asks for bad lines wants them all, those that nothing was asked about, too.
    let skims = !options.strict && options.rejects.is_none();
    let wants = Wants { columns: columns(), needles: filters.needles(), skims, ..Wants::default() };
    let (reader, selection) = (Reader::new(wants), Selection { filters, window });
    let mut observer = Observer { reader, selection, printer, origins: Vec::new() };
    match inputs.iter().try_for_each(|input| observer.input(input, &mut options)) {
        Err(error) if !error.is::<Enough>() => return Err(error),
        _ => {}
    }
    options.flush()?;
    let Observer { printer, origins, .. } = observer;
    printer.finish()?;
    out.flush()?;
    for origin in &origins {
        if let Some(why) = &origin.broken {
            eprintln!("warning {}: {}", terminal(&origin.name), terminal(why));
        }
    }
    if origins.iter().any(|origin| !origin.rejected.is_empty()) {
        eprintln!("warning {}", rejected(&origins, "(--rejects FILE keeps them)"));
    }
    Ok(Outcome::Answered)
}

/// A moment as Hubble reads it: a time, or a span before now.
fn moment(text: &str, now: i64) -> Result<i64> {
    if let Ok(span) = lookback_question::window::duration(text) {
        return Ok(now.saturating_sub(span));
    }
    let whole = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        14 if text.ends_with('Z') => format!("{}:00:00Z", text.trim_end_matches('Z')),
        17 if text.ends_with('Z') => format!("{}:00Z", text.trim_end_matches('Z')),
        _ => text.to_owned(),
    };
    let time = lookback_flow::time::parse_rfc3339(&whole).or_else(|| {
        let time = chrono::DateTime::parse_from_rfc2822(text).ok()?;
        time.timestamp_nanos_opt()
    });
    time.ok_or_else(|| anyhow!("{text:?} is neither a time, such as 2026-03-01T10:00:00Z, nor a duration, such as 5m"))
}

/// Every column, but not what no known version has: Hubble drops that, too.
fn columns() -> Projection {
    Projection::of(
        COLUMNS.iter().filter(|column| !column.is_derived() && column.name != "extra").map(|column| column.name),
    )
}

/// No more events are asked for.
#[derive(Debug, thiserror::Error)]
#[error("enough")]
struct Enough;

/// Reads inputs and gives the printer what was asked for.
struct Observer<'a> {
    reader: Reader,
    selection: Selection,
    printer: Printer<'a>,
    origins: Vec<Origin>,
}

impl Observer<'_> {
    fn input(&mut self, input: &Input, options: &mut Options) -> Result<()> {
        let mut origin = Origin { name: input.name(), ..Origin::default() };
        let read = self.read(input, &mut origin, options);
        options.told(&origin)?;
        self.origins.push(origin);
        read
    }

    fn read(&mut self, input: &Input, origin: &mut Origin, options: &mut Options) -> Result<()> {
        let Self { reader, selection, printer, .. } = self;
        match read::open(input, |source, _| source)? {
            Opened::Broken(why) => {
                origin.broken = Some(why);
                Ok(())
            }
            Opened::Lines(chunks) => {
                reader.lines(chunks, origin, options, |_, decoded| printer.batch(&selection.of(&decoded.batch)?))
            }
            Opened::Parquet(path) => {
                let Wants { columns, needles, .. } = reader.wants();
                let wanted = Wanted { needles: needles.clone(), exactly: true, ..Wanted::default() };
                let read = SegmentFile::open(&path).map_err(anyhow::Error::from).and_then(|file| {
                    for batch in file.read(columns, &wanted, None)? {
                        printer.batch(&selection.of(&batch?)?)?;
                    }
                    Ok(())
                });
                match read {
                    Err(error) if !error.is::<Enough>() && !error.is::<io::Error>() => {
                        origin.broken = Some(error.to_string());
                        Ok(())
                    }
                    other => other,
                }
            }
        }
    }
}

/// Which events are asked for.
struct Selection {
    filters: Filters,
    /// From and to.
    window: (Option<i64>, Option<i64>),
}

impl Selection {
    /// The rows of a batch that are asked for. Reports of lost events are filtered as the hubble CLI does with files: what
    /// asks about flows leaves them out.
    fn of(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        if batch.num_rows() == 0 {
            return Ok(batch.clone());
        }
        let kept = self.filters.keep(batch)?;
        let view = View::new(batch)?;
        let (since, until) = self.window;
        let inside = |time: i64| since.is_none_or(|since| time >= since) && until.is_none_or(|until| time <= until);
        let keep: BooleanArray = (0..batch.num_rows())
            .map(|row| {
                let event = Event { view: &view, row };
                let in_time = (since.is_none() && until.is_none()) || event.time().is_some_and(inside);
                Some(kept.value(row) && in_time && matches!(event.kind(), "flow" | "lost_events"))
            })
            .collect();
        Ok(filter_record_batch(batch, &keep)?)
    }
}

/// Prints events at once, or holds them until the last ones or their order are known.
struct Printer<'a> {
    out: &'a mut (dyn Write + Send),
    style: Style,
    order: cli::Sort,
    first: Option<usize>,
    last: Option<usize>,
    /// With their times; as many as there can be use for.
    held: VecDeque<(i64, String)>,
    printed: usize,
}

impl<'a> Printer<'a> {
    fn new(
        out: &'a mut (dyn Write + Send),
        style: Style,
        order: cli::Sort,
        first: Option<usize>,
        last: Option<usize>,
    ) -> Self {
        Self { out, style, order, first, last, held: VecDeque::new(), printed: 0 }
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let view = View::new(batch)?;
        let mut json = String::new();
        let ends = if self.style.format == Format::Json { encode_lines(batch, &mut json)? } else { Vec::new() };
        let mut start = 0;
        for row in 0..batch.num_rows() {
            let event = Event { view: &view, row };
            let text = match ends.get(row) {
                Some(end) => json.get(std::mem::replace(&mut start, *end)..*end).map(|line| line.trim_end().to_owned()),
                None => self.style.event(&event),
            };
            if let Some(text) = text {
                self.event(event.time().unwrap_or(i64::MAX), text)?;
            }
        }
        Ok(())
    }

    fn event(&mut self, time: i64, text: String) -> Result<()> {
        let is_held = self.order == cli::Sort::Time || self.last.is_some() || self.style.format == Format::Table;
        if !is_held {
            if self.first.is_some_and(|first| self.printed >= first) {
                return Err(Enough.into());
            }
            return self.print(&text);
        }
        self.held.push_back((time, text));
        match (self.order, self.first, self.last) {
            (cli::Sort::File, _, Some(last)) if self.held.len() > last => {
                self.held.pop_front();
            }
            (cli::Sort::File, Some(first), _) if self.held.len() > first => {
                self.held.pop_back();
                return Err(Enough.into());
            }
            _ => {}
        }
        Ok(())
    }

    fn print(&mut self, text: &str) -> Result<()> {
        if self.style.format == Format::Dict && self.printed > 0 {
            writeln!(self.out, "------------")?;
        }
        self.printed += 1;
        Ok(writeln!(self.out, "{text}")?)
    }

    /// Prints what was held.
    fn finish(mut self) -> Result<()> {
        let mut held: Vec<(i64, String)> = std::mem::take(&mut self.held).into();
        if self.order == cli::Sort::Time {
            held.sort_by_key(|(time, _)| *time);
            held.truncate(self.first.unwrap_or(usize::MAX));
            held.drain(..held.len().saturating_sub(self.last.unwrap_or(usize::MAX)));
        }
        if self.style.format == Format::Table {
            return self.table(&held);
        }
        held.iter().try_for_each(|(_, text)| self.print(text))
    }

    /// Columns as wide as their widest cell, with three blanks between.
    fn table(&mut self, held: &[(i64, String)]) -> Result<()> {
        if held.is_empty() {
            return Ok(());
        }
        let headings = self.style.headings();
        let lines: Vec<Vec<&str>> = std::iter::once(headings.as_str())
            .chain(held.iter().map(|(_, text)| text.as_str()))
            .map(|line| line.split('\t').collect())
            .collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_hubble() {
        let at = |text: &str| moment(text, 1_000_000_000_000).unwrap();
        assert_eq!(at("10s"), 990_000_000_000);
        assert_eq!(at("1970-01-02"), 86_400_000_000_000);
        assert_eq!(at("1970-01-02T03Z"), 97_200_000_000_000);
        assert_eq!(at("1970-01-02T03:04Z"), 97_440_000_000_000);
        assert_eq!(at("1970-01-02T03:04:05.5Z"), 97_445_500_000_000);
        assert_eq!(at("Fri, 02 Jan 1970 03:04:05 +0000"), 97_445_000_000_000);
        assert!(moment("yesterday", 0).is_err());
    }

    #[test]
    fn every_flag_is_one_of_its_own() {
        with_flags(Command::new("observe")).debug_assert();
    }
}
