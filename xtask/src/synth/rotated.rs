//! A log that is rotated as the exporter's lumberjack does it (facts: `events.log`, `events-<time>.log[.gz]`).

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use flate2::{Compression, GzBuilder};

use crate::exporter_line::{Nanos, rfc3339};

pub(super) struct RotatedLog {
    folder: PathBuf,
    file: BufWriter<File>,
    size: u64,
    max_size: u64,
    compress: bool,
}

const BUFFER: usize = 1 << 20;

impl RotatedLog {
    pub(super) fn create(folder: PathBuf, max_size: u64, compress: bool) -> Result<Self> {
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let file = active(&folder)?;
        Ok(Self { folder, file, size: 0, max_size, compress })
    }

    /// Appends a line, in a new file if the old one would grow too large; `time` is the clock's.
    pub(super) fn write(&mut self, line: &[u8], time: Nanos) -> Result<()> {
        let length = u64::try_from(line.len())?;
        if self.size + length > self.max_size && self.size > 0 {
            self.rotate(time)?;
        }
        self.size += length;
        self.file.write_all(line).with_context(|| format!("writing to {}", self.folder.display()))
    }

    pub(super) fn finish(mut self) -> Result<()> {
        self.file.flush().with_context(|| format!("writing to {}", self.folder.display()))
    }

    fn rotate(&mut self, time: Nanos) -> Result<()> {
        self.file.flush()?;
        let backup = self.folder.join(format!("events-{}.log", backup_time(time)));
        fs::rename(self.folder.join("events.log"), &backup)?;
        self.file = active(&self.folder)?;
        self.size = 0;
        if self.compress {
            compress(&backup).with_context(|| format!("compressing {}", backup.display()))?;
        }
        Ok(())
    }
}

fn active(folder: &Path) -> Result<BufWriter<File>> {
    let path = folder.join("events.log");
    let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    Ok(BufWriter::with_capacity(BUFFER, file))
}

fn compress(backup: &Path) -> Result<()> {
    let compressed = backup.with_extension("log.gz");
    let mut gz = GzBuilder::new().mtime(0).write(BufWriter::new(File::create(compressed)?), Compression::default());
    std::io::copy(&mut BufReader::with_capacity(BUFFER, File::open(backup)?), &mut gz)?;
    gz.finish()?.flush()?;
    fs::remove_file(backup)?;
    Ok(())
}

/// The time in a backup's name: milliseconds, and dashes where a file system may not like colons.
fn backup_time(time: Nanos) -> String {
    const SECOND: Nanos = 1_000_000_000;
    let mut text = Vec::new();
    rfc3339(&mut text, time / SECOND * SECOND);
    let text = String::from_utf8_lossy(&text).trim_end_matches('Z').replace(':', "-");
    format!("{text}.{:03}", time % SECOND / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::backup_time;

    #[test]
    fn names_are_those_of_lumberjack() {
        assert_eq!(backup_time(1_772_359_200_123_999_999), "2026-03-01T10-00-00.123");
        assert_eq!(backup_time(1_772_359_200_000_000_000), "2026-03-01T10-00-00.000");
    }
}
