//! Groups as a table.

use lookback_flow::escape::terminal;

use super::Kind;
use super::groups::{Group, Groups};
use crate::data::cell::{clock, word_of_value};
use crate::data::class::Class;
use crate::data::query::written;

/// Rows that are shown.
const MOST_ROWS: usize = 1000;

/// A line of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    pub cells: Vec<String>,
    /// Words of the filter line that show the rows behind it.
    pub words: Option<String>,
    /// Something in it failed or was dropped.
    pub is_bad: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Names of the columns; whether they are numbers.
    pub columns: Vec<(String, bool)>,
    pub lines: Vec<Line>,
}

/// Counts that are drawn as bars.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bars {
    pub title: String,
    pub bars: Vec<(String, u64)>,
}

/// What a view shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// What stands above the table.
    pub notes: Vec<String>,
    pub table: Table,
    pub bars: Option<Bars>,
}

/// A number with blanks between thousands.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// A span in the unit that suits it.
#[must_use]
pub(super) fn spelled(nanos: u64) -> String {
    match nanos {
        0..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}µs", nanos / 1_000),
        1_000_000..10_000_000 => format!("{}.{}ms", nanos / 1_000_000, nanos / 100_000 % 10),
        10_000_000..10_000_000_000 => format!("{}ms", nanos / 1_000_000),
        _ => format!("{}s", nanos / 1_000_000_000),
    }
}

pub(super) fn of(groups: &Groups, kind: Kind) -> Summary {
    let columns: &[(&str, bool)] = match kind {
        Kind::Map => &[
            ("CLIENT", false),
            ("SERVER", false),
            ("PORT", false),
            ("FLOWS", true),
            ("FORWARDED", true),
            ("DROPPED", true),
            ("ERRORS", true),
        ],
        Kind::Drops => &[
            ("REASON", false),
            ("FROM", false),
            ("TO", false),
            ("PORT", false),
            ("HOOK", false),
            ("DROPS", true),
            ("FIRST", false),
            ("LAST", false),
        ],
        Kind::Dns => &[
            ("NAME", false),
            ("TYPE", false),
            ("ANSWER", false),
            ("COUNT", true),
            ("P50", true),
            ("P99", true),
            ("LAST", false),
        ],
        Kind::Http => &[
            ("SERVER", false),
            ("METHOD", false),
            ("PATH", false),
            ("ANSWERS", true),
            ("2xx", true),
            ("4xx", true),
            ("5xx", true),
            ("P50", true),
            ("P95", true),
            ("P99", true),
        ],
        Kind::Connections => &[
            ("PROTO", false),
            ("CLIENT", false),
            ("SERVER", false),
            ("FLOWS", true),
            ("REPLIES", true),
            ("DROPPED", true),
            ("FIRST", false),
            ("LAST", false),
        ],
        Kind::Frequency(_) => &[("VALUE", false), ("COUNT", true), ("SHARE", true), ("DROPPED", true)],
    };
    let rank = |group: &Group| match kind {
        Kind::Http => group.statuses.get(5).copied().unwrap_or_default() * 1_000_000 + group.total(),
        Kind::Dns => group.failed * 1_000_000 + group.total(),
        Kind::Map => group.of(Class::Dropped) * 1_000_000 + group.total(),
        _ => group.total(),
    };
    let sorted = groups.sorted(rank);
    let lines = sorted.iter().take(MOST_ROWS).map(|(key, group)| line(kind, key, group, groups.rows)).collect();
    let mut notes = vec![headline(kind, groups)];
    if groups.others.total() > 0 {
        notes.push(format!("{} rows are of further groups and not shown", grouped(groups.others.total())));
    }
    if groups.len() > MOST_ROWS {
        notes.push(format!("the first {MOST_ROWS} of {} groups", grouped(groups.len() as u64)));
    }
    let columns = columns.iter().map(|(name, is_number)| ((*name).to_owned(), *is_number)).collect();
    let bars = (!groups.latency.is_empty()).then(|| Bars {
        title: "latency, by doublings".to_owned(),
        bars: groups.latency.doublings().into_iter().map(|(from, count)| (spelled(from), count)).collect(),
    });
    Summary { notes, table: Table { columns, lines }, bars }
}

fn headline(kind: Kind, groups: &Groups) -> String {
    let (rows, number) = (grouped(groups.rows), grouped(groups.len() as u64));
    match kind {
        Kind::Map => format!("{number} edges, {rows} flows; those with drops first"),
        Kind::Drops => format!("{rows} drops, by reason and ends"),
        Kind::Dns => format!("{rows} DNS records; those that failed first"),
        Kind::Http => {
            format!("{rows} HTTP answers; those with server errors first; quantiles are off by a tenth at most")
        }
        Kind::Connections => format!("{number} connections, {rows} flows"),
        Kind::Frequency(id) => format!("{number} values of {} in {rows} rows", id.column().name),
    }
}

