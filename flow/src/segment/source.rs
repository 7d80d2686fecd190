//! The bytes of a file: on this machine, or in object storage.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};

use super::SegmentError;
use crate::archive::replaced;
use crate::store::{self, Blob, BlobReader};

/// Bytes that are asked for at once where it is not known how many follow.
const AHEAD: u64 = 64 << 10;

/// Where the bytes are.
#[derive(Debug)]
pub(super) enum Source {
    File(File),
    Far(Arc<Far>),
}

/// A file in object storage.
#[derive(Debug)]
pub(super) struct Far {
    blob: Arc<dyn Blob>,
    /// Why it could not be reached the first time that it was not.
    failed: OnceLock<String>,
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self, SegmentError> {
        if !store::is_remote(path) {
            return Ok(Self::File(replaced::open(path)?));
        }
        let blob = store::store().and_then(|store| store.open(path)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => SegmentError::Io(error),
            _ => SegmentError::Away(error.to_string()),
        })?;
        Ok(Self::Far(Arc::new(Far { blob, failed: OnceLock::new() })))
    }

    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::File(file) => Self::File(file.try_clone()?),
            Self::Far(far) => Self::Far(Arc::clone(far)),
        })
    }

    /// Whether it pays to say beforehand what will be read.
    pub(super) fn is_far(&self) -> bool {
        matches!(self, Self::Far(_))
    }

    /// These ranges will be read now.
    pub(super) fn soon(&self, ranges: &[Range<u64>]) -> Result<(), SegmentError> {
        match self {
            Self::File(_) => Ok(()),
            Self::Far(far) => far.kept(far.blob.soon(ranges)).map_err(|error| SegmentError::Away(error.to_string())),
        }
    }

    /// An error of reading: where the file could not be reached, that, whatever a reader made of it.
    pub(super) fn told(&self, error: SegmentError) -> SegmentError {
        match self {
            Self::Far(far) => far.failed.get().map_or(error, |why| SegmentError::Away(why.clone())),
            Self::File(_) => error,
        }
    }
}

impl Far {
    fn kept<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| {
            let _ = self.failed.set(error.to_string());
        })
    }
}

impl Length for Source {
    fn len(&self) -> u64 {
        match self {
            Self::File(file) => Length::len(file),
            Self::Far(far) => far.blob.size(),
        }
    }
}

impl ChunkReader for Source {
    type T = SourceReader;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(match self {
            Self::File(file) => SourceReader::File(file.get_read(start)?),
            Self::Far(far) => SourceReader::Far(Arc::clone(far), BlobReader::new(Arc::clone(&far.blob), start, AHEAD)),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        match self {
            Self::File(file) => file.get_bytes(start, length),
            Self::Far(far) => {
                let end = start.checked_add(length as u64).filter(|end| *end <= far.blob.size());
                let end = end.ok_or_else(|| ParquetError::EOF(format!("it ends before byte {start} + {length}")))?;
                Ok(far.kept(far.blob.read(start..end))?)
            }
        }
    }
}

/// Bytes from a place on.
#[derive(Debug)]
pub(super) enum SourceReader {
    File(BufReader<File>),
    Far(Arc<Far>, BlobReader),
}

impl Read for SourceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Far(far, reader) => far.kept(reader.read(buffer)),
        }
    }
}
