//! `cargo xtask testdata`: the logs under `testdata/`, made anew or compared.

mod cast;
mod compat;
mod files;
mod hostile;
mod incident;
mod observe;
mod records;
mod review;
mod shop;
mod torn;
mod wrapped;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// Every file to be, by its path under `testdata/`.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Written by hand beside the logs, and no business of this command.
const BY_HAND: [&str; 2] = ["README.md", "cases.toml"];

/// A folder of files that were made once, by releases as they were then.
const MADE_ONCE: &str = "compat-parquet";

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Write nothing; fail and name the files that differ
    #[arg(long)]
    check: bool,
    /// Where the logs are
    #[arg(long, value_name = "DIR", default_value = "testdata")]
    folder: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let files = files()?;
    if args.check { check(&args.folder, &files) } else { write(&args.folder, &files) }
}

/// Midnight of the day on which all test data happen.
pub(crate) const fn start_of_day() -> crate::exporter_line::Nanos {
    observe::DAY
}

fn files() -> Result<Files> {
    let mut files = Files::new();
    shop::files(&mut files)?;
    incident::files(&mut files);
    hostile::files(&mut files);
    torn::files(&mut files)?;
    wrapped::files(&mut files)?;
    compat::files(&mut files);
    review::files(&mut files);
    Ok(files)
}

fn write(folder: &Path, files: &Files) -> Result<()> {
    for (name, bytes) in files {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
        }
        fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
    }
    for name in strangers(folder, files)? {
        eprintln!("{name}: not made by this command; delete it if it is left over");
    }
    Ok(())
}

fn check(folder: &Path, files: &Files) -> Result<()> {
    let mut wrong = Vec::new();
    for (name, bytes) in files {
        match fs::read(folder.join(name)) {
            Ok(there) if there == *bytes => {}
            Ok(_) => wrong.push(format!("{name}: differs")),
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    for name in strangers(folder, files)? {
        wrong.push(format!("{name}: not made by this command"));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    bail!("{} is not what `cargo xtask testdata` makes:\n{}", folder.display(), wrong.join("\n"))
}

/// Files in the folder that are neither made here nor written by hand.
fn strangers(folder: &Path, files: &Files) -> Result<Vec<String>> {
    let mut strangers = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).with_context(|| format!("reading {}", next.display()))? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                folders.push(path);
                continue;
            }
            let by_hand = BY_HAND.iter().any(|name| entry.file_name() == *name) || next.ends_with(MADE_ONCE);
            let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
            if !by_hand && !files.contains_key(&name) {
                strangers.push(name);
            }
        }
    }
    strangers.sort();
    Ok(strangers)
}

#[cfg(test)]
mod tests {
    use super::files;

    #[test]
    fn the_same_files_come_out_every_time() {
        assert_eq!(files().unwrap(), files().unwrap());
    }

    #[test]
    fn scenarios_stay_small() {
        let bytes: usize = files().unwrap().values().map(Vec::len).sum();
        assert!(bytes < 640 << 10, "{bytes} bytes");
    }

    /// A generator that breaks its own JSON would make the hostile lines worthless.
    #[test]
    fn good_lines_are_json_and_bad_ones_are_not_flows() {
        let files = files().unwrap();
        let list = String::from_utf8(files["hostile/lines.tsv"].clone()).unwrap();
        let lines = files["hostile/events.log"].split(|byte| *byte == b'\n');
        for (line, row) in lines.zip(list.lines().skip(1)) {
            let fields: Vec<_> = row.split('\t').collect();
            let json = serde_json::from_slice::<serde_json::Value>(line).is_ok_and(|v| v["flow"].is_object());
            match fields[1] {
                "good" => assert!(json || fields[3].contains("huge") || fields[3].contains("60"), "{row}"),
                // serde_json takes the last of two keys, any choice and 128 levels.
                _ => assert!(!json || ["two-of-one-choice", "duplicate-key", "too-deep"].contains(&fields[2]), "{row}"),
            }
        }
    }
}
