//! `lookback`: everything that a reader of flow logs does.

mod answer;
mod ask;
mod browse;
mod check;
mod cli;
mod diff;
mod engine;
mod evidence;
mod export;
mod fold;
mod import;
mod joint;
mod load;
mod map;
mod memory;
mod metrics;
mod observe;
mod policy;
mod read;
mod remote;
mod render;
mod replay;
mod report;
mod seen;
mod server;
mod session;
mod signs;
mod sql;
mod stats;
mod upkeep;
mod verify;
mod workers;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::{CommandFactory as _, FromArgMatches as _};

use crate::cli::{ArchiveCommand, Cli, Command, PolicyCommand};
use crate::session::Outcome;
use lookback_question::catalogue::Catalogue;

fn main() -> ExitCode {
    match run() {
        Ok(Outcome::Answered) => ExitCode::SUCCESS,
        Ok(Outcome::Empty) => ExitCode::from(1),
        // Whoever closed the pipe has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", render::terminal(&format!("{error:#}")));
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<Outcome> {
    lookback_flow::store::install(Arc::new(lookback_store::Stores::default()));
    // Only to find `--queries`; clap tells what is not UTF-8.
    let arguments: Vec<String> = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let catalogue = Catalogue::load(&Catalogue::folders(&ask::query_folders(&arguments)))?;
    let command = Cli::command().mut_subcommand("ask", |ask| ask::with_questions(ask, &catalogue));
    let command = command.mut_subcommand("observe", observe::with_flags);
    let matches = match command.try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return ask::unknown_question(&error).map_or_else(|| error.exit(), Err),
    };
    match matches.subcommand() {
        Some(("ask", matches)) => return ask::run(matches, &catalogue),
        Some(("observe", matches)) => return observe::run(matches),
        _ => {}
    }
    match Cli::from_arg_matches(&matches)?.command {
        Command::Ask | Command::Observe => Ok(Outcome::Answered),
        Command::Browse(args) => browse::run(&args, &catalogue),
        Command::Sql(args) => sql::run(&args, &catalogue),
        Command::Check(args) => check::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Metrics(args) => metrics::run(&args),
        Command::Map(args) => map::run(&args, &catalogue),
        Command::Report(args) => report::run(&args, &catalogue),
        Command::Verify(args) => verify::run(&args),
        Command::Diff(args) => diff::run(&args, &catalogue),
        Command::Policy(PolicyCommand::Suggest(args)) => policy::write(&args),
        Command::Policy(PolicyCommand::Test(args)) => policy::test(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Archive(ArchiveCommand::Stats(args)) => stats::run(&args),
        Command::Archive(ArchiveCommand::Compact(args)) => upkeep::compact(&args),
        Command::Archive(ArchiveCommand::Expire(args)) => upkeep::expire(&args),
        Command::Archive(ArchiveCommand::Sql(args)) => {
            remote::declaration(&args, &mut std::io::stdout().lock())?;
            Ok(Outcome::Answered)
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(broken)
            || cause.downcast_ref::<csv::Error>().is_some_and(|error| match error.kind() {
                csv::ErrorKind::Io(error) => broken(error),
                _ => false,
            })
            || cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind)
                == Some(io::ErrorKind::BrokenPipe)
    })
}
