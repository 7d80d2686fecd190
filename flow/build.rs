//! Compiles `proto/` into Rust types (`<package>.rs`) and a descriptor set (`descriptors.bin`), both in `OUT_DIR`.
//! Pure Rust: neither `protoc` nor a network is needed.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

const FILES: [&str; 4] = ["flow/flow.proto", "relay/relay.proto", "observer/observer.proto", "peer/peer.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set: run this through cargo")?);

    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).open_files(FILES)?;

    // Source locations and comments become rustdoc, but would only be weight in a binary.
    compiler.include_source_info(false);
    fs::write(out_dir.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;

    compiler.include_source_info(true);
    prost_build::Config::new().out_dir(out_dir).compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
