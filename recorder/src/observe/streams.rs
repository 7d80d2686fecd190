//! TCP payloads → messages: segments are put in their order, and read as HTTP or DNS.
//!
//! Promises:
//! 1. A message is told once, however often its segments are seen: at several interfaces, or sent again.
//! 2. Memory is bounded: a message's head of at most 16 KiB, so many streams and unanswered requests.
//! 3. What is missing is not made up: behind a gap, reading begins anew with the next message.

use std::collections::VecDeque;

use lookback_flow::proto::flow::Http;
use lookback_recorder_ebpf::{Packet, Tuple};

use super::{dns, http};
use crate::generations::Generations;

const TCP: u8 = 6;
pub(crate) const DNS_PORT: u16 = 53;

/// Longest head of a message.
const LONGEST: usize = 16 << 10;

/// Requests of a connection that may wait for their answers.
const MOST_WAITING: usize = 64;

/// Streams that are read at a time.
const STREAMS: usize = 8192;

/// Requests that may wait for their answers, over all clients.
const LOOKUPS: usize = 16_384;

/// A message of an application.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    Dns { message: Box<dns::Message>, latency_ns: u64 },
    Http { http: Box<Http>, is_response: bool, latency_ns: u64, trace_id: Option<String> },
}

/// One way of a connection.
type Way = (Tuple, u32);

#[derive(Debug, Default)]
struct Stream {
    /// The next byte's number; `None` before the first segment.
    next: Option<u32>,
    /// What was not read yet.
    bytes: Vec<u8>,
    /// When the first of these bytes came.
    since_ns: u64,
    /// Bytes before this number are a body.
    body_until: Option<u32>,
    /// Requests that came this way and wait for an answer: when, method, URL.
    waiting: VecDeque<(u64, String, String)>,
}

/// A lookup that waits for its answer: the client's way, the message's number, the name.
type Lookup = (Tuple, u16, String);

/// The streams of a network namespace.
#[derive(Debug)]
pub struct Streams {
    ways: Generations<Way, Stream>,
    lookups: Generations<Lookup, u64>,
    /// Datagrams by their bytes, to tell a second sight of one from another one.
    seen: Generations<(Tuple, u64), u64>,
}

impl Default for Streams {
    fn default() -> Self {
        Self { ways: Generations::new(STREAMS), lookups: Generations::new(LOOKUPS), seen: Generations::new(LOOKUPS) }
    }
}

/// The same datagram at another interface comes within this time; later it was sent again.
const SAME_NS: u64 = 50_000_000;

impl Streams {
    /// Reads a packet's payload.
    pub fn read(&mut self, packet: &Packet, payload: &[u8]) -> Vec<Message> {
        if packet.tuple.protocol != TCP {
            return self.datagram(packet, payload).into_iter().collect();
        }
        let is_dns = [packet.tuple.source_port, packet.tuple.destination_port].contains(&DNS_PORT);
        let way = (packet.tuple, packet.vni);
        let stream = self.ways.entry(way, Stream::default);
        let Some(fresh) = stream.take(packet, payload) else { return Vec::new() };
        if !fresh {
            // A message begins that this one was waiting behind.
            stream.bytes.clear();
        }
        let mut messages = Vec::new();
        if is_dns {
            while let Some((message, at)) = stream.dns() {
                messages.push((message, at));
            }
            let told = messages.into_iter().map(|(message, at)| self.looked_up(&packet.tuple, message, at));
            return told.collect();
        }
        let mut told = Vec::new();
        while let Some((head, at)) = self.ways.entry(way, Stream::default).http() {
            told.push(self.pair(way, head, at));
        }
        told
    }

    fn datagram(&mut self, packet: &Packet, payload: &[u8]) -> Option<Message> {
        let same = (packet.tuple, xxhash_rust::xxh3::xxh3_64(payload));
        let before = self.seen.get(&same).map(|at| std::mem::replace(at, packet.time_ns));
        match before {
            Some(at) if packet.time_ns.saturating_sub(at) < SAME_NS => return None,
            Some(_) => {}
            None => self.seen.insert(same, packet.time_ns),
        }
        let message = dns::read(payload)?;
        Some(self.looked_up(&packet.tuple, message, packet.time_ns))
    }

