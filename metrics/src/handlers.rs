//! The table of Hubble's metric handlers: what each is called, what it counts and which labels it gives.
//!
//! What a handler counts depends on its columns alone, so that it is asked once for each distinct combination of them in
//! a batch. Labels of the contexts come to those that stand here.

mod flows;
mod icmp;
mod layer7;
mod packets;

use crate::flow::Flow;

/// A metric of Prometheus, without its prefix.
#[derive(Debug)]
pub(crate) struct Spec {
    pub name: &'static str,
    pub help: &'static str,
    pub labels: &'static [&'static str],
    /// A label that the option of the same name adds.
    pub optional: Option<&'static str>,
}

impl Spec {
    const fn new(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self { name, help, labels, optional: None }
    }

    const fn or(mut self, label: &'static str) -> Self {
        self.optional = Some(label);
        self
    }

    /// Names of seconds are histograms, all others are counters.
    pub(crate) fn is_histogram(&self) -> bool {
        self.name.ends_with("_seconds")
    }
}

/// Which flows a handler looks at: those that have one of these values in the column, or any if there are none.
#[derive(Debug)]
pub(crate) struct Gate {
    pub column: &'static str,
    pub values: &'static [&'static str],
}

#[derive(Debug)]
pub(crate) struct Handler {
    pub name: &'static str,
    pub options: &'static [&'static str],
    pub metrics: &'static [Spec],
    pub gate: Gate,
    /// What it reads beside the gate's column.
    pub columns: &'static [&'static str],
    /// It sees answers and tells of them from the client to the server.
    pub swaps: bool,
    /// The column of how many a row counts; each counts for one without it.
    pub amount: Option<&'static str>,
    pub count: fn(&Flow<'_>, &Options, &mut Hits),
}

/// Options of a handler that are set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options(pub Vec<&'static str>);

impl Options {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains(&name)
    }
}

/// What one flow counts for: positions in [`Handler::metrics`], with values of the labels in the order of the table.
#[derive(Debug, Default)]
pub(crate) struct Hits(pub Vec<(usize, Vec<String>)>);

impl Hits {
    fn add<'a>(&mut self, metric: usize, labels: impl IntoIterator<Item = &'a str>) {
        self.0.push((metric, labels.into_iter().map(str::to_owned).collect()));
    }
}

const FLOW: Gate = Gate { column: "kind", values: &["flow"] };
const HTTP: Gate = Gate { column: "l7_protocol", values: &["http"] };
const FORWARDED: Gate = Gate { column: "verdict", values: &["FORWARDED", "REDIRECTED"] };

/// What [`flows::protocol`] reads.
macro_rules! with_protocol {
    ($($column:literal),* $(,)?) => {
        &["event_type", "l4_protocol", "l7_protocol", $($column),*]
    };
}

/// The option that exemplars come with.
pub(crate) const EXEMPLARS: &str = "exemplars";

