//! Which parts of a file may hold what is wanted.
//!
//! Everything here errs on one side: a part is passed over only if nothing in it can be wanted.

use std::ops::Range;

use parquet::arrow::arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::reader::ChunkReader;
use parquet::file::statistics::Statistics;

use super::layout::{UUID, UUID_TEXT, parse_uuid};
use crate::columns::ColumnId;

/// A condition: one of these columns holds one of these texts.
pub type Clause = Vec<(ColumnId, String)>;

/// Conditions that all hold for every row that is wanted.
pub type Needle = Vec<Clause>;

/// Which rows are wanted; the default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// First and last moment, both inclusive; rows without a time are in no window.
    pub window: Option<(i64, i64)>,
    /// A row is wanted if it fits one of these; empty when any row is.
    pub needles: Vec<Needle>,
    /// Rows that fit none are left out one by one, and not just where a part of the file holds no other.
    pub exactly: bool,
    /// Only this row group.
    pub row_group: Option<usize>,
}

impl Wanted {
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.window.is_none() && self.needles.is_empty() && self.row_group.is_none()
    }
}

/// Where a value would stand in a file: the leaf's position, and its bytes.
type Sought = (usize, Vec<u8>);

/// What is wanted, in the terms of one file.
pub(super) struct Pruner<'a> {
    metadata: &'a ParquetMetaData,
    window: Option<(i64, i64)>,
    time: Option<usize>,
    /// For each needle its clauses, for each the places of its values.
    needles: Vec<Vec<Vec<Sought>>>,
    row_group: Option<usize>,
}

impl<'a> Pruner<'a> {
    pub(super) fn new(metadata: &'a ParquetMetaData, wanted: &Wanted) -> Self {
        let schema = metadata.file_metadata().schema_descr();
        // The columns that are sought have one leaf each, whatever a writer calls it.
        let position = |column: &str| {
            let of =
                |path: &parquet::schema::types::ColumnPath| path.parts().first().is_some_and(|first| first == column);
            schema.columns().iter().position(|leaf| of(leaf.path()))
        };
        let is_bytes = |path: usize| {
            schema
                .columns()
                .get(path)
                .is_some_and(|leaf| leaf.physical_type() == parquet::basic::Type::FIXED_LEN_BYTE_ARRAY)
        };
        let sought = |(id, text): &(ColumnId, String)| -> Option<Sought> {
            let column = id.column();
            let at = position(column.name)?;
            if column.name == UUID && is_bytes(at) {
                return match parse_uuid(text) {
                    Some(uuid) => Some((at, uuid.to_vec())),
                    None => Some((position(UUID_TEXT)?, text.clone().into_bytes())),
                };
            }
            Some((at, text.clone().into_bytes()))
        };
        // A column that the file lacks is NULL in every row, which equals nothing.
        let needles = wanted
            .needles
            .iter()
            .map(|needle| needle.iter().map(|clause| clause.iter().filter_map(sought).collect()).collect())
            .collect();
        Self { metadata, window: wanted.window, time: position("time"), needles, row_group: wanted.row_group }
    }

