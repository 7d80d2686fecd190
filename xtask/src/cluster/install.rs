//! Ballista's programs, built by cargo into a folder of their own. They link another arrow than Lookback does, so they are no
//! dependency of it.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

/// The version that is asked questions; another one may answer otherwise.
const VERSION: &str = "55.0.0";

/// Less than a release: a cluster for trying things out need not be built for an hour.
const PROFILE: [(&str, &str); 3] = [
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
];

const EXECUTOR: &str = "ballista-executor";
const SCHEDULER: &str = "ballista-scheduler";

#[derive(Debug)]
pub(super) struct Programs {
    pub(super) scheduler: PathBuf,
    pub(super) executor: PathBuf,
}

/// The programs in a folder, built where they are missing or of another version.
pub(super) fn ensure(dir: &Path) -> Result<Programs> {
    let programs = programs(dir);
    let missing = wanted(&programs);
    if missing.is_empty() {
        return Ok(programs);
    }
    // Who builds removes what was built for it, in the end.
    let _lock = super::lock(dir)?;
    eprintln!("Ballista {VERSION} is built in {}: half an hour on two cores, 3 GB until it is done", dir.display());
    let begin = Instant::now();
    for (at, (package, features)) in missing.iter().enumerate() {
        eprintln!("{package}, {} of {} ({} s)", at + 1, missing.len(), begin.elapsed().as_secs());
        let status = cargo(dir, package, features).status().context("cargo")?;
        if !status.success() {
            bail!("{package} {VERSION} was not built ({status}); what was is kept in {}, to go on with", dir.display());
        }
    }
    let target = dir.join("target");
    fs::remove_dir_all(&target).with_context(|| target.display().to_string())?;
    eprintln!("Ballista {VERSION} was built in {} s", begin.elapsed().as_secs());
    Ok(programs)
}

fn programs(dir: &Path) -> Programs {
    let bin = dir.join("bin");
    Programs { scheduler: bin.join(SCHEDULER), executor: bin.join(EXECUTOR) }
}

/// Tells whether something would be built.
pub(super) fn missing(dir: &Path) -> Result<()> {
    let programs = programs(dir);
    match wanted(&programs).as_slice() {
        [] => Ok(()),
        missing => {
            let names: Vec<&str> = missing.iter().map(|(package, _)| *package).collect();
            bail!("not in {}: {} {VERSION}: `cargo xtask cluster install`", dir.display(), names.join(", "))
        }
    }
}

/// The packages that are missing, with their features.
fn wanted(programs: &Programs) -> Vec<(&'static str, &'static str)> {
    let Programs { scheduler, executor } = programs;
    let is_there = says(scheduler, "--version", VERSION) && says(scheduler, "--help", "--flight-sql");
    let executor = (EXECUTOR, "", says(executor, "--version", VERSION));
    let scheduler = (SCHEDULER, "flight-sql", is_there);
    let missing = [executor, scheduler].into_iter().filter(|(.., is_there)| !is_there);
    missing.map(|(package, features, _)| (package, features)).collect()
}

/// What builds a package and puts its programs into a folder.
fn cargo(dir: &Path, package: &str, features: &str) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["install", "--locked", "--force", "--version", &format!("={VERSION}"), package]);
    if !features.is_empty() {
        command.args(["--features", features]);
    }
    // One folder for all, so that what they share is built once.
    command.arg("--root").arg(dir).arg("--target-dir").arg(dir.join("target"));
    command.current_dir(dir).stdin(Stdio::null()).envs(PROFILE);
    for name in of_our_build(env::vars_os().map(|(name, _)| name)) {
        command.env_remove(name);
    }
    command
}

/// Variables that are about the build of this project.
fn of_our_build(names: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let ours = ["RUSTC_WORKSPACE_WRAPPER", "CARGO_TARGET_DIR", "CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS"];
    let is_ours =
        |name: &str| ours.contains(&name) || name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    names.filter(|name| name.to_str().is_some_and(is_ours)).collect()
}

/// Whether a program that is asked says this.
fn says(program: &Path, flag: &str, what: &str) -> bool {
    let output = Command::new(program).arg(flag).stdin(Stdio::null()).output();
    output.is_ok_and(|output| output.status.success() && String::from_utf8_lossy(&output.stdout).contains(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_built_apart_from_this_project() {
        let command = cargo(Path::new("/cache"), SCHEDULER, "flight-sql");
        let words: Vec<_> = command.get_args().map(|word| word.to_str().unwrap()).collect();
        let told = words.join(" ");
        assert_eq!(
            told,
            "install --locked --force --version =55.0.0 ballista-scheduler --features flight-sql --root /cache --target-dir \
             /cache/target"
        );
        let of = |name: &str| command.get_envs().find(|(key, _)| *key == name).and_then(|(_, value)| value);
        assert_eq!(of("CARGO_PROFILE_RELEASE_LTO").unwrap(), "off");
        assert_eq!(command.get_current_dir(), Some(Path::new("/cache")));
        assert!(!cargo(Path::new("/cache"), EXECUTOR, "").get_args().any(|word| word == "--features"));
    }

    #[test]
    fn variables_of_our_build_stay_here() {
        let names = ["PATH", "CARGO_TARGET_DIR", "CARGO_HOME", "CARGO_PKG_NAME", "RUSTC_WORKSPACE_WRAPPER"];
        let removed = of_our_build(names.iter().map(OsString::from));
        assert_eq!(removed, ["CARGO_TARGET_DIR", "CARGO_PKG_NAME", "RUSTC_WORKSPACE_WRAPPER"]);
    }

    #[test]
    fn a_program_is_there_when_it_says_its_version() {
        assert!(!says(Path::new("/nowhere/ballista"), "--version", VERSION));
        assert!(!says(Path::new("/bin/false"), "--version", VERSION));
        assert!(says(Path::new("/bin/echo"), "ballista-scheduler 55.0.0", VERSION));
    }
}
