//! What is served besides events.

use lookback_flow::proto::observer::GetFlowsRequest;
use lookback_observer::server::{Config, Replay};
use tonic::transport::Endpoint;
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
    for service in ["", "observer.Observer"] {
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
    assert_eq!(replayed.server.status().shift_ns, -12_540 * 1_000_000_000);
    assert_eq!(START, at(0).seconds);
}
