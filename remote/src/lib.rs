//! Answers of an engine beyond this machine, by Arrow Flight SQL: a cluster that has the same archive is asked the same statement.
//!
//! | module | holds |
//! |---|---|
//! | [`address`] | where an engine is: `flight://HOST:PORT` |
//! | [`options`] | how it is reached, and how much of it is taken |
//! | [`engine`] | the connection: queries, statements, what the server is |
//! | [`table`] | the statements that make an archive a table of an engine |
//!
//! Promises:
//! 1. An answer is whole, or an error: never cut, never short of a part, never longer than was allowed.
//! 2. The server is not trusted: what it sends is checked before it is unpacked, bounded before it is kept, and escaped before
//!    it is told.
//! 3. Callers know nothing of async. A call ends in time, whatever the server does.

pub mod address;
mod answer;
mod batches;
mod channel;
pub mod engine;
mod error;
mod location;
pub mod options;
pub mod table;
mod ticket;

pub use address::Address;
pub use answer::Answer;
pub use engine::{Engine, ServerInfo};
pub use error::Error;
pub use options::{Limits, Login, Options, Tls};
