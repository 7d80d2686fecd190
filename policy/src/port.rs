//! Ports, ICMP types and requests: the part of a rule above addresses.

use regex::Regex;

use crate::peer::Pattern;
use crate::seen::{Access, Request};
use crate::truth::{Truth, Why};

/// Protocols that a rule can name, as Hubble writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
    Icmpv4,
    Icmpv6,
    Vrrp,
    Igmp,
}

impl Protocol {
    const ALL: [Self; 7] = [Self::Tcp, Self::Udp, Self::Sctp, Self::Icmpv4, Self::Icmpv6, Self::Vrrp, Self::Igmp];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
            Self::Icmpv4 => "ICMPv4",
            Self::Icmpv6 => "ICMPv6",
            Self::Vrrp => "VRRP",
            Self::Igmp => "IGMP",
        }
    }

    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }

    #[must_use]
    pub const fn has_ports(self) -> bool {
        matches!(self, Self::Tcp | Self::Udp | Self::Sctp)
    }
}

/// What a rule says above addresses. Nothing said is everything.
#[derive(Clone, Debug, Default)]
pub struct Ports {
    pub rules: Vec<PortRule>,
    pub icmp: Vec<Icmp>,
}

impl Ports {
    #[must_use]
    pub fn matches(&self, access: &Access<'_>) -> Truth {
        if self.rules.is_empty() && self.icmp.is_empty() {
            return Truth::Yes;
        }
        let ports = Truth::any(self.rules.iter().map(|rule| rule.matches(access)));
        ports.or(|| Truth::any(self.icmp.iter().map(|icmp| icmp.matches(access))))
    }
}

/// One item of `toPorts`.
#[derive(Clone, Debug, Default)]
pub struct PortRule {
    /// None is every port.
    pub ports: Vec<Port>,
    pub requests: Requests,
}

impl PortRule {
    fn matches(&self, access: &Access<'_>) -> Truth {
        let port = || Truth::any(self.ports.iter().map(|port| port.matches(access)));
        let port = if self.ports.is_empty() { Truth::Yes } else { port() };
        port.and(|| self.requests.matches(access))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// First and last, of a protocol, or of all that have ports.
    Numbers(Option<Protocol>, u16, u16),
    /// A port by its name, which only the pod's own description resolves.
    Named(Option<Protocol>),
}

impl Port {
    fn matches(self, access: &Access<'_>) -> Truth {
        let (Self::Numbers(wanted, ..) | Self::Named(wanted)) = self;
        let Some(protocol) = access.protocol else { return Truth::Unknown(Why::Port) };
        if wanted.map_or(!protocol.has_ports(), |wanted| wanted != protocol) {
            return Truth::No;
        }
        match (self, access.port) {
            (Self::Numbers(_, 0, _), _) => Truth::Yes,
            (Self::Numbers(..), _) if !protocol.has_ports() => Truth::Yes,
            (Self::Numbers(_, first, last), Some(port)) => (first..=last).contains(&port).into(),
            (Self::Numbers(..), None) => Truth::Unknown(Why::Port),
            (Self::Named(_), _) => Truth::Unknown(Why::Rule("a port by its name")),
        }
    }
}

/// One item of `icmps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    pub protocol: Protocol,
    pub kind: u16,
}

impl Icmp {
    fn matches(self, access: &Access<'_>) -> Truth {
        match (access.protocol, access.port) {
            (None, _) => Truth::Unknown(Why::Port),
            (Some(protocol), _) if protocol != self.protocol => Truth::No,
            (_, Some(kind)) => (kind == self.kind).into(),
            (_, None) => Truth::Unknown(Why::Port),
        }
    }

    /// The number of a type that a policy names.
    #[must_use]
    pub fn number(protocol: Protocol, name: &str) -> Option<u16> {
        let names = if protocol == Protocol::Icmpv4 { ICMPV4 } else { ICMPV6 };
        names.iter().find(|(own, _)| *own == name).map(|(_, number)| *number)
    }
}

