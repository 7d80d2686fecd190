//! The key table: what can be done, by which keys, where. Help, the palette and the dispatch are made from it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Quit,
    Help,
    Palette,
    Back,
    Filter,
    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Left,
    Right,
    Enter,
    View(ViewId),
    NextView,
    PreviousView,
    FilterIn,
    FilterOut,
    ClearFilter,
    UndoFilter,
    RedoFilter,
    Sort,
    Columns,
    Freeze,
    Detail,
    DetailMode,
    Focus,
    NextDrop,
    PreviousDrop,
    NextError,
    PreviousError,
    NextLoss,
    PreviousLoss,
    NextGap,
    PreviousGap,
    Deeper,
    Shallower,
    Story,
    Frequency,
    Search,
    SearchNext,
    SearchPrevious,
    Mark,
    Note,
    NextMark,
    Export,
    ExportMarks,
    ExportLine,
    CopyLine,
    CopyCommand,
    Brush,
    TimeRange,
    WholeTime,
    Theme,
}

/// A view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum ViewId {
    #[default]
    Flows,
    Map,
    Questions,
    Drops,
    Dns,
    Http,
    Connections,
    Coverage,
}

impl ViewId {
    pub const ALL: [Self; 8] = [
        Self::Flows,
        Self::Map,
        Self::Questions,
        Self::Drops,
        Self::Dns,
        Self::Http,
        Self::Connections,
        Self::Coverage,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Flows => "Flows",
            Self::Map => "Map",
            Self::Questions => "Questions",
            Self::Drops => "Drops",
            Self::Dns => "DNS",
            Self::Http => "HTTP",
            Self::Connections => "Connections",
            Self::Coverage => "Coverage",
        }
    }
}

/// Where a key works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Everywhere,
    /// The flow table.
    Flows,
    /// Any table.
    Tables,
}

impl Place {
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Everywhere => "Everywhere",
            Self::Tables => "Tables",
            Self::Flows => "Flow table",
        }
    }
}

/// A line of the key table.
#[derive(Debug)]
pub struct Binding {
    pub keys: &'static [&'static str],
    pub action: Action,
    pub place: Place,
    pub help: &'static str,
}

macro_rules! keys {
    ($($place:ident { $([$($key:literal),+] $action:expr, $help:literal;)* })*) => {
        &[$($(Binding { keys: &[$($key),+], action: $action, place: Place::$place, help: $help },)*)*]
    };
}

