//! Parquet files ↔ rows.
//!
//! Promises:
//! 1. The way there and back is lossless: a line that went in through a row comes out of the file as the same row.
//! 2. A file tells of itself all that a batch's evidence needs: who wrote it, from which inputs, what they lost, what it
//!    covers ([`SegmentInfo`]).
//! 3. A column that a file lacks reads as NULL; one that this version does not know is passed over, and told.
//! 4. A file with wrong bytes is an error, or gives wrong rows, and never a panic.
//! 5. Of a file only what may hold what is wanted is read ([`Wanted`]): row groups by statistics and bloom filters, rows by
//!    the page index.

mod filter;
mod info;
mod layout;
mod needle;
mod prune;
mod reach;
mod read;
mod source;
mod write;

use arrow::error::ArrowError;
use parquet::errors::ParquetError;

pub use filter::RowTest;
pub use info::{Origin, SegmentInfo};
pub use layout::COLUMNS_OF_FILE;
pub use needle::{Clause, Needle, Pattern};
pub use prune::Wanted;
pub use read::{Form, Reading, SegmentFile, SegmentReader, Skipped};
pub use write::SegmentWriter;

/// Version of the files that are written: it grows when a column comes, or is stored otherwise.
///
/// | version | what |
/// |---|---|
/// | 1 | every stored column as in a batch |
/// | 2 | `uuid` as 16 bytes beside `uuid_text`, [`SegmentInfo`] in the metadata |
pub const VERSION: u32 = 2;

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A file in object storage that could not be reached: what is in it is not known, and may not be left out.
    #[error("{0}")]
    Away(String),
    #[error("its bytes make no sense: {0}")]
    Broken(String),
    #[error("not an archive of flows: it has no column `time` or `kind`")]
    NotFlows,
}
