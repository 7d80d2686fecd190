//! The words in which Hubble tells of a flow.

use super::{COLUMNS, EndColumns, Event, clean};
use crate::columns::ColumnId;
use crate::terms;

/// What kind of event a flow is.
#[must_use]
pub fn kind(event: &Event<'_>) -> String {
    let sub_type = event.number(COLUMNS.event_sub_type).unwrap_or_default();
    let named = |column: ColumnId, default: &str| clean(event.text(column).unwrap_or(default));
    if event.text(COLUMNS.l7_type).is_some() || event.text(COLUMNS.l7_protocol).is_some() {
        let l7_type = named(COLUMNS.l7_type, "UNKNOWN_L7_TYPE").to_lowercase();
        return match event.text(COLUMNS.l7_protocol) {
            Some("dns") => format!("dns-{l7_type} {}", named(COLUMNS.dns_observation_source, "")),
            Some(protocol) => format!("{}-{l7_type}", clean(protocol)),
            None => format!("l7-{l7_type}"),
        };
    }
    match event.number(COLUMNS.event_type).and_then(|number| i32::try_from(number).ok()) {
        Some(terms::TRACE) => terms::trace_point(sub_type),
        Some(terms::DROP) => terms::drop_text(sub_type),
        Some(terms::POLICY_VERDICT) => format!(
            "policy-verdict:{} {}",
            terms::policy_match(event.number(COLUMNS.policy_match_type).unwrap_or_default()),
            named(COLUMNS.traffic_direction, "TRAFFIC_DIRECTION_UNKNOWN")
        ),
        Some(terms::CAPTURE) => named(COLUMNS.debug_capture_point, "DBG_CAPTURE_POINT_UNKNOWN"),
        Some(terms::TRACE_SOCK) => match event.text(COLUMNS.sock_xlate_point).unwrap_or("SOCK_XLATE_POINT_UNKNOWN") {
            "SOCK_XLATE_POINT_PRE_DIRECTION_FWD" => "pre-xlate-fwd".to_owned(),
            "SOCK_XLATE_POINT_POST_DIRECTION_FWD" => "post-xlate-fwd".to_owned(),
            "SOCK_XLATE_POINT_PRE_DIRECTION_REV" => "pre-xlate-rev".to_owned(),
            "SOCK_XLATE_POINT_POST_DIRECTION_REV" => "post-xlate-rev".to_owned(),
            other => clean(other),
        },
        _ => "UNKNOWN".to_owned(),
    }
}

/// The pod, else the service, else the names of an end.
#[must_use]
pub fn translated(event: &Event<'_>, end: &EndColumns) -> Option<String> {
    let service = event.text(end.service_name);
    // The service's namespace is told for the pod's, too.
    let namespace = event.text(end.service_namespace).or_else(|| event.text(end.namespace));
    if let Some(name) = event.text(end.pod).or(service) {
        return Some(namespace.map_or_else(|| clean(name), |namespace| clean(&format!("{namespace}/{name}"))));
    }
    event.joined(end.names)
}

/// What a verdict is called, and which lists of policies tell why: a policy verdict allows or denies.
#[must_use]
pub fn policy_word<'a>(event: &Event<'_>, verdict: &'a str) -> (&'a str, Option<&'static str>) {
    if event.number(COLUMNS.event_type) != Some(terms::POLICY_VERDICT.into()) {
        return (verdict, None);
    }
    match verdict {
        "FORWARDED" | "REDIRECTED" => ("ALLOWED", Some("allowed_by")),
        "DROPPED" | "ERROR" => ("DENIED", Some("denied_by")),
        "AUDIT" => ("AUDITED", Some("denied_by")),
        other => (other, None),
    }
}
