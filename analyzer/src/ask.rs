//! `lookback ask`: the questions as subcommands, with flags made from their headers.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Args as _, Command, FromArgMatches as _};

use crate::cli::Ask;
use crate::session::{Asking, Outcome};
use lookback_question::bind::Literal;
use lookback_question::catalogue::{Catalogue, Kind, Parameter, Question};
use lookback_question::window::duration;

/// Rows given when neither the question nor the user says how many.
const DEFAULT_LIMIT: u64 = 100;

/// Adds a subcommand for each question.
pub(crate) fn with_questions(ask: Command, catalogue: &Catalogue) -> Command {
    let mut ask =
        ask.subcommand_value_name("QUESTION").subcommand_help_heading("Questions").disable_help_subcommand(true).arg(
            Arg::new("queries")
                .long("queries")
                .value_name("DIR")
                .action(ArgAction::Append)
                .help("A folder of further questions, besides lookback/queries in the configuration folder"),
        );
    for question in catalogue.questions() {
        ask = ask.subcommand(subcommand(question, &catalogue.variants(&question.name)));
    }
    ask
}

fn subcommand(question: &Question, variants: &[&str]) -> Command {
    let header = &question.header;
    let mut long = header.answers.clone();
    if !header.notes.is_empty() {
        long.push_str("\n\n");
        long.push_str(&header.notes);
    }
    let columns: Vec<String> =
        header.columns.iter().map(|column| format!("  {:<18} {}", column.name, column.help)).collect();
    let after = format!("Columns:\n{}\n\nDefined in {}", columns.join("\n"), question.origin);
    let mut command = Command::new(question.name.clone());
    for (name, parameter) in question.positional() {
        command = command.arg(argument(name, parameter).required(parameter.default.is_none()));
    }
    // The description of `Ask` would stand for all questions, so each gets its own behind it.
    command = Ask::augment_args(command).about(header.title.clone()).long_about(long).after_help(after);
    for (name, parameter) in header.parameters.0.iter().filter(|(_, parameter)| !parameter.positional) {
        command = command.arg(argument(name, parameter).long(name.replace('_', "-")).help_heading("Question"));
    }
    if !variants.is_empty() {
        command = command.arg(
            Arg::new("by")
                .long("by")
                .value_name("KEY")
                .value_parser(PossibleValuesParser::new(variants.iter().map(|key| (*key).to_owned())))
                .help("Answer by another key")
                .help_heading("Question"),
        );
    }
    command.mut_args(|arg| match (arg.get_id().as_str(), header.defaults.limit, &header.defaults.last) {
        ("limit", limit, _) => with_default(arg, &limit.unwrap_or(DEFAULT_LIMIT).to_string()),
        ("last", _, Some(last)) => with_default(arg, last),
        _ => arg,
    })
}

/// Tells a default that is filled in later.
fn with_default(arg: Arg, default: &str) -> Arg {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    arg.help(format!("{help} [default: {default}]"))
}

fn argument(name: &str, parameter: &Parameter) -> Arg {
    let value_name = match parameter.kind {
        _ if parameter.positional => name.to_uppercase(),
        Kind::Text => "TEXT".to_owned(),
        Kind::Integer => "N".to_owned(),
        Kind::Number => "NUMBER".to_owned(),
        Kind::Duration => "DURATION".to_owned(),
        Kind::Boolean => "BOOL".to_owned(),
        Kind::Choice => "CHOICE".to_owned(),
    };
    let default = parameter.default_text();
    let help = match &default {
        Some(default) => format!("{} [default: {default}]", parameter.help),
        None => parameter.help.clone(),
    };
    let mut arg = Arg::new(name.to_owned()).value_name(value_name).help(help).allow_hyphen_values(true);
    if parameter.kind == Kind::Boolean {
        arg = arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_parser(PossibleValuesParser::new(["true", "false"]));
    } else if parameter.kind == Kind::Choice {
        arg = arg.value_parser(PossibleValuesParser::new(parameter.choices.clone()));
    }
    arg
}

/// Runs what was asked.
pub(crate) fn run(matches: &ArgMatches, catalogue: &Catalogue) -> Result<Outcome> {
    let Some((name, matches)) = matches.subcommand() else {
        list(catalogue, &mut io::stdout().lock())?;
        return Ok(Outcome::Answered);
    };
    let args = Ask::from_arg_matches(matches)?;
    let by = matches.try_get_one::<String>("by").ok().flatten();
    let Some(question) = catalogue.question(name, by.map(String::as_str)) else { bail!("no question {name}") };
    let given = |name: &str| matches.try_get_one::<String>(name).ok().flatten().cloned();
    let parameters = parameters(question, args.limit, given)?;
    let asking = Asking {
        title: &question.header.title,
        sql: &question.sql,
        origin: &question.origin,
        parameters,
        columns: &question.header.columns,
        notes: &question.header.notes,
        needs: question.header.needs,
        scope: &args.scope,
        default_last: question.header.defaults.last.as_deref(),
    };
    asking.run(&args.inputs, args.explain, &args.read, &args.output, catalogue)
}

