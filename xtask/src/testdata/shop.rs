//! `shop/`: a quiet hour in which nothing is wrong, though some of it looks so.

use anyhow::Result;

use super::Files;
use super::cast::{BILLING, CART, DB, HOST_B, INGRESS, KAFKA, ORDERS, PARTNER, PAYMENTS, REMOTE_NODE, VISITOR, WEB};
use super::files::{gzip, put};
use super::observe::{Forward, Log, MS, Reply, SECOND, at, tcp};
use super::records::{Answer, Call, Reporter};
use crate::exporter_line::{Layer4, Nanos, TcpFlags};

/// When `node-a` and `node-b` rotated their logs.
const ROTATED: [Nanos; 2] = [at(10, 30, 0), at(10, 30, 0) + 500 * MS];

pub(crate) fn files(files: &mut Files) -> Result<()> {
    let mut log = Log::new(1);
    lookups(&mut log);
    web_to_cart(&mut log);
    cart_to_db(&mut log);
    kafka(&mut log);
    health_checks(&mut log);
    from_outside(&mut log);
    to_outside(&mut log);
    ping(&mut log);
    log.raw(at(10, 31, 0), "node-b", POLICY_UPDATED.as_bytes().to_vec());

    let nodes = log.into_lines();
    let [mut a_old, mut a_new, mut b_old, mut b_new] = [const { Vec::new() }; 4];
    for (node, lines) in &nodes {
        let (old, new, rotated) = match node.as_str() {
            "node-a" => (&mut a_old, &mut a_new, ROTATED[0]),
            _ => (&mut b_old, &mut b_new, ROTATED[1]),
        };
        for (time, line) in lines {
            if *time < rotated { &mut *old } else { &mut *new }.extend_from_slice(line);
        }
    }
    put(files, "shop/node-a/events-2026-03-01T10-30-00.000.log.gz", gzip(&a_old)?);
    put(files, "shop/node-a/events.log", a_new);
    put(files, "shop/node-b/events-2026-03-01T10-30-00.500.log", b_old);
    put(files, "shop/node-b/events.log", b_new);
    Ok(())
}

const POLICY_UPDATED: &str = concat!(
    r#"{"agent_event":{"type":"POLICY_UPDATED","policy_update":{"labels":["#,
    r#""k8s:io.cilium.k8s.policy.derived-from=CiliumNetworkPolicy","k8s:io.cilium.k8s.policy.name=cart-http""#,
    r#"],"revision":"7","rule_count":"1"}},"node_name":"node-b","time":"2026-03-01T10:31:00Z"}"#,
    "\n"
);

/// Twelve lookups. Five are NXDOMAIN on the way along the search path, two have no AAAA, and none has failed.
fn lookups(log: &mut Log) {
    let nxdomain = Answer::Code(3);
    let cart = ("cart.shop.svc.cluster.local.", Answer::Addresses(&["10.96.0.20"]));
    log.dns(at(10, 0, 5), &WEB, 40_001, (cart.0, "A"), cart.1, 2);
    log.dns(at(10, 0, 5) + MS, &WEB, 40_001, (cart.0, "AAAA"), Answer::NoData, 3);
    log.dns(at(10, 35, 0), &WEB, 40_004, (cart.0, "A"), cart.1, 4);

    let expanded = "kafka.data.shop.svc.cluster.local.";
    log.dns(at(10, 1, 0), &ORDERS, 40_002, (expanded, "A"), nxdomain, 1);
    log.dns(at(10, 1, 0) + MS, &ORDERS, 40_002, (expanded, "AAAA"), nxdomain, 1);
    let kafka = ("kafka.data.svc.cluster.local.", Answer::Addresses(&["10.96.0.40"]));
    log.dns(at(10, 1, 0) + 5 * MS, &ORDERS, 40_002, (kafka.0, "A"), kafka.1, 2);
    log.dns(at(10, 1, 0) + 6 * MS, &ORDERS, 40_002, (kafka.0, "AAAA"), Answer::NoData, 2);
    log.dns(at(10, 58, 0), &BILLING, 40_005, (kafka.0, "A"), kafka.1, 2);

    for (step, suffix) in [(0, "pay.svc.cluster.local."), (5, "svc.cluster.local."), (10, "cluster.local.")] {
        let query = format!("api.payments.example.{suffix}");
        log.dns(at(10, 2, 0) + step * MS, &BILLING, 40_003, (&query, "A"), nxdomain, 1);
    }
    let answer = Answer::Alias("edge.payments.example.", &["198.51.100.20"]);
    log.dns(at(10, 2, 0) + 15 * MS, &BILLING, 40_003, ("api.payments.example.", "A"), answer, 20);
}

