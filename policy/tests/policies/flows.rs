//! Flows of a few words, and of the test logs.

use std::fs::File;
use std::path::{Path, PathBuf};

use lookback_flow::json::Decoder;
use lookback_flow::lines::Chunks;
use lookback_flow::rows::Projection;
use lookback_policy::{Limits, Seen};
use serde_json::{Value, json};

/// A pod `shop/web` or `shop/web,tier=front`, `world:1.2.3.4`, `world:1.2.3.4:name.example`, `host`, another reserved name, or
/// `masked:shop` of which the namespace alone is known.
fn endpoint(text: &str) -> (Value, &str, Vec<&str>) {
    if let Some(outside) = text.strip_prefix("world:") {
        let (ip, name) = outside.split_once('/').map_or((outside, None), |(ip, name)| (ip, Some(name)));
        return (json!({"identity": 2, "labels": ["reserved:world"]}), ip, name.into_iter().collect());
    }
    if let Some(namespace) = text.strip_prefix("masked:") {
        return (json!({"namespace": namespace}), "10.0.0.9", vec![]);
    }
    let Some((namespace, labels)) = text.split_once('/') else {
        return (json!({"labels": [format!("reserved:{text}")]}), "10.0.0.1", vec![]);
    };
    let mut own: Vec<String> = vec![format!("k8s:io.kubernetes.pod.namespace={namespace}")];
    own.extend(
        labels
            .split(',')
            .map(|label| if label.contains('=') { format!("k8s:{label}") } else { format!("k8s:app={label}") }),
    );
    (
        json!({"identity": 5000, "namespace": namespace, "labels": own, "pod_name": format!("{labels}-1")}),
        "10.0.1.1",
        vec![],
    )
}

/// `shop/web > shop/db TCP/5432`, with `denied` behind it, or a request (`GET /path`, `DNS name`).
pub(crate) fn line(text: &str) -> String {
    let mut words = text.split(' ');
    let (source, arrow, destination) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
    assert_eq!(arrow, ">", "{text}");
    let ((source, source_ip, _), (destination, destination_ip, names)) = (endpoint(source), endpoint(destination));
    let (protocol, port) = words.next().unwrap().split_once('/').unwrap();
    let port: u32 = port.parse().unwrap();
    let rest: Vec<&str> = words.collect();
    let l4 = match protocol {
        "ICMPv4" | "ICMPv6" => json!({protocol: {"type": port}}),
        "none" => json!({}),
        _ => json!({protocol: {"source_port": 41000, "destination_port": port, "flags": {"SYN": true}}}),
    };
    let mut flow = json!({
        "time": "2026-03-01T10:00:00Z", "verdict": "FORWARDED", "IP": {"source": source_ip, "destination": destination_ip, "ipVersion": "IPv4"},
        "l4": l4, "source": source, "destination": destination, "Type": "L3_L4", "node_name": "n", "destination_names": names,
        "event_type": {"type": 4}, "traffic_direction": "INGRESS", "trace_observation_point": "TO_ENDPOINT", "is_reply": false,
    });
    if protocol != "TCP"
        && let Some(ports) = flow["l4"][protocol].as_object_mut()
    {
        ports.remove("flags");
    }
    let own = flow.as_object_mut().unwrap();
    let request = |own: &mut serde_json::Map<String, Value>, l7: Value| {
        own.insert("l7".to_owned(), l7);
        own.insert("Type".to_owned(), json!("L7"));
        own.insert("event_type".to_owned(), json!({"type": 129}));
        own.remove("trace_observation_point");
    };
    for word in rest.chunks(1) {
        match word[0] {
            "denied" => {
                own.insert("verdict".to_owned(), json!("DROPPED"));
                own.insert("drop_reason_desc".to_owned(), json!("POLICY_DENIED"));
                own.entry("l7").or_insert(Value::Null);
                if own["l7"].is_null() {
                    own.insert("event_type".to_owned(), json!({"type": 1, "sub_type": 133}));
                    own.remove("trace_observation_point");
                }
            }
            "egress" => {
                own.insert("traffic_direction".to_owned(), json!("EGRESS"));
            }
            method @ ("GET" | "POST") => {
                let path = rest[rest.iter().position(|word| *word == method).unwrap() + 1];
                request(
                    own,
                    json!({"type": "REQUEST", "http": {"method": method, "url": format!("http://db{path}"), "protocol": "HTTP/1.1"}}),
                );
            }
            "DNS" => {
                let name = rest[1];
                request(own, json!({"type": "REQUEST", "dns": {"query": format!("{name}."), "qtypes": ["A"]}}));
            }
            _ => {}
        }
    }
    if own.get("l7").is_some_and(Value::is_null) {
        own.remove("l7");
    }
    json!({"flow": flow, "node_name": "n", "time": "2026-03-01T10:00:00Z"}).to_string()
}

/// What is seen of some flows.
pub(crate) fn seen(flows: &[&str], with_requests: bool) -> Seen {
    let lines: Vec<String> = flows.iter().map(|flow| line(flow)).collect();
    of_lines(&lines.iter().map(String::as_str).collect::<Vec<_>>(), with_requests)
}

pub(crate) fn of_lines(lines: &[&str], with_requests: bool) -> Seen {
    let mut decoder = Decoder::new(Projection::of(Seen::columns().iter().map(String::as_str)));
    lines.iter().for_each(|line| decoder.line(line.as_bytes()).unwrap());
    let mut seen = Seen::new(Limits::default(), with_requests);
    seen.add(&decoder.finish_packed().unwrap()).unwrap();
    seen
}

/// All logs of the project, and real ones where they are.
pub(crate) fn logs() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata")];
    match std::env::var_os("LOOKBACK_REAL_DATA") {
        Some(folder) => folders.push(folder.into()),
        None => eprintln!("no real flows here: LOOKBACK_REAL_DATA is not set"),
    }
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "log" || ending == "json" || ending == "gz") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(found.len() > 20, "{found:?}");
    found
}

pub(crate) fn of_log(path: &Path, with_requests: bool) -> Seen {
    let mut seen = Seen::new(Limits::default(), with_requests);
    let mut decoder = Decoder::new(Projection::of(Seen::columns().iter().map(String::as_str)));
    // A log of the test data may be torn.
    let Ok(mut chunks) = Chunks::new(File::open(path).unwrap()) else { return seen };
    while let Ok(Some(chunk)) = chunks.next_chunk() {
        decoder.chunk(&chunk, |_, _| {});
    }
    seen.add(&decoder.finish_packed().unwrap()).unwrap();
    seen
}
