//! Other engines, where they are installed for some Python.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Programs of `xtask/rivals/`, and the engines that this Python has.
#[derive(Debug)]
pub(super) struct Rivals {
    python: PathBuf,
    engines: Vec<&'static str>,
}

/// The engines, as their packages are called.
const ENGINES: &[&str] = &["duckdb", "chdb", "polars"];

impl Rivals {
    pub(super) fn of(python: &Path) -> Self {
        let has = |engine: &&&str| {
            let mut command = Command::new(python);
            command.args(["-c", &format!("import {engine}")]).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        Self { python: python.to_owned(), engines: ENGINES.iter().filter(has).copied().collect() }
    }

    pub(super) fn missing(&self) -> Vec<&'static str> {
        ENGINES.iter().filter(|engine| !self.engines.contains(engine)).copied().collect()
    }

    /// Those who can answer a question from logs.
    pub(super) fn of_logs(&self, question: &str, logs: &str) -> Vec<(String, Vec<String>)> {
        let asked = |engine: &&'static str| ((*engine).to_owned(), self.command("ask.py", &[engine, question, logs]));
        self.engines.iter().map(asked).collect()
    }

    /// Those who can answer it from an archive.
    pub(super) fn of_archive(&self, question: &str, archive: &str) -> Vec<(String, Vec<String>)> {
        let asked = |_| ("duckdb".to_owned(), self.command("ask.py", &["duckdb-archive", question, archive]));
        self.engines.iter().filter(|engine| **engine == "duckdb").map(asked).collect()
    }

    /// Those who can write a sorted file of logs.
    pub(super) fn of_import(&self, logs: &str, file: &str) -> Vec<(String, Vec<String>)> {
        let asked = |_| ("duckdb".to_owned(), self.command("import.py", &[logs, file]));
        self.engines.iter().filter(|engine| **engine == "duckdb").map(asked).collect()
    }

    fn command(&self, script: &str, arguments: &[&str]) -> Vec<String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("rivals").join(script);
        let mut command = vec![self.python.display().to_string(), script.display().to_string()];
        command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        command
    }
}