/// One connection with twelve requests, judged by the proxy before `cart`; three of them are seen by the proxy behind
/// `web` too. Latencies are 10, 20, … 110 ms and once none; from request to answer it is one millisecond more.
fn web_to_cart(log: &mut Log) {
    let connection = tcp(WEB, 41_000, CART, 8080);
    let start = at(10, 5, 0);
    log.translated(start - MS, &connection, ("cart", "10.96.0.20"), 9101);
    log.allowed(start + 190_000, &connection, "node-b", "REDIRECTED", &[]);
    let syn = connection.l4(Forward, Some(TcpFlags::SYN));
    log.trace(start + 195_000, "node-b", (&WEB, &CART), Forward, syn, "NEW", "TO_PROXY");
    log.handshake(start, &connection);
    log.packet(start + 5 * SECOND, &connection, Forward, TcpFlags::PSH_ACK);
    log.packet(start + 5 * SECOND + MS, &connection, Reply, TcpFlags::PSH_ACK);

    let get = "http://cart:8080/api/cart/17";
    let page = "http://cart:8080/api/items?page=2&size=10";
    #[rustfmt::skip]
    let calls = [
        (at(10, 10, 0), "GET", get, "c-01", 200, Some(30), 31),
        (at(10, 12, 0), "GET", page, "c-02", 200, Some(20), 21),
        (at(10, 14, 0), "GET", "http://cart:8080/api/cart/none", "c-03", 404, Some(50), 51),
        (at(10, 16, 0), "POST", "http://cart:8080/api/cart", "c-04", 200, Some(110), 111),
        // The visitor's request goes on with the id that it came with (see `from_outside`).
        (at(10, 25, 0) + 25 * MS, "GET", get, "visit-1", 200, Some(10), 11),
        (at(10, 32, 0), "GET", page, "c-06", 200, Some(70), 71),
        (at(10, 34, 0), "GET", get, "c-07", 200, None, 61),
        (at(10, 36, 0), "GET", get, "c-08", 200, Some(40), 41),
        (at(10, 38, 0), "POST", "http://cart:8080/api/cart", "c-09", 200, Some(100), 101),
        (at(10, 42, 0), "GET", get, "c-10", 200, Some(60), 61),
        (at(10, 44, 0), "GET", get, "c-11", 200, Some(90), 91),
        (at(10, 48, 0), "GET", page, "c-12", 200, Some(80), 81),
    ];
    for (number, (time, method, url, id, code, latency, gap)) in calls.into_iter().enumerate() {
        let call = Call { method, url, id, code, latency, gap: Some(gap) };
        log.http(time, &connection, Reporter::Server, &call);
        if number < 3 {
            let call = Call { latency: latency.map(|ms| ms + 2), gap: Some(gap + 2), ..call };
            log.http(time - MS, &connection, Reporter::Client, &call);
        }
    }
    log.close(at(10, 55, 0), &connection);
}

/// Two connections on one node.
fn cart_to_db(log: &mut Log) {
    for (port, start, seconds) in [(42_000, at(10, 6, 0), 30), (42_001, at(10, 40, 0), 10)] {
        let connection = tcp(CART, port, DB, 5432);
        if port == 42_000 {
            log.translated(start - MS, &connection, ("db", "10.96.0.30"), 9102);
        }
        log.handshake(start, &connection);
        log.close(start + seconds * SECOND, &connection);
    }
}

