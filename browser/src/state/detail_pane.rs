//! The detail pane: a flow as a tree, as JSON, or its labels.

use std::collections::HashSet;

use super::table::TableCursor;
use crate::data::detail::{Branch, Detail};
use crate::data::part::RowRef;
use crate::data::query::written;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Mode {
    #[default]
    Tree,
    Json,
    Labels,
}

#[derive(Clone, Debug, Default)]
pub struct DetailPane {
    pub is_open: bool,
    /// The keys move in it.
    pub has_focus: bool,
    pub mode: Mode,
    pub detail: Detail,
    /// The row that is on its way.
    pub asked: Option<RowRef>,
    pub cursor: TableCursor,
    /// Paths of branches that are closed.
    pub closed: HashSet<String>,
}

/// A line of the pane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaneLine {
    pub depth: usize,
    pub path: String,
    pub name: String,
    pub value: String,
    pub word: Option<String>,
    /// Whether it can be opened, and is.
    pub is_open: Option<bool>,
}

impl DetailPane {
    /// The lines that are shown.
    #[must_use]
    pub fn lines(&self) -> Vec<PaneLine> {
        let mut lines = Vec::new();
        match self.mode {
            Mode::Tree => self.flatten(&self.detail.tree, 0, "", &mut lines),
            Mode::Json => {
                let line = |line: &String| PaneLine { value: line.clone(), ..PaneLine::default() };
                lines.extend(self.detail.json.iter().map(line));
            }
            Mode::Labels => {
                for (end, labels) in &self.detail.labels {
                    lines.push(PaneLine { name: end.clone(), ..PaneLine::default() });
                    let flag = match end.as_str() {
                        "source" => "from-label",
                        "destination" => "to-label",
                        _ => "node-label",
                    };
                    lines.extend(labels.iter().map(|label| PaneLine {
                        depth: 1,
                        value: label.clone(),
                        word: Some(written(flag, Some(label))),
                        ..PaneLine::default()
                    }));
                }
            }
        }
        lines
    }

    fn flatten(&self, branches: &[Branch], depth: usize, above: &str, lines: &mut Vec<PaneLine>) {
        for branch in branches {
            let path = format!("{above}/{}", branch.name);
            let is_open = (!branch.branches.is_empty()).then(|| !self.closed.contains(&path));
            lines.push(PaneLine {
                depth,
                path: path.clone(),
                name: branch.name.clone(),
                value: branch.value.clone().unwrap_or_default(),
                word: branch.word.clone(),
                is_open,
            });
            if is_open == Some(true) {
                self.flatten(&branch.branches, depth + 1, &path, lines);
            }
        }
    }

    /// Opens or closes the branch under the cursor.
    pub fn toggle(&mut self) {
        let lines = self.lines();
        if let Some(line) = lines.get(self.cursor.at).filter(|line| line.is_open.is_some())
            && !self.closed.remove(&line.path)
        {
            self.closed.insert(line.path.clone());
        }
    }
}
