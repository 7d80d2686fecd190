//! A map of a made-up cluster: `cargo run -p lookback-map --example sample -- SERVICES svg > map.svg`.
//!
//! The same number gives the same cluster, so that what a change does to the drawing can be seen.

#![expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "places in lists of known length")]

use std::collections::BTreeSet;
use std::env;

use lookback_map::{Edge, Format, Map, Port, Service};

fn main() {
    let mut arguments = env::args().skip(1);
    let services = arguments.next().and_then(|number| number.parse().ok()).unwrap_or(30);
    let format: Format = arguments.next().and_then(|name| name.parse().ok()).unwrap_or(Format::Svg);
    print!("{}", Map::new(cluster(services)).write(format, "Service map"));
}

fn cluster(count: usize) -> Vec<Edge> {
    let mut random = Random(7);
    let layers =
        ["gateway", "web", "api", "orders", "payment", "stock", "mail", "search", "auth", "worker", "db", "cache"];
    let areas = ["shop", "billing", "identity", "logistics", "analytics", "content", "platform", "partners"];
    let wanted = count.saturating_sub(6).max(2);
    let services: Vec<Service> = (0..wanted)
        .map(|number| {
            let area = number * areas.len().min(wanted / 6 + 1) / wanted;
            let name = layers[number * 5 % layers.len()];
            let name =
                if number >= layers.len() { format!("{name}-{}", number / layers.len()) } else { name.to_owned() };
            Service::workload(areas[area], name)
        })
        .collect();
    let mut edges = Vec::new();
    let mut edge = |from: &Service, to: &Service, port: u16, l7: Option<&str>, random: &mut Random| {
        let magnitude = random.below(16);
        let connections = 1 + random.below(1 << magnitude);
        let bad = random.below(100);
        edges.push(Edge {
            ports: BTreeSet::from([Port { number: Some(port), protocol: "TCP".to_owned(), l7: l7.map(str::to_owned) }]),
            connections,
            requests: if l7.is_some() { connections * 4 } else { 0 },
            judged: connections * 4,
            errors: match bad {
                90..93 => connections / 4,
                93..97 => connections * 3,
                _ => 0,
            },
            dropped: if bad >= 97 { 1 + connections / 3 } else { 0 },
            audited: u64::from(bad == 88),
            ..Edge::new(from.clone(), to.clone())
        });
    };
    for (number, service) in services.iter().enumerate() {
        for _ in 0..=random.below(2) {
            // Mostly someone near, and rather further on than back.
            let to = if random.below(10) < 8 {
                number + 1 + random.below(5) as usize
            } else {
                random.below(services.len() as u64) as usize
            };
            let to = &services[to % services.len()];
            edge(service, to, 8080, (random.below(2) == 0).then_some("http"), &mut random);
        }
        if count > 10 && random.below(3) > 0 {
            edge(service, &Service::workload("kube-system", "kube-dns"), 53, Some("dns"), &mut random);
        }
        if random.below(12) == 0 {
            edge(service, &Service::named("api.stripe.example"), 443, None, &mut random);
        }
        if random.below(9) == 0 {
            edge(service, &Service::named("kube-apiserver"), 6443, None, &mut random);
        }
    }
    edge(&Service::named("203.0.113.7"), &services[0], 443, Some("http"), &mut random);
    edge(&Service::named("host"), &services[services.len() / 2], 8080, None, &mut random);
    edges
}

/// A linear congruential generator: all that is asked of it is to be the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most.max(1)
    }
}
