//! `lookback browse`: the edge between the browser and the questions.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use lookback_browser::Options as Session;
use lookback_browser::measure::{measure, percentile};
use lookback_browser::questions::{self, Answer as Shown, Asked, Parameter, Questions, Value};
use lookback_browser::theme::Theme;
use lookback_flow::inputs::{Found, Input, find};
use lookback_flow::time::rfc3339;
use lookback_question::catalogue::{Catalogue, Chart, Question};

use crate::answer::{Answer, Cell};
use crate::ask::parameters;
use crate::cli::{Browse, RelativeTo, ScopeArgs, WindowArgs};
use crate::joint;
use crate::read::Options;
use crate::render::{evidence_lines, heading, human};
use crate::session::{Asking, Outcome};

/// Shows the inputs until the user quits.
pub(crate) fn run(args: &Browse, catalogue: &Catalogue) -> Result<Outcome> {
    let found = find(&args.inputs)?;
    if let Some(filter) = &args.filter
        && let Err(mistakes) = lookback_browser::data::query::Query::parse(filter, None)
        && let Some(mistake) = mistakes.first()
    {
        bail!("--filter: {}", mistake.what);
    }
    if args.measure {
        return measured(found, args.inputs.clone());
    }
    let asked_of = Found { inputs: found.inputs.clone(), ..Found::default() };
    let questions = Named { found: asked_of, names: args.inputs.clone(), catalogue: catalogue.clone() };
    let session = Session {
        names: args.inputs.clone(),
        filter: args.filter.clone(),
        theme: args.theme.as_deref().and_then(Theme::named),
        forgets: args.no_session,
        no_mouse: args.no_mouse,
    };
    lookback_browser::run(found, Arc::new(questions), &session)?;
    Ok(Outcome::Answered)
}

/// Tells how quickly keys are answered: a name, and seconds, on each line.
fn measured(found: Found, names: Vec<String>) -> Result<Outcome> {
    let measured = measure(found, names)?;
    let mut out = io::stdout().lock();
    let mut told = |name: &str, time: Option<Duration>| match time {
        Some(time) => writeln!(out, "{name}\t{:.6}", time.as_secs_f64()),
        None => Ok(()),
    };
    told("first screen", Some(measured.first_screen))?;
    for (what, times) in [("frame", &measured.frames), ("row under the cursor", &measured.rows)] {
        for (name, hundredths) in [("median", 50), ("p95", 95), ("p99", 99), ("longest", 100)] {
            told(&format!("key to {what}, {name}"), percentile(times, hundredths))?;
        }
    }
    Ok(Outcome::Answered)
}

/// The named questions, asked of the inputs.
#[derive(Debug)]
struct Named {
    found: Found,
    /// The inputs as they were named.
    names: Vec<String>,
    catalogue: Catalogue,
}

impl Questions for Named {
    fn catalogue(&self) -> Vec<questions::Question> {
        // In the order of `lookback ask`.
        let of_theme = |theme| self.catalogue.questions().filter(move |question| question.header.theme == theme);
        self.catalogue.themes().into_iter().flat_map(of_theme).map(told).collect()
    }

    fn answer(&self, asked: &Asked, cancel: &AtomicBool) -> Result<Shown, String> {
        self.ask(asked, cancel).map_err(|error| format!("{error:#}"))
    }

    fn command(&self, asked: &Asked) -> String {
        let mut words = vec!["lookback".to_owned(), "ask".to_owned(), asked.name.clone()];
        let positional: Vec<&str> = self
            .catalogue
            .question(&asked.name, None)
            .iter()
            .flat_map(|own| own.positional())
            .map(|(name, _)| name)
            .collect();
        let value = |name: &str| asked.parameters.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
        words.extend(positional.iter().filter_map(|name| value(name)));
        words.extend(self.names.iter().cloned());
        for (name, value) in asked.parameters.iter().filter(|(name, _)| !positional.contains(&name.as_str())) {
            words.extend([format!("--{}", name.replace('_', "-")), value.clone()]);
        }
        words.extend(asked.namespace.iter().flat_map(|namespace| ["--namespace".to_owned(), namespace.clone()]));
        let WindowArgs { since, until, .. } = window(asked.window);
        for (flag, time) in [("--since", since), ("--until", until)] {
            words.extend(time.into_iter().flat_map(|time| [flag.to_owned(), time]));
        }
        words.iter().map(|word| lookback_browser::data::query::shell(word)).collect::<Vec<_>>().join(" ")
    }
}

