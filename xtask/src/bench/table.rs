//! What was measured, as a table: to be read, kept, and compared with another one.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

/// One thing that was measured.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub name: String,
    /// Who did it.
    pub who: String,
    pub seconds: f64,
    pub mb_per_second: f64,
    pub peak_mb: u64,
}

/// The name that Lookback has among those who did it.
pub(super) const OURS: &str = "lookback";

/// Columns of the file, with tabs between.
const HEAD: &str = "name\twho\tseconds\tMB/s\tpeak MB";

/// Where and of what it was measured.
pub(super) fn origin(flows: u64, megabytes: u64, runs: usize) -> String {
    origin_of(&format!("{flows} flows in {megabytes} MB"), runs)
}

/// Likewise, of anything.
pub(super) fn origin_of(what: &str, runs: usize) -> String {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()).filter(|text| !text.is_empty())
    };
    let commit = said("git", &["describe", "--always", "--dirty"]).unwrap_or_else(|| "unknown".to_owned());
    let when = said("date", &["-u", "+%Y-%m-%d"]).unwrap_or_default();
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("", |(_, m)| m);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = said("uname", &["-r"]).unwrap_or_default();
    format!("{when}, commit {commit}, {cores} cores of {model}, Linux {kernel}; {what}, medians of {runs} runs")
}

/// Writes rows so that they can be compared later.
pub(super) fn save(path: &Path, origin: &str, rows: &[Row]) -> Result<()> {
    let mut text = format!("# {origin}\n{HEAD}\n");
    for row in rows {
        // Writing to a String cannot fail.
        let _ =
            writeln!(text, "{}\t{}\t{:.4}\t{:.1}\t{}", row.name, row.who, row.seconds, row.mb_per_second, row.peak_mb);
    }
    fs::write(path, text).with_context(|| path.display().to_string())
}

/// Reads what was saved: where it is from, and its rows.
pub(super) fn load(path: &Path) -> Result<(String, Vec<Row>)> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let mut lines = text.lines();
    let origin = lines.next().unwrap_or_default().trim_start_matches("# ").to_owned();
    let row = |line: &str| {
        let mut fields = line.split('\t');
        let mut next = || fields.next().with_context(|| format!("{}: not a saved table: {line:?}", path.display()));
        Ok(Row {
            name: next()?.to_owned(),
            who: next()?.to_owned(),
            seconds: next()?.parse()?,
            mb_per_second: next()?.parse()?,
            peak_mb: next()?.parse()?,
        })
    };
    Ok((origin, lines.skip(1).map(row).collect::<Result<_>>()?))
}

/// Seconds, with as many digits as tell something.
fn told(seconds: f64) -> String {
    if seconds < 0.1 { format!("{seconds:.4}") } else { format!("{seconds:.2}") }
}

/// The rows as Markdown; those of others stand behind ours, with how many times as long they took.
pub(super) fn markdown(rows: &[Row]) -> String {
    let mut text = "| | by | seconds | MB/s | peak MB | times |\n|---|---|---|---|---|---|\n".to_owned();
    for row in rows {
        let ours = rows.iter().find(|other| other.name == row.name && other.who == OURS);
        let times = match ours {
            Some(ours) if row.who != OURS => format!("{:.1}", row.seconds / ours.seconds),
            _ => String::new(),
        };
        let speed = if row.mb_per_second > 0.0 { format!("{:.0}", row.mb_per_second) } else { String::new() };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {speed} | {} | {times} |",
            row.name,
            row.who,
            told(row.seconds),
            row.peak_mb
        );
    }
    text
}

/// What became of each row of ours: how many times as fast it is, and how its memory changed.
pub(super) fn comparison(before: &[Row], now: &[Row]) -> String {
    let mut text =
        "| | seconds before | now | times as fast | peak MB before | now |\n|---|---|---|---|---|---|\n".to_owned();
    for row in now.iter().filter(|row| row.who == OURS) {
        let Some(old) = before.iter().find(|old| old.name == row.name && old.who == OURS) else { continue };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.2} | {} | {} |",
            row.name,
            told(old.seconds),
            told(row.seconds),
            old.seconds / row.seconds,
            old.peak_mb,
            row.peak_mb
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, who: &str, seconds: f64) -> Row {
        Row { name: name.to_owned(), who: who.to_owned(), seconds, mb_per_second: 100.0, peak_mb: 7 }
    }

    #[test]
    fn a_table_comes_back_as_it_was_saved() {
        let file = std::env::temp_dir().join(format!("lookback-bench-{}.tsv", std::process::id()));
        let rows = vec![row("import", OURS, 1.25), row("import", "duckdb", 5.0)];
        save(&file, "here", &rows).unwrap();
        assert_eq!(load(&file).unwrap(), ("here".to_owned(), rows));
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn rivals_are_told_by_how_many_times_as_long_they_take() {
        let rows = [row("a", OURS, 0.5), row("a", "duckdb", 4.0)];
        assert!(markdown(&rows).ends_with("| a | duckdb | 4.00 | 100 | 7 | 8.0 |\n"));
        assert!(comparison(&[row("a", OURS, 2.0)], &rows).ends_with("| a | 2.00 | 0.50 | 4.00 | 7 | 7 |\n"));
    }
}
