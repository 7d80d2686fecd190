//! What the recorder may do, before and after it is attached.
//!
//! 1. Before: `CAP_BPF`, `CAP_NET_ADMIN` and `CAP_PERFMON`; for other network namespaces `CAP_SYS_ADMIN`, too.
//! 2. After, before the first packet is read: none of them, no new ones by any program (`no_new_privs`), and of the file system
//!    only the folders of its output, what it was told to read, and control groups.
//!
//! Capabilities belong to threads. The thread that attaches to interfaces as they come keeps `CAP_NET_ADMIN` and `CAP_BPF`, and
//! reads nothing from packets.

use std::path::{Path, PathBuf};

use caps::{CapSet, Capability, CapsHashSet};
use landlock::{
    ABI, Access as _, AccessFs, PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus,
};

/// What is needed, and for what.
pub const NEEDED: [(Capability, &str); 3] = [
    (Capability::CAP_BPF, "to load programs"),
    (Capability::CAP_NET_ADMIN, "to attach them to interfaces"),
    (Capability::CAP_PERFMON, "to see drops"),
];

/// Why rights could not be given up.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    #[error("capabilities: {0}")]
    Capabilities(#[from] caps::errors::CapsError),
    #[error("no_new_privs: {0}")]
    NoNewPrivileges(#[from] std::io::Error),
    #[error("Landlock: {0}")]
    Landlock(#[from] landlock::RulesetError),
}

/// What is missing of [`NEEDED`].
///
/// # Errors
/// When the kernel does not tell.
pub fn missing() -> Result<Vec<(Capability, &'static str)>, PrivilegeError> {
    let own = caps::read(None, CapSet::Effective)?;
    // Kernels before 5.8 had `CAP_SYS_ADMIN` for two of them, which still stands for them.
    let has = |capability| {
        own.contains(&capability)
            || (capability != Capability::CAP_NET_ADMIN && own.contains(&Capability::CAP_SYS_ADMIN))
    };
    Ok(NEEDED.into_iter().filter(|(capability, _)| !has(*capability)).collect())
}

/// Gives up every capability of this thread but some.
///
/// # Errors
/// When the kernel refuses.
pub fn keep(some: &[Capability]) -> Result<(), PrivilegeError> {
    let own = caps::read(None, CapSet::Permitted)?;
    let kept: CapsHashSet = some.iter().copied().filter(|capability| own.contains(capability)).collect();
    caps::clear(None, CapSet::Ambient)?;
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)?;
    caps::set(None, CapSet::Inheritable, &CapsHashSet::new())?;
    rustix::thread::set_no_new_privs(true).map_err(std::io::Error::from)?;
    Ok(())
}

/// Whether the kernel has Landlock: asked in a thread of its own, which it holds for.
#[must_use]
pub fn has_landlock() -> bool {
    let asked = std::thread::spawn(|| shut_off(&[], &[])).join();
    matches!(asked, Ok(Ok(Sandbox::Whole | Sandbox::Part)))
}

/// How far a sandbox reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sandbox {
    Whole,
    Part,
    /// This kernel has none.
    None,
}

/// Shuts this thread, and those that it will begin, off from the file system but for some paths.
///
/// # Errors
/// When the kernel has Landlock, and refuses.
pub fn shut_off(write: &[PathBuf], read: &[PathBuf]) -> Result<Sandbox, PrivilegeError> {
    let abi = ABI::V3;
    let mut ruleset = Ruleset::default().handle_access(AccessFs::from_all(abi))?.create()?;
    let existing = |path: &&PathBuf| path.exists();
    for (paths, access) in [(write, AccessFs::from_all(abi)), (read, AccessFs::from_read(abi))] {
        for path in paths.iter().filter(existing) {
            let access = if path.is_dir() { access } else { access & AccessFs::from_file(abi) };
            if let Ok(opened) = PathFd::new(path) {
                ruleset = ruleset.add_rule(PathBeneath::new(opened, access))?;
            }
        }
    }
    Ok(match ruleset.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Sandbox::Whole,
        RulesetStatus::PartiallyEnforced => Sandbox::Part,
        RulesetStatus::NotEnforced => Sandbox::None,
    })
}

/// The folder of a file, for what comes and goes there.
#[must_use]
pub fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}
