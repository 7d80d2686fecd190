//! `lookback import`: logs, or what a live Hubble tells, into an archive.

mod live;

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use indicatif::ProgressBar;
use lookback_flow::archive::ArchiveWriter;
use lookback_flow::archive::content::{
    Content, ContentHasher, Known, Passed, Watched, beginning_sha256, compare, file_sha256,
};
use lookback_flow::archive::disorder::Disorder;
use lookback_flow::archive::journal::ImportedInput;
use lookback_flow::inputs::{Found, Input, find};
use lookback_flow::json::Wants;
use lookback_flow::lines;
use lookback_flow::rows::{Projection, whole};
use lookback_flow::segment::{Origin, SegmentFile, Wanted};
use lookback_flow::store;

use crate::cli;
use crate::read::{self, Opened, Options, Reader};
use crate::render::{grouped, plural, rejected, terminal};
use crate::seen::Seen;
use crate::session::Outcome;

/// Imports, and says what came of it.
pub(crate) fn run(args: &cli::Import) -> Result<Outcome> {
    if args.server.address.is_some() {
        return live::run(args);
    }
    let found = find(&args.inputs)?;
    let mut options = Options::new(&args.lines, &found)?;
    let root = tidy(&args.output);
    let told = import(&found, root, args.again, &mut options)?;
    if !args.quiet {
        told.write(&found, root)?;
    }
    Ok(Outcome::Answered)
}

/// The archive's place, as its inputs are called, too.
fn tidy(root: &Path) -> &Path {
    match root.to_str() {
        Some(address) if store::is_remote(root) => Path::new(store::tidy(address)),
        _ => root,
    }
}

/// What an import did.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Logs that were read, or what was new in them.
    pub read: Vec<Origin>,
    /// Logs that were there already.
    pub skipped: Vec<String>,
    /// Logs of which a part was there already.
    pub grown: u64,
    pub rows: u64,
    pub bytes: u64,
    pub files: u64,
    /// Bytes of the logs that were read, decompressed.
    pub content: u64,
    /// Files that a later version wrote.
    pub newer: u64,
    /// Lines so far.
    seen: Seen,
}

/// Writes what was found into an archive.
pub(crate) fn import(found: &Found, root: &Path, again: bool, options: &mut Options) -> Result<Told> {
    let mut writer = ArchiveWriter::open(root)?;
    let mut told = Told::default();
    let inputs = files(found, root)?;
    let bytes = inputs.iter().map(|input| if let Input::File(path) = input { read::size(path) } else { 0 }).sum();
    let progress = read::progress("importing", bytes, options.progress);
    let columns = Projection::all();
    let mut reader = Reader::new(Wants { columns, ..Wants::default() });
    for input in &inputs {
        let log = Log { input, again, progress: &progress };
        log.import(&mut reader, &mut writer, &mut told, options)?;
    }
    writer.commit()?;
    progress.finish_and_clear();
    options.flush()?;
    (told.rows, told.bytes, told.files) = (writer.done.rows, writer.done.bytes, writer.done.files);
    Ok(told)
}

/// The inputs, with the files of archives one by one; without the archive that is written, which may be in a folder that is
/// read.
fn files(found: &Found, root: &Path) -> Result<Vec<Input>> {
    let place = |root: &Path| if store::is_remote(root) { Some(root.to_owned()) } else { fs::canonicalize(root).ok() };
    let own = place(root);
    let is_own = |input: &&Input| matches!(input, Input::Archive(archive) if place(&archive.root) == own);
    read::files(found.inputs.iter().filter(|input| !is_own(input)))
}

/// One input on its way into an archive.
struct Log<'a> {
    input: &'a Input,
    again: bool,
    progress: &'a ProgressBar,
}

