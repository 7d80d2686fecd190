//! Hubble's gRPC API, both sides.
//!
//! | module | holds |
//! |---|---|
//! | [`client`] | events of a server, a relay or an agent as batches |
//! | [`server`] | an archive behind the API |
//! | [`address`] | where a server is, and how its connections are secured |
//!
//! Events are never built as protobuf structs: their bytes go straight into columns, and come straight out of them.

pub mod address;
pub mod client;
mod error;
mod proto;
pub mod server;
mod wire;

pub use error::Error;
