//! The policies that allow what was seen: one for each set of labels in a namespace, closed both ways.
//!
//! Promises:
//! 1. What passed is allowed; what was denied is not, unless it passed, too.
//! 2. Of the same flows the same text, in one order.
//! 3. What cannot be written is [told](Suggestion::remarks): pods without labels, flows without ports, too many addresses.

mod draft;
mod yaml;

use std::collections::BTreeMap;
use std::fmt;

use crate::endpoint::{Endpoint, is_own, split};
use crate::policy::Way;
use crate::seen::{Access, Seen};
use draft::{Draft, Peer};

/// Labels that select, by key.
type Labels = BTreeMap<String, String>;

#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whose pods are given policies.
    pub namespace: String,
    /// Keys of the labels that tell applications apart; none: all that whoever deployed it has set.
    pub labels: Vec<String>,
    /// Rules for requests, where some were seen.
    pub with_requests: bool,
    /// A way in which nothing was seen stays open.
    pub leaves_unseen_open: bool,
}

/// Policies as text, and what they leave out.
#[derive(Clone, Debug)]
pub struct Suggestion {
    /// As many as there are documents in the text.
    pub policies: usize,
    /// What could not be written, and why; one line each.
    pub remarks: Vec<String>,
    yaml: String,
}

/// The YAML.
impl fmt::Display for Suggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.yaml)
    }
}

/// Flows that passed and that no policy was written for.
#[derive(Default)]
struct LeftOut {
    unlabelled: u64,
    unknown_peers: u64,
    portless: u64,
    /// Sets of labels whose peers outside are too many to name.
    outside: Vec<String>,
    /// Those whose names nobody was seen to look up.
    lookups: Vec<String>,
    /// Those that ask too much to name it.
    requests: Vec<String>,
}

/// # Errors
/// When the policies cannot be written as YAML.
pub fn suggest(seen: &Seen, options: &Options) -> Result<Suggestion, fmt::Error> {
    let mut drafts: BTreeMap<Labels, Draft> = BTreeMap::new();
    let mut left_out = LeftOut::default();
    for access in seen.accesses() {
        if access.tally.passed() == 0 {
            continue;
        }
        for (way, subject, peer) in
            [(Way::Egress, access.client, access.server), (Way::Ingress, access.server, access.client)]
        {
            if subject.namespace.as_deref() == Some(options.namespace.as_str()) {
                take(way, subject, peer, &access, options, &mut drafts, &mut left_out);
            }
        }
    }
    yaml::write(drafts, options, left_out)
}

fn take(
    way: Way,
    subject: &Endpoint,
    peer: &Endpoint,
    access: &Access<'_>,
    options: &Options,
    drafts: &mut BTreeMap<Labels, Draft>,
    left_out: &mut LeftOut,
) {
    let flows = access.tally.passed();
    let labels = labels(subject, options);
    if labels.is_empty() {
        left_out.unlabelled += flows;
        return;
    }
    let draft = drafts.entry(labels).or_default();
    // The node reaches its own pods whatever policies say.
    if way == Way::Ingress && peer.is_reserved("host") && !peer.is_reserved("remote-node") {
        return;
    }
    let Some(peer) = peer_of(peer, options) else {
        left_out.unknown_peers += flows;
        return;
    };
    if !draft.way(way).add(peer, access, options.with_requests) {
        left_out.portless += flows;
    }
}

/// The labels that select an endpoint.
fn labels(endpoint: &Endpoint, options: &Options) -> Labels {
    let all = || {
        let own = endpoint.labels.iter().flatten().filter(|label| is_own(label)).map(|label| split(label));
        own.map(|(_, key, value)| (key.to_owned(), value.to_owned()))
    };
    let chosen: Labels = all().filter(|(key, _)| options.labels.contains(key)).collect();
    if chosen.is_empty() { all().collect() } else { chosen }
}

/// What is no pod, as rules name it: the more telling first.
const ENTITIES: [&str; 7] = ["kube-apiserver", "host", "remote-node", "health", "ingress", "init", "unmanaged"];

/// How a rule names the other end; `None` when the log does not tell who it is.
fn peer_of(endpoint: &Endpoint, options: &Options) -> Option<Peer> {
    if endpoint.is_outside() {
        return Some(match (endpoint.names.as_slice(), endpoint.ip) {
            (names @ [_, ..], _) => Peer::Names(names.to_vec()),
            (_, Some(ip)) => Peer::Address(ip),
            (_, None) => Peer::Entity("world"),
        });
    }
    if let Some(namespace) = &endpoint.namespace {
        return Some(Peer::Pods { namespace: namespace.clone(), labels: labels(endpoint, options) });
    }
    endpoint.labels.as_ref()?;
    Some(Peer::Entity(ENTITIES.into_iter().find(|name| endpoint.is_reserved(name)).unwrap_or("cluster")))
}
