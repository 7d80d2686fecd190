//! The lines that requests are made of, with texts as numbers.

use polars::frame::DataFrame;
use polars::prelude::PlIndexSet;
use polars_arrow::array::StaticArray as _;

use super::super::super::texts::{Known, Number, Renumbered, Texts};
use super::super::columns::Chunk;

/// The columns of flows that are read.
pub(in super::super) const COLUMNS: [&str; 22] = [
    "time_ns",
    "node_name",
    "traffic_direction",
    "connection_id",
    "request_id",
    "http_method",
    "http_url",
    "http_protocol",
    "http_code",
    "latency_ns",
    "client",
    "client_namespace",
    "client_ip",
    "server",
    "server_namespace",
    "server_ip",
    "server_port",
    "l4_protocol",
    "l7_protocol",
    "l7_type",
    "flow_type",
    "verdict",
];

/// A line, its texts as numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub time: i64,
    pub latency_ns: Option<u64>,
    pub code: Option<u32>,
    /// Place in [`Lines::keys`].
    pub key: u32,
    /// Place in [`Lines::ends`].
    pub ends: u32,
    pub protocol: Option<Number>,
    pub is_request: bool,
    pub is_denied: bool,
}

/// What the lines of a request and of its response have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub node_name: Option<Number>,
    pub traffic_direction: Option<Number>,
    pub connection_id: Option<Number>,
    pub request_id: Option<Number>,
    pub method: Option<Number>,
    pub url: Option<Number>,
}

/// Who talks to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ends {
    pub client: Option<Number>,
    pub client_namespace: Option<Number>,
    pub client_ip: Option<Number>,
    pub server: Option<Number>,
    pub server_namespace: Option<Number>,
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

    pub(super) fn key(&self, place: u32) -> Option<&Key> {
        self.keys.get_index(place as usize)
    }

    pub(super) fn ends(&self, place: u32) -> Option<&Ends> {
        self.ends.get_index(place as usize)
    }

    /// The lines of others behind these; `None` when there are too many.
    pub(in super::super) fn join(mut self, others: Self, texts: &Renumbered) -> Option<Self> {
        let (mut keys, mut ends) = (Vec::with_capacity(others.keys.len()), Vec::with_capacity(others.ends.len()));
        for key in others.keys {
            keys.push(u32::try_from(self.keys.insert_full(key.renumbered(texts)).0).ok()?);
        }
        for of in others.ends {
            ends.push(u32::try_from(self.ends.insert_full(of.renumbered(texts)).0).ok()?);
        }
        for line in others.rows {
            self.rows.push(Line {
                key: *keys.get(line.key as usize)?,
                ends: *ends.get(line.ends as usize)?,
                protocol: texts.of(line.protocol),
                ..line
            });
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
        let (code, latency, port) =
            (chunk.numbers("http_code")?, chunk.numbers("latency_ns")?, chunk.numbers("server_port")?);
        let (request_id, verdict) = (chunk.texts("request_id")?, chunk.texts("verdict")?);
        let columns = [
            "node_name",
            "traffic_direction",
            "connection_id",
            "http_method",
            "http_url",
            "http_protocol",
            "client",
            "client_namespace",
            "client_ip",
            "server",
            "server_namespace",
            "server_ip",
            "l4_protocol",
        ];
        let mut arrays = Vec::with_capacity(columns.len());
        for name in columns {
            arrays.push(chunk.texts(name)?);
        }
        let mut known = columns.map(|_| Known::default());
        let mut ids = Known::default();
        for row in 0..time.len() {
            if l7_protocol.get(row) != Some("http") || flow_type.get(row) == Some("SOCK") {
                continue;
            }
            let is_request = match l7_type.get(row) {
                Some("REQUEST") => true,
                Some("RESPONSE") => false,
                _ => continue,
            };
            let mut numbers = [None; 13];
            for ((number, array), known) in numbers.iter_mut().zip(&arrays).zip(&mut known) {
                *number = known.get(array, row, &mut |text| texts.number(text));
            }
            let [
                node_name,
                traffic_direction,
                connection_id,
                method,
                url,
                protocol,
                client,
                client_namespace,
                client_ip,
                server,
                server_namespace,
                server_ip,
                l4_protocol,
            ] = numbers;
            // Hubble's redaction leaves one text for every id: no id.
            let request_id =
                ids.get(request_id, row, &mut |id| (id != "HUBBLE_REDACTED").then(|| texts.number(id))).flatten();
            let key = Key { node_name, traffic_direction, connection_id, request_id, method, url };
            let server_port = port.get(row);
            let of = Ends {
                client,
                client_namespace,
                client_ip,
                server,
                server_namespace,
                server_ip,
                server_port,
                l4_protocol,
            };
            rows.push(Line {
                time: time.get(row)?,
                latency_ns: latency.get(row),
                code: code.get(row),
                key: u32::try_from(keys.insert_full(key).0).ok()?,
                ends: u32::try_from(ends.insert_full(of).0).ok()?,
                protocol,
                is_request,
                is_denied: verdict.get(row) == Some("DROPPED"),
            });
        }
        self.is_small().then_some(())
    }
}

impl Key {
    fn renumbered(self, texts: &Renumbered) -> Self {
        Self {
            node_name: texts.of(self.node_name),
            traffic_direction: texts.of(self.traffic_direction),
            connection_id: texts.of(self.connection_id),
            request_id: texts.of(self.request_id),
            method: texts.of(self.method),
            url: texts.of(self.url),
        }
    }
}

impl Ends {
    fn renumbered(self, texts: &Renumbered) -> Self {
        Self {
            client: texts.of(self.client),
            client_namespace: texts.of(self.client_namespace),
            client_ip: texts.of(self.client_ip),
            server: texts.of(self.server),
            server_namespace: texts.of(self.server_namespace),
            server_ip: texts.of(self.server_ip),
            server_port: self.server_port,
            l4_protocol: texts.of(self.l4_protocol),
        }
    }

    /// Of each the greater.
    pub(super) fn greatest(self, other: Self, texts: &Texts) -> Self {
        let mut ends = self;
        texts.greater(&mut ends.client, other.client);
        texts.greater(&mut ends.client_namespace, other.client_namespace);
        texts.greater(&mut ends.client_ip, other.client_ip);
        texts.greater(&mut ends.server, other.server);
        texts.greater(&mut ends.server_namespace, other.server_namespace);
        texts.greater(&mut ends.server_ip, other.server_ip);
        ends.server_port = ends.server_port.max(other.server_port);
        texts.greater(&mut ends.l4_protocol, other.l4_protocol);
        ends
    }
}
