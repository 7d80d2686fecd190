//! The terminal browser of Lookback.
