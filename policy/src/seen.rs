//! Flows folded into accesses.
//!
//! Promises:
//! 1. A flow counts for what became of its packet at a policy: it passed, or a policy denied it. A line written before the decision
//!    (`from-endpoint` and the like), a drop for another reason and an ICMP error of a connection tell nothing of policies, and are
//!    counted apart.
//! 2. A reply tells that its connection passed.
//! 3. An access that passed at its client and was denied at its server was denied.
//! 4. What is over the [`Limits`] is counted, and memory does not grow by it.

mod row;

use std::collections::{HashMap, HashSet};
use std::fmt;

use ahash::RandomState;
use arrow::array::RecordBatch;
use lookback_flow::columns::ColumnId;
use lookback_flow::derive::{DeriveError, derive, needs};
use lookback_flow::names::Workloads;
use lookback_flow::view::View;

use crate::endpoint::Endpoint;
use crate::port::Protocol;
use row::{Fate, Reader};

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub endpoints: usize,
    pub accesses: usize,
    pub requests: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { endpoints: 200_000, accesses: 1_000_000, requests: 200_000 }
    }
}

/// A request that a proxy saw.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Request {
    Http { method: String, host: Option<String>, path: String },
    Dns { query: String },
    Kafka { topic: String },
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { method, path, .. } => write!(f, "{method} {path}"),
            Self::Dns { query } => write!(f, "DNS {query}"),
            Self::Kafka { topic } => write!(f, "Kafka {topic}"),
        }
    }
}

/// Who reached whom, and by what.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    pub client: &'a Endpoint,
    pub server: &'a Endpoint,
    /// `None` where the log does not tell.
    pub protocol: Option<Protocol>,
    /// The server's port, or the type of an ICMP message; `None` where there is none or the log does not tell.
    pub port: Option<u16>,
    /// A request, or the connection itself.
    pub request: Option<&'a Request>,
    /// Whether requests were seen between the two on this port.
    pub has_requests: bool,
    pub tally: &'a Tally,
}

/// Flows of an access.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// At the client's policies, at the server's, and where the log does not say at whose.
    passed: [u64; 3],
    denied: [u64; 3],
    /// Nanoseconds since 1970; of flows with a time.
    pub first: Option<i64>,
    pub last: Option<i64>,
}

impl Tally {
    /// Flows that passed, at the last place where there are any.
    #[must_use]
    pub const fn passed(&self) -> u64 {
        let [egress, ingress, unknown] = self.passed;
        let [_, denied, _] = self.denied;
        if ingress > 0 || denied > 0 { ingress } else { egress.saturating_add(unknown) }
    }

    /// Flows that a policy denied.
    #[must_use]
    pub const fn denied(&self) -> u64 {
        let [egress, ingress, unknown] = self.denied;
        egress.saturating_add(ingress).saturating_add(unknown)
    }

    /// All of them.
    fn flows(&self) -> u64 {
        self.passed.iter().chain(&self.denied).sum()
    }

    fn merge(&mut self, other: &Self) {
        for (own, other) in self.passed.iter_mut().zip(other.passed).chain(self.denied.iter_mut().zip(other.denied)) {
            *own = own.saturating_add(other);
        }
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.last = [self.last, other.last].into_iter().flatten().max();
    }
}

/// Flows that tell nothing of policies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Untold {
    /// Which way they went is not known.
    pub direction: u64,
    /// Seen before a policy decided.
    pub early: u64,
    /// ICMP errors and neighbour discovery, which policies do not decide.
    pub related: u64,
    /// Dropped for another reason.
    pub other_drops: u64,
    /// Over the limits.
    pub left_out: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key {
    client: u32,
    server: u32,
    protocol: Option<Protocol>,
    port: Option<u16>,
    request: Option<u32>,
}

/// What was seen, folded.
#[derive(Debug)]
pub struct Seen {
    limits: Limits,
    with_requests: bool,
    endpoints: Interned<Endpoint>,
    /// Endpoints by what the log says of them, byte by byte.
    by_bytes: HashMap<Box<[u8]>, u32, RandomState>,
    requests: Interned<Request>,
    accesses: HashMap<Key, Tally, RandomState>,
    pub untold: Untold,
    /// Flows that are in an access.
    pub flows: u64,
}

impl Seen {
    /// `with_requests`: requests are accesses of their own, beside the connections that carried them.
    #[must_use]
    pub fn new(limits: Limits, with_requests: bool) -> Self {
        Self {
            limits,
            with_requests,
            endpoints: Interned::default(),
            by_bytes: HashMap::default(),
            requests: Interned::default(),
            accesses: HashMap::default(),
            untold: Untold::default(),
            flows: 0,
        }
    }

