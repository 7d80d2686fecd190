//! How a recording stands, told over a Unix socket: whoever connects gets one JSON object, and the connection ends.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::targets::balance::Balance;

/// How a recording stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    pub version: String,
    pub node: String,
    pub interfaces: Vec<String>,
    /// Packets that passed, and those that were not told of one by one.
    pub packets: u64,
    pub aggregated_packets: u64,
    /// Packets that the kernel dropped, and those of them that were told of together with others like them.
    pub drops: u64,
    pub aggregated_drops: u64,
    pub retransmissions: u64,
    /// Drops and payloads that could not be read.
    pub unreadable: u64,
    pub clock_steps: u64,
    /// Pods that are known.
    pub pods: usize,
    pub targets: BTreeMap<String, Balance>,
    /// What is missing from the recording.
    pub missing: Vec<String>,
}

/// The latest status.
pub type Board = Arc<Mutex<Status>>;

/// Listens at a path, which nobody else must be listening at.
///
/// # Errors
/// When the path cannot be used.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    if path.exists() {
        if UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                format!("{}: another recorder answers here; name another --socket", path.display()),
            ));
        }
        // Left behind by one that was killed.
        std::fs::remove_file(path)?;
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    UnixListener::bind(path)
}

/// Answers whoever connects, for as long as the program runs.
///
/// # Errors
/// When no thread can be begun.
pub fn serve(listener: UnixListener, board: Board) -> io::Result<()> {
    std::thread::Builder::new().name("status".to_owned()).spawn(move || {
        for stream in listener.incoming().flatten() {
            let status = board.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let text = serde_json::to_vec_pretty(&status).unwrap_or_default();
            // Who does not listen is not waited for.
            let _ = stream.set_write_timeout(Some(Duration::from_secs(1)));
            let _ = { stream }.write_all(&text);
        }
    })?;
    Ok(())
}

/// Asks a recorder.
///
/// # Errors
/// When none answers there.
pub fn ask(path: &Path) -> io::Result<Status> {
    let mut stream = UnixStream::connect(path)?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    serde_json::from_str(&text).map_err(io::Error::other)
}
