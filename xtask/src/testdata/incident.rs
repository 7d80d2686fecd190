//! `incident/`: half an hour in which a policy cuts off redis at 12:20 and DNS fails from 12:25 on.

use super::Files;
use super::cast::{BILLING, CART, DB, GONE, ORDERS, PARTNER, REDIS, SCRAPER, VISITOR, WEB};
use super::files::put;
use super::observe::{Forward, Log, MS, Reply, SECOND, at, tcp};
use super::records::{Answer, Call, Reporter};
use crate::exporter_line::{LostEvents, Policy, TcpFlags};

/// No rule allows it.
const DEFAULT_DENY: (u32, &str) = (133, "POLICY_DENIED");
/// A rule forbids it.
const EXPLICIT_DENY: (u32, &str) = (181, "POLICY_DENY");
/// Seconds after the first SYN at which Linux sends it again.
const RETRIES: [u64; 4] = [0, 1, 3, 7];

pub(crate) fn files(files: &mut Files) {
    let mut log = Log::new(2);
    database(&mut log);
    redis(&mut log);
    denied(&mut log);
    audited(&mut log);
    http(&mut log);
    unanswered(&mut log);
    dns(&mut log);
    lost(&mut log);
    log.raw(at(12, 19, 58), "node-b", POLICY_UPDATED.as_bytes().to_vec());
    // The last packet of the log, so that the data end at 12:30:00 sharp.
    let last = at(12, 30, 0) - 200_000;
    log.packet(last, &tcp(WEB, 41_500, CART, 8080), Forward, TcpFlags::PSH_ACK);

    for (node, lines) in log.into_lines() {
        let bytes = lines.into_iter().flat_map(|(_, line)| line).collect();
        put(files, &format!("incident/{node}/events.log"), bytes);
    }
}

const POLICY_UPDATED: &str = concat!(
    r#"{"agent_event":{"type":"POLICY_UPDATED","policy_update":{"labels":["#,
    r#""k8s:io.cilium.k8s.policy.derived-from=CiliumNetworkPolicy","k8s:io.cilium.k8s.policy.name=cut-redis""#,
    r#"],"revision":"12","rule_count":"1"}},"node_name":"node-b","time":"2026-03-01T12:19:58Z"}"#,
    "\n"
);

/// Five connections to `db`: whole, reset by the server, reset by the client, refused, and one whose answer is dropped.
fn database(log: &mut Log) {
    let whole = tcp(CART, 42_099, DB, 5432);
    log.handshake(at(12, 0, 0), &whole);
    log.close(at(12, 0, 1), &whole);

    let reset_by_server = tcp(CART, 42_100, DB, 5432);
    log.handshake(at(12, 8, 0), &reset_by_server);
    log.packet(at(12, 8, 1), &reset_by_server, Forward, TcpFlags::PSH_ACK);
    log.packet(at(12, 8, 5), &reset_by_server, Reply, TcpFlags::RST);

    let reset_by_client = tcp(CART, 42_101, DB, 5432);
    log.handshake(at(12, 26, 0), &reset_by_client);
    log.packet(at(12, 26, 2), &reset_by_client, Forward, TcpFlags::RST_ACK);

    let refused = tcp(ORDERS, 43_600, DB, 9999);
    log.packet(at(12, 15, 0), &refused, Forward, TcpFlags::SYN);
    log.packet(at(12, 15, 0) + MS, &refused, Reply, TcpFlags::RST_ACK);

    let unheard = tcp(BILLING, 43_510, DB, 5432);
    log.packet(at(12, 17, 0), &unheard, Forward, TcpFlags::SYN);
    let reason = (155, "CT_MAP_INSERTION_FAILED");
    log.dropped(at(12, 17, 0) + MS, &unheard, Reply, "node-b", reason, TcpFlags::SYN_ACK);
}

