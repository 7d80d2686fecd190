//! Lookback's recorder: what the kernel saw, as flows in Hubble's shape.
//!
//! | module | holds |
//! |---|---|
//! | [`record`] | a recording, from attaching to the balance |
//! | [`kernel`] | programs, interfaces, namespaces, privileges: what touches the kernel |
//! | [`observe`] | what the kernel tells → flows: connections, messages, names |
//! | [`enrich`] | who is behind an address |
//! | [`kubernetes`] | the pods that a kubelet or an API server knows |
//! | [`pipeline`] | events → rows |
//! | [`targets`], [`writers`] | rows → files; a thread for each |
//! | [`status`], [`probe`] | how it stands, what is possible |
//! | [`generations`], [`watched`] | a map that forgets, a file that is read again |

pub mod enrich;
pub mod generations;
pub mod kernel;
pub mod kubernetes;
pub mod observe;
pub mod pipeline;
pub mod probe;
pub mod record;
pub mod status;
pub mod targets;
pub mod watched;
pub mod writers;