impl Named {
    fn ask(&self, asked: &Asked, cancel: &AtomicBool) -> Result<Shown> {
        if self.found.inputs.contains(&Input::Stdin) {
            bail!("standard input was read by the browser; questions need files or archives");
        }
        let question =
            self.catalogue.question(&asked.name, None).with_context(|| format!("no question {}", asked.name))?;
        let header = &question.header;
        let given = |name: &str| asked.parameters.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
        if let Some((name, _)) = question.positional().find(|(name, _)| given(name).is_none()) {
            bail!("{name} is needed: {name}:VALUE");
        }
        let scope =
            ScopeArgs { window: window(asked.window), namespace: asked.namespace.clone(), service: None, filter: None };
        let asking = Asking {
            title: &header.title,
            sql: &question.sql,
            origin: &question.origin,
            parameters: parameters(question, None, given)?,
            columns: &header.columns,
            notes: &header.notes,
            needs: header.needs,
            scope: &scope,
            default_last: header.defaults.last.as_deref(),
        };
        let answer = self.answered(&asking, cancel)?;
        let columns = answer.columns.iter().map(|(name, unit)| heading(name, *unit)).collect();
        let evidence = evidence_lines(&answer).into_iter().map(|(what, text)| format!("{what}: {text}")).collect();
        Ok(Shown { columns, rows: rows(&answer)?, evidence })
    }

    fn answered(&self, asking: &Asking<'_>, cancel: &AtomicBool) -> Result<Answer> {
        let wanted = || if cancel.load(Ordering::Relaxed) { bail!("stopped") } else { anyhow::Ok(()) };
        // Nothing draws a bar of progress over the screen.
        joint::one(asking, &self.found, &mut Options::default(), &self.catalogue, &wanted)
    }
}

fn told(question: &Question) -> questions::Question {
    let header = &question.header;
    let parameter = |(name, own): &(String, lookback_question::catalogue::Parameter)| Parameter {
        name: name.clone(),
        help: own.help.clone(),
        // What may be left out is NULL then.
        default: if own.positional { None } else { Some(own.default_text().unwrap_or_default()) },
    };
    questions::Question {
        name: question.name.clone(),
        title: header.title.clone(),
        answers: header.answers.clone(),
        theme: header.theme.clone(),
        chart: match header.chart {
            Chart::None => questions::Chart::None,
            Chart::Bar => questions::Chart::Bar,
            Chart::Line => questions::Chart::Line,
            Chart::Stacked => questions::Chart::Stacked,
        },
        parameters: header.parameters.0.iter().map(parameter).collect(),
    }
}

/// A time range as flags.
fn window(window: Option<(i64, i64)>) -> WindowArgs {
    let (since, until) = window.unwrap_or((i64::MIN, i64::MAX));
    WindowArgs {
        last: None,
        since: (since != i64::MIN).then(|| rfc3339(since)),
        until: (until != i64::MAX).then(|| rfc3339(until)),
        relative_to: RelativeTo::Data,
    }
}

fn rows(answer: &Answer) -> Result<Vec<Vec<Value>>> {
    let value = |row, column: usize| {
        let cell = answer.cell(row, column)?;
        let unit = answer.columns.get(column).map_or(lookback_question::catalogue::Unit::Plain, |(_, unit)| *unit);
        #[expect(clippy::cast_precision_loss, reason = "only for a chart")]
        let number = match &cell {
            Cell::Integer(number) => Some(*number as f64),
            Cell::Fraction(number) => Some(*number),
            _ => None,
        };
        anyhow::Ok(Value { text: human(&cell, unit), number })
    };
    let row = |row| (0..answer.columns.len()).map(|column| value(row, column)).collect();
    (0..answer.rows.num_rows()).map(row).collect()
}
