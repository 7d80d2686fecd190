//! The client against servers of Flight SQL that do as they are told, over real connections of this machine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod answers;
mod locations;
mod server;
mod servers;
mod statements;
mod tls;