    /// A DNS message with the time since its question.
    fn looked_up(&mut self, tuple: &Tuple, message: dns::Message, at: u64) -> Message {
        let name = message.dns.query.to_ascii_lowercase();
        let latency_ns = if message.is_answer {
            let asked = self.lookups.remove(&(reversed(tuple), message.id, name));
            asked.map_or(0, |asked| at.saturating_sub(asked))
        } else {
            // Of a question that is asked again, the first time counts.
            self.lookups.entry((*tuple, message.id, name), || at);
            0
        };
        Message::Dns { message: Box::new(message), latency_ns }
    }

    /// An HTTP message with what its request was.
    fn pair(&mut self, way: Way, head: http::Head, at: u64) -> Message {
        let http::Head { is_response, mut http, trace_id, .. } = head;
        let mut latency_ns = 0;
        if is_response {
            let requests = self.ways.get(&(reversed(&way.0), way.1)).map(|stream| &mut stream.waiting);
            // An interim answer leaves its request waiting.
            let is_interim = (100..200).contains(&http.code) && http.code != 101;
            let request =
                requests.and_then(|waiting| if is_interim { waiting.front().cloned() } else { waiting.pop_front() });
            if let Some((asked, method, url)) = request {
                latency_ns = at.saturating_sub(asked);
                (http.method, http.url) = (method, url);
            }
        } else if let Some(stream) = self.ways.get(&way) {
            if stream.waiting.len() >= MOST_WAITING {
                stream.waiting.pop_front();
            }
            stream.waiting.push_back((at, http.method.clone(), http.url.clone()));
        }
        Message::Http { http: Box::new(http), is_response, latency_ns, trace_id }
    }
}

impl Stream {
    /// Adds a segment. `None` for one that was seen; `false` behind a gap.
    fn take(&mut self, packet: &Packet, payload: &[u8]) -> Option<bool> {
        let first = packet.sequence;
        let end = first.wrapping_add(packet.payload);
        let mut contiguous = true;
        let mut fresh = payload;
        if let Some(next) = self.next {
            let ahead = distance(next, first);
            if ahead < 0 && ahead > -(1 << 24) {
                // Seen, in part or whole.
                if distance(next, end) <= 0 {
                    return None;
                }
                fresh = payload.get(usize::try_from(-ahead).ok()?..).unwrap_or_default();
            } else if ahead != 0 {
                contiguous = false;
            }
        }
        self.next = Some(end);
        if let Some(until) = self.body_until {
            if distance(until, end) <= 0 && distance(until, end) > -(1 << 30) {
                return None;
            }
            // The body's last bytes may share a segment with the next message.
            let body = distance(first, until);
            self.body_until = None;
            if body > 0 {
                fresh = payload.get(usize::try_from(body).ok()?..).unwrap_or_default();
            }
        }
        if !contiguous || self.bytes.is_empty() {
            self.bytes.clear();
            self.since_ns = packet.time_ns;
        }
        let room = LONGEST.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(fresh.get(..fresh.len().min(room)).unwrap_or_default());
        Some(true)
    }

    /// The next DNS message: its length in two bytes, then it.
    fn dns(&mut self) -> Option<(dns::Message, u64)> {
        let length = usize::from(u16::from_be_bytes(*self.bytes.first_chunk()?));
        let end = 2 + length;
        let Some(message) = self.bytes.get(2..end) else {
            if end > LONGEST {
                self.bytes.clear();
            }
            return None;
        };
        let message = dns::read(message);
        self.bytes.drain(..end);
        message.map(|message| (message, self.since_ns))
    }

    /// The next HTTP message's head.
    fn http(&mut self) -> Option<(http::Head, u64)> {
        if self.bytes.is_empty() {
            return None;
        }
        match http::read(&self.bytes) {
            http::Read::Partial if self.bytes.len() < LONGEST => None,
            http::Read::Partial | http::Read::Other => {
                self.bytes.clear();
                None
            }
            http::Read::Head(head) => {
                let here = self.bytes.len() - head.length;
                match head.body.and_then(|body| usize::try_from(body).ok()) {
                    Some(body) if body <= here => {
                        self.bytes.drain(..head.length + body);
                    }
                    body => {
                        self.bytes.clear();
                        let left = body.and_then(|body| u32::try_from(body - here).ok()).filter(|left| *left < 1 << 30);
                        self.body_until = left.and_then(|left| Some(self.next?.wrapping_add(left)));
                    }
                }
                Some((*head, self.since_ns))
            }
        }
    }
}