/// Three connections before the policy, the last still open when it comes; three attempts afterwards.
fn redis(log: &mut Log) {
    for (port, time) in [(42_000, at(12, 5, 0)), (42_001, at(12, 10, 0))] {
        let connection = tcp(CART, port, REDIS, 6379);
        log.handshake(time, &connection);
        log.close(time + SECOND, &connection);
    }
    let open = tcp(CART, 42_002, REDIS, 6379);
    log.handshake(at(12, 19, 30), &open);
    log.dropped(at(12, 20, 5), &open, Forward, "node-b", EXPLICIT_DENY, TcpFlags::PSH_ACK);
    log.packet(at(12, 20, 35), &open, Reply, TcpFlags::RST);

    let by = [Policy {
        name: "cut-redis",
        namespace: "shop",
        labels: &["k8s:io.cilium.k8s.policy.name=cut-redis", "k8s:io.cilium.k8s.policy.namespace=shop"],
        revision: 12,
        kind: "CiliumNetworkPolicy",
    }];
    for (port, time) in [(42_010, at(12, 20, 10)), (42_011, at(12, 22, 0)), (42_012, at(12, 29, 50))] {
        let attempt = tcp(CART, port, REDIS, 6379);
        for seconds in RETRIES {
            log.denied(time + seconds * SECOND, &attempt, "node-b", EXPLICIT_DENY, &by);
        }
    }
}

/// Denied because nothing allows it: inside the cluster, seen leaving and dropped at the other node, and from outside.
fn denied(log: &mut Log) {
    let inside = tcp(BILLING, 43_500, DB, 5432);
    for seconds in [0, 1] {
        let time = at(12, 24, 0) + seconds * SECOND;
        let syn = inside.l4(Forward, Some(TcpFlags::SYN));
        log.trace(time, "node-a", (&BILLING, &DB), Forward, syn, "NEW", "TO_STACK");
        log.denied(time + 200_000, &inside, "node-b", DEFAULT_DENY, &[]);
    }
    let partner = tcp(PARTNER, 52_200, DB, 5432);
    for seconds in [0, 1] {
        log.denied(at(12, 21, 0) + seconds * SECOND, &partner, "node-b", DEFAULT_DENY, &[]);
    }
    log.denied(at(12, 23, 0), &tcp(VISITOR, 52_300, WEB, 22), "node-a", DEFAULT_DENY, &[]);
    let nowhere = tcp(WEB, 41_800, GONE, 8080);
    let reason = (151, "STALE_OR_UNROUTABLE_IP");
    log.dropped(at(12, 14, 0), &nowhere, Forward, "node-a", reason, TcpFlags::SYN);
}

/// Policy audit mode: let through, and told that it would not be.
fn audited(log: &mut Log) {
    for (port, time) in [(46_000, at(12, 12, 0)), (46_001, at(12, 27, 0))] {
        let connection = tcp(SCRAPER, port, CART, 9090);
        log.allowed(time + 190_000, &connection, "node-b", "AUDIT", &[]);
        log.handshake(time, &connection);
        log.close(time + SECOND, &connection);
    }
}

/// One connection, judged by the proxy before `cart`: 12 answers, one request without an answer, one refused by policy.
fn http(log: &mut Log) {
    let connection = tcp(WEB, 41_500, CART, 8080);
    log.handshake(at(12, 1, 0), &connection);
    let cart = "http://cart:8080/api/cart/17";
    #[rustfmt::skip]
    let calls = [
        (at(12, 2, 0), "GET", cart, "r-01", 200, Some(10)),
        (at(12, 6, 0), "GET", cart, "r-02", 200, Some(20)),
        (at(12, 12, 0), "GET", cart, "r-03", 200, Some(30)),
        (at(12, 18, 0), "GET", cart, "r-04", 200, Some(40)),
        (at(12, 20, 20), "GET", cart, "r-05", 503, Some(1000)),
        // The proxy tries again with the same id.
        (at(12, 22, 10), "GET", cart, "r-06", 503, Some(1000)),
        (at(12, 22, 12), "GET", cart, "r-06", 503, Some(1000)),
        (at(12, 24, 30), "GET", cart, "r-07", 503, Some(1000)),
        (at(12, 25, 30), "GET", cart, "r-08", 200, Some(50)),
        (at(12, 26, 0), "GET", cart, "r-09", 0, None),
        (at(12, 27, 40), "GET", "http://cart:8080/private", "r-10", 403, Some(5)),
        (at(12, 28, 0), "GET", cart, "r-11", 504, Some(2000)),
        (at(12, 29, 0), "POST", "http://cart:8080/api/cart", "r-12", 500, Some(100)),
    ];
    for (time, method, url, id, code, latency) in calls {
        let gap = latency.map(|ms| ms + 1);
        log.http(time, &connection, Reporter::Server, &Call { method, url, id, code, latency, gap });
    }
    let refused = Call { method: "POST", url: "http://cart:8080/admin", id: "r-13", code: 0, latency: None, gap: None };
    log.http_denied(at(12, 27, 30), &connection, &refused);
}

