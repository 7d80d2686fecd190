//! Handlers of what packets carry: drops, TCP flags, ports, SCTP chunks, flows that leave the cluster.

use super::flows::protocol;
use super::{Hits, Options};
use crate::flow::Flow;

/// Labels of what is outside the cluster.
const WORLD: &[&str] = &["reserved:world", "reserved:world-ipv4", "reserved:world-ipv6"];

pub(super) fn drop(flow: &Flow<'_>, _: &Options, hits: &mut Hits) {
    hits.add(0, [flow.text_or("drop_reason_desc", "DROP_REASON_UNKNOWN"), protocol(flow)]);
}

pub(super) fn tcp(flow: &Flow<'_>, _: &Options, hits: &mut Hits) {
    let Some(family) = flow.family() else { return };
    if !flow.is_forwarded() {
        return;
    }
    let has = |flag| has_flag(flow, flag);
    let flags = [
        ("FIN", has("FIN")),
        ("SYN-ACK", has("SYN") && has("ACK")),
        ("SYN", has("SYN") && !has("ACK")),
        ("RST", has("RST")),
    ];
    for (flag, _) in flags.into_iter().filter(|(_, is_set)| *is_set) {
        hits.add(0, [flag, family]);
    }
}

pub(super) fn sctp(flow: &Flow<'_>, _: &Options, hits: &mut Hits) {
    let Some(family) = flow.family() else { return };
    match flow.text_or("sctp_chunk_type", "UNSUPPORTED") {
        "UNSUPPORTED" => {}
        chunk if flow.is_forwarded() => hits.add(0, [chunk, family]),
        _ => {}
    }
}

pub(super) fn port_distribution(flow: &Flow<'_>, _: &Options, hits: &mut Hits) {
    // Of a reply, and of what may be one, the destination's port is the client's.
    if flow.is_reply() != Some(false) {
        return;
    }
    match flow.text("l4_protocol") {
        "" => {}
        protocol => hits.add(0, [protocol, port(flow).as_deref().unwrap_or("0")]),
    }
}

pub(super) fn flows_to_world(flow: &Flow<'_>, options: &Options, hits: &mut Hits) {
    let is_to_world = flow.texts("destination_labels").iter().any(|label| WORLD.contains(&label.as_str()));
    if !is_to_world || flow.number("event_type").is_none() {
        return;
    }
    let is_reply = flow.is_reply() == Some(true);
    let is_counted = if flow.is_dropped() {
        options.has("any-drop") || flow.text("drop_reason_desc") == "POLICY_DENIED"
    } else {
        !is_reply
    };
    if !is_counted || options.has("syn-only") && (is_reply || !has_flag(flow, "SYN")) {
        return;
    }
    let port = options.has("port").then(|| port(flow).unwrap_or_default());
    hits.add(0, [protocol(flow), flow.verdict()].into_iter().chain(port.as_deref()));
}

/// The destination's port, of protocols that have ports.
fn port(flow: &Flow<'_>) -> Option<String> {
    matches!(flow.text("l4_protocol"), "TCP" | "UDP" | "SCTP")
        .then(|| flow.number("destination_port").unwrap_or_default().to_string())
}

fn has_flag(flow: &Flow<'_>, flag: &str) -> bool {
    flow.text("tcp_flags").split(", ").any(|set| set == flag)
}
