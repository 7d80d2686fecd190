//! Lines → connections and their attempts.

use polars::prelude::{InitHashMaps as _, PlHashSet};

use super::super::super::texts::{Number, Texts};
use super::super::groups::by_group;
use super::lines::{Line, Lines, said};

/// Lines of one SYN at several points and nodes are milliseconds apart; a repeated SYN comes after a second or more.
const REPEATED: i64 = 500_000_000;

/// Linux waits at most 64 s between repetitions of a SYN.
const LONGEST_WAIT: i64 = 65_000_000_000;

/// One row of the table.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub connection: u32,
    pub attempt: i32,
    pub client: Option<Number>,
    pub client_namespace: Option<Number>,
    pub server: Option<Number>,
    pub server_namespace: Option<Number>,
    pub first_ns: i64,
    pub last_ns: i64,
    pub lines: u32,
    pub syns: i32,
    pub syn_ns: Option<i64>,
    pub last_syn_ns: Option<i64>,
    pub answer_ns: Option<i64>,
    pub last_reply_ns: Option<i64>,
    pub fin_ns: Option<i64>,
    pub drop_ns: Option<i64>,
    pub audited: bool,
    client_reset_ns: Option<i64>,
    server_reset_ns: Option<i64>,
    /// Whether some line says its direction.
    is_known: bool,
    client_is_no_pod: bool,
    server_is_no_pod: bool,
}

impl Group {
    fn new(connection: u32, attempt: i32, line: &Line) -> Self {
        Self {
            connection,
            attempt,
            first_ns: line.time,
            last_ns: line.time,
            client_is_no_pod: true,
            server_is_no_pod: true,
            ..Self::default()
        }
    }

    fn add(&mut self, line: &Line, is_new_syn: bool, names: &Ranked<'_>) {
        let is = |bits| line.said & bits != 0;
        let time = line.time;
        let earliest = |slot: &mut Option<i64>| *slot = Some(slot.map_or(time, |known| known.min(time)));
        let latest = |slot: &mut Option<i64>| *slot = Some(slot.map_or(time, |known| known.max(time)));
        self.first_ns = self.first_ns.min(time);
        self.last_ns = self.last_ns.max(time);
        self.lines += 1;
        if let Some(said) = names.lines.names.get_index(line.names as usize) {
            names.better(&mut self.client, said.client);
            names.better(&mut self.server, said.server);
            names.texts.greater(&mut self.client_namespace, said.client_namespace);
            names.texts.greater(&mut self.server_namespace, said.server_namespace);
        }
        self.client_is_no_pod &= is(said::CLIENT_IS_NO_POD);
        self.server_is_no_pod &= is(said::SERVER_IS_NO_POD);
        self.audited |= is(said::AUDIT);
        self.is_known |= is(said::FORWARD | said::REPLY);
        if is(said::SYN) {
            earliest(&mut self.syn_ns);
        }
        if is_new_syn {
            self.syns += 1;
            latest(&mut self.last_syn_ns);
        }
        // Whatever shows that the server answered: SYN, ACK, a reply, or a packet that a client sends only after it.
        if !is(said::SYN | said::RST | said::DROPPED) && is(said::FORWARD | said::REPLY) {
            earliest(&mut self.answer_ns);
        }
        if is(said::RST) && is(said::FORWARD) {
            earliest(&mut self.client_reset_ns);
        }
        if is(said::RST) && is(said::REPLY) {
            earliest(&mut self.server_reset_ns);
        }
        if is(said::FIN) {
            earliest(&mut self.fin_ns);
        }
        if is(said::DROPPED) {
            earliest(&mut self.drop_ns);
        }
        if is(said::REPLY) && !is(said::DROPPED) {
            latest(&mut self.last_reply_ns);
        }
    }

    /// What became of the attempt.
    pub(super) fn state(&self, is_tcp: bool) -> Option<&'static str> {
        if !is_tcp || self.syns == 0 {
            return None;
        }
        match self {
            Self { answer_ns: Some(_), .. } => Some("answered"),
            Self { server_reset_ns: Some(_), .. } => Some("refused"),
            Self { drop_ns: Some(_), .. } => Some("dropped"),
            // Between nodes and the outside, answers pass without being reported: no evidence.
            Self { client_is_no_pod: true, server_is_no_pod: true, .. } => None,
            _ => Some("unanswered"),
        }
    }

    /// Who sent the first reset, and when.
    pub(super) fn reset(&self) -> Option<(&'static str, i64)> {
        match (self.client_reset_ns, self.server_reset_ns) {
            (Some(client), Some(server)) if client < server => Some(("client", client)),
            (Some(client), None) => Some(("client", client)),
            (_, server) => server.map(|server| ("server", server)),
        }
    }
}

