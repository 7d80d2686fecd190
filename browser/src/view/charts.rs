//! The chart beside the answer of a question: bars, stacked bars over time, or lines, as its header says.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::{Axis, Chart as LineChart, Dataset, GraphType, Widget as _};

use super::summary::draw_bars;
use super::{fitted, padded};
use crate::data::summary::{Bars, grouped};
use crate::questions::{Answer, Chart, Value};
use crate::state::State;

/// Values that are told apart by colour and sign; the others go together.
const SERIES: usize = 6;
/// Points along the way.
const MOST_STEPS: usize = 400;
const SIGNS: [char; SERIES] = ['█', '▓', '▒', '░', '▞', '▪'];
const COLOURS: [Color; SERIES] =
    [Color::LightRed, Color::Yellow, Color::Cyan, Color::Magenta, Color::Green, Color::Gray];

/// What is drawn.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Plot {
    Bars(Bars),
    Stacked(Series),
    Lines(Series),
}

/// Numbers by step, mostly a time, and by what they are of.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Series {
    pub title: String,
    pub names: Vec<String>,
    pub steps: Vec<(String, Vec<f64>)>,
}

impl Plot {
    /// The first column of numbers: as bars over the texts before it; else by its first column, and by the texts between.
    pub(super) fn of(chart: Chart, answer: &Answer) -> Option<Self> {
        match chart {
            Chart::None => None,
            Chart::Bar => bars(answer).map(Self::Bars),
            Chart::Stacked => series(answer).map(Self::Stacked),
            Chart::Line => series(answer).map(Self::Lines),
        }
    }

    /// Lines of the screen that it asks for.
    pub(super) fn height(&self) -> usize {
        match self {
            Self::Bars(bars) => bars.bars.len().min(8) + 1,
            Self::Stacked(series) => series.steps.len().min(12) + 2,
            Self::Lines(_) => 12,
        }
    }

    pub(super) fn draw(&self, state: &State, area: Rect, buffer: &mut Buffer) {
        match self {
            Self::Bars(bars) => draw_bars(state, bars, area, buffer),
            Self::Stacked(series) => stacked(state, series, area, buffer),
            Self::Lines(series) => lines(state, series, area, buffer),
        }
    }
}

/// The place of the first column of numbers.
fn number(answer: &Answer) -> Option<usize> {
    let is_number = |at: &usize| answer.rows.iter().any(|row| row.get(*at).is_some_and(|value| value.number.is_some()));
    (0..answer.columns.len()).find(is_number)
}

fn texts(row: &[Value], from: usize, to: usize) -> String {
    let texts = row.iter().take(to).skip(from).map(|value| value.text.as_str());
    texts.collect::<Vec<_>>().join(" ")
}

fn bars(answer: &Answer) -> Option<Bars> {
    let number = number(answer)?;
    let bar = |row: &Vec<Value>| Some((texts(row, 0, number.max(1)), whole(row.get(number)?.number?)));
    let bars = answer.rows.iter().take(24).filter_map(bar).collect();
    Some(Bars { title: answer.columns.get(number).cloned().unwrap_or_default(), bars })
}

fn series(answer: &Answer) -> Option<Series> {
    let number = number(answer)?;
    let mut series = Series { title: answer.columns.get(number).cloned().unwrap_or_default(), ..Series::default() };
    for row in &answer.rows {
        let Some(value) = row.get(number).and_then(|value| value.number).filter(|number| number.is_finite()) else {
            continue;
        };
        let (step, name) = (texts(row, 0, 1), texts(row, 1, number));
        let place = series.names.iter().position(|own| *own == name).unwrap_or_else(|| {
            if series.names.len() < SERIES - 1 {
                series.names.push(name);
            } else if series.names.len() < SERIES {
                series.names.push("others".to_owned());
            }
            series.names.len() - 1
        });
        if series.steps.last().is_none_or(|(own, _)| *own != step) {
            if series.steps.len() == MOST_STEPS {
                break;
            }
            series.steps.push((step, vec![0.0; SERIES]));
        }
        if let Some(sum) = series.steps.last_mut().and_then(|(_, sums)| sums.get_mut(place)) {
            *sum += value;
        }
    }
    (!series.steps.is_empty()).then_some(series)
}