    /// Another one of the same kind, with nothing in it.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::new(self.limits, self.with_requests)
    }

    /// The stored columns that it reads.
    #[must_use]
    pub fn columns() -> Vec<String> {
        let mut columns: Vec<String> = row::COLUMNS.iter().map(|name| (*name).to_owned()).collect();
        for side in ["source", "destination"] {
            columns.extend(row::SIDE_COLUMNS.iter().map(|name| format!("{side}_{name}")));
        }
        columns.extend(needs("direction"));
        columns
    }

    /// Adds the flows of a batch.
    ///
    /// # Errors
    /// When a column has not the type of the schema.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), DeriveError> {
        let directions = derive(batch, &[ColumnId::known("direction")], &Workloads::default())?;
        let (view, directions) = (View::new(batch)?, View::new(&directions)?);
        let reader = Reader::new(&view, &directions);
        let mut bytes = Vec::new();
        for row in 0..batch.num_rows() {
            let fate = match reader.fate(row) {
                Fate::NoFlow => continue,
                Fate::Early => {
                    self.untold.early += 1;
                    continue;
                }
                Fate::Related => {
                    self.untold.related += 1;
                    continue;
                }
                Fate::OtherDrop => {
                    self.untold.other_drops += 1;
                    continue;
                }
                Fate::NoDirection => {
                    self.untold.direction += 1;
                    continue;
                }
                // Without a look into requests, one that was denied tells of a connection that passed.
                Fate::Denied if !self.with_requests && reader.is_request(row) => Fate::Passed,
                fate => fate,
            };
            self.take(&reader, row, fate == Fate::Denied, &mut bytes);
        }
        Ok(())
    }

    fn take(&mut self, reader: &Reader<'_>, row: usize, is_denied: bool, bytes: &mut Vec<u8>) {
        let is_reply = reader.is_reply(row);
        let mut end = |is_source: bool| {
            reader.bytes(row, is_source, bytes);
            if let Some(id) = self.by_bytes.get(bytes.as_slice()) {
                return Some(*id);
            }
            if self.by_bytes.len() >= self.limits.endpoints {
                return None;
            }
            let id = self.endpoints.id(reader.endpoint(row, is_source), usize::MAX)?;
            self.by_bytes.insert(bytes.clone().into_boxed_slice(), id);
            Some(id)
        };
        let (client, server) = (end(!is_reply), end(is_reply));
        let request = self.with_requests.then(|| reader.request(row)).flatten();
        let request = match request.map(|request| self.requests.id(request, self.limits.requests)) {
            Some(None) => {
                self.untold.left_out += 1;
                return;
            }
            Some(id) => id,
            None => None,
        };
        let (Some(client), Some(server)) = (client, server) else {
            self.untold.left_out += 1;
            return;
        };
        let (protocol, port) = reader.port(row, is_reply);
        let key = Key { client, server, protocol, port, request };
        let is_full = self.accesses.len() >= self.limits.accesses;
        if is_full && !self.accesses.contains_key(&key) {
            self.untold.left_out += 1;
            return;
        }
        self.flows += 1;
        let time = reader.time(row);
        let mut tally = Tally { first: time, last: time, ..Tally::default() };
        let counts = if is_denied { &mut tally.denied } else { &mut tally.passed };
        if let Some(count) = counts.get_mut(reader.place(row)) {
            *count = 1;
        }
        self.accesses.entry(key).or_default().merge(&tally);
    }

    /// Adds what another has seen.
    pub fn merge(&mut self, other: Self) {
        let endpoints: Vec<Option<u32>> = other
            .endpoints
            .items
            .into_iter()
            .map(|endpoint| self.endpoints.id(endpoint, self.limits.endpoints))
            .collect();
        let requests: Vec<Option<u32>> =
            other.requests.items.into_iter().map(|request| self.requests.id(request, self.limits.requests)).collect();
        let own = |ids: &[Option<u32>], id: u32| ids.get(id as usize).copied().flatten();
        // In one order, so that what is left out by a limit does not change from run to run.
        let mut accesses: Vec<_> = other.accesses.into_iter().collect();
        accesses.sort_unstable_by_key(|(key, _)| *key);
        for (key, tally) in accesses {
            let request = key.request.map(|id| own(&requests, id));
            let key = match (own(&endpoints, key.client), own(&endpoints, key.server)) {
                (Some(client), Some(server)) if request != Some(None) => {
                    Some(Key { client, server, request: request.flatten(), ..key })
                }
                _ => None,
            };
            let is_full = self.accesses.len() >= self.limits.accesses;
            match key.filter(|key| !is_full || self.accesses.contains_key(key)) {
                Some(key) => {
                    self.flows += tally.flows();
                    self.accesses.entry(key).or_default().merge(&tally);
                }
                None => self.untold.left_out += tally.flows(),
            }
        }
        let Untold { direction, early, related, other_drops, left_out } = other.untold;
        self.untold.direction += direction;
        self.untold.early += early;
        self.untold.related += related;
        self.untold.other_drops += other_drops;
        self.untold.left_out += left_out;
    }

    /// All accesses, by client, server, protocol, port and request.
    #[must_use]
    pub fn accesses(&self) -> Vec<Access<'_>> {
        let pair = |key: &Key| (key.client, key.server, key.protocol, key.port);
        let with_requests: HashSet<_, RandomState> =
            self.accesses.keys().filter(|key| key.request.is_some()).map(pair).collect();
        let access = |key: &Key, tally| {
            Some(Access {
                client: self.endpoints.get(key.client)?,
                server: self.endpoints.get(key.server)?,
                protocol: key.protocol,
                port: key.port,
                request: match key.request {
                    Some(request) => Some(self.requests.get(request)?),
                    None => None,
                },
                has_requests: with_requests.contains(&pair(key)),
                tally,
            })
        };
        let mut accesses: Vec<Access<'_>> =
            self.accesses.iter().filter_map(|(key, tally)| access(key, tally)).collect();
        accesses.sort_unstable_by_key(|access| {
            (access.client, access.server, access.protocol, access.port, access.request)
        });
        accesses
    }
}

/// Things by number.
#[derive(Debug)]
struct Interned<T> {
    items: Vec<T>,
    ids: HashMap<T, u32, RandomState>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { items: Vec::new(), ids: HashMap::default() }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Interned<T> {
    /// The number of a thing; `None` of a new one when there are `most` already.
    fn id(&mut self, item: T, most: usize) -> Option<u32> {
        if let Some(id) = self.ids.get(&item) {
            return Some(*id);
        }
        if self.items.len() >= most {
            return None;
        }
        let id = u32::try_from(self.items.len()).ok()?;
        self.items.push(item.clone());
        self.ids.insert(item, id);
        Some(id)
    }

    fn get(&self, id: u32) -> Option<&T> {
        self.items.get(id as usize)
    }
}
