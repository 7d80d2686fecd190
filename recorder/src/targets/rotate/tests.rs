use super::*;
use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_772_359_200 + seconds, 123_000_000).unwrap()
}

fn text(path: &Path) -> String {
    let mut text = String::new();
    let file = File::open(path).unwrap();
    if path.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    } else {
        { file }.read_to_string(&mut text).unwrap();
    }
    text
}

/// Every file of a folder: its name, what is in it.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), text(&path))).collect()
}

fn names(folder: &Path) -> Vec<String> {
    files(folder).into_keys().collect()
}

fn put(log: &mut RotatedFile, lines: &[&str], now: i64) -> u64 {
    let (written, result) = log.write(lines.iter().map(|line| line.as_bytes()), at(now));
    result.unwrap();
    written
}

#[test]
fn files_are_named_as_the_exporter_names_them_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/events.log");
    let mut log = RotatedFile::open(&path, Rotation { max_bytes: 10, max_backups: 0, compress: false }).unwrap();
    // Exactly the limit, then three rotations in the same millisecond.
    assert_eq!(put(&mut log, &["12345\n", "789\n", "a\n", "longer than the limit\n", "b\n"], 0), 5);
    let found = files(&folder.path().join("a"));
    let told: Vec<(&str, &str)> = found.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(
        told,
        [
            ("events-2026-03-01T10-00-00.123.log", "12345\n789\n"),
            ("events-2026-03-01T10-00-00.124.log", "a\n"),
            ("events-2026-03-01T10-00-00.125.log", "longer than the limit\n"),
            ("events.log", "b\n"),
        ]
    );
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn old_files_go_and_the_rest_is_compressed() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("events-other.log");
    fs::write(&other, "not ours").unwrap();
    let path = folder.path().join("events.log");
    let mut log = RotatedFile::open(&path, Rotation { max_bytes: 4, max_backups: 2, compress: true }).unwrap();
    for n in 0..5 {
        put(&mut log, &[&format!("{n}23\n")], n);
    }
    assert_eq!(
        names(folder.path()),
        [
            "events-2026-03-01T10-00-03.123.log.gz",
            "events-2026-03-01T10-00-04.123.log.gz",
            "events-other.log",
            "events.log",
        ]
    );
    assert_eq!(text(&folder.path().join("events-2026-03-01T10-00-04.123.log.gz")), "323\n");
}

#[test]
fn a_torn_line_is_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.log");
    let tail = "x".repeat(200_000);
    fs::write(&path, format!("one\ntwo\n{tail}")).unwrap();
    let mut log = RotatedFile::open(&path, Rotation::default()).unwrap();
    assert_eq!(log.remarks.len(), 1, "{:?}", log.remarks);
    put(&mut log, &["three\n"], 0);
    drop(log);
    assert_eq!(text(&path), "one\ntwo\nthree\n");
    assert_eq!(text(&folder.path().join("events.log.torn")), tail);
    // Nothing but a torn line; the first one is kept, too.
    fs::write(&path, "torn").unwrap();
    let log = RotatedFile::open(&path, Rotation::default()).unwrap();
    assert_eq!((text(&path).as_str(), text(&folder.path().join("events.log.torn.1")).as_str()), ("", "torn"));
    drop(log);
}

#[test]
fn a_second_recorder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.log");
    let first = RotatedFile::open(&path, Rotation::default()).unwrap();
    let second = RotatedFile::open(&path, Rotation::default()).unwrap_err();
    assert_eq!(second.kind(), io::ErrorKind::ResourceBusy);
    drop(first);
    RotatedFile::open(&path, Rotation::default()).unwrap();
}

#[test]
fn a_file_that_was_moved_away_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.log");
    let mut log = RotatedFile::open(&path, Rotation::default()).unwrap();
    put(&mut log, &["one\n"], 0);
    fs::rename(&path, folder.path().join("moved")).unwrap();
    log.reopen().unwrap();
    put(&mut log, &["two\n"], 0);
    assert_eq!(
        files(folder.path()).into_iter().collect::<Vec<_>>(),
        [("events.log".to_owned(), "two\n".to_owned()), ("moved".to_owned(), "one\n".to_owned())]
    );
}

proptest! {
    /// Against a plain model: lines in their order, files within their limit, as full as they can be.
    #[test]
    fn lines_come_out_as_they_went_in(
        limit in 1u64..60, batches in proptest::collection::vec(proptest::collection::vec(0usize..40, 0..8), 0..8), again in 0usize..8
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        let rotation = Rotation { max_bytes: limit, max_backups: 0, compress: false };
        let mut log = RotatedFile::open(&path, rotation.clone()).unwrap();
        let mut expected: Vec<Vec<String>> = vec![Vec::new()];
        let mut number = 0;
        for (n, batch) in batches.iter().enumerate() {
            if n == again {
                drop(log);
                log = RotatedFile::open(&path, rotation.clone()).unwrap();
            }
            let lines: Vec<String> = batch.iter().map(|length| { number += 1; format!("{number}{}\n", "x".repeat(*length)) }).collect();
            for line in &lines {
                let file = expected.last_mut().unwrap();
                let size: usize = file.iter().map(String::len).sum();
                if size > 0 && (size + line.len()) as u64 > limit {
                    expected.push(vec![line.clone()]);
                } else {
                    file.push(line.clone());
                }
            }
            let (written, result) = log.write(lines.iter().map(String::as_bytes), at(0));
            result.unwrap();
            prop_assert_eq!(written, lines.len() as u64);
        }
        let mut found = files(folder.path());
        let active = found.remove("events").unwrap();
        let all: Vec<String> = found.into_values().chain([active]).collect();
        prop_assert_eq!(all, expected.iter().map(|file| file.concat()).collect::<Vec<_>>());
    }
}
