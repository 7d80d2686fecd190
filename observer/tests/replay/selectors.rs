//! Every selector, against answers worked out plainly from the same lines.

use lookback_flow::proto::flow::{FlowFilter, Verdict};
use lookback_flow::proto::observer::{GetAgentEventsRequest, GetDebugEventsRequest, GetFlowsRequest};
use lookback_flow::rows::Projection;
use lookback_observer::server::Config;
use prost_types::FieldMask;
use serde_json::Value;

use crate::support::{Event, at, events, lines, log, serve};

/// A filter, and what it means.
type Filter = (&'static str, Vec<FlowFilter>, Vec<FlowFilter>, fn(&Value) -> bool);

fn filters() -> Vec<Filter> {
    let dropped = FlowFilter { verdict: vec![Verdict::Dropped.into()], ..FlowFilter::default() };
    let pod = FlowFilter { source_pod: vec!["shop/web-3".to_owned()], ..FlowFilter::default() };
    let port = FlowFilter { destination_port: vec!["80".to_owned()], ..FlowFilter::default() };
    let nobody = FlowFilter { source_ip: vec!["9.9.9.9".to_owned()], ..FlowFilter::default() };
    vec![
        ("all", vec![], vec![], |_| true),
        ("dropped", vec![dropped.clone()], vec![], |flow| flow["verdict"] == "DROPPED"),
        ("pod, not port", vec![pod.clone()], vec![port], |flow| {
            flow["source"]["pod_name"] == "web-3" && flow["l4"]["TCP"].is_null()
        }),
        ("pod or dropped", vec![pod, dropped], vec![], |flow| {
            flow["source"]["pod_name"] == "web-3" || flow["verdict"] == "DROPPED"
        }),
        ("nobody", vec![nobody], vec![], |_| false),
    ]
}

/// What is to come: lost events count for nothing, and come in between.
fn expected(events: &[Event], request: &GetFlowsRequest, fits: fn(&Value) -> bool) -> Vec<String> {
    let inside = |seconds: i64| {
        request.since.is_none_or(|since| at(seconds).seconds >= since.seconds)
            && request.until.is_none_or(|until| at(seconds).seconds <= until.seconds)
    };
    let wanted = |event: &&Event| match event.kind {
        "flow" => fits(&event.json["flow"]),
        kind => kind == "lost_events",
    };
    let mut all: Vec<&Event> = events.iter().filter(|event| inside(event.seconds)).filter(wanted).collect();
    let number = usize::try_from(request.number).unwrap();
    let flows: Vec<usize> = (0..all.len()).filter(|at| all[*at].kind == "flow").collect();
    if number > 0 && flows.len() >= number {
        if request.first {
            all.truncate(flows[number - 1] + 1);
        } else {
            let start = flows[flows.len() - number];
            let time = all[start].seconds;
            let mut position = 0;
            all.retain(|event| {
                position += 1;
                position > start || (event.kind != "flow" && event.seconds == time)
            });
        }
    }
    all.iter().map(|event| event.line.clone()).collect()
}

#[test]
fn every_combination_gives_what_it_says() {
    let log = log();
    let replayed = serve(&log, Config::default());
    let client = replayed.client();
    let events = events(&log);
    let mut checked = 0;
    for (name, allow, deny, fits) in filters() {
        for number in [0, 2, 25, 5000] {
            for first in [false, true] {
                for since in [None, Some(at(1830)), Some(at(7200))] {
                    for until in [None, Some(at(1800)), Some(at(7199))] {
                        if since.is_some_and(|since| until.is_some_and(|until| since.seconds > until.seconds)) {
                            continue;
                        }
                        let request = GetFlowsRequest {
                            number,
                            first,
                            since,
                            until,
                            whitelist: allow.clone(),
                            blacklist: deny.clone(),
                            ..GetFlowsRequest::default()
                        };
                        let wanted = expected(&events, &request, fits);
                        let came = lines(client.flows(request.clone(), &Projection::all()).unwrap());
                        assert!(came == wanted, "{name}: {request:?}\ncame {came:#?}\nwanted {wanted:#?}");
                        checked += usize::from(!wanted.is_empty());
                    }
                }
            }
        }
    }
    assert!(checked > 150, "{checked}");
}

#[test]
fn what_goes_in_comes_out() {
    let log = log();
    let replayed = serve(&log, Config::default());
    let client = replayed.client();
    let of = |kind: &str| -> Vec<String> {
        events(&log).into_iter().filter(|event| event.kind == kind).map(|event| event.line).collect()
    };
    let all = Projection::all();
    let agent = GetAgentEventsRequest::default();
    assert_eq!(lines(client.agent_events(agent, &all).unwrap()), of("agent_event"));
    let last = GetAgentEventsRequest { number: 1, ..agent };
    assert_eq!(
        lines(client.agent_events(last, &all).unwrap()),
        of("agent_event").split_off(of("agent_event").len() - 1)
    );
    let debug = GetDebugEventsRequest { number: 1, first: true, ..GetDebugEventsRequest::default() };
    assert_eq!(lines(client.debug_events(debug, &all).unwrap()), of("debug_event")[..1]);
}

#[test]
fn flows_of_every_version_come_out_as_they_went_in() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/compat");
    for version in ["1.10", "1.13", "1.15", "1.16", "1.18", "1.19", "1.21-dev"] {
        let text = std::fs::read_to_string(format!("{folder}/{version}.log")).unwrap();
        // An `Any` that came as JSON has no bytes: its type is not known here.
        let log: Vec<String> =
            text.lines().filter(|line| !line.contains("\"extensions\"")).map(str::to_owned).collect();
        let sent = |line: &&String| {
            let event: Value = serde_json::from_str(line).unwrap();
            ["flow", "lost_events", "node_status"].into_iter().any(|kind| event.get(kind).is_some())
        };
        let mut wanted: Vec<&String> = log.iter().filter(sent).collect();
        let replayed = serve(&log, Config::default());
        let came = replayed.lines(GetFlowsRequest::default());
        // Of the same time, nodes may come one after the other.
        let mut came: Vec<&String> = came.iter().collect();
        wanted.sort();
        came.sort();
        assert_eq!(came, wanted, "{version}");
        assert!(!came.is_empty());
    }
}

