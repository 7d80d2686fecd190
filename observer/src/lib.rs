//! Hubble's gRPC API, both sides.
//!
//! | module | holds |
//! |---|---|
//! | [`client`] | events of a server, a relay or an agent as batches |
//! | [`address`] | where a server is, and how its connections are secured |
//!
//! Events are never built as protobuf structs: their bytes go straight into columns, and come straight out of them.

pub mod address;
pub mod client;
mod error;
mod proto;
mod wire;

pub use error::Error;
