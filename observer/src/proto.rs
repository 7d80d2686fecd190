//! Hubble's services, generated from `flow/proto`, and that of `proto`.

#![allow(
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    missing_docs,
    unreachable_pub,
    rustdoc::all,
    reason = "generated"
)]

/// Package `observer`: the query service.
pub(crate) mod observer {
    include!(concat!(env!("OUT_DIR"), "/observer.rs"));
}

/// Package `peer`: notifications about nodes.
pub(crate) mod peer {
    include!(concat!(env!("OUT_DIR"), "/peer.rs"));
}

/// Package `lookback.replay`: what a replay that is running tells of itself.
pub mod replay {
    /// Describes it.
    pub(crate) const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/replay.binpb"));

    include!(concat!(env!("OUT_DIR"), "/lookback.replay.rs"));
}
