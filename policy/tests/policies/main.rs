//! Policies against flows: hand-worked cases, and what is suggested of every test log.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod decide;
mod flows;
mod mistakes;
mod suggested;
