//! What the scenarios share about files.

use std::io::Write as _;

use anyhow::Result;
use flate2::{Compression, GzBuilder};

use super::Files;

pub(crate) fn put(files: &mut Files, path: &str, bytes: Vec<u8>) {
    files.insert(path.to_owned(), bytes);
}

/// One gzip member without a time or a name in it, so that it is the same whenever it is made.
pub(crate) fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut gz = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
    gz.write_all(bytes)?;
    Ok(gz.finish()?)
}
