//! Followed streams in a time that stands still until all wait for it.

use std::fs;

use lookback_flow::inputs::Input;
use lookback_flow::proto::observer::{GetFlowsRequest, GetFlowsResponse};
use prost::Message as _;
use prost_types::Timestamp;
use tempfile::TempDir;
use tokio_stream::StreamExt as _;

use super::super::clock::{Replay, Speed};
use super::super::store::Store;
use super::*;
use crate::wire::FlowsRequest;

/// Flows at these seconds of 1970, by turns of two nodes.
fn store(seconds: &[i64]) -> (Arc<Store>, TempDir) {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("a.log");
    let line = |(n, second): (usize, &i64)| {
        let time = format!("1970-01-01T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60);
        format!(
            "{{\"flow\":{{\"time\":\"{time}\",\"uuid\":\"{second}\",\"node_name\":\"n{}\"}},\"time\":\"{time}\"}}\n",
            n % 2
        )
    };
    fs::write(&log, seconds.iter().enumerate().map(line).collect::<String>()).unwrap();
    (Arc::new(Store::open(&[Input::File(log)], folder.path()).unwrap()), folder)
}

fn stream(serving: &Arc<Serving>, request: GetFlowsRequest) -> Messages {
    begin(serving, Selection::flows(FlowsRequest { request, old_mask: None }).unwrap(), "GetFlows", None).unwrap()
}

/// The next messages: the uuid of each, its time, and when it came.
async fn came(messages: &mut Messages, number: usize, began: Instant) -> Vec<(String, i64, u64)> {
    let mut all = Vec::new();
    while all.len() < number {
        let Some(message) = messages.next().await else { break };
        let message = GetFlowsResponse::decode(message.unwrap().0).unwrap();
        let Some(lookback_flow::proto::observer::get_flows_response::ResponseTypes::Flow(flow)) =
            message.response_types
        else {
            panic!("no flow")
        };
        let came = u64::try_from(began.elapsed().as_millis()).unwrap();
        all.push((flow.uuid, message.time.unwrap().seconds, came));
    }
    all
}

/// Whether it came when it was due, give or take two ticks.
fn is_in_time(came: &[(String, i64, u64)], due_ms: &[u64]) -> bool {
    came.len() == due_ms.len() && came.iter().zip(due_ms).all(|((_, _, at), due)| (*due..=*due + 20).contains(at))
}

const FOLLOW: fn() -> GetFlowsRequest = || GetFlowsRequest { follow: true, ..GetFlowsRequest::default() };

#[tokio::test(start_paused = true)]
async fn a_followed_stream_is_paced_ten_times_as_fast() {
    let (store, _folder) = store(&[100, 101, 103, 103, 200, 205]);
    let replay = Replay { speed: Speed::Times(10.0), ..Replay::default() };
    let began = Instant::now();
    let serving = Serving::begin(store, replay, 0, 10);
    let mut messages = stream(&serving, GetFlowsRequest { since: Some(Timestamp::default()), ..FOLLOW() });
    let all = came(&mut messages, 6, began).await;
    assert_eq!(
        all.iter().map(|(uuid, ..)| uuid.as_str()).collect::<Vec<_>>(),
        ["100", "101", "103", "103", "200", "205"]
    );
    assert!(is_in_time(&all, &[0, 100, 300, 300, 10_000, 10_500]), "{all:?}");
    // It stays open.
    assert!(tokio::time::timeout(Duration::from_hours(1), messages.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn silence_is_no_longer_than_it_may_be() {
    let (store, _folder) = store(&[100, 101, 1000, 1001]);
    let max_gap = Some(Duration::from_secs(2));
    let replay = Replay { speed: Speed::Times(1.0), max_gap, ..Replay::default() };
    let began = Instant::now();
    let serving = Serving::begin(store, replay, 0, 10);
    let mut messages = stream(&serving, GetFlowsRequest { since: Some(Timestamp::default()), ..FOLLOW() });
    let all = came(&mut messages, 4, began).await;
    assert!(is_in_time(&all, &[0, 1000, 3000, 4000]), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_still_to_come_is_not_told_before() {
    let (store, _folder) = store(&[100, 110, 120, 130]);
    let replay = Replay { speed: Speed::Times(1.0), ..Replay::default() };
    let began = Instant::now();
    let serving = Serving::begin(store, replay, 0, 10);
    tokio::time::sleep(Duration::from_secs(15)).await;
    let all = came(&mut stream(&serving, GetFlowsRequest::default()), 9, began).await;
    assert_eq!(all.iter().map(|(uuid, ..)| uuid.as_str()).collect::<Vec<_>>(), ["100", "110"]);
    let all = came(&mut stream(&serving, GetFlowsRequest { number: 1, ..FOLLOW() }), 2, began).await;
    assert_eq!(all.iter().map(|(uuid, ..)| uuid.as_str()).collect::<Vec<_>>(), ["110", "120"]);
    let all = came(&mut stream(&serving, FOLLOW()), 1, began).await;
    assert_eq!(all.iter().map(|(uuid, ..)| uuid.as_str()).collect::<Vec<_>>(), ["130"]);
    // What is followed until a time ends when something later has come.
    let until = Some(Timestamp { seconds: 115, nanos: 0 });
    let all = came(&mut stream(&serving, GetFlowsRequest { number: 9, until, ..FOLLOW() }), 9, began).await;
    assert_eq!(all.iter().map(|(uuid, ..)| uuid.as_str()).collect::<Vec<_>>(), ["100", "110"]);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_archive_goes_on_in_time_and_its_past_is_all_of_its_laps() {
    let (store, _folder) = store(&[100, 101, 102]);
    let replay = Replay { speed: Speed::Times(1.0), repeat: true, shift_to_now: true, ..Replay::default() };
    let began = Instant::now();
    let now = 1_000 * 1_000_000_000;
    let serving = Serving::begin(store, replay, now, 10);
    let mut messages = stream(&serving, GetFlowsRequest { number: 10, ..FOLLOW() });
    let all = came(&mut messages, 8, began).await;
    let times: Vec<_> = all.iter().map(|(uuid, time, _)| (uuid.as_str(), *time)).collect();
    let expected = [1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007].into_iter();
    let uuids = ["100", "101", "102"].into_iter().cycle();
    assert_eq!(times, uuids.zip(expected).collect::<Vec<_>>());
    assert!(is_in_time(&all, &[0, 1000, 2000, 3000, 4000, 5000, 6000, 7000]), "{all:?}");
    let last = came(&mut stream(&serving, GetFlowsRequest { number: 6, ..GetFlowsRequest::default() }), 9, began).await;
    assert_eq!(last.iter().map(|(_, time, _)| *time).collect::<Vec<_>>(), [1002, 1003, 1004, 1005, 1006, 1007]);
    let since = Some(Timestamp { seconds: 1005, nanos: 0 });
    let last = came(&mut stream(&serving, GetFlowsRequest { since, ..GetFlowsRequest::default() }), 9, began).await;
    assert_eq!(last.iter().map(|(_, time, _)| *time).collect::<Vec<_>>(), [1005, 1006, 1007]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_waits_long_goes_on_where_it_stopped() {
    let seconds: Vec<i64> = (0..20_000).collect();
    let (store, _folder) = store(&seconds);
    let serving = Serving::begin(store, Replay::default(), 0, 10);
    let began = Instant::now();
    let mut messages = stream(&serving, GetFlowsRequest::default());
    let mut all = Vec::new();
    while all.len() < seconds.len() {
        // Longer than a stream keeps its files open.
        tokio::time::sleep(3 * PATIENCE).await;
        all.extend(came(&mut messages, 2000, began).await);
    }
    assert!(all.iter().map(|(uuid, ..)| uuid.parse::<i64>().unwrap()).eq(seconds));
    assert!(messages.next().await.is_none());
}
