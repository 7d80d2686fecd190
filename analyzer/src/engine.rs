//! The embedded engine: Polars SQL over the batches that were read.
//!
//! Batches cross to Polars and back through Arrow's C data interface, without a copy but for dictionary texts, which
//! become views into their dictionary. Tables that most questions rest on are made by hand ([`by_hand`]).

pub(crate) mod by_hand;
mod packed;
mod parts;
mod texts;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use anyhow::{Result, anyhow, bail};
use arrow::array::{Array as _, ArrayRef, RecordBatch, make_array, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use polars::frame::DataFrame;
use polars::prelude::{
    BooleanChunked, ChunkTake as _, Column, CompatLevel, IdxCa, InitHashMaps as _, IntoColumn as _, IntoLazy as _,
    LazyFrame, NewChunkedArray as _, PlHashMap, PlSmallStr, PolarsResult, Series, StringChunked,
};
use polars::sql::SQLContext;
use sqlparser::ast::{Query, With};

use lookback_flow::guard::guarded;
use lookback_question::bind::{EVENTS, columns_read, mentioned};

use crate::memory::give_back;

use packed::Packed;
pub(crate) use parts::{FOLDED_ROWS, Gathered, Part, Steps};
use texts::Columns;

/// The table that all derived ones are made from.
const FLOWS: &str = "flows";

/// Runs statements over one table of events, or over what came of its parts.
#[derive(Default)]
pub(crate) struct Engine {
    context: SQLContext,
    /// What the context has registered, to put back what a nested WITH hides for a while.
    tables: HashMap<String, LazyFrame>,
    /// Tables that wait for a statement that reads them.
    packed: HashMap<String, Packed>,
    /// Of the packed tables.
    texts: Columns,
    /// Why there is no table of a name.
    failed: HashMap<String, String>,
}

/// A table whose rows are worked on piece by piece.
struct Pieces {
    of: String,
    table: DataFrame,
    /// Of each row the piece that it is in.
    places: Vec<u64>,
    count: u64,
}

impl Engine {
    /// An engine whose table `events` is these batches, all of one schema.
    pub(crate) fn new(schema: &Schema, batches: &[RecordBatch]) -> Result<Self> {
        let mut engine = Self::default();
        engine.register(EVENTS, Some(frame(schema, batches)?));
        Ok(engine)
    }

    /// Runs a statement.
    pub(crate) fn run(&mut self, statement: &Query) -> Result<RecordBatch> {
        let unpacked = self.unpack(statement)?;
        let answer = self.frame(statement).and_then(|answer| batch(&answer));
        unpacked.iter().for_each(|name| _ = self.register(name, None));
        if !unpacked.is_empty() {
            give_back();
        }
        answer
    }

    /// Makes a table of a query, which later ones may name. Where the query is of a single table, whose rows are `apart` when they
    /// differ in these columns, it is asked of pieces of at most some rows, as far as there are such.
    pub(crate) fn hold(&mut self, name: &str, query: &Query, apart: &[String], piece_rows: usize) -> Result<()> {
        let unpacked = self.unpack(query)?;
        let table = match self.pieces(query, apart, piece_rows)? {
            Some(pieces) => self.of_pieces(query, &pieces),
            None => self.guarded(|engine| engine.table(name, query)),
        };
        unpacked.iter().for_each(|name| _ = self.register(name, None));
        self.register(name, Some(table?.lazy()));
        Ok(())
    }

    /// Unpacks the tables that a statement reads, as far as it reads them, and gives their names.
    fn unpack(&mut self, statement: &Query) -> Result<Vec<String>> {
        let mut names: Vec<String> = mentioned(statement).into_iter().collect();
        names.retain(|name| self.packed.contains_key(name));
        for name in &names {
            let Some(packed) = self.packed.get(name) else { continue };
            let columns = columns_read(statement, name);
            let table = guarded(|| packed.frame(&self.texts, columns.as_ref())).map_err(|_| broke())??;
            self.register(name, Some(table.lazy()));
        }
        Ok(names)
    }

    /// Forgets a table.
    pub(crate) fn drop(&mut self, name: &str) {
        self.packed.remove(name);
        self.register(name, None);
    }

    /// The table that a query is of, in pieces; `None` when it is small, or there are several.
    fn pieces(&self, query: &Query, apart: &[String], piece_rows: usize) -> Result<Option<Pieces>> {
        let mut of = mentioned(query);
        of.retain(|name| self.tables.contains_key(name));
        let (Some(of), None) = (of.pop_first(), of.pop_first()) else { return Ok(None) };
        let Some(table) = self.tables.get(&of) else { return Ok(None) };
        let table = table.clone().collect()?;
        let count = table.height().div_ceil(piece_rows);
        if apart.is_empty() || count < 2 {
            return Ok(None);
        }
        let mut places = vec![0u64; table.height()];
        for name in apart {
            let Some(texts) = table.column(name).ok().and_then(Column::try_str) else { return Ok(None) };
            for (place, text) in places.iter_mut().zip(texts.iter()) {
                // In SQL's `concat` what is absent is empty.
                let mut hasher = DefaultHasher::new();
                (*place, text.unwrap_or_default()).hash(&mut hasher);
                *place = hasher.finish();
            }
        }
        let count = count as u64;
        places.iter_mut().for_each(|place| *place %= count);
        Ok(Some(Pieces { of, table, places, count }))
    }

    fn of_pieces(&mut self, query: &Query, pieces: &Pieces) -> Result<DataFrame> {
        let Pieces { of, table, places, count } = pieces;
        let mut answer: Option<DataFrame> = None;
        for number in 0..*count {
            let is_of_it: BooleanChunked = places.iter().map(|place| *place == number).collect();
            self.register(of, Some(table.filter(&is_of_it)?.lazy()));
            let own = compact(&self.frame(query)?)?;
            match &mut answer {
                Some(answer) => _ = answer.vstack_mut_owned(own)?,
                None => answer = Some(own),
            }
        }
        self.register(of, Some(table.clone().lazy()));
        answer.ok_or_else(broke)
    }

    fn frame(&mut self, statement: &Query) -> Result<DataFrame> {
        if let Some(why) = mentioned(statement).iter().find_map(|name| self.failed.get(name)) {
            bail!("{why}");
        }
        self.guarded(|engine| engine.evaluate(statement))
    }

    /// What Polars makes.
    fn guarded(&mut self, make: impl FnOnce(&mut Self) -> PolarsResult<DataFrame>) -> Result<DataFrame> {
        let answer = guarded(|| make(self)).map_err(|_| broke())?;
        answer.map_err(|error| anyhow!("the query failed: {}", brief(&error.to_string())))
    }

    /// A table by its name: by hand where that is known, else by its query.
    fn table(&mut self, name: &str, query: &Query) -> PolarsResult<DataFrame> {
        if let Some(table) = by_hand::Table::of(name, query)
            && let Some(flows) = self.tables.get(FLOWS)
            && let Some(table) = table.of_flows(flows.clone())?
        {
            return Ok(table);
        }
        self.evaluate(query)
    }

    /// Runs a query after the tables of its WITH, each once. Left to itself, Polars would make such a table again wherever
    /// it is named, and with it all that it is made from.
    fn evaluate(&mut self, query: &Query) -> PolarsResult<DataFrame> {
        let mut body = query.clone();
        let plain = |with: &With| !with.recursive && with.cte_tables.iter().all(|table| table.alias.columns.is_empty());
        let tables = body.with.take_if(|with| plain(with)).map(|with| with.cte_tables).unwrap_or_default();
        let mut hidden = Vec::with_capacity(tables.len());
        for table in tables {
            let name = table.alias.name.value;
            let frame = self.table(&name, &table.query)?.lazy();
            hidden.push((name.clone(), self.register(&name, Some(frame))));
        }
        let answer = self.context.execute(&body.to_string()).and_then(LazyFrame::collect);
        for (name, frame) in hidden.into_iter().rev() {
            self.register(&name, frame);
        }
        answer
    }

    /// Registers a table or takes it away, and gives the one that had the name before.
    fn register(&mut self, name: &str, frame: Option<LazyFrame>) -> Option<LazyFrame> {
        match frame {
            Some(frame) => {
                self.context.register(name, frame.clone());
                self.tables.insert(name.to_owned(), frame)
            }
            None => {
                self.context.unregister(name);
                self.tables.remove(name)
            }
        }
    }
}

/// A table in one piece that keeps no more texts than it has. Texts are views into what they were cut out of: a few rows would
/// keep all of it in memory.
fn compact(table: &DataFrame) -> PolarsResult<DataFrame> {
    let compact = |column: &Column| match column.try_str() {
        Some(texts) => Ok(distinct(texts)?.into_column()),
        None => Ok(column.rechunk()),
    };
    DataFrame::new(table.height(), table.columns().iter().map(compact).collect::<PolarsResult<_>>()?)
}

/// The same texts, each of which is kept once, as far as it is one view.
fn distinct(texts: &StringChunked) -> PolarsResult<StringChunked> {
    let mut kept: Vec<&str> = Vec::new();
    let mut places: Vec<Option<u32>> = Vec::with_capacity(texts.len());
    for chunk in texts.downcast_iter() {
        let mut known: PlHashMap<u128, u32> = PlHashMap::new();
        let mut last = None;
        for (text, view) in chunk.iter().zip(chunk.views().iter()) {
            let view = view.as_u128();
            let place = text.map(|text| match last {
                Some((same, place)) if same == view => place,
                _ => *known.entry(view).or_insert_with(|| {
                    kept.push(text);
                    u32::try_from(kept.len() - 1).unwrap_or(u32::MAX)
                }),
            });
            last = place.map(|place| (view, place)).or(last);
            places.push(place);
        }
    }
    let kept = StringChunked::from_iter_values(texts.name().clone(), kept.into_iter());
    kept.take(&IdxCa::from_iter_options(texts.name().clone(), places.into_iter()))
}

/// Polars panics where it finds itself wrong, on a sum that overflows, say; that is an error of this one query.
fn broke() -> anyhow::Error {
    anyhow!("the engine broke on this query")
}

/// What Polars has to say of a mistake, without its inner plans, and without "valid columns", which are only those that
/// this query made it read.
fn brief(error: &str) -> &str {
    let mut error = error.lines().next().unwrap_or_default();
    for noise in ["; valid columns:", "; found:"] {
        error = error.split(noise).next().unwrap_or(error);
    }
    error
}

fn frame(schema: &Schema, batches: &[RecordBatch]) -> Result<LazyFrame> {
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    let mut columns = Vec::with_capacity(schema.fields().len());
    for (position, field) in schema.fields().iter().enumerate() {
        let mut chunks: Vec<ArrayRef> = batches.iter().map(|batch| batch.column(position).clone()).collect();
        if chunks.is_empty() {
            chunks.push(arrow::array::new_empty_array(field.data_type()));
        }
        columns.push(series(field.name(), chunks)?.into());
    }
    Ok(DataFrame::new(rows, columns)?.lazy())
}

/// A column of Polars from the same chunks.
fn series(name: &str, chunks: Vec<ArrayRef>) -> Result<Series> {
    let arrays = chunks
        .into_iter()
        .map(|chunk| {
            let chunk = match chunk.data_type() {
                DataType::Dictionary(..) => cast(&chunk, &DataType::Utf8View)?,
                _ => chunk,
            };
            to_polars(&chunk)
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Series::try_from((PlSmallStr::from_str(name), arrays))?)
}

fn batch(frame: &DataFrame) -> Result<RecordBatch> {
    let rows = frame.height();
    let mut fields = Vec::new();
    let mut arrays = Vec::new();
    for column in frame.columns() {
        let series = column.as_materialized_series().rechunk();
        let array = match series.dtype() {
            // A column of nothing but NULL, whose layout the two libraries do not agree on.
            polars::prelude::DataType::Null => new_null_array(&DataType::Utf8View, rows),
            _ => from_polars(series.to_arrow(0, CompatLevel::newest()))?,
        };
        fields.push(Field::new(column.name().as_str(), array.data_type().clone(), true));
        arrays.push(array);
    }
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Schema::new(fields).into(), arrays, &options)?)
}

