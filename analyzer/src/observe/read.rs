//! Inputs on their way to the printer.

use std::io;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use lookback_flow::columns::COLUMNS;
use lookback_flow::inputs::Input;
use lookback_flow::json::Wants;
use lookback_flow::lines::{Chunk, Chunks};
use lookback_flow::mask::FieldMask;
use lookback_flow::oddities::Oddities;
use lookback_flow::rows::Projection;
use lookback_flow::segment::Origin;

use super::archived::Archived;
use super::follow::{Follower, Grown, pipe};
use super::printer::{Enough, Printer};
use super::selection::Selection;
use crate::read::{self, Opened, Options, Reader};
use crate::render::{rejected, terminal};

/// Reads inputs and gives the printer what was asked for.
pub(super) struct Observer<'a> {
    reader: Reader,
    selection: Arc<Selection>,
    printer: Printer<'a>,
    mask: FieldMask,
    origins: Vec<Origin>,
}

/// Every column, but not what no known version has: Hubble drops that, too.
pub(super) fn columns() -> Projection {
    Projection::of(
        COLUMNS.iter().filter(|column| !column.is_derived() && column.name != "extra").map(|column| column.name),
    )
}

impl<'a> Observer<'a> {
    pub(super) fn new(selection: Selection, mask: FieldMask, printer: Printer<'a>, options: &Options) -> Self {
        // Whoever asks for bad lines wants them all, those that nothing was asked about, too.
        let skims = !options.strict && options.rejects.is_none();
        let wants = Wants { columns: columns(), needles: selection.filters.needles(), skims, ..Wants::default() };
        Self { reader: Reader::new(wants), selection: Arc::new(selection), printer, mask, origins: Vec::new() }
    }

    /// Reads inputs to their end, or until no more events are asked for.
    pub(super) fn read(mut self, inputs: &[Input], options: &mut Options) -> Result<Self> {
        self.inputs(inputs, options, |_| Ok(None))?;
        Ok(self)
    }

    /// Reads inputs, then what they grow by, without end.
    pub(super) fn follow(mut self, arguments: &[String], inputs: &[Input], options: &mut Options) -> Result<Self> {
        if matches!(inputs, [Input::Stdin]) {
            self.printer.follow()?;
            self.origins.push(Origin { name: Input::Stdin.name(), ..Origin::default() });
            pipe(io::stdin(), |chunk| self.grown(0, &chunk, options))?;
            return Ok(self);
        }
        let mut follower = Follower::new(arguments, inputs)?;
        self.inputs(inputs, options, |path| follower.first_lines(path))?;
        self.printer.follow()?;
        loop {
            for Grown { path, chunk, cut_off } in follower.wait()? {
                let name = path.display().to_string();
                if cut_off {
                    eprintln!("warning {}: has become shorter, and is read again from its start", terminal(&name));
                }
                let at = self.origins.iter().position(|origin| origin.name == name).unwrap_or_else(|| {
                    self.origins.push(Origin { name, ..Origin::default() });
                    self.origins.len() - 1
                });
                self.grown(at, &chunk, options)?;
            }
        }
    }

    fn grown(&mut self, at: usize, chunk: &Chunk, options: &mut Options) -> Result<()> {
        let Some(origin) = self.origins.get_mut(at) else { return Ok(()) };
        let before = origin.rejected.values().sum::<u64>();
        let decoded = self.reader.chunk(chunk, origin, options)?;
        let bad = origin.rejected.values().sum::<u64>();
        if bad > before {
            eprintln!("warning {}: {bad} of {} lines could not be read", terminal(&origin.name), origin.lines);
        }
        self.printer.batch(0, &self.mask.apply(&self.selection.of(&decoded.batch)?)?)?;
        self.printer.flush()?;
        options.flush()
    }

    /// Logs come before archives: then, hour by hour, nothing older comes than an archive's.
    fn inputs(
        &mut self,
        inputs: &[Input],
        options: &mut Options,
        mut opened: impl FnMut(&Path) -> Result<Option<Chunks>>,
    ) -> Result<()> {
        let is_archive = |input: &Input| matches!(input, Input::Archive(_));
        let archives = inputs.iter().filter(|input| is_archive(input)).count();
        let by_time = self.printer.order() == crate::cli::Sort::Time;
        let mut order: Vec<(u64, &Input)> = (0..).zip(inputs).collect();
        if by_time {
            order.sort_by_key(|(_, input)| is_archive(input));
        }
        let read = order.into_iter().try_for_each(|(part, input)| match input {
            Input::Archive(archive) => {
                let columns = columns();
                let mut files = Archived::new(&self.selection, &self.mask, &columns);
                let read = files.archive(archive, part, by_time && archives == 1, &mut self.printer);
                self.origins.extend(files.broken.into_iter().map(|(path, why)| broken(&path, why)));
                read
            }
            Input::File(path) => match opened(path)? {
                Some(chunks) => self.log(input, part, Opened::Lines(chunks), options),
                None => self.log(input, part, read::open(input, |source, _| source)?, options),
            },
            Input::Stdin => self.log(input, part, read::open(input, |source, _| source)?, options),
        });
        match read {
            Err(error) if !error.is::<Enough>() => Err(error),
            _ => Ok(()),
        }
    }

    fn log(&mut self, input: &Input, part: u64, opened: Opened, options: &mut Options) -> Result<()> {
        let mut origin = Origin { name: input.name(), ..Origin::default() };
        let Self { reader, selection, printer, mask, .. } = self;
        let read = match opened {
            Opened::Broken(why) => {
                origin.broken = Some(why);
                Ok(())
            }
            Opened::Lines(chunks) => reader.lines(chunks, &mut origin, options, |_, decoded| {
                printer.batch(part, &mask.apply(&selection.of(&decoded.batch)?)?)
            }),
            Opened::Parquet(path) => {
                let columns = columns();
                let mut files = Archived::new(selection, mask, &columns);
                let read = files.file(&path, part, selection.window, printer);
                origin.broken = files.broken.pop().map(|(_, why)| why);
                read
            }
        };
        options.told(&origin)?;
        self.origins.push(origin);
        read
    }

    /// Prints what is held, and gives what is to be told.
    pub(super) fn finish(self) -> Result<Vec<String>> {
        self.printer.finish()?;
        let mut warnings = Vec::new();
        let mut oddities = Oddities::default();
        for origin in &self.origins {
            let name = terminal(&origin.name);
            warnings.extend(origin.broken.as_ref().map(|why| format!("{name}: {}", terminal(why))));
            oddities.merge(origin.oddities.clone());
        }
        if self.origins.iter().any(|origin| !origin.rejected.is_empty()) {
            warnings.push(rejected(&self.origins, "(--rejects FILE keeps them)"));
        }
        let unknown: Vec<&str> = oddities.unknown_fields.keys().map(String::as_str).collect();
        if let Some(first) = unknown.first() {
            let others = unknown.len() - 1;
            let more = if others == 0 { String::new() } else { format!(" and {others} more") };
            let what = "of a later version, and not printed (`lookback export` keeps them)";
            warnings.push(format!("unknown fields: {}{more}, {what}", terminal(first)));
        }
        Ok(warnings)
    }
}

fn broken(path: &Path, why: String) -> Origin {
    Origin { name: path.display().to_string(), broken: Some(why), ..Origin::default() }
}