#[expect(clippy::too_many_lines, reason = "one arm for each kind, and each is a list of cells")]
fn line(kind: Kind, key: &[&str], group: &Group, rows: u64) -> Line {
    let clean = |at: usize| terminal(key.get(at).copied().unwrap_or_default()).into_owned();
    let time = |time: Option<i64>| time.map(clock).unwrap_or_default();
    let count = grouped;
    let quantile = |hundredths| group.latency.quantile(hundredths).map(spelled).unwrap_or_default();
    let status = |at: usize| count(group.statuses.get(at).copied().unwrap_or_default());
    let port = |port: String, protocol: String| if port == "-" { protocol } else { format!("{port}/{protocol}") };
    let dropped = group.of(Class::Dropped);
    let between = |client: &str, server: &str, more: String| {
        let words = [word_of_name("from", client), word_of_name("to", server), Some(more).filter(|m| !m.is_empty())];
        let words: Vec<String> = words.into_iter().flatten().collect();
        (!words.is_empty()).then(|| words.join(" "))
    };
    match kind {
        Kind::Map => Line {
            cells: vec![
                clean(0),
                clean(1),
                port(clean(2), clean(3)),
                count(group.total()),
                count(group.of(Class::Forwarded)),
                count(dropped),
                count(group.failed),
            ],
            words: between(&clean(0), &clean(1), String::new()),
            is_bad: dropped + group.failed > 0,
        },
        Kind::Drops => Line {
            cells: vec![
                clean(0),
                clean(1),
                clean(2),
                port(clean(3), clean(4)),
                clean(5),
                count(group.total()),
                time(group.first),
                time(group.last),
            ],
            words: {
                let reason = written("drop-reason-desc", Some(&clean(0)));
                between(&clean(1), &clean(2), if clean(0) == "-" { String::new() } else { reason })
            },
            is_bad: true,
        },
        Kind::Dns => Line {
            cells: vec![
                clean(0),
                clean(1),
                clean(2),
                count(group.total()),
                quantile(50),
                quantile(99),
                time(group.last),
            ],
            words: word_of_value(lookback_flow::columns::ColumnId::known("dns_query"), &clean(0), None),
            is_bad: group.failed + dropped > 0,
        },
        Kind::Http => Line {
            cells: vec![
                clean(0),
                clean(1),
                clean(2),
                count(group.total()),
                status(2),
                status(4),
                status(5),
                quantile(50),
                quantile(95),
                quantile(99),
            ],
            words: word_of_name("from", &clean(0)).map(|server| {
                let path = regex_path(&clean(2));
                format!("{server} {} {}", written("http-method", Some(&clean(1))), written("http-path", Some(&path)))
            }),
            is_bad: group.statuses.get(5).is_some_and(|count| *count > 0),
        },
        Kind::Connections => Line {
            cells: vec![
                clean(0),
                named(&clean(1), &clean(2), &clean(3)),
                named(&clean(4), &clean(5), &clean(6)),
                count(group.total()),
                count(group.replies),
                count(dropped),
                time(group.first),
                time(group.last),
            ],
            words: (clean(3) != "-" && clean(6) != "-").then(|| {
                let [a, b] = [clean(3), clean(6)].map(|port| written("port", Some(&port)));
                // Ports are alternatives of one flag; addresses narrow them down to one pair of ends.
                let ends = format!(
                    "_flow.IP.source in ['{0}', '{1}'] && _flow.IP.destination in ['{0}', '{1}']",
                    clean(2),
                    clean(5)
                );
                let client = if clean(3) == "0" { String::new() } else { format!("{a} ") };
                let client = if client.is_empty() { format!("{b} ") } else { client };
                format!("{client}{}", written("cel-expression", Some(&ends)))
            }),
            is_bad: dropped > 0,
        },
        Kind::Frequency(id) => Line {
            cells: vec![
                clean(0),
                count(group.total()),
                format!("{}.{}%", group.total() * 100 / rows.max(1), group.total() * 1000 / rows.max(1) % 10),
                count(dropped),
            ],
            words: word_of_value(id, &clean(0), None),
            is_bad: dropped > 0,
        },
    }
}

fn named(name: &str, ip: &str, port: &str) -> String {
    let at = if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") };
    if name == ip { at } else { format!("{name} {at}") }
}

/// A path with its ids left open, as a regular expression.
fn regex_path(path: &str) -> String {
    let mut out = String::from("^");
    for c in path.chars() {
        match c {
            '*' => out.push_str("[^/]+"),
            '.' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | '^' | '$' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out.push('$');
    out
}

/// The word that keeps flows from or to what has a name: a workload, a reserved identity, an address or a domain.
fn word_of_name(way: &str, name: &str) -> Option<String> {
    let is_reserved = || lookback_flow::terms::identities().any(|(_, own)| own == name);
    Some(if name.is_empty() || name == "-" {
        return None;
    } else if name.parse::<std::net::IpAddr>().is_ok() {
        written(&format!("{way}-ip"), Some(name))
    } else if is_reserved() {
        written(&format!("{way}-identity"), Some(name))
    } else if name.contains('/') {
        written(&format!("{way}-pod"), Some(name))
    } else if name.contains('.') {
        written(&format!("{way}-fqdn"), Some(name.trim_end_matches('.')))
    } else {
        return None;
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::query::Query;

    #[test]
    fn what_a_name_is_told_by_is_a_filter() {
        for (name, word) in [
            ("shop/cart", Some("to-pod:shop/cart")),
            ("world", Some("to-identity:world")),
            ("10.0.0.1", Some("to-ip:10.0.0.1")),
            ("api.example.com", Some("to-fqdn:api.example.com")),
            ("-", None),
        ] {
            assert_eq!(word_of_name("to", name).as_deref(), word);
            assert!(word.is_none_or(|word| Query::parse(word, None).is_ok()), "{name}");
        }
    }

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!(grouped(10_000_000), "10 000 000");
        assert_eq!(grouped(999), "999");
        assert_eq!(
            ["999ns", "1µs", "2.5ms", "150ms", "12s"],
            [999, 1_500, 2_500_000, 150_000_000, 12_000_000_000].map(spelled)[..]
        );
    }

    #[test]
    fn a_path_is_a_regular_expression() {
        assert_eq!(regex_path("/a.b/*"), r"^/a\.b/[^/]+$");
    }
}
