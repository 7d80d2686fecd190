//! The binary from end to end: what it prints where, and how it ends.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod archive;
mod check;
mod engine;
mod formats;
mod hostile;
mod import;
mod inputs;
mod metrics;
mod mistakes;
mod observe;
mod own_questions;
mod policy;
mod replay;
mod report;
mod scope;
mod upkeep;
mod windows;

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How a run ended, and what it said.
#[derive(Debug, PartialEq)]
struct Run {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Run {
    /// The answer of a run that went well.
    #[track_caller]
    fn answer(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.err);
        self.out
    }

    /// What a run that went well says besides its answer.
    #[track_caller]
    fn note(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.err);
        self.err
    }

    /// The one line that a run that failed has to say.
    #[track_caller]
    fn error(self) -> String {
        assert_eq!((self.code, &*self.out), (Some(2), ""), "{}", self.err);
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
        self.err.trim_end().strip_prefix("error: ").unwrap().to_owned()
    }
}

/// The binary, away from any questions of the user's own.
fn command<S: AsRef<OsStr>>(arguments: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lookback"));
    command.args(arguments).env("XDG_CONFIG_HOME", "/nonexistent").env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    command
}

fn lookback<S: AsRef<OsStr>>(arguments: &[S]) -> Run {
    finish(&mut command(arguments))
}

fn finish(command: &mut Command) -> Run {
    let output = command.output().unwrap();
    Run {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn lookback_reading(arguments: &[&str], input: &[u8]) -> Run {
    let mut child =
        command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A file or folder of `testdata/`.
fn testdata(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata").join(path).display().to_string()
}

/// A line of an exporter: a flow of a namespace, so many seconds into the day.
fn flow(second: u32, namespace: &str) -> String {
    let time = format!("2026-03-01T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60);
    let namespace = serde_json::Value::from(namespace);
    format!(
        r#"{{"flow":{{"time":"{time}","verdict":"FORWARDED","source":{{"namespace":{namespace},"pod_name":"web"}},"node_name":"node-a"}},"node_name":"node-a","time":"{time}"}}"#
    ) + "\n"
}

/// How many flows the inputs hold.
fn count(inputs: &[&str]) -> usize {
    let answer =
        lookback(&[&["sql", "SELECT count(*) AS flows FROM flows", "-q", "-o", "csv"], inputs].concat()).answer();
    answer.strip_prefix("flows\n").unwrap().trim().parse().unwrap()
}

/// A temporary folder with files in it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    fn name(&self) -> String {
        self.path().display().to_string()
    }
}
