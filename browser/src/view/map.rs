//! The service map in characters: boxes, frames and lines, around the edge under the cursor.

use lookback_map::{Drawn, GroupKind, Health, Point};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::fitted;
use crate::data::class::Class;
use crate::state::drawing::{Drawing, cell};
use crate::state::{State, SummaryPane};

const LEFT: u8 = 1;
const RIGHT: u8 = 2;
const UP: u8 = 4;
const DOWN: u8 = 8;

/// A cell of the drawing: a text character, or the ways that lines run from it.
#[derive(Clone, Copy, Debug, Default)]
struct Dot {
    ways: u8,
    /// Of the line under the cursor.
    is_heavy: bool,
    symbol: Option<char>,
    style: Style,
}

/// How a line is drawn, and whether it is the one under the cursor.
type Stroke = (Style, bool);

/// All of the drawing; a part of it is in sight.
struct Canvas {
    width: usize,
    dots: Vec<Dot>,
}

impl Canvas {
    fn dot(&mut self, x: usize, y: usize) -> Option<&mut Dot> {
        (x < self.width).then(|| self.dots.get_mut(y * self.width + x))?
    }

    fn put(&mut self, x: usize, y: usize, symbol: char, style: Style) {
        if let Some(dot) = self.dot(x, y) {
            *dot = Dot { symbol: Some(symbol), style, ..Dot::default() };
        }
    }

    fn text(&mut self, x: usize, y: usize, text: &str, style: Style) {
        let mut at = x;
        for c in text.chars() {
            self.put(at, y, c, style);
            at += unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        }
    }

    fn run(&mut self, x: usize, y: usize, ways: u8, (style, is_heavy): Stroke) {
        if let Some(dot) = self.dot(x, y) {
            // What was a frame's border is crossed.
            *dot = Dot { ways: dot.ways | ways, is_heavy, symbol: None, style };
        }
    }

    fn rectangle(&mut self, shape: lookback_map::Shape, style: Style, corners: [char; 4]) {
        let (x, y) = (cell(shape.x), cell(shape.y));
        let (right, bottom) = (x + cell(shape.width).max(2) - 1, y + cell(shape.height).max(2) - 1);
        for at in x..=right {
            self.put(at, y, '─', style);
            self.put(at, bottom, '─', style);
        }
        for at in y..=bottom {
            self.put(x, at, '│', style);
            self.put(right, at, '│', style);
        }
        for ((x, y), corner) in [(x, y), (right, y), (x, bottom), (right, bottom)].into_iter().zip(corners) {
            self.put(x, y, corner, style);
        }
    }
}

pub(super) fn draw(state: &State, pane: &SummaryPane, drawing: &Drawing, area: Rect, buffer: &mut Buffer) {
    if area.height < 4 {
        return;
    }
    // A line between it and the table.
    let area = Rect { y: area.y + 1, height: area.height - 1, ..area };
    let chosen = pane.summary.table.lines.get(pane.cursor.at).and_then(|line| drawing.edge_of(&line.cells));
    let canvas = canvas(state, drawing, chosen);
    let (height, middle) = (drawing.height(), middle(drawing, chosen));
    let from = |middle: usize, room: u16, all: usize| {
        middle.saturating_sub(usize::from(room) / 2).min(all.saturating_sub(usize::from(room)))
    };
    let (left, top) = (from(middle.0, area.width, canvas.width), from(middle.1, area.height, height));
    for y in 0..area.height {
        for x in 0..area.width {
            let place = (top + usize::from(y)) * canvas.width + left + usize::from(x);
            let is_there = left + usize::from(x) < canvas.width;
            let Some(dot) = canvas.dots.get(place).filter(|_| is_there) else { continue };
            let Some(symbol) = dot.symbol.or_else(|| line(dot.ways, dot.is_heavy)) else { continue };
            buffer.set_string(area.x + x, area.y + y, symbol.to_string(), dot.style);
        }
    }
    let more = [(left > 0, "◂"), (left + usize::from(area.width) < canvas.width, "▸"), (top > 0, "▴")];
    let below = (top + usize::from(area.height) < height, "▾");
    let more: String = more.into_iter().chain([below]).filter_map(|(is_more, sign)| is_more.then_some(sign)).collect();
    if !more.is_empty() {
        let text = format!(" more {more} ");
        let wide = u16::try_from(text.chars().count()).unwrap_or(0);
        buffer.set_string(area.right().saturating_sub(wide), area.bottom() - 1, text, state.theme.dim());
    }
}

/// What is to be in the middle: the edge under the cursor, or else the beginning.
fn middle(drawing: &Drawing, chosen: Option<usize>) -> (usize, usize) {
    let points = chosen.and_then(|chosen| drawing.layout.edges.get(chosen)).map(|drawn| drawn.points.as_slice());
    let Some([first, .., last]) = points else { return (0, 0) };
    (cell(f64::midpoint(first.x, last.x)), cell(f64::midpoint(first.y, last.y)))
}

