//! `lookback export`: the lines again, in the order of time.
//!
//! Archives are merged as they are. Logs are first imported into an archive of their own, beside the temporary files, so
//! that memory is bounded whatever their size.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use lookback_flow::archive::Archive;
use lookback_flow::archive::merge::write_lines;
use lookback_flow::inputs::{Found, Input, find};

use crate::cli;
use crate::import::{import, newer};
use crate::load::extent;
use crate::read::{self, Options};
use crate::render::{grouped, rejected, terminal};
use crate::session::Outcome;

/// Writes the lines.
pub(crate) fn run(args: &cli::Export) -> Result<Outcome> {
    args.window.asked().check()?;
    let found = find(&args.inputs)?;
    let mut options = Options::new(&args.lines, &found)?;
    let folder;
    let (mut newer_files, mut bad) = (0, String::new());
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
            newer_files = told.newer;
            bad = format!(", {}", rejected(&told.read, "(--rejects FILE keeps them)"));
            Archive::new(root)
        }
    };
    let window = args.window.within(extent(&archive)?)?;
    let target = args.output.as_deref().map(|path| Target::new(path, &found)).transpose()?;
    let mut out = output(target.as_ref())?;
    let progress = read::progress("exporting", 0, options.progress && target.is_some());
    let written = write_lines(&archive, window, &mut out, |lines| progress.set_position(lines))?;
    progress.finish_and_clear();
    out.finish()?;
    if let Some(target) = target {
        target.complete()?;
    }
    newer_files += written.newer;
    if newer_files > 0 {
        eprintln!("warning {}", newer(newer_files));
    }
    if !args.quiet {
        eprintln!("wrote   {} lines{bad}", grouped(written.lines.into()));
    }
    Ok(Outcome::Answered)
}

/// A file that lines go to: written beside, so that it is there whole or as it was. What is no file, such as a pipe, is
/// written to as it is.
struct Target {
    path: PathBuf,
    unfinished: Option<PathBuf>,
}

impl Target {
    fn new(path: &Path, found: &Found) -> Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = path.file_name().with_context(|| format!("{}: not the name of a file", path.display()))?;
        let folder = fs::canonicalize(folder).with_context(|| folder.display().to_string())?;
        if found.inputs.iter().any(|input| input.is(&folder.join(name))) {
            bail!("{}: is an input, or within one; the lines would be written over it", path.display());
        }
        let is_plain = fs::metadata(path).map_or(true, |metadata| metadata.is_file());
        let unfinished = is_plain.then(|| folder.join(format!(".{}.tmp", name.display())));
        Ok(Self { path: path.to_owned(), unfinished })
    }

    fn complete(mut self) -> Result<()> {
        match self.unfinished.take() {
            Some(unfinished) => fs::rename(unfinished, &self.path).with_context(|| self.path.display().to_string()),
            None => Ok(()),
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // What was not completed is none.
        let _ = self.unfinished.as_ref().map(fs::remove_file);
    }
}

/// Where lines go.
enum Output {
    /// Lines are harmless to it, though no longer byte for byte.
    Terminal(io::Stdout),
    Plain(Box<dyn Write>),
    Gzip(flate2::write::GzEncoder<BufWriter<File>>),
    Zstd(zstd::Encoder<'static, BufWriter<File>>),
}

fn output(target: Option<&Target>) -> Result<Output> {
    let Some(Target { path, unfinished }) = target else {
        if io::stdout().is_terminal() {
            return Ok(Output::Terminal(io::stdout()));
        }
        return Ok(Output::Plain(Box::new(BufWriter::new(io::stdout()))));
    };
    let file = File::create(unfinished.as_ref().unwrap_or(path))
        .with_context(|| format!("{}: cannot write the lines there", path.display()))?;
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
