//! More of real traffic: DNS by TCP, segments that are sent again, whose processes send, other ways to attach, changes under load.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod machine;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use machine::{Pair, Recorder, allowed, flows, flows_so_far, recorder, run, wait_for};
use rustix::event::{Timespec, poll};
use serde_json::Value;
use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Name, Packet, QCLASS, Question, ResourceRecord, TYPE};

fn text<'a>(flow: &'a Value, path: &str) -> &'a str {
    flow.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// A message as it stands in a stream: its length before it.
fn framed(message: &Packet<'_>) -> Vec<u8> {
    let bytes = message.build_bytes_vec().unwrap();
    [u16::try_from(bytes.len()).unwrap().to_be_bytes().as_slice(), &bytes].concat()
}

fn question(name: &str) -> Question<'_> {
    Question::new(Name::new(name).unwrap(), TYPE::A.into(), QCLASS::CLASS(CLASS::IN), false)
}

#[test]
fn dns_by_tcp_is_read() {
    if !allowed() {
        return;
    }
    let pair = Pair::new();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("events.log");
    let recorder = Recorder::start(&pair.server, folder.path(), &["--file", &log.display().to_string()]);
    let server = Pair::within(&pair.server, || {
        let listener = TcpListener::bind("10.99.0.2:53").unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        for (id, name) in [(5, "one.example"), (6, "two.example")] {
            let mut head = [0; 2];
            stream.read_exact(&mut head).unwrap();
            let mut asked = vec![0; usize::from(u16::from_be_bytes(head))];
            stream.read_exact(&mut asked).unwrap();
            let mut answer = Packet::new_reply(id);
            answer.questions.push(question(name));
            let address = RData::A(A { address: u32::from_be_bytes([192, 0, 2, 7]) });
            answer.answers.push(ResourceRecord::new(Name::new(name).unwrap(), CLASS::IN, 60, address));
            // The length by itself, as many servers do it.
            let bytes = framed(&answer);
            stream.write_all(&bytes[..2]).unwrap();
            stream.write_all(&bytes[2..]).unwrap();
        }
    });
    let client = Pair::within(&pair.client, || {
        let mut stream = wait_for("a DNS server", || TcpStream::connect("10.99.0.2:53").ok());
        stream.set_nodelay(true).unwrap();
        // Both at once.
        let mut asked = Vec::new();
        for (id, name) in [(5, "one.example"), (6, "two.example")] {
            let mut message = Packet::new_query(id);
            message.questions.push(question(name));
            asked.extend(framed(&message));
        }
        stream.write_all(&asked).unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
    });
    client.join().unwrap();
    server.join().unwrap();
    let dns = || -> Vec<Value> { flows(&log).into_iter().filter(|flow| flow.pointer("/l7/dns").is_some()).collect() };
    wait_for("both answers", || (dns().len() == 4).then_some(()));
    recorder.stop();
    let all = dns();
    let told: Vec<_> = all.iter().map(|flow| (text(flow, "/l7/type"), text(flow, "/l7/dns/query"))).collect();
    assert_eq!(
        told,
        [
            ("REQUEST", "one.example."),
            ("REQUEST", "two.example."),
            ("RESPONSE", "one.example."),
            ("RESPONSE", "two.example.")
        ]
    );
    for answer in &all[2..] {
        assert_eq!(answer["l7"]["dns"]["ips"][0], "192.0.2.7");
        assert!(text(answer, "/l7/latency_ns").parse::<u64>().is_ok_and(|latency| latency > 0), "{answer}");
        assert_eq!(answer["l4"]["TCP"]["source_port"], 53);
    }
}

#[test]
fn segments_that_are_sent_again_are_counted() {
    if !allowed() {
        return;
    }
    let pair = Pair::new();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("events.log");
    for command in [
        "add table inet t",
        "add chain inet t i { type filter hook input priority 0; }",
        "add rule inet t i tcp dport 7777 drop",
    ] {
        run("ip", &["netns", "exec", &pair.server, "nft", command]);
    }
    let recorder = Recorder::start(&pair.client, folder.path(), &["--file", &log.display().to_string()]);
    let client = Pair::within(&pair.client, || {
        TcpStream::connect_timeout(&"10.99.0.2:7777".parse().unwrap(), Duration::from_millis(2500)).is_err()
    });
    assert!(client.join().unwrap());
    // Each SYN is told of, too; the status comes once a second.
    let syns = || flows(&log).iter().filter(|flow| text(flow, "/Summary") == "TCP Flags: SYN").count();
    wait_for("each SYN but the first counted", || {
        let again = recorder.status().retransmissions;
        (again > 0 && usize::try_from(again + 1) == Ok(syns())).then_some(())
    });
    recorder.stop();
}

