//! What a report is asked for: from the flags, or from the manifest of one that was made.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use lookback_browser::data::query::shell;
use lookback_flow::columns::Personal;
use lookback_flow::time::rfc3339;
use lookback_question::catalogue::{Audience, Catalogue, Question};
use lookback_report::manifest::Manifest;
use lookback_report::redact::Redaction;
use lookback_report::zone::Zone;
use serde::{Deserialize, Serialize};

use super::finding;
use crate::ask::parameters;
use crate::cli::{self, Pack, RelativeTo, ScopeArgs, WindowArgs};
use crate::diff::split;
use crate::session::Asking;

/// As far back as a period is compared, unless another span is named.
const HOUR: i64 = 3_600_000_000_000;

/// Everything that decides what a report says, as its manifest keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    pub inputs: Vec<String>,
    pub title: String,
    pub pack: Pack,
    pub last: Option<String>,
    pub since: Option<String>,
    pub until: Option<String>,
    pub namespace: Option<String>,
    pub service: Option<String>,
    /// What flows have to fit, in the words of `--filter`.
    pub filter: Option<String>,
    /// The span that the period is compared with.
    pub before: Option<String>,
    pub timezone: String,
    /// Most rows of a table.
    pub limit: u64,
    pub redact: Vec<String>,
    pub queries: Vec<PathBuf>,
}

impl Pack {
    const fn title(self) -> &'static str {
        match self {
            Self::Incident => "Incident report",
            Self::Compliance => "Compliance report",
            Self::All => "Report",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Incident => "incident",
            Self::Compliance => "compliance",
            Self::All => "all",
        }
    }
}

impl Asked {
    pub(super) fn of_flags(args: &cli::Report) -> Result<Self> {
        let window = &args.scope.window;
        let mut asked = window.asked();
        if window.relative_to == RelativeTo::Now {
            // Made again tomorrow, the report is of the same time.
            let (since, until) = window.bounds(&asked, i64::MIN, i64::MAX)?;
            asked.last = None;
            asked.since = (since != i64::MIN).then(|| rfc3339(since));
            asked.until = (until != i64::MAX).then(|| rfc3339(until));
        }
        let title = args.title.clone().unwrap_or_else(|| args.pack.title().to_owned());
        args.timezone.parse::<Zone>()?;
        if args.inputs.is_empty() {
            bail!("no input; give logs or archives, or --from MANIFEST");
        }
        Ok(Self {
            inputs: args.inputs.clone(),
            title,
            pack: args.pack,
            last: asked.last,
            since: asked.since,
            until: asked.until,
            namespace: args.scope.namespace.clone(),
            service: args.scope.service.clone(),
            filter: args.scope.filter.clone(),
            before: args.before.clone(),
            timezone: args.timezone.clone(),
            limit: args.limit,
            redact: args.redact.clone(),
            queries: args.queries.clone(),
        })
    }

    pub(super) fn of_manifest(manifest: &Manifest) -> Result<Self> {
        serde_json::from_value(manifest.parameters.clone())
            .context("the manifest's parameters are not those of a report of this version")
    }

    pub(super) fn redaction(&self, key: Option<&Path>) -> Result<Option<Redaction>> {
        match (self.redact.as_slice(), key) {
            ([], _) => Ok(None),
            (_, None) => bail!(
                "--redact wants --redact-key FILE: a file of random bytes, such as `head -c 32 /dev/urandom` gives"
            ),
            (_, Some(_)) if self.filter.is_some() => {
                bail!(
                    "a filter's words would stand in the report as they are: with --redact use --namespace and --service"
                )
            }
            (classes, Some(path)) => {
                let key = std::fs::read(path).with_context(|| path.display().to_string())?;
                Ok(Some(Redaction::new(classes, &key)?))
            }
        }
    }

    /// The scope by the names that it has once names are redacted.
    pub(super) fn redact_scope(&mut self, redaction: Option<&Redaction>) {
        let Some(redaction) = redaction else { return };
        self.namespace = self.namespace.as_deref().map(|name| redaction.token(Personal::Pod, name));
        self.service = self.service.as_deref().map(|name| redaction.endpoint(name));
    }

    pub(super) fn scope(&self) -> ScopeArgs {
        ScopeArgs {
            window: WindowArgs {
                last: self.last.clone(),
                since: self.since.clone(),
                until: self.until.clone(),
                relative_to: RelativeTo::Data,
            },
            namespace: self.namespace.clone(),
            service: self.service.clone(),
            filter: self.filter.clone(),
        }
    }

    pub(super) fn zone(&self) -> Result<Zone> {
        Ok(self.timezone.parse()?)
    }

    pub(super) fn is_of_an_incident(&self) -> bool {
        self.pack != Pack::Compliance
    }

