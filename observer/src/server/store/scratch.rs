//! Logs and foreign Parquet files → an archive, whose files are in order.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use arrow::array::{RecordBatch, new_null_array};
use lookback_flow::archive::journal::ImportedInput;
use lookback_flow::archive::{Archive, ArchiveError, ArchiveWriter};
use lookback_flow::inputs::Input;
use lookback_flow::json::Decoder;
use lookback_flow::lines::{Chunks, Content, sniff};
use lookback_flow::rows::Projection;
use lookback_flow::schema::SCHEMA;
use lookback_flow::segment::{Origin, SegmentFile, Wanted};

use super::StoreError;

/// Makes an archive of inputs, and tells what was read and rejected.
pub(super) fn ordered(inputs: &[&Input], root: &Path) -> Result<(Archive, Vec<Origin>), StoreError> {
    let mut writer = ArchiveWriter::open(root)?;
    let mut decoder = Decoder::new(Projection::all());
    let mut read = Vec::new();
    for input in inputs {
        let mut origin = Origin { name: input.name(), ..Origin::default() };
        writer.begin_input(&origin.name);
        let failed = |error| StoreError::Input { input: input.name(), error };
        let chunks = match input {
            Input::File(path) => {
                let mut start = Vec::new();
                let mut file = File::open(path).map_err(failed)?;
                (&mut file).take(8).read_to_end(&mut start).map_err(failed)?;
                if sniff(&start) == Content::Parquet {
                    parquet(path, &mut writer, &mut origin)?;
                    None
                } else {
                    // Not rewound: a pipe cannot be.
                    Some(Chunks::new(io::Cursor::new(start).chain(file)))
                }
            }
            Input::Stdin => Some(Chunks::new(io::stdin())),
            Input::Archive(_) => None,
        };
        if let Some(chunks) = chunks {
            match chunks {
                Ok(chunks) => lines(chunks, &mut decoder, &mut writer, &mut origin)?,
                Err(error) => origin.broken = Some(error.to_string()),
            }
        }
        writer.end_input(ImportedInput { origins: vec![origin.clone()], content: None })?;
        read.push(origin);
    }
    writer.commit()?;
    let archive = Archive::new(root.to_owned());
    Ok((archive, read))
}

fn lines(
    mut chunks: Chunks,
    decoder: &mut Decoder,
    writer: &mut ArchiveWriter,
    origin: &mut Origin,
) -> Result<(), StoreError> {
    loop {
        let chunk = match chunks.next_chunk() {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return Ok(()),
            Err(error) => {
                origin.broken = Some(error.to_string());
                return Ok(());
            }
        };
        let mut bad = Vec::new();
        origin.lines += decoder.chunk(&chunk, |_, error| bad.push(error.reason()));
        bad.extend(decoder.end().err().map(|error| error.reason()));
        for reason in bad {
            *origin.rejected.entry(reason.to_owned()).or_insert(0) += 1;
        }
        origin.oddities.merge(decoder.oddities());
        // Nobody asks for them here.
        drop(decoder.hashes());
        writer.add_lines(&decoder.finish_packed()?, chunk.bytes.len())?;
        chunks.reuse(chunk);
    }
}

/// What can be read of a Parquet file.
fn parquet(path: &Path, writer: &mut ArchiveWriter, origin: &mut Origin) -> Result<(), ArchiveError> {
    let batches = SegmentFile::open(path).and_then(|file| file.read(&Projection::all(), &Wanted::default(), None));
    let batches = match batches {
        Ok(batches) => batches,
        Err(error) => {
            origin.broken = Some(error.to_string());
            return Ok(());
        }
    };
    for batch in batches {
        match batch.and_then(|batch| Ok(whole(&batch)?)) {
            Ok(batch) => {
                origin.lines += batch.num_rows() as u64;
                writer.add(&batch)?;
            }
            Err(error) => {
                origin.broken = Some(error.to_string());
                return Ok(());
            }
        }
    }
    Ok(())
}

/// A batch with every stored column, those that it lacks as NULL.
fn whole(batch: &RecordBatch) -> Result<RecordBatch, arrow::error::ArrowError> {
    let columns = SCHEMA.arrow.fields().iter().map(|field| match batch.column_by_name(field.name()) {
        Some(array) => array.clone(),
        None => new_null_array(field.data_type(), batch.num_rows()),
    });
    RecordBatch::try_new(SCHEMA.arrow.clone(), columns.collect())
}
