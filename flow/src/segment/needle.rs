//! What rows that are wanted have in common, told by single texts.

use crate::columns::ColumnId;

/// A text, or how it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    Is(String),
    Begins(String),
}

impl Pattern {
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        match self {
            Self::Is(whole) => text == whole,
            Self::Begins(start) => text.starts_with(start),
        }
    }

    /// The text, or its beginning.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Is(text) | Self::Begins(text) => text,
        }
    }
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Self {
        Self::Is(text.to_owned())
    }
}

/// A condition: one of these columns fits one of these patterns.
pub type Clause = Vec<(ColumnId, Pattern)>;

/// Conditions that all hold for every row that is wanted.
pub type Needle = Vec<Clause>;
