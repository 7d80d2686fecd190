//! `lookback diff`: what changed from one span of time to another.

use std::collections::BTreeMap;
use std::io::{self, BufWriter};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use lookback_flow::inputs::{Found, find};
use lookback_question::catalogue::{Catalogue, ResultColumn, Unit};
use lookback_question::window::Asked;
use lookback_report::change::{Change, Seen, Span, Things, changes};

use crate::answer::{Answer, Cell};
use crate::cli::{self, RelativeTo, ScopeArgs, WindowArgs};
use crate::evidence::Evidence;
use crate::read::Options;
use crate::remote::{self, Elsewhere};
use crate::session::{Asking, Outcome};

/// What is compared: a word for it, its SQL, and how its columns are read.
const COMPARED: &[(&str, &str)] = &[
    ("edge", include_str!("diff/edges.sql")),
    ("drops", include_str!("diff/drops.sql")),
    ("name", include_str!("diff/names.sql")),
    ("destination outside", include_str!("diff/outside.sql")),
    ("latency", include_str!("diff/latency.sql")),
];

pub(crate) fn run(args: &cli::Diff, catalogue: &Catalogue) -> Result<Outcome> {
    let found = find(&args.inputs)?;
    let other = if args.against.is_empty() { None } else { Some(find(&args.against)?) };
    let (before, after) = match (&args.before, &args.after, &other) {
        (None, _, None) | (_, None, None) => {
            bail!(
                "what is to be compared? --before and --after name two spans, such as 2h..1h and 1h..0s, or --against another input"
            )
        }
        (before, after, _) => (before.as_deref(), after.as_deref()),
    };
    let mut options = Options::new(&args.lines, &found)?;
    let scope = |range: Option<&str>| -> Result<ScopeArgs> {
        let (since, until) = range.map(split).transpose()?.map_or((None, None), |(from, to)| (Some(from), Some(to)));
        Ok(ScopeArgs {
            window: WindowArgs { last: None, since, until, relative_to: RelativeTo::Data },
            namespace: args.namespace.clone(),
            service: args.service.clone(),
            filter: args.filter.clone(),
        })
    };
    let earlier = other.as_ref().unwrap_or(&found);
    let spans = [(earlier, &scope(before)?), (&found, &scope(after)?)];
    let changes = Changes::between(spans, None, &mut options, catalogue)?;
    options.flush()?;
    let answer = changes.answer(args.limit, args.all)?;
    let asking = Asking {
        title: &answer.title,
        sql: "",
        origin: "",
        parameters: BTreeMap::new(),
        columns: &Changes::columns(),
        notes: &answer.notes,
        needs: None,
        scope: &scope(after)?,
        default_last: None,
    };
    asking.write(&answer, &args.output, &mut BufWriter::new(io::stdout().lock()))
}

/// `FROM..TO`, both moments or spans before the end of the data.
pub(crate) fn split(range: &str) -> Result<(String, String)> {
    let (from, to) = range.split_once("..").with_context(|| {
        format!(
            "{range:?} is no span of time: give FROM..TO, such as 2h..1h or 2026-03-01T10:00:00Z..2026-03-01T11:00:00Z"
        )
    })?;
    Asked { since: Some(from.to_owned()), until: Some(to.to_owned()), last: None }.check()?;
    Ok((from.to_owned(), to.to_owned()))
}

/// What differs between two spans.
#[derive(Debug)]
pub(crate) struct Changes {
    /// What is compared, and how it changed: sure changes first.
    all: Vec<(&'static str, Change)>,
    windows: [(i64, i64); 2],
    evidence: Evidence,
}

impl Changes {
    pub(crate) const NOTES: &'static str = "A change is told when chance does not explain it: two counts by the difference of their roots, two shares of failures by the difference of proportions, each beyond four standard errors; a rate or a 95th percentile also has to change by half, a share by one in a hundred, and percentiles want a hundred durations on both sides. Flows come in bursts, so that a test that takes them for independent finds somewhat too much.";

