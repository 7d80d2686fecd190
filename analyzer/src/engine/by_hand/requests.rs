//! The table `requests`.

mod lines;
mod once;
mod pairs;

use polars::prelude::{
    Int32Chunked, Int64Chunked, IntoColumn as _, NewChunkedArray as _, UInt32Chunked, UInt64Chunked,
};

use super::super::packed::{Packed, Values};
use super::super::texts::{Number, Texts};
pub(super) use lines::{COLUMNS, Lines};
use lines::{Ends, Key};
use pairs::Pair;

/// The requests that lines are of.
pub(super) fn table(mut lines: Lines, texts: &mut Texts) -> Packed {
    let mut pairs = pairs::of(&mut lines, texts);
    // The rest is in the pairs.
    lines.rows = Vec::new();
    let paths = pairs::paths(texts, &lines.keys);
    once::keep(&mut pairs, &lines, texts, &paths);
    let key = |pair: &Pair| lines.key(pair.key);
    let ends = |pair: &Pair| lines.ends(pair.ends);
    let text = |number: &dyn Fn(&Pair) -> Option<Number>| Values::Texts(pairs.iter().map(number).collect());
    let of_key = |number: &dyn Fn(&Key) -> Option<Number>| text(&|pair| number(key(pair)?));
    let of_ends = |number: &dyn Fn(&Ends) -> Option<Number>| text(&|pair| number(ends(pair)?));
    let time = |time: &dyn Fn(&Pair) -> Option<i64>| {
        Values::Others(Int64Chunked::from_iter_options("".into(), pairs.iter().map(time)).into_column())
    };
    let small = |number: &dyn Fn(&Pair) -> Option<u32>| {
        Values::Others(UInt32Chunked::from_iter_options("".into(), pairs.iter().map(number)).into_column())
    };
    let recorded = UInt64Chunked::from_iter_options("".into(), pairs.iter().map(|pair| pair.recorded_ns));
    let denied = Int32Chunked::from_iter_values("".into(), pairs.iter().map(|pair| pair.denied.into()));
    Packed::new(
        pairs.len(),
        vec![
            ("time_ns", time(&|pair| Some(pair.time_ns))),
            ("request_ns", time(&|pair| pair.request_ns)),
            ("response_ns", time(&|pair| pair.response_ns)),
            ("paired_ns", time(&|pair| Some(pair.response_ns?.wrapping_sub(pair.request_ns?)))),
            ("recorded_ns", Values::Others(recorded.into_column())),
            ("node_name", of_key(&|key| key.node_name)),
            ("traffic_direction", of_key(&|key| key.traffic_direction)),
            ("client", of_ends(&|ends| ends.client)),
            ("client_namespace", of_ends(&|ends| ends.client_namespace)),
            ("client_ip", of_ends(&|ends| ends.client_ip)),
            ("server", of_ends(&|ends| ends.server)),
            ("server_namespace", of_ends(&|ends| ends.server_namespace)),
            ("server_ip", of_ends(&|ends| ends.server_ip)),
            ("server_port", small(&|pair| ends(pair)?.server_port)),
            ("l4_protocol", of_ends(&|ends| ends.l4_protocol)),
            ("method", of_key(&|key| key.method)),
            ("url", of_key(&|key| key.url)),
            ("path", text(&|pair| Some(paths.get(&key(pair)?.url?)?.path))),
            ("protocol", text(&|pair| pair.protocol)),
            ("code", small(&|pair| pair.code)),
            ("denied", Values::Others(denied.into_column())),
            ("request_id", of_key(&|key| key.request_id)),
            ("connection_id", of_key(&|key| key.connection_id)),
        ],
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends where something is wrong")]

    use polars::frame::DataFrame;
    use proptest::prelude::*;

    use super::super::Table;
    use super::super::tests::{assert_agree, texts};
    use super::*;

    /// A line: its time, and places in short lists of values.
    type Said = (i64, [usize; 10]);

    const NODES: [Option<&str>; 3] = [Some("one"), Some("two"), None];
    const SIDES: [Option<&str>; 3] = [Some("INGRESS"), Some("EGRESS"), None];
    const CONNECTIONS: [Option<&str>; 3] = [Some("TCP a"), Some("TCP b"), None];
    const IDS: [Option<&str>; 4] = [Some("7"), None, Some("HUBBLE_REDACTED"), Some("8")];
    const METHODS: [Option<&str>; 3] = [Some("GET"), Some("POST"), None];
    const URLS: [Option<&str>; 14] = [
        Some("http://web.shop/cart?q=/#1"),
        Some("/cart"),
        Some("http://web.shop/cart"),
        None,
        Some("http://web.shop"),
        Some("http://web.shop?cart"),
        Some("http:"),
        Some("http:/"),
        Some("http://"),
        Some("http:///cart"),
        Some(""),
        Some("/cart#a?b"),
        Some("//web/ä:/x"),
        Some("http:a//b"),
    ];
    const CODES: [Option<u32>; 4] = [Some(200), Some(503), None, Some(0)];
    const CLIENTS: [Option<&str>; 3] = [Some("shop/web"), Some("shop/a"), None];
    const SERVERS: [Option<&str>; 4] = [Some("shop/db"), Some("web.shop"), None, Some("10.0.0.9")];
    const ADDRESSES: [Option<&str>; 2] = [Some("10.0.0.1"), None];
    const KINDS: [(Option<&str>, Option<&str>, Option<&str>); 6] = [
        (Some("http"), Some("REQUEST"), Some("L7")),
        (Some("http"), Some("RESPONSE"), None),
        (Some("http"), Some("SAMPLE"), None),
        (Some("http"), Some("REQUEST"), Some("SOCK")),
        (Some("dns"), Some("REQUEST"), None),
        (None, None, None),
    ];
    const VERDICTS: [Option<&str>; 3] = [Some("FORWARDED"), Some("DROPPED"), None];

    fn flows(lines: &[Said]) -> DataFrame {
        let all = || lines.iter();
        let text = |name: &str, of: &dyn Fn(&Said) -> Option<&'static str>| texts(name, all().map(of));
        let numbers = |name: &str, of: &dyn Fn(&Said) -> Option<u32>| {
            UInt32Chunked::from_iter_options(name.into(), all().map(of)).into_column()
        };
        // What SQL leaves open, whose name stands for lines of one time and key, must make no difference.
        let name = |line: &Said| usize::try_from(line.0 / 250_000_000 % 7 % 4).unwrap();
        let latency = all().map(|line| Some(line.0.unsigned_abs() % 7).filter(|latency| *latency > 1));
        let columns = vec![
            Int64Chunked::from_iter_values("time_ns".into(), all().map(|line| line.0)).into_column(),
            text("node_name", &|line| NODES[line.1[0]]),
            text("traffic_direction", &|line| SIDES[line.1[1]]),
            text("connection_id", &|line| CONNECTIONS[line.1[2]]),
            text("request_id", &|line| IDS[line.1[3]]),
            text("http_method", &|line| METHODS[line.1[4]]),
            text("http_url", &|line| URLS[line.1[5]]),
            text("http_protocol", &|line| METHODS[name(line) % 3]),
            numbers("http_code", &|line| CODES[line.1[7]]),
            UInt64Chunked::from_iter_options("latency_ns".into(), latency).into_column(),
            text("client", &|line| CLIENTS[name(line) % 3]),
            text("client_namespace", &|line| CLIENTS[name(line) % 2]),
            text("client_ip", &|line| ADDRESSES[line.1[8]]),
            text("server", &|line| SERVERS[name(line)]),
            text("server_namespace", &|line| SERVERS[name(line)]),
            text("server_ip", &|line| ADDRESSES[line.1[8]]),
            numbers("server_port", &|line| [Some(80), None][line.1[8]]),
            text("l4_protocol", &|_| Some("TCP")),
            text("l7_protocol", &|line| KINDS[line.1[6]].0),
            text("l7_type", &|line| KINDS[line.1[6]].1),
            text("flow_type", &|line| KINDS[line.1[6]].2),
            text("verdict", &|line| VERDICTS[line.1[9]]),
        ];
        DataFrame::new(lines.len(), columns).unwrap()
    }

    /// Mostly the first of so many.
    fn mostly(count: usize) -> impl Strategy<Value = usize> {
        prop_oneof![4 => Just(0), 1 => 0..count]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn by_hand_as_in_sql(
            lines in proptest::collection::vec(
                (
                    prop_oneof![0..5_000_000_000i64, (0..40i64).prop_map(|quarters| quarters * 250_000_000)],
                    [
                        mostly(3).boxed(), (0..2usize).boxed(), mostly(3).boxed(), (0..4usize).boxed(), mostly(3).boxed(),
                        prop_oneof![3 => 0..3usize, 1 => 0..14usize].boxed(), prop_oneof![8 => 0..2usize, 1 => 0..6usize].boxed(),
                        mostly(4).boxed(), mostly(2).boxed(), mostly(3).boxed(),
                    ],
                ),
                0..40,
            ),
            cut in 0..40usize,
        ) {
            let cut = cut.min(lines.len());
            assert_agree(Table::Requests, [flows(&lines[..cut]), flows(&lines[cut..])])?;
        }
    }
}
