//! Hubble's API as Rust types, generated from `proto/`.
//!
//! Promises:
//! 1. Modules are named and nested like the protobuf packages, since generated code refers to `super::flow::Flow`.
//! 2. Timestamps, wrappers, field masks and `Any` are the types of [`prost_types`].
//! 3. [`DESCRIPTORS`] describes the same files, imports included, in their order of declaration.

#![allow(clippy::all, clippy::pedantic, clippy::restriction, missing_docs, rustdoc::all, reason = "generated")]

/// Package `flow`: flows, lost events, agent events, debug events and the flow filter.
pub mod flow {
    include!(concat!(env!("OUT_DIR"), "/flow.rs"));
    include!(concat!(env!("OUT_DIR"), "/flow.serde.rs"));
}

/// Package `relay`: states of the nodes behind hubble-relay.
pub mod relay {
    include!(concat!(env!("OUT_DIR"), "/relay.rs"));
}

/// Package `observer`: the query service's messages and the exporter's line.
pub mod observer {
    include!(concat!(env!("OUT_DIR"), "/observer.rs"));
}

/// Package `peer`: notifications about nodes.
pub mod peer {
    include!(concat!(env!("OUT_DIR"), "/peer.rs"));
}

/// An encoded `google.protobuf.FileDescriptorSet` of all packages above and what they import, without source info.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
