//! Requests that two proxies report, counted once.
//!
//! The same request may be reported by the client's proxy (EGRESS) and the server's (INGRESS). The client's record is left out
//! where it has one of the server's for its own: of the same method and path, begun within a second, and
//! 1. with the same status, from the same client (not asked where both have the same id: an ingress may stand between) to the
//!    same server;
//! 2. of those that are left, with any status (the client's proxy may have given up), from the same client to the same server, by
//!    its address or, where both have the same id, by host or name (a service's address may stand for it).
//!
//! An id alone is not enough: one id runs through all calls that a request causes. What a policy denied at the client, or failed
//! there before it reached the server, has no such record and stays.

use std::cmp::Ordering;
use std::fmt::Write as _;

use polars::prelude::{InitHashMaps as _, PlHashMap};

use super::super::super::texts::{Number, Texts};
use super::lines::Lines;
use super::pairs::{Located, Pair};

/// Further apart two records are not of one request, in ns.
const LONGEST: i64 = 1_000_000_000;

/// A record that may have another of the same request.
struct Rival<'a> {
    /// Place of the pair.
    at: usize,
    pair: &'a Pair,
    /// What both records have in common: first as the same text, then by its number.
    key: u32,
    /// Of the client's proxy; else of the server's.
    is_sent: bool,
}

/// Leaves out the client's record of what the server's proxy has reported, too.
pub(super) fn keep(pairs: &mut Vec<Pair>, lines: &Lines, texts: &Texts, paths: &PlHashMap<Number, Located>) {
    let mut is_kept = vec![true; pairs.len()];
    let keys = Keys { lines, texts, paths };
    let mut calls: PlHashMap<String, bool> = PlHashMap::new();
    let mut text = String::new();
    for pair in pairs.iter().filter(|pair| !pair.denied && !keys.is_received(pair)) {
        keys.call(pair, &mut text);
        if !calls.contains_key(&text) {
            calls.insert(text.clone(), false);
        }
    }
    if calls.is_empty() {
        return;
    }
    // Records of the client's proxy alone have no rivals.
    for pair in pairs.iter().filter(|pair| keys.is_received(pair)) {
        keys.call(pair, &mut text);
        if let Some(is_received) = calls.get_mut(&text) {
            *is_received = true;
        }
    }
    let mut rivals = Vec::new();
    for (at, pair) in pairs.iter().enumerate() {
        let is_sent = !keys.is_received(pair);
        if is_sent && pair.denied {
            continue;
        }
        keys.call(pair, &mut text);
        if calls.get(&text) == Some(&true) {
            rivals.push(Rival { at, pair, key: 0, is_sent });
        }
    }
    drop(calls);
    for key in [Keys::strict, Keys::loose] {
        number(&mut rivals, |pair, text| key(&keys, pair, text));
        let paired = paired(&mut rivals, &keys);
        let mut paired = paired.into_iter();
        rivals.retain(|rival| {
            let is_paired = paired.next().unwrap_or_default();
            if is_paired
                && rival.is_sent
                && let Some(is_kept) = is_kept.get_mut(rival.at)
            {
                *is_kept = false;
            }
            !is_paired
        });
    }
    drop(rivals);
    let mut is_kept = is_kept.into_iter();
    pairs.retain(|_| is_kept.next().unwrap_or_default());
}