impl Log<'_> {
    fn import(
        &self,
        reader: &mut Reader,
        writer: &mut ArchiveWriter,
        told: &mut Told,
        options: &mut Options,
    ) -> Result<()> {
        let mut origin = Origin { name: self.input.name(), ..Origin::default() };
        let mut passed = None;
        let opened = read::open(self.input, |source, content| {
            let source = self.progress.wrap_read(source);
            // The content of a plain log is hashed anyway, and is all that there is.
            let (source, watch) = match self.input {
                Input::File(path) if content == Some(lines::Content::Text) && path.is_file() => {
                    Watched::counted(source)
                }
                _ => Watched::hashed(source),
            };
            passed = Some(watch);
            source
        })?;
        let mut all = None;
        let content = match opened {
            Opened::Parquet(path) => return self.parquet(&path, writer, told, options),
            Opened::Broken(why) => {
                origin.broken = Some(why);
                None
            }
            Opened::Lines(mut chunks) => {
                let known = self.known(writer)?;
                if known == Known::All {
                    self.skip(told);
                    return Ok(());
                }
                let mut hasher = ContentHasher::default();
                if let Known::Beginning(before) = known {
                    let mut same = false;
                    let passed = chunks.pass_over(before.bytes, |bytes| {
                        hasher.update(bytes);
                        same |= hasher.is(&before);
                    });
                    passed.with_context(|| format!("{}: cannot read it", origin.name))?;
                    if !same {
                        bail!("{}: it changed while it was read; run the import again", origin.name);
                    }
                    told.grown += 1;
                }
                let before = hasher.clone().finish().bytes;
                writer.begin_input(&origin.name);
                let mut disorder = Disorder::default();
                let mut repeated = 0;
                reader.lines(chunks, &mut origin, options, |chunk, decoded| {
                    repeated += told.seen.see(decoded.hashes);
                    hasher.chunk(chunk, decoded.torn);
                    disorder.see(&decoded.batch);
                    Ok(writer.add_lines(&decoded.batch, chunk.bytes.len())?)
                })?;
                all = Some(hasher.all());
                (origin.disordered, origin.furthest_back_ns) = (disorder.lines, disorder.furthest_back_ns);
                origin.repeated = repeated;
                let content = hasher.finish();
                told.content += content.bytes - before;
                Some(content)
            }
        };
        options.told(&origin)?;
        if let Some(passed) = passed {
            origin.sha256 = self.sha256(&passed, all)?;
        }
        end(writer, told, vec![origin], content)
    }

    /// The hash of what was read, of which `all` has come through, with its hash.
    fn sha256(&self, passed: &Passed, all: Option<(u64, String)>) -> Result<String> {
        match (passed.sha256(), all, self.input) {
            (Some(hash), ..) => Ok(hash),
            (None, Some((bytes, hash)), _) if bytes == passed.bytes() => Ok(hash),
            // Not all has: a line was too long.
            (None, _, Input::File(path)) => beginning_sha256(path, passed.bytes())
                .with_context(|| format!("{}: cannot read it again", path.display())),
            (None, ..) => Ok(String::new()),
        }
    }

    /// How much of the log is in the archive. What can be read but once cannot be compared beforehand.
    fn known(&self, writer: &ArchiveWriter) -> Result<Known> {
        match self.input {
            Input::File(path) if !self.again && path.is_file() => {
                compare(path, |head| writer.known(head)).with_context(|| format!("{}: cannot read it", path.display()))
            }
            _ => Ok(Known::No),
        }
    }

    fn skip(&self, told: &mut Told) {
        if let Input::File(path) = self.input {
            self.progress.inc(read::size(path));
        }
        told.skipped.push(self.input.name());
    }

    /// A file of another archive, or a recorder's: known by its hash, and told of as what it was made from.
    fn parquet(&self, path: &Path, writer: &mut ArchiveWriter, told: &mut Told, options: &Options) -> Result<()> {
        let mut origin = Origin { name: self.input.name(), ..Origin::default() };
        let sha256 = file_sha256(path).with_context(|| format!("{}: cannot read it", origin.name))?;
        if !self.again && !writer.known(&sha256).is_empty() {
            self.skip(told);
            return Ok(());
        }
        writer.begin_input(&origin.name);
        let mut made_from = Vec::new();
        let read = SegmentFile::open(path).map_err(anyhow::Error::from).and_then(|mut file| {
            told.newer += u64::from(file.info.is_newer());
            made_from = std::mem::take(&mut file.info.origins);
            for batch in file.read(&Projection::all(), &Wanted::default(), None)? {
                let batch = whole(&batch?)?;
                origin.lines += batch.num_rows() as u64;
                writer.add(&batch)?;
            }
            Ok(())
        });
        if let Err(error) = read {
            // An error of the archive that is written is none of this file.
            if error.is::<lookback_flow::archive::ArchiveError>() {
                return Err(error);
            }
            if read::is_away(&error) {
                return Err(error.context(self.input.name()));
            }
            origin.broken = Some(error.to_string());
        }
        options.told(&origin)?;
        origin.sha256.clone_from(&sha256);
        let content = Content { head_sha256: sha256.clone(), bytes: read::size(path), sha256 };
        self.progress.inc(read::size(path));
        if made_from.is_empty() || origin.broken.is_some() {
            made_from = vec![origin];
        }
        end(writer, told, made_from, Some(content))
    }
}

