//! Which bytes of a file will be read, so that they can be fetched together.

use std::ops::Range;

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::RowSelection;
use parquet::file::metadata::ParquetMetaData;

/// The bytes of the masked columns of a row group: of the selected rows the pages, and all dictionaries.
pub(super) fn reach(
    metadata: &ParquetMetaData,
    group: usize,
    masks: &[ProjectionMask],
    selection: Option<&RowSelection>,
) -> Vec<Range<u64>> {
    let index = metadata.page_index_for_row_group(group);
    let mut ranges = Vec::new();
    for (leaf, column) in metadata.row_group(group).columns().iter().enumerate() {
        if !masks.iter().any(|mask| mask.leaf_included(leaf)) {
            continue;
        }
        let (start, length) = column.byte_range();
        let pages = index.offset_index(leaf).map(|index| index.page_locations().as_slice());
        let first = pages.and_then(|pages| u64::try_from(pages.first()?.offset).ok());
        match (selection, pages, first) {
            (Some(selection), Some(pages), Some(first)) => {
                // What stands before the first page is the dictionary.
                ranges.push(start..first.max(start));
                ranges.extend(selection.scan_ranges(pages));
            }
            _ => ranges.push(start..start.saturating_add(length)),
        }
    }
    ranges.retain(|range| !range.is_empty());
    ranges
}
