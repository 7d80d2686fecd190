//! The crate from outside: logs as JSON lines, and the text that they give.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails where it panics")]

mod contexts;
mod handlers;
mod hostile;
mod log;
mod parts;
mod promtool;
mod real;