fn end(writer: &mut ArchiveWriter, told: &mut Told, origins: Vec<Origin>, content: Option<Content>) -> Result<()> {
    told.read.extend(origins.iter().cloned());
    Ok(writer.end_input(ImportedInput { origins, content })?)
}

/// The word about files of a later version.
pub(crate) fn newer(files: u64) -> String {
    format!(
        "{files} {} written by a later version of Lookback: what it added is left out",
        plural(files, "file was", "files were")
    )
}

/// Most logs that are told of one by one.
const MOST: usize = 8;

impl Told {
    /// Says it, on standard error: there is no answer.
    fn write(&self, found: &Found, root: &Path) -> Result<()> {
        let mut err = io::stderr().lock();
        let mut line = |heading: &str, text: &str| writeln!(err, "{heading:<8}{}", terminal(text));
        let lines: u64 = self.read.iter().map(|origin| origin.lines).sum();
        let logs = self.read.len();
        let mut read = format!("{} lines of {logs} {}", grouped(lines.into()), plural(logs as u64, "log", "logs"));
        if self.grown > 0 {
            read = format!("{read}, {} of which only what is new", self.grown);
        }
        read = format!("{read}, {}", rejected(&self.read, "(--rejects FILE keeps them)"));
        line("read", &read)?;
        for name in self.skipped.iter().take(MOST) {
            line("known", &format!("{name}: is in the archive already"))?;
        }
        if let Some(more) = self.skipped.len().checked_sub(MOST).filter(|more| *more > 0) {
            line("known", &format!("and {more} more"))?;
        }
        for (path, why) in &found.passed_over {
            line("skipped", &format!("{}: {why}", path.display()))?;
        }
        for origin in &self.read {
            if let Some(why) = &origin.broken {
                line("warning", &format!("{}: {why}", origin.name))?;
            }
        }
        let repeated: u64 = self.read.iter().map(|origin| origin.repeated).sum();
        if repeated > 0 {
            let repeated = grouped(repeated.into());
            line(
                "warning",
                &format!("{repeated} lines stand in the logs more than once, and in the archive as often"),
            )?;
        }
        if self.newer > 0 {
            line("warning", &newer(self.newer))?;
        }
        let files = plural(self.files, "file", "files");
        let mut wrote =
            format!("{} rows in {} new {files} in {}", grouped(self.rows.into()), self.files, root.display());
        if self.rows > 0 && self.content > 0 {
            let each = self.bytes / self.rows;
            let times = (self.content / self.bytes.max(1)).max(1);
            wrote = format!("{wrote}: {} bytes, {each} a row, 1/{times} of the logs", grouped(self.bytes.into()));
        }
        Ok(line("wrote", &wrote)?)
    }
}
