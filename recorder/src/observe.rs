//! From what the kernel tells to flows: connections, messages, names. Values in, values out; no file, no clock.

pub mod dns;
pub mod flow;
pub mod http;
pub mod names;
pub mod reasons;
pub mod streams;
pub mod track;
