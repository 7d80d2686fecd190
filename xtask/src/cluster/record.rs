//! Which processes a cluster has, in a file, so that another run can end them.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::process::Process;

const FILE: &str = "cluster.json";

/// The scheduler, then the executors.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) processes: Vec<Process>,
}

impl Record {
    /// What was begun in a folder; none: nothing.
    pub(super) fn load(state: &Path) -> Result<Option<Self>> {
        let path = state.join(FILE);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.with_context(|| path.display().to_string())?,
        };
        let read = || -> Option<Vec<Process>> {
            let record: Value = serde_json::from_str(&text).ok()?;
            record.get("processes")?.as_array()?.iter().map(Process::read).collect()
        };
        let processes = read().filter(|processes| !processes.is_empty());
        let processes = processes.with_context(|| {
            format!("{} is not what `up` writes: end what runs by hand, and remove it", path.display())
        })?;
        Ok(Some(Self { processes }))
    }

    pub(super) fn save(&self, state: &Path) -> Result<()> {
        let (path, new) = (state.join(FILE), state.join("cluster.json.new"));
        let processes: Vec<Value> = self.processes.iter().map(Process::written).collect();
        let record = json!({ "address": self.address(), "processes": processes });
        fs::write(&new, format!("{record:#}\n")).with_context(|| new.display().to_string())?;
        // As a whole, or not.
        fs::rename(&new, &path).with_context(|| path.display().to_string())
    }

    /// Forgets what has ended, and what executors kept. The logs stay.
    pub(super) fn forget(&self, state: &Path) -> Result<()> {
        for executor in self.processes.iter().skip(1) {
            let folder = state.join(&executor.name);
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).with_context(|| folder.display().to_string());
                }
                _ => {}
            }
        }
        match fs::remove_file(state.join(FILE)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        !self.processes.is_empty() && self.processes.iter().all(Process::is_alive)
    }

    /// For `--engine`.
    pub(super) fn address(&self) -> String {
        format!("flight://127.0.0.1:{}", self.processes.first().map_or(0, |scheduler| scheduler.port))
    }
}
