//! Which parts of a file may hold what is wanted.
//!
//! Everything here errs on one side: a part is passed over only if nothing in it can be wanted.

use std::ops::Range;
use std::sync::Arc;

use parquet::arrow::arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection};
use parquet::basic::{Encoding, PageType};
use parquet::column::page::{Page, PageReader as _};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::file::statistics::Statistics;

use super::layout::{UUID, UUID_TEXT, parse_uuid};
use super::source::Source;
use super::{Needle, Pattern};
use crate::columns::ColumnId;

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

/// A value that is looked for in a file.
#[derive(Debug)]
struct Sought {
    /// Position of the leaf.
    leaf: usize,
    bytes: Vec<u8>,
    /// The bytes are those that the value begins with.
    is_prefix: bool,
}

impl Sought {
    /// Whether it may be among values from `least` to `most`.
    fn is_between(&self, least: &[u8], most: &[u8]) -> bool {
        // All values that begin alike are in one stretch, which begins with what they have in common.
        let starts = |value: &[u8]| value.starts_with(&self.bytes);
        let bytes = self.bytes.as_slice();
        (least <= bytes || self.is_prefix && starts(least)) && bytes <= most
    }
}

/// What is wanted, in the terms of one file.
#[derive(Debug)]
pub(super) struct Pruner {
    metadata: Arc<ParquetMetaData>,
    window: Option<(i64, i64)>,
    time: Option<usize>,
    /// For each needle its clauses, for each the places of its values.
    needles: Vec<Vec<Vec<Sought>>>,
    row_group: Option<usize>,
}

impl Pruner {
    pub(super) fn new(metadata: &Arc<ParquetMetaData>, wanted: &Wanted) -> Self {
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
        let sought = |(id, pattern): &(ColumnId, Pattern)| -> Option<Sought> {
            let (column, text) = (id.column(), pattern.text());
            let is_prefix = matches!(pattern, Pattern::Begins(_));
            let leaf = position(column.name)?;
            if column.name != UUID || !is_bytes(leaf) {
                return Some(Sought { leaf, bytes: text.into(), is_prefix });
            }
            Some(match parse_uuid(text) {
                Some(uuid) => Sought { leaf, bytes: uuid.to_vec(), is_prefix: false },
                None => Sought { leaf: position(UUID_TEXT)?, bytes: text.into(), is_prefix },
            })
        };
        // A column that the file lacks is NULL in every row, which equals nothing.
        let needles = wanted
            .needles
            .iter()
            .map(|needle| needle.iter().map(|clause| clause.iter().filter_map(sought).collect()).collect())
            .collect();
        let (window, row_group) = (wanted.window, wanted.row_group);
        Self { metadata: Arc::clone(metadata), window, time: position("time"), needles, row_group }
    }

    /// Whether a row group may hold wanted rows.
    pub(super) fn row_group(
        &self,
        at: usize,
        file: &Source,
        builder: &ParquetRecordBatchReaderBuilder<Source>,
    ) -> bool {
        let group = self.metadata.row_group(at);
        let bloom = |leaf| builder.get_row_group_column_bloom_filter(at, leaf).ok().flatten();
        let possible = |sought: &Sought| {
            in_statistics(group, sought)
                && if sought.is_prefix {
                    in_dictionary(file, group, sought)
                } else {
                    bloom(sought.leaf).is_none_or(|filter| filter.check(sought.bytes.as_slice()))
                }
        };
        self.row_group.is_none_or(|only| only == at) && self.in_window(group) && self.fits(possible)
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

    /// The rows of a row group whose pages may hold wanted rows, or `None` if that is all of them.
    pub(super) fn rows(&self, group: usize) -> Option<RowSelection> {
        let rows = usize::try_from(self.metadata.row_group(group).num_rows()).unwrap_or_default();
        let ranges = self.ranges(group, rows);
        let kept: usize = ranges.iter().map(Range::len).sum();
        (kept < rows).then(|| RowSelection::from_consecutive_ranges(ranges.into_iter(), rows))
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
                for sought in clause {
                    let pages = self.pages(group, sought.leaf, rows, |index, page| match index {
                        ColumnIndexMetaData::BYTE_ARRAY(texts) | ColumnIndexMetaData::FIXED_LEN_BYTE_ARRAY(texts) => {
                            match (texts.min_value(page), texts.max_value(page)) {
                                (Some(least), Some(most)) => sought.is_between(least, most),
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

fn in_statistics(group: &RowGroupMetaData, sought: &Sought) -> bool {
    let column = group.column(sought.leaf);
    let Some(statistics) = column.statistics() else { return true };
    match (statistics.min_bytes_opt(), statistics.max_bytes_opt()) {
        (Some(least), Some(most)) => sought.is_between(least, most),
        _ => statistics.null_count_opt() != u64::try_from(column.num_values()).ok(),
    }
}

/// Whether a value may be there, where all that there are stand in a dictionary.
fn in_dictionary(file: &Source, group: &RowGroupMetaData, sought: &Sought) -> bool {
    dictionary(file, group, sought.leaf)
        .is_none_or(|page| values(&page).any(|value| value.is_none_or(|value| value.starts_with(&sought.bytes))))
}

/// Whether all values of a column stand in a dictionary.
pub(super) fn is_numbered(column: &ColumnChunkMetaData) -> bool {
    let is_data = |page: PageType| matches!(page, PageType::DATA_PAGE | PageType::DATA_PAGE_V2);
    let by_number = |encoding| matches!(encoding, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY);
    match (column.page_encoding_stats(), column.page_encoding_stats_mask()) {
        (Some(pages), _) => pages.iter().all(|page| !is_data(page.page_type) || by_number(page.encoding)),
        (_, Some(encodings)) => encodings.encodings().all(by_number),
        _ => false,
    }
}

/// The dictionary of a column of texts, if it holds all of its values.
fn dictionary(file: &Source, group: &RowGroupMetaData, leaf: usize) -> Option<Vec<u8>> {
    let column = group.column(leaf);
    if !is_numbered(column) || column.column_type() != parquet::basic::Type::BYTE_ARRAY {
        return None;
    }
    column.dictionary_page_offset()?;
    let rows = usize::try_from(group.num_rows()).ok()?;
    let mut pages = SerializedPageReader::new(Arc::new(file.try_clone().ok()?), column, rows, None).ok()?;
    match pages.get_next_page().ok()?? {
        Page::DictionaryPage { buf, .. } => Some(buf.to_vec()),
        _ => None,
    }
}

/// The texts of a dictionary, each behind its length; `None` where it makes no sense.
fn values(page: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = page;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let value = rest.split_first_chunk().and_then(|(length, behind)| {
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            behind.split_at_checked(length)
        });
        rest = value.map_or(&[], |(_, behind)| behind);
        Some(value.map(|(value, _)| value))
    })
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