    /// Compares two spans of inputs, the earlier one first.
    pub(crate) fn between(
        [before, after]: [(&Found, &ScopeArgs); 2],
        elsewhere: Option<&Elsewhere>,
        options: &mut Options,
        catalogue: &Catalogue,
    ) -> Result<Self> {
        let (things_before, window_before, _) = seen(before, elsewhere, options, catalogue)?;
        let (things_after, window_after, evidence) = seen(after, elsewhere, options, catalogue)?;
        let (Some(window_before), Some(window_after)) = (window_before, window_after) else {
            bail!("there is no event with a time to compare");
        };
        let length = |(since, until): (i64, i64)| {
            #[expect(clippy::cast_precision_loss, reason = "a length of time, as a rate is made of")]
            let nanos = until.saturating_sub(since).max(1) as f64;
            Span { seconds: nanos / 1e9 }
        };
        let spans = (length(window_before), length(window_after));
        let none = Things::new();
        let mut all = Vec::new();
        for (about, _) in COMPARED {
            let things = |of: &BTreeMap<&str, Things>| of.get(about).cloned().unwrap_or_else(|| none.clone());
            let found = changes(&things(&things_before), &things(&things_after), spans);
            all.extend(found.into_iter().map(|change| (*about, change)));
        }
        all.sort_by(|(_, a), (_, b)| {
            b.is_sure.cmp(&a.is_sure).then_with(|| a.kind.cmp(&b.kind)).then_with(|| b.score.total_cmp(&a.score))
        });
        Ok(Self { all, windows: [window_before, window_after], evidence })
    }

    /// The two spans.
    pub(crate) const fn windows(&self) -> [(i64, i64); 2] {
        self.windows
    }

    fn quiet(&self) -> usize {
        self.all.iter().filter(|(_, change)| !change.is_sure).count()
    }

    /// What is not told, in words.
    pub(crate) fn quiet_note(&self) -> String {
        match self.quiet() {
            0 => "nothing differs".to_owned(),
            count => format!("{count} differences are too small to tell from chance; `lookback diff --all` lists them"),
        }
    }

    /// What the columns are.
    pub(crate) fn columns() -> Vec<ResultColumn> {
        let column = ResultColumn::new;
        vec![
            column("change", Unit::Plain, "How it changed."),
            column("about", Unit::Plain, "What is compared."),
            column("what", Unit::Plain, "Which one."),
            column("before", Unit::Count, "How often it was seen before."),
            column("after", Unit::Count, "How often it was seen after."),
            column("failed_before", Unit::Ratio, "Share of failures before."),
            column("failed_after", Unit::Ratio, "Share of failures after."),
            column("p95_before_ns", Unit::Ns, "95th percentile before."),
            column("p95_after_ns", Unit::Ns, "95th percentile after."),
            column(
                "score",
                Unit::Plain,
                "Standard errors, or the factor of a duration; NULL, with --all, where chance explains it.",
            ),
        ]
    }

