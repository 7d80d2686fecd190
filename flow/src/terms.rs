//! The words of Hubble's output: numbers of Cilium's datapath and what they are called.

use crate::names::RESERVED_IDENTITIES;

/// Reserved identities that the hubble CLI has words for.
pub fn identities() -> impl Iterator<Item = (u32, &'static str)> {
    RESERVED_IDENTITIES.iter().copied().filter(|(number, _)| *number <= 10)
}

/// Event types.
pub const EVENT_TYPES: &[(i32, &str)] = &[
    (DROP, "drop"),
    (2, "debug"),
    (CAPTURE, "capture"),
    (TRACE, "trace"),
    (POLICY_VERDICT, "policy-verdict"),
    (TRACE_SOCK, "trace-sock"),
    (129, "l7"),
    (130, "agent"),
];

pub const DROP: i32 = 1;
pub const CAPTURE: i32 = 3;
pub const TRACE: i32 = 4;
pub const POLICY_VERDICT: i32 = 5;
pub const TRACE_SOCK: i32 = 7;

/// Where a packet was traced, by sub-type.
const TRACE_POINTS: &[&str] = &[
    "to-endpoint",
    "to-proxy",
    "to-host",
    "to-stack",
    "to-overlay",
    "from-endpoint",
    "from-proxy",
    "from-host",
    "from-stack",
    "from-overlay",
    "from-network",
    "to-network",
    "from-crypto",
    "to-crypto",
];

/// How a policy matched.
const MATCHES: &[&str] = &["none", "L3-Only", "L3-L4", "L4-Only", "all", "L3-Proto", "Proto-Only"];

/// Why packets are dropped, and what happened to those that are not, by sub-type.
#[rustfmt::skip]
const DROPS: &[(i32, &str)] = &[
    (0, "Success"),
    (2, "Invalid packet"),
    (3, "Interface"),
    (4, "Interface Decrypted"),
    (5, "LB, sock cgroup: No backend slot entry found"),
    (6, "LB, sock cgroup: No backend entry found"),
    (7, "LB, sock cgroup: Reverse entry update failed"),
    (8, "LB, sock cgroup: Reverse entry stale"),
    (9, "Fragmented packet"),
    (10, "Fragmented packet entry update failed"),
    (11, "Missed tail call to custom program"),
    (12, "Interface Decrypting"),
    (13, "Interface Encrypting"),
    (14, "LB: sock cgroup: Reverse entry delete succeeded"),
    (15, "MTU error message"),
    (130, "Invalid source mac"),
    (131, "Invalid destination mac"),
    (132, "Invalid source ip"),
    (133, "Policy denied"),
    (134, "Invalid packet"),
    (135, "CT: Truncated or invalid header"),
    (136, "Fragmentation needed"),
    (137, "CT: Unknown L4 protocol"),
    (138, "CT: Can't create entry from packet"),
    (139, "Unsupported L3 protocol"),
    (140, "Missed tail call"),
    (141, "Error writing to packet"),
    (142, "Unknown L4 protocol"),
    (143, "Unknown ICMPv4 code"),
    (144, "Unknown ICMPv4 type"),
    (145, "Unknown ICMPv6 code"),
    (146, "Unknown ICMPv6 type"),
    (147, "Error retrieving tunnel key"),
    (148, "Error retrieving tunnel options"),
    (149, "Invalid Geneve option"),
    (150, "Unknown L3 target address"),
    (151, "Stale or unroutable IP"),
    (152, "No matching local container found"),
    (153, "Error while correcting L3 checksum"),
    (154, "Error while correcting L4 checksum"),
    (155, "CT: Map insertion failed"),
    (156, "Invalid IPv6 extension header"),
    (157, "IP fragmentation not supported"),
    (158, "Service backend not found"),
    (160, "No tunnel/encapsulation endpoint (datapath BUG!)"),
    (161, "NAT 46/64 not enabled"),
    (162, "Reached EDT rate-limiting drop horizon"),
    (163, "Unknown connection tracking state"),
    (164, "Local host is unreachable"),
    (165, "No configuration available to perform policy decision"),
    (166, "Unsupported L2 protocol"),
    (167, "No mapping for NAT masquerade"),
    (168, "Unsupported protocol for NAT masquerade"),
    (169, "FIB lookup failed"),
    (170, "Encapsulation traffic is prohibited"),
    (171, "Invalid identity"),
    (172, "Unknown sender"),
    (173, "NAT not needed"),
    (174, "Is a ClusterIP"),
    (175, "First logical datagram fragment not found"),
    (176, "Forbidden ICMPv6 message"),
    (177, "Denied by LB src range check"),
    (178, "Socket lookup failed"),
    (179, "Socket assign failed"),
    (180, "Proxy redirection not supported for protocol"),
    (181, "Policy denied by denylist"),
    (182, "VLAN traffic disallowed by VLAN filter"),
    (183, "Incorrect VNI from VTEP"),
    (184, "Failed to update or lookup TC buffer"),
    (185, "No SID was found for the IP address"),
    (186, "SRv6 state was removed during tail call"),
    (187, "L3 translation from IPv4 to IPv6 failed (NAT46)"),
    (188, "L3 translation from IPv6 to IPv4 failed (NAT64)"),
    (189, "Authentication required"),
    (190, "No conntrack map found"),
    (191, "No nat map found"),
    (192, "Invalid ClusterID"),
    (193, "Unsupported packet protocol for DSR encapsulation"),
    (194, "No egress gateway found"),
    (195, "Traffic is unencrypted"),
    (196, "TTL exceeded"),
    (197, "No node ID found"),
    (198, "Rate limited"),
    (199, "IGMP handled"),
    (200, "IGMP subscribed"),
    (201, "Multicast handled"),
    (202, "Host datapath not ready"),
    (203, "Endpoint policy program not available"),
    (204, "No Egress IP configured"),
    (205, "Punt to proxy"),
    (206, "No device"),
    (207, "First logical datagram fragment not found from world"),
];

/// What an identity is called; `None` if by its number.
#[must_use]
pub fn identity(number: i128) -> Option<&'static str> {
    match number {
        0 => Some("unknown"),
        _ => identities().find(|(known, _)| i128::from(*known) == number).map(|(_, name)| name),
    }
}

/// A trace point by its number, which stands for itself if it is not known.
#[must_use]
pub fn trace_point(number: i128) -> String {
    let known = usize::try_from(number).ok().and_then(|at| TRACE_POINTS.get(at));
    known.map_or_else(|| number.to_string(), |name| (*name).to_owned())
}

/// A drop reason by its number.
#[must_use]
pub fn drop_text(number: i128) -> String {
    let known = DROPS.iter().find(|(known, _)| i128::from(*known) == number);
    known.map_or_else(|| format!("{number}, 0"), |(_, text)| (*text).to_owned())
}

/// How a policy matched.
#[must_use]
pub fn policy_match(number: i128) -> &'static str {
    usize::try_from(number).ok().and_then(|at| MATCHES.get(at)).copied().unwrap_or("unknown")
}

/// The number of a sub-type by its name.
#[must_use]
pub fn sub_type(event_type: i32, name: &str) -> Option<i32> {
    match event_type {
        TRACE => TRACE_POINTS.iter().position(|known| *known == name).and_then(|at| i32::try_from(at).ok()),
        _ => None,
    }
}
