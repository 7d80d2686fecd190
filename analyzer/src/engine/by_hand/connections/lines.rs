//! The lines that connections are made of, with texts as numbers.

use polars::frame::DataFrame;
use polars::prelude::{PlIndexMap, PlIndexSet};
use polars_arrow::array::{Array as _, BooleanArray, PrimitiveArray, StaticArray as _, Utf8ViewArray};

use super::super::super::texts::{Known, Number, Renumbered, Texts};
use super::super::columns::Chunk;

/// The columns of flows that are read.
pub(in super::super) const COLUMNS: [&str; 20] = [
    "time_ns",
    "direction",
    "verdict",
    "l4_protocol",
    "connection_id",
    "client",
    "client_namespace",
    "client_ip",
    "client_port",
    "server",
    "server_namespace",
    "server_ip",
    "server_port",
    "client_is_outside",
    "client_identity",
    "server_is_outside",
    "server_identity",
    "tcp_flags",
    "flow_type",
    "l7_type",
];

/// What a line says, as bits.
pub(super) mod said {
    pub(in super::super) const SYN: u16 = 1;
    pub(in super::super) const RST: u16 = 1 << 1;
    pub(in super::super) const FIN: u16 = 1 << 2;
    pub(in super::super) const FORWARD: u16 = 1 << 3;
    pub(in super::super) const REPLY: u16 = 1 << 4;
    pub(in super::super) const DROPPED: u16 = 1 << 5;
    pub(in super::super) const AUDIT: u16 = 1 << 6;
    pub(in super::super) const CLIENT_IS_NO_POD: u16 = 1 << 7;
    pub(in super::super) const SERVER_IS_NO_POD: u16 = 1 << 8;
    /// Not of a packet.
    pub(super) const PASSED_OVER: u16 = 1 << 9;
    /// Only of flags: what is a SYN without it is the answer to one.
    pub(super) const ACK: u16 = 1 << 10;
}

/// A line, in 20 bytes: there are many.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed(4))]
pub(super) struct Line {
    pub time: i64,
    /// Place in [`Lines::connections`].
    pub connection: u32,
    /// Place in [`Lines::names`].
    pub names: u32,
    pub said: u16,
}

/// How a line names the ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Names {
    pub client: Option<Number>,
    pub client_namespace: Option<Number>,
    pub server: Option<Number>,
    pub server_namespace: Option<Number>,
}

/// What all lines of a connection say alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Connection {
    pub protocol: Number,
    pub client_ip: Number,
    pub client_port: Option<u32>,
    pub server_ip: Number,
    pub server_port: Option<u32>,
}

/// All lines of some flows, with texts as numbers.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(super) rows: Vec<Line>,
    /// By id, in the order of their first lines.
    pub(super) connections: PlIndexMap<Number, Connection>,
    pub(super) names: PlIndexSet<Names>,
}

impl Lines {
    /// The lines of flows; `None` when they are not such as Hubble writes.
    pub(in super::super) fn of(flows: &DataFrame, texts: &mut Texts) -> Option<Self> {
        let mut lines = Self::default();
        for chunk in Chunk::all(flows) {
            lines.rows(&Arrays::of(chunk)?, texts)?;
        }
        lines.rows.shrink_to_fit();
        Some(lines)
    }

    /// The lines of others behind these; `None` when both tell of one connection differently.
    pub(in super::super) fn join(mut self, others: Self, texts: &Renumbered) -> Option<Self> {
        let mut connections = Vec::with_capacity(others.connections.len());
        for (id, theirs) in others.connections {
            let theirs = Connection {
                protocol: texts.get(theirs.protocol)?,
                client_ip: texts.get(theirs.client_ip)?,
                server_ip: texts.get(theirs.server_ip)?,
                ..theirs
            };
            connections.push(self.connection(texts.get(id)?, theirs)?);
        }
        let mut names = Vec::with_capacity(others.names.len());
        for theirs in others.names {
            let theirs = Names {
                client: texts.of(theirs.client),
                client_namespace: texts.of(theirs.client_namespace),
                server: texts.of(theirs.server),
                server_namespace: texts.of(theirs.server_namespace),
            };
            names.push(number(self.names.insert_full(theirs).0));
        }
        for line in others.rows {
            let connection = *connections.get(line.connection as usize)?;
            self.rows.push(Line { connection, names: *names.get(line.names as usize)?, ..line });
        }
        self.is_small().then_some(self)
    }

    /// Whether 32 bits number all rows.
    fn is_small(&self) -> bool {
        self.rows.len() < u32::MAX as usize
    }

    /// The place of a connection; `None` when something else was told of it.
    fn connection(&mut self, id: Number, found: Connection) -> Option<u32> {
        let entry = self.connections.entry(id);
        let place = entry.index();
        (*entry.or_insert(found) == found).then(|| number(place))
    }

