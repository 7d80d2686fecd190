//! `lookback verify`: whether a report is as it was made.

use std::io::{self, Write as _};

use anyhow::{Context as _, Result};
use lookback_report::sign::PublicKey;
use lookback_report::verify::{Signature, inputs, verify};

use crate::cli;
use crate::render::terminal;
use crate::session::Outcome;

pub(crate) fn run(args: &cli::Verify) -> Result<Outcome> {
    let key = args.key.as_deref().map(|path| {
        let pem = std::fs::read(path).with_context(|| path.display().to_string())?;
        PublicKey::read(&pem).with_context(|| path.display().to_string())
    });
    let verified = verify(&args.folder, key.transpose()?.as_ref())?;
    let mut out = io::stdout().lock();
    let mut line = |heading: &str, text: &str| writeln!(out, "{heading:<10}{}", terminal(text));
    let manifest = &verified.manifest;
    line("made by", &manifest.producer)?;
    line("manifest", &format!("sha256 {}", verified.sha256))?;
    if let Some(previous) = &manifest.previous {
        line("previous", &format!("sha256 {previous}"))?;
    }
    for problem in &verified.problems {
        line("CHANGED", problem)?;
    }
    if verified.problems.is_empty() {
        line("files", &format!("all {} as they were made", manifest.files.len()))?;
    }
    match &verified.signature {
        Signature::Absent => line("signature", "none: whoever can write the folder can make it anew")?,
        Signature::Known => line("signature", "of the key that was given")?,
        Signature::Beside(key) => {
            line(
                "signature",
                &format!("of the key beside it, {key}; --key FILE tells whether it is whose it should be"),
            )?;
        }
        Signature::Bad(why) => line("SIGNATURE", why)?,
    }
    let changed = if args.inputs { inputs(manifest) } else { Vec::new() };
    for problem in &changed {
        line("INPUT", problem)?;
    }
    if args.inputs && changed.is_empty() {
        line("inputs", &format!("all {} as they were read", manifest.inputs.len()))?;
    }
    if !manifest.is_whole {
        line(
            "note",
            &format!("the report says of itself that its evidence is not whole: {} reasons", manifest.doubts.len()),
        )?;
    }
    Ok(if verified.is_good() && changed.is_empty() { Outcome::Answered } else { Outcome::Empty })
}
