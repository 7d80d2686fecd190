//! Real traffic between network namespaces, and what the log tells of it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod machine;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use lookback_flow::archive::Archive;
use lookback_flow::rows::Projection;
use machine::{Pair, Recorder, allowed, flows, recorder, run, wait_for};
use rustix::process::Signal;
use serde_json::Value;
use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Packet, RCODE, ResourceRecord};

/// How long the server takes for `/slow`.
const SLOW: Duration = Duration::from_millis(300);

/// Answers `/ok` with 200, `/slow` with 503, all else with 404, one request a connection.
fn serve_http(address: &'static str, requests: usize) -> impl FnOnce() + Send + 'static {
    move || {
        let listener = TcpListener::bind(address).unwrap();
        for _ in 0..requests {
            let (mut stream, _) = listener.accept().unwrap();
            let mut bytes = Vec::new();
            let mut buffer = [0; 1024];
            while !bytes.ends_with(b"\r\n\r\n") {
                let length = stream.read(&mut buffer).unwrap();
                bytes.extend_from_slice(&buffer[..length]);
            }
            let status = if bytes.starts_with(b"GET /ok") {
                "200 OK"
            } else if bytes.starts_with(b"GET /slow") {
                let _ = rustix::event::poll(
                    &mut [],
                    Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: SLOW.subsec_nanos().into() }),
                );
                "503 Service Unavailable"
            } else {
                "404 Not Found"
            };
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nhi").unwrap();
        }
    }
}

/// Asks, and answers how long the first byte took.
fn ask_http(address: &str, path: &str) -> Duration {
    let mut stream = wait_for("an HTTP server", || TcpStream::connect(address).ok());
    let began = Instant::now();
    // In two segments, which the recorder has to join.
    write!(stream, "GET {path} HT").unwrap();
    stream.flush().unwrap();
    write!(stream, "TP/1.1\r\nHost: web.example\r\n\r\n").unwrap();
    let mut first = [0; 1];
    stream.read_exact(&mut first).unwrap();
    let took = began.elapsed();
    stream.read_to_end(&mut Vec::new()).unwrap();
    took
}

/// Knows `web.example`, and nothing else.
fn serve_dns(address: &'static str, requests: usize) -> impl FnOnce() + Send + 'static {
    move || {
        let socket = UdpSocket::bind(address).unwrap();
        for _ in 0..requests {
            let mut buffer = [0; 512];
            let (length, client) = socket.recv_from(&mut buffer).unwrap();
            let asked = Packet::parse(&buffer[..length]).unwrap();
            let mut answer = Packet::new_reply(asked.id());
            let question = asked.questions[0].clone();
            if question.qname.to_string() == "web.example" {
                let address = RData::A(A { address: u32::from_be_bytes([10, 99, 0, 2]) });
                answer.answers.push(ResourceRecord::new(question.qname.clone(), CLASS::IN, 30, address));
            } else {
                *answer.rcode_mut() = RCODE::NameError;
            }
            answer.questions.push(question);
            socket.send_to(&answer.build_bytes_vec().unwrap(), client).unwrap();
        }
    }
}

fn ask_dns(name: &str) {
    let socket = UdpSocket::bind("10.99.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut asked = Packet::new_query(77);
    let name = simple_dns::Name::new(name).unwrap();
    asked.questions.push(simple_dns::Question::new(
        name,
        simple_dns::TYPE::A.into(),
        simple_dns::QCLASS::CLASS(CLASS::IN),
        false,
    ));
    let bytes = asked.build_bytes_vec().unwrap();
    wait_for("a DNS answer", || {
        socket.send_to(&bytes, "10.99.0.2:53").unwrap();
        socket.recv(&mut [0; 512]).ok()
    });
}

fn text<'a>(flow: &'a Value, path: &str) -> &'a str {
    flow.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn find<'a>(flows: &'a [Value], what: &str, fits: impl Fn(&Value) -> bool) -> &'a Value {
    let all = || flows.iter().map(|flow| format!("{} {}", flow["verdict"], flow["Summary"])).collect::<Vec<_>>();
    flows.iter().find(|flow| fits(flow)).unwrap_or_else(|| panic!("no {what} among {:#?}", all()))
}