    fn rows<'a>(&mut self, chunk: &Arrays<'a>, texts: &mut Texts) -> Option<()> {
        let mut numbered = |text: &'a str| texts.number(text);
        let [mut clients, mut client_namespaces, mut servers, mut server_namespaces] =
            [(); 4].map(|()| Known::default());
        let [mut ids, mut protocols, mut client_ips, mut server_ips] = [(); 4].map(|()| Known::default());
        let mut directions = Known::default();
        let [mut verdicts, mut flags, mut kinds] = [(); 3].map(|()| Known::default());
        for row in 0..chunk.time.len() {
            if chunk.connection_id.is_null(row) {
                continue;
            }
            let kind = kinds.get(chunk.flow_type, row, &mut of_kind).unwrap_or_default();
            let verdict = verdicts.get(chunk.verdict, row, &mut of_verdict).unwrap_or_default();
            if (kind | verdict) & said::PASSED_OVER != 0 || chunk.l7_type.is_valid(row) {
                continue;
            }
            let direction = directions.get(chunk.direction, row, &mut of_direction)??;
            let mut said = verdict | direction | flags.get(chunk.tcp_flags, row, &mut of_flags).unwrap_or_default();
            if said & said::ACK != 0 || direction != said::FORWARD {
                said &= !said::SYN;
            }
            for (outside, identity, bit) in [
                (chunk.client_is_outside, chunk.client_identity, said::CLIENT_IS_NO_POD),
                (chunk.server_is_outside, chunk.server_identity, said::SERVER_IS_NO_POD),
            ] {
                if outside.get(row) == Some(true) || matches!(identity.get(row), Some(1 | 6 | 7)) {
                    said |= bit;
                }
            }
            let found = Connection {
                protocol: protocols.get(chunk.protocol, row, &mut numbered)?,
                client_ip: client_ips.get(chunk.client_ip, row, &mut numbered)?,
                client_port: chunk.client_port.get(row),
                server_ip: server_ips.get(chunk.server_ip, row, &mut numbered)?,
                server_port: chunk.server_port.get(row),
            };
            let id = ids.get(chunk.connection_id, row, &mut numbered)?;
            let mut name = |known: &mut Known<Number>, texts: &'a Utf8ViewArray| known.get(texts, row, &mut numbered);
            let names = Names {
                client: name(&mut clients, chunk.client),
                client_namespace: name(&mut client_namespaces, chunk.client_namespace),
                server: name(&mut servers, chunk.server),
                server_namespace: name(&mut server_namespaces, chunk.server_namespace),
            };
            let line = Line {
                time: chunk.time.get(row)?,
                connection: self.connection(id, found)?,
                names: number(self.names.insert_full(names).0),
                said: said & !said::ACK,
            };
            self.rows.push(line);
        }
        self.is_small().then_some(())
    }
}

/// A number, of which there are never too many ([`Lines::is_small`]).
fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

fn of_kind(kind: &str) -> u16 {
    if matches!(kind, "SOCK" | "L7") { said::PASSED_OVER } else { 0 }
}

fn of_verdict(verdict: &str) -> u16 {
    match verdict {
        "TRACED" | "TRANSLATED" => said::PASSED_OVER,
        "DROPPED" => said::DROPPED,
        "AUDIT" => said::AUDIT,
        _ => 0,
    }
}

fn of_direction(direction: &str) -> Option<u16> {
    match direction {
        "forward" => Some(said::FORWARD),
        "reply" => Some(said::REPLY),
        "unknown" => Some(0),
        _ => None,
    }
}

fn of_flags(flags: &str) -> u16 {
    let names = [("SYN", said::SYN), ("ACK", said::ACK), ("RST", said::RST), ("FIN", said::FIN)];
    names.into_iter().filter(|(name, _)| flags.contains(name)).map(|(_, bit)| bit).sum()
}

/// Columns of the same rows.
struct Arrays<'a> {
    time: &'a PrimitiveArray<i64>,
    direction: &'a Utf8ViewArray,
    verdict: &'a Utf8ViewArray,
    protocol: &'a Utf8ViewArray,
    connection_id: &'a Utf8ViewArray,
    client: &'a Utf8ViewArray,
    client_namespace: &'a Utf8ViewArray,
    client_ip: &'a Utf8ViewArray,
    client_port: &'a PrimitiveArray<u32>,
    server: &'a Utf8ViewArray,
    server_namespace: &'a Utf8ViewArray,
    server_ip: &'a Utf8ViewArray,
    server_port: &'a PrimitiveArray<u32>,
    client_is_outside: &'a BooleanArray,
    client_identity: &'a PrimitiveArray<u32>,
    server_is_outside: &'a BooleanArray,
    server_identity: &'a PrimitiveArray<u32>,
    tcp_flags: &'a Utf8ViewArray,
    flow_type: &'a Utf8ViewArray,
    l7_type: &'a Utf8ViewArray,
}

impl<'a> Arrays<'a> {
    fn of(chunk: Chunk<'a>) -> Option<Self> {
        Some(Self {
            time: chunk.numbers("time_ns")?,
            direction: chunk.texts("direction")?,
            verdict: chunk.texts("verdict")?,
            protocol: chunk.texts("l4_protocol")?,
            connection_id: chunk.texts("connection_id")?,
            client: chunk.texts("client")?,
            client_namespace: chunk.texts("client_namespace")?,
            client_ip: chunk.texts("client_ip")?,
            client_port: chunk.numbers("client_port")?,
            server: chunk.texts("server")?,
            server_namespace: chunk.texts("server_namespace")?,
            server_ip: chunk.texts("server_ip")?,
            server_port: chunk.numbers("server_port")?,
            client_is_outside: chunk.flags("client_is_outside")?,
            client_identity: chunk.numbers("client_identity")?,
            server_is_outside: chunk.flags("server_is_outside")?,
            server_identity: chunk.numbers("server_identity")?,
            tcp_flags: chunk.texts("tcp_flags")?,
            flow_type: chunk.texts("flow_type")?,
            l7_type: chunk.texts("l7_type")?,
        })
    }
}
