//! Batches that are small on the wire, and large when they are unpacked.

use arrow::array::{DictionaryArray, Int32Array, ListArray, StringArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::Int32Type;

use super::*;

/// One long text, named by each of many rows.
fn bomb(rows: usize, length: usize) -> ArrayRef {
    let values: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(length)]));
    Arc::new(DictionaryArray::<Int32Type>::new(Int32Array::from(vec![0; rows]), values))
}

fn gather(array: ArrayRef, limits: Limits) -> Result<Answer, Bad> {
    let batch = RecordBatch::try_from_iter([("a", array)]).unwrap();
    let mut gathering = Gathering::new(limits, None);
    gathering.check(batch.schema().as_ref())?;
    gathering.push(&batch)?;
    gathering.finish(-1)
}

#[test]
fn a_text_counts_as_often_as_it_is_named() {
    let limits = Limits { rows: 100_000, bytes: 1 << 20 };
    let fits = gather(bomb(100, 1000), limits).unwrap();
    assert_eq!(fits.batches[0].column(0).as_string::<i32>().value(99).len(), 1000);
    // A terabyte, if it were unpacked.
    let bombs: [ArrayRef; 4] = [
        bomb(100_000, 10_000_000),
        {
            let item = Arc::new(Field::new_list_field(bomb(1, 1).data_type().clone(), true));
            Arc::new(ListArray::new(item, OffsetBuffer::from_lengths([100_000]), bomb(100_000, 10_000_000), None))
        },
        {
            let field = Arc::new(Field::new("b", bomb(1, 1).data_type().clone(), true));
            Arc::new(StructArray::from(vec![(field, bomb(100_000, 10_000_000))]))
        },
        {
            let text = "x".repeat(10_000_000);
            let mut views = arrow::array::StringViewBuilder::new().with_deduplicate_strings();
            (0..1000).for_each(|_| views.append_value(&text));
            Arc::new(views.finish())
        },
    ];
    for bomb in bombs {
        let kind = bomb.data_type().clone();
        assert!(matches!(gather(bomb, limits), Err(Bad::TooMuch(_))), "{kind}");
    }
}

#[test]
fn a_dictionary_of_nothing_is_read() {
    let values: ArrayRef = Arc::new(StringArray::from(Vec::<&str>::new()));
    let nothing = DictionaryArray::<Int32Type>::new(Int32Array::from(vec![None, None]), values);
    let answer = gather(Arc::new(nothing), Limits::default()).unwrap();
    assert_eq!(answer.batches[0].column(0).null_count(), 2);
}

#[test]
fn a_nested_dictionary_is_unpacked() {
    let item = Arc::new(Field::new_list_field(bomb(1, 1).data_type().clone(), false));
    let list = ListArray::new(item, OffsetBuffer::from_lengths([2, 1]), bomb(3, 2), None);
    let answer = gather(Arc::new(list), Limits::default()).unwrap();
    let list = answer.batches[0].column(0).as_list::<i32>();
    assert_eq!(list.value(0).as_string::<i32>().value(1), "xx");
}
