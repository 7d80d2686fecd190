//! A replay server as a client sees it, over real connections of this machine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod clients;
mod selectors;
mod services;
mod support;
mod transport;
