//! The filter line while it is edited, and the filters before and after the one that is shown.

use tui_input::Input;

use super::completion::Completion;
use crate::data::query::Mistake;

/// Filters that are kept.
const MOST: usize = 200;

#[derive(Clone, Debug, Default)]
pub struct FilterLine {
    pub input: Input,
    pub is_edited: bool,
    pub mistakes: Vec<Mistake>,
    pub completion: Completion,
    /// The filter that was shown when editing began.
    pub before: String,
    pub past: Vec<String>,
    pub future: Vec<String>,
    /// Lines that were entered, the last one last; where Up and Down are among them.
    pub history: Vec<String>,
    pub recalled: Option<usize>,
}

impl FilterLine {
    /// Remembers the filter that another one takes the place of.
    pub fn remember(&mut self, text: &str) {
        if self.past.last().is_none_or(|last| last != text) {
            self.past.push(text.to_owned());
            let surplus = self.past.len().saturating_sub(MOST);
            self.past.drain(..surplus);
        }
        self.future.clear();
    }

    /// Notes a line that was entered.
    pub fn enter(&mut self, text: &str) {
        self.history.retain(|own| own != text);
        if !text.is_empty() {
            self.history.push(text.to_owned());
        }
        let surplus = self.history.len().saturating_sub(MOST);
        self.history.drain(..surplus);
        self.recalled = None;
    }

    /// The line before or after the one that was recalled last.
    pub fn recall(&mut self, older: bool) -> Option<String> {
        let at = match (self.recalled, older) {
            (None, true) => self.history.len().checked_sub(1)?,
            (None, false) => return None,
            (Some(at), true) => at.saturating_sub(1),
            (Some(at), false) => at + 1,
        };
        self.recalled = (at < self.history.len()).then_some(at);
        Some(self.history.get(at).cloned().unwrap_or_default())
    }
}
