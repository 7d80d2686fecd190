//! Whether a report is as it was made.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use lookback_flow::archive::content::file_sha256;

use crate::folder::{PUBLIC_KEY, SIGNATURE};
use crate::manifest::{self, File, Manifest, ManifestError, sha256};
use crate::sign::PublicKey;

/// What came of it.
#[derive(Debug)]
pub struct Verified {
    pub manifest: Manifest,
    /// SHA-256 of the manifest.
    pub sha256: String,
    /// What is not as it was, each a sentence that names the file.
    pub problems: Vec<String>,
    pub signature: Signature,
}

/// What is known of who made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    Absent,
    /// Made by the key that was given.
    Known,
    /// Made by the key that lies beside it, whosever that is: its fingerprint.
    Beside(String),
    Bad(&'static str),
}

impl Verified {
    /// Whether everything is as it was made.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.problems.is_empty() && !matches!(self.signature, Signature::Bad(_))
    }
}

/// Compares a report's folder with its manifest, and the manifest with its signature.
///
/// # Errors
/// When there is no manifest that can be read.
pub fn verify(folder: &Path, key: Option<&PublicKey>) -> Result<Verified, ManifestError> {
    let (manifest, bytes) = Manifest::read(&folder.join(manifest::NAME))?;
    let mut problems = Vec::new();
    let mut there = BTreeMap::new();
    if let Err(error) = list(folder, Path::new(""), &mut there) {
        problems.push(format!("the folder cannot be listed: {error}"));
    }
    for own in [manifest::NAME, SIGNATURE, PUBLIC_KEY] {
        there.remove(Path::new(own));
    }
    for file in &manifest.files {
        let path = Path::new(&file.path);
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            problems.push(format!("{}: the manifest names a file outside of the report", file.path));
            continue;
        }
        match there.remove(path) {
            Some(true) => problems.extend(changed(&folder.join(path), file)),
            Some(false) => problems.push(format!("{}: is no plain file", file.path)),
            None => problems.push(format!("{}: is missing", file.path)),
        }
    }
    problems.extend(there.keys().map(|path| format!("{}: is not of this report", path.display())));
    let signature = signature(folder, &bytes, key);
    Ok(Verified { manifest, sha256: sha256(&bytes), problems, signature })
}

/// Compares inputs with what a manifest tells of them.
#[must_use]
pub fn inputs(manifest: &Manifest) -> Vec<String> {
    manifest.inputs.iter().filter_map(|file| changed(Path::new(&file.path), file)).collect()
}

/// How a file is not as it was.
fn changed(path: &Path, file: &File) -> Option<String> {
    match file_sha256(path) {
        Ok(hash) if hash == file.sha256 => None,
        Ok(_) => Some(format!("{}: is not as it was", file.path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(format!("{}: is missing", file.path)),
        Err(error) => Some(format!("{}: {error}", file.path)),
    }
}

/// Every file below a folder, and whether it is a plain one; links are not followed.
fn list(folder: &Path, below: &Path, there: &mut BTreeMap<PathBuf, bool>) -> io::Result<()> {
    for entry in fs::read_dir(folder.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            list(folder, &path, there)?;
        } else {
            there.insert(path, kind.is_file());
        }
    }
    Ok(())
}

fn signature(folder: &Path, manifest: &[u8], key: Option<&PublicKey>) -> Signature {
    let beside = || fs::read(folder.join(PUBLIC_KEY)).ok().and_then(|pem| PublicKey::read(&pem).ok());
    match (fs::read(folder.join(SIGNATURE)), key) {
        (Err(_), None) if !folder.join(PUBLIC_KEY).exists() => Signature::Absent,
        (Err(_), _) => Signature::Bad("manifest.sig is missing"),
        (Ok(signature), Some(key)) if key.verifies(manifest, &signature) => Signature::Known,
        (Ok(_), Some(_)) => Signature::Bad("manifest.sig was not made of this manifest by this key"),
        (Ok(signature), None) => match beside() {
            Some(key) if key.verifies(manifest, &signature) => Signature::Beside(key.fingerprint()),
            Some(_) => Signature::Bad("manifest.sig was not made of this manifest by the key in manifest.pub"),
            None => Signature::Bad("manifest.pub holds no key to hold manifest.sig against: give --key"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::Folder;
    use crate::sign::Key;

    const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";

    fn written(folder: &Path, key: Option<&Key>) {
        let mut report = Folder::begin(folder).unwrap();
        report.write("report.md", b"# a report\n").unwrap();
        report.write("data/a.csv", b"a,b\n1,2\n").unwrap();
        report.finish(Manifest { manifest: manifest::VERSION, ..Manifest::default() }, key).unwrap();
    }

    #[test]
    fn every_change_is_named() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("report");
        written(&folder, None);
        assert!(verify(&folder, None).unwrap().is_good());
        assert!(Folder::begin(&folder).unwrap_err().to_string().contains("is there already"));
        for name in ["report.md", "data/a.csv"] {
            let whole = fs::read(folder.join(name)).unwrap();
            for at in 0..whole.len() {
                let mut bytes = whole.clone();
                bytes[at] ^= 1;
                fs::write(folder.join(name), &bytes).unwrap();
                assert_eq!(verify(&folder, None).unwrap().problems, [format!("{name}: is not as it was")]);
            }
            fs::write(folder.join(name), whole).unwrap();
        }
        fs::write(folder.join("data/b.csv"), "").unwrap();
        assert_eq!(verify(&folder, None).unwrap().problems, ["data/b.csv: is not of this report"]);
        fs::rename(folder.join("data/a.csv"), folder.join("data/b.csv")).unwrap();
        let problems = verify(&folder, None).unwrap().problems;
        assert_eq!(problems, ["data/a.csv: is missing", "data/b.csv: is not of this report"]);
    }

    #[test]
    fn a_signature_is_held_against_the_manifest() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("report");
        let key = Key::read(PEM.as_bytes()).unwrap();
        let public = PublicKey::read(key.public_pem().as_bytes()).unwrap();
        written(&folder, Some(&key));
        assert_eq!(verify(&folder, Some(&public)).unwrap().signature, Signature::Known);
        assert_eq!(verify(&folder, None).unwrap().signature, Signature::Beside(public.fingerprint()));
        let whole = fs::read(folder.join(manifest::NAME)).unwrap();
        let other = String::from_utf8(whole.clone()).unwrap().replace("\"is_whole\": false", "\"is_whole\": true");
        fs::write(folder.join(manifest::NAME), other).unwrap();
        assert!(!verify(&folder, Some(&public)).unwrap().is_good());
        fs::write(folder.join(manifest::NAME), whole).unwrap();
        fs::remove_file(folder.join(SIGNATURE)).unwrap();
        assert!(!verify(&folder, None).unwrap().is_good(), "a signature that was taken away");
    }

    #[test]
    fn a_manifest_reaches_no_file_elsewhere() {
        let root = tempfile::tempdir().unwrap();
        let file = File { path: "../secret".to_owned(), ..File::default() };
        let manifest = Manifest { manifest: manifest::VERSION, files: vec![file], ..Manifest::default() };
        fs::write(root.path().join(manifest::NAME), manifest.bytes()).unwrap();
        assert!(verify(root.path(), None).unwrap().problems[0].contains("outside"));
    }
}
