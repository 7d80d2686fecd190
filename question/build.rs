//! Lists the shipped questions and tables, so that a new file under `queries/` needs no code.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let queries = Path::new("../queries");
    println!("cargo:rerun-if-changed=../queries");
    println!("cargo:rerun-if-changed=../queries/tables");
    let mut code = String::new();
    for (name, folder) in [("QUESTIONS", queries.to_owned()), ("TABLES", queries.join("tables"))] {
        // Writing to a String cannot fail.
        let _ = writeln!(code, "pub(crate) const {name}: &[(&str, &str)] = &[");
        for file in sql_files(&folder)? {
            let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
            // Relative to the crate: a build directory may serve several checkouts.
            let path = format!("/{}", file.display());
            let _ = writeln!(code, "    ({stem:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?}))),");
        }
        code.push_str("];\n");
    }
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("shipped.rs"), code)
}

fn sql_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            println!("cargo:rerun-if-changed={}", path.display());
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
