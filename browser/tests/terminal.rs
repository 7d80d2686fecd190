//! The browser in a real terminal, by its example program.

#![expect(clippy::unwrap_used, reason = "what is missing is a failure of the test")]

#[path = "tmux/session.rs"]
mod session;

use std::path::{Path, PathBuf};
use std::process::Command;

use session::{Tmux, incident};

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata")
}

/// Examples are built with the tests, beside them.
fn program() -> String {
    let tests = std::env::current_exe().unwrap();
    tests.parent().unwrap().parent().unwrap().join("examples/browse").to_str().unwrap().to_owned()
}

#[test]
fn an_incident_is_looked_into() {
    if !Tmux::is_there() {
        return;
    }
    incident("browser", &[&program()], &testdata());
}

#[test]
fn the_terminal_is_given_back_when_the_process_is_asked_to_end() {
    if !Tmux::is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let script = format!("echo $$ > {}; exec {} {}", pid.display(), program(), testdata().join("incident").display());
    let tmux = Tmux::start("signal", (80, 24), folder.path(), &["sh", "-c", &script]);
    tmux.shows("181 flows");
    let pid = std::fs::read_to_string(pid).unwrap();
    assert!(Command::new("kill").arg(pid.trim()).status().unwrap().success());
    let end = tmux.shows("status 0");
    assert!(!end.contains("Filter"), "{end}");
}

/// The terminal's library reads nothing of a terminal that is gone, without end.
#[test]
fn it_ends_with_its_terminal() {
    if !Tmux::is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let script = format!("echo $$ > {}; exec {} {}", pid.display(), program(), testdata().join("incident").display());
    let tmux = Tmux::start("gone", (80, 24), folder.path(), &["sh", "-c", &script]);
    tmux.shows("181 flows");
    let process = Path::new("/proc").join(std::fs::read_to_string(pid).unwrap().trim());
    assert!(process.exists());
    drop(tmux);
    assert!(session::await_so(|| !process.exists()), "it goes on");
}

#[test]
fn without_a_terminal_there_is_a_table() {
    let ran = Command::new(program()).arg(testdata().join("incident")).output().unwrap();
    let text = String::from_utf8(ran.stdout).unwrap();
    assert!(text.starts_with("TIME"), "{text}");
    assert_eq!(text.lines().count(), 101);
    assert!(String::from_utf8_lossy(&ran.stderr).contains("lookback observe"));
}
