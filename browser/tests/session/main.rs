//! Sessions without a terminal: keys in, the screen or the state out.

mod harness;
mod hostile;
mod keys;
mod screens;
