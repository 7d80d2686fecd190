//! A session: from the first screen to the last.

use std::io::{self, IsTerminal as _, stdout};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use lookback_flow::inputs::Found;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use crate::data::worker;
use crate::effects::Ports;
use crate::message::Message;
use crate::questions::Questions;
use crate::session::{self, Saved};
use crate::state::State;
use crate::terminal::{self, Taken};
use crate::theme::Theme;
use crate::update::update;
use crate::{plain, view};

/// What a session begins with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The inputs as they were named, for commands.
    pub names: Vec<String>,
    /// What the filter line has at first, before what was kept.
    pub filter: Option<String>,
    /// Overrides what was kept; `NO_COLOR` overrides both.
    pub theme: Option<Theme>,
    /// Nothing is kept, and nothing that was kept is taken up.
    pub forgets: bool,
    /// The mouse stays the terminal's.
    pub no_mouse: bool,
}

/// Shows the inputs until the user quits. Without a terminal, prints a table instead.
///
/// # Errors
/// When the terminal cannot be set up or written to.
pub fn run(found: Found, questions: Arc<dyn Questions>, options: &Options) -> io::Result<()> {
    if !stdout().is_terminal() {
        return plain::print(found, options.filter.as_deref().unwrap_or_default(), &mut stdout().lock());
    }
    let key = session::key(&found.inputs);
    let saved = if options.forgets { None } else { session::load(&key) };
    let taken = Taken::take(!options.no_mouse)?;
    let mut screen = Terminal::new(CrosstermBackend::new(stdout()))?;
    let size = screen.size()?;
    let theme = theme(options, saved.as_ref());
    let mut state = State::new(options.names.clone(), questions.catalogue(), theme, (size.width, size.height));
    let (sender, messages) = channel();
    let replies = sender.clone();
    let worker = worker::start(found.inputs, move |reply| replies.send(Message::Reply(reply)).is_ok())?;
    let mut ports = Ports::new(worker, sender.clone(), questions);
    terminal::listen(sender)?;
    for (path, why) in found.passed_over {
        state.say(format!("passed over {}: {why}", lookback_flow::escape::terminal(&path.display().to_string())));
    }
    let begun = session::begin(&mut state, saved, options.filter.as_deref());
    let mut goes_on = begun.into_iter().all(|effect| ports.run(effect, &mut stdout()));
    while goes_on {
        screen.draw(|frame| view::draw(&state, frame))?;
        let wait = if state.is_working() { Duration::from_millis(120) } else { Duration::from_hours(1) };
        let first = match messages.recv_timeout(wait) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => Message::Tick,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        // What has come meanwhile is one frame.
        let all = std::iter::once(first).chain(messages.try_iter().take(256));
        for message in all {
            for effect in update(&mut state, message) {
                goes_on &= ports.run(effect, &mut stdout());
            }
        }
    }
    drop(taken);
    if !options.forgets
        && let Err(error) = session::save(&key, &Saved::of(&state))
    {
        eprintln!("warning: the session could not be kept: {error}");
    }
    Ok(())
}

fn theme(options: &Options, saved: Option<&Saved>) -> Theme {
    // https://no-color.org: whatever it is set to, if not empty.
    if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        return Theme::Mono;
    }
    options.theme.or(saved.map(|saved| saved.theme)).unwrap_or_default()
}
