//! The classifiers on crafted packets, run by the kernel itself (`BPF_PROG_TEST_RUN`): nothing is misread, whatever a packet
//! says of itself.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use aya::maps::{MapData, RingBuf};
use aya::programs::{TestRun as _, TestRunOptions};
use lookback_recorder::kernel::object::{Counters, Object, Settings};
use lookback_recorder::kernel::privileges;
use lookback_recorder_ebpf::{FOLLOWING, Packet, counter, note, tcp, tunnel};

struct Kernel {
    object: Object,
    ring: RingBuf<MapData>,
    counters: Counters,
}

/// The programs, every packet told of; `None`, said aloud, on a machine that does not allow them.
fn kernel() -> Option<Kernel> {
    if !privileges::missing().is_ok_and(|missing| missing.is_empty()) {
        eprintln!("SKIPPED: programs need CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON");
        return None;
    }
    let mut object = Object::load(&Settings { aggregate: false, ..Settings::default() }, None).unwrap();
    let (ring, counters) = (object.take_ring().unwrap(), object.take_counters().unwrap());
    Some(Kernel { object, ring, counters })
}

impl Kernel {
    /// What is told of a packet: packet and payload.
    fn run(&mut self, program: &'static str, packet: &[u8]) -> Vec<(Packet, Vec<u8>)> {
        let options = TestRunOptions { data_in: Some(packet), ..TestRunOptions::default() };
        let result = self.object.classifier(program).unwrap().test_run(options).unwrap();
        // Whatever it is, it passes.
        assert_eq!(result.return_value.cast_signed(), -1);
        let mut told = Vec::new();
        while let Some(event) = self.ring.next() {
            told.push((Packet::read(&event).unwrap(), Packet::payload_of(&event).to_vec()));
        }
        told
    }

    fn count(&self, place: u32) -> u64 {
        self.counters.read().unwrap().iter().map(|cpu| cpu[place as usize]).sum()
    }

    fn one(&mut self, packet: &[u8]) -> Packet {
        let told = self.run("lookback_in", packet);
        assert_eq!(told.len(), 1, "{told:?}");
        told[0].0
    }
}

fn ethernet(kind: u16, rest: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1], kind.to_be_bytes().as_slice(), rest].concat()
}

fn ipv4(protocol: u8, options: &[u8], fragment: u16, payload: &[u8]) -> Vec<u8> {
    let own = 20 + options.len();
    let total = u16::try_from(own + payload.len()).unwrap().to_be_bytes();
    let first = 0x40 | u8::try_from(own / 4).unwrap();
    let [f0, f1] = fragment.to_be_bytes();
    let head = [first, 0, total[0], total[1], 0, 1, f0, f1, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    [&head, options, payload].concat()
}

fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let mut head = vec![0x60, 0, 0, 0, length[0], length[1], next, 64];
    head.extend([0xfd; 16]);
    head.extend([0xfe; 16]);
    [head.as_slice(), payload].concat()
}

fn tcp_segment(source: u16, destination: u16, flags: u8, words: u8, payload: &[u8]) -> Vec<u8> {
    let mut head = [source.to_be_bytes(), destination.to_be_bytes()].concat();
    head.extend([0, 0, 0, 7, 0, 0, 0, 0, words << 4, flags, 1, 0, 0, 0, 0, 0]);
    head.resize(usize::from(words.max(5)) * 4, 1);
    [head.as_slice(), payload].concat()
}

fn udp(source: u16, destination: u16, length: Option<u16>, payload: &[u8]) -> Vec<u8> {
    let length = length.unwrap_or_else(|| u16::try_from(8 + payload.len()).unwrap());
    let head = [source.to_be_bytes(), destination.to_be_bytes(), length.to_be_bytes(), [0, 0]].concat();
    [head.as_slice(), payload].concat()
}

fn ports(packet: &Packet) -> (u16, u16, u8) {
    (packet.tuple.source_port, packet.tuple.destination_port, packet.tuple.notes)
}

