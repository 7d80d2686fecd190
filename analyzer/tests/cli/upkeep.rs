//! Archives are kept small: files are merged, old hours go, and nobody who reads misses a flow.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Folder, count, flow, lookback};

/// An archive made by as many imports as there are hours times `each`, with two nodes.
fn archive(folder: &Folder, hours: u32, each: u32) -> String {
    let archive = folder.path().join("archive").display().to_string();
    for hour in 0..hours {
        for part in 0..each {
            let lines: String = (0..20).map(|line| flow(hour * 3600 + line * 60 + part, &format!("n{part}"))).collect();
            let other = lines.replace("node-a", "node-b");
            let log = folder.file(format!("logs/{hour}-{part}.log"), lines + &other);
            lookback(&["import", "-q", &log, "-o", &archive]).answer();
        }
    }
    archive
}

fn files(archive: &str) -> usize {
    fn walk(folder: &Path) -> usize {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        entries
            .map(|path| {
                if path.is_dir() { walk(&path) } else { usize::from(path.extension().is_some_and(|e| e == "parquet")) }
            })
            .sum()
    }
    walk(&Path::new(archive).join("flows"))
}

#[test]
fn merged_files_hold_the_same_lines_in_the_same_order() {
    let folder = Folder::new();
    let archive = archive(&folder, 2, 4);
    let before = lookback(&["export", &archive]).answer();
    assert_eq!(files(&archive), 16);
    let planned = lookback(&["archive", "compact", &archive, "--dry-run"]);
    assert!(
        planned.err.contains("16 files would become 4") && planned.out.lines().count() == 4,
        "{}{}",
        planned.out,
        planned.err
    );
    assert_eq!(files(&archive), 16);
    let told = lookback(&["archive", "compact", &archive]).note();
    assert!(
        told.contains("16 files") && told.contains("with the same 320 rows") && told.contains("replaced"),
        "{told}"
    );
    assert_eq!(files(&archive), 4);
    assert_eq!(lookback(&["export", &archive]).answer(), before);
    let checked = lookback(&["check", &archive]);
    assert!(
        !checked.out.contains("missing-file")
            && !checked.out.contains("unknown-file")
            && !checked.out.contains("changed-file"),
        "{}",
        checked.out
    );
    // What the imports know of the logs is still known: nothing is imported again.
    let again = folder.path().join("logs").display().to_string();
    lookback(&["import", "-q", &again, "-o", &archive]).answer();
    assert_eq!(count(&[&archive]), 320);
    let evidence = lookback(&["ask", "verdicts", &archive]).note();
    assert!(evidence.contains("320"), "{evidence}");
    assert!(lookback(&["archive", "compact", &archive, "--grace", "0s"]).note().contains("nothing to merge"));
    assert!(!Path::new(&archive).join("replaced/date=2026-03-01/hour=00").exists());
}

#[test]
fn readers_meanwhile_see_every_flow_once() {
    let folder = Folder::new();
    let archive = archive(&folder, 3, 6);
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = || {
            let mut looks = 0;
            while !is_done.load(Ordering::Relaxed) || looks == 0 {
                assert_eq!(count(&[&archive]), 720);
                looks += 1;
            }
            looks
        };
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(reader)).collect();
        // Bit by bit: each target lets some more files be merged.
        for target in ["60kB", "100kB", "200kB", "128MiB"] {
            lookback(&["archive", "compact", &archive, "--target", target]).answer();
        }
        is_done.store(true, Ordering::Relaxed);
        let looks: usize = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
        assert!(looks >= 2);
    });
    assert_eq!(files(&archive), 6);
}

#[test]
fn a_file_that_is_not_as_it_was_imported_is_left_alone() {
    let folder = Folder::new();
    let archive = archive(&folder, 1, 2);
    let hour = Path::new(&archive).join("flows/date=2026-03-01/hour=00");
    let mut names: Vec<_> = std::fs::read_dir(&hour).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let mut bytes = std::fs::read(&names[0]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&names[0], bytes).unwrap();
    let run = lookback(&["archive", "compact", &archive]);
    assert_eq!(run.code, Some(1), "{}", run.err);
    assert!(run.err.contains("is not as it was imported; it is left as it is"), "{}", run.err);
    assert!(names[0].exists() && names[1].exists(), "neither is merged");
    assert_eq!(files(&archive), 3, "the other node's are");
}

#[test]
fn old_hours_go_whole() {
    let folder = Folder::new();
    let archive = archive(&folder, 4, 1);
    let expire =
        |flags: &[&str]| lookback(&[&["archive", "expire", &archive, "--relative-to", "data"], flags].concat());
    let planned = expire(&["--older-than", "75m", "--dry-run"]);
    assert_eq!((planned.out.lines().count(), count(&[&archive])), (4, 160), "{}", planned.err);
    assert!(expire(&["--older-than", "75m"]).note().contains("2 hours went, from 2026-03-01T00:00:00Z"));
    assert_eq!((count(&[&archive]), files(&archive)), (80, 4));
    assert!(!lookback(&["check", &archive]).out.contains("missing-file"));
    assert!(expire(&["--older-than", "75m"]).note().contains("nothing is too old"));
    // By size, one hour at a time, the oldest first; and the room is free at once.
    let told = expire(&["--max-size", "1kB", "--grace", "0s"]).note();
    assert!(told.contains("2 hours went") && told.contains("are deleted"), "{told}");
    assert_eq!(files(&archive), 0);
    assert!(expire(&[]).error().contains("--older-than 90d"));
    assert!(expire(&["--max-size", "many"]).error().contains("is no size"));
}
