//! What is kept from one time to the next, for each set of inputs: filter, view, columns, order, place and marks.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;
use lookback_flow::columns::ColumnId;
use lookback_flow::inputs::Input;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::data::cell::Col;
use crate::data::index::Entry;
use crate::data::part::RowRef;
use crate::data::sort::Sort;
use crate::keys::ViewId;
use crate::message::Effect;
use crate::state::{Mark, State};
use crate::theme::Theme;
use crate::update::show;

/// What is kept. All of it is optional: a file of another version is read as far as it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Saved {
    pub theme: Theme,
    pub filter: String,
    pub history: Vec<String>,
    pub view: ViewId,
    pub columns: Vec<String>,
    pub frozen: usize,
    /// Name of the column, and whether it goes downwards.
    pub sort: Option<(Option<String>, bool)>,
    /// Time of the row under the cursor.
    pub time: Option<i64>,
    pub marks: Vec<SavedMark>,
    pub has_detail: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedMark {
    pub time: i64,
    pub place: u64,
    pub class: u8,
    pub note: String,
}

impl Saved {
    #[must_use]
    pub fn of(state: &State) -> Self {
        let mark = |mark: &Mark| SavedMark {
            time: mark.entry.time,
            place: mark.entry.place.0,
            class: mark.entry.class,
            note: mark.note.clone(),
        };
        Self {
            theme: state.theme,
            filter: state.query.text.clone(),
            history: state.filter.history.clone(),
            view: state.view,
            columns: state.columns.iter().map(|col| col.name().to_owned()).collect(),
            frozen: state.frozen,
            sort: state.sort.map(|sort| (sort.column.map(|id| id.column().name.to_owned()), sort.is_reversed)),
            time: state.current().and_then(|row| row.time),
            marks: state.marks.values().map(mark).collect(),
            has_detail: state.detail.is_open,
        }
    }
}

/// Takes up what was kept, and asks for the first rows.
pub fn begin(state: &mut State, saved: Option<Saved>, filter: Option<&str>) -> Vec<Effect> {
    let saved = saved.unwrap_or_default();
    let columns: Vec<Col> = saved.columns.iter().filter_map(|name| Col::named(name)).collect();
    if !columns.is_empty() {
        state.frozen = saved.frozen.min(columns.len());
        state.first_column = state.frozen;
        state.columns = columns;
    }
    state.sort =
        saved.sort.map(|(name, is_reversed)| Sort { column: name.as_deref().and_then(ColumnId::of), is_reversed });
    state.filter.history = saved.history;
    state.view = saved.view;
    state.wanted = saved.time.filter(|_| filter.is_none());
    state.detail.is_open = saved.has_detail;
    for mark in saved.marks {
        let entry = Entry { time: mark.time, place: RowRef(mark.place), class: mark.class };
        state.marks.insert(entry.place, Mark { entry, note: mark.note });
    }
    // A filter that makes no sense any more is told, and left.
    show(state, filter.unwrap_or(&saved.filter))
        .into_iter()
        .chain(crate::update::update(state, crate::message::Message::Resize(state.size.0, state.size.1)))
        .collect()
}

/// What tells a set of inputs from others: their places, sizes and times of change, as marks are places in them.
#[must_use]
pub fn key(inputs: &[Input]) -> String {
    let mut hash = Sha256::new();
    for input in inputs {
        let path = match input {
            Input::Stdin => PathBuf::from("-"),
            Input::File(path) => path.clone(),
            Input::Archive(archive) => archive.root.clone(),
        };
        let whole = fs::canonicalize(&path).unwrap_or(path);
        hash.update(whole.as_os_str().as_encoded_bytes());
        if let (Input::File(_), Ok(facts)) = (input, fs::metadata(&whole)) {
            hash.update(facts.len().to_le_bytes());
        }
        hash.update([0]);
    }
    hash.finalize().iter().take(16).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn path(key: &str) -> Option<PathBuf> {
    let strategy = etcetera::choose_base_strategy().ok()?;
    let base = strategy.state_dir().unwrap_or_else(|| strategy.data_dir());
    Some(base.join("lookback").join("browse").join(format!("{key}.json")))
}

/// What was kept for some inputs.
#[must_use]
pub fn load(key: &str) -> Option<Saved> {
    serde_json::from_str(&fs::read_to_string(path(key)?).ok()?).ok()
}

/// Keeps it.
///
/// # Errors
/// When the file cannot be written.
pub fn save(key: &str, saved: &Saved) -> io::Result<()> {
    match path(key) {
        Some(path) => write(&path, saved),
        None => Ok(()),
    }
}

fn write(path: &Path, saved: &Saved) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // Whole or not at all.
    let beside = path.with_extension("json.tmp");
    fs::write(&beside, serde_json::to_string_pretty(saved)?)?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back() {
        let mut state = State::new(Vec::new(), Vec::new(), Theme::Dark, (80, 24));
        let saved = Saved {
            theme: Theme::Dark,
            filter: "verdict:DROPPED".to_owned(),
            history: vec!["reply".to_owned()],
            view: ViewId::Drops,
            columns: vec!["TIME".to_owned(), "http_code".to_owned()],
            frozen: 2,
            sort: Some((Some("http_code".to_owned()), true)),
            time: None,
            marks: vec![SavedMark { time: 1, place: 2, class: 1, note: "why".to_owned() }],
            has_detail: true,
        };
        begin(&mut state, Some(saved.clone()), None);
        assert_eq!(Saved::of(&state), saved);
    }

    #[test]
    fn a_file_of_another_version_is_read_as_far_as_it_goes() {
        let saved: Saved = serde_json::from_str(r#"{"filter":"reply","more":1}"#).unwrap();
        assert_eq!(saved.filter, "reply");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.json");
        write(&path, &saved).unwrap();
        assert_eq!(serde_json::from_str::<Saved>(&fs::read_to_string(&path).unwrap()).unwrap(), saved);
    }
}