/// Gives those of one text one number.
fn number(rivals: &mut [Rival<'_>], key: impl Fn(&Pair, &mut String)) {
    let mut numbers: PlHashMap<String, u32> = PlHashMap::new();
    let mut text = String::new();
    for rival in rivals {
        text.clear();
        key(rival.pair, &mut text);
        let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
        rival.key = match numbers.get(&text) {
            Some(number) => *number,
            None => *numbers.entry(text.clone()).or_insert(next),
        };
    }
}

/// Sorts records by key and time, and tells which of them have another for their own. The records of one key open (EGRESS) and
/// close (INGRESS) like brackets in the order of their time, or close and open where clocks differ. On one level they alternate,
/// and those not more than a second apart go together two by two.
fn paired(rivals: &mut [Rival<'_>], keys: &Keys<'_>) -> Vec<bool> {
    rivals.sort_by(|one, other| {
        let order = |rival: &Rival<'_>| (rival.key, rival.pair.time_ns, rival.is_sent);
        order(one).cmp(&order(other)).then_with(|| keys.tie(one.pair, other.pair))
    });
    let mut is_paired = vec![false; rivals.len()];
    let mut at = 0;
    let mut levels: PlHashMap<i64, Vec<usize>> = PlHashMap::new();
    for of_key in rivals.chunk_by(|one, other| one.key == other.key) {
        levels.clear();
        let mut open = 0i64;
        for (place, rival) in of_key.iter().enumerate() {
            open += if rival.is_sent { 1 } else { -1 };
            levels.entry(open + i64::from(!rival.is_sent)).or_default().push(at + place);
        }
        for level in levels.values() {
            two_by_two(rivals, level, &mut is_paired);
        }
        at += of_key.len();
    }
    is_paired
}

/// Pairs the records of one level, as far as each is not more than a second after the one before.
fn two_by_two(rivals: &[Rival<'_>], level: &[usize], is_paired: &mut [bool]) {
    let time = |at: usize| rivals.get(at).map_or(0, |rival| rival.pair.time_ns);
    let is_near = |one: usize, other: usize| time(other).wrapping_sub(time(one)) <= LONGEST;
    let mut place_in_run = 0;
    for (place, at) in level.iter().enumerate() {
        let before = place.checked_sub(1).and_then(|before| level.get(before));
        place_in_run = if before.is_some_and(|before| is_near(*before, *at)) { place_in_run + 1 } else { 0 };
        let is_followed = level.get(place + 1).is_some_and(|after| is_near(*at, *after));
        if (place_in_run % 2 == 1 || is_followed)
            && let Some(is_paired) = is_paired.get_mut(*at)
        {
            *is_paired = true;
        }
    }
}

/// What is compared of records, as texts.
struct Keys<'a> {
    lines: &'a Lines,
    texts: &'a Texts,
    paths: &'a PlHashMap<Number, Located>,
}

impl Keys<'_> {
    fn text(&self, number: Option<Number>) -> &str {
        self.texts.or_empty(number)
    }

    fn is_received(&self, pair: &Pair) -> bool {
        self.lines.key(pair.key).is_some_and(|key| self.text(key.traffic_direction) == "INGRESS")
    }

    fn call(&self, pair: &Pair, text: &mut String) {
        text.clear();
        let Some(key) = self.lines.key(pair.key) else { return };
        let path = key.url.and_then(|url| self.paths.get(&url)).map(|located| located.path);
        for (part, end) in [(key.method, " "), (path, " "), (key.request_id, "")] {
            text.push_str(self.text(part));
            text.push_str(end);
        }
    }

    fn client(&self, pair: &Pair) -> &str {
        self.lines.ends(pair.ends).map_or("", |ends| self.text(ends.client_ip.or(ends.client)))
    }

    fn server(&self, pair: &Pair, text: &mut String) {
        let Some(ends) = self.lines.ends(pair.ends) else { return };
        text.push_str(self.text(ends.server_ip.or(ends.server)));
        text.push(' ');
        write_number(text, ends.server_port);
    }

    fn has_id(&self, pair: &Pair) -> bool {
        self.lines.key(pair.key).is_some_and(|key| key.request_id.is_some())
    }

    fn strict(&self, pair: &Pair, text: &mut String) {
        self.call(pair, text);
        text.push(' ');
        self.server(pair, text);
        text.push(' ');
        if !self.has_id(pair) {
            text.push_str(self.client(pair));
        }
        text.push(' ');
        write_number(text, pair.code);
    }

    fn loose(&self, pair: &Pair, text: &mut String) {
        self.call(pair, text);
        text.push(' ');
        text.push_str(self.client(pair));
        text.push(' ');
        if self.has_id(pair) {
            let host = self.lines.key(pair.key).and_then(|key| self.paths.get(&key.url?)?.host);
            let name = host.or_else(|| self.lines.ends(pair.ends)?.server);
            text.push_str(self.text(name));
        } else {
            self.server(pair, text);
        }
    }

    /// The order of records of one time and side.
    fn tie(&self, one: &Pair, other: &Pair) -> Ordering {
        let text = |pair: &Pair| {
            let Some(key) = self.lines.key(pair.key) else { return String::new() };
            let [node, connection, url] = [key.node_name, key.connection_id, key.url].map(|part| self.text(part));
            let mut text = format!("{node} {connection} {url} ");
            write_number(&mut text, pair.response_ns);
            text
        };
        text(one).cmp(&text(other))
    }
}

/// Appends a number, nothing of none.
fn write_number(text: &mut String, number: Option<impl std::fmt::Display>) {
    if let Some(number) = number {
        // A text takes everything.
        let _ = write!(text, "{number}");
    }
}
