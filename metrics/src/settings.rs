//! Which metrics are asked for, as Hubble's `--hubble-metrics` has it: `dns:query;sourceContext=pod|ip drop`.
//!
//! Metrics stand apart by blanks or commas, options by `;`, an option's identifiers by `|`. A comma within `labelsContext`
//! stands between labels where a word with `_` follows it: labels have one, metrics have none.

use crate::contexts::{Called, Contexts, IDENTIFIERS, Identifier, LABELS, Label};
use crate::counter::Chosen;
use crate::handlers::{HANDLERS, Handler, Options};

/// The metrics of Hubble's own dashboards, and what else costs nothing.
pub const DEFAULT: &str = "dns drop tcp flow port-distribution icmp httpV2 flows-to-world policy";

/// Characters of what was given that an error repeats.
const MOST_GIVEN: usize = 60;

/// Options that every metric has.
const CONTEXTS: [&str; 7] = [
    "sourceContext",
    "sourceEgressContext",
    "sourceIngressContext",
    "destinationContext",
    "destinationEgressContext",
    "destinationIngressContext",
    "labelsContext",
];

/// Why a list of metrics is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("no metrics are named: give some of {known}, such as {DEFAULT:?}")]
    Empty { known: String },
    #[error("unknown metric {given:?}{hint}: Hubble has {known}")]
    Metric { given: String, hint: String, known: String },
    #[error("metric {metric} has no option {given:?}{hint}: it has {known}")]
    Option { metric: &'static str, given: String, hint: String, known: String },
    #[error("metric {metric}: {option} cannot be {given:?}{hint}: it takes {known}")]
    Value { metric: &'static str, option: &'static str, given: String, hint: String, known: String },
    #[error("metric {metric}: option {option} comes twice: give it once")]
    OptionTwice { metric: &'static str, option: &'static str },
    #[error("metric {0} comes twice: give it once, with all its options")]
    Twice(&'static str),
    #[error("http and httpV2 count under the same names: give one of them")]
    Conflict,
    #[error(
        "a step of {0} ns cannot be: Prometheus counts time in whole milliseconds, and at least one second is needed"
    )]
    Step(i64),
}

/// The handlers that are asked for, in the order of the table.
pub(crate) fn parse(text: &str) -> Result<Vec<Chosen>, ParseError> {
    let mut chosen = items(text).iter().map(|item| parse_item(item)).collect::<Result<Vec<_>, _>>()?;
    if chosen.is_empty() {
        return Err(ParseError::Empty { known: handlers() });
    }
    chosen.sort_by_key(|chosen| chosen.handler.name);
    for (one, next) in chosen.iter().zip(chosen.iter().skip(1)) {
        match (one.handler.name, next.handler.name) {
            (one, next) if one == next => return Err(ParseError::Twice(one)),
            ("http", "httpV2") => return Err(ParseError::Conflict),
            _ => {}
        }
    }
    Ok(chosen)
}

/// One text for each metric.
fn items(text: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    for given in text.split_whitespace() {
        for (at, part) in given.split(',').enumerate() {
            match items.last_mut() {
                Some(item) if at > 0 && continues(item, part) => {
                    item.push(',');
                    item.push_str(part);
                }
                _ => items.push(part.to_owned()),
            }
        }
    }
    items.retain(|item| !item.is_empty());
    items
}

/// Whether what follows a comma is another label of the option before it.
fn continues(item: &str, part: &str) -> bool {
    let option = item.rsplit([';', ':']).next().unwrap_or_default();
    let is_labels = option.split_once('=').is_some_and(|(name, _)| name.eq_ignore_ascii_case("labelsContext"));
    is_labels && part.split(';').next().unwrap_or_default().contains('_')
}

fn parse_item(item: &str) -> Result<Chosen, ParseError> {
    let (name, options) = item.split_once(':').unwrap_or((item, ""));
    let handler = HANDLERS.iter().find(|handler| handler.name == name).ok_or_else(|| ParseError::Metric {
        given: short(name),
        hint: hint(name, HANDLERS.iter().map(|handler| handler.name)),
        known: handlers(),
    })?;
    let mut chosen = Chosen { handler, options: Options::default(), contexts: Contexts::default() };
    let mut met = Vec::new();
    for option in options.split(';').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
        let mut known = handler.options.iter().chain(&CONTEXTS);
        let Some(name) = known.find(|known| known.eq_ignore_ascii_case(name)).copied() else {
            let known = || handler.options.iter().chain(&CONTEXTS).copied();
            return Err(ParseError::Option {
                metric: handler.name,
                given: short(name),
                hint: hint(name, known()),
                known: list(known()),
            });
        };
        if met.contains(&name) {
            return Err(ParseError::OptionTwice { metric: handler.name, option: name });
        }
        met.push(name);
        set(&mut chosen, name, value)?;
    }
    Ok(chosen)
}

