//! The terminal browser of Lookback: flow logs and archives, explored with keys.
//!
//! | module | holds |
//! |---|---|
//! | [`data`] | what the inputs hold: rows in their order, counted, read a screen at a time, on a thread of their own |
//! | [`state`], [`update`](mod@update) | everything that the screen is made from, and what becomes of it when something happens |
//! | [`keys`] | the key table |
//! | [`view`], [`layout`], [`theme`] | the screen, a pure function of the state |
//! | [`effects`], [`run`](mod@run), [`terminal`] | the edges: what is asked of threads, clipboard and terminal |
//! | [`questions`] | the seam to whoever answers named questions |
//! | [`session`] | what is kept from one time to the next |
//! | [`measure`](mod@measure) | how quickly keys are answered |
//! | [`plain`] | a table for whoever has no terminal |

pub mod data;
pub mod effects;
pub mod keys;
pub mod layout;
pub mod measure;
pub mod message;
pub mod plain;
pub mod questions;
pub mod run;
pub mod session;
pub mod state;
pub mod terminal;
pub mod theme;
pub mod update;
pub mod view;

pub use run::{Options, run};