#[expect(unsafe_code, reason = "Arrow's C data interface is the bridge between two Arrow libraries")]
fn to_polars(array: &ArrayRef) -> Result<polars_arrow::array::ArrayRef> {
    let (array, schema) = arrow::ffi::to_ffi(&array.to_data())?;
    // SAFETY: both types are the structs `ArrowArray` and `ArrowSchema` of the C data interface, laid out by its rules
    // (`repr(C)`, same members); each is moved, so that it is released once, by its new owner.
    let (array, schema) = unsafe {
        (
            std::mem::transmute::<arrow::ffi::FFI_ArrowArray, polars_arrow::ffi::ArrowArray>(array),
            std::mem::transmute::<arrow::ffi::FFI_ArrowSchema, polars_arrow::ffi::ArrowSchema>(schema),
        )
    };
    // SAFETY: schema and array were exported together by arrow, whose exports keep to the interface.
    let array = unsafe {
        let field = polars_arrow::ffi::import_field_from_c(&schema)?;
        polars_arrow::ffi::import_array_from_c(array, field.dtype)?
    };
    Ok(array)
}

#[expect(unsafe_code, reason = "Arrow's C data interface is the bridge between two Arrow libraries")]
fn from_polars(array: polars_arrow::array::ArrayRef) -> Result<ArrayRef> {
    let field = polars_arrow::datatypes::Field::new(PlSmallStr::EMPTY, array.dtype().clone(), true);
    let schema = polars_arrow::ffi::export_field_to_c(&field);
    let array = polars_arrow::ffi::export_array_to_c(array);
    // SAFETY: as in `to_polars`, the other way round.
    let (array, schema) = unsafe {
        (
            std::mem::transmute::<polars_arrow::ffi::ArrowArray, arrow::ffi::FFI_ArrowArray>(array),
            std::mem::transmute::<polars_arrow::ffi::ArrowSchema, arrow::ffi::FFI_ArrowSchema>(schema),
        )
    };
    // SAFETY: schema and array were exported together by Polars, whose exports keep to the interface.
    let data = unsafe { arrow::ffi::from_ffi(array, &schema)? };
    Ok(make_array(data))
}
