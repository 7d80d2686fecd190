//! Many clients, and such as follow, are slow, or vanish.

use std::thread;

use lookback_flow::proto::observer::GetFlowsRequest;
use lookback_flow::rows::Projection;
use lookback_observer::server::{Config, Limits, Replay, Speed};

use crate::support::{events, lines, log, serve};

fn follow() -> GetFlowsRequest {
    GetFlowsRequest { follow: true, ..GetFlowsRequest::default() }
}

#[test]
fn a_followed_stream_stays_open_at_the_end() {
    let log = log();
    let replayed = serve(&log, Config::default());
    let last = GetFlowsRequest { number: 3, ..follow() };
    let mut batches = replayed.client().flows(last, &Projection::all()).unwrap();
    assert_eq!(batches.next().unwrap().unwrap().num_rows(), 3);
    while replayed.server.status().streams.len() != 1 {
        thread::yield_now();
    }
    // Nothing ends it but its client.
    drop(batches);
    while !replayed.server.status().streams.is_empty() {
        thread::yield_now();
    }
}

#[test]
fn a_replay_at_full_speed_begins_at_the_beginning_and_repeats() {
    let log = log();
    let replay = Replay { speed: Speed::Max, repeat: true, ..Replay::default() };
    let replayed = serve(&log, Config { replay, ..Config::default() });
    let flows = events(&log).iter().filter(|event| matches!(event.kind, "flow" | "lost_events")).count();
    let mut rows = Vec::new();
    for batch in replayed.client().flows(follow(), &Projection::all()).unwrap() {
        let mut text = String::new();
        lookback_flow::json::encode_lines(&batch.unwrap(), &mut text).unwrap();
        rows.extend(text.lines().map(str::to_owned));
        if rows.len() > 2 * flows {
            break;
        }
    }
    assert!(rows[0].contains("2026-03-01T10:00:00Z"), "{}", rows[0]);
    // A second after the last flow of a lap comes the first one of the next.
    assert!(rows[flows - 1].contains("2026-03-01T13:29:00Z"), "{}", rows[flows - 1]);
    assert!(rows[flows].contains(r#""uuid":"node-a-0-0""#), "{}", rows[flows]);
    assert!(rows[flows].contains(r#""flow":{"time":"2026-03-01T13:29:01Z""#), "{}", rows[flows]);
    // A request that is not followed has an end.
    assert_eq!(replayed.lines(GetFlowsRequest::default()).len(), flows);
}

#[test]
fn no_more_streams_are_open_than_may_be() {
    let limits = Limits { streams: 1, ..Limits::default() };
    let replayed = serve(&log(), Config { limits, ..Config::default() });
    let client = replayed.client();
    let first = client.flows(follow(), &Projection::all()).unwrap();
    let second = client.flows(follow(), &Projection::all()).map(lines).unwrap_err().to_string();
    assert!(second.contains("1 streams are open"), "{second}");
    drop(first);
    while !replayed.server.status().streams.is_empty() {
        thread::yield_now();
    }
    assert!(client.flows(GetFlowsRequest::default(), &Projection::all()).map(lines).is_ok());
}

#[test]
fn two_hundred_clients_get_all_that_they_ask_for() {
    let log = log();
    let replayed = serve(&log, Config::default());
    let all = replayed.lines(GetFlowsRequest::default());
    // Some take nothing, and some go away.
    let idle = replayed.client();
    let slow: Vec<_> = (0..50).map(|_| idle.flows(GetFlowsRequest::default(), &Projection::all()).unwrap()).collect();
    let gone = replayed.client();
    for _ in 0..50 {
        drop(gone.flows(follow(), &Projection::all()).unwrap());
    }
    let fast = replayed.client();
    thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                assert_eq!(lines(fast.flows(GetFlowsRequest::default(), &Projection::all()).unwrap()).len(), all.len());
            });
        }
    });
    for batches in slow {
        assert_eq!(lines(batches), all);
    }
}
