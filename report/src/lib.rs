//! Reports: pages that people read, the data behind them, and the manifest by which others check both.
//!
//! | module | holds |
//! |---|---|
//! | [`document`] | what a report says, apart from how it looks |
//! | [`html`], [`chart`] | the page: one file, no script, nothing fetched |
//! | [`markdown`] | the same as text |
//! | [`change`] | what differs between two spans of time, with small numbers kept quiet |
//! | [`folder`], [`manifest`] | what is written, whole or not at all, and what it was made from |
//! | [`sign`], [`verify`] | who made it, and whether it is as it was made |
//! | [`redact`] | pseudonyms for what may tell of persons and organisations |
//! | [`zone`] | times as people read them |
//!
//! Nothing here asks the clock, so that the same inputs and parameters give the same bytes.

pub mod change;
pub mod chart;
pub mod document;
pub mod folder;
pub mod html;
pub mod manifest;
pub mod markdown;
pub mod redact;
pub mod sign;
pub mod verify;
pub mod zone;
