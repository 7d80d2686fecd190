//! DNS messages, as Hubble tells of them.
//!
//! A message that cannot be read gives nothing; numbers of a message are bounded, whatever it says.

use std::net::IpAddr;

use lookback_flow::proto::flow::Dns;
use simple_dns::rdata::RData;
use simple_dns::{PacketFlag, QTYPE, TYPE};

/// Answers of a message that are told.
const MOST: usize = 64;

/// What Hubble writes when no answer has a time to live.
const NO_TTL: u32 = u32::MAX;

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub id: u16,
    pub is_answer: bool,
    pub dns: Dns,
    /// Addresses that the question's name has.
    pub addresses: Vec<IpAddr>,
}

/// Reads a message; `None` for what is none, or asks nothing.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Message> {
    let packet = simple_dns::Packet::parse(bytes).ok()?;
    let question = packet.questions.first()?;
    let is_answer = packet.has_flags(PacketFlag::RESPONSE);
    let mut dns = Dns {
        query: format!("{}.", question.qname),
        qtypes: packet.questions.iter().take(MOST).map(|question| qtype(question.qtype)).collect(),
        observation_source: "recorder".to_owned(),
        ..Dns::default()
    };
    let mut addresses = Vec::new();
    if is_answer {
        dns.rcode = rcode(bytes);
        dns.ttl = NO_TTL;
        for answer in packet.answers.iter().take(MOST) {
            dns.ttl = dns.ttl.min(answer.ttl);
            dns.rrtypes.push(type_name(answer.rdata.type_code()));
            match &answer.rdata {
                RData::A(a) => addresses.push(IpAddr::V4(a.address.into())),
                RData::AAAA(aaaa) => addresses.push(IpAddr::V6(aaaa.address.into())),
                RData::CNAME(name) => dns.cnames.push(format!("{}.", name.0)),
                _ => {}
            }
        }
        dns.rrtypes.dedup();
        dns.ips = addresses.iter().map(IpAddr::to_string).collect();
    }
    Some(Message { id: packet.id(), is_answer, dns, addresses })
}

/// The code in the header, which the parser has no number for where it is a new one.
fn rcode(bytes: &[u8]) -> u32 {
    bytes.get(3).map_or(0, |flags| u32::from(flags & 0x0f))
}

fn qtype(kind: QTYPE) -> String {
    match kind {
        QTYPE::TYPE(kind) => type_name(kind),
        QTYPE::ANY => "ANY".to_owned(),
        other => format!("{other:?}"),
    }
}

fn type_name(kind: TYPE) -> String {
    match kind {
        TYPE::Unknown(number) => format!("TYPE{number}"),
        other => format!("{other:?}"),
    }
}

/// The code's name, as Hubble writes it.
fn rcode_name(code: u32) -> String {
    let names = [
        "No Error",
        "Format Error",
        "Server Failure ",
        "Non-Existent Domain",
        "Not Implemented",
        "Query Refused",
        "Name Exists when it should not",
        "RR Set Exists when it should not",
        "RR Set that should exist does not",
        "Server Not Authoritative for zone",
        "Name not contained in zone",
    ];
    usize::try_from(code).ok().and_then(|code| names.get(code)).map_or("Unknown", |name| *name).to_owned()
}

/// One line, as Hubble's agent makes it.
#[must_use]
pub fn summary(dns: &Dns, is_answer: bool) -> String {
    let types = dns.qtypes.join(",");
    if !is_answer {
        return format!("DNS Query {} {types}", dns.query);
    }
    let asked = format!("(Query {} {types})", dns.query);
    if dns.rcode != 0 {
        return format!("DNS Answer RCode: {} TTL: {} {asked}", rcode_name(dns.rcode), dns.ttl);
    }
    let mut parts = Vec::new();
    if !dns.ips.is_empty() {
        parts.push(format!("\"{}\"", dns.ips.join(",")));
    }
    if !dns.cnames.is_empty() {
        parts.push(format!("CNAMEs: \"{}\"", dns.cnames.join(",")));
    }
    format!("DNS Answer {} TTL: {} {asked}", parts.join(" "), dns.ttl)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use simple_dns::rdata::{A, CNAME};
    use simple_dns::{CLASS, Name, Packet, QCLASS, Question, RCODE, ResourceRecord};

    fn question() -> Question<'static> {
        Question::new(Name::new_unchecked("www.example.com"), TYPE::A.into(), QCLASS::CLASS(CLASS::IN), false)
    }

    fn answer(rcode: RCODE) -> Vec<u8> {
        let mut packet = Packet::new_reply(7);
        packet.questions.push(question());
        *packet.rcode_mut() = rcode;
        if rcode == RCODE::NoError {
            let name = Name::new_unchecked("www.example.com");
            let cname = RData::CNAME(CNAME(Name::new_unchecked("e.example.net")));
            packet.answers.push(ResourceRecord::new(name, CLASS::IN, 300, cname));
            let name = Name::new_unchecked("e.example.net");
            packet.answers.push(ResourceRecord::new(name, CLASS::IN, 60, RData::A(A { address: 0x0102_0304 })));
        }
        packet.build_bytes_vec().unwrap()
    }

    #[test]
    fn questions_and_answers_are_told_as_hubble_tells_them() {
        let mut packet = Packet::new_query(7);
        packet.questions.push(question());
        let asked = read(&packet.build_bytes_vec().unwrap()).unwrap();
        assert!(!asked.is_answer);
        assert_eq!(summary(&asked.dns, false), "DNS Query www.example.com. A");
        let good = read(&answer(RCODE::NoError)).unwrap();
        assert_eq!(good.dns.ttl, 60);
        assert_eq!(good.dns.ips, ["1.2.3.4"]);
        assert_eq!(
            summary(&good.dns, true),
            "DNS Answer \"1.2.3.4\" CNAMEs: \"e.example.net.\" TTL: 60 (Query www.example.com. A)"
        );
        let bad = read(&answer(RCODE::NameError)).unwrap();
        assert_eq!(bad.dns.rcode, 3);
        assert_eq!(
            summary(&bad.dns, true),
            "DNS Answer RCode: Non-Existent Domain TTL: 4294967295 (Query www.example.com. A)"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(cut in 0usize..120, at in 0usize..120, byte: u8, noise: Vec<u8>) {
            let mut bytes = answer(RCODE::NoError);
            bytes.truncate(cut);
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            let _ = read(&bytes);
            let _ = read(&noise);
        }
    }
}
