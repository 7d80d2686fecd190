//! The filter line: Hubble's flag names as keys, `not:` to turn one round, `since:`, `until:` and `last:` for time.
//!
//! `verdict:dropped from-pod:shop/ http-status:5+ not:protocol:dns since:12:10`. A value with blanks stands in double quotes.
//! What flags mean, and which go together, is the filter's own affair ([`lookback_flow::filter::flags`]); here only words are
//! told apart, and mistakes get their place in the line.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use lookback_flow::columns::ColumnId;
use lookback_flow::event::Event;
use lookback_flow::filter::Filters;
use lookback_flow::filter::flags::{Chosen, FLAGS, Flag};
use lookback_flow::rows::Projection;
use lookback_flow::time::{parse_rfc3339, rfc3339};
use lookback_flow::view::{View, WrongType};

/// Kinds of events that are shown, as `lookback observe` shows them.
const KINDS: [&str; 2] = ["flow", "lost_events"];

/// Keys for time.
pub const TIMES: [(&str, &str); 3] = [
    ("since", "From this time on: 2026-03-01T12:00:00Z, or 12:00 of the day that the data have"),
    ("until", "Up to this time"),
    ("last", "This long before the end of the data: 30s, 10m, 2h, 1d"),
];

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * SECOND;

/// What is shown: filters and a time range, made of the filter line.
#[derive(Clone, Debug, Default)]
pub struct Query {
    pub text: String,
    pub filters: Arc<Filters>,
    /// From and to, both inclusive. Rows without a time are in no range.
    pub window: Option<(i64, i64)>,
    /// Flags of `lookback observe` that do the same, in the order of the line.
    pub flags: Vec<String>,
}

/// A mistake, and where it stands in the line, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub at: Range<usize>,
    pub what: String,
}

/// A word of the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    pub at: Range<usize>,
    pub is_turned: bool,
    pub key: String,
    pub value: Option<String>,
    /// Where the value begins, with its quote.
    pub value_at: usize,
}

/// The flag of a name.
#[must_use]
pub fn flag(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.name == name)
}

/// The words of a line.
#[must_use]
pub fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quoted = false;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        let is_end = at == text.len();
        match c {
            '"' if !is_end => {
                quoted = !quoted;
                start = start.or(Some(at));
            }
            c if (c.is_whitespace() && !quoted) || is_end => {
                if let Some(from) = start.take() {
                    words.push(word(text, from..at));
                }
            }
            _ => start = start.or(Some(at)),
        }
    }
    words
}

fn word(text: &str, at: Range<usize>) -> Word {
    let whole = text.get(at.clone()).unwrap_or_default();
    let rest = whole.strip_prefix("not:").or_else(|| whole.strip_prefix('!')).unwrap_or(whole);
    let rest = rest.strip_prefix("--").unwrap_or(rest);
    let offset = at.end - rest.len();
    let is_turned = whole.starts_with("not:") || whole.starts_with('!');
    match rest.split_once(':') {
        Some((key, value)) => {
            Word { is_turned, key: key.to_owned(), value_at: offset + key.len() + 1, value: Some(unquoted(value)), at }
        }
        None => Word { is_turned, key: rest.to_owned(), value: None, value_at: at.end, at },
    }
}

/// A value without its quotes.
fn unquoted(value: &str) -> String {
    value.replace('"', "")
}

/// A value as it is written in the line.
#[must_use]
pub fn quoted(value: &str) -> String {
    let value = value.replace('"', "");
    if value.contains(char::is_whitespace) { format!("\"{value}\"") } else { value }
}

/// A word as it is written in the line.
#[must_use]
pub fn written(key: &str, value: Option<&str>) -> String {
    value.map_or_else(|| key.to_owned(), |value| format!("{key}:{}", quoted(value)))
}

