//! What is served besides events.

use lookback_flow::proto::observer::{GetFlowsRequest, GetFlowsResponse};
use lookback_flow::proto::peer::{ChangeNotification, NotifyRequest};
use std::collections::HashSet;

use lookback_flow::columns::ColumnId;
use lookback_flow::proto::flow::FlowFilter;
use lookback_flow::rows::Projection;
use lookback_flow::view::View;
use lookback_observer::client::{Client, Options};
use lookback_observer::server::{Config, Nodes, Replay};
use prost::Message;
use prost_types::FieldMask;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::support::{Replayed, START, at, log, serve};

fn channel(replayed: &Replayed) -> Endpoint {
    Endpoint::from_shared(format!("http://{}", replayed.address())).unwrap()
}

#[test]
fn status_nodes_and_namespaces_are_those_of_the_archive() {
    let replayed = serve(&log(), Config::default());
    let client = replayed.client();
    let status = client.server_status().unwrap();
    assert_eq!((status.seen_flows, status.num_flows), (840, 864));
    assert_eq!((status.num_connected_nodes, status.num_unavailable_nodes), (Some(2), Some(0)));
    assert!(status.version.starts_with("lookback-") && status.flows_rate > 0.0);
    let nodes: Vec<_> =
        client.nodes().unwrap().into_iter().map(|node| (node.name, node.state, node.num_flows)).collect();
    assert_eq!(nodes, [("node-a".to_owned(), 1, 432), ("node-b".to_owned(), 1, 432)]);
    let namespaces: Vec<_> = client.namespaces().unwrap().into_iter().map(|one| (one.cluster, one.namespace)).collect();
    assert_eq!(namespaces, [(String::new(), "db".to_owned()), (String::new(), "shop".to_owned())]);
}

#[tokio::test]
async fn health_is_told_of_the_server_and_of_observer() {
    let replayed = tokio::task::spawn_blocking(|| serve(&log(), Config::default())).await.unwrap();
    let mut health = HealthClient::new(channel(&replayed).connect().await.unwrap());
    for service in ["", "observer.Observer", "hubble.server.Observer"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        assert_eq!(health.check(request).await.unwrap().into_inner().status, 1, "{service:?}");
    }
    assert!(health.check(HealthCheckRequest { service: "nobody".to_owned() }).await.is_err());
    tokio::task::spawn_blocking(|| drop(replayed)).await.unwrap();
}

#[tokio::test]
async fn reflection_names_every_service_and_knows_their_messages() {
    let replayed = tokio::task::spawn_blocking(|| serve(&log(), Config::default())).await.unwrap();
    let mut reflection = ServerReflectionClient::new(channel(&replayed).connect().await.unwrap());
    let ask = |request| ServerReflectionRequest { host: String::new(), message_request: Some(request) };
    let asked = [
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol("observer.GetFlowsRequest".to_owned())),
    ];
    let mut answers = reflection.server_reflection_info(tokio_stream::iter(asked)).await.unwrap().into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) = answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("no list")
    };
    let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    for name in ["observer.Observer", "peer.Peer", "grpc.health.v1.Health"] {
        assert!(names.iter().any(|known| known == name), "{name} is not in {names:?}");
    }
    let file = answers.message().await.unwrap().unwrap().message_response;
    assert!(
        matches!(file, Some(MessageResponse::FileDescriptorResponse(file)) if !file.file_descriptor_proto.is_empty())
    );
    tokio::task::spawn_blocking(|| drop(replayed)).await.unwrap();
}

/// Asks as any other program's client would.
async fn ask<A: Message + 'static, B: Message + Default + 'static>(
    channel: Channel,
    path: &'static str,
    request: A,
) -> Result<Response<Streaming<B>>, Status> {
    let mut client = Grpc::new(channel);
    client.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<A, B>::default();
    client.server_streaming(Request::new(request), PathAndQuery::from_static(path), codec).await
}

