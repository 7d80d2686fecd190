//! What happens in the cluster, and who sees it when.
//!
//! One exchange is a lookup, a call or a connection with all that belongs to it: handshake, policy verdicts, proxy
//! records, retries, end. It is laid out at once as sightings in the future; the caller brings them into order.

use super::cluster::{Cluster, DNS, service_at};
use super::sighting::{Answer, Point, Sighting, What};
use crate::exporter_line::{Nanos, TcpFlags};
use crate::splitmix::SplitMix64;

#[derive(Clone, Copy)]
enum Kind {
    Http,
    Kafka,
    Tcp,
    FromOutside,
    ToOutside,
}

/// Who calls whom, and how often of 100 times: places in [`super::cluster::SERVICES`].
const EDGES: [(usize, usize, Kind, u64); 15] = [
    (0, 0, Kind::FromOutside, 10),
    (0, 1, Kind::Http, 14),
    (1, 2, Kind::Http, 12),
    (1, 3, Kind::Http, 12),
    (3, 4, Kind::Http, 6),
    (1, 5, Kind::Http, 6),
    (5, 6, Kind::Http, 5),
    (6, 7, Kind::Http, 5),
    (6, 8, Kind::Http, 4),
    (2, 10, Kind::Tcp, 8),
    (3, 9, Kind::Tcp, 5),
    (8, 9, Kind::Tcp, 4),
    (5, 11, Kind::Kafka, 4),
    (7, 11, Kind::Kafka, 3),
    (6, 0, Kind::ToOutside, 2),
];

const US: u64 = 1_000;
const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
/// Lines that an exchange gives, about; the rate of flows is made from it.
const LINES_PER_EXCHANGE: u64 = 14;

pub(super) struct Traffic<'a> {
    cluster: &'a Cluster,
    random: SplitMix64,
    mean_gap: u64,
    number: u64,
}

/// A connection under way.
#[derive(Clone, Copy)]
struct Connection {
    client: u16,
    server: u16,
    client_port: u16,
    server_port: u16,
}

impl<'a> Traffic<'a> {
    pub(super) fn new(cluster: &'a Cluster, seed: u64, rate: u64) -> Self {
        let mean_gap = SECOND * LINES_PER_EXCHANGE / rate;
        Self { cluster, random: SplitMix64::new(seed ^ 0x7ea_ff1c), mean_gap, number: 0 }
    }

    pub(super) fn until_next(&mut self) -> Nanos {
        self.random.between(0, 2 * self.mean_gap)
    }

    /// Lays out one exchange that begins at `time`.
    pub(super) fn exchange(&mut self, time: Nanos, mut put: impl FnMut(Sighting)) {
        let mut share = self.random.below(100);
        let edge = EDGES.iter().find(|edge| {
            let here = share < edge.3;
            share = share.saturating_sub(edge.3);
            here
        });
        let Some(&(from, to, kind, _)) = edge else { return };
        let (client, server) = match kind {
            Kind::FromOutside => (self.of(&self.cluster.visitors), self.pod(to)),
            Kind::ToOutside => (self.pod(from), self.of(&self.cluster.destinations)),
            _ => (self.pod(from), self.pod(to)),
        };
        let server_port = if matches!(kind, Kind::ToOutside) { 443 } else { service_at(to).port };
        let client_port = u16::try_from(self.random.between(32_768, 60_999)).unwrap_or(40_000);
        let connection = Connection { client, server, client_port, server_port };
        let mut at = time;
        if !matches!(kind, Kind::FromOutside) && self.random.one_in(3) {
            at = self.lookup(at, client, to, &mut put);
        }
        if self.random.one_in(20_000) {
            let count = u16::try_from(self.random.between(1, 3000)).unwrap_or(1);
            let node = self.node(server).or(self.node(client)).unwrap_or(0);
            self.see(at, node, connection, false, What::Lost { count }, &mut put);
        }
        match self.random.below(400) {
            0 => return self.denied(at, connection, &mut put),
            1 => return self.unanswered(at, connection, &mut put),
            _ => {}
        }
        let end = match kind {
            Kind::Http => self.http(at, connection, &mut put),
            Kind::Kafka => self.kafka(at, connection, &mut put),
            _ => self.plain(at, connection, &mut put),
        };
        let way = self.random.one_in(2);
        if self.random.one_in(150) {
            self.packet(end, connection, way, TcpFlags::RST, &mut put);
        } else if !matches!(kind, Kind::Http) || self.random.one_in(3) {
            self.packet(end, connection, way, TcpFlags::FIN_ACK, &mut put);
            self.packet(end + 300 * US, connection, !way, TcpFlags::FIN_ACK, &mut put);
        }
    }