impl Query {
    /// Understands a line. `extent` is the time that the data have, for times of day and `last:`.
    ///
    /// # Errors
    /// All mistakes, each with its place.
    pub fn parse(text: &str, extent: Option<(i64, i64)>) -> Result<Self, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let mut chosen = Chosen::default();
        let (mut since, mut until) = (None, None);
        let mut flags = Vec::new();
        for word in words(text) {
            let mut mistake = |what: String| {
                mistakes.push(Mistake { at: word.at.clone(), what });
            };
            match (flag(&word.key), word.key.as_str(), &word.value) {
                (_, "since" | "until" | "last", _) if word.is_turned => {
                    mistake("a time is not turned round".to_owned());
                }
                (_, "since", Some(value)) => match moment(value, extent, false) {
                    Some(time) => since = Some(since.unwrap_or(i64::MIN).max(time)),
                    None => mistake(format!("{value:?} is no time")),
                },
                (_, "until", Some(value)) => match moment(value, extent, true) {
                    Some(time) => until = Some(until.unwrap_or(i64::MAX).min(time)),
                    None => mistake(format!("{value:?} is no time")),
                },
                (_, "last", Some(value)) => match (span(value), extent) {
                    (Some(span), Some((_, end))) => since = Some(end.saturating_sub(span)),
                    (Some(_), None) => {}
                    (None, _) => mistake(format!("{value:?} is no span of time: 30s, 10m, 2h")),
                },
                (Some(Flag { value: Some(what), .. }), key, None) => {
                    mistake(format!("{key} needs a value: {key}:{what}"));
                }
                (Some(flag), _, value) => {
                    let value = cased(flag.name, value.as_deref().unwrap_or_default());
                    match chosen.set(flag, &value, word.is_turned) {
                        Ok(()) => {
                            if word.is_turned {
                                flags.push("--not".to_owned());
                            }
                            flags.push(format!("--{}", flag.name));
                            if flag.value.is_some() {
                                flags.push(value);
                            }
                        }
                        Err(error) => mistake(error.to_string()),
                    }
                }
                (None, key, _) => mistake(unknown(key)),
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let whole = |what: String| vec![Mistake { at: 0..text.len(), what }];
        let window = match (since, until) {
            (None, None) => None,
            (since, until) => Some((since.unwrap_or(i64::MIN), until.unwrap_or(i64::MAX))),
        };
        if let Some((since, until)) = window.filter(|(since, until)| since > until) {
            return Err(whole(format!("nothing is from {} until {}", rfc3339(since), rfc3339(until))));
        }
        let raw = chosen.finish();
        let filters = Filters::for_files(&raw.allow, &raw.deny).map_err(|error| whole(error.to_string()))?;
        for (name, time) in [("--since", since), ("--until", until)] {
            if let Some(time) = time {
                flags.extend([name.to_owned(), rfc3339(time)]);
            }
        }
        Ok(Self { text: text.to_owned(), filters: Arc::new(filters), window, flags })
    }

    /// The columns that it is decided by.
    #[must_use]
    pub fn columns(&self) -> Projection {
        Projection::of(["time", "kind"]).with(self.filters.columns())
    }

    /// Which rows of a batch are shown.
    ///
    /// # Errors
    /// When a column has not the type of the schema.
    pub fn rows(&self, batch: &RecordBatch) -> Result<BooleanArray, WrongType> {
        let kept = self.filters.keep(batch)?;
        let view = View::new(batch)?;
        let (time, kind) = (ColumnId::known("time"), ColumnId::known("kind"));
        // Kinds are few: each is looked at once.
        let mut kinds: Vec<Option<bool>> = Vec::new();
        let mut is_shown = |row: usize| {
            let known = |row| KINDS.contains(&Event { view: &view, row }.kind());
            let Some(key) = view.key(kind, row).and_then(|key| usize::try_from(key).ok()) else { return known(row) };
            if kinds.len() <= key {
                kinds.resize(key + 1, None);
            }
            kinds.get_mut(key).is_none_or(|slot| *slot.get_or_insert_with(|| known(row)))
        };
        let inside = |row: usize| {
            self.window.is_none_or(|(since, until)| {
                view.number(time, row).is_some_and(|time| time >= since.into() && time <= until.into())
            })
        };
        Ok((0..batch.num_rows()).map(|row| Some(kept.value(row) && inside(row) && is_shown(row))).collect())
    }

    /// The `lookback observe` command that gives the same.
    #[must_use]
    pub fn command(&self, inputs: &[String]) -> String {
        let mut command = "lookback observe".to_owned();
        for argument in self.flags.iter().chain(inputs) {
            let _ = write!(command, " {}", shell(argument));
        }
        command
    }
}

/// A line with a word more; a time replaces one that is there.
#[must_use]
pub fn with_word(text: &str, word: &str) -> String {
    if words(text).iter().any(|own| text.get(own.at.clone()) == Some(word)) {
        return text.to_owned();
    }
    let base = text.trim_end();
    if base.is_empty() { word.to_owned() } else { format!("{base} {word}") }
}

/// A line without its times.
#[must_use]
pub fn without_times(text: &str) -> String {
    let kept = words(text).into_iter().filter(|word| !TIMES.iter().any(|(name, _)| *name == word.key));
    let kept: Vec<&str> = kept.filter_map(|word| text.get(word.at)).collect();
    kept.join(" ")
}

/// Values that Hubble has in capitals may be typed in any case.
fn cased(flag: &str, value: &str) -> String {
    match flag {
        "verdict" | "drop-reason-desc" | "http-method" => value.to_uppercase(),
        "protocol" => value.to_lowercase(),
        _ => value.to_owned(),
    }
}

fn unknown(key: &str) -> String {
    let names = FLAGS.iter().map(|flag| flag.name).chain(TIMES.iter().map(|(name, _)| *name));
    let close = names.map(|name| (strsim::damerau_levenshtein(name, key), name)).min();
    match close.filter(|(distance, _)| *distance <= 3) {
        Some((_, name)) => format!("no filter is called {key:?} (did you mean {name}?)"),
        None => format!("no filter is called {key:?}; words are key:value, Tab completes them"),
    }
}

/// A time: RFC 3339, or of the day that the data have.
fn moment(text: &str, extent: Option<(i64, i64)>, is_end: bool) -> Option<i64> {
    if let Some(time) = parse_rfc3339(text) {
        return Some(time);
    }
    let (hours, rest) = text.split_once(':')?;
    let (minutes, seconds) = rest.split_once(':').unwrap_or((rest, "0"));
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let number = |text: &str, most: i64| text.parse::<i64>().ok().filter(|number| (0..=most).contains(number));
    let nanos: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let of_day =
        (number(hours, 23)? * 3600 + number(minutes, 59)? * 60 + number(whole, 59)?) * SECOND + number(&nanos, SECOND)?;
    let (first, last) = extent?;
    // The first such moment that the data reach, or the last one.
    let near = if is_end { last } else { first };
    let at = near.div_euclid(DAY).checked_mul(DAY)?.checked_add(of_day)?;
    if is_end && at > last && at.checked_sub(DAY)? >= first {
        return at.checked_sub(DAY);
    }
    if !is_end && at < first && at.checked_add(DAY)? <= last { at.checked_add(DAY) } else { Some(at) }
}

/// A span: a number and its unit.
fn span(text: &str) -> Option<i64> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let unit = match unit {
        "ms" => SECOND / 1000,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3600 * SECOND,
        "d" => DAY,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit)
}

