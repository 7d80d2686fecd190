//! The lines that lookups are made of, with texts as numbers.

use polars::frame::DataFrame;
use polars::prelude::PlIndexSet;
use polars_arrow::array::StaticArray as _;

use super::super::super::texts::{Known, Number, Renumbered, Texts};
use super::super::columns::Chunk;

/// The columns of flows that are read.
pub(in super::super) const COLUMNS: [&str; 17] = [
    "time_ns",
    "client",
    "client_namespace",
    "client_ip",
    "client_port",
    "server",
    "server_ip",
    "server_port",
    "l4_protocol",
    "dns_query",
    "dns_qtype",
    "dns_rcode",
    "dns_has_answer",
    "l7_protocol",
    "l7_type",
    "flow_type",
    "verdict",
];

/// A line, its texts as numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub time: i64,
    /// Place in [`Lines::keys`].
    pub key: u32,
    /// Place in [`Lines::ends`].
    pub ends: u32,
    pub rcode: Option<u32>,
    pub has_answer: bool,
    pub is_request: bool,
    pub is_dropped: bool,
}

/// What a question and the answer to it have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub client_ip: Option<Number>,
    pub client_port: Option<u32>,
    /// In lower case, without a dot at its end.
    pub name: Option<Number>,
    pub qtype: Option<Number>,
}

/// Who asks whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ends {
    pub client: Option<Number>,
    pub client_namespace: Option<Number>,
    pub server: Option<Number>,
    pub server_ip: Option<Number>,
    pub server_port: Option<u32>,
    pub l4_protocol: Option<Number>,
}

/// All lines of some flows.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(super) rows: Vec<Line>,
    pub(super) keys: PlIndexSet<Key>,
    pub(super) ends: PlIndexSet<Ends>,
}

impl Lines {
    /// The lines of flows; `None` when they are not such as Hubble writes.
    pub(in super::super) fn of(flows: &DataFrame, texts: &mut Texts) -> Option<Self> {
        let mut lines = Self::default();
        for chunk in Chunk::all(flows) {
            lines.chunk(chunk, texts)?;
        }
        lines.rows.shrink_to_fit();
        Some(lines)
    }

    /// The lines of others behind these; `None` when there are too many.
    pub(in super::super) fn join(mut self, others: Self, texts: &Renumbered) -> Option<Self> {
        let mut keys = Vec::with_capacity(others.keys.len());
        for key in others.keys {
            let key = Key {
                client_ip: texts.of(key.client_ip),
                client_port: key.client_port,
                name: texts.of(key.name),
                qtype: texts.of(key.qtype),
            };
            keys.push(u32::try_from(self.keys.insert_full(key).0).ok()?);
        }
        let mut ends = Vec::with_capacity(others.ends.len());
        for theirs in others.ends {
            let theirs = Ends {
                client: texts.of(theirs.client),
                client_namespace: texts.of(theirs.client_namespace),
                server: texts.of(theirs.server),
                server_ip: texts.of(theirs.server_ip),
                server_port: theirs.server_port,
                l4_protocol: texts.of(theirs.l4_protocol),
            };
            ends.push(u32::try_from(self.ends.insert_full(theirs).0).ok()?);
        }
        for line in others.rows {
            let (key, ends) = (*keys.get(line.key as usize)?, *ends.get(line.ends as usize)?);
            self.rows.push(Line { key, ends, ..line });
        }
        self.is_small().then_some(self)
    }

    /// Whether 32 bits number all rows.
    fn is_small(&self) -> bool {
        self.rows.len() < u32::MAX as usize
    }

    fn chunk(&mut self, chunk: Chunk<'_>, texts: &mut Texts) -> Option<()> {
        let Self { rows, keys, ends } = self;
        let (l7_protocol, l7_type, flow_type) =
            (chunk.texts("l7_protocol")?, chunk.texts("l7_type")?, chunk.texts("flow_type")?);
        let time = chunk.numbers("time_ns")?;
        let (client_port, server_port) = (chunk.numbers("client_port")?, chunk.numbers("server_port")?);
        let (rcode, has_answer) = (chunk.numbers("dns_rcode")?, chunk.flags("dns_has_answer")?);
        let (verdict, query) = (chunk.texts("verdict")?, chunk.texts("dns_query")?);
        let columns = ["client_ip", "client", "client_namespace", "server", "server_ip", "l4_protocol", "dns_qtype"];
        let mut arrays = Vec::with_capacity(columns.len());
        for name in columns {
            arrays.push(chunk.texts(name)?);
        }
        let mut known = columns.map(|_| Known::default());
        let mut names = Known::default();
        for row in 0..time.len() {
            if l7_protocol.get(row) != Some("dns") || flow_type.get(row) == Some("SOCK") {
                continue;
            }
            let is_request = match l7_type.get(row) {
                Some("REQUEST") => true,
                Some("RESPONSE") => false,
                _ => continue,
            };
            let mut numbers = [None; 7];
            for ((number, array), known) in numbers.iter_mut().zip(&arrays).zip(&mut known) {
                *number = known.get(array, row, &mut |text| texts.number(text));
            }
            let [client_ip, client, client_namespace, server, server_ip, l4_protocol, qtype] = numbers;
            let name =
                names.get(query, row, &mut |name| texts.number(&name.strip_suffix('.').unwrap_or(name).to_lowercase()));
            let key = Key { client_ip, client_port: client_port.get(row), name, qtype };
            let server_port = server_port.get(row);
            let of = Ends { client, client_namespace, server, server_ip, server_port, l4_protocol };
            rows.push(Line {
                time: time.get(row)?,
                key: u32::try_from(keys.insert_full(key).0).ok()?,
                ends: u32::try_from(ends.insert_full(of).0).ok()?,
                rcode: rcode.get(row),
                has_answer: has_answer.get(row) == Some(true),
                is_request,
                is_dropped: verdict.get(row) == Some("DROPPED"),
            });
        }
        self.is_small().then_some(())
    }
}
