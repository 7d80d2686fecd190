//! `lookback archive compact` and `expire`: fewer files, and no older ones than are wanted.

use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use chrono::Utc;
use lookback_flow::archive::compact::{self, Compacted, Group};
use lookback_flow::archive::expire::{self, Expired, Retention};
use lookback_flow::archive::{Archive, ArchiveError, replaced};
use lookback_flow::store;
use lookback_flow::time::rfc3339;
use lookback_question::window::duration;

use crate::cli::{self, RelativeTo};
use crate::load::extent;
use crate::read;
use crate::render::{grouped, plural, terminal};
use crate::session::Outcome;

/// Merges small files.
pub(crate) fn compact(args: &cli::Compact) -> Result<Outcome> {
    let archive = at(&args.archive)?;
    let (target, grace) = (size(&args.target)?, duration(&args.grace)?);
    let groups = compact::plan(&archive, target)?;
    let mut err = io::stderr().lock();
    if args.dry_run {
        for Group { hour, node, files, bytes } in &groups {
            let hour = hour.span().map_or_else(|| "no time".to_owned(), |(first, _)| rfc3339(first));
            writeln!(
                io::stdout(),
                "{hour}  {}  {} files, {} bytes",
                terminal(node),
                files.len(),
                grouped((*bytes).into())
            )?;
        }
        let files: usize = groups.iter().map(|group| group.files.len()).sum();
        writeln!(
            err,
            "{files} files would become {}, as far as they are as they were imported; nothing was changed",
            groups.len()
        )?;
        return Ok(Outcome::Answered);
    }
    deleted(&archive, grace, &mut err)?;
    let progress =
        read::progress("merging", groups.iter().map(|group| group.bytes).sum(), io::IsTerminal::is_terminal(&err));
    let Compacted { files, bytes, rows, left } = compact::compact(&archive, target, |group| progress.inc(group.bytes))?;
    progress.finish_and_clear();
    if files.0 > 0 {
        writeln!(
            err,
            "{} files of {} bytes became {} of {} bytes, with the same {} rows",
            files.0,
            grouped(bytes.0.into()),
            files.1,
            grouped(bytes.1.into()),
            grouped(rows.into())
        )?;
    } else {
        writeln!(err, "there is nothing to merge")?;
    }
    for error in &left {
        writeln!(err, "warning: {}", terminal(&error.to_string()))?;
    }
    waiting(&archive, grace, &mut err)?;
    Ok(if left.is_empty() { Outcome::Answered } else { Outcome::Empty })
}

/// Lets old files go.
pub(crate) fn expire(args: &cli::Expire) -> Result<Outcome> {
    let archive = at(&args.archive)?;
    let grace = duration(&args.grace)?;
    let end = match args.relative_to {
        RelativeTo::Data => extent(&archive)?.map(|(_, last)| last),
        RelativeTo::Now => Utc::now().timestamp_nanos_opt(),
    };
    let since = args.older_than.as_deref().map(duration).transpose()?;
    let since = since.zip(end).map(|(age, end)| end.saturating_sub(age));
    let most_bytes = args.max_size.as_deref().map(size).transpose()?;
    if args.older_than.is_none() && most_bytes.is_none() {
        bail!(
            "what is to be kept? --older-than 90d lets older hours go, --max-size 500GiB the oldest until the rest is no larger"
        );
    }
    let retention = Retention { since, most_bytes };
    let mut err = io::stderr().lock();
    let gone = if args.dry_run {
        expire::plan(&archive, retention)?
    } else {
        deleted(&archive, grace, &mut err)?;
        expire::expire(&archive, retention)?
    };
    let Expired { hours, files, bytes, left } = &gone;
    for file in files.iter().filter(|_| args.dry_run) {
        writeln!(io::stdout(), "{}", terminal(&file.display().to_string()))?;
    }
    let span = |at: Option<&lookback_flow::archive::layout::Hour>| {
        at.and_then(|hour| hour.span()).map_or(0, |(first, _)| first)
    };
    if hours.is_empty() {
        writeln!(err, "nothing is too old or too much: {} bytes", grouped((*left).into()))?;
        return Ok(Outcome::Answered);
    }
    writeln!(
        err,
        "{} {} {}, from {} to the hour of {}: {} bytes in {} files; {} bytes stay",
        hours.len(),
        plural(hours.len() as u64, "hour", "hours"),
        if args.dry_run { "would go" } else { "went" },
        rfc3339(span(hours.first())),
        rfc3339(span(hours.last())),
        grouped((*bytes).into()),
        files.len(),
        grouped((*left).into())
    )?;
    if !args.dry_run {
        waiting(&archive, grace, &mut err)?;
    }
    Ok(Outcome::Answered)
}

fn at(path: &Path) -> Result<Archive> {
    if store::is_remote(path) {
        let what = "merging and letting go of files";
        return Err(ArchiveError::OnlyHere { path: path.to_owned(), what }.into());
    }
    Archive::at(path)
        .with_context(|| format!("{}: no archive; `lookback import INPUT… -o ARCHIVE` makes one", path.display()))
}

/// Deletes what was put away so long ago that nobody reads it any more.
fn deleted(archive: &Archive, grace: i64, err: &mut impl io::Write) -> Result<()> {
    let now = Utc::now().timestamp_nanos_opt().unwrap_or(i64::MAX);
    let (files, bytes) = replaced::delete(&archive.root, now.saturating_sub(grace))?;
    if files > 0 {
        writeln!(err, "{files} files that were put away before are deleted: {} bytes", grouped(bytes.into()))?;
    }
    Ok(())
}

/// Says when the room is free, or frees it.
fn waiting(archive: &Archive, grace: i64, err: &mut impl io::Write) -> Result<()> {
    if grace == 0 {
        return deleted(archive, 0, err);
    }
    let folder = archive.root.join(replaced::REPLACED);
    if folder.is_dir() {
        let span = lookback_question::window::human_span(grace);
        writeln!(
            err,
            "what went stays in {} for readers that began before; a later run deletes it after {span}",
            folder.display()
        )?;
    }
    Ok(())
}

/// Bytes: `128MiB`, `2GB`, `500000`.
fn size(text: &str) -> Result<u64> {
    const UNITS: [(&str, u64); 9] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("B", 1),
    ];
    let (number, unit) =
        UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes))).unwrap_or((text, 1));
    let bytes = number.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    bytes.with_context(|| format!("{text:?} is no size: 128MiB, 500GB"))
}