/// An argument as a shell takes it.
#[must_use]
pub fn shell(argument: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@%+".contains(c);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_772_366_400 * SECOND;

    #[test]
    fn words_have_keys_values_and_places() {
        let text = r#"verdict:dropped  not:http-path:"/a b" reply"#;
        let words = words(text);
        let told: Vec<_> = words.iter().map(|w| (w.is_turned, w.key.as_str(), w.value.as_deref())).collect();
        assert_eq!(
            told,
            [(false, "verdict", Some("dropped")), (true, "http-path", Some("/a b")), (false, "reply", None)]
        );
        assert_eq!(text.get(words[1].at.clone()), Some(r#"not:http-path:"/a b""#));
        assert_eq!(text.get(words[1].value_at..words[1].at.end), Some(r#""/a b""#));
    }

    #[test]
    fn the_command_says_the_same() {
        let line = r#"verdict:dropped not:protocol:DNS from-pod:shop/ http-path:"/a b" since:12:10"#;
        let query = Query::parse(line, Some((NOON, NOON + DAY / 24))).unwrap();
        assert_eq!(
            query.command(&["my logs".to_owned()]),
            "lookback observe --verdict DROPPED --not --protocol dns --from-pod shop/ --http-path '/a b' \
             --since 2026-03-01T12:10:00Z 'my logs'"
        );
    }

    #[test]
    fn mistakes_have_their_place() {
        let mistakes = Query::parse("verdict:dropped verdit:x port:99999 http-status", None).unwrap_err();
        let places: Vec<_> = mistakes.iter().map(|mistake| mistake.at.clone()).collect();
        assert_eq!(places, [16..24, 25..35, 36..47]);
        assert!(mistakes[0].what.contains("did you mean verdict"), "{}", mistakes[0].what);
        assert!(Query::parse("not:since:12:00", None).is_err());
        assert!(Query::parse("from-pod:a pod:b", None).is_err(), "what cannot be combined is told");
    }

    #[test]
    fn a_time_of_day_is_one_that_the_data_reach() {
        let late = (NOON + 11 * DAY / 24, NOON + 14 * DAY / 24);
        let window = |line| Query::parse(line, Some(late)).unwrap().window.unwrap();
        assert_eq!(window("since:01:00").0, NOON + 13 * DAY / 24);
        assert_eq!(window("until:23:30").1, NOON + 23 * DAY / 48);
        assert_eq!(window("last:10m").0, late.1 - 600 * SECOND);
    }

    #[test]
    fn words_come_once_and_times_go() {
        assert_eq!(with_word("a:b", "a:b"), "a:b");
        assert_eq!(with_word("a:b ", "c:d"), "a:b c:d");
        assert_eq!(without_times("since:1 a:b last:2m"), "a:b");
    }
}