/// Every key.
#[rustfmt::skip]
pub const KEYS: &[Binding] = keys![
    Everywhere {
        ["f"] Action::Filter, "Edit the filter: verdict:dropped from-pod:shop/ not:protocol:dns";
        ["x", "Delete"] Action::ClearFilter, "Clear the filter";
        ["u"] Action::UndoFilter, "The filter before this one";
        ["ctrl-r"] Action::RedoFilter, "The filter after this one";
        [":", "ctrl-p"] Action::Palette, "Find an action, a view or a question by name";
        ["?", "F1"] Action::Help, "Keys";
        ["Esc"] Action::Back, "Close, or stop what is running";
        ["Tab"] Action::NextView, "Next view";
        ["BackTab"] Action::PreviousView, "View before this one";
        ["1"] Action::View(ViewId::Flows), "Flows";
        ["2"] Action::View(ViewId::Map), "Service map: who talks to whom";
        ["3"] Action::View(ViewId::Questions), "Questions and their answers";
        ["4"] Action::View(ViewId::Drops), "Drops by reason and ends";
        ["5"] Action::View(ViewId::Dns), "DNS: names, answers, failures";
        ["6"] Action::View(ViewId::Http), "HTTP: status and latency";
        ["7"] Action::View(ViewId::Connections), "Connections";
        ["8"] Action::View(ViewId::Coverage), "Coverage: nodes, gaps, losses, bad lines";
        ["r"] Action::TimeRange, "Type a time range";
        ["R"] Action::WholeTime, "The whole time again";
        ["Y"] Action::CopyCommand, "Copy the lookback command that shows the same";
        ["t"] Action::Theme, "Next theme: dark, light, mono";
        ["q", "ctrl-c"] Action::Quit, "Quit";
    }
    Tables {
        ["Down", "j"] Action::Down, "Down";
        ["Up", "k"] Action::Up, "Up";
        ["PageDown", "ctrl-f", "Space"] Action::PageDown, "A screen down";
        ["PageUp", "ctrl-b"] Action::PageUp, "A screen up";
        ["Home", "g"] Action::Top, "First line";
        ["End", "G"] Action::Bottom, "Last line";
        ["Enter"] Action::Enter, "Open the line: its detail, or the flows behind it";
        ["+", "="] Action::FilterIn, "Keep only what has the value under the cursor";
        ["-"] Action::FilterOut, "Leave out what has the value under the cursor";
    }
    Flows {
        ["Left", "h"] Action::Left, "Column to the left";
        ["Right", "l"] Action::Right, "Column to the right";
        ["d"] Action::NextDrop, "Next drop";
        ["D"] Action::PreviousDrop, "Drop before this one";
        ["e"] Action::NextError, "Next error: verdict ERROR or AUDIT, HTTP 5xx, failed DNS";
        ["E"] Action::PreviousError, "Error before this one";
        ["w"] Action::NextLoss, "Next report of lost events";
        ["W"] Action::PreviousLoss, "Report of lost events before this one";
        ["a"] Action::NextGap, "Next gap: a minute or more without any flow";
        ["A"] Action::PreviousGap, "Gap before this one";
        ["]"] Action::Deeper, "Down: to the namespace of the line, its workload, both ends, the connection";
        ["["] Action::Shallower, "Up again";
        ["o"] Action::Story, "Story of the line: DNS lookup, policy, request and answer, connection";
        ["i"] Action::Detail, "Show or hide the detail pane";
        ["v"] Action::DetailMode, "Detail as tree, JSON or labels";
        ["p"] Action::Focus, "Move between table and detail";
        ["F"] Action::Frequency, "How often each value of the column comes";
        ["s"] Action::Sort, "Sort by the column: up, down, by time";
        ["c"] Action::Columns, "Choose columns";
        ["z"] Action::Freeze, "Keep the columns up to this one in sight";
        ["/"] Action::Search, "Search in what is shown";
        ["n"] Action::SearchNext, "Next hit";
        ["N"] Action::SearchPrevious, "Hit before this one";
        ["m"] Action::Mark, "Mark or unmark the line";
        ["M"] Action::Note, "Mark the line with a note";
        ["'"] Action::NextMark, "Next mark";
        ["b"] Action::Brush, "Choose a time range in the histogram";
        ["X"] Action::Export, "Export everything that the filter shows";
        ["ctrl-x"] Action::ExportMarks, "Export the marks";
        ["ctrl-e"] Action::ExportLine, "Export this line";
        ["y"] Action::CopyLine, "Copy the line as JSON";
    }
];

/// The name of a key, as in the key table.
#[must_use]
pub fn name(key: &KeyEvent) -> String {
    let plain = match key.code {
        KeyCode::Char(' ') => "Space".to_owned(),
        KeyCode::Char(c) => c.to_string(),
        KeyCode::F(number) => format!("F{number}"),
        KeyCode::BackTab => "BackTab".to_owned(),
        other => format!("{other:?}"),
    };
    if key.modifiers.contains(KeyModifiers::CONTROL) { format!("ctrl-{}", plain.to_lowercase()) } else { plain }
}

/// What a key does in a place.
#[must_use]
pub fn action(key: &KeyEvent, in_flows: bool) -> Option<Action> {
    let name = name(key);
    let here = |binding: &&Binding| binding.place != Place::Flows || in_flows;
    KEYS.iter().filter(here).find(|binding| binding.keys.contains(&name.as_str())).map(|binding| binding.action)
}

/// The first key of an action, for hints.
#[must_use]
pub fn key_of(action: Action) -> &'static str {
    let binding = KEYS.iter().find(|binding| binding.action == action);
    binding.and_then(|binding| binding.keys.first()).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_key_and_no_action_stands_twice() {
        let mut keys = HashSet::new();
        let mut actions = HashSet::new();
        for binding in KEYS {
            assert!(actions.insert(binding.action), "{:?}", binding.action);
            for key in binding.keys {
                assert!(keys.insert(*key), "{key}");
            }
        }
    }

    #[test]
    fn keys_are_found_by_their_events() {
        let key = |code, modifiers| action(&KeyEvent::new(code, modifiers), true);
        assert_eq!(key(KeyCode::Char('D'), KeyModifiers::SHIFT), Some(Action::PreviousDrop));
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Action::Quit));
        assert_eq!(key(KeyCode::PageDown, KeyModifiers::NONE), Some(Action::PageDown));
        assert_eq!(key(KeyCode::BackTab, KeyModifiers::SHIFT), Some(Action::PreviousView));
        assert_eq!(action(&KeyEvent::new(KeyCode::Char('d'), KeyModifiers::NONE), false), None);
    }
}