    /// The questions of the pack that need no argument, and their variants.
    pub(super) fn questions<'a>(&self, catalogue: &'a Catalogue) -> Vec<&'a Question> {
        let wanted = |question: &&Question| {
            let audience = &question.header.audience;
            let fits = match self.pack {
                Pack::Incident => audience.contains(&Audience::Incident),
                Pack::Compliance => audience.contains(&Audience::Compliance),
                Pack::All => true,
            };
            // Losses are told with the completeness, in every pack.
            (fits || question.name == finding::LOSSES) && question.positional().next().is_none()
        };
        let variants = |question: &'a Question| {
            let keys = catalogue.variants(&question.name).into_iter();
            std::iter::once(question).chain(keys.filter_map(|key| catalogue.question(&question.name, Some(key))))
        };
        catalogue.questions().flat_map(variants).filter(wanted).collect()
    }

    pub(super) fn asking<'a>(&self, question: &'a Question, scope: &'a ScopeArgs) -> Result<Asking<'a>> {
        Ok(Asking {
            title: &question.header.title,
            sql: &question.sql,
            origin: &question.origin,
            parameters: parameters(question, Some(self.limit_of(question)), |_| None)?,
            columns: &question.header.columns,
            notes: &question.header.notes,
            needs: question.header.needs,
            scope,
            // The report is about its own period.
            default_last: None,
        })
    }

    /// Most rows of a question; one that is drawn over time needs its own number.
    pub(super) fn limit_of(&self, question: &Question) -> u64 {
        self.limit.max(question.header.defaults.limit.unwrap_or_default())
    }

    /// The span that a period is compared with, where there is one: the hour before it, unless another is named.
    pub(super) fn before(&self, since: i64) -> Result<Option<ScopeArgs>> {
        let (from, to) = match &self.before {
            Some(range) => split(range)?,
            None if self.since.is_some() || self.last.is_some() => {
                (rfc3339(since.saturating_sub(HOUR)), rfc3339(since.saturating_sub(1)))
            }
            None => return Ok(None),
        };
        let window = WindowArgs { last: None, since: Some(from), until: Some(to), relative_to: RelativeTo::Data };
        Ok(Some(ScopeArgs { window, ..self.scope() }))
    }

    /// The command that compares a period with a span before.
    pub(super) fn diff_command(&self, spans: [(i64, i64); 2]) -> String {
        let mut words = vec!["lookback".to_owned(), "diff".to_owned()];
        words.extend(self.inputs.iter().cloned());
        for (flag, (since, until)) in ["--before", "--after"].into_iter().zip(spans) {
            words.extend([flag.to_owned(), format!("{}..{}", rfc3339(since), rfc3339(until))]);
        }
        let scope = [("--namespace", &self.namespace), ("--service", &self.service), ("--filter", &self.filter)];
        words.extend(scope.into_iter().filter_map(|(flag, value)| Some([flag.to_owned(), value.clone()?])).flatten());
        joined(&words)
    }

    /// What was asked, in words, for the head of the report; and who answered, where that was another engine.
    pub(super) fn told(&self, engine: Option<&str>) -> Vec<(String, String)> {
        let mut told = vec![("Pack".to_owned(), self.pack.title().to_owned())];
        let mut tell = |heading: &str, value: Option<&String>| {
            told.extend(value.map(|value| (heading.to_owned(), value.clone())));
        };
        tell("Namespace", self.namespace.as_ref());
        tell("Service", self.service.as_ref());
        tell("Flows that fit", self.filter.as_ref());
        tell("Compared with", self.before.as_ref());
        let redacted = (!self.redact.is_empty()).then(|| {
            format!("{}: names of these classes are tokens, the same for the same name", self.redact.join(", "))
        });
        tell("Redacted", redacted.as_ref());
        tell("Inputs", Some(&self.inputs.join(", ")));
        tell("Answered by", engine.map(str::to_owned).as_ref());
        told
    }

    /// The command that asks a question of the same scope and period.
    pub(super) fn command_of(&self, question: &Question, period: Option<(i64, i64)>) -> String {
        let mut words = vec!["lookback".to_owned(), "ask".to_owned(), question.name.clone()];
        words.extend(self.inputs.iter().cloned());
        words.extend(question.by.iter().flat_map(|by| ["--by".to_owned(), by.clone()]));
        words.extend(self.scope_words());
        let is_whole = self.last.is_none() && self.since.is_none() && self.until.is_none();
        if let (true, true, Some((since, until))) = (is_whole, question.header.defaults.last.is_some(), period) {
            // Left to itself it would be about another span.
            words.extend(["--since".to_owned(), rfc3339(since), "--until".to_owned(), rfc3339(until)]);
        }
        words.extend(["--limit".to_owned(), self.limit_of(question).to_string()]);
        words.extend(self.query_words());
        joined(&words)
    }

    /// The command of the report itself, but for where it is written.
    pub(super) fn words(&self) -> Vec<String> {
        let mut words = vec!["lookback".to_owned(), "report".to_owned()];
        words.extend(self.inputs.iter().cloned());
        words.extend(["--pack".to_owned(), self.pack.name().to_owned(), "--title".to_owned(), self.title.clone()]);
        words.extend(self.scope_words());
        words.extend(self.before.iter().flat_map(|before| ["--before".to_owned(), before.clone()]));
        words.extend(["--timezone".to_owned(), self.timezone.clone(), "--limit".to_owned(), self.limit.to_string()]);
        if !self.redact.is_empty() {
            words.extend(["--redact".to_owned(), self.redact.join(","), "--redact-key".to_owned(), "KEY".to_owned()]);
        }
        words.extend(self.query_words());
        words
    }

    /// The command that makes the report again.
    pub(super) fn again(&self) -> String {
        joined(&[self.words(), vec!["-o".to_owned(), "DIR".to_owned()]].concat())
    }

    fn scope_words(&self) -> Vec<String> {
        let flags = [
            ("--last", &self.last),
            ("--since", &self.since),
            ("--until", &self.until),
            ("--namespace", &self.namespace),
            ("--service", &self.service),
            ("--filter", &self.filter),
        ];
        let given = flags.into_iter().filter_map(|(flag, value)| Some([flag.to_owned(), value.clone()?]));
        given.flatten().collect()
    }

    fn query_words(&self) -> Vec<String> {
        self.queries.iter().flat_map(|folder| ["--queries".to_owned(), folder.display().to_string()]).collect()
    }
}

fn joined(words: &[String]) -> String {
    words.iter().map(|word| shell(word)).collect::<Vec<_>>().join(" ")
}
