//! `lookback export`: the lines again, in the order of time.
//!
//! Archives are merged as they are. Logs are first imported into an archive of their own, beside the temporary files, so
//! that memory is bounded whatever their size.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use lookback_flow::archive::Archive;
use lookback_flow::archive::merge::write_lines;
use lookback_flow::inputs::{Found, Input, find};

use crate::cli;
use crate::import::import;
use crate::load::extent;
use crate::read::{self, Options};
use crate::render::{grouped, terminal};
use crate::session::Outcome;

/// Writes the lines.
pub(crate) fn run(args: &cli::Export) -> Result<Outcome> {
    args.window.asked().check()?;
    let found = find(&args.inputs)?;
    let mut options = Options::new(&args.lines, &found)?;
    let folder;
    let archive = match found.inputs.as_slice() {
        [Input::Archive(archive)] => archive.clone(),
        _ => {
            folder = tempfile::tempdir().context("cannot make a folder for temporary files")?;
            let root = folder.path().join("archive");
            let told = import(&Found { inputs: found.inputs.clone(), ..Found::default() }, &root, true, &mut options)?;
            for origin in &told.read {
                if let Some(why) = &origin.broken {
                    eprintln!("warning {}: {why}", terminal(&origin.name));
                }
            }
            Archive { root }
        }
    };
    let window = args.window.within(extent(&archive)?)?;
    let mut out = output(args.output.as_deref(), &found)?;
    let progress = read::progress("exporting", 0, options.progress && args.output.is_some());
    let written = write_lines(&archive, window, &mut out, |lines| progress.set_position(lines))?;
    progress.finish_and_clear();
    out.finish()?;
    if !args.quiet {
        eprintln!("wrote   {} lines", grouped(written.into()));
    }
    Ok(Outcome::Answered)
}

/// Where lines go.
enum Output {
    /// Lines are harmless to it, though no longer byte for byte.
    Terminal(io::Stdout),
    Plain(Box<dyn Write>),
    Gzip(flate2::write::GzEncoder<BufWriter<File>>),
    Zstd(zstd::Encoder<'static, BufWriter<File>>),
}

fn output(path: Option<&Path>, found: &Found) -> Result<Output> {
    let Some(path) = path else {
        if io::stdout().is_terminal() {
            return Ok(Output::Terminal(io::stdout()));
        }
        return Ok(Output::Plain(Box::new(BufWriter::new(io::stdout()))));
    };
    if std::fs::canonicalize(path).is_ok_and(|target| found.inputs.iter().any(|input| input.is(&target))) {
        bail!("{}: is an input; the lines would be written over it", path.display());
    }
    let file = File::create(path).with_context(|| format!("{}: cannot write the lines there", path.display()))?;
    let file = BufWriter::with_capacity(1 << 20, file);
    Ok(match path.extension().and_then(|ending| ending.to_str()) {
        Some("gz") => Output::Gzip(flate2::write::GzEncoder::new(file, flate2::Compression::default())),
        Some("zst") => Output::Zstd(zstd::Encoder::new(file, 3)?),
        _ => Output::Plain(Box::new(file)),
    })
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Terminal(out) => {
                // Lines come whole.
                let line = String::from_utf8_lossy(bytes);
                writeln!(out, "{}", terminal(line.trim_end_matches('\n')))?;
                Ok(bytes.len())
            }
            Self::Plain(out) => out.write(bytes),
            Self::Gzip(out) => out.write(bytes),
            Self::Zstd(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Terminal(out) => out.flush(),
            Self::Plain(out) => out.flush(),
            Self::Gzip(out) => out.flush(),
            Self::Zstd(out) => out.flush(),
        }
    }
}

impl Output {
    fn finish(self) -> io::Result<()> {
        match self {
            Self::Terminal(mut out) => out.flush(),
            Self::Plain(mut out) => out.flush(),
            Self::Gzip(out) => out.finish()?.flush(),
            Self::Zstd(out) => out.finish()?.flush(),
        }
    }
}
