//! How quickly the browser answers: `measure INPUT…` drives keys over the inputs while queries run, and prints how long frames took.
//!
//! ```sh
//! cargo run --release -p lookback-browser --example measure -- ARCHIVE
//! ```
//!
//! A key is answered when the frame behind it is drawn, into memory instead of a terminal. The rows that it leads to may come a
//! little later, from the thread that reads; that is told apart.

use std::io::{self, Write as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use lookback_browser::data::worker::{self, Request};
use lookback_browser::message::{Effect, Message};
use lookback_browser::session;
use lookback_browser::state::State;
use lookback_browser::theme::Theme;
use lookback_browser::update::update;
use lookback_browser::view;
use ratatui::backend::CrosstermBackend;
use ratatui::{Terminal, TerminalOptions, Viewport};

const SIZE: (u16, u16) = (140, 40);

/// From one key to the next, as fast as a keyboard repeats.
const BETWEEN: Duration = Duration::from_millis(30);

struct Browser {
    state: State,
    screen: Terminal<CrosstermBackend<io::Sink>>,
    requests: Sender<Request>,
    messages: Receiver<Message>,
}

impl Browser {
    fn take(&mut self, message: Message) {
        for effect in update(&mut self.state, message) {
            self.run(effect);
        }
    }

    fn run(&mut self, effect: Effect) {
        if let Effect::Ask(request) = effect {
            let _ = self.requests.send(request);
        }
    }

    fn draw(&mut self) -> io::Result<()> {
        let state = &self.state;
        self.screen.draw(|frame| view::draw(state, frame)).map(|_| ())
    }

    /// Takes what comes and draws, as a session does, until a moment or until something holds.
    fn until(&mut self, end: Instant, holds: impl Fn(&State) -> bool) -> io::Result<bool> {
        while !holds(&self.state) {
            let Some(left) = end.checked_duration_since(Instant::now()) else { return Ok(false) };
            match self.messages.recv_timeout(left) {
                Ok(message) => {
                    self.take(message);
                    while let Ok(message) = self.messages.try_recv() {
                        self.take(message);
                    }
                    self.draw()?;
                }
                Err(RecvTimeoutError::Timeout) => return Ok(false),
                Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("the thread that reads is gone")),
            }
        }
        Ok(true)
    }

    /// Presses a key: how long its frame took, and how long it took until the row under the cursor was there.
    fn press(&mut self, key: KeyEvent) -> io::Result<(Duration, Duration)> {
        let pressed = Instant::now();
        self.take(Message::Key(key));
        self.draw()?;
        let frame = pressed.elapsed();
        let is_there = |state: &State| state.current().is_some() || state.progress.shown == 0;
        self.until(pressed + Duration::from_secs(10), is_there)?;
        let row = pressed.elapsed();
        self.until(pressed + BETWEEN, |_| false)?;
        Ok((frame, row))
    }
}

fn main() -> io::Result<()> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let begun = Instant::now();
    let found = lookback_flow::inputs::find(&names).map_err(io::Error::other)?;
    let (sender, messages) = channel();
    let requests = worker::start(found.inputs, move |reply| sender.send(Message::Reply(reply)).is_ok())?;
    let area = ratatui::layout::Rect::new(0, 0, SIZE.0, SIZE.1);
    let options = TerminalOptions { viewport: Viewport::Fixed(area) };
    let screen = Terminal::with_options(CrosstermBackend::new(io::sink()), options)?;
    let state = State::new(names, Vec::new(), Theme::Dark, SIZE);
    let mut browser = Browser { state, screen, requests, messages };
    for effect in session::begin(&mut browser.state, None, None) {
        browser.run(effect);
    }
    browser.draw()?;
    browser.until(begun + Duration::from_mins(1), |state| state.current().is_some())?;
    let mut out = io::stdout().lock();
    writeln!(out, "first screen            {:>8.1} ms", millis(begun.elapsed()))?;

    let (mut frames, mut rows) = (Vec::new(), Vec::new());
    let key = |name: char| KeyEvent::new(KeyCode::Char(name), KeyModifiers::NONE);
    let plain = |code| KeyEvent::new(code, KeyModifiers::NONE);
    // While all rows are found for the first time, and then while those of a filter are; in between, views that count.
    let moves = [
        plain(KeyCode::Down),
        plain(KeyCode::PageDown),
        key('d'),
        plain(KeyCode::PageUp),
        key('e'),
        key('i'),
        key('G'),
        key('g'),
    ];
    let typed = |text: &'static str| text.chars().map(key);
    let script = moves.into_iter().cycle().take(80);
    let script = script
        .chain(typed("fverdict:dropped"))
        .chain([plain(KeyCode::Enter)])
        .chain(moves.into_iter().cycle().take(60));
    let script = script
        .chain([key('x'), key('2')])
        .chain([plain(KeyCode::Down); 20])
        .chain([plain(KeyCode::Esc), plain(KeyCode::Esc)]);
    let script = script.chain(moves.into_iter().cycle().take(40)).chain([plain(KeyCode::Esc), key('1'), key('g')]);
    for key in script {
        let (frame, row) = browser.press(key)?;
        frames.push(frame);
        rows.push(row);
    }
    tell(&mut out, "key to frame", &mut frames)?;
    tell(&mut out, "key to row under cursor", &mut rows)?;
    let all = browser.until(begun + Duration::from_mins(10), |state| state.progress.is_done)?;
    let shown = browser.state.progress.shown;
    let told = if all { "all rows in order" } else { "rows in order, not all" };
    writeln!(out, "{told:<23} {:>8.1} s since the start, {shown} rows", begun.elapsed().as_secs_f64())?;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default().trim();
    writeln!(out, "peak memory             {peak:>11}")
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn tell(out: &mut impl io::Write, what: &str, times: &mut [Duration]) -> io::Result<()> {
    times.sort_unstable();
    let at = |hundredths: usize| {
        let at = (times.len() * hundredths / 100).min(times.len().saturating_sub(1));
        times.get(at).copied().map_or(0.0, millis)
    };
    let (half, most) = (at(50), at(100));
    writeln!(
        out,
        "{what:<23} p50 {half:>7.2} ms  p95 {:>7.2} ms  p99 {:>7.2} ms  max {most:>7.2} ms  of {} keys",
        at(95),
        at(99),
        times.len()
    )
}
