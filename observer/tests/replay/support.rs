//! A small log, a server of it, and what comes out.

use std::fs;
use std::path::PathBuf;

use lookback_flow::archive::Archive;
use lookback_flow::inputs::Input;
use lookback_flow::json::encode_lines;
use lookback_flow::proto::observer::GetFlowsRequest;
use lookback_flow::rows::Projection;
use lookback_observer::address::Address;
use lookback_observer::client::{Batches, Client, Options};
use lookback_observer::server::{Config, Listen, Server, Store};
use prost_types::Timestamp;
use serde_json::Value;
use tempfile::TempDir;

/// 2026-03-01T10:00:00Z.
pub(crate) const START: i64 = 1_772_359_200;

/// Seconds after [`START`], as requests have them.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp { seconds: START + seconds, nanos: 0 }
}

fn time(seconds: i64) -> String {
    format!("2026-03-01T{:02}:{:02}:{:02}Z", 10 + seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Flows of two nodes over three hours and a half, two of each time at either node, with reports of losses and other events
/// between; every node's log is in order, both together are not.
pub(crate) fn log() -> Vec<String> {
    let mut lines = Vec::new();
    for node in ["node-a", "node-b"] {
        for second in (0..12_600).step_by(60) {
            let time = time(second);
            for n in 0..2 {
                let verdict = if second % 420 == 0 { "DROPPED" } else { "FORWARDED" };
                let pod = second / 60 % 5;
                let l4 = match n {
                    0 => r#""TCP":{"source_port":40000,"destination_port":80,"flags":{"SYN":true}}"#,
                    _ => r#""UDP":{"source_port":53,"destination_port":50000}"#,
                };
                lines.push(format!(
                    r#"{{"flow":{{"time":"{time}","uuid":"{node}-{second}-{n}","verdict":"{verdict}","IP":{{"source":"10.0.0.{n}","destination":"10.0.1.{pod}"}},"l4":{{{l4}}},"source":{{"ID":1,"namespace":"shop","labels":["k8s:app=web"],"pod_name":"web-{pod}","workloads":[{{"name":"web","kind":"Deployment"}}]}},"destination":{{"namespace":"db","pod_name":"pg-0"}},"Type":"L3_L4","node_name":"{node}","event_type":{{"type":4}},"is_reply":false,"Summary":"s"}},"node_name":"{node}","time":"{time}"}}"#
                ));
            }
            if second % 3000 == 30 * 60 {
                lines.push(format!(r#"{{"lost_events":{{"source":"HUBBLE_RING_BUFFER","num_events_lost":"7","cpu":0}},"node_name":"{node}","time":"{time}"}}"#));
                lines.push(format!(r#"{{"agent_event":{{"type":"POLICY_UPDATED","policy_update":{{"labels":["l"],"revision":"{second}"}}}},"node_name":"{node}","time":"{time}"}}"#));
                lines.push(format!(r#"{{"debug_event":{{"type":"DBG_CT_LOOKUP","message":"m","cpu":1}},"node_name":"{node}","time":"{time}"}}"#));
            }
        }
    }
    lines
}

/// An event of the log.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) line: String,
    pub(crate) json: Value,
    pub(crate) kind: &'static str,
    pub(crate) seconds: i64,
}

/// The log in the order in which it is served: by time, then by node, then as it came.
pub(crate) fn events(lines: &[String]) -> Vec<Event> {
    let event = |line: &String| {
        let json: Value = serde_json::from_str(line).unwrap();
        let kind = ["flow", "lost_events", "agent_event", "debug_event"];
        let kind = kind.into_iter().find(|kind| json.get(kind).is_some()).unwrap();
        let nanos = lookback_flow::time::parse_rfc3339(json["time"].as_str().unwrap()).unwrap();
        Event { line: line.clone(), json, kind, seconds: nanos / 1_000_000_000 - START }
    };
    let mut events: Vec<Event> = lines.iter().map(event).collect();
    events.sort_by_key(|event| event.seconds);
    events
}

/// A server of a log, stopped when it is dropped.
pub(crate) struct Replayed {
    pub(crate) server: Server,
    /// Holds the log, and what was made of it.
    folder: TempDir,
}

pub(crate) fn tcp() -> Listen {
    Listen { address: "127.0.0.1:0".parse().unwrap(), tls: None, insecure: false }
}

/// Serves lines, by default at a port of this machine.
pub(crate) fn serve(lines: &[String], mut config: Config) -> Replayed {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("events.log");
    fs::write(&log, lines.join("\n") + "\n").unwrap();
    if config.listen.is_empty() {
        config.listen.push(tcp());
    }
    let store = Store::open(&[Input::File(log)], folder.path()).unwrap();
    let server = Server::start(store, &config, START * 1_000_000_000).unwrap();
    Replayed { server, folder }
}

impl Replayed {
    /// The files that the log was put into.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.folder.path())
            .unwrap()
            .filter_map(|entry| Archive::at(&entry.unwrap().path().join("archive")));
        let files: Vec<PathBuf> = files.flat_map(|archive| archive.all_files().unwrap()).collect();
        assert!(!files.is_empty());
        files
    }

    pub(crate) fn address(&self) -> &Address {
        &self.server.addresses()[0]
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address(), &Options::default()).unwrap()
    }

    /// The lines that answer a request.
    pub(crate) fn lines(&self, request: GetFlowsRequest) -> Vec<String> {
        lines(self.client().flows(request, &Projection::all()).unwrap())
    }
}

/// All that a stream gives, as lines.
pub(crate) fn lines(batches: Batches) -> Vec<String> {
    let mut text = String::new();
    for batch in batches {
        encode_lines(&batch.unwrap(), &mut text).unwrap();
    }
    text.lines().map(str::to_owned).collect()
}
