//! The table `connections`.

mod groups;
mod lines;

use polars::prelude::{Int32Chunked, Int64Chunked, IntoColumn as _, NewChunkedArray as _, UInt32Chunked};

use super::super::packed::{Packed, Values};
use super::super::texts::{Number, Texts};
use groups::Group;
pub(super) use lines::{COLUMNS, Lines};

/// The connections that lines are of.
pub(super) fn table(mut lines: Lines, texts: &mut Texts) -> Packed {
    let groups = groups::of(&lines, texts);
    // The rest is in the groups.
    lines.rows = Vec::new();
    let of = |group: &Group| lines.connections.get_index(group.connection as usize);
    let tcp = texts.number("TCP");
    let is_tcp = |group: &Group| of(group).is_some_and(|(_, connection)| connection.protocol == tcp);
    let states = groups.iter().map(|group| Some(texts.number(group.state(is_tcp(group))?))).collect();
    let resets = groups.iter().map(|group| Some(texts.number(group.reset()?.0))).collect();
    let text = |number: &dyn Fn(&Group) -> Option<Number>| Values::Texts(groups.iter().map(number).collect());
    let count = |count: &dyn Fn(&Group) -> Option<i32>| {
        Values::Others(Int32Chunked::from_iter_options("".into(), groups.iter().map(count)).into_column())
    };
    let time = |time: &dyn Fn(&Group) -> Option<i64>| {
        Values::Others(Int64Chunked::from_iter_options("".into(), groups.iter().map(time)).into_column())
    };
    let port = |port: &dyn Fn(&Group) -> Option<u32>| {
        Values::Others(UInt32Chunked::from_iter_options("".into(), groups.iter().map(port)).into_column())
    };
    Packed::new(
        groups.len(),
        vec![
            ("connection_id", text(&|group| Some(*of(group)?.0))),
            ("attempt", count(&|group| Some(group.attempt))),
            ("l4_protocol", text(&|group| Some(of(group)?.1.protocol))),
            ("client", text(&|group| group.client)),
            ("client_namespace", text(&|group| group.client_namespace)),
            ("client_ip", text(&|group| Some(of(group)?.1.client_ip))),
            ("client_port", port(&|group| of(group)?.1.client_port)),
            ("server", text(&|group| group.server)),
            ("server_namespace", text(&|group| group.server_namespace)),
            ("server_ip", text(&|group| Some(of(group)?.1.server_ip))),
            ("server_port", port(&|group| of(group)?.1.server_port)),
            ("first_ns", time(&|group| Some(group.first_ns))),
            ("last_ns", time(&|group| Some(group.last_ns))),
            ("lines", port(&|group| Some(group.lines))),
            ("syns", count(&|group| is_tcp(group).then_some(group.syns))),
            ("syn_ns", time(&|group| group.syn_ns)),
            ("last_syn_ns", time(&|group| group.last_syn_ns)),
            ("answer_ns", time(&|group| group.answer_ns.filter(|_| is_tcp(group)))),
            ("last_reply_ns", time(&|group| group.last_reply_ns)),
            ("state", Values::Texts(states)),
            ("reset_by", Values::Texts(resets)),
            ("reset_ns", time(&|group| group.reset().map(|(_, at)| at))),
            ("fin_ns", time(&|group| group.fin_ns)),
            ("drop_ns", time(&|group| group.drop_ns)),
            ("audited", count(&|group| Some(group.audited.into()))),
        ],
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends where something is wrong")]

    use polars::frame::DataFrame;
    use polars::prelude::{Column, IntoLazy as _, NamedFrom as _, PlSmallStr, Series};
    use proptest::prelude::*;

    use super::super::Table;
    use super::super::tests::{assert_agree, query, texts};
    use super::*;

    /// A line, in places of short lists of values.
    type Said = (usize, usize, bool, i64, usize, usize, usize, usize, usize, usize);

    const PROTOCOLS: [&str; 2] = ["TCP", "UDP"];
    const ENDS: [(&str, Option<u32>); 3] = [("10.0.0.1", Some(40_000)), ("10.0.0.2", Some(80)), ("fd00::3", None)];
    const NAMES: [Option<&str>; 5] = [None, Some("shop/web"), Some("shop/a"), Some("10.0.0.9"), Some("world")];
    const FLAGS: [Option<&str>; 7] =
        [None, Some("SYN"), Some("SYN, ACK"), Some("ACK"), Some("RST"), Some("ACK, FIN"), Some("ACK, PSH")];
    const VERDICTS: [Option<&str>; 6] =
        [None, Some("FORWARDED"), Some("DROPPED"), Some("AUDIT"), Some("TRACED"), Some("TRANSLATED")];
    const KINDS: [(Option<&str>, Option<&str>); 5] = [
        (None, None),
        (Some("L3_L4"), None),
        (Some("SOCK"), None),
        (Some("L7"), Some("REQUEST")),
        (Some("L3_L4"), Some("RESPONSE")),
    ];
    const DIRECTIONS: [&str; 3] = ["forward", "reply", "unknown"];

    fn flows(lines: &[Said]) -> DataFrame {
        let all = || lines.iter();
        let ends = |line: &Said| {
            if line.2 { (ENDS[line.1], ENDS[(line.1 + 1) % 3]) } else { (ENDS[(line.1 + 1) % 3], ENDS[line.1]) }
        };
        let ids: Vec<Option<String>> = all()
            .map(|line| {
                let ((client, client_port), (server, server_port)) = ends(line);
                // Some packets have no ports to tell a connection by.
                (line.9 != 0)
                    .then(|| format!("{} {client}:{client_port:?} {server}:{server_port:?}", PROTOCOLS[line.0]))
            })
            .collect();
        let number = |name: &str, of: &dyn Fn(&Said) -> Option<u32>| {
            UInt32Chunked::from_iter_options(name.into(), all().map(of)).into_column()
        };
        let identity = |place: usize| [None, Some(0), Some(1), Some(2), Some(7), Some(4242)][place % 6];
        let outside = |name: &str, of: &dyn Fn(&Said) -> Option<u32>| {
            let flags: Vec<Option<bool>> = all().map(|line| of(line).filter(|id| *id != 0).map(|id| id == 2)).collect();
            Column::from(Series::new(PlSmallStr::from_str(name), flags))
        };
        let columns = vec![
            // Ties, repeated SYNs, and attempts after a long time.
            Int64Chunked::from_iter_values("time_ns".into(), all().map(|line| line.3)).into_column(),
            texts("direction", all().map(|line| Some(DIRECTIONS[line.4]))),
            texts("verdict", all().map(|line| VERDICTS[line.5])),
            texts("l4_protocol", all().map(|line| Some(PROTOCOLS[line.0]))),
            texts("connection_id", ids.iter().map(Option::as_deref)),
            texts("client", all().map(|line| NAMES[line.6])),
            texts("client_namespace", all().map(|line| NAMES[line.7])),
            texts("client_ip", all().map(|line| Some(ends(line).0.0))),
            number("client_port", &|line| ends(line).0.1),
            texts("server", all().map(|line| NAMES[line.7])),
            texts("server_namespace", all().map(|line| NAMES[line.6])),
            texts("server_ip", all().map(|line| Some(ends(line).1.0))),
            number("server_port", &|line| ends(line).1.1),
            outside("client_is_outside", &|line| identity(line.6)),
            number("client_identity", &|line| identity(line.6)),
            outside("server_is_outside", &|line| identity(line.7)),
            number("server_identity", &|line| identity(line.7)),
            texts("tcp_flags", all().map(|line| FLAGS[line.8])),
            texts("flow_type", all().map(|line| KINDS[line.9].0)),
            texts("l7_type", all().map(|line| KINDS[line.9].1)),
        ];
        DataFrame::new(lines.len(), columns).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn by_hand_as_in_sql(
            lines in proptest::collection::vec(
                (
                    prop_oneof![4 => Just(0usize), 1 => Just(1usize)],
                    prop_oneof![4 => Just(0usize), 1 => 0..3usize],
                    prop_oneof![4 => Just(true), 1 => Just(false)],
                    prop_oneof![0..5i64, (0..800i64).prop_map(|quarters| quarters * 250_000_000)],
                    prop_oneof![3 => Just(0usize), 2 => 0..3usize],
                    0..6usize,
                    0..5usize,
                    0..5usize,
                    prop_oneof![1 => Just(1usize), 1 => 0..7usize],
                    prop_oneof![4 => Just(1usize), 1 => 0..5usize],
                ),
                0..60,
            ),
            cut in 0..60usize,
        ) {
            let cut = cut.min(lines.len());
            assert_agree(Table::Connections, [flows(&lines[..cut]), flows(&lines[cut..])])?;
        }
    }

    #[test]
    fn another_query_is_not_done_by_hand() {
        let mut sql = query(Table::Connections);
        assert_eq!(Table::of("connections", &sql), Some(Table::Connections));
        assert_eq!(Table::of("requests", &sql), None);
        let tables = &mut sql.with.as_mut().unwrap().cte_tables;
        let mut unused = tables[0].clone();
        unused.alias.name.value = "unused".to_owned();
        tables.push(unused);
        assert_eq!(Table::of("connections", &sql), None);
    }

    #[test]
    fn what_is_odd_is_left_to_sql() {
        let line = |port| (0, port, true, 5, 0, 1, 1, 1, 1, 1);
        let mut table = flows(&[line(0)]);
        assert!(Table::Connections.of_flows(table.clone().lazy()).unwrap().is_some());
        // One connection, two addresses.
        let mut other = flows(&[line(1)]);
        other.with_column(table.column("connection_id").unwrap().clone()).unwrap();
        table.vstack_mut(&other).unwrap();
        assert!(Table::Connections.of_flows(table.lazy()).unwrap().is_none());
        // A line without a time.
        let mut timeless = flows(&[line(0)]);
        timeless
            .with_column(Int64Chunked::from_iter_options("time_ns".into(), [None].into_iter()).into_column())
            .unwrap();
        assert!(Table::Connections.of_flows(timeless.lazy()).unwrap().is_none());
    }
}
