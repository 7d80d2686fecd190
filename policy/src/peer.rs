//! The other side of a rule: endpoints by labels, entities, address ranges, DNS names.

use std::net::IpAddr;
use std::str::FromStr;

use regex::Regex;

use crate::endpoint::Endpoint;
use crate::selector::Selector;
use crate::truth::{Truth, Why};

#[derive(Clone, Debug)]
pub enum Peer {
    Endpoints(Selector),
    Entity(Entity),
    /// An address range without some; of what is outside the cluster alone, as Cilium has it unless it is told otherwise.
    Range(Range, Vec<Range>),
    Name(Pattern),
    /// What flows do not tell about, by the policy's own word for it.
    Untold(&'static str),
}

impl Peer {
    #[must_use]
    pub fn matches(&self, endpoint: &Endpoint) -> Truth {
        match self {
            Self::Endpoints(selector) if selector.requirements.is_empty() => {
                endpoint.is_pod().map_or(Truth::Unknown(Why::Endpoint), Truth::from)
            }
            Self::Endpoints(selector) => selector.matches(endpoint),
            Self::Entity(entity) => entity.matches(endpoint),
            Self::Range(range, except) => outside(endpoint).and(|| match endpoint.ip {
                Some(ip) => Truth::from(range.has(ip) && !except.iter().any(|except| except.has(ip))),
                None => Truth::Unknown(Why::Address),
            }),
            Self::Name(pattern) => outside(endpoint).and(|| match endpoint.names.as_slice() {
                [] => Truth::Unknown(Why::Names),
                names => Truth::from(names.iter().any(|name| pattern.matches(name))),
            }),
            Self::Untold(part) => Truth::Unknown(Why::Rule(part)),
        }
    }
}

fn outside(endpoint: &Endpoint) -> Truth {
    match endpoint.is_pod() {
        None => Truth::Unknown(Why::Endpoint),
        Some(_) => Truth::from(endpoint.is_outside()),
    }
}

/// Cilium's names for what is no pod, and for groups of endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entity {
    All,
    None,
    Cluster,
    World,
    WorldIpv4,
    WorldIpv6,
    /// One reserved identity, by its name.
    Reserved(&'static str),
}

impl Entity {
    pub const NAMES: [(&'static str, Self); 13] = [
        ("all", Self::All),
        ("cluster", Self::Cluster),
        ("health", Self::Reserved("health")),
        ("host", Self::Reserved("host")),
        ("ingress", Self::Reserved("ingress")),
        ("init", Self::Reserved("init")),
        ("kube-apiserver", Self::Reserved("kube-apiserver")),
        ("none", Self::None),
        ("remote-node", Self::Reserved("remote-node")),
        ("unmanaged", Self::Reserved("unmanaged")),
        ("world", Self::World),
        ("world-ipv4", Self::WorldIpv4),
        ("world-ipv6", Self::WorldIpv6),
    ];

    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(own, _)| *own == name).map(|(_, entity)| *entity)
    }

    fn matches(self, endpoint: &Endpoint) -> Truth {
        let is_family = |label: &str, is: fn(&IpAddr) -> bool| {
            outside(endpoint).and(|| match &endpoint.ip {
                _ if endpoint.is_reserved(label) => Truth::Yes,
                Some(ip) => is(ip).into(),
                None => Truth::Unknown(Why::Address),
            })
        };
        match self {
            Self::All => Truth::Yes,
            Self::None => Truth::No,
            // The API server is of the cluster wherever it runs.
            Self::Cluster if endpoint.is_reserved("kube-apiserver") => Truth::Yes,
            Self::Cluster => outside(endpoint).not(),
            Self::World => outside(endpoint),
            Self::WorldIpv4 => is_family("world-ipv4", IpAddr::is_ipv4),
            Self::WorldIpv6 => is_family("world-ipv6", IpAddr::is_ipv6),
            Self::Reserved(name) => match endpoint.is_pod() {
                None => Truth::Unknown(Why::Endpoint),
                Some(_) => endpoint.is_reserved(name).into(),
            },
        }
    }
}

/// An address range, such as `10.0.0.0/8`; one address stands for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    base: IpAddr,
    bits: u32,
}

impl Range {
    fn has(self, ip: IpAddr) -> bool {
        match (self.base, ip) {
            (IpAddr::V4(base), IpAddr::V4(ip)) => {
                base.to_bits().checked_shr(32 - self.bits).unwrap_or(0)
                    == ip.to_bits().checked_shr(32 - self.bits).unwrap_or(0)
            }
            (IpAddr::V6(base), IpAddr::V6(ip)) => {
                base.to_bits().checked_shr(128 - self.bits).unwrap_or(0)
                    == ip.to_bits().checked_shr(128 - self.bits).unwrap_or(0)
            }
            _ => false,
        }
    }
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no address range such as 10.0.0.0/8");
        let (base, bits) = text.split_once('/').map_or((text, None), |(base, bits)| (base, Some(bits)));
        let base: IpAddr = base.parse().map_err(|_| wrong())?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse::<u32>().map_err(|_| wrong()))?;
        if bits > most { Err(wrong()) } else { Ok(Self { base, bits }) }
    }
}

/// A DNS name (`matchName`), or a pattern of names (`matchPattern`): `*` stands for characters of one label, `**.` at the
/// beginning for any number of labels, and `*` alone for every name.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.0.is_match(&plain(name))
    }

    /// Whether every name fits.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0.as_str() == "^.*$"
    }

    /// # Errors
    /// When the pattern is too long to be used.
    pub fn new(pattern: &str) -> Result<Self, String> {
        const LABEL: &str = "[-a-zA-Z0-9_]*";
        let pattern = plain(pattern);
        let expression = if pattern == "*" {
            "^.*$".to_owned()
        } else {
            let (begin, rest) = match pattern.strip_prefix("**.") {
                Some(rest) => (r"([-a-zA-Z0-9_]+\.)+", rest),
                None => ("", pattern.as_str()),
            };
            let parts: Vec<String> = rest.split('*').map(regex::escape).collect();
            format!("^{begin}{}$", parts.join(LABEL))
        };
        Regex::new(&expression).map(Self).map_err(|error| error.to_string())
    }
}

/// A DNS name for comparison.
#[must_use]
pub fn plain(name: &str) -> String {
    name.trim().trim_end_matches('.').to_ascii_lowercase()
}