fn set(chosen: &mut Chosen, option: &'static str, value: Option<&str>) -> Result<(), ParseError> {
    let Chosen { handler, options, contexts: Contexts { source, destination, labels } } = chosen;
    let identifiers = || identifiers(handler, option, value.unwrap_or_default());
    let Called { both, egress, ingress } = if option.starts_with("source") { source } else { destination };
    match option {
        "sourceContext" | "destinationContext" => *both = identifiers()?,
        "sourceEgressContext" | "destinationEgressContext" => *egress = identifiers()?,
        "sourceIngressContext" | "destinationIngressContext" => *ingress = identifiers()?,
        "labelsContext" => *labels = labels_of(handler, option, value.unwrap_or_default())?,
        _ => match value {
            None | Some("" | "true") => options.0.push(option),
            Some("false") => {}
            Some(given) => return Err(wrong(handler, option, given, ["true", "false"].into_iter())),
        },
    }
    Ok(())
}

fn identifiers(handler: &Handler, option: &'static str, value: &str) -> Result<Vec<&'static Identifier>, ParseError> {
    let identifier = |given: &str| {
        let found = IDENTIFIERS.iter().find(|identifier| identifier.name.eq_ignore_ascii_case(given));
        found.ok_or_else(|| wrong(handler, option, given, IDENTIFIERS.iter().map(|identifier| identifier.name)))
    };
    value.split('|').map(identifier).collect()
}

/// The labels, in the order in which Hubble lists them.
fn labels_of(handler: &Handler, option: &'static str, value: &str) -> Result<Vec<&'static Label>, ParseError> {
    let given: Vec<&str> = value.split([',', '|']).collect();
    let is_known = |given: &&&str| LABELS.iter().any(|label| label.name == **given);
    match given.iter().find(|given| !is_known(given)) {
        Some(unknown) => Err(wrong(handler, option, unknown, LABELS.iter().map(|label| label.name))),
        None => Ok(LABELS.iter().filter(|label| given.contains(&label.name)).collect()),
    }
}

fn wrong(
    handler: &Handler,
    option: &'static str,
    given: &str,
    known: impl Iterator<Item = &'static str> + Clone,
) -> ParseError {
    let (hint, known) = (hint(given, known.clone()), list(known));
    ParseError::Value { metric: handler.name, option, given: short(given), hint, known }
}

fn handlers() -> String {
    list(HANDLERS.iter().map(|handler| handler.name))
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

fn short(given: &str) -> String {
    given.chars().take(MOST_GIVEN).collect()
}

/// What may have been meant.
fn hint<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> String {
    let given = short(given).to_lowercase();
    let distances = known.map(|name| (strsim::damerau_levenshtein(&given, &name.to_lowercase()), name));
    let best = distances.filter(|(distance, name)| *distance <= name.len().div_ceil(3)).min();
    best.map(|(_, name)| format!(" (did you mean {name:?}?)")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_part_metrics_and_labels() {
        assert_eq!(items("dns:query;ignoreAAAA,drop  tcp"), ["dns:query;ignoreAAAA", "drop", "tcp"]);
        assert_eq!(
            items(
                "flow:labelsContext=source_ip,traffic_direction;sourceContext=pod,dns:labelscontext=source_app,tcp,,"
            ),
            ["flow:labelsContext=source_ip,traffic_direction;sourceContext=pod", "dns:labelscontext=source_app", "tcp"]
        );
        assert_eq!(items("flow:labelsContext=source_ip , source_pod"), ["flow:labelsContext=source_ip", "source_pod"]);
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_known() {
        for (text, said) in [
            ("", "no metrics are named: give some of dns, drop,"),
            ("dsn", "unknown metric \"dsn\" (did you mean \"dns\"?): Hubble has dns, drop,"),
            ("httpv2", "unknown metric \"httpv2\" (did you mean \"httpV2\"?)"),
            ("drop:query", "metric drop has no option \"query\": it has sourceContext,"),
            ("dns:querry", "metric dns has no option \"querry\" (did you mean \"query\"?): it has query, ignoreAAAA,"),
            (
                "drop:sourceContext=pods",
                "metric drop: sourceContext cannot be \"pods\" (did you mean \"pod\"?): it takes",
            ),
            ("drop:sourceContext", "metric drop: sourceContext cannot be \"\": it takes identity,"),
            (
                "drop:labelsContext=source_ip,source_pot",
                "labelsContext cannot be \"source_pot\" (did you mean \"source_pod\"?)",
            ),
            ("dns:query=maybe", "metric dns: query cannot be \"maybe\": it takes true, false"),
            ("dns:query;query", "option query comes twice"),
            ("dns drop dns:query", "metric dns comes twice"),
            ("httpV2 http", "http and httpV2 count under the same names"),
        ] {
            let error = parse(text).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(said), "{text}: {error}");
        }
        assert!(parse(DEFAULT).is_ok());
    }
}
