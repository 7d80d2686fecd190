//! What happens, and what is to be done about it.

use crossterm::event::{KeyEvent, MouseEvent};

use crate::data::worker::{Reply, Request};
use crate::questions::{Answer, Asked};

/// Something happened.
#[derive(Clone, Debug)]
pub enum Message {
    Key(KeyEvent),
    Mouse(MouseEvent),
    Paste(String),
    Resize(u16, u16),
    Reply(Reply),
    /// An answer to the question of this number.
    Answer {
        generation: u64,
        answer: Result<Answer, String>,
    },
    /// Some time went by.
    Tick,
    /// The session is asked to end.
    End,
}

/// Something to be done.
#[derive(Clone, Debug)]
pub enum Effect {
    Ask(Request),
    Question {
        generation: u64,
        asked: Asked,
    },
    CancelQuestion,
    /// The command of a question, to the clipboard.
    CopyQuestion(Asked),
    /// To the clipboard of whoever sits at the terminal.
    Copy(String),
    Quit,
}
