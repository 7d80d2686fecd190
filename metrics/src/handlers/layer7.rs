//! Handlers of DNS, HTTP and Kafka.

use super::{Hits, Options};
use crate::flow::Flow;

/// Words for response codes of DNS; others have none.
#[rustfmt::skip]
const RCODES: &[(i128, &str)] = &[
    (0, "No Error"), (1, "Format Error"), (2, "Server Failure"), (3, "Non-Existent Domain"), (4, "Not Implemented"),
    (5, "Query Refused"), (6, "Name Exists when it should not"), (7, "RR Set Exists when it should not"),
    (8, "RR Set that should exist does not"), (9, "Not Authorized"), (10, "Name not contained in zone"),
    (11, "DSO-TYPE Not Implemented"), (16, "Bad OPT Version"), (17, "Key not recognized"),
    (18, "Signature out of time window"), (19, "Bad TKEY Mode"), (20, "Duplicate key name"),
    (21, "Algorithm not supported"), (22, "Bad Truncation"), (23, "Bad/missing Server Cookie"),
];

const QUERIES: usize = 0;
const RESPONSES: usize = 1;
const RESPONSE_TYPES: usize = 2;

pub(super) fn dns(flow: &Flow<'_>, options: &Options, hits: &mut Hits) {
    let qtypes = flow.texts("dns_qtypes");
    if options.has("ignoreAAAA") && qtypes == ["AAAA"] {
        return;
    }
    let qtypes = qtypes.join(",");
    let ips = flow.texts("dns_ips").len().to_string();
    let query = options.has("query").then(|| flow.text("dns_query"));
    let (metric, rcode) = if flow.is_dropped() {
        (QUERIES, "Policy denied")
    } else if flow.is_reply() == Some(true) {
        (RESPONSES, rcode(flow.number("dns_rcode").unwrap_or_default()))
    } else {
        (QUERIES, "")
    };
    hits.add(metric, [rcode, &qtypes, &ips].into_iter().chain(query));
    if metric == RESPONSES {
        for rrtype in flow.texts("dns_rrtypes") {
            hits.add(RESPONSE_TYPES, [&*rrtype, &*qtypes].into_iter().chain(query));
        }
    }
}

pub(super) fn http(flow: &Flow<'_>, _: &Options, hits: &mut Hits) {
    let (method, protocol, reporter) = (flow.text("http_method"), flow.text("http_protocol"), flow.reporter());
    match flow.text("l7_type") {
        "REQUEST" => hits.add(0, [method, protocol, reporter]),
        "RESPONSE" => {
            hits.add(1, [method, protocol, &*status(flow), reporter]);
            hits.add(2, [method, reporter]);
        }
        _ => {}
    }
}

pub(super) fn http_v2(flow: &Flow<'_>, _: &Options, hits: &mut Hits) {
    let (method, protocol, reporter) = (flow.text("http_method"), flow.text("http_protocol"), flow.reporter());
    if flow.text("l7_type") == "RESPONSE" {
        hits.add(0, [method, protocol, &*status(flow), reporter]);
        hits.add(1, [method, reporter]);
    }
}

pub(super) fn kafka(flow: &Flow<'_>, _: &Options, hits: &mut Hits) {
    let (topic, key, reporter) = (flow.text("kafka_topic"), flow.text("kafka_api_key"), flow.reporter());
    if flow.text("l7_type") == "REQUEST" {
        let error = flow.number("kafka_error_code").unwrap_or_default().to_string();
        hits.add(0, [topic, key, &*error, reporter]);
        hits.add(1, [topic, key, reporter]);
    }
}

fn rcode(number: i128) -> &'static str {
    RCODES.iter().find(|(known, _)| *known == number).map_or("", |(_, name)| name)
}

fn status(flow: &Flow<'_>) -> String {
    flow.number("http_code").unwrap_or_default().to_string()
}