    /// The row groups that may hold wanted rows.
    pub(super) fn row_groups<R: ChunkReader + 'static>(&self, file: &ParquetRecordBatchReaderBuilder<R>) -> Vec<usize> {
        (0..self.metadata.num_row_groups())
            .filter(|group| {
                let metadata = self.metadata.row_group(*group);
                self.row_group.is_none_or(|only| only == *group)
                    && self.in_window(metadata)
                    && self.fits(|(column, value)| {
                        in_statistics(metadata, *column, value)
                            && file
                                .get_row_group_column_bloom_filter(*group, *column)
                                .ok()
                                .flatten()
                                .is_none_or(|filter| filter.check(value.as_slice()))
                    })
            })
            .collect()
    }

    fn in_window(&self, group: &RowGroupMetaData) -> bool {
        let (Some((since, until)), Some(time)) = (self.window, self.time) else { return true };
        match group.column(time).statistics() {
            Some(Statistics::Int64(times)) => match (times.min_opt(), times.max_opt()) {
                (Some(first), Some(last)) => *first <= until && *last >= since,
                // Only NULL has no least value; without statistics nothing is known.
                _ => times.null_count_opt() != u64::try_from(group.num_rows()).ok(),
            },
            _ => true,
        }
    }

    /// Whether some needle's clauses all have a value that is possible.
    fn fits(&self, possible: impl Fn(&Sought) -> bool) -> bool {
        self.needles.is_empty()
            || self.needles.iter().any(|needle| needle.iter().all(|clause| clause.iter().any(&possible)))
    }

    /// The rows of these row groups whose pages may hold wanted rows, or `None` if that is all of them.
    pub(super) fn rows(&self, groups: &[usize]) -> Option<RowSelection> {
        let mut selected: Vec<Range<usize>> = Vec::new();
        let (mut start, mut kept) = (0, 0);
        for group in groups {
            let rows = usize::try_from(self.metadata.row_group(*group).num_rows()).unwrap_or_default();
            for range in self.ranges(*group, rows) {
                kept += range.len();
                selected.push(start + range.start..start + range.end);
            }
            start += rows;
        }
        (kept < start).then(|| RowSelection::from_consecutive_ranges(selected.into_iter(), start))
    }

    /// The rows of one row group, in ascending ranges that do not touch.
    fn ranges(&self, group: usize, rows: usize) -> Vec<Range<usize>> {
        let mut ranges = whole(rows);
        if let (Some((since, until)), Some(time)) = (self.window, self.time) {
            let pages = self.pages(group, time, rows, |index, page| match index {
                ColumnIndexMetaData::INT64(times) => match (times.min_value(page), times.max_value(page)) {
                    (Some(first), Some(last)) => *first <= until && *last >= since,
                    _ => false,
                },
                _ => true,
            });
            ranges = intersection(&ranges, &pages);
        }
        if self.needles.is_empty() {
            return ranges;
        }
        let mut any = Vec::new();
        for needle in &self.needles {
            let mut all = whole(rows);
            for clause in needle {
                let mut either = Vec::new();
                for (column, value) in clause {
                    let pages = self.pages(group, *column, rows, |index, page| match index {
                        ColumnIndexMetaData::BYTE_ARRAY(texts) | ColumnIndexMetaData::FIXED_LEN_BYTE_ARRAY(texts) => {
                            match (texts.min_value(page), texts.max_value(page)) {
                                (Some(least), Some(most)) => least <= value.as_slice() && value.as_slice() <= most,
                                _ => false,
                            }
                        }
                        _ => true,
                    });
                    either.extend(pages);
                }
                all = intersection(&all, &union(either));
            }
            any.extend(all);
        }
        intersection(&ranges, &union(any))
    }

    /// The rows of the pages of a column that may hold what is sought; a page of nothing but NULL never does.
    fn pages(
        &self,
        group: usize,
        column: usize,
        rows: usize,
        possible: impl Fn(&ColumnIndexMetaData, usize) -> bool,
    ) -> Vec<Range<usize>> {
        let index = self.metadata.page_index_for_row_group(group);
        let (Some(values), Some(places)) = (index.column_index(column), index.offset_index(column)) else {
            return whole(rows);
        };
        let firsts: Vec<usize> =
            places.page_locations().iter().map(|page| usize::try_from(page.first_row_index).unwrap_or(0)).collect();
        let ends = firsts.iter().skip(1).copied().chain([rows]);
        let pages = firsts.iter().copied().zip(ends).enumerate();
        union(pages.filter(|(page, _)| possible(values, *page)).map(|(_, (first, end))| first..end).collect())
    }
}

fn in_statistics(group: &RowGroupMetaData, column: usize, value: &[u8]) -> bool {
    let Some(statistics) = group.column(column).statistics() else { return true };
    match (statistics.min_bytes_opt(), statistics.max_bytes_opt()) {
        (Some(least), Some(most)) => least <= value && value <= most,
        _ => statistics.null_count_opt() != u64::try_from(group.column(column).num_values()).ok(),
    }
}

/// All rows of a row group.
fn whole(rows: usize) -> Vec<Range<usize>> {
    std::iter::once(0..rows).collect()
}

fn union(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| range.start);
    let mut joined: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

fn intersection(a: &[Range<usize>], b: &[Range<usize>]) -> Vec<Range<usize>> {
    let both = a.iter().flat_map(|a| b.iter().map(move |b| a.start.max(b.start)..a.end.min(b.end)));
    union(both.filter(|range| !range.is_empty()).collect())
}
