//! Hubble's services, generated from `flow/proto`.

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
