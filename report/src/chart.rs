//! Charts as SVG: bars, lines and stacks, coloured by the page's style, without script and without styles of their own.

use lookback_flow::escape::terminal;
use maud::{Markup, html};

use crate::document::{Cell, Chart, Completeness, Kind, Table};
use crate::zone::Zone;

/// Most bars of one chart.
const MOST_BARS: usize = 12;
/// Most series of one chart; the rest are taken together.
const MOST_SERIES: usize = 6;
/// Width of a drawing, and height of one over time, in its own units.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 180.0;
/// Width of the names before bars.
const NAMES: f64 = 260.0;

/// The chart of a table; `None` where there is nothing to draw.
#[must_use]
pub fn draw(chart: Chart, table: &Table, zone: Zone) -> Option<Markup> {
    match chart {
        Chart::None => None,
        Chart::Bar => bars(table),
        Chart::Line | Chart::Stacked => over_time(table, zone, chart == Chart::Stacked),
    }
}

/// Bars: the texts before the first number name them.
fn bars(table: &Table) -> Option<Markup> {
    let (names, value) = measure(table)?;
    let rows: Vec<(String, f64, &str)> = table
        .rows
        .iter()
        .filter_map(|row| {
            let cell = row.get(value)?;
            let number = cell.number.filter(|number| number.is_finite() && *number >= 0.0)?;
            Some((joined(row.get(..names)?), number, cell.text.as_str()))
        })
        .take(MOST_BARS)
        .collect();
    let most = rows.iter().map(|(_, number, _)| *number).fold(0.0, f64::max);
    if rows.len() < 2 || most <= 0.0 {
        return None;
    }
    let heading = &table.columns.get(value)?.heading;
    let height = position(rows.len()) * 22.0 + 4.0;
    Some(html! {
        svg class="chart" viewBox=(format!("0 0 {WIDTH:.0} {height:.0}")) role="img" aria-label=(format!("{heading} as bars")) {
            @for (place, (name, number, text)) in rows.iter().enumerate() {
                @let y = position(place) * 22.0 + 4.0;
                @let width = (WIDTH - NAMES - 90.0) * number / most;
                g {
                    title { (harmless(name)) ": " (text) }
                    text class="name" x=(format!("{:.0}", NAMES - 8.0)) y=(format!("{:.0}", y + 12.0)) text-anchor="end" { (short(name, 36)) }
                    rect class="bar" x=(format!("{NAMES:.0}")) y=(format!("{y:.0}")) width=(format!("{:.1}", width.max(1.0))) height="16" rx="2" {}
                    text class="value" x=(format!("{:.1}", NAMES + width.max(1.0) + 6.0)) y=(format!("{:.0}", y + 12.0)) { (text) }
                }
            }
        }
    })
}

/// How many columns name a row, and which one is its measure: a 95th percentile where there is one, else the first number.
fn measure(table: &Table) -> Option<(usize, usize)> {
    let names = table.columns.iter().position(|column| column.kind == Kind::Number)?;
    let tail = table.columns.iter().position(|column| column.kind == Kind::Number && column.heading == "p95");
    Some((names, tail.unwrap_or(names)))
}

fn joined(names: &[Cell]) -> String {
    let names = names.iter().map(|cell| cell.text.as_str()).filter(|text| !text.is_empty());
    names.collect::<Vec<_>>().join(" → ")
}

/// What the first row says, in a few words; nothing of a table that names nothing, or goes by time.
#[must_use]
pub fn headline(table: &Table) -> Option<String> {
    let (names, value) = measure(table)?;
    let row = table.rows.first()?;
    let is_named = table.columns.get(..names)?.iter().all(|column| column.kind == Kind::Text);
    let name = joined(row.get(..names)?);
    // The measure, or the first count that is not zero.
    let counts = |place: &usize| row.get(*place).and_then(|cell| cell.number).is_some_and(|number| number != 0.0);
    let numbers =
        table.columns.iter().enumerate().filter(|(_, column)| column.kind == Kind::Number).map(|(place, _)| place);
    let told = std::iter::once(value).chain(numbers).find(counts);
    let told = told.and_then(|place| Some(format!(": {} {}", row.get(place)?.text, table.columns.get(place)?.heading)));
    (is_named && !name.is_empty()).then(|| short(&name, 80) + &told.unwrap_or_default())
}

/// A name and its points.
type Series = (String, Vec<(f64, f64)>);

