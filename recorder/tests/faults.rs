//! What a crash and a full disk may cost: the last moment, never a line that was written, never a file that cannot be read.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod machine;

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lookback_flow::archive::Archive;
use lookback_flow::rows::Projection;
use lookback_flow::segment::{SegmentFile, Wanted};
use machine::{Pair, Recorder, allowed, flows, run, wait_for};
use rustix::event::{Timespec, poll};
use rustix::process::Signal;

/// Datagrams to a closed port until told to stop: each is a packet, and most are drops.
fn traffic(pair: &Pair) -> (Arc<AtomicBool>, std::thread::JoinHandle<()>) {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let thread = Pair::within(&pair.client, move || {
        let socket = UdpSocket::bind("10.99.0.1:0").unwrap();
        while !stopped.load(Ordering::Relaxed) {
            // What is refused is what is wanted.
            let _ = socket.send_to(b"hello", "10.99.0.2:7");
            let _ = poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 200_000 }));
        }
    });
    (stop, thread)
}

fn rows_of(root: &Path) -> u64 {
    let Some(archive) = Archive::at(root) else { return 0 };
    let mut rows = 0;
    for path in archive.all_files().unwrap() {
        for batch in
            SegmentFile::open(&path).unwrap().read(&Projection::of(["time"]), &Wanted::default(), None).unwrap()
        {
            rows += batch.unwrap().num_rows() as u64;
        }
    }
    rows
}

/// Whole lines of a log, in its rotated files, too.
fn lines_of(path: &Path) -> usize {
    let entries = fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let logs = entries.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.map(|path| fs::read_to_string(path).unwrap_or_default().matches('\n').count()).sum()
}

#[test]
fn a_recorder_that_is_killed_leaves_nothing_unreadable() {
    if !allowed() {
        return;
    }
    let kills: u64 = if std::env::var_os("CI_SLOW").is_some() { 200 } else { 12 };
    let pair = Pair::new();
    let folder = tempfile::tempdir().unwrap();
    let (log, archive) = (folder.path().join("events.log"), folder.path().join("archive"));
    let arguments = [
        "--file",
        &log.display().to_string(),
        "--archive",
        &archive.display().to_string(),
        "--commit-interval",
        "50ms",
        "--no-aggregation",
        "--file-max-backups",
        "0",
    ];
    let (stop, thread) = traffic(&pair);
    let (mut lines, mut rows) = (0, 0);
    for kill in 0..kills {
        let mut recorder = Recorder::start(&pair.server, folder.path(), &arguments);
        // Points in time that differ, over more than a commit.
        let nanos = (kill * 7_919 % 300) * 1_000_000;
        let _ = poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: i64::try_from(nanos).unwrap() }));
        recorder.signal(Signal::KILL);
        recorder.child.wait().unwrap();
        // What was there is there.
        let (now, archived) = (lines_of(&log), rows_of(&archive));
        assert!(now >= lines && archived >= rows, "{kill}: {lines} {now}, {rows} {archived}");
        (lines, rows) = (now, archived);
    }
    assert!(lines > 0 && rows > 0, "{lines} {rows}");
    // A torn line, should the kills have made none.
    fs::OpenOptions::new()
        .append(true)
        .open(&log)
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"{\"flow\":{"))
        .unwrap();
    let recorder = Recorder::start(&pair.server, folder.path(), &arguments);
    wait_for("new lines", || (lines_of(&log) > lines).then_some(()));
    let said = recorder.stop();
    stop.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    assert!(said.contains("the last line was torn"), "{said}");
    // Every line is one: this stops at any that is not.
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "log") {
            assert!(!flows(&path).is_empty());
        }
    }
    assert!(rows_of(&archive) > rows);
}

fn status_written(recorder: &Recorder) -> u64 {
    recorder.status().targets["file"].written
}

#[test]
fn a_full_disk_is_counted_and_survived() {
    if !allowed() {
        return;
    }
    let pair = Pair::new();
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    run("mount", &["-t", "tmpfs", "-o", "size=256k", "tmpfs", &disk.display().to_string()]);
    let (log, ballast) = (disk.join("events.log"), disk.join("ballast"));
    fs::write(&ballast, vec![0; 200 << 10]).unwrap();
    let (stop, thread) = traffic(&pair);
    let recorder =
        Recorder::start(&pair.server, folder.path(), &["--file", &log.display().to_string(), "--no-aggregation"]);
    let lost = || recorder.status().targets["file"].lost();
    wait_for("a full disk", || (lost() > 100).then_some(()));
    let before = usize::try_from(status_written(&recorder)).unwrap();
    // Room again: it goes on by itself, behind whole lines.
    fs::remove_file(&ballast).unwrap();
    wait_for("lines again", || (status_written(&recorder) > before as u64 + 10).then_some(()));
    let status = recorder.status();
    stop.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    let said = recorder.stop();
    let whole = lines_of(&log);
    assert!(!flows(&log).is_empty());
    run("umount", &[&disk.display().to_string()]);
    assert!(status.targets["file"].holds(), "{status:?}");
    assert!(said.contains("No space left on device") && said.contains("(disk "), "{said}");
    assert!(whole > before, "{whole} {before}");
    // What is said to be written is there, line by line.
    assert!(said.contains(&format!("= written {whole} ")), "{whole}: {said}");
}
