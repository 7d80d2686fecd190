//! Policies, and what they decide.
//!
//! As Cilium decides: each end of a connection has policies of its own, the client's for egress and the server's for ingress. An end
//! that no policy selects in a direction is open; one that is selected lets through what some rule allows and no rule denies.

use crate::endpoint::Endpoint;
use crate::peer::Peer;
use crate::port::Ports;
use crate::seen::Access;
use crate::selector::Selector;
use crate::truth::{Truth, Why};

/// All policies that are there: what a policy elsewhere would do is not known.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    pub policies: Vec<Policy>,
}

/// Which end's policies decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    Egress,
    Ingress,
}

impl Way {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Egress => "egress",
            Self::Ingress => "ingress",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Policy {
    /// `namespace/name`, or the name alone of one for the whole cluster.
    pub name: String,
    pub subject: Subject,
    pub rules: Vec<Rule>,
    /// Ways in which whoever is selected is closed but for what is allowed.
    pub closes: Vec<Way>,
}

/// Whom a policy selects.
#[derive(Clone, Debug)]
pub enum Subject {
    /// Pods, and where `beyond` is set what else Cilium runs as an endpoint (health, ingress, one that starts).
    Endpoints { selector: Selector, beyond: bool },
    /// Nodes, of which flows do not tell enough.
    Nodes,
}

impl Subject {
    fn selects(&self, endpoint: &Endpoint) -> Truth {
        match self {
            Self::Endpoints { selector, beyond } => {
                let is_endpoint = match endpoint.is_pod() {
                    None => Truth::Unknown(Why::Endpoint),
                    Some(true) => Truth::Yes,
                    Some(false) => {
                        (*beyond && ["health", "init", "ingress"].iter().any(|name| endpoint.is_reserved(name))).into()
                    }
                };
                is_endpoint.and(|| selector.matches(endpoint))
            }
            Self::Nodes if endpoint.is_pod() == Some(true) || endpoint.is_outside() => Truth::No,
            Self::Nodes => Truth::Unknown(Why::Rule("nodeSelector")),
        }
    }
}

/// One item of `ingress`, `egress`, `ingressDeny` or `egressDeny`.
#[derive(Clone, Debug)]
pub struct Rule {
    pub way: Way,
    pub denies: bool,
    /// Where it stands: `spec.ingress[0]`.
    pub place: String,
    /// `None` is everyone.
    pub peers: Option<Vec<Peer>>,
    pub ports: Ports,
    /// What else it asks for that flows do not tell about.
    pub untold: Option<&'static str>,
}

impl Rule {
    fn matches(&self, peer: &Endpoint, access: &Access<'_>) -> Truth {
        let peers = match &self.peers {
            None => Truth::Yes,
            Some(peers) => Truth::any(peers.iter().map(|own| own.matches(peer))),
        };
        let fits = peers.and(|| self.ports.matches(access));
        fits.and(|| self.untold.map_or(Truth::Yes, |part| Truth::Unknown(Why::Rule(part))))
    }
}

/// What is decided of an access, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub allowed: Truth,
    pub by: Vec<By>,
}

/// What decided.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// A rule, by the numbers of its policy and of itself there.
    Rule(usize, usize),
    /// No policy selects the endpoint in this way.
    Open(Way),
    /// Policies, by their numbers, select the endpoint, and none of their rules allows it.
    Closed(Way, Vec<usize>),
    /// The host reaches its own pods whatever policies say.
    Host,
}

impl Policies {
    /// Adds those of another file.
    pub fn extend(&mut self, other: Self) {
        self.policies.extend(other.policies);
    }

    /// Whether a rule looks into requests.
    #[must_use]
    pub fn has_layer_seven(&self) -> bool {
        let rules = self.policies.iter().flat_map(|policy| &policy.rules);
        rules.flat_map(|rule| &rule.ports.rules).any(|ports| !ports.requests.is_any())
    }

    /// What the policies of both ends decide.
    #[must_use]
    pub fn decide(&self, access: &Access<'_>) -> Decision {
        let egress = self.one_way(Way::Egress, access.client, access.server, access);
        if egress.allowed == Truth::No {
            return egress;
        }
        let ingress = self.one_way(Way::Ingress, access.server, access.client, access);
        match (egress.allowed, ingress.allowed) {
            (_, Truth::No) | (Truth::Yes, Truth::Unknown(_)) => ingress,
            (Truth::Unknown(_), _) => egress,
            _ => Decision { allowed: Truth::Yes, by: egress.by.into_iter().chain(ingress.by).collect() },
        }
    }

    /// What the policies of one end decide.
    fn one_way(&self, way: Way, subject: &Endpoint, peer: &Endpoint, access: &Access<'_>) -> Decision {
        if way == Way::Ingress && peer.is_reserved("host") && !peer.is_reserved("remote-node") {
            return Decision { allowed: Truth::Yes, by: vec![By::Host] };
        }
        let (mut closed, mut denied, mut allowed) = (Truth::No, Truth::No, Truth::No);
        let (mut closing, mut denying, mut allowing) = (Vec::new(), Vec::new(), Vec::new());
        for (number, policy) in self.policies.iter().enumerate() {
            let selects = policy.subject.selects(subject);
            if selects == Truth::No {
                continue;
            }
            if policy.closes.contains(&way) {
                closed = closed.or(|| selects);
                closing.push(number);
            }
            for (place, rule) in policy.rules.iter().enumerate().filter(|(_, rule)| rule.way == way) {
                let fits = selects.and(|| rule.matches(peer, access));
                let (truth, by) = if rule.denies { (&mut denied, &mut denying) } else { (&mut allowed, &mut allowing) };
                *truth = truth.or(|| fits);
                if fits == Truth::Yes {
                    by.push(By::Rule(number, place));
                }
            }
        }
        let passes = denied.not().and(|| allowed.or(|| closed.not()));
        let by = match passes {
            Truth::No if denied == Truth::Yes => denying,
            Truth::No => vec![By::Closed(way, closing)],
            Truth::Yes if allowed == Truth::Yes => allowing,
            Truth::Yes => vec![By::Open(way)],
            Truth::Unknown(_) => Vec::new(),
        };
        Decision { allowed: passes, by }
    }
}
