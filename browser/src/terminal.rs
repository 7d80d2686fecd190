//! The terminal, taken and given back: at the end, after a panic, after a signal.

use std::io::{self, Write, stdout};
use std::panic;
use std::sync::Once;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture, Event, poll, read,
};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::message::Message;

/// The terminal while it is ours; giving it back is dropping it.
#[derive(Debug)]
pub struct Taken(());

impl Taken {
    /// # Errors
    /// When the terminal cannot be set up.
    pub fn take(with_mouse: bool) -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let told = panic::take_hook();
            panic::set_hook(Box::new(move |panic| {
                // Only the thread that draws ends the session; what others panic with is caught and told.
                if thread::current().name() == Some("main") {
                    give_back();
                }
                told(panic);
            }));
        });
        enable_raw_mode()?;
        // From here on it is given back, whatever fails.
        let taken = Self(());
        execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste)?;
        if with_mouse {
            execute!(stdout(), EnableMouseCapture)?;
        }
        Ok(taken)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        give_back();
    }
}

fn give_back() {
    let _ =
        execute!(stdout(), DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, crossterm::cursor::Show);
    let _ = disable_raw_mode();
    let _ = stdout().flush();
}

/// Sends what is typed, clicked and pasted, until nobody listens; ends the session when the process is asked to end.
///
/// # Errors
/// When the system gives no thread.
pub fn listen(messages: Sender<Message>) -> io::Result<()> {
    // In a thread of its own: of a terminal that is gone, the terminal's library reads nothing, without end.
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let end = messages.clone();
    let await_signal = move || {
        if signals.forever().next().is_some() {
            let _ = end.send(Message::End);
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(await_signal)?;
    let run = move || {
        loop {
            // Not without end: a thread that waits in the terminal's library holds its lock.
            let event = match poll(Duration::from_millis(250)) {
                Ok(true) => read(),
                Ok(false) => continue,
                Err(error) => Err(error),
            };
            let message = match event {
                Ok(Event::Key(key)) => Message::Key(key),
                Ok(Event::Mouse(event)) => Message::Mouse(event),
                Ok(Event::Paste(text)) => Message::Paste(text),
                Ok(Event::Resize(width, height)) => Message::Resize(width, height),
                Ok(_) => continue,
                // The terminal is gone.
                Err(_) => Message::End,
            };
            let is_end = matches!(message, Message::End);
            if messages.send(message).is_err() || is_end {
                return;
            }
        }
    };
    thread::Builder::new().name("keys".to_owned()).spawn(run).map(|_| ())
}