/// Nobody answers, and nobody drops anything: the other node's log is not there.
fn unanswered(log: &mut Log) {
    for (port, time) in [(41_700, at(12, 16, 0)), (41_701, at(12, 28, 30))] {
        for seconds in RETRIES {
            log.packet(time + seconds * SECOND, &tcp(WEB, port, GONE, 8080), Forward, TcpFlags::SYN);
        }
    }
}

/// Server failures, a query without answer, a refused one, a name that does not exist, and lookups that are well.
fn dns(log: &mut Log) {
    let payments = "api.payments.example.";
    for (port, time) in
        [(40_099, at(12, 10, 0)), (40_100, at(12, 25, 10)), (40_101, at(12, 26, 10)), (40_102, at(12, 27, 10))]
    {
        log.dns(time, &WEB, port, (payments, "A"), Answer::Code(2), 5);
    }
    let kafka = "kafka.data.svc.cluster.local.";
    log.dns(at(12, 25, 20), &ORDERS, 40_111, (kafka, "A"), Answer::Addresses(&["10.96.0.40"]), 2);
    for time in [at(12, 28, 0), at(12, 28, 5)] {
        log.dns(time, &ORDERS, 40_110, (kafka, "A"), Answer::Nothing, 0);
    }
    log.dns_denied(at(12, 28, 30), &BILLING, 40_120, "exfil.example.", "A");

    for (step, query) in
        [(0, "legacy.shop.svc.cluster.local."), (5, "legacy.svc.cluster.local."), (10, "legacy.cluster.local.")]
    {
        log.dns(at(12, 29, 10) + step * MS, &WEB, 40_103, (query, "A"), Answer::Code(3), 1);
    }
    log.dns(at(12, 29, 10) + 15 * MS, &WEB, 40_103, ("legacy.", "A"), Answer::Code(3), 10);

    let (time, expanded) = (at(12, 29, 40), "redis.data.shop.svc.cluster.local.");
    log.dns(time, &CART, 40_130, (expanded, "A"), Answer::Code(3), 1);
    let redis = "redis.data.svc.cluster.local.";
    log.dns(time + 5 * MS, &CART, 40_130, (redis, "A"), Answer::Addresses(&["10.96.0.41"]), 2);
    log.dns(time + 6 * MS, &CART, 40_130, (redis, "AAAA"), Answer::NoData, 2);
}

fn lost(log: &mut Log) {
    for (node_name, source, count, cpu, time, first) in [
        ("node-a", "HUBBLE_RING_BUFFER", 7, None, at(12, 10, 30), None),
        ("node-b", "OBSERVER_EVENTS_QUEUE", 1500, None, at(12, 20, 15), Some(at(12, 20, 14))),
        ("node-b", "PERF_EVENT_RING_BUFFER", 20, Some(3), at(12, 27, 0), Some(at(12, 26, 59))),
    ] {
        let last = first.map(|_| time);
        log.lost(&LostEvents { source, count, cpu, first, last, node_name, time });
    }
}