#[test]
fn whole_packets_are_read() {
    let Some(mut kernel) = kernel() else { return };
    let syn = tcp_segment(4000, 80, 2, 5, &[]);
    let packet = kernel.one(&ethernet(0x0800, &ipv4(6, &[], 0, &syn)));
    assert_eq!((ports(&packet), packet.tcp_flags, packet.sequence), ((4000, 80, 0), tcp::SYN, 7));
    assert_eq!((&packet.tuple.source[..4], &packet.tuple.destination[..4]), (&[10, 0, 0, 1][..], &[10, 0, 0, 2][..]));
    assert_eq!((packet.source_mac, packet.destination_mac), ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]));
    // Options of IP and TCP; a VLAN; two.
    let optioned = ipv4(6, &[1; 40], 0, &tcp_segment(4001, 81, 0x12, 15, b"x"));
    let packet = kernel.one(&ethernet(0x0800, &optioned));
    assert_eq!((ports(&packet), packet.payload), ((4001, 81, 0), 1));
    let tagged = ethernet(0x8100, &[&[0x00, 0x07, 0x08, 0x00], optioned.as_slice()].concat());
    assert_eq!((ports(&kernel.one(&tagged)), kernel.one(&tagged).vlan), ((4001, 81, 0), 7));
    let twice = ethernet(0x88a8, &[&[0, 7, 0x81, 0, 0, 9, 8, 0], optioned.as_slice()].concat());
    assert_eq!((ports(&kernel.one(&twice)), kernel.one(&twice).vlan), ((4001, 81, 0), 9));
    // ICMP, SCTP, IPv6, ICMPv6.
    let ping = kernel.one(&ethernet(0x0800, &ipv4(1, &[], 0, &[8, 0, 0, 0, 0x12, 0x34, 0, 1])));
    assert_eq!(ports(&ping), (8 << 8, 0x1234, 0));
    let sctp = kernel.one(&ethernet(0x0800, &ipv4(132, &[], 0, &[0, 5, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0])));
    assert_eq!(ports(&sctp), (5, 6, 0));
    let packet = kernel.one(&ethernet(0x86dd, &ipv6(6, &syn)));
    assert_eq!((ports(&packet), packet.tuple.source, packet.tuple.version), ((4000, 80, 0), [0xfd; 16], 6));
    let ping = kernel.one(&ethernet(0x86dd, &ipv6(58, &[129, 0, 0, 0, 0, 9, 0, 1])));
    assert_eq!(ports(&ping), (129 << 8, 9, 0));
}

#[test]
fn what_does_not_fit_gives_no_ports() {
    let Some(mut kernel) = kernel() else { return };
    let segment = tcp_segment(4000, 80, 2, 5, b"payload");
    // A later fragment begins with anything.
    let packet = kernel.one(&ethernet(0x0800, &ipv4(6, &[], 185, &segment)));
    assert_eq!(ports(&packet), (0, 0, note::FRAGMENT));
    // The first one has the header.
    assert_eq!(ports(&kernel.one(&ethernet(0x0800, &ipv4(6, &[], 0x2000, &segment)))), (4000, 80, 0));
    for length in 0..20 {
        let packet = kernel.one(&ethernet(0x0800, &ipv4(6, &[], 0, &segment[..length])));
        assert_eq!(ports(&packet), (0, 0, note::CUT), "{length}");
    }
    // IP says less than there is: what follows is padding.
    let mut short = ethernet(0x0800, &ipv4(17, &[], 0, &udp(5, 6, None, b"abcdefgh")));
    short[17] = 20 + 4;
    assert_eq!(ports(&kernel.one(&short)), (0, 0, note::CUT));
    // A header of 16 bytes, a total of less than the header.
    for (at, value) in [(14, 0x44), (17, 12)] {
        let mut wrong = ethernet(0x0800, &ipv4(6, &[], 0, &segment));
        wrong[at] = value;
        assert_eq!(ports(&kernel.one(&wrong)), (0, 0, note::CUT));
    }
    // TCP that says that its header is shorter, or longer, than can be: no payload.
    for words in [4, 15] {
        let mut wrong = segment.clone();
        wrong[12] = words << 4;
        let packet = kernel.one(&ethernet(0x0800, &ipv4(6, &[], 0, &wrong)));
        assert_eq!((ports(&packet), packet.payload), ((4000, 80, note::CUT_OPTIONS), 0));
    }
    // What is not IP, or says another version than the link layer.
    let others = kernel.count(counter::OTHER);
    for odd in [ethernet(0x0806, &[0; 28]), ethernet(0x0800, &[0x75; 40])] {
        assert!(kernel.run("lookback_in", &odd).is_empty());
    }
    assert_eq!(kernel.count(counter::OTHER), others + 2);
}