/// Names of types as `CiliumNetworkPolicy` has them.
const ICMPV4: &[(&str, u16)] = &[
    ("EchoReply", 0),
    ("DestinationUnreachable", 3),
    ("Redirect", 5),
    ("Echo", 8),
    ("EchoRequest", 8),
    ("RouterAdvertisement", 9),
    ("RouterSelection", 10),
    ("TimeExceeded", 11),
    ("ParameterProblem", 12),
    ("Timestamp", 13),
    ("TimestampReply", 14),
    ("Photuris", 40),
    ("ExtendedEchoRequest", 42),
    ("ExtendedEchoReply", 43),
];
const ICMPV6: &[(&str, u16)] = &[
    ("DestinationUnreachable", 1),
    ("PacketTooBig", 2),
    ("TimeExceeded", 3),
    ("ParameterProblem", 4),
    ("EchoRequest", 128),
    ("EchoReply", 129),
    ("MulticastListenerQuery", 130),
    ("MulticastListenerReport", 131),
    ("MulticastListenerDone", 132),
    ("RouterSolicitation", 133),
    ("RouterAdvertisement", 134),
    ("NeighborSolicitation", 135),
    ("NeighborAdvertisement", 136),
    ("RedirectMessage", 137),
    ("RouterRenumbering", 138),
    ("ICMPNodeInformationQuery", 139),
    ("ICMPNodeInformationResponse", 140),
    ("InverseNeighborDiscoverySolicitation", 141),
    ("InverseNeighborDiscoveryAdvertisement", 142),
    ("HomeAgentAddressDiscoveryRequest", 144),
    ("HomeAgentAddressDiscoveryReply", 145),
    ("MobilePrefixSolicitation", 146),
    ("MobilePrefixAdvertisement", 147),
    ("DuplicateAddressRequestCodeSuffix", 157),
    ("DuplicateAddressConfirmationCodeSuffix", 158),
    ("ExtendedEchoRequest", 160),
    ("ExtendedEchoReply", 161),
];

/// What is looked into on a port.
#[derive(Clone, Debug, Default)]
pub enum Requests {
    /// Nothing: every request passes.
    #[default]
    Any,
    Http(Vec<Http>),
    Dns(Vec<Pattern>),
    /// What flows do not tell about, by the policy's own word for it.
    Untold(&'static str),
}

/// One item of `rules.http`: expressions for the whole of each.
#[derive(Clone, Debug, Default)]
pub struct Http {
    pub method: Option<Regex>,
    pub path: Option<Regex>,
    pub host: Option<Regex>,
    /// Headers are not judged.
    pub has_headers: bool,
}

impl Requests {
    #[must_use]
    pub const fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }

    fn matches(&self, access: &Access<'_>) -> Truth {
        match (self, access.request) {
            (Self::Any, _) => Truth::Yes,
            (Self::Untold(part), _) => Truth::Unknown(Why::Rule(part)),
            (Self::Dns(patterns), _) if patterns.iter().any(Pattern::is_all) => Truth::Yes,
            // The connection itself goes to the proxy; what passes there, its requests tell.
            (_, None) if access.has_requests => Truth::Yes,
            (_, None) => Truth::Unknown(Why::Requests),
            (Self::Dns(patterns), Some(Request::Dns { query })) => {
                patterns.iter().any(|pattern| pattern.matches(query)).into()
            }
            (Self::Http(rules), Some(request @ Request::Http { .. })) => {
                Truth::any(rules.iter().map(|rule| rule.matches(request)))
            }
            (Self::Dns(_) | Self::Http(_), Some(_)) => Truth::No,
        }
    }
}

impl Http {
    fn matches(&self, request: &Request) -> Truth {
        let Request::Http { method, host, path } = request else { return Truth::No };
        let fits = |own: &Option<Regex>, text: &str| own.as_ref().is_none_or(|own| own.is_match(text));
        if !fits(&self.method, method) || !fits(&self.path, path) {
            return Truth::No;
        }
        match host {
            Some(host) if !fits(&self.host, host) => Truth::No,
            None if self.host.is_some() => Truth::Unknown(Why::Rule("an HTTP host that is not in the URL")),
            _ if self.has_headers => Truth::Unknown(Why::Rule("HTTP headers")),
            _ => Truth::Yes,
        }
    }
}
