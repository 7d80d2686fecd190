//! Everything that the screen is made from.

pub mod completion;
pub mod detail_pane;
pub mod drawing;
pub mod filter_line;
pub mod overlay;
pub mod table;
pub mod trail;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;

use crate::data::cell::{Col, USUAL};
use crate::data::index::Entry;
use crate::data::page::{Page, Row};
use crate::data::part::RowRef;
use crate::data::query::Query;
use crate::data::sort::Sort;
use crate::data::summary::Summary;
use crate::data::worker::Progress;
use crate::keys::ViewId;
use crate::questions::{Answer, Asked, Question};
use crate::theme::Theme;
use detail_pane::DetailPane;
use drawing::Drawing;
use filter_line::FilterLine;
use overlay::Overlay;
use table::TableCursor;
use trail::Crumb;

/// A summary on the screen.
#[derive(Clone, Debug, Default)]
pub struct SummaryPane {
    pub generation: u64,
    pub summary: Summary,
    pub done: (usize, usize),
    pub is_done: bool,
    pub cursor: TableCursor,
    /// The map as a drawing, where it is small enough.
    pub drawing: Option<Arc<Drawing>>,
}

impl SummaryPane {
    /// Lines that the bars or the drawing below the table ask for.
    #[must_use]
    pub fn chart_lines(&self) -> usize {
        let bars = self.summary.bars.as_ref().map_or(0, |bars| bars.bars.len());
        self.drawing.as_ref().map_or(bars, |drawing| drawing.height())
    }
}

/// A mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub entry: Entry,
    pub note: String,
}

/// A range of bars being chosen in the histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brush {
    pub anchor: Option<usize>,
    pub at: usize,
}

/// The questions view.
#[derive(Clone, Debug, Default)]
pub struct QuestionsPane {
    pub catalogue: Vec<Question>,
    pub list: TableCursor,
    /// What was asked last.
    pub asked: Option<Asked>,
    pub generation: u64,
    pub is_running: bool,
    pub answer: Option<Result<Answer, String>>,
    pub table: TableCursor,
    /// The keys move in the answer, not in the list.
    pub in_answer: bool,
}

#[derive(Debug)]
pub struct State {
    pub inputs: Vec<String>,
    pub size: (u16, u16),
    pub theme: Theme,
    pub view: ViewId,
    pub overlay: Option<Overlay>,
    pub filter: FilterLine,
    pub query: Query,
    /// Number of the query that is shown; answers to others are dropped.
    pub generation: u64,
    pub progress: Progress,
    /// Time that all data have, as far as known.
    pub extent: Option<(i64, i64)>,
    pub sort: Option<Sort>,
    pub columns: Vec<Col>,
    /// Columns from the left that stay in sight.
    pub frozen: usize,
    /// Column under the cursor, and the first one behind the frozen ones that is shown.
    pub column: usize,
    pub first_column: usize,
    pub table: TableCursor,
    pub page: Page,
    /// The page that is on its way: its place, and how many rows.
    pub asked: Option<(usize, usize)>,
    pub detail: DetailPane,
    pub marks: BTreeMap<RowRef, Mark>,
    pub brush: Option<Brush>,
    pub summaries: HashMap<ViewId, SummaryPane>,
    pub frequency: SummaryPane,
    pub questions: QuestionsPane,
    pub search: String,
    /// Rows that have it, in their order, as far as is known.
    pub hits: Vec<usize>,
    /// Steps down to a connection.
    pub trail: Vec<Crumb>,
    /// Something that was asked for is on its way, and what.
    pub busy: Option<String>,
    /// The last line: what happened.
    pub message: String,
    pub is_error: bool,
    /// The place that is to be shown once there are as many rows.
    pub wanted: Option<i64>,
    pub ticks: u64,
    pub is_over: bool,
}

impl State {
    #[must_use]
    pub fn new(inputs: Vec<String>, catalogue: Vec<Question>, theme: Theme, size: (u16, u16)) -> Self {
        Self {
            inputs,
            size,
            theme,
            view: ViewId::Flows,
            overlay: None,
            filter: FilterLine::default(),
            query: Query::default(),
            generation: 0,
            progress: Progress::default(),
            extent: None,
            sort: None,
            columns: USUAL.to_vec(),
            frozen: 1,
            column: 0,
            first_column: 1,
            table: TableCursor::default(),
            page: Page::default(),
            asked: None,
            detail: DetailPane::default(),
            marks: BTreeMap::new(),
            brush: None,
            summaries: HashMap::new(),
            frequency: SummaryPane::default(),
            questions: QuestionsPane { catalogue, ..QuestionsPane::default() },
            search: String::new(),
            hits: Vec::new(),
            trail: Vec::new(),
            busy: None,
            message: String::new(),
            is_error: false,
            wanted: None,
            ticks: 0,
            is_over: false,
        }
    }

    /// A row that is shown at a place, if it is there already.
    #[must_use]
    pub fn row(&self, at: usize) -> Option<&Row> {
        self.page.rows.get(at.checked_sub(self.page.at)?)
    }

    /// The row under the cursor.
    #[must_use]
    pub fn current(&self) -> Option<&Row> {
        self.row(self.table.at)
    }

    /// The column under the cursor.
    #[must_use]
    pub fn current_column(&self) -> Option<Col> {
        self.columns.get(self.column).copied()
    }

    /// Rows of the flow table that fit on the screen.
    #[must_use]
    pub fn flow_rows(&self) -> usize {
        usize::from(crate::layout::flows(self).table.height.saturating_sub(1)).max(1)
    }

    pub fn say(&mut self, message: impl Into<String>) {
        (self.message, self.is_error) = (message.into(), false);
    }

    pub fn complain(&mut self, message: impl Into<String>) {
        (self.message, self.is_error) = (message.into(), true);
    }

    /// What is being read or counted, for the line at the bottom.
    #[must_use]
    pub fn is_working(&self) -> bool {
        !self.progress.is_done || self.busy.is_some() || self.questions.is_running
    }
}
