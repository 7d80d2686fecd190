//! The handler of ICMP messages, and the words that Hubble has for them: those of its packet library.

use super::{Hits, Options};
use crate::flow::Flow;

/// A type's number and name, and names of its codes by number; none where it has no codes.
type Message = (u8, &'static str, &'static [&'static str]);

#[rustfmt::skip]
const V4: &[Message] = &[
    (0, "EchoReply", &[]),
    (3, "DestinationUnreachable", &[
        "Net", "Host", "Protocol", "Port", "FragmentationNeeded", "SourceRoutingFailed", "NetUnknown", "HostUnknown",
        "SourceIsolated", "NetAdminProhibited", "HostAdminProhibited", "NetTOS", "HostTOS", "CommAdminProhibited",
        "HostPrecedence", "PrecedenceCutoff",
    ]),
    (4, "SourceQuench", &[]),
    (5, "Redirect", &["Net", "Host", "TOS+Net", "TOS+Host"]),
    (8, "EchoRequest", &[]),
    (9, "RouterAdvertisement", &[]),
    (10, "RouterSolicitation", &[]),
    (11, "TimeExceeded", &["TTLExceeded", "FragmentReassemblyTimeExceeded"]),
    (12, "ParameterProblem", &["PointerIndicatesError", "MissingOption", "BadLength"]),
    (13, "TimestampRequest", &[]),
    (14, "TimestampReply", &[]),
    (15, "InfoRequest", &[]),
    (16, "InfoReply", &[]),
    (17, "AddressMaskRequest", &[]),
    (18, "AddressMaskReply", &[]),
];

#[rustfmt::skip]
const V6: &[Message] = &[
    (1, "DestinationUnreachable", &[
        "NoRouteToDst", "AdminProhibited", "BeyondScopeOfSrc", "AddressUnreachable", "PortUnreachable",
        "SrcAddressFailedPolicy", "RejectRouteToDst",
    ]),
    (2, "PacketTooBig", &[]),
    (3, "TimeExceeded", &["HopLimitExceeded", "FragmentReassemblyTimeExceeded"]),
    (4, "ParameterProblem", &["ErroneousHeaderField", "UnrecognizedNextHeader", "UnrecognizedIPv6Option"]),
    (128, "EchoRequest", &[]),
    (129, "EchoReply", &[]),
    (133, "RouterSolicitation", &[]),
    (134, "RouterAdvertisement", &[]),
    (135, "NeighborSolicitation", &[]),
    (136, "NeighborAdvertisement", &[]),
    (137, "Redirect", &[]),
];

pub(super) fn icmp(flow: &Flow<'_>, _: &Options, hits: &mut Hits) {
    let (family, messages) = if flow.text("l4_protocol") == "ICMPv6" { ("IPv6", V6) } else { ("IPv4", V4) };
    let byte = |column| (flow.number(column).unwrap_or_default() & 0xff).try_into().unwrap_or(u8::MAX);
    hits.add(0, [family, &*words(messages, byte("icmp_type"), byte("icmp_code"))]);
}

fn words(messages: &[Message], kind: u8, code: u8) -> String {
    let Some((_, name, codes)) = messages.iter().find(|(known, ..)| *known == kind) else {
        return format!("{kind}({code})");
    };
    match codes.get(usize::from(code)) {
        Some(code) => format!("{name}({code})"),
        None if codes.is_empty() && code == 0 => (*name).to_owned(),
        None => format!("{name}(Code: {code})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_called_as_hubble_calls_them() {
        for (messages, kind, code, text) in [
            (V4, 8, 0, "EchoRequest"),
            (V4, 8, 1, "EchoRequest(Code: 1)"),
            (V4, 3, 1, "DestinationUnreachable(Host)"),
            (V4, 3, 200, "DestinationUnreachable(Code: 200)"),
            (V4, 77, 2, "77(2)"),
            (V6, 135, 0, "NeighborSolicitation"),
            (V6, 3, 0, "TimeExceeded(HopLimitExceeded)"),
        ] {
            assert_eq!(words(messages, kind, code), text);
        }
    }
}