#[tokio::test]
async fn nodes_are_peers_that_serve_what_they_observed() {
    let config = Config { nodes: Some(Nodes::default()), ..Config::default() };
    let replayed = tokio::task::spawn_blocking(|| serve(&log(), config)).await.unwrap();
    let channel = channel(&replayed).connect().await.unwrap();
    let answer = ask::<_, ChangeNotification>(channel, "/peer.Peer/Notify", NotifyRequest {}).await.unwrap();
    let mut told = answer.into_inner();
    let peers = [told.message().await.unwrap().unwrap(), told.message().await.unwrap().unwrap()];
    assert!(tokio::time::timeout(std::time::Duration::from_millis(50), told.message()).await.is_err());
    let is_listed = |peer: &ChangeNotification| {
        replayed.server.peers().iter().any(|listed| (&listed.name, &listed.address) == (&peer.name, &peer.address))
    };
    assert!(peers.iter().all(is_listed));
    let checked = tokio::task::spawn_blocking(move || {
        let whole = replayed.client();
        let columns = Projection::of(["node_name", "kind"]);
        let count = |client: &Client, request: GetFlowsRequest| -> (usize, usize) {
            let batches: Vec<_> = client.flows(request, &columns).unwrap().map(Result::unwrap).collect();
            let view = |batch: &_| {
                let view = View::new(batch).unwrap();
                let node = |row| view.text(ColumnId::of("node_name").unwrap(), row).map(str::to_owned);
                (0..batch.num_rows()).map(node).collect::<Vec<_>>()
            };
            let nodes: Vec<_> = batches.iter().flat_map(view).collect();
            (nodes.len(), nodes.iter().collect::<HashSet<_>>().len())
        };
        let all = count(&whole, GetFlowsRequest::default()).0;
        let mut sum = 0;
        for peer in &peers {
            assert_eq!((peer.r#type, &peer.tls), (1, &None));
            let client = Client::connect(&peer.address.parse().unwrap(), &Options::default()).unwrap();
            let (events, nodes) = count(&client, GetFlowsRequest::default());
            assert_eq!(nodes, 1, "{peer:?}");
            let status = client.server_status().unwrap();
            assert_eq!((status.num_flows, status.num_connected_nodes), (432, None));
            assert!(client.nodes().is_err(), "an agent knows no other nodes");
            let dropped = FlowFilter { verdict: vec![2], ..FlowFilter::default() };
            let some = count(&client, GetFlowsRequest { whitelist: vec![dropped], ..GetFlowsRequest::default() });
            assert!(some.0 < events && some.1 == 1);
            let last = count(&client, GetFlowsRequest { number: 3, ..GetFlowsRequest::default() });
            assert!(last.0 >= 3 && last.1 == 1);
            sum += events;
        }
        assert_eq!(sum, all);
        let status = whole.replay_status().unwrap();
        assert_eq!((status.speed, status.position), (0.0, None));
        assert!(status.first.unwrap().seconds < status.last.unwrap().seconds);
    });
    checked.await.unwrap();
}

/// A request of clients before 1.19.
#[derive(Clone, PartialEq, Message)]
struct OldRequest {
    #[prost(uint64, tag = "1")]
    number: u64,
    #[prost(bool, tag = "9")]
    first: bool,
    #[prost(message, optional, tag = "999")]
    experimental: Option<Experimental>,
}

#[derive(Clone, PartialEq, Message)]
struct Experimental {
    #[prost(message, optional, tag = "1")]
    field_mask: Option<FieldMask>,
}

#[tokio::test]
async fn an_old_client_has_its_mask_and_every_client_the_version() {
    let replayed = tokio::task::spawn_blocking(|| serve(&log(), Config::default())).await.unwrap();
    let channel = channel(&replayed).connect().await.unwrap();
    let field_mask = Some(FieldMask { paths: vec!["uuid".to_owned()] });
    let request = OldRequest { number: 1, first: true, experimental: Some(Experimental { field_mask }) };
    let answer = ask::<_, GetFlowsResponse>(channel, "/observer.Observer/GetFlows", request).await.unwrap();
    assert_eq!(answer.metadata().get("hubble-server-version").unwrap(), env!("CARGO_PKG_VERSION"));
    let flow = answer.into_inner().message().await.unwrap().unwrap();
    assert_eq!((flow.node_name.as_str(), flow.time), ("node-a", Some(at(0))));
    let Some(lookback_flow::proto::observer::get_flows_response::ResponseTypes::Flow(flow)) = flow.response_types
    else {
        panic!("no flow")
    };
    assert_eq!((flow.uuid.as_str(), flow.source, flow.time), ("node-a-0-0", None, None));
    tokio::task::spawn_blocking(|| drop(replayed)).await.unwrap();
}

#[test]
fn a_file_that_breaks_is_told_and_the_others_are_served() {
    let replayed = serve(&log(), Config::default());
    let file = replayed.files().into_iter().find(|path| path.to_string_lossy().contains("hour=11")).unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    // All but the footer, which may be known by now.
    let footer = bytes.len() - 200_000.min(bytes.len() / 2);
    bytes[4..footer].fill(0xff);
    std::fs::write(&file, bytes).unwrap();
    let client = replayed.client();
    let broken = GetFlowsRequest { since: Some(at(3600)), until: Some(at(7199)), ..GetFlowsRequest::default() };
    let all = lookback_flow::rows::Projection::all();
    let errors = client.flows(broken, &all).unwrap().filter_map(Result::err).map(|error| error.to_string());
    let errors: Vec<_> = errors.collect();
    assert!(errors.len() == 1 && errors[0].contains("hour=11") && errors[0].contains(".parquet"), "{errors:?}");
    let whole = GetFlowsRequest { until: Some(at(3599)), ..GetFlowsRequest::default() };
    assert_eq!(replayed.lines(whole).len(), 242);
}

#[test]
fn an_archive_can_be_moved_so_that_its_end_is_now() {
    let replay = Replay { shift_to_now: true, ..Replay::default() };
    let replayed = serve(&log(), Config { replay, ..Config::default() });
    // Its last flow, of three hours and a half after the beginning, is of the beginning now.
    let last = replayed.lines(GetFlowsRequest { number: 1, ..GetFlowsRequest::default() });
    assert!(last[0].contains(r#""flow":{"time":"2026-03-01T10:00:00Z","uuid":"node-b-12540-1""#), "{last:?}");
    assert!(last[0].ends_with(r#""node_name":"node-b","time":"2026-03-01T10:00:00Z"}"#), "{last:?}");
    let since = GetFlowsRequest { since: Some(at(-60)), ..GetFlowsRequest::default() };
    assert_eq!(replayed.lines(since).len(), 8);
    assert_eq!(replayed.server.status().last.unwrap().seconds, at(0).seconds);
    assert_eq!(START, at(0).seconds);
}
