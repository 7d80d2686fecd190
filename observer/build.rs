//! Compiles the services of `../flow/proto` into clients and servers, in `OUT_DIR`; their messages are those of `lookback_flow`.
//! Likewise the service of `proto`, with its messages and what describes it. Pure Rust: neither `protoc` nor a network is needed.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

const PROTO: &str = "../flow/proto";

const OWN: &str = "proto";

/// How messages are read and written.
const CODEC: &str = "crate::wire::Codec";

/// Packages whose messages exist already.
const PACKAGES: [&str; 4] = ["flow", "observer", "peer", "relay"];

/// Messages that pass through as bytes, or are read in a way of their own.
const WIRE: [(&str, &str); 4] = [
    (".observer.GetFlowsResponse", "crate::wire::Raw"),
    (".observer.GetAgentEventsResponse", "crate::wire::Raw"),
    (".observer.GetDebugEventsResponse", "crate::wire::Raw"),
    (".observer.GetFlowsRequest", "crate::wire::FlowsRequest"),
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTO}");
    let mut compiler = protox::Compiler::new([PROTO])?;
    compiler.include_imports(true).open_files(["observer/observer.proto", "peer/peer.proto"])?;
    let mut builder = tonic_prost_build::configure().codec_path(CODEC);
    for package in PACKAGES {
        builder = builder.extern_path(format!(".{package}"), format!("::lookback_flow::proto::{package}"));
    }
    for (message, path) in WIRE {
        builder = builder.extern_path(message, path);
    }
    builder.compile_fds(compiler.file_descriptor_set())?;

    println!("cargo:rerun-if-changed={OWN}");
    let mut compiler = protox::Compiler::new([OWN])?;
    compiler.include_imports(true).open_file("replay.proto")?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("replay.binpb"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure().codec_path(CODEC).compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
