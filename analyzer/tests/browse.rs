//! `lookback browse` in a real terminal.

#![expect(clippy::unwrap_used, reason = "what is missing is a failure of the test")]

#[path = "../../browser/tests/tmux/session.rs"]
mod session;

use std::path::Path;

use session::{Tmux, incident};

fn testdata() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata"))
}

#[test]
fn an_incident_is_looked_into() {
    if !Tmux::is_there() {
        return;
    }
    incident("lookback", &[env!("CARGO_BIN_EXE_lookback"), "browse", "--no-session"], testdata());
}

#[test]
fn a_named_question_is_asked_and_drawn() {
    if !Tmux::is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let incident = testdata().join("incident");
    let program = [env!("CARGO_BIN_EXE_lookback"), "browse", "--no-session", incident.to_str().unwrap()];
    let tmux = Tmux::start("question", (140, 40), folder.path(), &program);
    tmux.shows("181 flows");
    tmux.keys(&[":"]);
    tmux.text("top-drop-reasons");
    tmux.keys(&["Enter"]);
    let answer = tmux.shows("POLICY_DENIED");
    assert!(answer.contains("█"), "its header names a chart:\n{answer}");
    tmux.keys(&["q"]);
    tmux.shows("status 0");
}