fn canvas(state: &State, drawing: &Drawing, chosen: Option<usize>) -> Canvas {
    let layout = &drawing.layout;
    let width = cell(layout.width) + 1;
    let mut canvas = Canvas { width, dots: vec![Dot::default(); width * (drawing.height() + 1)] };
    for frame in layout.frames.iter().filter(|frame| frame.kind != GroupKind::Alone) {
        canvas.rectangle(frame.shape, state.theme.dim(), ['┌', '┐', '└', '┘']);
        let title = format!(" {} ", fitted(&clean(&frame.title), cell(frame.shape.width).saturating_sub(6)));
        canvas.text(cell(frame.shape.x) + 2, cell(frame.shape.y), &title, state.theme.heading());
    }
    // The one under the cursor lies above all others.
    let others = layout.edges.iter().enumerate().filter(|(place, _)| Some(*place) != chosen);
    let last = chosen.and_then(|chosen| Some((chosen, layout.edges.get(chosen)?)));
    let mut heads = Vec::new();
    for (place, drawn) in others.chain(last) {
        let style = style(state, drawn.health);
        let is_chosen = Some(place) == chosen;
        let style = if is_chosen { style.add_modifier(Modifier::BOLD) } else { style };
        heads.extend(route(&mut canvas, layout, drawn, (style, is_chosen)));
    }
    let ends = chosen.and_then(|chosen| layout.map.edges().get(layout.edges.get(chosen)?.edge));
    for (placed, service) in layout.services.iter().zip(layout.map.services()) {
        let shape = placed.shape;
        let is_end = ends.is_some_and(|edge| edge.source == *service || edge.destination == *service);
        let style = if is_end { state.theme.accent().add_modifier(Modifier::BOLD) } else { Style::new() };
        canvas.rectangle(shape, style, ['╭', '╮', '╰', '╯']);
        let name = fitted(&clean(&service.name), cell(shape.width).saturating_sub(4));
        for x in 1..cell(shape.width).saturating_sub(1) {
            canvas.put(cell(shape.x) + x, cell(shape.y) + 1, ' ', style);
        }
        canvas.text(cell(shape.x) + 2, cell(shape.y) + 1, &name, style);
    }
    for (x, y, symbol, style) in heads {
        canvas.put(x, y, symbol, style);
    }
    canvas
}

fn style(state: &State, health: Health) -> Style {
    match health {
        Health::Good | Health::Audited => state.theme.class(Class::Other),
        Health::Erring | Health::Failing => state.theme.class(Class::Warned),
        Health::Dropped => state.theme.class(Class::Dropped),
    }
}

fn clean(name: &str) -> String {
    lookback_flow::escape::terminal(name).into_owned()
}

/// Draws a line, and gives its head: that is drawn when the boxes are.
fn route(
    canvas: &mut Canvas,
    layout: &lookback_map::Layout,
    drawn: &Drawn,
    stroke: Stroke,
) -> Option<(usize, usize, char, Style)> {
    let edge = layout.map.edges().get(drawn.edge)?;
    let [.., before, last] = drawn.points.as_slice() else { return None };
    if edge.source == edge.destination {
        return Some((cell(last.x).saturating_sub(1), cell(last.y), '↻', stroke.0));
    }
    let target = layout.map.services().iter().position(|service| **service == edge.destination).unwrap_or_default();
    for pair in drawn.points.windows(2) {
        if let [from, to] = pair {
            swing(canvas, *from, *to, target, stroke);
        }
    }
    let is_right = before.x < last.x;
    let (x, symbol) = if is_right { (cell(last.x).saturating_sub(1), '▶') } else { (cell(last.x), '◀') };
    Some((x, cell(last.y), symbol, stroke.0))
}

/// Level, or level, down or up, and level again. Where in between is chosen by the target, so that lines to different ones part.
fn swing(canvas: &mut Canvas, from: Point, to: Point, target: usize, stroke: Stroke) {
    let ((x0, y0), (x1, y1)) = if from.x <= to.x { (at(from), at(to)) } else { (at(to), at(from)) };
    if y0 == y1 {
        (x0..x1).for_each(|x| canvas.run(x, y0, LEFT | RIGHT, stroke));
        return;
    }
    let room = x1.saturating_sub(x0 + 2).max(1);
    let turn = x0 + 1 + target % room;
    (x0..turn).for_each(|x| canvas.run(x, y0, LEFT | RIGHT, stroke));
    (turn + 1..x1).for_each(|x| canvas.run(x, y1, LEFT | RIGHT, stroke));
    let (out, into) = if y0 < y1 { (DOWN, UP) } else { (UP, DOWN) };
    canvas.run(turn, y0, LEFT | out, stroke);
    canvas.run(turn, y1, RIGHT | into, stroke);
    (y0.min(y1) + 1..y0.max(y1)).for_each(|y| canvas.run(turn, y, UP | DOWN, stroke));
}

fn at(point: Point) -> (usize, usize) {
    (cell(point.x), cell(point.y))
}

/// The character that runs all these ways.
fn line(ways: u8, is_heavy: bool) -> Option<char> {
    // By the sum of the ways: left 1, right 2, up 4, down 8.
    const LIGHT: [char; 16] = [' ', '─', '─', '─', '│', '╯', '╰', '┴', '│', '╮', '╭', '┬', '│', '┤', '├', '┼'];
    const HEAVY: [char; 16] = [' ', '━', '━', '━', '┃', '┛', '┗', '┻', '┃', '┓', '┏', '┳', '┃', '┫', '┣', '╋'];
    let all = if is_heavy { &HEAVY } else { &LIGHT };
    all.get(usize::from(ways)).copied().filter(|_| ways > 0)
}
