//! The table `lookups`.

mod found;
mod lines;
mod superseded;

use polars::prelude::{Int32Chunked, Int64Chunked, IntoColumn as _, NewChunkedArray as _, UInt32Chunked};

use super::super::packed::{Packed, Values};
use super::super::texts::{Number, Texts};
use found::Lookup;
pub(super) use lines::{COLUMNS, Lines};

/// The lookups that lines are of.
pub(super) fn table(mut lines: Lines, texts: &mut Texts) -> Packed {
    let lookups = found::of(&lines, texts);
    // The rest is in the lookups.
    lines.rows = Vec::new();
    let superseded = superseded::of(&lookups, &lines, texts);
    let key = |lookup: &Lookup| lines.keys.get_index(lookup.key as usize);
    let is_superseded = |lookup: &Lookup| {
        lookup.is_missing() && superseded.contains(&(lookup.asker(&lines), key(lookup).and_then(|key| key.name)))
    };
    let outcomes = lookups.iter().map(|lookup| Some(texts.number(&lookup.outcome()))).collect();
    let text = |number: &dyn Fn(&Lookup) -> Option<Number>| Values::Texts(lookups.iter().map(number).collect());
    let time = |time: &dyn Fn(&Lookup) -> Option<i64>| {
        Values::Others(Int64Chunked::from_iter_options("".into(), lookups.iter().map(time)).into_column())
    };
    let small = |number: &dyn Fn(&Lookup) -> Option<u32>| {
        Values::Others(UInt32Chunked::from_iter_options("".into(), lookups.iter().map(number)).into_column())
    };
    let count = |count: &dyn Fn(&Lookup) -> i32| {
        Values::Others(Int32Chunked::from_iter_values("".into(), lookups.iter().map(count)).into_column())
    };
    Packed::new(
        lookups.len(),
        vec![
            ("time_ns", time(&|lookup| Some(lookup.time_ns))),
            ("last_ns", time(&|lookup| Some(lookup.last_ns))),
            ("request_ns", time(&|lookup| lookup.request_ns)),
            ("response_ns", time(&|lookup| lookup.response_ns)),
            ("latency_ns", time(&|lookup| Some(lookup.response_ns?.wrapping_sub(lookup.request_ns?)))),
            ("questions", count(&|lookup| lookup.questions)),
            ("client", text(&|lookup| lookup.client)),
            ("client_namespace", text(&|lookup| lookup.client_namespace)),
            ("client_ip", text(&|lookup| key(lookup)?.client_ip)),
            ("client_port", small(&|lookup| key(lookup)?.client_port)),
            ("server", text(&|lookup| lookup.server)),
            ("server_ip", text(&|lookup| lookup.server_ip)),
            ("server_port", small(&|lookup| lookup.server_port)),
            ("l4_protocol", text(&|lookup| lookup.l4_protocol)),
            ("name", text(&|lookup| key(lookup)?.name)),
            ("qtype", text(&|lookup| key(lookup)?.qtype)),
            ("rcode", small(&|lookup| lookup.rcode)),
            ("outcome", Values::Texts(outcomes)),
            ("superseded", count(&|lookup| is_superseded(lookup).into())),
        ],
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends where something is wrong")]

    use polars::frame::DataFrame;
    use polars::prelude::BooleanChunked;
    use proptest::prelude::*;

    use super::super::Table;
    use super::super::tests::{assert_agree, texts};
    use super::*;

    /// A line: its time, and places in short lists of values.
    type Said = (i64, [usize; 9]);

    const NAMES: [Option<&str>; 13] = [
        Some("redis.db.shop.svc.cluster.local."),
        Some("Redis.DB"),
        Some("redis.db.svc.cluster.local"),
        Some("redis.db.cluster.local."),
        None,
        Some("redis.db.shop.svc.cluster.local.svc.x"),
        Some("redis"),
        Some("."),
        Some(""),
        Some("redis.svc.svc.local"),
        Some("redis.svc."),
        Some("Ärger.redis"),
        Some("redis.db.other.svc.cluster.local"),
    ];
    const CLIENTS: [Option<&str>; 3] = [Some("shop/web"), Some("shop/a"), None];
    const ADDRESSES: [Option<&str>; 3] = [Some("10.0.0.1"), Some("10.0.0.2"), None];
    const TYPES: [Option<&str>; 3] = [Some("A"), Some("AAAA"), None];
    const CODES: [Option<u32>; 9] = [Some(3), Some(0), Some(2), Some(1), Some(4), Some(5), Some(9), None, Some(3)];
    const KINDS: [(Option<&str>, Option<&str>, Option<&str>); 6] = [
        (Some("dns"), Some("REQUEST"), Some("L7")),
        (Some("dns"), Some("RESPONSE"), None),
        (Some("dns"), Some("SAMPLE"), None),
        (Some("dns"), Some("REQUEST"), Some("SOCK")),
        (Some("http"), Some("REQUEST"), None),
        (None, None, None),
    ];
    const VERDICTS: [Option<&str>; 3] = [Some("FORWARDED"), Some("DROPPED"), None];

    fn flows(lines: &[Said]) -> DataFrame {
        let all = || lines.iter();
        let text = |name: &str, of: &dyn Fn(&Said) -> Option<&'static str>| texts(name, all().map(of));
        let numbers = |name: &str, of: &dyn Fn(&Said) -> Option<u32>| {
            UInt32Chunked::from_iter_options(name.into(), all().map(of)).into_column()
        };
        let answers = all().map(|line| [Some(true), Some(false), None][line.1[8]]);
        let columns = vec![
            Int64Chunked::from_iter_values("time_ns".into(), all().map(|line| line.0)).into_column(),
            text("client", &|line| CLIENTS[line.1[0]]),
            text("client_namespace", &|line| CLIENTS[line.1[0]]),
            text("client_ip", &|line| ADDRESSES[line.1[1]]),
            numbers("client_port", &|line| [Some(40_000), None][line.1[1] % 2]),
            text("server", &|line| CLIENTS[line.1[0]]),
            text("server_ip", &|line| ADDRESSES[line.1[0]]),
            numbers("server_port", &|line| [Some(53), None, Some(5353)][line.1[0]]),
            text("l4_protocol", &|line| [Some("UDP"), Some("TCP"), None][line.1[0]]),
            text("dns_query", &|line| NAMES[line.1[2]]),
            text("dns_qtype", &|line| TYPES[line.1[3]]),
            numbers("dns_rcode", &|line| CODES[line.1[4]]),
            BooleanChunked::from_iter_options("dns_has_answer".into(), answers).into_column(),
            text("l7_protocol", &|line| KINDS[line.1[5]].0),
            text("l7_type", &|line| KINDS[line.1[5]].1),
            text("flow_type", &|line| KINDS[line.1[5]].2),
            text("verdict", &|line| VERDICTS[line.1[6]]),
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
                    prop_oneof![0..5_000_000_000i64, (0..400i64).prop_map(|quarters| quarters * 250_000_000)],
                    [
                        mostly(3).boxed(), mostly(3).boxed(), (0..13usize).boxed(), mostly(3).boxed(),
                        prop_oneof![2 => Just(0usize), 1 => 0..9usize].boxed(),
                        prop_oneof![8 => 0..2usize, 1 => 0..6usize].boxed(),
                        mostly(3).boxed(), mostly(3).boxed(), mostly(3).boxed(),
                    ],
                ),
                0..40,
            ),
            cut in 0..40usize,
        ) {
            let cut = cut.min(lines.len());
            assert_agree(Table::Lookups, [flows(&lines[..cut]), flows(&lines[cut..])])?;
        }
    }
}
