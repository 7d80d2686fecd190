//! Lines on their way into a Parquet file.

use std::io::{self, Write};

use anyhow::Result;
use lookback_flow::json::{Decoder, Wants};
use lookback_flow::lines::{CHUNK, Chunk};
use lookback_flow::rows::Projection;
use lookback_flow::segment::{SegmentError, SegmentInfo, SegmentWriter};

/// Takes the lines of an exporter, and writes a file as of an archive.
pub(super) struct ParquetFile<W: Write + Send> {
    file: SegmentWriter<W>,
    decoder: Decoder,
    lines: Vec<u8>,
}

impl<W: Write + Send> ParquetFile<W> {
    /// A file whose rows come in the order of time, or in any.
    pub(super) fn new(out: W, by_time: bool) -> Result<Self, SegmentError> {
        let file = if by_time { SegmentWriter::by_time(out)? } else { SegmentWriter::unordered(out)? };
        let wants = Wants { columns: Projection::all(), ..Wants::default() };
        Ok(Self { file, decoder: Decoder::wanting(wants), lines: Vec::new() })
    }

    fn rows(&mut self) -> io::Result<()> {
        let chunk = Chunk { bytes: std::mem::take(&mut self.lines) };
        let mut bad = None;
        self.decoder.chunk(&chunk, |_, why| bad = Some(why.to_string()));
        if let Some(bad) = bad {
            return Err(io::Error::other(format!("a line that was just written cannot be read: {bad}")));
        }
        let batch = self.decoder.finish().map_err(io::Error::other)?;
        self.file.write(&batch).map_err(io::Error::other)
    }

    /// Writes the rest.
    pub(super) fn finish(mut self) -> Result<()> {
        self.rows()?;
        self.file.finish(&SegmentInfo::default())?;
        Ok(())
    }
}

impl<W: Write + Send> Write for ParquetFile<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lines.extend_from_slice(bytes);
        if self.lines.len() >= CHUNK && bytes.ends_with(b"\n") {
            self.rows()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
