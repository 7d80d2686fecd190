//! A batch with a small number for each value, so that rows can be told apart without reading texts.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, DictionaryArray, RecordBatch, StructArray};
use arrow::datatypes::{DataType, Int32Type};
use lookback_flow::columns::ColumnId;
use lookback_flow::dictionary::hasher;
use lookback_flow::view::{View, WrongType};

/// The code of NULL.
const NULL: u64 = u64::MAX;

/// Added to numbers, so that none is negative: none of the columns that handlers read has more than 32 bits.
const OFFSET: i128 = 1 << 32;

/// The step of a row without a time.
const UNTIMED: i64 = i64::MIN;

/// Numbers that stand for the values of a column, equal where the values are.
#[derive(Debug)]
enum Codes<'a> {
    Absent,
    Dictionary(&'a DictionaryArray<Int32Type>),
    Numbers,
    /// Made for this batch, by row.
    Own(Vec<u64>),
}

/// The codes of one column of a batch.
#[derive(Debug)]
pub(crate) struct Coded<'a, 'b> {
    id: ColumnId,
    codes: &'b Codes<'a>,
    view: &'b View<'a>,
}

impl Coded<'_, '_> {
    #[inline]
    pub(crate) fn get(&self, row: usize) -> u64 {
        match self.codes {
            Codes::Absent => NULL,
            Codes::Dictionary(numbered) => {
                let keys = numbered.keys();
                let key = keys.is_valid(row).then(|| u64::try_from(keys.value(row)).ok());
                key.flatten().unwrap_or(NULL)
            }
            Codes::Numbers => {
                self.view.number(self.id, row).and_then(|n| u64::try_from(n + OFFSET).ok()).unwrap_or(NULL)
            }
            Codes::Own(codes) => codes.get(row).copied().unwrap_or(NULL),
        }
    }

    /// The code as a position, if the codes of the column are small.
    #[inline]
    pub(crate) fn position(&self, row: usize) -> Option<usize> {
        usize::try_from(self.get(row)).ok().filter(|at| *at != usize::MAX)
    }
}

#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub view: View<'a>,
    columns: HashMap<ColumnId, Codes<'a>, ahash::RandomState>,
    times: Vec<i64>,
    steps: Vec<i64>,
}

impl<'a> Batch<'a> {
    /// A batch with codes for these columns, its rows sorted into steps.
    pub(crate) fn new(
        batch: &'a RecordBatch,
        columns: impl IntoIterator<Item = ColumnId>,
        step_ns: i64,
    ) -> Result<Self, WrongType> {
        let view = View::new(batch)?;
        let mut coded = HashMap::with_hasher(hasher());
        for id in columns {
            coded.entry(id).or_insert_with(|| codes(batch, &view, id));
        }
        let time = ColumnId::known("time");
        let time_of = |row| view.number(time, row).and_then(|time| i64::try_from(time).ok());
        let times: Vec<Option<i64>> = (0..batch.num_rows()).map(time_of).collect();
        let steps = times.iter().map(|time| time.map_or(UNTIMED, |time| time.div_euclid(step_ns))).collect();
        let times = times.into_iter().map(Option::unwrap_or_default).collect();
        Ok(Self { view, columns: coded, times, steps })
    }

    pub(crate) fn coded(&self, id: ColumnId) -> Coded<'a, '_> {
        Coded { id, codes: self.columns.get(&id).unwrap_or(&Codes::Absent), view: &self.view }
    }

    /// The steps of the rows, in their order; `None` for a row without a time.
    pub(crate) fn steps(&self) -> impl Iterator<Item = Option<i64>> {
        self.steps.iter().map(|step| (*step != UNTIMED).then_some(*step))
    }

    pub(crate) fn time_ns(&self, row: usize) -> i64 {
        self.times.get(row).copied().unwrap_or_default()
    }
}

fn codes<'a>(batch: &'a RecordBatch, view: &View<'a>, id: ColumnId) -> Codes<'a> {
    let Some(array) = batch.column_by_name(id.column().name) else { return Codes::Absent };
    if let Some(numbered) = array.as_dictionary_opt::<Int32Type>() {
        return Codes::Dictionary(numbered);
    }
    if !matches!(array.data_type(), DataType::Utf8 | DataType::List(_)) {
        return Codes::Numbers;
    }
    let mut known: HashMap<String, u64, ahash::RandomState> = HashMap::with_hasher(hasher());
    let mut content = String::new();
    let code_of = |row| {
        if array.is_null(row) {
            return NULL;
        }
        content.clear();
        write_value(view, id, row, &mut content);
        match known.get(&content) {
            Some(code) => *code,
            None => {
                let code = known.len() as u64;
                known.insert(content.clone(), code);
                code
            }
        }
    };
    Codes::Own((0..batch.num_rows()).map(code_of).collect())
}

/// What tells a value from others, of texts and lists.
fn write_value(view: &View<'_>, id: ColumnId, row: usize, out: &mut String) {
    if let Some(text) = view.text(id, row) {
        return out.push_str(text);
    }
    let mut item = |text: Option<&str>| {
        let text = text.unwrap_or_default();
        out.push_str(&text.len().to_string());
        out.push(':');
        out.push_str(text);
    };
    if let Some(texts) = view.texts(id, row) {
        return texts.iter().for_each(item);
    }
    let structs = view.structs(id, row);
    for column in structs.iter().flat_map(StructArray::columns) {
        column.as_string_opt::<i32>().into_iter().flatten().for_each(&mut item);
    }
}
