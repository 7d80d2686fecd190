//! Handlers of every flow, of policy verdicts and of lost events.

use lookback_flow::terms;

use super::{Hits, Options};
use crate::flow::Flow;

/// Event type of records of layer 7.
const L7: i32 = 129;

pub(super) fn flow(flow: &Flow<'_>, _: &Options, hits: &mut Hits) {
    let event_type = event_type(flow);
    let number = event_type.to_string();
    let (kind, sub_type) = match event_type {
        L7 => ("L7", layer_7(flow).unwrap_or_default().to_owned()),
        terms::DROP => ("Drop", String::new()),
        terms::CAPTURE => ("Capture", String::new()),
        terms::TRACE => ("Trace", trace_point(flow)),
        terms::POLICY_VERDICT => ("PolicyVerdict", String::new()),
        _ => ("Unknown", number),
    };
    hits.add(0, [protocol(flow), kind, &sub_type, flow.verdict()]);
}

pub(super) fn policy(flow: &Flow<'_>, _: &Options, hits: &mut Hits) {
    let matched = match event_type(flow) {
        L7 => format!("l7/{}", flow.text("l7_protocol")),
        // The host may reach each endpoint of its node, policies or not.
        terms::POLICY_VERDICT if flow.number("source_identity") != Some(1) => {
            terms::policy_match(flow.number("policy_match_type").unwrap_or_default()).to_lowercase()
        }
        _ => return,
    };
    let direction = flow.text_or("traffic_direction", "TRAFFIC_DIRECTION_UNKNOWN").to_lowercase();
    hits.add(0, [&*direction, &*matched, &*flow.verdict().to_lowercase()]);
}

pub(super) fn lost(flow: &Flow<'_>, _: &Options, hits: &mut Hits) {
    hits.add(0, [&*flow.text_or("lost_source", "UNKNOWN_LOST_EVENT_SOURCE").to_lowercase()]);
}

/// What best says what a flow speaks, by the kind of its event.
pub(super) fn protocol<'a>(flow: &Flow<'a>) -> &'a str {
    match event_type(flow) {
        L7 => layer_7(flow).unwrap_or("Unknown L7"),
        terms::DROP | terms::TRACE | terms::POLICY_VERDICT | terms::CAPTURE => {
            flow.text_or("l4_protocol", "Unknown L4")
        }
        _ => "Unknown flow",
    }
}

fn layer_7(flow: &Flow<'_>) -> Option<&'static str> {
    match flow.text("l7_protocol") {
        "dns" => Some("DNS"),
        "http" => Some("HTTP"),
        "kafka" => Some("Kafka"),
        _ => None,
    }
}

fn event_type(flow: &Flow<'_>) -> i32 {
    flow.number("event_type").and_then(|number| i32::try_from(number).ok()).unwrap_or_default()
}

/// Where a packet was traced; empty where that has no name. The agent takes the number's last byte.
fn trace_point(flow: &Flow<'_>) -> String {
    let number = flow.number("event_sub_type").unwrap_or_default() & 0xff;
    let name = terms::trace_point(number);
    if name == number.to_string() { String::new() } else { name }
}