fn whole(number: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a length on the screen")]
    let whole = number.max(0.0) as u64;
    whole
}

fn style(state: &State, series: usize) -> Style {
    let colour = COLOURS.get(series % SERIES).copied().unwrap_or_default();
    if state.theme == crate::theme::Theme::Mono { Style::new() } else { Style::new().fg(colour) }
}

fn sign(series: usize) -> char {
    SIGNS.get(series % SERIES).copied().unwrap_or('█')
}

/// The names of all series, with their signs.
fn legend(state: &State, series: &Series, area: Rect, signs: bool, buffer: &mut Buffer) {
    let mut x = area.x + 1;
    buffer.set_stringn(x, area.y, &series.title, usize::from(area.width), state.theme.heading());
    x = x.saturating_add(u16::try_from(series.title.chars().count()).unwrap_or(0) + 2);
    for (at, name) in series.names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        let room = usize::from(area.right().saturating_sub(x));
        if room < 6 {
            break;
        }
        let text = format!("{} {}", if signs { sign(at) } else { '━' }, fitted(name, room.saturating_sub(3)));
        buffer.set_stringn(x, area.y, &text, room, style(state, at));
        x = x.saturating_add(u16::try_from(unicode_width::UnicodeWidthStr::width(text.as_str())).unwrap_or(0) + 2);
    }
}

/// A bar for each step, a piece of it for each series. Of more steps than there is room for, neighbours are added up.
fn stacked(state: &State, series: &Series, area: Rect, buffer: &mut Buffer) {
    if area.height < 3 {
        return;
    }
    legend(state, series, area, true, buffer);
    let rows = usize::from(area.height - 1);
    let each = series.steps.len().div_ceil(rows).max(1);
    let bars: Vec<(String, Vec<f64>)> = series
        .steps
        .chunks(each)
        .map(|chunk| {
            let name = chunk.first().map(|(name, _)| name.clone()).unwrap_or_default();
            let sum =
                |at: usize| chunk.iter().filter_map(|(_, values)| values.get(at)).map(|value| value.max(0.0)).sum();
            (name, (0..SERIES).map(sum).collect())
        })
        .collect();
    let name_width =
        bars.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(usize::from(area.width) / 3);
    let most = bars.iter().map(|(_, values)| values.iter().sum::<f64>()).fold(1.0, f64::max);
    let room = f64::from(area.width) - 16.0 - f64::from(u16::try_from(name_width).unwrap_or(0));
    for ((name, values), y) in bars.iter().zip(area.y + 1..area.bottom()) {
        buffer.set_string(area.x + 1, y, padded(name, name_width, true), state.theme.dim());
        let mut x = area.x + 2 + u16::try_from(name_width).unwrap_or(0);
        let (mut sum, mut drawn) = (0.0, 0);
        for (at, value) in values.iter().enumerate() {
            sum += value;
            // To the end of the sum, so that pieces do not lose more than half a cell together; and nothing that is there is lost.
            let end = whole((sum / most * room.max(1.0)).round()).max(drawn + u64::from(*value > 0.0));
            let piece = usize::try_from(end - drawn).unwrap_or(0);
            buffer.set_stringn(
                x,
                y,
                sign(at).to_string().repeat(piece),
                usize::from(area.right().saturating_sub(x)),
                style(state, at),
            );
            x = x.saturating_add(u16::try_from(piece).unwrap_or(0));
            drawn = end;
        }
        let total = format!(" {}", grouped(whole(sum)));
        buffer.set_stringn(x, y, total, usize::from(area.right().saturating_sub(x)), state.theme.dim());
    }
}

