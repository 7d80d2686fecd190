//! The layer 7 records among the lines, and the text that they are made of.

use std::fmt::Write as _;

use super::cluster::{PartyView, service_at};
use super::sighting::{Answer, Sighting};
use crate::exporter_line::{Dns, EventType, Flow, Http, L7Type, Layer4, Layer7, Record, summary, write_flow_line};
use crate::splitmix::SplitMix64;

/// Texts that are kept to be filled again, so that a line allocates nothing.
#[derive(Default)]
pub(super) struct Scratch {
    url: String,
    trace_id: String,
    pub(super) text: String,
}

const PATHS: [&str; 8] = [
    "/",
    "/api/v1/items?page=",
    "/api/v1/items/",
    "/api/v1/carts/",
    "/api/v1/orders/",
    "/api/v1/search?q=shoes\u{26}size=",
    "/api/v2/quotes/",
    "/healthz",
];
const METHODS: [&str; 4] = ["GET", "GET", "POST", "PUT"];
impl Scratch {
    pub(super) fn http(
        &mut self,
        out: &mut Vec<u8>,
        flow: &Flow<'_>,
        seen: &Sighting,
        (to, from): (&PartyView<'_>, &PartyView<'_>),
        (code, latency, id): (u16, u64, u64),
    ) -> bool {
        let server = if seen.reply { from } else { to };
        let service = service_at(server.party.service.unwrap_or(0));
        // The path comes from the id, so that request and answer agree.
        let path = one_of(&PATHS, id);
        self.url.clear();
        // Writing to a String cannot fail.
        let _ = write!(self.url, "http://{}.{}.svc:{}{path}", service.name, service.namespace, service.port);
        if path.ends_with(['/', '=']) && path.len() > 1 {
            let _ = write!(self.url, "{}", id >> 8 & 0xfff);
        }
        let request_id = SplitMix64::new(id).uuid();
        let headers = [
            (":authority", service.name),
            (":scheme", "http"),
            ("Accept", "application/json"),
            ("User-Agent", "shop-client/2.14 (linux; amd64)"),
            ("X-Request-Id", str::from_utf8(&request_id).unwrap_or_default()),
        ];
        let http = Http {
            code: u32::from(code),
            method: one_of(&METHODS, id >> 4),
            url: &self.url,
            protocol: "HTTP/1.1",
            headers: &headers,
        };
        self.trace_id.clear();
        if id % 64 < 32 {
            // Writing to a String cannot fail.
            let _ = write!(self.trace_id, "{id:016x}{:016x}", id.rotate_left(17));
        }
        let flow = Flow { trace_id: &self.trace_id, ..l7(flow, seen, latency, "INGRESS", Record::Http(http)) };
        finish(out, &flow, &mut self.text)
    }

    pub(super) fn dns(
        &mut self,
        out: &mut Vec<u8>,
        flow: &Flow<'_>,
        seen: &Sighting,
        (name, aaaa, answer): (u8, bool, Answer),
    ) -> bool {
        let service = service_at(usize::from(name) % 100);
        self.url.clear();
        let expansion = if name >= 100 { "shop.svc.cluster.local." } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(self.url, "{}.{}.svc.cluster.local.{expansion}", service.name, service.namespace);
        let qtypes = if aaaa { ["AAAA"] } else { ["A"] };
        let answered = answer == Answer::Address;
        let dns = Dns {
            query: &self.url,
            ips: if answered { &["10.96.17.20"] } else { &[] },
            ttl: match answer {
                Answer::Question => 0,
                Answer::Address => 30,
                _ => u32::MAX,
            },
            observation_source: "proxy",
            rcode: match answer {
                Answer::NxDomain => 3,
                Answer::ServFail => 2,
                _ => 0,
            },
            qtypes: &qtypes,
            rrtypes: if answered { &qtypes } else { &[] },
            ..Dns::default()
        };
        let mut flow = l7(flow, seen, 0, "EGRESS", Record::Dns(dns));
        flow.l4 = Some(Layer4::Udp { source: seen.from_port, destination: seen.to_port });
        finish(out, &flow, &mut self.text)
    }
}

/// One of a few, by the low bits of a random number.
fn one_of(texts: &[&'static str], random: u64) -> &'static str {
    let place = usize::try_from(random & 7).unwrap_or(0) % texts.len().max(1);
    texts.get(place).copied().unwrap_or_default()
}

pub(super) fn finish(out: &mut Vec<u8>, flow: &Flow<'_>, text: &mut String) -> bool {
    summary(text, flow);
    write_flow_line(out, &Flow { summary: text, ..*flow });
    true
}

pub(super) fn l7<'a>(
    flow: &Flow<'a>,
    seen: &Sighting,
    latency_ns: u64,
    traffic_direction: &'a str,
    record: Record<'a>,
) -> Flow<'a> {
    let kind = if seen.reply { L7Type::Response } else { L7Type::Request };
    Flow {
        kind: "L7",
        l4: Some(Layer4::Tcp { source: seen.from_port, destination: seen.to_port, flags: None }),
        l7: Some(Layer7 { kind, latency_ns, record }),
        event_type: Some(EventType { kind: 129, sub_type: 0 }),
        traffic_direction,
        ..*flow
    }
}