#[test]
fn chains_of_extension_headers_are_followed_to_their_end() {
    let Some(mut kernel) = kernel() else { return };
    let datagram = udp(5000, 6000, None, b"abc");
    let chain = |headers: usize| {
        let mut body = Vec::new();
        for n in 0..headers {
            let next = if n + 1 == headers { 17 } else { 60 };
            // Every other one is longer.
            let length = u8::try_from(n % 2).unwrap();
            body.extend([next, length, 0, 0, 0, 0, 0, 0]);
            body.resize(body.len() + usize::from(length) * 8, 0);
        }
        ethernet(0x86dd, &ipv6(if headers == 0 { 17 } else { 0 }, &[body.as_slice(), &datagram].concat()))
    };
    for headers in 0..8 {
        assert_eq!(ports(&kernel.one(&chain(headers))), (5000, 6000, 0), "{headers}");
    }
    assert_eq!(ports(&kernel.one(&chain(9))), (0, 0, note::LONG_CHAIN));
    // One that ends behind the packet.
    let cut = ethernet(0x86dd, &ipv6(0, &[17, 200, 0, 0, 0, 0, 0, 0]));
    assert_eq!(ports(&kernel.one(&cut)), (0, 0, note::CUT));
    assert_eq!(ports(&kernel.one(&ethernet(0x86dd, &ipv6(0, &[17, 0, 0])))), (0, 0, note::CUT));
    // Fragments: the first, and a later one.
    let first = [&[17, 0, 0, 1, 0, 0, 0, 9], datagram.as_slice()].concat();
    assert_eq!(ports(&kernel.one(&ethernet(0x86dd, &ipv6(44, &first)))), (5000, 6000, 0));
    let later = [&[17, 0, 0, 9, 0, 0, 0, 9], datagram.as_slice()].concat();
    assert_eq!(ports(&kernel.one(&ethernet(0x86dd, &ipv6(44, &later)))), (0, 0, note::FRAGMENT));
}

#[test]
fn tunnels_are_looked_into() {
    let Some(mut kernel) = kernel() else { return };
    let inner = ethernet(0x0800, &ipv4(6, &[], 0, &tcp_segment(4000, 80, 2, 5, &[])));
    let vxlan = [&[8, 0, 0, 0, 0, 1, 2, 0], inner.as_slice()].concat();
    let packet = kernel.one(&ethernet(0x86dd, &ipv6(17, &udp(5555, 8472, None, &vxlan))));
    assert_eq!((ports(&packet), packet.tunnel, packet.vni), ((4000, 80, 0), tunnel::VXLAN, 0x0102));
    assert_eq!((packet.outer_version, packet.outer_source, packet.outer_destination_port), (6, [0xfd; 16], 8472));
    let geneve = [&[1, 0, 0x65, 0x58, 0, 0, 9, 0, 0, 0, 0, 0], inner.as_slice()].concat();
    let packet = kernel.one(&ethernet(0x0800, &ipv4(17, &[], 0, &udp(5555, 6081, None, &geneve))));
    assert_eq!((ports(&packet), packet.tunnel, packet.vni), ((4000, 80, 0), tunnel::GENEVE, 9));
    // Something else on that port stays what it is.
    let packet = kernel.one(&ethernet(0x0800, &ipv4(17, &[], 0, &udp(5555, 4789, None, &[0; 60]))));
    assert_eq!((ports(&packet), packet.tunnel), ((5555, 4789, 0), tunnel::NONE));
}

