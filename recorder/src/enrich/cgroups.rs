//! Control groups by their number: whose processes they hold.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::DirEntryExt as _;
use std::path::{Path, PathBuf};

/// Groups that are looked at.
const MOST: usize = 100_000;

/// Groups inside groups that are looked into.
const DEEPEST: usize = 16;

/// What a group is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Group {
    /// A container of the pod with this number.
    Pod(String),
    /// A unit of systemd.
    Unit(String),
    Other,
}

/// The groups of this machine.
#[derive(Debug)]
pub struct Cgroups {
    root: PathBuf,
    groups: HashMap<u64, Group>,
    /// When they were looked at last, by whatever clock is asked with.
    looked: Option<u64>,
}

/// Unknown numbers are looked for this often.
const AGAIN_NS: u64 = 1_000_000_000;

impl Cgroups {
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), groups: HashMap::new(), looked: None }
    }

    /// What a group is.
    pub fn get(&mut self, number: u64, now_ns: u64) -> &Group {
        let due = self.looked.is_none_or(|looked| now_ns.saturating_sub(looked) >= AGAIN_NS);
        if !self.groups.contains_key(&number) && due {
            self.looked = Some(now_ns);
            self.groups.clear();
            let root = self.root.clone();
            self.look(&root, &Group::Other, 0);
        }
        self.groups.get(&number).unwrap_or(&Group::Other)
    }

    fn look(&mut self, folder: &Path, above: &Group, depth: usize) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            if depth >= DEEPEST || self.groups.len() >= MOST || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let group = match named(&entry.file_name().to_string_lossy()) {
                // What is inside a pod's group is the pod's; a unit inside a unit is a unit of its own.
                Group::Other => above.clone(),
                Group::Unit(_) if matches!(above, Group::Pod(_)) => above.clone(),
                found => found,
            };
            self.groups.insert(entry.ino(), group.clone());
            self.look(&entry.path(), &group, depth + 1);
        }
    }
}

/// What a group's name tells. The kubelet names pods `pod<uid>`, or `kubepods-…-pod<uid>.slice` with `_` for `-`.
fn named(name: &str) -> Group {
    if let Some(rest) = name.strip_suffix(".slice") {
        return match rest.rsplit_once("-pod") {
            Some((kind, uid)) if kind.starts_with("kubepods") => Group::Pod(uid.replace('_', "-")),
            _ => Group::Other,
        };
    }
    if let Some(uid) = name.strip_prefix("pod").filter(|uid| uid.len() >= 32) {
        return Group::Pod(uid.to_owned());
    }
    match name.strip_suffix(".service") {
        Some(unit) => Group::Unit(unit.to_owned()),
        None => Group::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn groups_are_named_by_their_paths() {
        let root = tempfile::tempdir().unwrap();
        let make = |path: &str| {
            let folder = root.path().join(path);
            fs::create_dir_all(&folder).unwrap();
            fs::metadata(folder).unwrap().ino()
        };
        let uid = "0a1b2c3d-0000-4000-8000-123456789abc";
        let systemd = make(
            "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0a1b2c3d_0000_4000_8000_123456789abc.slice/cri-containerd-ff.scope",
        );
        let cgroupfs = make(&format!("kubepods/besteffort/pod{uid}/ff/inner.service"));
        let unit = make("system.slice/nginx.service");
        let other = make("user.slice");
        let mut groups = Cgroups::new(root.path());
        assert_eq!(groups.get(systemd, 0), &Group::Pod(uid.to_owned()));
        assert_eq!(groups.get(cgroupfs, 0), &Group::Pod(uid.to_owned()));
        assert_eq!(groups.get(unit, 0), &Group::Unit("nginx".to_owned()));
        assert_eq!(groups.get(other, 0), &Group::Other);
        // What comes later is found, though not at once.
        let late = make("system.slice/late.service");
        assert_eq!(groups.get(late, 1), &Group::Other);
        assert_eq!(groups.get(late, AGAIN_NS), &Group::Unit("late".to_owned()));
    }
}
