//! Lookback's recorder: what the kernel saw, as flows in Hubble's shape.
//!
//! | module | holds |
//! |---|---|
//! | [`kernel`] | programs, interfaces, namespaces: what touches the kernel |
//! | [`observe`] | what the kernel tells → flows: connections, messages, names |
//! | [`generations`] | a map that forgets |

pub mod enrich;
pub mod generations;
pub mod kernel;
pub mod observe;
pub mod pipeline;
pub mod targets;