/// How far `to` is ahead of `from`, in numbers that begin anew.
fn distance(from: u32, to: u32) -> i32 {
    to.wrapping_sub(from).cast_signed()
}

fn reversed(tuple: &Tuple) -> Tuple {
    Tuple {
        source: tuple.destination,
        destination: tuple.source,
        source_port: tuple.destination_port,
        destination_port: tuple.source_port,
        ..*tuple
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ASKED: &[u8] = b"GET /a HTTP/1.1\r\nHost: web\r\n\r\n";

    fn packet(from_client: bool, sequence: u32, payload: usize, time_ns: u64) -> Packet {
        let tuple = Tuple {
            source: [1; 16],
            destination: [2; 16],
            source_port: 4000,
            destination_port: 80,
            protocol: TCP,
            version: 4,
            ..Tuple::default()
        };
        let tuple = if from_client { tuple } else { reversed(&tuple) };
        Packet { tuple, sequence, payload: u32::try_from(payload).unwrap(), time_ns, ..Packet::default() }
    }

    fn say(streams: &mut Streams, from_client: bool, sequence: u32, bytes: &[u8], at: u64) -> Vec<(u32, String, u64)> {
        let messages = streams.read(&packet(from_client, sequence, bytes.len(), at), bytes);
        let told = |message| match message {
            Message::Http { http, latency_ns, .. } => (http.code, http.url, latency_ns),
            Message::Dns { message, latency_ns } => (message.dns.rcode, message.dns.query, latency_ns),
        };
        messages.into_iter().map(told).collect()
    }

    #[test]
    fn answers_find_their_requests() {
        let mut streams = Streams::default();
        let url = || "http://web/a".to_owned();
        // In pieces, and each seen twice; the numbers begin anew in between.
        let (one, two) = ASKED.split_at(9);
        let start = u32::MAX - 4;
        assert!(say(&mut streams, true, start, one, 10).is_empty());
        assert!(say(&mut streams, true, start, one, 11).is_empty());
        assert_eq!(say(&mut streams, true, start.wrapping_add(9), two, 12), [(0, url(), 0)]);
        assert!(say(&mut streams, true, start.wrapping_add(9), two, 13).is_empty());
        // An interim answer, then one whose body holds what looks like another.
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
        assert_eq!(say(&mut streams, false, 1, interim, 20), [(100, url(), 10)]);
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n";
        let at = 1 + u32::try_from(interim.len()).unwrap();
        assert_eq!(say(&mut streams, false, at, answer, 30), [(200, url(), 20)]);
        let at = at + u32::try_from(answer.len()).unwrap();
        let body = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n..";
        assert!(say(&mut streams, false, at, &body[..40], 31).is_empty());
        assert_eq!(
            say(&mut streams, false, at + 40, b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", 40),
            [(404, String::new(), 0)]
        );
    }

    #[test]
    fn several_messages_in_a_segment_are_all_told() {
        let mut streams = Streams::default();
        let asked = [ASKED, b"GET /b HTTP/1.1\r\nHost: web\r\n\r\n"].concat();
        assert_eq!(say(&mut streams, true, 5, &asked, 1).len(), 2);
        let answered = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(
            say(&mut streams, false, 5, answered, 3),
            [(200, "http://web/a".to_owned(), 2), (503, "http://web/b".to_owned(), 2)]
        );
    }

    #[test]
    fn behind_a_gap_reading_begins_anew() {
        let mut streams = Streams::default();
        assert!(say(&mut streams, true, 0, &ASKED[..9], 1).is_empty());
        assert_eq!(say(&mut streams, true, 5000, ASKED, 2), [(0, "http://web/a".to_owned(), 0)]);
    }

    proptest! {
        #[test]
        fn any_segments_are_survived(
            segments in proptest::collection::vec((any::<bool>(), any::<u32>(), any::<u32>(), any::<Vec<u8>>(), any::<bool>()), 0..40)
        ) {
            let mut streams = Streams::default();
            for (client, sequence, payload, bytes, http) in segments {
                let bytes = if http { [ASKED, &bytes].concat() } else { bytes };
                let packet = Packet { payload, ..packet(client, sequence, 0, 1) };
                let _ = streams.read(&packet, &bytes);
            }
        }
    }
}
