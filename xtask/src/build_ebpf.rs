//! The recorder's programs for the kernel: built, compared with what is committed.
//!
//! Debian's rustc brings `core` for BPF; rustup's has none on stable. Needed besides it: bpf-linker, and LLVM's strip.
//! `docs/recorder.md` tells how to install them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The crate of the programs, and the binary in it.
const PACKAGE: &str = "lookback-recorder-ebpf";
const BINARY: &str = "recorder";
const TARGET: &str = "bpfel-unknown-none";

/// What is committed, and the compiler that made it.
const OBJECT: &str = "recorder/ebpf/recorder.bpf.o";
const COMPILER: &str = "recorder/ebpf/compiler.txt";

/// Crates that may use what is not stable in Rust: the library of programs needs assembler for BPF.
const BOOTSTRAP: &str = "aya_ebpf";

/// Builds the object. With `check` what is committed is compared, as far as the same compiler made it, and stays.
pub(crate) fn build(check: bool) -> Result<()> {
    let rustc = std::env::var("LOOKBACK_BPF_RUSTC").unwrap_or_else(|_| "/usr/bin/rustc".to_owned());
    let strip = std::env::var("LOOKBACK_BPF_STRIP").unwrap_or_else(|_| "/usr/lib/llvm-22/bin/llvm-strip".to_owned());
    let root = std::env::current_dir()?;
    let version = compiler(&rustc)?;
    let built = object(&root, &rustc, &strip)?;
    let (object, compiler) = (root.join(OBJECT), root.join(COMPILER));
    if check {
        if fs::read_to_string(&compiler).unwrap_or_default() != version {
            println!("another compiler than {COMPILER} tells: built, not compared");
            return Ok(());
        }
        if fs::read(&object).with_context(|| OBJECT.to_owned())? != built {
            bail!("{OBJECT} is not what its source gives: run `cargo xtask build-ebpf`, and commit it");
        }
        println!("{OBJECT} is what its source gives");
        return Ok(());
    }
    fs::write(&object, built).with_context(|| OBJECT.to_owned())?;
    fs::write(&compiler, version).with_context(|| COMPILER.to_owned())?;
    Ok(())
}

/// What the compiler and the linker say of themselves.
fn compiler(rustc: &str) -> Result<String> {
    let mut text = said(Command::new(rustc).arg("-Vv")).with_context(|| {
        format!("{rustc}: Debian's compiler is needed (apt-get install rustc-web libstd-rust-web-dev-bpf), or LOOKBACK_BPF_RUSTC")
    })?;
    text.push_str(
        &said(Command::new("bpf-linker").arg("--version")).context("bpf-linker: `cargo install bpf-linker`")?,
    );
    Ok(text)
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    if !output.status.success() {
        bail!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn object(root: &Path, rustc: &str, strip: &str) -> Result<Vec<u8>> {
    let home = std::env::var_os("CARGO_HOME")
        .map_or_else(|| std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default().join(".cargo"), PathBuf::from);
    // No path of this machine stays in the object, so that it is the same wherever it is built.
    let flags = [
        "--cfg=bpf_target_arch=\"x86_64\"".to_owned(),
        "-Cdebuginfo=2".to_owned(),
        "-Clink-arg=--btf".to_owned(),
        format!("--remap-path-prefix={}=/lookback", root.display()),
        format!("--remap-path-prefix={}=/registry", home.join("registry/src").display()),
    ];
    let folder = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => PathBuf::from(folder).join("bpf"),
        None => root.join("target/bpf"),
    };
    let arguments = [
        "build",
        "--release",
        "--locked",
        "--target",
        TARGET,
        "-p",
        PACKAGE,
        "--features",
        "programs",
        "--bin",
        BINARY,
    ];
    let status = Command::new("cargo")
        .args(arguments)
        .current_dir(root)
        .env("RUSTC", rustc)
        .env("RUSTC_BOOTSTRAP", BOOTSTRAP)
        .env("CARGO_TARGET_DIR", &folder)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .status()?;
    if !status.success() {
        bail!("the programs do not build: {status}");
    }
    let (linked, stripped) = (folder.join(TARGET).join("release").join(BINARY), folder.join("recorder.bpf.o"));
    let status = Command::new(strip)
        .arg("--strip-debug")
        .arg("-o")
        .args([&stripped, &linked])
        .status()
        .with_context(|| format!("{strip}: apt-get install llvm-22, or LOOKBACK_BPF_STRIP"))?;
    if !status.success() {
        bail!("{strip}: {status}");
    }
    fs::read(&stripped).with_context(|| stripped.display().to_string())
}
