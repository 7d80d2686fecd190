//! Lines → requests with their responses.

use polars::prelude::{InitHashMaps as _, PlHashMap, PlIndexSet};

use super::super::super::texts::{Number, Texts};
use super::super::groups::by_group;
use super::lines::{Ends, Key, Line, Lines};

/// A request with its response, or one of both.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub key: u32,
    pub ends: u32,
    pub time_ns: i64,
    pub request_ns: Option<i64>,
    pub response_ns: Option<i64>,
    pub recorded_ns: Option<u64>,
    pub code: Option<u32>,
    pub protocol: Option<Number>,
    pub denied: bool,
}

/// All requests.
pub(super) fn of(lines: &mut Lines, texts: &Texts) -> Vec<Pair> {
    let mut pairs = Vec::with_capacity(lines.keys.len());
    let mut unlike = Vec::new();
    let groups = by_group(&lines.rows, lines.keys.len(), |line| line.key);
    for of_key in groups.iter() {
        // Nearly every proxy, connection, id, method and URL has one request and the response to it.
        let is_plain = match of_key.as_slice() {
            [_] => true,
            [one, other] if one.is_request != other.is_request => {
                let (request, response) = if one.is_request { (one, other) } else { (other, one) };
                request.time <= response.time
            }
            _ => false,
        };
        if is_plain {
            pairs.push(pair(&of_key, lines, texts, pairs.len(), &mut unlike));
        } else {
            for of_pair in told_apart(of_key) {
                pairs.push(pair(&of_pair, lines, texts, pairs.len(), &mut unlike));
            }
        }
    }
    // Lines of a pair rarely name its ends differently.
    for (at, ends) in unlike {
        let ends = lines.ends.insert_full(ends).0;
        if let (Some(pair), Ok(ends)) = (pairs.get_mut(at), u32::try_from(ends)) {
            pair.ends = ends;
        }
    }
    pairs
}

/// The lines of a key, by request and response. One X-Request-Id runs through several hops and retries, and may be absent: a
/// response belongs to the latest request that has none yet. So a response that was lost spoils one pair, not all that follow. The
/// number of open requests tells which: pairs open and close like brackets.
fn told_apart(mut lines: Vec<&Line>) -> Vec<Vec<&Line>> {
    lines.sort_by_key(|line| (line.time, !line.is_request));
    // By level and number of the request.
    let mut pairs: PlIndexSet<(i64, u32)> = PlIndexSet::default();
    let mut requests: PlHashMap<i64, u32> = PlHashMap::new();
    let (mut open, mut lowest) = (0i64, 0i64);
    let mut of_pairs: Vec<(Option<&Line>, Vec<&Line>)> = Vec::new();
    for line in lines {
        open += if line.is_request { 1 } else { -1 };
        // A response without a request (from before the log began) must not make the count negative for ever.
        lowest = lowest.min(open);
        let level = open - lowest + i64::from(!line.is_request);
        let number = requests.entry(level).or_default();
        *number += u32::from(line.is_request);
        let (at, is_new) = pairs.insert_full((level, *number));
        if is_new {
            of_pairs.push((None, Vec::new()));
        }
        if let Some((request, responses)) = of_pairs.get_mut(at) {
            if line.is_request { *request = Some(line) } else { responses.push(line) }
        }
    }
    let mut told = Vec::new();
    for (request, mut responses) in of_pairs {
        responses.sort_by_key(|line| (line.time, line.code, line.latency_ns));
        let mut responses = responses.into_iter();
        told.push(request.into_iter().chain(responses.next()).collect());
        // What follows answers nothing.
        told.extend(responses.map(|response| vec![response]));
    }
    told
}

fn pair(of: &[&Line], lines: &Lines, texts: &Texts, at: usize, unlike: &mut Vec<(usize, Ends)>) -> Pair {
    let times = |is_request| of.iter().filter(move |line| line.is_request == is_request).map(|line| line.time).min();
    let responses = || of.iter().filter(|line| !line.is_request);
    let mut protocol = None;
    of.iter().for_each(|line| texts.greater(&mut protocol, line.protocol));
    let ends = of.first().map_or(0, |line| line.ends);
    if of.iter().any(|line| line.ends != ends) {
        let all = of.iter().filter_map(|line| lines.ends(line.ends)).copied();
        unlike.extend(all.reduce(|ends, other| ends.greatest(other, texts)).map(|ends| (at, ends)));
    }
    Pair {
        key: of.first().map_or(0, |line| line.key),
        ends,
        time_ns: of.iter().map(|line| line.time).min().unwrap_or_default(),
        request_ns: times(true),
        response_ns: times(false),
        recorded_ns: responses().filter_map(|line| line.latency_ns).max(),
        code: responses().filter_map(|line| line.code.filter(|code| *code > 0)).max(),
        protocol,
        denied: of.iter().any(|line| line.is_denied),
    }
}

/// What a URL tells of a place.
#[derive(Debug)]
pub(super) struct Located {
    pub host: Option<Number>,
    pub path: Number,
}

/// Path and host of each URL.
pub(super) fn paths(texts: &mut Texts, keys: &PlIndexSet<Key>) -> PlHashMap<Number, Located> {
    let mut paths: PlHashMap<Number, Located> = PlHashMap::new();
    for url in keys.iter().filter_map(|key| key.url) {
        if !paths.contains_key(&url) {
            let (host, path) = located(texts.get(url));
            let (host, path) = (host.map(str::to_owned), path.to_owned());
            let located = Located { host: host.map(|host| texts.number(&host)), path: texts.number(&path) };
            paths.insert(url, located);
        }
    }
    paths
}

/// `http://host/path?query`: without the first three parts; else as it is.
fn located(url: &str) -> (Option<&str>, &str) {
    let mut parts = url.splitn(4, '/');
    let (scheme, between, authority) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let (host, local) = if scheme.ends_with(':') && between.unwrap_or_default().is_empty() {
        let authority = authority.unwrap_or_default();
        (Some(authority), url.get(scheme.len() + 2 + authority.len()..).unwrap_or_default())
    } else {
        (None, url)
    };
    let path = local.split(['?', '#']).next().unwrap_or_default();
    (host, if path.is_empty() { "/" } else { path })
}