#[test]
fn the_log_tells_what_happened() {
    if !allowed() {
        return;
    }
    let pair = Pair::new();
    let folder = tempfile::tempdir().unwrap();
    let (log, archive) = (folder.path().join("events.log"), folder.path().join("archive"));
    run("ip", &["netns", "exec", &pair.server, "nft", "add table inet t"]);
    run("ip", &["netns", "exec", &pair.server, "nft", "add chain inet t i { type filter hook input priority 0; }"]);
    run("ip", &["netns", "exec", &pair.server, "nft", "add rule inet t i tcp dport 7777 drop"]);
    let pods = folder.path().join("pods.json");
    std::fs::write(
        &pods,
        r#"{"items":[{"metadata":{"name":"web-0","namespace":"shop","uid":"u","labels":{"app":"web"},
        "ownerReferences":[{"kind":"StatefulSet","name":"web","controller":true}]},"status":{"podIP":"10.99.0.2"}}]}"#,
    )
    .unwrap();
    let (log_text, archive_text, pods_text) =
        (log.display().to_string(), archive.display().to_string(), pods.display().to_string());
    let recorder = Recorder::start(
        &pair.server,
        folder.path(),
        &["--file", &log_text, "--archive", &archive_text, "--pods", &pods_text],
    );

    let http = Pair::within(&pair.server, serve_http("10.99.0.2:8080", 3));
    let dns = Pair::within(&pair.server, serve_dns("10.99.0.2:53", 2));
    let v6 = Pair::within(&pair.server, serve_http("[fd00:0::2]:8080", 1));
    let client = Pair::within(&pair.client, || {
        ask_dns("web.example");
        ask_dns("nothing.example");
        ask_http("10.99.0.2:8080", "/ok");
        let slow = ask_http("10.99.0.2:8080", "/slow");
        ask_http("10.99.0.2:8080", "/nowhere");
        ask_http("[fd00:0::2]:8080", "/ok");
        // A closed port, and one behind a firewall.
        assert!(TcpStream::connect("10.99.0.2:9").is_err());
        let dropped = TcpStream::connect_timeout(&"10.99.0.2:7777".parse().unwrap(), Duration::from_millis(300));
        assert!(dropped.is_err());
        slow
    });
    let slow = client.join().unwrap();
    http.join().unwrap();
    dns.join().unwrap();
    v6.join().unwrap();
    run("ip", &["netns", "exec", &pair.client, "ping", "-c1", "-W2", "10.99.0.2"]);
    wait_for("the last packets in the log", || {
        flows(&log).iter().any(|flow| text(flow, "/Summary") == "ICMPv4 EchoReply").then_some(())
    });
    let status = recorder.status();
    assert!(status.targets.values().all(|balance| balance.holds() && balance.lost() == 0), "{status:?}");
    let said = recorder.stop();
    assert!(!said.contains("torn"), "{said}");

    let all = flows(&log);
    // A handshake: direction, reply, where it was seen.
    let syn = find(&all, "SYN", |flow| {
        text(flow, "/Summary") == "TCP Flags: SYN" && flow["l4"]["TCP"]["destination_port"] == 8080
    });
    assert_eq!(
        (&syn["is_reply"], text(syn, "/traffic_direction"), text(syn, "/trace_reason")),
        (&Value::Bool(false), "INGRESS", "NEW")
    );
    assert_eq!(text(syn, "/interface/name"), "veth0");
    assert_eq!(
        (text(syn, "/destination/pod_name"), text(syn, "/destination/workloads/0/kind")),
        ("web-0", "StatefulSet")
    );
    let accepted = find(&all, "SYN, ACK", |flow| {
        text(flow, "/Summary") == "TCP Flags: SYN, ACK" && text(flow, "/IP/ipVersion") == "IPv6"
    });
    assert_eq!((&accepted["is_reply"], &accepted["reply"]), (&Value::Bool(true), &Value::Bool(true)));
    // DNS.
    let answers: Vec<_> =
        all.iter().filter(|flow| flow.pointer("/l7/dns").is_some() && text(flow, "/l7/type") == "RESPONSE").collect();
    assert_eq!(answers.len(), 2);
    assert!(answers.iter().all(|flow| text(flow, "/l7/latency_ns").parse::<u64>().is_ok_and(|latency| latency > 0)));
    assert!(text(answers[0], "/Summary").starts_with("DNS Answer \"10.99.0.2\" TTL: 30 (Query web.example. A)"));
    assert!(text(answers[1], "/Summary").starts_with("DNS Answer RCode: Non-Existent Domain"));
    // HTTP, with names that DNS told.
    let codes: Vec<_> = all.iter().filter_map(|flow| flow.pointer("/l7/http/code")?.as_u64()).collect();
    assert_eq!(codes, [200, 503, 404, 200]);
    let failed = find(&all, "503", |flow| flow.pointer("/l7/http/code") == Some(&503.into()));
    assert_eq!(text(failed, "/l7/http/url"), "http://web.example/slow");
    assert_eq!(failed["source_names"][0], "web.example");
    let latency: u64 = text(failed, "/l7/latency_ns").parse().unwrap();
    let measured = u64::try_from(slow.as_nanos()).unwrap();
    assert!(latency.abs_diff(measured) < measured / 10, "{latency} {measured}");
    // Drops, in Hubble's words and the kernel's.
    let denied = find(&all, "drop", |flow| text(flow, "/drop_reason_desc") == "POLICY_DENIED");
    assert_eq!(
        (text(denied, "/file/name"), &denied["l4"]["TCP"]["destination_port"]),
        ("SKB_DROP_REASON_NETFILTER_DROP", &7777.into())
    );
    // A client may have asked before its server was there: port 9 is never open.
    find(&all, "closed port", |flow| {
        text(flow, "/drop_reason_desc") == "SOCKET_LOOKUP_FAILED" && flow["l4"]["TCP"]["destination_port"] == 9
    });
    find(&all, "RST", |flow| text(flow, "/Summary").contains("RST") && flow["l4"]["TCP"]["source_port"] == 9);
    // The archive tells the same, line by line.
    let mut lines: Vec<String> = std::fs::read_to_string(&log).unwrap().lines().map(str::to_owned).collect();
    let mut archived = lines_of(&archive);
    lines.sort_unstable();
    archived.sort_unstable();
    assert_eq!(lines, archived);
}