/// Names, and which of two is better.
struct Ranked<'a> {
    lines: &'a Lines,
    texts: &'a Texts,
}

impl Ranked<'_> {
    /// Lines of one connection may name an end differently: a namespace/name is best, a name better than an address.
    fn better(&self, slot: &mut Option<Number>, name: Option<Number>) {
        let Some(name) = name else { return };
        let rank = |name: Number| {
            let name = self.texts.get(name);
            (name.contains('/'), name)
        };
        if slot.is_none_or(|known| known != name && rank(known) < rank(name)) {
            *slot = Some(name);
        }
    }
}

/// All connections and attempts.
pub(super) fn of(lines: &Lines, texts: &Texts) -> Vec<Group> {
    let names = Ranked { lines, texts };
    let mut groups = Vec::with_capacity(lines.connections.len());
    let mut syns = Vec::new();
    let of_connections = by_group(&lines.rows, lines.connections.len(), |line| line.connection);
    for (connection, of_connection) in (0u32..).zip(of_connections.iter()) {
        attempts(connection, &of_connection, &mut syns, &names, &mut groups);
    }
    without_replies(lines, &mut groups);
    groups
}

/// A SYN of a connection that may begin another attempt.
struct Syn {
    time: i64,
    is_new: bool,
    is_start: bool,
}

/// The attempts of one connection.
fn attempts(connection: u32, lines: &[&Line], syns: &mut Vec<Syn>, names: &Ranked<'_>, groups: &mut Vec<Group>) {
    find_syns(lines, syns);
    let starts: Vec<i64> = syns.iter().filter(|syn| syn.is_start).map(|syn| syn.time).collect();
    // Of lines that say the same of one SYN, the first is the new one.
    let mut new: Vec<i64> = syns.iter().filter(|syn| syn.is_new).map(|syn| syn.time).collect();
    let before = groups.len();
    for line in lines {
        let attempt = starts.partition_point(|start| *start <= line.time);
        let attempt = i32::try_from(attempt).unwrap_or(i32::MAX);
        let own = groups.get(before..).unwrap_or_default();
        let at = match own.iter().position(|group| group.attempt == attempt) {
            Some(at) => before + at,
            None => {
                groups.push(Group::new(connection, attempt, line));
                groups.len() - 1
            }
        };
        let is_new = line.said & said::SYN != 0
            && new.iter().position(|time| *time == line.time).map(|at| new.swap_remove(at)).is_some();
        if let Some(group) = groups.get_mut(at) {
            group.add(line, is_new, names);
        }
    }
}

/// Ports are used again, so a SYN may begin another connection.
fn find_syns(lines: &[&Line], syns: &mut Vec<Syn>) {
    syns.clear();
    let is_syn = |line: &&&Line| line.said & said::SYN != 0;
    syns.extend(lines.iter().filter(is_syn).map(|line| Syn { time: line.time, is_new: false, is_start: false }));
    syns.sort_unstable_by_key(|syn| syn.time);
    // A FIN, a reset or a packet after the handshake: the client is done with its earlier SYN.
    let ends = |line: &&&Line| !is_syn(line) && line.said & (said::RST | said::FIN | said::FORWARD) != 0;
    let mut done: Vec<i64> = match syns.len() {
        0 | 1 => Vec::new(),
        _ => lines.iter().filter(ends).map(|line| line.time).collect(),
    };
    done.sort_unstable();
    let mut previous = None::<i64>;
    for syn in syns {
        let Some(before) = previous.replace(syn.time) else {
            (syn.is_new, syn.is_start) = (true, true);
            continue;
        };
        let gap = syn.time.wrapping_sub(before);
        syn.is_new = gap >= REPEATED;
        let last_done = done.partition_point(|time| *time <= syn.time).checked_sub(1).and_then(|at| done.get(at));
        syn.is_start = syn.is_new && (last_done.is_some_and(|done| *done >= before) || gap > LONGEST_WAIT);
    }
}

/// Lines that do not say their direction may be the replies of a connection of which others do: these are no connections.
fn without_replies(lines: &Lines, groups: &mut Vec<Group>) {
    if groups.iter().all(|group| group.is_known) {
        return;
    }
    let ends = |group: &Group| {
        let (_, of) = lines.connections.get_index(group.connection as usize)?;
        let client = (of.client_ip, of.client_port.unwrap_or_default());
        Some((of.protocol, client, (of.server_ip, of.server_port.unwrap_or_default())))
    };
    let mut known = PlHashSet::new();
    known.extend(groups.iter().filter(|group| group.is_known).filter_map(ends));
    groups.retain(|group| {
        group.is_known
            || ends(group).is_some_and(|(protocol, client, server)| !known.contains(&(protocol, server, client)))
    });
}
