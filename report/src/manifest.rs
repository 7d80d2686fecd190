//! What a report was made from and what it consists of: `manifest.json`.

use std::collections::BTreeMap;
use std::fs::File as Source;
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Name of the manifest in a report's folder.
pub const NAME: &str = "manifest.json";

/// The version of its form that is written here.
pub const VERSION: u32 = 1;

/// Longest manifest that is read; one names every file of an archive.
const LONGEST: u64 = 256 << 20;

/// The record of a report. Members stand in this order, maps by key, so that the same report has the same bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this form.
    pub manifest: u32,
    /// Program and version.
    pub producer: String,
    /// Version of the columns that flows were read into.
    pub flow_schema: u32,
    /// The command as it was given.
    pub command: Vec<String>,
    /// What it asked for, defaults filled in: enough to make the report again.
    pub parameters: Value,
    /// Every file that was read.
    pub inputs: Vec<File>,
    /// What was read: lines, rows, events, rejected.
    pub counts: BTreeMap<String, u64>,
    /// Whether nothing is known to be missing, and what is.
    pub is_whole: bool,
    pub doubts: Vec<String>,
    /// The questions that were asked, by the SHA-256 of their text.
    pub questions: BTreeMap<String, String>,
    /// SHA-256 of the manifest of the report before this one.
    pub previous: Option<String>,
    /// Every file of the report but this one and its signature.
    pub files: Vec<File>,
}

/// A file and its content's hash.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
}

/// Why a manifest could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("{path}: {error}")]
    Io { path: String, error: io::Error },
    #[error("{path}: no manifest of a report: {error}")]
    Form { path: String, error: serde_json::Error },
    #[error("{path}: a manifest of version {version}; this program knows {VERSION}: use a later one")]
    Later { path: String, version: u64 },
}

impl Manifest {
    /// The manifest as bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        // Nothing in it can fail to be written: keys are texts, and there is no float but those of JSON.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Reads a manifest, and gives its bytes, too.
    ///
    /// # Errors
    /// When it cannot be read, is none, or is of a later version.
    pub fn read(path: &Path) -> Result<(Self, Vec<u8>), ManifestError> {
        let name = || path.display().to_string();
        let mut bytes = Vec::new();
        let read = Source::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes));
        read.map_err(|error| ManifestError::Io { path: name(), error })?;
        let form = |error| ManifestError::Form { path: name(), error };
        let version = serde_json::from_slice::<Value>(&bytes).map_err(form)?.get("manifest").and_then(Value::as_u64);
        match version {
            Some(version) if version > u64::from(VERSION) => Err(ManifestError::Later { path: name(), version }),
            _ => Ok((serde_json::from_slice(&bytes).map_err(form)?, bytes)),
        }
    }
}

/// SHA-256 in hexadecimal digits.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Bytes as lower hexadecimal digits.
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