/// All rows of an archive as lines.
fn lines_of(root: &Path) -> Vec<String> {
    let files = Archive::at(root).unwrap().all_files().unwrap();
    let mut text = String::new();
    for path in files {
        let file = lookback_flow::segment::SegmentFile::open(&path).unwrap();
        for batch in file.read(&Projection::all(), &lookback_flow::segment::Wanted::default(), None).unwrap() {
            lookback_flow::json::encode(&batch.unwrap(), &mut text).unwrap();
        }
    }
    text.lines().map(str::to_owned).collect()
}

fn ping(pair: &Pair, address: &str) {
    run("ip", &["netns", "exec", &pair.client, "ping", "-c1", "-W2", address]);
}

#[test]
fn interfaces_that_come_later_are_recorded_and_those_that_go_let_go() {
    if !allowed() {
        return;
    }
    let pair = Pair::new();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("events.log");
    let recorder =
        Recorder::start(&pair.server, folder.path(), &["--interface", "late*", "--file", &log.display().to_string()]);
    ping(&pair, "10.99.0.2");
    pair.join("late0", 7);
    wait_for("the new interface", || {
        ping(&pair, "10.99.7.2");
        flows(&log).iter().any(|flow| text(flow, "/interface/name") == "late0").then_some(())
    });
    run("ip", &["-n", &pair.server, "link", "del", "late0"]);
    pair.join("late1", 8);
    wait_for("another one", || {
        ping(&pair, "10.99.8.2");
        flows(&log).iter().any(|flow| text(flow, "/interface/name") == "late1").then_some(())
    });
    recorder.stop();
    assert!(flows(&log).iter().all(|flow| text(flow, "/interface/name") != "veth0" || flow["verdict"] == "DROPPED"));
}