    /// A and AAAA of a service's name, now and then by way of the search path; gives the time of the last answer.
    fn lookup(&mut self, time: Nanos, client: u16, service: usize, put: &mut impl FnMut(Sighting)) -> Nanos {
        let mut at = time;
        let (node, server) = (self.node(client).unwrap_or(0), self.pod(DNS));
        let client_port = u16::try_from(self.random.between(32_768, 60_999)).unwrap_or(40_000);
        let connection = Connection { client, server, client_port, server_port: 53 };
        let name = u8::try_from(service).unwrap_or(0);
        let forms: &[bool] = if self.random.one_in(3) { &[true, false] } else { &[false] };
        for expanded in forms {
            for aaaa in [false, true] {
                let name = if *expanded { name + 100 } else { name };
                let answer = match (expanded, aaaa) {
                    (true, _) => Answer::NxDomain,
                    _ if self.random.one_in(500) => Answer::ServFail,
                    (false, true) => Answer::NoData,
                    (false, false) => Answer::Address,
                };
                let question = What::Dns { name, aaaa, answer: Answer::Question };
                self.see(at, node, connection, false, question, put);
                let wait = self.lognormal(600 * US, 0.8);
                // Once in a while nobody answers.
                if !self.random.one_in(1000) {
                    self.see(at + wait, node, connection, true, What::Dns { name, aaaa, answer }, put);
                }
                at += wait / 2;
            }
        }
        at + MS
    }

    fn http(&mut self, time: Nanos, connection: Connection, put: &mut impl FnMut(Sighting)) -> Nanos {
        let mut at = self.open(time, connection, true, put);
        let node = self.node(connection.server).unwrap_or(0);
        for _ in 0..self.random.between(1, 3) {
            let (id, latency) = (self.random.next(), self.lognormal(8 * MS, 1.0));
            let code = match self.random.below(1000) {
                0..8 => 404,
                8..11 => 403,
                11..15 => 500,
                15..21 => 503,
                21..23 => 504,
                23..60 => 201,
                _ => 200,
            };
            self.see(at, node, connection, false, What::Http { code: 0, latency: 0, id }, put);
            // One answer in twenty comes without a latency, as when the id was not sent.
            let told = if self.random.one_in(20) { 0 } else { latency };
            let answer = What::Http { code, latency: told, id };
            self.see(at + latency + 50 * US, node, connection, true, answer, put);
            at += latency + self.random.between(MS, 40 * MS);
        }
        at
    }

    fn kafka(&mut self, time: Nanos, connection: Connection, put: &mut impl FnMut(Sighting)) -> Nanos {
        let mut at = self.open(time, connection, true, put);
        let node = self.node(connection.server).unwrap_or(0);
        for _ in 0..self.random.between(1, 4) {
            let id = u16::try_from(self.random.below(30_000)).unwrap_or(0);
            let topic = u8::try_from(self.random.below(4)).unwrap_or(0);
            self.see(at, node, connection, false, What::Kafka { response: false, id, topic }, put);
            at += self.lognormal(3 * MS, 0.7);
            self.see(at, node, connection, true, What::Kafka { response: true, id, topic }, put);
        }
        at
    }

    fn plain(&mut self, time: Nanos, connection: Connection, put: &mut impl FnMut(Sighting)) -> Nanos {
        let at = self.open(time, connection, false, put);
        self.packet(at, connection, false, TcpFlags::PSH_ACK, put);
        self.packet(at + 500 * US, connection, true, TcpFlags::PSH_ACK, put);
        at + self.lognormal(20 * MS, 1.2)
    }

