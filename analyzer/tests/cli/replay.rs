//! `replay`, with `observe --server` and `import --server` before it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::archive::{archive, import};
use crate::{Folder, command, flow, lookback, testdata};

/// A server that ends with the test.
pub(crate) struct Replay {
    child: Child,
    pub(crate) address: String,
    /// What else it says.
    lines: Box<dyn Iterator<Item = String>>,
}

impl Replay {
    #[track_caller]
    pub(crate) fn new(args: &[&str]) -> Self {
        let mut child =
            command(&[&["replay"], args].concat()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find(|line| line.starts_with("serving") || line.starts_with("error")).unwrap();
        let address = line.strip_prefix("serving ").unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { child, address, lines: Box::new(lines) }
    }

    fn observe(&self, args: &[&str]) -> String {
        lookback(&[&["observe", "--server", &self.address], args].concat()).answer()
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that the system gives.
pub(crate) const ANY: [&str; 2] = ["--listen", "127.0.0.1:0"];

#[test]
fn what_is_replayed_is_printed_as_from_files() {
    let folder = Folder::new();
    let archive = archive(&folder);
    import(&[&testdata("shop")], &archive);
    let socket = format!("unix://{}", folder.path().join("hubble.sock").display());
    for replay in [
        Replay::new(&[&[&*archive], &ANY[..]].concat()),
        Replay::new(&[&archive, "--listen", &socket]),
        Replay::new(&[&[&*testdata("shop")], &ANY[..]].concat()),
    ] {
        for args in [
            &["--all"][..],
            &["--all", "--verdict", "DROPPED", "-o", "json"],
            &["--last", "5", "--pod", "shop/", "-o", "dict"],
            &["--first", "7", "--protocol", "dns", "-o", "table"],
            &["--since", "2026-03-01T10:05:00Z", "--until", "2026-03-01T10:10:00Z", "--print-node-name"],
            &["--all", "-o", "json", "--field-mask", "time,source.pod_name,l4"],
            &["--all", "--cel-expression", "_flow.l4.TCP.destination_port == 8080u"],
        ] {
            let files = lookback(&[&["observe", &archive], args].concat()).answer();
            // The server gives reports of lost events whatever is asked, as Hubble does.
            let flows = |text: String| -> Vec<String> {
                text.lines()
                    .filter(|line| !line.contains("EVENTS LOST") && !line.contains("lost_events"))
                    .map(str::to_owned)
                    .collect()
            };
            assert_eq!(flows(replay.observe(args)), flows(files), "{args:?}");
        }
        assert_eq!(replay.observe(&["-o", "json"]).lines().filter(|line| line.starts_with("{\"flow\"")).count(), 20);
    }
}

#[test]
fn agent_events_are_served() {
    let replay = Replay::new(&[&[&*testdata("compat/1.10.log")], &ANY[..]].concat());
    let files = |events: &str| lookback(&["observe", events, &testdata("compat/1.10.log"), "--all"]).answer();
    for events in ["agent-events", "debug-events"] {
        let served = lookback(&["observe", events, "--server", &replay.address, "--all"]).answer();
        assert_eq!(served, files(events));
        assert!(!served.is_empty());
    }
}

#[test]
fn a_replay_goes_on_where_the_past_ends() {
    let folder = Folder::new();
    let log = folder.file("a.log", [0, 1, 2].map(|second| flow(second, "shop")).concat());
    let replay = Replay::new(&[&[&*log, "--speed", "max", "--shift-to-now", "--loop"], &ANY[..]].concat());
    let mut child = command(&["observe", "--server", &replay.address, "--follow", "-o", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap).take(5);
    let times: Vec<String> =
        lines.map(|line| serde_json::from_str::<Value>(&line).unwrap()["time"].as_str().unwrap().to_owned()).collect();
    let _ = child.kill();
    let _ = child.wait();
    assert!(times.len() == 5 && times.is_sorted(), "{times:?}");
    assert!(times[0].as_str() > "2026-03-02", "{times:?}");
}

#[test]
fn nodes_are_served_as_peers_and_status_tells_of_readers() {
    let mut replay = Replay::new(&[&[&*testdata("shop"), "--as-nodes"], &ANY[..]].concat());
    let nodes: Vec<String> = replay.lines.by_ref().take(2).collect();
    let all = replay.observe(&["--all", "-o", "json"]);
    let mut sum = 0;
    for line in &nodes {
        let (address, node) = line.strip_prefix("serving ").unwrap().split_once(" as node ").unwrap();
        let own = lookback(&["observe", "--server", address, "--all", "-o", "json"]).answer();
        assert!(own.lines().all(|line| line.contains(&format!(r#""node_name":"{node}""#))), "{own}");
        sum += own.lines().count();
    }
    assert_eq!(sum, all.lines().count());

    let status = || lookback(&["replay", "--status", "--server", &replay.address]).answer();
    assert!(status().starts_with("all is past, 0 open streams\nholds 2026-03-01T10:"), "{}", status());
    let mut child = command(&["observe", "--server", &replay.address, "--follow", "--since", "2026-03-01T00:00:00Z"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().is_some());
    let told = status();
    assert!(told.contains("1 open stream\n") && told.contains("GetFlows, follows, "), "{told}");
    let _ = child.kill();
    let _ = child.wait();
}

/// The flows and reports of losses of an input, as JSON, by time.
fn flows_of(input: &str) -> Vec<String> {
    let text = lookback(&["observe", input, "--all", "-o", "json", "--sort", "time"]).answer();
    let mut lines: Vec<String> =
        text.lines().filter(|line| !line.starts_with("{\"agent_event\"")).map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn a_server_is_recorded_without_doubles() {
    let folder = Folder::new();
    let archive = archive(&folder);
    let replay = Replay::new(&[&[&*testdata("shop")], &ANY[..]].concat());
    let record = || lookback(&["import", "--server", &replay.address, "--no-follow", "-o", &archive]).note();
    let told = record();
    assert_eq!(flows_of(&archive), flows_of(&testdata("shop")));
    assert!(told.starts_with("wrote   163 rows in 2 new files"), "{told}");
    let again = record();
    assert!(again.starts_with("wrote   0 rows in 0 new files") && again.contains("were there already"), "{again}");
    assert_eq!(flows_of(&archive).len(), flows_of(&testdata("shop")).len());
}

#[test]
fn a_recording_connects_again_and_goes_on_where_it_was() {
    let folder = Folder::new();
    let archive = archive(&folder);
    let lines: Vec<String> = (0..50).map(|second| flow(second, "shop")).collect();
    let [some, all] =
        [("some.log", &lines[..30]), ("all.log", &lines[..])].map(|(name, lines)| folder.file(name, lines.concat()));
    let replay = Replay::new(&[&[&*some], &ANY[..]].concat());
    let address = replay.address.clone();
    let mut recording = command(&["import", "--server", &address, "--every", "200ms", "-o", &archive])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let recorded = || if std::fs::exists(&archive).unwrap() { flows_of(&archive).len() } else { 0 };
    wait_for(|| recorded() == 30);
    drop(replay);
    let _replay = Replay::new(&[&all, "--listen", &address]);
    wait_for(|| recorded() == 50);
    let stopped = std::process::Command::new("kill").arg(recording.id().to_string()).status().unwrap();
    assert!(stopped.success() && recording.wait().unwrap().success());
    let told = std::io::read_to_string(recording.stderr.take().unwrap()).unwrap();
    assert!(told.contains("connecting again in 1 s") && told.contains("wrote   50 rows"), "{told}");
    assert_eq!(flows_of(&archive), flows_of(&all));
}

/// Waits for what will come, and fails when it does not for long.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "another process is waited for, of which nothing else tells")]
fn wait_for(mut is_there: impl FnMut() -> bool) {
    for _ in 0..600 {
        if is_there() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("it did not come");
}

#[test]
fn mistakes_are_told() {
    let shop = testdata("shop");
    for (args, word) in [
        (&["--speed", "0"][..], "--speed"),
        (&["--listen", "0.0.0.0:0"], "insecure"),
        (&["--listen", "127.0.0.1:0", "--tls-cert", "no.pem", "--tls-key", "no.key"], "no.pem"),
        (&["--listen", "nowhere:x"], "port"),
    ] {
        let error = lookback(&[&["replay", &shop], args].concat()).error();
        assert!(error.contains(word), "{error}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert!(lookback(&["replay", &shop, "--listen", &address]).error().contains(&address));
    drop(taken);
    for args in [&["observe"][..], &["replay", "--status"], &["import", "-o", "archive"]] {
        let error = lookback(&[args, &["--server", &address]].concat()).error();
        assert!(error.contains(&address), "{error}");
    }
    assert!(lookback(&["observe", "--server", &address, &shop]).error().contains("one or the other"));
}
