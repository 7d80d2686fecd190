//! Columns of flows as arrays.

use polars::frame::DataFrame;
use polars::prelude::DataType;
use polars_arrow::array::{BooleanArray, PrimitiveArray, Utf8ViewArray};
use polars_arrow::types::NativeType;

/// One chunk of a table whose chunks are alike. A column that has another type than that of the schema is not found.
#[derive(Clone, Copy)]
pub(super) struct Chunk<'a> {
    flows: &'a DataFrame,
    at: usize,
}

impl<'a> Chunk<'a> {
    pub(super) fn all(flows: &'a DataFrame) -> impl Iterator<Item = Self> {
        (0..flows.first_col_n_chunks()).map(move |at| Self { flows, at })
    }

    pub(super) fn texts(self, name: &str) -> Option<&'a Utf8ViewArray> {
        let series = self.flows.column(name).ok()?.as_materialized_series();
        let array = series.chunks().get(self.at)?;
        (*series.dtype() == DataType::String).then(|| array.as_any().downcast_ref())?
    }

    pub(super) fn numbers<T: NativeType>(self, name: &str) -> Option<&'a PrimitiveArray<T>> {
        self.array(name)
    }

    pub(super) fn flags(self, name: &str) -> Option<&'a BooleanArray> {
        self.array(name)
    }

    fn array<T: 'static>(self, name: &str) -> Option<&'a T> {
        let series = self.flows.column(name).ok()?.as_materialized_series();
        series.chunks().get(self.at)?.as_any().downcast_ref()
    }
}
