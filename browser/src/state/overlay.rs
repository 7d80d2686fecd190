//! What stands in front of a view.

use tui_input::Input;

use super::table::TableCursor;
use crate::data::cell::{Col, USUAL, stored};
use crate::data::story::Story;
use crate::keys::{Action, KEYS};
use crate::questions::Question;

#[derive(Clone, Debug)]
pub enum Overlay {
    Help(TableCursor),
    Palette(Palette),
    Columns(Columns),
    /// How often values of a column come; the table is in the state.
    Frequency(Col),
    Story {
        story: Story,
        is_done: bool,
        cursor: TableCursor,
    },
    Prompt(Prompt),
}

/// A line that is asked for.
#[derive(Clone, Debug)]
pub struct Prompt {
    pub title: String,
    pub hint: String,
    pub input: Input,
    pub purpose: Purpose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Search,
    Note,
    ExportShown,
    ExportMarks,
    ExportLine,
    TimeRange,
    /// Parameters of the question under the cursor.
    Parameters,
}

/// Everything that can be done, found by typing some of its letters.
#[derive(Clone, Debug, Default)]
pub struct Palette {
    pub input: Input,
    pub items: Vec<Item>,
    pub cursor: TableCursor,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub text: String,
    pub keys: String,
    pub does: Does,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    Action(Action),
    /// Asks the question of this number.
    Question(usize),
}

impl Palette {
    /// The items that fit what was typed, the best first.
    pub fn update(&mut self, catalogue: &[Question]) {
        let typed = self.input.value().to_lowercase();
        let actions = KEYS.iter().map(|binding| Item {
            text: binding.help.to_owned(),
            keys: binding.keys.join(" "),
            does: Does::Action(binding.action),
        });
        let questions = catalogue.iter().enumerate().map(|(at, question)| Item {
            text: format!("Ask: {} ({})", question.title, question.name),
            keys: String::new(),
            does: Does::Question(at),
        });
        let scored =
            actions.chain(questions).filter_map(|item| Some((score(&item.text.to_lowercase(), &typed)?, item)));
        let mut scored: Vec<(usize, Item)> = scored.collect();
        scored.sort_by_key(|(score, _)| *score);
        self.items = scored.into_iter().map(|(_, item)| item).collect();
        self.cursor = TableCursor::default();
    }
}

/// How far apart the letters stand that were typed, in their order; `None` when one is missing. A whole text is best.
fn score(text: &str, typed: &str) -> Option<usize> {
    if let Some(at) = text.find(typed) {
        return Some(at);
    }
    let mut rest = text.char_indices();
    let (mut last, mut sum) = (None, 1000);
    for wanted in typed.chars().filter(|c| !c.is_whitespace()) {
        let (at, _) = rest.by_ref().find(|(_, c)| *c == wanted)?;
        sum += last.map_or(at, |last: usize| at - last - 1);
        last = Some(at);
    }
    Some(sum)
}

/// Which columns are shown.
#[derive(Clone, Debug)]
pub struct Columns {
    pub input: Input,
    pub all: Vec<Col>,
    pub chosen: Vec<Col>,
    pub cursor: TableCursor,
}

impl Columns {
    #[must_use]
    pub fn new(chosen: &[Col]) -> Self {
        let chosen = chosen.to_vec();
        let mut columns = Self { input: Input::default(), all: Vec::new(), chosen, cursor: TableCursor::default() };
        columns.update();
        columns
    }

    /// The columns whose name has what was typed, those that are shown first.
    pub fn update(&mut self) {
        let typed = self.input.value().to_lowercase();
        let fits = |col: &Col| col.name().to_lowercase().contains(&typed);
        let mut all: Vec<Col> = USUAL.into_iter().chain(stored()).filter(fits).collect();
        all.sort_by_key(|col| self.chosen.iter().position(|own| own == col).unwrap_or(usize::MAX));
        self.all = all;
        self.cursor = TableCursor::default();
    }

    pub fn toggle(&mut self) {
        let Some(col) = self.all.get(self.cursor.at).copied() else { return };
        match self.chosen.iter().position(|own| *own == col) {
            Some(at) if self.chosen.len() > 1 => {
                self.chosen.remove(at);
            }
            Some(_) => {}
            None => self.chosen.push(col),
        }
    }

    /// Moves the column under the cursor among those that are shown.
    pub fn shift(&mut self, back: bool) {
        let Some(col) = self.all.get(self.cursor.at).copied() else { return };
        let Some(at) = self.chosen.iter().position(|own| *own == col) else { return };
        let to = if back { at.saturating_sub(1) } else { (at + 1).min(self.chosen.len() - 1) };
        self.chosen.swap(at, to);
        self.update();
        self.cursor.at = self.all.iter().position(|own| *own == col).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_palette_finds_by_letters_in_order() {
        let mut palette = Palette { input: Input::new("nxt drp".to_owned()), ..Palette::default() };
        palette.update(&[]);
        assert_eq!(palette.items.first().map(|item| item.does), Some(Does::Action(Action::NextDrop)));
        palette.input = Input::new("drop behind".to_owned());
        palette.update(&[Question { name: "x".into(), title: "Drop behind".into(), ..Question::default() }]);
        assert_eq!(palette.items.first().map(|item| item.does), Some(Does::Question(0)));
        palette.input = Input::new("zzzzzz".to_owned());
        palette.update(&[]);
        assert!(palette.items.is_empty());
    }
}
