//! Sessions without a terminal: keys in, the screen or the state out.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what is missing is a failure of the test")]

mod harness;
mod hostile;
mod keys;
mod screens;