/// Lines of dots, four of them to a cell's height.
fn lines(state: &State, series: &Series, area: Rect, buffer: &mut Buffer) {
    if area.height < 5 {
        return;
    }
    legend(state, series, area, false, buffer);
    let area = Rect { y: area.y + 1, height: area.height - 1, ..area };
    #[expect(clippy::cast_precision_loss, reason = "at most some hundred steps")]
    let points: Vec<Vec<(f64, f64)>> = (0..series.names.len())
        .map(|at| {
            let value = |(step, (_, values)): (usize, &(String, Vec<f64>))| {
                (step as f64, values.get(at).copied().unwrap_or_default())
            };
            series.steps.iter().enumerate().map(value).collect()
        })
        .collect();
    let values = || points.iter().flatten().map(|(_, value)| *value);
    let (least, most) = (values().fold(0.0, f64::min), values().fold(0.0, f64::max));
    let most = if most > least { most } else { least + 1.0 };
    let sets: Vec<Dataset<'_>> = points
        .iter()
        .enumerate()
        .map(|(at, points)| {
            let set = Dataset::default().marker(Marker::Braille).graph_type(GraphType::Line);
            set.style(style(state, at)).data(points)
        })
        .collect();
    let end = |step: Option<&(String, Vec<f64>)>| Line::from(step.map(|(name, _)| name.clone()).unwrap_or_default());
    let along = [end(series.steps.first()), end(series.steps.last())];
    let number = |number: f64| if number.fract() == 0.0 { grouped(whole(number)) } else { format!("{number:.2}") };
    #[expect(clippy::cast_precision_loss, reason = "at most some hundred steps")]
    let whole_way = series.steps.len().saturating_sub(1).max(1) as f64;
    LineChart::new(sets)
        .x_axis(Axis::default().bounds([0.0, whole_way]).labels(along).style(state.theme.dim()))
        .y_axis(Axis::default().bounds([least, most]).labels([number(least), number(most)]).style(state.theme.dim()))
        .legend_position(None)
        .render(area, buffer);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(rows: &[(&str, &str, f64)]) -> Answer {
        let value = |text: &str| Value { text: text.to_owned(), number: None };
        let row = |(time, name, count): &(&str, &str, f64)| {
            vec![value(time), value(name), Value { text: count.to_string(), number: Some(*count) }]
        };
        Answer {
            columns: ["time", "reason", "drops"].map(str::to_owned).to_vec(),
            rows: rows.iter().map(row).collect(),
            evidence: Vec::new(),
        }
    }

    #[test]
    fn rows_of_a_step_stand_together() {
        let answer = answer(&[("10:00", "a", 3.0), ("10:00", "b", 1.0), ("10:01", "a", 2.0), ("10:01", "a", 2.0)]);
        let Some(Plot::Stacked(series)) = Plot::of(Chart::Stacked, &answer) else { panic!("no series") };
        assert_eq!(series.names, ["a", "b"]);
        let sums: Vec<&[f64]> = series.steps.iter().map(|(_, values)| &values[..2]).collect();
        assert_eq!(sums, [[3.0, 1.0], [4.0, 0.0]]);
    }

    #[test]
    fn more_names_than_can_be_told_apart_are_others() {
        let names: Vec<String> = (0..9).map(|number| format!("n{number}")).collect();
        let rows: Vec<(&str, &str, f64)> = names.iter().map(|name| ("t", name.as_str(), 1.0)).collect();
        let Some(Plot::Lines(series)) = Plot::of(Chart::Line, &answer(&rows)) else { panic!("no series") };
        assert_eq!(series.names.last().map(String::as_str), Some("others"));
        assert_eq!(series.steps[0].1, [1.0, 1.0, 1.0, 1.0, 1.0, 4.0]);
        assert_eq!(Plot::of(Chart::Line, &Answer::default()), None);
    }
}