/// `orders` writes to two topics, `billing` reads one and asks in vain for another. Both connections stay open.
fn kafka(log: &mut Log) {
    let writer = tcp(ORDERS, 43_000, KAFKA, 9092);
    log.handshake(at(10, 7, 0), &writer);
    for (id, time, topic) in [
        (1, at(10, 7, 10), "orders"),
        (2, at(10, 20, 0), "orders"),
        (3, at(10, 21, 0), "audit"),
        (4, at(10, 45, 0), "orders"),
    ] {
        log.kafka(time, &writer, "produce", topic, id, 0);
    }
    let reader = tcp(BILLING, 43_100, KAFKA, 9092);
    log.handshake(at(10, 8, 0), &reader);
    for (id, time, topic, error) in
        [(11, at(10, 8, 10), "orders", 0), (12, at(10, 46, 0), "orders", 0), (13, at(10, 47, 0), "refunds", 3)]
    {
        log.kafka(time, &reader, "fetch", topic, id, error);
    }
}

/// The kubelet opens a connection to see whether it opens, and resets it.
fn health_checks(log: &mut Log) {
    for (port, time) in [(50_100, at(10, 15, 0)), (50_101, at(10, 45, 30))] {
        let probe = tcp(HOST_B, port, CART, 8080);
        log.handshake(time, &probe);
        log.packet(time + 10 * MS, &probe, Forward, TcpFlags::RST_ACK);
    }
}

/// A visitor by way of the ingress proxy, a partner straight to a pod, and somebody behind a `NodePort`.
fn from_outside(log: &mut Log) {
    let (start, front) = (at(10, 25, 0), tcp(VISITOR, 52_000, INGRESS, 443));
    let ends = (&VISITOR, &INGRESS);
    log.trace(start, "node-a", ends, Forward, front.l4(Forward, Some(TcpFlags::SYN)), "NEW", "TO_PROXY");
    let answer = front.l4(Reply, Some(TcpFlags::SYN_ACK));
    log.trace(start + MS, "node-a", (&INGRESS, &VISITOR), Reply, answer, "REPLY", "TO_NETWORK");

    let back = tcp(INGRESS, 44_000, WEB, 8080);
    log.handshake(start + 10 * MS, &back);
    let call = Call {
        method: "GET",
        url: "http://shop.example/checkout",
        id: "visit-1",
        code: 200,
        latency: Some(25),
        gap: Some(46),
    };
    log.http(start + 20 * MS, &back, Reporter::Server, &call);
    let call = Call {
        url: "http://shop.example/favicon.ico",
        id: "visit-2",
        code: 404,
        latency: Some(5),
        gap: Some(6),
        ..call
    };
    log.http(start + SECOND, &back, Reporter::Server, &call);
    log.close(start + 5 * SECOND, &back);

    for (peer, port, time) in [(PARTNER, 52_100, at(10, 26, 0)), (REMOTE_NODE, 53_000, at(10, 27, 0))] {
        let connection = tcp(peer, port, WEB, 8080);
        log.handshake(time, &connection);
        log.close(time + 5 * SECOND, &connection);
    }
}

fn to_outside(log: &mut Log) {
    for (port, time) in [(45_000, at(10, 28, 0)), (45_001, at(10, 50, 0))] {
        let connection = tcp(BILLING, port, PAYMENTS, 443);
        log.handshake(time, &connection);
        log.close(time + 2 * SECOND, &connection);
    }
}

fn ping(log: &mut Log) {
    let time = at(10, 29, 0);
    log.passes(time, &WEB, &DB, Forward, Layer4::Icmp4 { kind: 8, code: 0 }, "NEW");
    log.passes(time + MS, &DB, &WEB, Reply, Layer4::Icmp4 { kind: 0, code: 0 }, "REPLY");
}
