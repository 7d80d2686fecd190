//! Network policies against archived flows: what a policy would have denied, and the policy that allows just what was seen.
//!
//! What it promises:
//! 1. The unit is an [`Access`]: who reached whom by which port, with the request where layer 7 is asked about. Packets of one
//!    connection are one access, whichever way they went and whichever node saw them.
//! 2. Three answers, not two: what the log does not tell (masked labels, no ports, requests that nobody looked into) comes out as
//!    [`Truth::Unknown`] with the reason, never as allowed or denied.
//! 3. What is [suggested](suggest::suggest) denies nothing of what passed: the same rules, asked about the same flows, say so.
//!
//! | module | holds |
//! |---|---|
//! | [`seen`] | flows folded into accesses |
//! | [`endpoint`] | who: labels, namespace, address, names |
//! | [`truth`] | yes, no, and unknown with the reason |
//! | [`selector`], [`peer`], [`port`] | the parts of a rule, each asked about an endpoint or an access |
//! | [`policy`] | policies: whom they select, what their rules allow and deny |
//! | [`parse`] | CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy and NetworkPolicy from YAML |
//! | [`report`] | what would have been denied and allowed, by which rule |
//! | [`suggest`](mod@suggest) | the policies that allow what was seen, as YAML |

pub mod endpoint;
pub mod parse;
pub mod peer;
pub mod policy;
pub mod port;
pub mod report;
pub mod seen;
pub mod selector;
pub mod suggest;
pub mod truth;

pub use policy::Policies;
pub use report::Report;
pub use seen::{Access, Limits, Seen, Tally};
pub use truth::{Truth, Why};
