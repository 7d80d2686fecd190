//! The kernel's reasons for drops, in Hubble's words.

use lookback_flow::proto::flow::DropReason;

/// What the kernel calls all its reasons.
pub const PREFIX: &str = "SKB_DROP_REASON_";

/// The nearest of Hubble's reasons, by the kernel's name without [`PREFIX`]. The first row that fits holds: a name, or what it
/// begins with where a `*` follows.
const NEAREST: [(&str, DropReason); 44] = [
    ("NETFILTER_DROP", DropReason::PolicyDenied),
    ("NF_*", DropReason::PolicyDenied),
    ("XFRM_POLICY", DropReason::PolicyDenied),
    ("SOCKET_FILTER", DropReason::PolicyDeny),
    ("BPF_CGROUP_EGRESS", DropReason::PolicyDeny),
    ("TC_*", DropReason::PolicyDeny),
    ("XDP", DropReason::PolicyDeny),
    ("NO_SOCKET", DropReason::SocketLookupFailed),
    ("TCP_CSUM", DropReason::InvalidPacketDropped),
    ("UDP_CSUM", DropReason::InvalidPacketDropped),
    ("IP_CSUM", DropReason::InvalidPacketDropped),
    ("ICMP_CSUM", DropReason::InvalidPacketDropped),
    ("SKB_CSUM", DropReason::InvalidPacketDropped),
    ("IP_INHDR", DropReason::InvalidPacketDropped),
    ("PKT_TOO_SMALL", DropReason::CtTruncatedOrInvalidHeader),
    ("HDR_TRUNC", DropReason::CtTruncatedOrInvalidHeader),
    ("SOCKET_RCVBUFF", DropReason::DropRateLimited),
    ("SOCKET_BACKLOG", DropReason::DropRateLimited),
    ("PROTO_MEM", DropReason::DropRateLimited),
    ("QDISC_*", DropReason::DropRateLimited),
    ("CPU_BACKLOG", DropReason::DropRateLimited),
    ("FULL_RING", DropReason::DropRateLimited),
    ("IP_NOPROTO", DropReason::UnknownL4Protocol),
    ("UNHANDLED_PROTO", DropReason::UnsupportedL3Protocol),
    ("IPV6DISABLED", DropReason::UnsupportedL3Protocol),
    ("IP_RPFILTER", DropReason::InvalidSourceIp),
    ("IP_INVALID_SOURCE", DropReason::InvalidSourceIp),
    ("IP_LOCAL_SOURCE", DropReason::InvalidSourceIp),
    ("IP_INADDRERRORS", DropReason::UnknownL3TargetAddress),
    ("IP_INVALID_DEST", DropReason::UnknownL3TargetAddress),
    ("IP_LOCALNET", DropReason::UnknownL3TargetAddress),
    ("NEIGH_*", DropReason::UnknownL3TargetAddress),
    ("IP_OUTNOROUTES", DropReason::FibLookupFailed),
    ("IP_INNOROUTES", DropReason::FibLookupFailed),
    ("PKT_TOO_BIG", DropReason::IpFragmentationNotSupported),
    ("FRAG_*", DropReason::FirstLogicalDatagramFragmentNotFound),
    ("DUP_FRAG", DropReason::FirstLogicalDatagramFragmentNotFound),
    ("IPV6_BAD_EXTHDR", DropReason::InvalidIpv6ExtensionHeader),
    ("IPV6_NDISC_*", DropReason::ForbiddenIcmpv6Message),
    ("OTHERHOST", DropReason::UnsupportedL2Protocol),
    ("MAC_*", DropReason::UnsupportedL2Protocol),
    ("VXLAN_*", DropReason::InvalidVni),
    ("TCP_*", DropReason::UnknownConnectionTrackingState),
    ("VLAN_*", DropReason::VlanFiltered),
];

/// Hubble's reason for one of the kernel's; [`DropReason::Unknown`] where there is none like it.
#[must_use]
pub fn nearest(kernel: &str) -> DropReason {
    let name = kernel.strip_prefix(PREFIX).unwrap_or(kernel);
    let fits = |pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    };
    NEAREST.iter().find(|(pattern, _)| fits(pattern)).map_or(DropReason::Unknown, |(_, reason)| *reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_a_neighbour() {
        assert_eq!(nearest("SKB_DROP_REASON_NETFILTER_DROP"), DropReason::PolicyDenied);
        assert_eq!(nearest("TCP_CSUM"), DropReason::InvalidPacketDropped);
        assert_eq!(nearest("TCP_INVALID_SEQUENCE"), DropReason::UnknownConnectionTrackingState);
        assert_eq!(nearest("NEW_IN_SOME_KERNEL"), DropReason::Unknown);
    }
}
