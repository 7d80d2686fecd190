//! Hubble's own metrics, computed afterwards from flow logs: the same names, labels and options, as samples with times.
//!
//! What it promises:
//! 1. What is counted, and under which labels, is what Hubble's handlers count (the table is in `handlers.rs`).
//! 2. The parts of a log give the same when they are added in any order, and the same data give the same bytes.
//! 3. Memory and output are bounded, whatever the log holds; what is beyond the bounds is counted as left out.
//! 4. Text of a log is hostile: no label leaves its place, drives a terminal or is longer than [`MOST_LABEL_BYTES`].
//!
//! Where samples stand: time is cut into steps, and a sample is stamped with the end of its step. A series has a sample
//! at each step in which it changed and at the step before it, so that a counter is seen to start at 0 and `rate()` and
//! `increase()` see each change where it was; and where it rests, one at least every four minutes until the end of the
//! data, so that Prometheus, which forgets a series after five, draws it on. If that would be too many
//! samples, as with a clock that is years off, it is drawn on for a day after a change, an hour or not at all, and
//! [`Written`] tells.
//!
//! ```
//! let metrics = lookback_metrics::Metrics::parse("drop:sourceContext=namespace dns:query", 60_000_000_000)?;
//! let mut text = Vec::new();
//! metrics.write_openmetrics(&mut text)?;
//! assert_eq!(text, b"# EOF\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
mod contexts;
mod counter;
mod family;
mod flow;
mod handlers;
mod json;
mod metrics;
mod openmetrics;
mod points;
mod samples;
mod settings;
mod texts;

pub use lookback_flow::view::WrongType;
pub use metrics::{Metrics, Written};
pub use settings::{DEFAULT, ParseError};
pub use texts::MOST_LABEL_BYTES;