#[test]
fn processes_and_units_are_workloads() {
    if !allowed() {
        return;
    }
    let root = if Path::new("/sys/fs/cgroup/unified/cgroup.procs").exists() {
        "/sys/fs/cgroup/unified"
    } else {
        "/sys/fs/cgroup"
    };
    let unit = format!("{root}/lookback-test-{}.service", std::process::id());
    let has_unit = fs::create_dir(&unit).is_ok() && Path::new(&unit).join("cgroup.procs").exists();
    if !has_unit {
        eprintln!("SKIPPED in part: no control groups (v2) may be made here");
    }
    let pair = Pair::new();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("events.log");
    let recorder = Recorder::start(&pair.server, folder.path(), &["--file", &log.display().to_string()]);
    let listener = Pair::within(&pair.client, || TcpListener::bind("10.99.0.1:9000").unwrap()).join().unwrap();
    Pair::within(&pair.server, || {
        rustix::thread::set_name(c"shopper").unwrap();
        drop(TcpStream::connect("10.99.0.1:9000").unwrap());
    })
    .join()
    .unwrap();
    if has_unit {
        let script = format!("echo $$ > {unit}/cgroup.procs; exec bash -c 'exec 3<>/dev/tcp/10.99.0.1/9000'");
        run("nsenter", &[&format!("--net=/run/netns/{}", pair.server), "bash", "-c", &script]);
    }
    let workloads = || -> Vec<(String, String)> {
        let all = flows(&log);
        let syns = all.iter().filter(|flow| text(flow, "/Summary") == "TCP Flags: SYN");
        syns.map(|flow| {
            (text(flow, "/source/workloads/0/kind").to_owned(), text(flow, "/source/workloads/0/name").to_owned())
        })
        .collect()
    };
    wait_for("the connections", || (workloads().len() == 1 + usize::from(has_unit)).then_some(()));
    recorder.stop();
    drop(listener);
    let _ = fs::remove_dir(&unit);
    let told = workloads();
    // The test may itself be a unit of systemd.
    assert!(told[0] == ("Process".to_owned(), "shopper".to_owned()) || told[0].0 == "Unit", "{told:?}");
    if has_unit {
        assert_eq!(told[1], ("Unit".to_owned(), format!("lookback-test-{}", std::process::id())));
    }
}

#[test]
fn without_tcx_a_clsact_queue_serves() {
    if !allowed() {
        return;
    }
    let pair = Pair::new();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("events.log");
    let arguments = ["--file", &log.display().to_string(), "--no-tcx", "--interface", "veth0", "--no-aggregation"];
    // One that is killed leaves its programs there: the next one takes their place.
    let mut first = Recorder::start(&pair.server, folder.path(), &arguments);
    first.signal(rustix::process::Signal::KILL);
    first.child.wait().unwrap();
    let recorder = Recorder::start(&pair.server, folder.path(), &arguments);
    run("ip", &["netns", "exec", &pair.client, "ping", "-c1", "-W2", "10.99.0.2"]);
    let echoes = || -> Vec<String> {
        let all = flows(&log);
        let of = |flow: &Value| format!("{} {}", text(flow, "/Summary"), text(flow, "/trace_observation_point"));
        all.iter().filter(|flow| flow.pointer("/l4/ICMPv4").is_some()).map(of).collect()
    };
    wait_for("both ways", || (echoes().len() >= 2).then_some(()));
    let filters = run("ip", &["netns", "exec", &pair.server, "tc", "filter", "show", "dev", "veth0", "ingress"]);
    recorder.stop();
    assert_eq!(echoes(), ["ICMPv4 EchoRequest TO_ENDPOINT", "ICMPv4 EchoReply FROM_ENDPOINT"]);
    let filters = String::from_utf8(filters.stdout).unwrap();
    assert_eq!(filters.matches("lookback_in direct-action").count(), 1, "{filters}");
    let left = run("ip", &["netns", "exec", &pair.server, "tc", "filter", "show", "dev", "veth0", "ingress"]);
    assert!(!String::from_utf8(left.stdout).unwrap().contains("lookback_in"));
}