#[test]
fn a_changed_configuration_holds_from_then_on_and_a_bad_one_does_not() {
    if !allowed() {
        return;
    }
    let pair = Pair::new();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let write = |yaml: String| {
        std::fs::write(path("new.yaml"), yaml).unwrap();
        std::fs::rename(path("new.yaml"), path("flowlogs.yaml")).unwrap();
    };
    let entry = |name: &str, more: &str| format!("- {{name: {name}, filePath: {}{more}}}\n", path(name).display());
    write(format!("flowLogs:\n{}", entry("all", "")));
    let recorder =
        Recorder::start(&pair.server, folder.path(), &["--config", &path("flowlogs.yaml").display().to_string()]);
    ping(&pair, "10.99.0.2");
    let drops = entry("masked", ", fieldMask: [Summary], includeFilters: [{protocol: [ICMPv4], reply: [false]}]");
    write(format!("flowLogs:\n{}{drops}", entry("all", "")));
    wait_for("the new target", || recorder.status().targets.contains_key("masked").then_some(()));
    ping(&pair, "10.99.0.2");
    wait_for("its line", || (!flows(&path("masked")).is_empty()).then_some(()));
    // A mistake anywhere, and all stays.
    write(format!("flowLogs:\n{}- {{name: bad}}\n", entry("other", "")));
    recorder.signal(Signal::HUP);
    ping(&pair, "10.99.0.2");
    wait_for("one more line", || (flows(&path("masked")).len() > 1).then_some(()));
    assert_eq!(recorder.status().targets.keys().collect::<Vec<_>>(), ["all", "masked"]);
    let said = recorder.stop();
    assert!(said.contains("bad: `filePath` is missing"), "{said}");
    let masked = std::fs::read_to_string(path("masked")).unwrap();
    assert_eq!(masked, "{\"flow\":{\"Summary\":\"ICMPv4 EchoRequest\"}}\n".repeat(2));
    // Nothing is missing from the one that stayed.
    let requests = flows(&path("all")).iter().filter(|flow| text(flow, "/Summary") == "ICMPv4 EchoRequest").count();
    assert_eq!(requests, 3);
}

#[test]
fn aggregates_stand_for_all_and_an_end_ends() {
    if !allowed() {
        return;
    }
    let pair = Pair::new();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let yaml = format!(
        "flowLogs:\n- {{name: sums, filePath: {}, fieldAggregate: [verdict, l4.ICMPv4.type, is_reply], aggregationInterval: 1h, includeFilters: [{{protocol: [ICMPv4]}}]}}\n- {{name: over, filePath: {}, end: \"2020-01-01T00:00:00Z\"}}\n",
        path("sums").display(),
        path("over").display()
    );
    std::fs::write(path("flowlogs.yaml"), yaml).unwrap();
    let recorder = Recorder::start(
        &pair.server,
        folder.path(),
        &["--config", &path("flowlogs.yaml").display().to_string(), "--no-aggregation"],
    );
    for _ in 0..3 {
        ping(&pair, "10.99.0.2");
    }
    wait_for("six packets", || {
        recorder.status().targets.get("sums").filter(|balance| balance.aggregated >= 6).map(|_| ())
    });
    recorder.stop();
    let sums = flows(&path("sums"));
    let counts: Vec<_> =
        sums.iter().map(|flow| (flow["is_reply"].clone(), flow["aggregate"]["ingress_flow_count"].clone())).collect();
    assert_eq!(sums.len(), 2, "{sums:?}");
    assert!(counts.contains(&(true.into(), 3.into())) && counts.contains(&(false.into(), 3.into())), "{counts:?}");
    assert_eq!(std::fs::read_to_string(path("over")).unwrap(), "");
}

