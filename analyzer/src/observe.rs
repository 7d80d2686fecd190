//! `lookback observe`: Hubble's own command line, over files.

mod agent;
mod archived;
mod flags;
mod flow;
mod follow;
mod live;
mod parquet;
mod print;
mod printer;
mod read;
mod selection;

use std::io::{self, BufWriter, IsTerminal as _, Write};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::{ArgMatches, Args as _, Command, FromArgMatches as _};
use lookback_flow::filter::Filters;
use lookback_flow::filter::flags::Raw;
use lookback_flow::inputs::{Found, Input, find};
use lookback_flow::mask::FieldMask;

use crate::cli;
use crate::read::Options;
use crate::session::Outcome;
use parquet::ParquetFile;
use print::{Events, Style};
pub(crate) use print::{Format, TimeFormat};
use printer::{Keep, Printer};
use read::Observer;
use selection::Selection;

/// Events of other kinds: each a command below `observe`, without the flags that filter flows.
const OTHERS: [(&str, &str, Events); 2] = [
    ("agent-events", "Print events of the Cilium agent: policies, endpoints, services, addresses", Events::Agent),
    ("debug-events", "Print debug events of Cilium's datapath", Events::Debug),
];

/// Adds the flags that filter, and the commands below.
pub(crate) fn with_flags(command: Command) -> Command {
    // The description of `cli::Observe` would stand for the command's.
    let (about, long_about) = (command.get_about().cloned(), command.get_long_about().cloned());
    let mut command = flags::with_flags(cli::Observe::augment_args(command));
    for (name, about, _) in OTHERS {
        command = command.subcommand(cli::Observe::augment_args(Command::new(name)).about(about));
    }
    command
        .about(about.unwrap_or_default())
        .long_about(long_about.unwrap_or_default())
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
        .subcommand_help_heading("Other events")
}

/// Prints the events that were asked for.
pub(crate) fn run(matches: &ArgMatches) -> Result<Outcome> {
    let other = OTHERS.iter().find_map(|(name, _, events)| Some((*events, matches.subcommand_matches(name)?)));
    match other {
        Some((events, matches)) => observe(&cli::Observe::from_arg_matches(matches)?, events, &Raw::default()),
        None => {
            let raw = flags::filters(matches)?;
            observe(&cli::Observe::from_arg_matches(matches)?, Events::Flows, &raw)
        }
    }
}

fn observe(args: &cli::Observe, events: Events, raw: &Raw) -> Result<Outcome> {
    let mut out = BufWriter::new(io::stdout());
    if args.print_raw_filters {
        out.write_all(raw.yaml().as_bytes())?;
        out.flush()?;
        return Ok(Outcome::Answered);
    }
    let selection =
        Selection { filters: Filters::for_files(&raw.allow, &raw.deny)?, window: window(args)?, kinds: events.kinds() };
    let inputs = [args.inputs.as_slice(), &args.input_file].concat();
    match (&args.server.address, inputs.is_empty()) {
        (Some(_), false) => bail!("--server stands for all inputs: give one or the other"),
        (None, true) => bail!("no input: give files, folders, patterns, archives, - for standard input, or --server"),
        _ => {}
    }
    if !args.field_mask.is_empty() && args.output != Format::Json {
        bail!("--field-mask goes with -o json; other formats print what they do");
    }
    if args.follow && matches!(args.output, Format::Table | Format::Parquet) {
        bail!("-o table and -o parquet need the end of the events, and --follow has none");
    }
    let found = if inputs.is_empty() { Found::default() } else { find(&inputs)? };
    let mut options = Options::new(&args.lines, &found)?;
    let is_one = matches!(found.inputs.as_slice(), [Input::File(_) | Input::Stdin]);
    let order = args.sort.unwrap_or(if is_one { cli::Sort::File } else { cli::Sort::Time });
    let keep = match (args.first, args.last) {
        (Some(first), _) => Keep::First(first),
        (_, Some(last)) => Keep::Last(last),
        _ => Keep::All,
    };
    let style = style(args, events);
    let print = |out| {
        if args.server.address.is_some() {
            let (window, all, follow, mask) = (selection.window, args.all, args.follow, &args.field_mask);
            // The server counts.
            let printer = Printer::new(out, style, cli::Sort::File, Keep::All);
            return live::print(&args.server, &live::Request { raw, keep, all, window, follow, mask, style }, printer);
        }
        let mask = FieldMask::new(&args.field_mask)?;
        let observer = Observer::new(selection, mask, Printer::new(out, style, order, keep), &options);
        let observer = if args.follow {
            observer.follow(&inputs, &found.inputs, &mut options)?
        } else {
            observer.read(&found.inputs, &mut options)?
        };
        observer.finish()
    };
    let warnings = if args.output == Format::Parquet {
        if io::stdout().is_terminal() {
            bail!("Parquet is not for a terminal; send it to a file: … -o parquet > flows.parquet");
        }
        let mut file = ParquetFile::new(&mut out, order == cli::Sort::Time && !matches!(keep, Keep::Last(_)))?;
        let warnings = print(&mut file)?;
        file.finish()?;
        warnings
    } else {
        print(&mut out)?
    };
    out.flush()?;
    options.flush()?;
    warnings.iter().for_each(|warning| eprintln!("warning {warning}"));
    Ok(Outcome::Answered)
}

/// The time that is asked about. Whoever follows asks for what comes.
fn window(args: &cli::Observe) -> Result<Option<(i64, i64)>> {
    let now = chrono::Utc::now().timestamp_nanos_opt().unwrap_or(i64::MAX);
    let moment = |flag: &str, text: &Option<String>| {
        text.as_deref().map(|text| moment(text, now).with_context(|| format!("--{flag}"))).transpose()
    };
    let (since, until) = (moment("since", &args.since)?, moment("until", &args.until)?.filter(|_| !args.follow));
    let is_asked = since.is_some() || until.is_some();
    Ok(is_asked.then(|| (since.unwrap_or(i64::MIN), until.unwrap_or(i64::MAX))))
}

fn style(args: &cli::Observe, events: Events) -> Style {
    let colours = match args.color {
        cli::Colour::Always => true,
        cli::Colour::Never => false,
        cli::Colour::Auto => io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
    };
    Style {
        format: args.output,
        time: args.time_format,
        node_names: args.print_node_name,
        policy_names: args.print_policy_names,
        translates: args.ip_translation && !args.numeric,
        colours: colours && matches!(args.output, Format::Compact | Format::Dict),
        events,
    }
}

/// A moment as Hubble reads it: a time, or a span before now.
pub(crate) fn moment(text: &str, now: i64) -> Result<i64> {
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