#[test]
fn a_configuration_changes_under_load_without_a_loss() {
    if !allowed() {
        return;
    }
    let pair = Pair::new();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let write = |backups: usize| {
        let yaml =
            format!("flowLogs:\n- {{name: all, filePath: {}, fileMaxBackups: {backups}}}\n", path("all.log").display());
        fs::write(path("new.yaml"), yaml).unwrap();
        fs::rename(path("new.yaml"), path("flowlogs.yaml")).unwrap();
    };
    write(0);
    let config = path("flowlogs.yaml").display().to_string();
    let recorder = Recorder::start(
        &pair.server,
        folder.path(),
        &["--config", &config, "--no-aggregation", "--interface", "veth0"],
    );
    let sink = Pair::within(&pair.server, || UdpSocket::bind("10.99.0.2:4000").unwrap()).join().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let sender = Pair::within(&pair.client, move || {
        let socket = UdpSocket::bind("10.99.0.1:0").unwrap();
        let mut sent = 0;
        while !stopped.load(Ordering::Relaxed) {
            socket.send_to(b"datagram", "10.99.0.2:4000").unwrap();
            sent += 1;
            let _ = poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 500_000 }));
        }
        sent
    });
    let lines = || {
        let all = flows_so_far(&path("all.log"));
        all.iter()
            .filter(|flow| flow["l4"]["UDP"]["destination_port"] == 4000 && flow["verdict"] == "FORWARDED")
            .count()
    };
    for backups in 1..4 {
        write(backups);
        let before = lines();
        wait_for("lines of the changed target", || (lines() > before + 1000).then_some(()));
    }
    stop.store(true, Ordering::Relaxed);
    let sent: usize = sender.join().unwrap();
    drop(sink);
    wait_for("the last line", || (lines() == sent).then_some(()));
    let said = recorder.stop();
    // Changes that come while one is looked at are seen as one.
    assert!((1..=3).contains(&said.matches("all: ended; ").count()), "{said}");
    assert!(said.lines().filter(|line| line.contains("seen ")).all(|line| line.contains("+ lost 0")), "{said}");
}

#[test]
fn without_rights_or_room_it_says_what_to_do() {
    if !allowed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // Nobody may read the build's folder: the program goes where everybody may.
    let program = Path::new("/tmp").join(format!("lookback-recorder-{}", std::process::id()));
    fs::copy(env!("CARGO_BIN_EXE_lookback-recorder"), &program).unwrap();
    let nobody = |arguments: &[&str]| {
        let ids = ["--reuid=65534", "--regid=65534", "--clear-groups"];
        let output = std::process::Command::new("setpriv").args(ids).arg(&program).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (code, said) = nobody(&["record", "--stdout"]);
    assert_eq!(code, Some(2));
    for name in ["CAP_BPF (to load programs)", "CAP_NET_ADMIN", "CAP_PERFMON (to see drops)", "setcap"] {
        assert!(said.contains(name), "{said}");
    }
    let (code, said) = nobody(&["probe"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("CAP_BPF is missing") && said.contains("missing: everything"), "{said}");
    fs::remove_file(&program).unwrap();
    // A folder on which nothing can be written, even by root.
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    run("mount", &["-t", "tmpfs", "-o", "ro", "tmpfs", &disk.display().to_string()]);
    let file = disk.join("events.log").display().to_string();
    let archive = disk.join("archive").display().to_string();
    let said = |flag: &str, path: &str| {
        let output = recorder(&["record", flag, path]).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let (of_file, of_archive) = (said("--file", &file), said("--archive", &archive));
    run("umount", &[&disk.display().to_string()]);
    assert!(of_file.contains(&file) && of_file.contains("Read-only file system"), "{of_file}");
    assert!(of_archive.contains(&archive) && of_archive.contains("Read-only file system"), "{of_archive}");
}
