//! How quickly the browser answers: keys are driven over inputs while queries run, and frames are drawn into memory instead of a
//! terminal.
//!
//! A key is answered when the frame behind it is drawn. The rows that it leads to may come a little later, from the thread that
//! reads; that is told apart.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use lookback_flow::inputs::Found;
use ratatui::backend::CrosstermBackend;
use ratatui::{Terminal, TerminalOptions, Viewport};

use crate::data::worker::{self, Request};
use crate::message::{Effect, Message};
use crate::session;
use crate::state::State;
use crate::theme::Theme;
use crate::update::update;
use crate::view;

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

/// What was measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// From the start to the first frame with rows.
    pub first_screen: Duration,
    /// From each key to its frame, the shortest first.
    pub frames: Vec<Duration>,
    /// From each key to the frame with the row that it leads to, the shortest first.
    pub rows: Vec<Duration>,
}

/// Drives keys over the inputs as they are known by these names.
///
/// # Errors
/// When the thread that reads cannot be started, or ends.
pub fn measure(found: Found, names: Vec<String>) -> io::Result<Measured> {
    let begun = Instant::now();
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
    let first_screen = begun.elapsed();

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
    frames.sort_unstable();
    rows.sort_unstable();
    Ok(Measured { first_screen, frames, rows })
}

/// The value that so many hundredths of some sorted ones do not exceed; none of none.
#[must_use]
pub fn percentile(sorted: &[Duration], hundredths: usize) -> Option<Duration> {
    sorted.get((sorted.len() * hundredths / 100).min(sorted.len().checked_sub(1)?)).copied()
}