/// Every handler, by name.
pub(crate) static HANDLERS: &[Handler] = &[
    Handler {
        name: "dns",
        options: &["query", "ignoreAAAA"],
        metrics: &[
            Spec::new("dns_queries_total", "DNS queries.", &["rcode", "qtypes", "ips_returned"]).or("query"),
            Spec::new("dns_responses_total", "DNS answers.", &["rcode", "qtypes", "ips_returned"]).or("query"),
            Spec::new("dns_response_types_total", "Record types in DNS answers.", &["type", "qtypes"]).or("query"),
        ],
        gate: Gate { column: "l7_protocol", values: &["dns"] },
        columns: &["verdict", "is_reply", "dns_rcode", "dns_qtypes", "dns_ips", "dns_rrtypes"],
        swaps: false,
        amount: None,
        count: layer7::dns,
    },
    Handler {
        name: "drop",
        options: &[],
        metrics: &[Spec::new("drop_total", "Drops by reason.", &["reason", "protocol"])],
        gate: Gate { column: "verdict", values: &["DROPPED"] },
        columns: with_protocol!["drop_reason_desc"],
        swaps: false,
        amount: None,
        count: packets::drop,
    },
    Handler {
        name: "flow",
        options: &[],
        metrics: &[Spec::new(
            "flows_processed_total",
            "Flows by kind and verdict.",
            &["protocol", "type", "subtype", "verdict"],
        )],
        gate: FLOW,
        columns: with_protocol!["event_sub_type", "verdict"],
        swaps: false,
        amount: None,
        count: flows::flow,
    },
    Handler {
        name: "flows-to-world",
        options: &["any-drop", "port", "syn-only"],
        metrics: &[
            Spec::new("flows_to_world_total", "Flows to outside the cluster.", &["protocol", "verdict"]).or("port")
        ],
        gate: Gate { column: "l4_protocol", values: &[] },
        columns: with_protocol!["destination_labels", "verdict", "drop_reason_desc", "is_reply"],
        swaps: false,
        amount: None,
        count: packets::flows_to_world,
    },
    Handler {
        name: "http",
        options: &[EXEMPLARS],
        metrics: &[
            Spec::new("http_requests_total", "HTTP requests.", &["method", "protocol", "reporter"]),
            Spec::new("http_responses_total", "HTTP responses.", &["method", "protocol", "status", "reporter"]),
            Spec::new(
                "http_request_duration_seconds",
                "Time from HTTP request to response, in seconds.",
                &["method", "reporter"],
            ),
        ],
        gate: HTTP,
        columns: &["l7_type", "http_method", "http_protocol", "http_code", "traffic_direction"],
        swaps: false,
        amount: None,
        count: layer7::http,
    },
    Handler {
        name: "httpV2",
        options: &[EXEMPLARS],
        metrics: &[
            Spec::new("http_requests_total", "HTTP requests.", &["method", "protocol", "status", "reporter"]),
            Spec::new(
                "http_request_duration_seconds",
                "Time from HTTP request to response, in seconds.",
                &["method", "reporter"],
            ),
        ],
        gate: HTTP,
        columns: &["l7_type", "http_method", "http_protocol", "http_code", "traffic_direction"],
        swaps: true,
        amount: None,
        count: layer7::http_v2,
    },
    Handler {
        name: "icmp",
        options: &[],
        metrics: &[Spec::new("icmp_total", "ICMP messages by type.", &["family", "type"])],
        gate: Gate { column: "l4_protocol", values: &["ICMPv4", "ICMPv6"] },
        columns: &["icmp_type", "icmp_code"],
        swaps: false,
        amount: None,
        count: icmp::icmp,
    },
    Handler {
        name: "kafka",
        options: &[],
        metrics: &[
            Spec::new("kafka_requests_total", "Kafka requests.", &["topic", "api_key", "error_code", "reporter"]),
            Spec::new(
                "kafka_request_duration_seconds",
                "Time from Kafka request to response, in seconds.",
                &["topic", "api_key", "reporter"],
            ),
        ],
        gate: Gate { column: "l7_protocol", values: &["kafka"] },
        columns: &["l7_type", "kafka_topic", "kafka_api_key", "kafka_error_code", "traffic_direction"],
        swaps: false,
        amount: None,
        count: layer7::kafka,
    },
    Handler {
        name: "policy",
        options: &[],
        metrics: &[Spec::new(
            "policy_verdicts_total",
            "Verdicts of network policies.",
            &["direction", "match", "action"],
        )],
        gate: FLOW,
        columns: &["event_type", "l7_protocol", "policy_match_type", "source_identity", "traffic_direction", "verdict"],
        swaps: false,
        amount: None,
        count: flows::policy,
    },
    Handler {
        name: "port-distribution",
        options: &[],
        metrics: &[Spec::new(
            "port_distribution_total",
            "Packets by the port that they went to.",
            &["protocol", "port"],
        )],
        gate: FORWARDED,
        columns: &["l4_protocol", "destination_port", "is_reply"],
        swaps: false,
        amount: None,
        count: packets::port_distribution,
    },
    Handler {
        name: "sctp",
        options: &[],
        metrics: &[Spec::new("sctp_chunk_types_total", "SCTP chunks by type.", &["chunk_type", "family"])],
        gate: Gate { column: "l4_protocol", values: &["SCTP"] },
        columns: &["verdict", "sctp_chunk_type", "ip_version", "ip_encrypted"],
        swaps: false,
        amount: None,
        count: packets::sctp,
    },
    Handler {
        name: "tcp",
        options: &[],
        metrics: &[Spec::new("tcp_flags_total", "TCP packets by flag.", &["flag", "family"])],
        gate: Gate { column: "l4_protocol", values: &["TCP"] },
        columns: &["verdict", "tcp_flags", "ip_version", "ip_encrypted"],
        swaps: false,
        amount: None,
        count: packets::tcp,
    },
];

/// Counted whatever is asked for, as Hubble does.
pub(crate) static LOST: Handler = Handler {
    name: "lost",
    options: &[],
    metrics: &[Spec::new("lost_events_total", "Events that Hubble lost.", &["source"])],
    gate: Gate { column: "kind", values: &["lost_events"] },
    columns: &["lost_source"],
    swaps: false,
    amount: Some("lost_count"),
    count: flows::lost,
};

/// Columns that an option makes its handler read.
pub(crate) fn columns_of(option: &str) -> &'static [&'static str] {
    match option {
        "query" => &["dns_query"],
        "port" => &["destination_port"],
        "syn-only" => &["tcp_flags"],
        _ => &[],
    }
}
