//! Compiles `proto/` into Rust types (`<package>.rs`) and a descriptor set (`descriptors.bin`), both in `OUT_DIR`.
//! Pure Rust: neither `protoc` nor a network is needed.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

const FILES: [&str; 4] = ["flow/flow.proto", "relay/relay.proto", "observer/observer.proto", "peer/peer.proto"];

/// What a filter is made of: the messages that are read and written as JSON by their types. Flows have codecs of their own.
const FILTER: [&str; 10] = [
    ".flow.FlowFilter",
    ".flow.Workload",
    ".flow.TrafficDirection",
    ".flow.Verdict",
    ".flow.DropReason",
    ".flow.NetworkInterface",
    ".flow.EventTypeFilter",
    ".flow.HTTPHeader",
    ".flow.TCPFlags",
    ".flow.IPVersion",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set: run this through cargo")?);

    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).open_files(FILES)?;

    // Source locations and comments become rustdoc, but would only be weight in a binary.
    compiler.include_source_info(false);
    let descriptors = compiler.encode_file_descriptor_set();
    fs::write(out_dir.join("descriptors.bin"), &descriptors)?;
    pbjson_build::Builder::new()
        .register_descriptors(&descriptors)?
        .preserve_proto_field_names()
        .out_dir(&out_dir)
        .build(&FILTER)?;

    compiler.include_source_info(true);
    prost_build::Config::new().out_dir(out_dir).compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