/// The parameters of a question: those that are given, defaults for the others, and the limit of rows.
pub(crate) fn parameters(
    question: &Question,
    limit: Option<u64>,
    given: impl Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, Literal>> {
    let mut parameters = BTreeMap::new();
    for (name, parameter) in &question.header.parameters.0 {
        let value = given(name).or_else(|| parameter.default_text());
        let literal = value.map_or(Ok(Literal::Null), |value| literal(&value, parameter.kind));
        parameters.insert(name.clone(), literal.with_context(|| format!("--{}", name.replace('_', "-")))?);
    }
    let limit = limit.or(question.header.defaults.limit).unwrap_or(DEFAULT_LIMIT);
    parameters.insert("limit".to_owned(), Literal::Integer(i64::try_from(limit).unwrap_or(i64::MAX)));
    Ok(parameters)
}

/// A parameter's value by its type.
fn literal(text: &str, kind: Kind) -> Result<Literal> {
    Ok(match kind {
        Kind::Text | Kind::Choice => Literal::Text(text.to_owned()),
        Kind::Integer => Literal::Integer(text.parse().with_context(|| format!("{text:?} is no whole number"))?),
        Kind::Number => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Literal::Number(number),
            _ => bail!("{text:?} is no number"),
        },
        Kind::Duration => Literal::Integer(duration(text)?),
        Kind::Boolean => Literal::Boolean(text == "true"),
    })
}

/// Lists the questions by theme.
fn list(catalogue: &Catalogue, out: &mut dyn Write) -> Result<()> {
    for theme in catalogue.themes() {
        writeln!(out, "{theme}")?;
        for question in catalogue.questions().filter(|question| question.header.theme == theme) {
            let name = question
                .positional()
                .fold(question.name.clone(), |name, (argument, _)| format!("{name} {}", argument.to_uppercase()));
            writeln!(out, "  {name:<24} {}", question.header.answers)?;
            for by in catalogue.variants(&question.name) {
                writeln!(out, "  {:<24} the same, by {by}", format!("{} --by {by}", " ".repeat(question.name.len())))?;
            }
        }
        writeln!(out)?;
    }
    Ok(writeln!(
        out,
        "lookback ask QUESTION INPUT…   answers one; lookback ask QUESTION --help tells its flags and columns"
    )?)
}

/// In our words, when the mistake is a question that there is not.
pub(crate) fn unknown_question(error: &clap::Error) -> Option<anyhow::Error> {
    use clap::error::{ContextKind, ContextValue};
    let Some(ContextValue::String(name)) = error.get(ContextKind::InvalidSubcommand) else { return None };
    let close = match error.get(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::Strings(names)) => names.first(),
        Some(ContextValue::String(name)) => Some(name),
        _ => None,
    };
    let hint = close.map(|close| format!(" (did you mean {close}?)")).unwrap_or_default();
    Some(anyhow::anyhow!("no question or command {name:?}{hint}; `lookback ask` lists the questions"))
}

/// The folders named by `--queries` anywhere on the command line; the questions in them become subcommands, so they must
/// be known before it is parsed.
pub(crate) fn query_folders(arguments: &[String]) -> Vec<PathBuf> {
    let named = arguments.iter().zip(arguments.iter().skip(1));
    let spaced = named.filter(|(flag, _)| *flag == "--queries").map(|(_, folder)| folder.as_str());
    let joined = arguments.iter().filter_map(|argument| argument.strip_prefix("--queries="));
    spaced.chain(joined).map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use lookback_question::catalogue::RESERVED;

    use super::*;

    #[test]
    fn no_parameter_of_a_question_can_take_the_name_of_a_flag() {
        let command = Ask::augment_args(Command::new("ask"));
        let names: Vec<&str> = command.get_arguments().map(|argument| argument.get_id().as_str()).collect();
        assert!(names.iter().all(|name| RESERVED.contains(name)), "{names:?}");
    }

    #[test]
    fn every_question_makes_a_command() {
        let catalogue = Catalogue::load(&[]).unwrap();
        with_questions(Command::new("ask"), &catalogue).debug_assert();
    }
}