#[test]
fn drops_that_are_alike_are_told_together() {
    if !allowed() {
        return;
    }
    let pair = Pair::new();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("events.log");
    nft(&pair.server, &["add table inet t", "add chain inet t i { type filter hook input priority 0; }"]);
    nft(&pair.server, &["add rule inet t i udp dport 7777 drop"]);
    let arguments = ["--file", &log.display().to_string(), "--monitor-interval", "1s"];
    let recorder = Recorder::start(&pair.server, folder.path(), &arguments);
    let send = |datagrams: usize| {
        let sent = Pair::within(&pair.client, move || {
            let socket = UdpSocket::bind("10.99.0.1:4444").unwrap();
            for _ in 0..datagrams {
                socket.send_to(b"flood", "10.99.0.2:7777").unwrap();
            }
        });
        sent.join().unwrap();
    };
    let drops = || -> Vec<Value> {
        flows(&log)
            .into_iter()
            .filter(|flow| flow["l4"]["UDP"]["destination_port"] == 7777 && flow["verdict"] == "DROPPED")
            .collect()
    };
    send(500);
    wait_for("the first drop", || (!drops().is_empty() && recorder.status().drops >= 500).then_some(()));
    // The next one after the interval stands for all that were not told of.
    wait_for("the others", || {
        send(1);
        drops().iter().any(|flow| !flow["aggregate"].is_null()).then_some(())
    });
    let status = wait_for("a status of all of it", || {
        let status = recorder.status();
        (status.targets["file"].aggregated == status.aggregated_drops).then_some(status)
    });
    let said = recorder.stop();
    let told = drops();
    assert!(status.targets["file"].holds() && status.aggregated_drops >= 499, "{status:?}");
    assert!(said.contains("+ aggregated "), "{said}");
    assert!(told.len() < 50, "{}", told.len());
    assert!(told[0]["aggregate"].is_null());
    let together = told.iter().find(|flow| !flow["aggregate"].is_null()).unwrap();
    assert!(together["aggregate"]["ingress_flow_count"].as_u64().unwrap() >= 500, "{together}");
}

fn nft(namespace: &str, commands: &[&str]) {
    for command in commands {
        run("ip", &["netns", "exec", namespace, "nft", command]);
    }
}

#[test]
fn mistakes_are_told_with_what_to_do() {
    if !allowed() {
        return;
    }
    let pair = Pair::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.log").display().to_string();
    let said = |arguments: &[&str]| {
        let output = recorder(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let own = pair.server.as_str();
    for (arguments, expected) in [
        (&["record", "--netns", own][..], "name --file, --archive, --stdout or --config"),
        (
            &["record", "--netns", own, "--file", &file, "--interface", "eth7"],
            "no interface is called eth7; these are there: lo, veth0",
        ),
        (&["record", "--netns", "nowhere", "--file", &file], "/run/netns/nowhere"),
        (&["record", "--netns", own, "--file", "/proc/none/events.log"], "cannot write /proc/none/events.log"),
        (&["record", "--netns", own, "--file", &file, "--field-mask", "nothing"], "field mask: \"nothing\""),
        (&["status", "--socket", "/nowhere.sock"], "is it running with --socket?"),
    ] {
        let said = said(arguments);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    // Two recorders, one file; then none of the capabilities.
    let first = Recorder::start(own, folder.path(), &["--file", &file]);
    let second = said(&["record", "--netns", own, "--file", &file]);
    assert!(second.contains("another recorder writes to this file"), "{second}");
    first.stop();
    let bare = std::process::Command::new("setpriv")
        .args([
            "--bounding-set=-all",
            "--inh-caps=-all",
            env!("CARGO_BIN_EXE_lookback-recorder"),
            "record",
            "--file",
            &file,
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&bare.stderr);
    assert!(said.contains("CAP_BPF (to load programs)") && said.contains("setcap"), "{said}");
}
