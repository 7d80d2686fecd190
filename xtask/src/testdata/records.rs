//! Layer 7 records, policy verdicts, drops and socket traces, as the scenarios need them.

use super::cast::{DNS, Peer};
use super::observe::{Forward, Log, MS, Reply, Tcp, Way, ip};
use crate::exporter_line::{
    Dns, Ethernet, EventType, Flow, Http, Ip, Kafka, L7Type, Layer4, Layer7, Nanos, Policy, Record, TcpFlags,
};

/// One HTTP request as one proxy saw it.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) url: &'static str,
    /// `X-Request-Id`.
    pub(crate) id: &'static str,
    pub(crate) code: u32,
    /// What the agent computed, in milliseconds.
    pub(crate) latency: Option<u64>,
    /// From the record of the request to that of the response, in milliseconds; `None`: no response was seen.
    pub(crate) gap: Option<u64>,
}

/// Which proxy: that before the server (`INGRESS`, on its node) or that behind the client (`EGRESS`, on its node).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reporter {
    Server,
    Client,
}

/// What came back from a DNS server.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    Addresses(&'static [&'static str]),
    Alias(&'static str, &'static [&'static str]),
    NoData,
    Code(u32),
    /// Nothing at all.
    Nothing,
}

/// DNS says this where there is no answer to take a time to live from.
const NO_TTL: u32 = u32::MAX;

impl Log {
    pub(crate) fn http(&mut self, time: Nanos, connection: &Tcp, reporter: Reporter, call: &Call) {
        let headers = [("Accept", "*/*"), ("X-Request-Id", call.id)];
        let http = Http { code: 0, method: call.method, url: call.url, protocol: "HTTP/1.1", headers: &headers };
        self.layer7(time, connection, reporter, Forward, "FORWARDED", 0, Record::Http(http));
        if let Some(gap) = call.gap {
            let http = Http { code: call.code, ..http };
            let latency = call.latency.unwrap_or(0) * MS;
            self.layer7(time + gap * MS, connection, reporter, Reply, "FORWARDED", latency, Record::Http(http));
        }
    }

    /// A request that the proxy refused: the agent logs the request alone.
    pub(crate) fn http_denied(&mut self, time: Nanos, connection: &Tcp, call: &Call) {
        let headers = [("X-Request-Id", call.id)];
        let http = Http { code: 0, method: call.method, url: call.url, protocol: "HTTP/1.1", headers: &headers };
        self.layer7(time, connection, Reporter::Server, Forward, "DROPPED", 0, Record::Http(http));
    }

    pub(crate) fn kafka(&mut self, time: Nanos, connection: &Tcp, api_key: &str, topic: &str, id: i32, error: i32) {
        let kafka = Kafka { error_code: 0, api_version: 7, api_key, correlation_id: id, topic };
        self.layer7(time, connection, Reporter::Server, Forward, "FORWARDED", 0, Record::Kafka(kafka));
        let kafka = Kafka { error_code: error, ..kafka };
        let latency = 2 * MS;
        self.layer7(time + 3 * MS, connection, Reporter::Server, Reply, "FORWARDED", latency, Record::Kafka(kafka));
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one line")]
    fn layer7(
        &mut self,
        time: Nanos,
        connection: &Tcp,
        reporter: Reporter,
        way: Way,
        verdict: &str,
        latency_ns: u64,
        record: Record<'_>,
    ) {
        let (from, to) = connection.ends(way);
        let (node, direction) = match reporter {
            Reporter::Server => (connection.server.node, "INGRESS"),
            Reporter::Client => (connection.client.node, "EGRESS"),
        };
        let flow = l7_flow(way, verdict, connection.l4(way, None), latency_ns, record, direction);
        self.flow(time, node, &from, &to, &flow);
    }

    /// A lookup through the DNS proxy of the client's node; the answer comes `delay` milliseconds later.
    pub(crate) fn dns(
        &mut self,
        time: Nanos,
        client: &Peer,
        port: u16,
        (query, qtype): (&str, &str),
        answer: Answer,
        delay: u64,
    ) {
        let qtypes = [qtype];
        let asked = Dns { query, observation_source: "proxy", qtypes: &qtypes, ..Dns::default() };
        let l4 = Layer4::Udp { source: port, destination: 53 };
        let flow = l7_flow(Forward, "FORWARDED", l4, 0, Record::Dns(asked), "EGRESS");
        self.flow(time, client.node, client, &DNS, &flow);
        let answered = match answer {
            Answer::Nothing => return,
            Answer::Addresses(ips) => Dns { ips, ttl: 30, rrtypes: &qtypes, ..asked },
            Answer::Alias(ref name, ips) => {
                Dns { ips, ttl: 60, cnames: std::slice::from_ref(name), rrtypes: &["CNAME", "A"], ..asked }
            }
            Answer::NoData => Dns { ttl: NO_TTL, ..asked },
            Answer::Code(rcode) => Dns { ttl: NO_TTL, rcode, ..asked },
        };
        let l4 = Layer4::Udp { source: 53, destination: port };
        let flow = l7_flow(Reply, "FORWARDED", l4, 0, Record::Dns(answered), "EGRESS");
        self.flow(time + delay * MS, client.node, &DNS, client, &flow);
    }

    /// A query that the DNS proxy refused by policy.
    pub(crate) fn dns_denied(&mut self, time: Nanos, client: &Peer, port: u16, query: &str, qtype: &str) {
        let qtypes = [qtype];
        let asked = Dns { query, observation_source: "proxy", qtypes: &qtypes, ..Dns::default() };
        let l4 = Layer4::Udp { source: port, destination: 53 };
        let flow = l7_flow(Forward, "DROPPED", l4, 0, Record::Dns(asked), "EGRESS");
        self.flow(time, client.node, client, &DNS, &flow);
    }

    /// The policy verdict on the first packet of a connection that may pass.
    pub(crate) fn allowed(
        &mut self,
        time: Nanos,
        connection: &Tcp,
        node: &str,
        verdict: &str,
        policies: &[Policy<'_>],
    ) {
        let egress = node == connection.client.node;
        let flow = Flow {
            verdict,
            ethernet: Some(Ethernet { source: connection.client.mac, destination: connection.server.mac }),
            l4: Some(connection.l4(Forward, Some(TcpFlags::SYN))),
            kind: "L3_L4",
            event_type: Some(EventType { kind: 5, sub_type: 0 }),
            traffic_direction: if egress { "EGRESS" } else { "INGRESS" },
            // An audited packet matched nothing; the others matched identity and port.
            policy_match_type: if verdict == "AUDIT" { 0 } else { 2 },
            is_reply: Some(false),
            egress_allowed_by: if egress { policies } else { &[] },
            ingress_allowed_by: if egress { &[] } else { policies },
            ..Flow::default()
        };
        self.flow(time, node, &connection.client, &connection.server, &flow);
    }

    /// The policy verdict and, five microseconds later, the drop of one SYN. `is_reply` is on neither.
    pub(crate) fn denied(
        &mut self,
        time: Nanos,
        connection: &Tcp,
        node: &str,
        reason: (u32, &str),
        policies: &[Policy<'_>],
    ) {
        let egress = node == connection.client.node;
        let verdict = Flow {
            verdict: "DROPPED",
            drop_reason: reason.0,
            ethernet: Some(Ethernet { source: connection.client.mac, destination: connection.server.mac }),
            l4: Some(connection.l4(Forward, Some(TcpFlags::SYN))),
            kind: "L3_L4",
            event_type: Some(EventType { kind: 5, sub_type: 0 }),
            traffic_direction: if egress { "EGRESS" } else { "INGRESS" },
            drop_reason_desc: reason.1,
            egress_denied_by: if egress { policies } else { &[] },
            ingress_denied_by: if egress { &[] } else { policies },
            ..Flow::default()
        };
        self.flow(time, node, &connection.client, &connection.server, &verdict);
        self.dropped(time + 5_000, connection, Forward, node, reason, TcpFlags::SYN);
    }

    /// A drop alone, whatever the reason.
    pub(crate) fn dropped(
        &mut self,
        time: Nanos,
        connection: &Tcp,
        way: Way,
        node: &str,
        reason: (u32, &str),
        flags: TcpFlags,
    ) {
        let (from, to) = connection.ends(way);
        let flow = Flow {
            verdict: "DROPPED",
            drop_reason: reason.0,
            ethernet: Some(Ethernet { source: from.mac, destination: to.mac }),
            l4: Some(connection.l4(way, Some(flags))),
            kind: "L3_L4",
            event_type: Some(EventType { kind: 1, sub_type: reason.0 }),
            traffic_direction: if node == from.node { "EGRESS" } else { "INGRESS" },
            file: Some(("bpf_lxc.c", if node == from.node { 1390 } else { 2215 })),
            drop_reason_desc: reason.1,
            ..Flow::default()
        };
        self.flow(time, node, &from, &to, &flow);
    }

    /// The two lines of a `connect()` to a service address that the socket load balancer turns into a pod's.
    pub(crate) fn translated(&mut self, time: Nanos, connection: &Tcp, service: (&str, &'static str), cookie: u64) {
        let client = &connection.client;
        let l4 = Layer4::Tcp { source: 0, destination: connection.server_port, flags: None };
        for (step, point) in
            ["SOCK_XLATE_POINT_PRE_DIRECTION_FWD", "SOCK_XLATE_POINT_POST_DIRECTION_FWD"].into_iter().enumerate()
        {
            let before = step == 0;
            let to = if before {
                // A service address is no endpoint: the message is there and empty.
                Peer { ip: service.1, ..Peer::default() }
            } else {
                connection.server
            };
            let flow = Flow {
                verdict: if before { "TRACED" } else { "TRANSLATED" },
                ip: Some(Ip { source: client.ip, ..ip(client, &to) }),
                l4: Some(l4),
                kind: "SOCK",
                event_type: Some(EventType { kind: 7, sub_type: if before { 1 } else { 2 } }),
                destination_service: before
                    .then_some(crate::exporter_line::Named { name: service.0, namespace: connection.server.namespace }),
                sock_xlate_point: point,
                socket_cookie: cookie,
                cgroup_id: 7310,
                ..Flow::default()
            };
            self.flow(time + if before { 0 } else { 4_000 }, client.node, client, &to, &flow);
        }
    }
}

fn l7_flow<'a>(
    way: Way,
    verdict: &'a str,
    l4: Layer4,
    latency_ns: u64,
    record: Record<'a>,
    direction: &'a str,
) -> Flow<'a> {
    Flow {
        verdict,
        l4: Some(l4),
        kind: "L7",
        l7: Some(Layer7 { kind: if way == Forward { L7Type::Request } else { L7Type::Response }, latency_ns, record }),
        reply: way == Reply,
        event_type: Some(EventType { kind: 129, sub_type: 0 }),
        traffic_direction: direction,
        is_reply: Some(way == Reply),
        ..Flow::default()
    }
}
