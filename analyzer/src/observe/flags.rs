//! The filter flags of `hubble observe` on a command line.
//!
//! `--not` goes with the flag behind it, and turns it round. What flags mean: [`lookback_flow::filter::flags`].

use anyhow::{Result, anyhow, bail};
use clap::{Arg, ArgAction, ArgMatches, Command};
use lookback_flow::filter::flags::{Chosen, FLAGS, Flag, Raw};

/// Adds the flags to a command.
pub(super) fn with_flags(command: Command) -> Command {
    let mut command = command.next_help_heading("Filters").arg(
        Arg::new("not")
            .long("not")
            .action(ArgAction::Append)
            .num_args(0)
            .default_missing_value("true")
            .help("Turns the filter flag behind it round: what matches is left out"),
    );
    for flag in FLAGS {
        let mut arg = Arg::new(flag.name).long(flag.name).help(flag.help).action(ArgAction::Append);
        if let Some(short) = flag.short {
            arg = arg.short(short);
        }
        arg = match flag.value {
            Some(value) => arg.value_name(value).allow_hyphen_values(true),
            None => arg.num_args(0).default_missing_value("true"),
        };
        command = command.arg(arg);
    }
    for (name, variable, help) in [
        ("allowlist", "HUBBLE_ALLOWLIST", "A FlowFilter as JSON; also keeps what it matches"),
        ("denylist", "HUBBLE_DENYLIST", "A FlowFilter as JSON; leaves out what it matches"),
    ] {
        command = command
            .arg(Arg::new(name).long(name).value_name("JSON").action(ArgAction::Append).help(help).env(variable));
    }
    command
}

/// The filters that were asked for.
pub(super) fn filters(matches: &ArgMatches) -> Result<Raw> {
    // In the order of the command line.
    let mut given: Vec<(usize, Option<&Flag>, String)> = Vec::new();
    given.extend(indices(matches, "not").map(|at| (at, None, String::new())));
    for flag in FLAGS {
        let values = matches.get_many::<String>(flag.name).into_iter().flatten();
        given.extend(indices(matches, flag.name).zip(values).map(|(at, value)| (at, Some(flag), value.clone())));
    }
    given.sort_by_key(|(at, ..)| *at);
    let mut chosen = Chosen::default();
    let mut turned = false;
    for (_, flag, value) in given {
        match flag {
            None if turned => bail!("--not is given twice; it goes with one filter flag"),
            None => turned = true,
            Some(flag) => {
                let is_turned = std::mem::take(&mut turned);
                chosen.set(flag, &value, is_turned).map_err(|error| anyhow!("--{}: {error}", flag.name))?;
            }
        }
    }
    if turned {
        bail!("--not stands at the end; it goes with the filter flag behind it");
    }
    let mut raw = chosen.finish();
    for (name, list) in [("allowlist", &mut raw.allow), ("denylist", &mut raw.deny)] {
        for json in matches.get_many::<String>(name).into_iter().flatten() {
            list.extend(lookback_flow::filter::parse(json).map_err(|error| anyhow!("--{name}: {error}"))?);
        }
    }
    Ok(raw)
}

fn indices<'a>(matches: &'a ArgMatches, name: &str) -> impl Iterator<Item = usize> + 'a {
    matches.indices_of(name).into_iter().flatten()
}