/// The table's series over time: its first text names them, its first number is their value.
fn series(table: &Table) -> Option<Vec<Series>> {
    let first = |kind| table.columns.iter().position(|column| column.kind == kind);
    let (time, value) = (first(Kind::Time)?, first(Kind::Number)?);
    let name = first(Kind::Text);
    let mut all: Vec<Series> = Vec::new();
    for row in &table.rows {
        let (Some(at), Some(number)) =
            (row.get(time).and_then(|cell| cell.number), row.get(value).and_then(|cell| cell.number))
        else {
            continue;
        };
        let name = name.and_then(|name| row.get(name)).map_or("", |cell| cell.text.as_str());
        match all.iter_mut().find(|(own, _)| own == name) {
            Some((_, points)) => points.push((at, number)),
            None => all.push((name.to_owned(), vec![(at, number)])),
        }
    }
    for (_, points) in &mut all {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    let sum = |series: &Series| series.1.iter().map(|(_, number)| number).sum::<f64>();
    all.sort_by(|a, b| sum(b).total_cmp(&sum(a)).then_with(|| a.0.cmp(&b.0)));
    if all.len() > MOST_SERIES {
        let rest = all.split_off(MOST_SERIES - 1);
        all.push(("others".to_owned(), rest.into_iter().flat_map(|(_, points)| points).collect()));
    }
    Some(all)
}

/// The parts of a stack that are there: the place of its series, what is below it, and its own value.
fn stacked(all: &[Series], value: impl Fn(&[(f64, f64)]) -> f64) -> Vec<(usize, f64, f64)> {
    let mut below = 0.0;
    let parts = all.iter().enumerate().map(|(place, (_, points))| {
        let value = value(points);
        below += value;
        (place, below - value, value)
    });
    parts.filter(|(.., value)| *value > 0.0).collect()
}

fn over_time(table: &Table, zone: Zone, is_stacked: bool) -> Option<Markup> {
    let all = series(table)?;
    let mut times: Vec<f64> = all.iter().flat_map(|(_, points)| points.iter().map(|(at, _)| *at)).collect();
    times.sort_by(f64::total_cmp);
    times.dedup();
    let (first, last) = (*times.first()?, *times.last()?);
    if times.len() < 2 {
        return None;
    }
    // The shortest step is the width of a stretch.
    let step = times.windows(2).filter_map(|pair| Some(pair.last()? - pair.first()?)).fold(f64::MAX, f64::min);
    let span = last - first + step;
    let at = |points: &[(f64, f64)], time: f64| -> f64 {
        points.iter().filter(|(own, _)| (own - time).abs() < step / 2.0).map(|(_, number)| number).sum()
    };
    let tallest = |time: f64| {
        let heights = all.iter().map(|(_, points)| at(points, time));
        if is_stacked { heights.sum() } else { heights.fold(0.0, f64::max) }
    };
    let most = times.iter().map(|time| tallest(*time)).fold(0.0, f64::max);
    if most <= 0.0 {
        return None;
    }
    let (left, bottom) = (56.0, HEIGHT - 22.0);
    let x = |time: f64| left + (WIDTH - left - 4.0) * (time - first) / span;
    let y = |number: f64| 6.0 + (bottom - 6.0) * (1.0 - number / most);
    let width = (x(first + step) - x(first)).max(0.5);
    #[expect(clippy::cast_possible_truncation, reason = "nanoseconds, which came from an integer")]
    let label = |time: f64| zone.minute(time as i64);
    let heading =
        table.columns.iter().find(|column| column.kind == Kind::Number).map_or("", |own| own.heading.as_str());
    Some(html! {
        svg class="chart" viewBox=(format!("0 0 {WIDTH:.0} {HEIGHT:.0}")) role="img" aria-label=(format!("{heading} over time")) {
            @for part in [0.0, 0.5, 1.0] {
                @let line = format!("{:.1}", y(most * part));
                line class="grid" x1=(format!("{left:.0}")) x2=(format!("{:.0}", WIDTH - 4.0)) y1=(line) y2=(line) {}
                text class="value" x=(format!("{:.0}", left - 6.0)) y=(format!("{:.1}", y(most * part) + 4.0)) text-anchor="end" { (number(most * part)) }
            }
            text class="value" x=(format!("{left:.0}")) y=(format!("{:.0}", HEIGHT - 6.0)) { (label(first)) }
            text class="value" x=(format!("{:.0}", WIDTH - 4.0)) y=(format!("{:.0}", HEIGHT - 6.0)) text-anchor="end" { (label(last)) }
            @if is_stacked {
                @for time in &times {
                    @for (place, below, value) in stacked(&all, |points| at(points, *time)) {
                        rect class=(format!("s{place}")) x=(format!("{:.1}", x(*time))) y=(format!("{:.1}", y(below + value)))
                            width=(format!("{:.1}", (width - 0.5).max(0.5))) height=(format!("{:.1}", (y(below) - y(below + value)).max(0.5))) {
                            title { (label(*time)) " " (all.get(place).map(|(name, _)| harmless(name)).unwrap_or_default()) ": " (number(value)) }
                        }
                    }
                }
            } @else {
                @for (place, (_, points)) in all.iter().enumerate() {
                    polyline class=(format!("l{place}")) points=(points.iter().map(|(time, number)| format!("{:.1},{:.1}", x(*time), y(*number))).collect::<Vec<_>>().join(" ")) {}
                }
            }
        }
        @if all.iter().any(|(name, _)| !name.is_empty()) {
            p class="legend" {
                @for (place, (name, _)) in all.iter().enumerate() {
                    span { svg class="key" viewBox="0 0 10 10" { rect class=(format!("s{place}")) width="10" height="10" {} } " " (short(name, 40)) }
                }
            }
        }
    })
}

/// When each node saw something, and when it was silent.
#[must_use]
pub fn coverage(completeness: &Completeness, (since, until): (i64, i64), zone: Zone) -> Option<Markup> {
    let span = precise(until.saturating_sub(since));
    if completeness.nodes.is_empty() || span <= 0.0 {
        return None;
    }
    let x = |at: i64| NAMES + (WIDTH - NAMES - 4.0) * (precise(at.saturating_sub(since)) / span).clamp(0.0, 1.0);
    let height = position(completeness.nodes.len()) * 20.0 + 24.0;
    Some(html! {
        svg class="chart" viewBox=(format!("0 0 {WIDTH:.0} {height:.0}")) role="img" aria-label="when each node saw something" {
            @for (place, node) in completeness.nodes.iter().enumerate() {
                @let y = position(place) * 20.0 + 4.0;
                text class="name" x=(format!("{:.0}", NAMES - 8.0)) y=(format!("{:.0}", y + 11.0)) text-anchor="end" { (short(&node.name, 36)) }
                rect class="track" x=(format!("{NAMES:.0}")) y=(format!("{y:.0}")) width=(format!("{:.0}", WIDTH - NAMES - 4.0)) height="14" {}
                @for (from, to) in &node.seen {
                    rect class="seen" x=(format!("{:.2}", x(*from))) y=(format!("{y:.0}")) width=(format!("{:.2}", (x(*to) - x(*from)).max(0.5))) height="14" {}
                }
                @for (from, to) in &node.silences {
                    rect class="gap" x=(format!("{:.2}", x(*from))) y=(format!("{y:.0}")) width=(format!("{:.2}", (x(*to) - x(*from)).max(1.0))) height="14" {
                        title { (harmless(&node.name)) " silent from " (zone.moment(*from)) " to " (zone.moment(*to)) }
                    }
                }
            }
            text class="value" x=(format!("{NAMES:.0}")) y=(format!("{:.0}", height - 6.0)) { (zone.minute(since)) }
            text class="value" x=(format!("{:.0}", WIDTH - 4.0)) y=(format!("{:.0}", height - 6.0)) text-anchor="end" { (zone.minute(until)) }
        }
    })
}

/// Text from a log, for a page: characters that turn or hide text are made visible.
pub(crate) fn harmless(text: &str) -> String {
    terminal(text).into_owned()
}

/// So much of a text as there is room for.
fn short(text: &str, most: usize) -> String {
    let text = harmless(text);
    match text.char_indices().nth(most) {
        None => text,
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
    }
}

/// A number on an axis.
fn number(value: f64) -> String {
    if value >= 10.0 || value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

#[expect(clippy::cast_precision_loss, reason = "a place on the page")]
fn position(place: usize) -> f64 {
    place as f64
}

#[expect(clippy::cast_precision_loss, reason = "a place on the page")]
fn precise(nanos: i64) -> f64 {
    nanos as f64
}