    /// Socket translation, verdicts and handshake; gives the time at which data can flow.
    fn open(&mut self, time: Nanos, connection: Connection, proxied: bool, put: &mut impl FnMut(Sighting)) -> Nanos {
        if let (Some(node), Some(server)) = (self.node(connection.client), self.node(connection.server)) {
            if self.random.one_in(8) {
                let cookie = self.random.next() >> 12;
                for after in [false, true] {
                    let time = time - if after { 20 * US } else { 25 * US };
                    self.see(time, node, connection, false, What::Sock { after, cookie }, put);
                }
            }
            let verdict = if proxied { What::Redirected } else { What::Allowed };
            self.see(time + 190 * US, server, connection, false, verdict, put);
            if proxied {
                let flags = TcpFlags::SYN.0;
                let what = What::Trace { point: Point::Proxy, flags };
                self.see(time + 195 * US, server, connection, false, what, put);
            }
        }
        self.packet(time, connection, false, TcpFlags::SYN, put);
        self.packet(time + 400 * US, connection, true, TcpFlags::SYN_ACK, put);
        self.packet(time + 800 * US, connection, false, TcpFlags::ACK, put);
        time + MS
    }

    /// A policy drops every SYN on the server's node, or on the client's when the server is outside.
    fn denied(&mut self, time: Nanos, connection: Connection, put: &mut impl FnMut(Sighting)) {
        let node = self.node(connection.server).or(self.node(connection.client)).unwrap_or(0);
        for seconds in [0, 1, 3, 7] {
            let at = time + seconds * SECOND;
            self.see(at, node, connection, false, What::Denied, put);
            self.see(at + 5 * US, node, connection, false, What::Dropped, put);
        }
    }

    /// SYNs leave and nothing comes back.
    fn unanswered(&mut self, time: Nanos, connection: Connection, put: &mut impl FnMut(Sighting)) {
        for seconds in [0, 1, 3, 7] {
            self.packet(time + seconds * SECOND, connection, false, TcpFlags::SYN, put);
        }
    }

    /// A packet, seen leaving its node and reaching its receiver.
    fn packet(
        &mut self,
        time: Nanos,
        connection: Connection,
        reply: bool,
        flags: TcpFlags,
        put: &mut impl FnMut(Sighting),
    ) {
        let (client, server) = (self.node(connection.client), self.node(connection.server));
        let (from, to) = if reply { (server, client) } else { (client, server) };
        let trace = |point| What::Trace { point, flags: flags.0 };
        if let Some(node) = from
            && from != to
        {
            self.see(time, node, connection, reply, trace(Point::Stack), put);
            if to.is_none() {
                self.see(time + 20 * US, node, connection, reply, trace(Point::Network), put);
            }
        }
        if let Some(node) = to {
            self.see(time + 200 * US, node, connection, reply, trace(Point::Endpoint), put);
        }
    }

    fn see(
        &mut self,
        time: Nanos,
        node: u8,
        connection: Connection,
        reply: bool,
        what: What,
        put: &mut impl FnMut(Sighting),
    ) {
        let Connection { client, server, client_port, server_port } = connection;
        let (from, to, from_port, to_port) =
            if reply { (server, client, server_port, client_port) } else { (client, server, client_port, server_port) };
        self.number += 1;
        // Agents see nanoseconds; what is laid out is round.
        let time = time + self.random.below(10 * US);
        let proxied = matches!(what, What::Http { .. } | What::Dns { .. } | What::Kafka { .. });
        let written = time + self.random.below(if proxied { 2 * MS } else { 100 * US });
        put(Sighting { written, time, number: self.number, node, from, to, from_port, to_port, reply, what });
    }

    fn node(&self, party: u16) -> Option<u8> {
        self.cluster.all.get(usize::from(party)).and_then(|party| party.node)
    }

    fn pod(&mut self, service: usize) -> u16 {
        let cluster = self.cluster;
        cluster.of_service.get(service).map_or(0, |places| self.of(places))
    }

    fn of(&mut self, places: &[u16]) -> u16 {
        self.random.pick(places).copied().unwrap_or(0)
    }

    /// Times whose logarithm is normal: most are near the median, some are many times that.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and far below 2^53")]
    #[expect(clippy::cast_precision_loss, reason = "medians are whole microseconds")]
    fn lognormal(&mut self, median: Nanos, sigma: f64) -> Nanos {
        (median as f64 * (self.random.normal() * sigma).exp()) as Nanos
    }
}
