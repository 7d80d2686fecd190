//! Lines → lookups.

use std::borrow::Cow;

use super::super::super::texts::{Number, Texts};
use super::super::groups::by_group;
use super::lines::{Line, Lines};

/// A resolver gives up before that, in ns.
const LONGEST_WAIT: i64 = 30_000_000_000;

/// Two reports of one question are milliseconds apart, a repeated one is not, in ns.
const REPEATED: i64 = 500_000_000;

/// A question with its repetitions, and the answer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lookup {
    pub key: u32,
    pub client: Option<Number>,
    pub client_namespace: Option<Number>,
    pub server: Option<Number>,
    pub server_ip: Option<Number>,
    pub server_port: Option<u32>,
    pub l4_protocol: Option<Number>,
    pub questions: i32,
    pub time_ns: i64,
    pub last_ns: i64,
    pub request_ns: Option<i64>,
    pub response_ns: Option<i64>,
    pub rcode: Option<u32>,
    has_answer: bool,
    is_dropped: bool,
}

/// All lookups.
pub(super) fn of(lines: &Lines, texts: &Texts) -> Vec<Lookup> {
    let mut lookups = Vec::with_capacity(lines.keys.len());
    let groups = by_group(&lines.rows, lines.keys.len(), |line| line.key);
    for mut of_key in groups.iter() {
        // Requests before responses, of lines of one time.
        of_key.sort_by_key(|line| (line.time, !line.is_request));
        // Nearly every client, port, name and type has one question and the answer to it. Of the others: the resolver repeats a
        // question from the same port, to the same or another server; two proxies may report one question. All that is one lookup,
        // until an answer is followed by a new question, or nothing came for 30 s.
        let mut before: Option<&Line> = None;
        let mut asked: Option<i64> = None;
        let mut lookup: Option<Lookup> = None;
        for line in of_key {
            let is_next = before.is_some_and(|before| {
                line.time.wrapping_sub(before.time) > LONGEST_WAIT || (line.is_request && !before.is_request)
            });
            if is_next {
                lookups.extend(lookup.take());
            }
            let is_repeated = asked.is_none_or(|asked| line.time.wrapping_sub(asked) >= REPEATED);
            lookup.get_or_insert_with(|| Lookup::new(line)).add(line, is_repeated, lines, texts);
            if line.is_request {
                asked = Some(line.time);
            }
            before = Some(line);
        }
        lookups.extend(lookup);
    }
    lookups
}

impl Lookup {
    fn new(line: &Line) -> Self {
        Self { key: line.key, time_ns: line.time, last_ns: line.time, ..Self::default() }
    }

    fn add(&mut self, line: &Line, is_repeated: bool, lines: &Lines, texts: &Texts) {
        if let Some(ends) = lines.ends.get_index(line.ends as usize) {
            texts.greater(&mut self.client, ends.client);
            texts.greater(&mut self.client_namespace, ends.client_namespace);
            texts.greater(&mut self.server, ends.server);
            texts.greater(&mut self.server_ip, ends.server_ip);
            texts.greater(&mut self.l4_protocol, ends.l4_protocol);
            self.server_port = self.server_port.max(ends.server_port);
        }
        self.time_ns = self.time_ns.min(line.time);
        self.last_ns = self.last_ns.max(line.time);
        self.is_dropped |= line.is_dropped;
        let earliest = |slot: &mut Option<i64>| *slot = Some(slot.map_or(line.time, |known| known.min(line.time)));
        if line.is_request {
            earliest(&mut self.request_ns);
            self.questions += i32::from(is_repeated);
        } else {
            earliest(&mut self.response_ns);
            if !line.is_dropped {
                // Of several answers the best: 0 is NOERROR. A request's rcode means nothing.
                self.rcode = self.rcode.into_iter().chain(line.rcode).min();
                self.has_answer |= line.has_answer;
            }
        }
    }

    /// What came of it.
    pub(super) fn outcome(&self) -> Cow<'static, str> {
        match self.rcode {
            Some(0) if self.has_answer => "NOERROR".into(),
            Some(0) => "NODATA".into(),
            _ if self.is_dropped => "dropped".into(),
            _ if self.response_ns.is_none() => "no answer".into(),
            Some(1) => "FORMERR".into(),
            Some(2) => "SERVFAIL".into(),
            Some(3) => "NXDOMAIN".into(),
            Some(4) => "NOTIMP".into(),
            Some(5) => "REFUSED".into(),
            Some(rcode) => format!("RCODE {rcode}").into(),
            None => "RCODE ".into(),
        }
    }

    /// Whether the name does not exist.
    pub(super) fn is_missing(&self) -> bool {
        self.outcome() == "NXDOMAIN"
    }

    /// The client, by its address where that is known.
    pub(super) fn asker(&self, lines: &Lines) -> Option<Number> {
        lines.keys.get_index(self.key as usize).and_then(|key| key.client_ip).or(self.client)
    }
}
