//! The client against a server that answers as it is told to.

use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::thread;

use lookback_flow::json::encode_lines;
use lookback_flow::proto::flow::{AgentEvent, Flow};
use lookback_flow::proto::observer::{
    GetAgentEventsResponse, GetFlowsResponse, GetNamespacesResponse, GetNodesResponse, get_flows_response,
};
use prost::bytes::Bytes;
use tokio_stream::{Stream, StreamExt as _};
use tonic::Request;
use tonic::transport::Server;

use super::*;
use crate::proto::observer::observer_server::{Observer, ObserverServer};

type Answers = Pin<Box<dyn Stream<Item = Result<Raw, Status>> + Send>>;

/// Sends two flows and something that is none, and then nothing, without an end; fails when asked for the first ones.
struct Fake;

fn raw(message: &impl prost::Message) -> Raw {
    Raw(message.encode_to_vec().into())
}

#[tonic::async_trait]
impl Observer for Fake {
    type GetFlowsStream = Answers;
    type GetAgentEventsStream = Answers;
    type GetDebugEventsStream = Answers;

    async fn get_flows(&self, request: Request<FlowsRequest>) -> Result<Response<Answers>, Status> {
        let flow = |uuid: &str| {
            let flow = Flow { uuid: uuid.to_owned(), ..Flow::default() };
            let response_types = Some(get_flows_response::ResponseTypes::Flow(flow));
            Ok(raw(&GetFlowsResponse { response_types, node_name: "n".to_owned(), time: None }))
        };
        let end = if request.into_inner().request.first { vec![Err(Status::internal("broke off"))] } else { vec![] };
        let bad = Ok(Raw(Bytes::from_static(b"\xff\xff")));
        let flows = tokio_stream::iter([flow("a"), bad, flow("b")].into_iter().chain(end));
        Ok(Response::new(Box::pin(flows.chain(tokio_stream::pending()))))
    }

    async fn get_agent_events(&self, _: Request<GetAgentEventsRequest>) -> Result<Response<Answers>, Status> {
        let agent_event = Some(AgentEvent { r#type: 2, notification: None });
        let event = raw(&GetAgentEventsResponse { agent_event, node_name: "n".to_owned(), time: None });
        Ok(Response::new(Box::pin(tokio_stream::iter([Ok(event)]))))
    }

    async fn get_debug_events(&self, _: Request<GetDebugEventsRequest>) -> Result<Response<Answers>, Status> {
        Err(Status::invalid_argument("first cannot be specified with follow"))
    }

    async fn get_nodes(&self, _: Request<GetNodesRequest>) -> Result<Response<GetNodesResponse>, Status> {
        Err(Status::unimplemented("GetNodes not implemented"))
    }

    async fn get_namespaces(
        &self,
        _: Request<GetNamespacesRequest>,
    ) -> Result<Response<GetNamespacesResponse>, Status> {
        std::future::pending().await
    }

    async fn server_status(&self, _: Request<ServerStatusRequest>) -> Result<Response<ServerStatusResponse>, Status> {
        Ok(Response::new(ServerStatusResponse { num_flows: 7, ..ServerStatusResponse::default() }))
    }
}

fn address(address: SocketAddr, tls: bool) -> Address {
    Address::Tcp { authority: address.to_string(), tls }
}

fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
            Server::builder().add_service(ObserverServer::new(Fake)).serve_with_incoming(incoming).await.unwrap();
        });
    });
    at
}

fn lines(batch: &arrow::array::RecordBatch) -> String {
    let mut lines = String::new();
    encode_lines(batch, &mut lines).unwrap();
    lines
}

#[test]
fn a_stream_that_pauses_gives_what_has_come() {
    let client = Client::connect(&address(serve(), false), &Options::default()).unwrap();
    assert_eq!(client.server_status().unwrap().num_flows, 7);
    let mut batches = client.flows(GetFlowsRequest::default(), &Projection::all()).unwrap();
    drop(client);
    let batch = batches.next().unwrap().unwrap();
    assert_eq!(
        lines(&batch),
        "{\"flow\":{\"uuid\":\"a\"},\"node_name\":\"n\"}\n{\"flow\":{\"uuid\":\"b\"},\"node_name\":\"n\"}\n"
    );
    assert_eq!(batches.rejected(), 1);
}

#[test]
fn a_stream_that_breaks_off_gives_what_came_before() {
    let client = Client::connect(&address(serve(), false), &Options::default()).unwrap();
    let request = GetFlowsRequest { first: true, ..GetFlowsRequest::default() };
    let mut batches = client.flows(request, &Projection::all()).unwrap();
    assert_eq!(batches.next().unwrap().unwrap().num_rows(), 2);
    let error = batches.next().unwrap().unwrap_err().to_string();
    assert!(error.ends_with("GetFlows: broke off"), "{error}");
    assert!(batches.next().is_none());
}

#[test]
fn agent_events_are_rows_of_their_kind() {
    let client = Client::connect(&address(serve(), false), &Options::default()).unwrap();
    let mut batches = client.agent_events(GetAgentEventsRequest::default(), &Projection::all()).unwrap();
    let batch = batches.next().unwrap().unwrap();
    assert_eq!(lines(&batch), "{\"agent_event\":{\"type\":\"AGENT_STARTED\"},\"node_name\":\"n\"}\n");
    assert!(batches.next().is_none());
}

#[test]
fn errors_say_what_to_do() {
    let at = serve();
    let options = Options { request_timeout: Duration::from_millis(50), ..Options::default() };
    let impatient = Client::connect(&address(at, false), &options).unwrap();
    let client = Client::connect(&address(at, false), &Options::default()).unwrap();
    let says = |error: Error, what: &str| assert!(error.to_string().contains(what), "{error}");
    says(client.nodes().unwrap_err(), "GetNodes: the server does not offer this");
    says(impatient.namespaces().unwrap_err(), "GetNamespaces: no answer in time");
    let refused = client.debug_events(GetDebugEventsRequest::default(), &Projection::all());
    says(refused.unwrap_err(), "first cannot be specified with follow");
    says(Client::connect(&address(at, true), &Options::default()).unwrap_err(), "does not speak TLS");

    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    says(Client::connect(&address(gone, false), &options).unwrap_err(), "connection refused");
    says(Client::connect(&Address::Unix("/nowhere".into()), &options).unwrap_err(), "no such socket");

    // It takes connections, and says nothing.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let options = Options { connect_timeout: Duration::from_millis(50), ..Options::default() };
    says(Client::connect(&address(mute.local_addr().unwrap(), true), &options).unwrap_err(), "no connection within");
}