#[test]
fn a_mask_leaves_out_what_it_does_not_name() {
    let replayed = serve(&log(), Config::default());
    let mask = |paths: &[&str]| {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let field_mask = Some(FieldMask { paths });
        replayed.lines(GetFlowsRequest { number: 2, first: true, field_mask, ..GetFlowsRequest::default() })
    };
    // Whatever a filter asks about.
    let envelope = r#""node_name":"node-a","time":"2026-03-01T10:00:00Z"}"#;
    assert_eq!(
        mask(&["uuid", "l4.UDP.source_port", "source.pod_name"]),
        [
            format!(r#"{{"flow":{{"uuid":"node-a-0-0","l4":{{}},"source":{{"pod_name":"web-0"}}}},{envelope}"#),
            format!(
                r#"{{"flow":{{"uuid":"node-a-0-1","l4":{{"UDP":{{"source_port":53}}}},"source":{{"pod_name":"web-0"}}}},{envelope}"#
            ),
        ]
    );
    let filter = FlowFilter { verdict: vec![Verdict::Forwarded.into()], ..FlowFilter::default() };
    let masked = replayed.lines(GetFlowsRequest {
        number: 1,
        first: true,
        whitelist: vec![filter],
        field_mask: Some(FieldMask { paths: vec!["is_reply".to_owned()] }),
        ..GetFlowsRequest::default()
    });
    assert_eq!(masked, [r#"{"flow":{"is_reply":false},"node_name":"node-a","time":"2026-03-01T10:01:00Z"}"#]);
}

#[test]
fn events_without_a_time_come_last_and_are_in_no_span() {
    let mut log = log();
    log.insert(0, r#"{"flow":{"uuid":"untimed","node_name":"node-a"},"node_name":"node-a"}"#.to_owned());
    let replayed = serve(&log, Config::default());
    let last = replayed.lines(GetFlowsRequest { number: 2, ..GetFlowsRequest::default() });
    assert_eq!(last.len(), 2);
    assert_eq!(last[1], log[0]);
    let since = GetFlowsRequest { since: Some(at(12_500)), ..GetFlowsRequest::default() };
    let spanned = replayed.lines(since);
    assert!(!spanned.is_empty() && !spanned.contains(&log[0]), "{spanned:?}");
}

#[test]
fn a_bad_request_is_refused_with_a_reason_and_the_server_stays() {
    let replayed = serve(&log(), Config::default());
    let client = replayed.client();
    let refused = |request: GetFlowsRequest, reason: &str| {
        let error = match client.flows(request, &Projection::all()) {
            Ok(mut batches) => batches.next().unwrap().unwrap_err(),
            Err(error) => error,
        };
        let lookback_observer::Error::Call { code, why, .. } = error else { panic!("{error}") };
        assert_eq!(code as i32, 3, "{why}");
        assert!(why.contains(reason), "{why}");
    };
    let none = GetFlowsRequest::default;
    refused(GetFlowsRequest { first: true, follow: true, ..none() }, "first cannot be specified with follow");
    refused(GetFlowsRequest { since: Some(at(2)), until: Some(at(1)), ..none() }, "since is later than until");
    let mut odd = at(0);
    odd.nanos = -1;
    refused(GetFlowsRequest { until: Some(odd), ..none() }, "until");
    let filter = FlowFilter { source_ip: vec!["nonsense".to_owned()], ..FlowFilter::default() };
    refused(GetFlowsRequest { whitelist: vec![filter], ..none() }, "source_ip");
    let field_mask = Some(FieldMask { paths: vec!["l4.TCP.port".to_owned()] });
    refused(GetFlowsRequest { field_mask, ..none() }, "has no field \"port\"");
    assert_eq!(client.server_status().unwrap().seen_flows, 840);
}