#[test]
fn payloads_are_told_where_messages_begin() {
    let Some(mut kernel) = kernel() else { return };
    let mut payload = |packet: &[u8]| {
        let told = kernel.run("lookback_out", packet);
        told.get(1).map(|(_, payload)| payload.clone())
    };
    let asked = b"GET / HTTP/1.1\r\n\r\n";
    let http = |port, bytes: &[u8]| ethernet(0x0800, &ipv4(6, &[], 0, &tcp_segment(port, 8080, 0x18, 5, bytes)));
    assert_eq!(payload(&http(1, asked)).unwrap(), asked);
    assert_eq!(payload(&http(2, b"GETTING LONG")), None);
    // Large ones take more room; what follows a beginning is told a while.
    let long = [asked.as_slice(), &[b'x'; 3000]].concat();
    assert_eq!(payload(&http(3, &long)).unwrap(), long);
    for _ in 0..FOLLOWING {
        assert_eq!(payload(&http(3, b"more of it")).unwrap(), b"more of it");
    }
    assert_eq!(payload(&http(3, b"more of it")), None);
    // A datagram of DNS ends where it says, not where the packet does.
    let dns = ethernet(0x0800, &ipv4(17, &[], 0, &udp(4000, 53, Some(8 + 12), &[7; 40])));
    assert_eq!(payload(&dns).unwrap(), [7; 12]);
    let dns = ethernet(0x0800, &ipv4(17, &[], 0, &udp(4001, 53, Some(60_000), &[7; 40])));
    assert_eq!(payload(&dns).unwrap(), [7; 40]);
}

#[test]
fn flows_are_told_of_at_their_edges_alone() {
    if kernel().is_none() {
        return;
    }
    let mut object = Object::load(&Settings::default(), None).unwrap();
    let (ring, counters) = (object.take_ring().unwrap(), object.take_counters().unwrap());
    let mut kernel = Kernel { object, ring, counters };
    let mut causes = |flags| {
        let packet = ethernet(0x0800, &ipv4(6, &[], 0, &tcp_segment(4000, 80, flags, 5, b"data")));
        kernel.run("lookback_in", &packet).len()
    };
    // SYN, SYN again, ACK, nothing new, PSH, nothing new, FIN.
    assert_eq!([2, 2, 16, 16, 24, 16, 17].map(&mut causes), [1, 1, 1, 0, 1, 0, 1]);
    assert_eq!((kernel.count(counter::PACKETS), kernel.count(counter::EVENTS)), (7, 5));
    assert_eq!(kernel.count(counter::AGGREGATED), 2);
}

#[test]
fn a_full_ring_counts_what_it_has_no_room_for() {
    if kernel().is_none() {
        return;
    }
    let settings = Settings { ring_bytes: 4096, aggregate: false, ..Settings::default() };
    let mut object = Object::load(&settings, None).unwrap();
    let (ring, counters) = (object.take_ring().unwrap(), object.take_counters().unwrap());
    let mut kernel = Kernel { object, ring, counters };
    let packet = ethernet(0x0800, &ipv4(6, &[], 0, &tcp_segment(4000, 80, 2, 5, &[])));
    let options = TestRunOptions { data_in: Some(&packet), repeat: 1000, ..TestRunOptions::default() };
    kernel.object.classifier("lookback_in").unwrap().test_run(options).unwrap();
    let mut told = 0;
    while kernel.ring.next().is_some() {
        told += 1;
    }
    assert!(told > 0 && told < 1000, "{told}");
    assert_eq!(kernel.count(counter::EVENTS), 1000);
    assert_eq!(kernel.count(counter::LOST_PACKETS), 1000 - told);
}
