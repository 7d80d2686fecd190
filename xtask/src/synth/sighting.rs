//! What a node may see: one line to be.

use crate::exporter_line::Nanos;

/// That a node sees something: one line to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sighting {
    /// When the agent writes the line: it reads packets of several CPUs and what proxies report a little later.
    pub(super) written: Nanos,
    pub(super) time: Nanos,
    /// Order of equal times.
    pub(super) number: u64,
    pub(super) node: u8,
    pub(super) from: u16,
    pub(super) to: u16,
    pub(super) from_port: u16,
    pub(super) to_port: u16,
    pub(super) reply: bool,
    pub(super) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    Trace {
        point: Point,
        flags: u8,
    },
    Redirected,
    Allowed,
    Denied,
    Dropped,
    /// Code 0 is a request.
    Http {
        code: u16,
        latency: u64,
        id: u64,
    },
    Dns {
        name: u8,
        aaaa: bool,
        answer: Answer,
    },
    Kafka {
        response: bool,
        id: u16,
        topic: u8,
    },
    Sock {
        after: bool,
        cookie: u64,
    },
    Lost {
        count: u16,
    },
}

/// Where a node sees a packet: on its way to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Point {
    Endpoint,
    Proxy,
    Stack,
    Network,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Answer {
    Question,
    Address,
    NoData,
    NxDomain,
    ServFail,
}
