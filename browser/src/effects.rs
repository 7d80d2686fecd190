//! All effects: what the state asks for, done.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread;

use crossterm::clipboard::CopyToClipboard;
use crossterm::execute;
use lookback_flow::escape::terminal;

use crate::data::worker::Request;
use crate::message::{Effect, Message};
use crate::questions::{Answer, Questions};

/// Whom effects reach.
pub struct Ports {
    pub worker: Sender<Request>,
    pub messages: Sender<Message>,
    pub questions: Arc<dyn Questions>,
    /// Set when the answer that is being looked for is not wanted any more.
    cancel: Arc<AtomicBool>,
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ports").finish_non_exhaustive()
    }
}

impl Ports {
    #[must_use]
    pub fn new(worker: Sender<Request>, messages: Sender<Message>, questions: Arc<dyn Questions>) -> Self {
        Self { worker, messages, questions, cancel: Arc::default() }
    }

    /// Does an effect; gives whether to go on.
    pub fn run(&mut self, effect: Effect, screen: &mut impl Write) -> bool {
        match effect {
            Effect::Quit => return false,
            // Without its thread nothing would ever be answered.
            Effect::Ask(request) => return self.worker.send(request).is_ok(),
            Effect::Copy(text) => {
                // OSC 52 reaches the clipboard of whoever sits there, also over SSH. A terminal that knows it not passes it over.
                let _ = execute!(screen, CopyToClipboard::to_clipboard_from(text));
            }
            Effect::CopyQuestion(asked) => {
                let command = self.questions.command(&asked);
                let _ = execute!(screen, CopyToClipboard::to_clipboard_from(command));
            }
            Effect::CancelQuestion => self.cancel.store(true, Ordering::Relaxed),
            Effect::Question { generation, asked } => {
                let cancel = Arc::new(AtomicBool::new(false));
                self.cancel = Arc::clone(&cancel);
                let (questions, messages) = (Arc::clone(&self.questions), self.messages.clone());
                let run = move || {
                    let answer = lookback_flow::guard::guarded(|| questions.answer(&asked, &cancel));
                    let answer = answer.unwrap_or_else(Err).map(clean).map_err(|why| terminal(&why).into_owned());
                    if !cancel.load(Ordering::Relaxed) {
                        let _ = messages.send(Message::Answer { generation, answer });
                    }
                };
                if let Err(error) = thread::Builder::new().name("question".to_owned()).spawn(run) {
                    let answer = Err(error.to_string());
                    let _ = self.messages.send(Message::Answer { generation, answer });
                }
            }
        }
        true
    }
}

/// An answer that harms no terminal.
fn clean(mut answer: Answer) -> Answer {
    let make = |text: &mut String| *text = terminal(text).into_owned();
    answer.columns.iter_mut().for_each(make);
    answer.evidence.iter_mut().for_each(make);
    answer.rows.iter_mut().flatten().for_each(|value| make(&mut value.text));
    answer
}