    /// The changes as an answer; `all` takes in what chance explains.
    pub(crate) fn answer(&self, limit: u64, all: bool) -> Result<Answer> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let rows: Vec<&(&str, Change)> =
            self.all.iter().filter(|(_, change)| all || change.is_sure).take(limit).collect();
        let texts = |of: &dyn Fn(&(&str, Change)) -> String| -> ArrayRef {
            Arc::new(rows.iter().map(|row| Some(of(row))).collect::<StringArray>())
        };
        let numbers = |of: &dyn Fn(&Change) -> Option<u64>| -> ArrayRef {
            let value = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
            Arc::new(rows.iter().map(|(_, change)| of(change).map(value)).collect::<Int64Array>())
        };
        let fractions = |of: &dyn Fn(&Change) -> Option<f64>| -> ArrayRef {
            Arc::new(rows.iter().map(|(_, change)| of(change)).collect::<Float64Array>())
        };
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let share = |seen: &Seen| (seen.tried > 0).then(|| seen.failed as f64 / seen.tried as f64);
        // Of a latency only durations are counted.
        let count = |seen: &Seen| Some(seen.count.max(seen.timed));
        let arrays: Vec<ArrayRef> = vec![
            texts(&|(_, change)| change.kind.name().to_owned()),
            texts(&|(about, _)| (*about).to_owned()),
            texts(&|(_, change)| change.what.join(" → ")),
            numbers(&|change| count(&change.before)),
            numbers(&|change| count(&change.after)),
            fractions(&|change| share(&change.before)),
            fractions(&|change| share(&change.after)),
            numbers(&|change| change.before.p95),
            numbers(&|change| change.after.p95),
            fractions(&|change| change.is_sure.then_some(change.score)),
        ];
        let columns = Self::columns();
        let named =
            columns.iter().map(|column| column.name.as_str()).zip(arrays).map(|(name, array)| (name, array, true));
        let rows = RecordBatch::try_from_iter_with_nullable(named)?;
        let [before, after] = self.windows.map(|(since, until)| {
            let time = lookback_flow::time::rfc3339;
            format!("{} to {}", time(since), time(until))
        });
        Ok(Answer {
            title: format!("What changed from {before} to {after}"),
            columns: Answer::units(&rows, &columns),
            rows,
            window: Some(self.windows[1]),
            evidence: self.evidence.clone(),
            notes: format!("Before: {before}. {}. {}", self.quiet_note(), Self::NOTES),
        })
    }
}

type AllSeen = (BTreeMap<&'static str, Things>, Option<(i64, i64)>, Evidence);

/// Everything that is compared, in one span.
fn seen(
    (found, scope): (&Found, &ScopeArgs),
    elsewhere: Option<&Elsewhere>,
    options: &mut Options,
    catalogue: &Catalogue,
) -> Result<AllSeen> {
    let durations = ["p50", "p95"].map(|name| ResultColumn::new(name, Unit::Ns, "A percentile of durations."));
    let askings: Vec<Asking<'_>> = COMPARED
        .iter()
        .map(|(about, sql)| Asking {
            title: about,
            sql,
            origin: about,
            parameters: BTreeMap::new(),
            columns: &durations,
            notes: "",
            needs: None,
            scope,
            default_last: None,
        })
        .collect();
    let mut all = BTreeMap::new();
    let mut rests_on = None;
    remote::answer(elsewhere, &askings, found, options, catalogue, &mut |place, answer| {
        let answer = answer?;
        let things = (0..answer.rows.num_rows()).map(|row| thing(&answer, row)).collect::<Result<Things>>()?;
        all.extend(COMPARED.get(place).map(|(about, _)| (*about, things)));
        rests_on.get_or_insert((answer.window, answer.evidence));
        Ok(())
    })?;
    let (window, evidence) = rests_on.unwrap_or_default();
    Ok((all, window, evidence))
}

/// A row: what is named, and what is counted of it.
fn thing(answer: &Answer, row: usize) -> Result<(Vec<String>, Seen)> {
    let (mut what, mut seen) = (Vec::new(), Seen::default());
    for (column, (name, _)) in answer.columns.iter().enumerate() {
        let cell = answer.cell(row, column)?;
        let number = if let Cell::Integer(number) = &cell { u64::try_from(*number).ok() } else { None };
        match name.as_str() {
            "seen" => seen.count = number.unwrap_or_default(),
            "tried" => seen.tried = number.unwrap_or_default(),
            "failed" => seen.failed = number.unwrap_or_default(),
            "timed" => seen.timed = number.unwrap_or_default(),
            "p50" => seen.p50 = number,
            "p95" => seen.p95 = number,
            _ => what.push(match cell {
                Cell::Text(text) => text,
                Cell::Integer(number) => number.to_string(),
                _ => "unknown".to_owned(),
            }),
        }
    }
    Ok((what, seen))
}
