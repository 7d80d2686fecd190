//! The table `requests`.

mod lines;
mod once;
mod pairs;

use polars::frame::DataFrame;
use polars::prelude::{
    Column, Int32Chunked, Int64Chunked, IntoColumn as _, NewChunkedArray as _, PolarsResult, UInt32Chunked,
    UInt64Chunked,
};

use super::texts::Number;
pub(super) use lines::{COLUMNS, Lines};
use lines::{Ends, Key};
use pairs::Pair;

/// The requests that lines are of.
pub(super) fn table(mut lines: Lines) -> PolarsResult<DataFrame> {
    let mut pairs = pairs::of(&mut lines);
    // The rest is in the pairs.
    lines.rows = Vec::new();
    let paths = pairs::paths(&mut lines.texts, &lines.keys);
    once::keep(&mut pairs, &lines, &paths);
    let texts = lines.texts.columns();
    let key = |pair: &Pair| lines.key(pair.key);
    let ends = |pair: &Pair| lines.ends(pair.ends);
    let of_key = |name: &str, number: &dyn Fn(&Key) -> Option<Number>| {
        texts.column(name, pairs.iter().map(|pair| number(key(pair)?)))
    };
    let of_ends = |name: &str, number: &dyn Fn(&Ends) -> Option<Number>| {
        texts.column(name, pairs.iter().map(|pair| number(ends(pair)?)))
    };
    let time = |name: &str, time: &dyn Fn(&Pair) -> Option<i64>| -> Column {
        Int64Chunked::from_iter_options(name.into(), pairs.iter().map(time)).into_column()
    };
    let small = |name: &str, number: &dyn Fn(&Pair) -> Option<u32>| -> Column {
        UInt32Chunked::from_iter_options(name.into(), pairs.iter().map(number)).into_column()
    };
    let recorded = UInt64Chunked::from_iter_options("recorded_ns".into(), pairs.iter().map(|pair| pair.recorded_ns));
    let denied = Int32Chunked::from_iter_values("denied".into(), pairs.iter().map(|pair| pair.denied.into()));
    DataFrame::new(
        pairs.len(),
        vec![
            time("time_ns", &|pair| Some(pair.time_ns)),
            time("request_ns", &|pair| pair.request_ns),
            time("response_ns", &|pair| pair.response_ns),
            time("paired_ns", &|pair| Some(pair.response_ns?.wrapping_sub(pair.request_ns?))),
            recorded.into_column(),
            of_key("node_name", &|key| key.node_name)?,
            of_key("traffic_direction", &|key| key.traffic_direction)?,
            of_ends("client", &|ends| ends.client)?,
            of_ends("client_namespace", &|ends| ends.client_namespace)?,
            of_ends("client_ip", &|ends| ends.client_ip)?,
            of_ends("server", &|ends| ends.server)?,
            of_ends("server_namespace", &|ends| ends.server_namespace)?,
            of_ends("server_ip", &|ends| ends.server_ip)?,
            small("server_port", &|pair| ends(pair)?.server_port),
            of_ends("l4_protocol", &|ends| ends.l4_protocol)?,
            of_key("method", &|key| key.method)?,
            of_key("url", &|key| key.url)?,
            texts.column("path", pairs.iter().map(|pair| Some(paths.get(&key(pair)?.url?)?.path)))?,
            texts.column("protocol", pairs.iter().map(|pair| pair.protocol))?,
            small("code", &|pair| pair.code),
            denied.into_column(),
            of_key("request_id", &|key| key.request_id)?,
            of_key("connection_id", &|key| key.connection_id)?,
        ],
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends where something is wrong")]

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
        let name = |line: &Said| line.0.unsigned_abs() as usize / 250_000_000 % 7 % 4;
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
