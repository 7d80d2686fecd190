//! Network namespaces: the thread that records one enters it for good.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// The recorder's.
    Own,
    /// One by its file: `/run/netns/NAME`, `/proc/PID/ns/net`.
    File(PathBuf),
}

impl Namespace {
    /// A namespace by its path, or by its name as `ip netns` has it.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let path = if name.contains('/') { PathBuf::from(name) } else { Path::new("/run/netns").join(name) };
        Self::File(path)
    }

    /// Moves this thread there.
    ///
    /// # Errors
    /// When it is not there, or `CAP_SYS_ADMIN` is missing.
    pub fn enter(&self) -> io::Result<()> {
        let Self::File(path) = self else { return Ok(()) };
        let file = File::open(path)?;
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
        Ok(())
    }

    /// Its number.
    ///
    /// # Errors
    /// When it is not there.
    pub fn inode(&self) -> io::Result<u32> {
        let path = match self {
            Self::Own => Path::new("/proc/self/ns/net"),
            Self::File(path) => path,
        };
        Ok(u32::try_from(std::fs::metadata(path)?.ino()).unwrap_or_default())
    }
}

impl std::fmt::Display for Namespace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Own => f.write_str("own"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}
