//! Hubble's flow filters: what a request, an exporter or a user asks for.
//!
//! Rules, as `pkg/hubble/filters` has them:
//! 1. An event is kept if one of the allowing filters matches it, or there is none, and no denying one does.
//! 2. A filter matches if each of its fields does, a field if one of its values does. One without a field matches all.
//! 3. A filter that cannot be understood is an error before anything is read.
//!
//! Filters are decided column by column: what is numbered in a batch once for each distinct value or pair of values.

mod cel;
mod condition;
mod fields;
pub mod flags;
mod names;
mod selector;

use arrow::array::RecordBatch;
use arrow::buffer::BooleanBuffer;

use crate::columns::ColumnId;
use crate::proto::flow::FlowFilter;
use crate::segment::Needle;
use crate::view::{View, WrongType};
use condition::Condition;

/// Why a filter is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    #[error("filter is not the JSON of a FlowFilter: {0}")]
    Json(String),
    /// A field has a value that makes no sense.
    #[error("filter field {field}: {why}")]
    Field { field: &'static str, why: String },
}

/// Filters from their JSON, one object after another, as the exporter reads them: a field that is not known is an error.
///
/// # Errors
/// When the text is anything else.
pub fn parse(json: &str) -> Result<Vec<FlowFilter>, FilterError> {
    let filters = serde_json::Deserializer::from_str(json).into_iter();
    filters.collect::<Result<_, _>>().map_err(|error| FilterError::Json(error.to_string()))
}

/// A filter as JSON, as Hubble prints it.
#[must_use]
pub fn to_json(filter: &FlowFilter) -> String {
    serde_json::to_string(filter).unwrap_or_default()
}

/// Allowing and denying filters, ready to be asked.
#[derive(Debug, Default)]
pub struct Filters {
    allow: Vec<Vec<Condition>>,
    deny: Vec<Vec<Condition>>,
}

impl Filters {
    /// As servers and exporters have it: reports of lost events are of any event type that is asked for.
    ///
    /// # Errors
    /// When a value of a field cannot be understood.
    pub fn new(allow: &[FlowFilter], deny: &[FlowFilter]) -> Result<Self, FilterError> {
        Self::with(allow, deny, true)
    }

    /// As the hubble CLI has it with files: reports of lost events are of no event type.
    ///
    /// # Errors
    /// When a value of a field cannot be understood.
    pub fn for_files(allow: &[FlowFilter], deny: &[FlowFilter]) -> Result<Self, FilterError> {
        Self::with(allow, deny, false)
    }

    fn with(allow: &[FlowFilter], deny: &[FlowFilter], lost_match_types: bool) -> Result<Self, FilterError> {
        let conditions = |filters: &[FlowFilter]| {
            filters.iter().map(|filter| fields::conditions(filter, lost_match_types)).collect::<Result<_, _>>()
        };
        Ok(Self { allow: conditions(allow)?, deny: conditions(deny)? })
    }

    /// Whether they let everything through.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }

    /// The columns that are asked about.
    #[must_use]
    pub fn columns(&self) -> Vec<ColumnId> {
        let conditions = self.allow.iter().chain(&self.deny).flatten();
        let mut columns: Vec<ColumnId> = conditions.flat_map(|condition| condition.columns.iter().copied()).collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// What every row that is kept fits one of, for readers that can leave others out; empty when it may be any.
    #[must_use]
    pub fn needles(&self) -> Vec<Needle> {
        let clauses = |filter: &Vec<Condition>| filter.iter().flat_map(|condition| condition.clauses.clone()).collect();
        let needles: Vec<Needle> = self.allow.iter().map(clauses).collect();
        if needles.iter().any(Vec::is_empty) { Vec::new() } else { needles }
    }

    /// Which rows of a batch are kept.
    ///
    /// # Errors
    /// When a column has not the type of the schema.
    pub fn keep(&self, batch: &RecordBatch) -> Result<BooleanBuffer, WrongType> {
        let view = View::new(batch)?;
        let rows = batch.num_rows();
        let any = |filters: &[Vec<Condition>]| {
            let matched = filters.iter().map(|conditions| condition::all(conditions, &view, rows));
            matched.reduce(|all, one| &all | &one)
        };
        let allowed = any(&self.allow).unwrap_or_else(|| BooleanBuffer::new_set(rows));
        Ok(match any(&self.deny) {
            Some(denied) => &allowed & &!&denied,
            None => allowed,
        })
    }
}
