//! `observer.Observer`.

use std::net::SocketAddr;
use std::sync::Arc;

use lookback_flow::proto::observer::{
    GetAgentEventsRequest, GetDebugEventsRequest, GetNamespacesRequest, GetNamespacesResponse, GetNodesRequest,
    GetNodesResponse, ServerStatusRequest, ServerStatusResponse,
};
use lookback_flow::protobuf::Envelope;
use tokio::task::spawn_blocking;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status};

use super::flows::{self, Messages};
use super::selection::{Selection, Selectors};
use super::serving::Serving;
use super::status::namespaces;
use crate::proto::observer::observer_server::Observer;
use crate::proto::replay::replay_server::Replay;
use crate::proto::replay::{StatusRequest, StatusResponse};
use crate::wire::FlowsRequest;

/// The header by which clients know what they talk to.
const VERSION: &str = "hubble-server-version";

/// Answers requests of all connections.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) serving: Arc<Serving>,
    /// The node that it stands for; `None` where it is all of them, as a relay is.
    pub(crate) node: Option<Arc<str>>,
}

impl Service {
    fn stream(
        &self,
        call: &'static str,
        client: Option<SocketAddr>,
        selection: Selection,
    ) -> Result<Response<Messages>, Status> {
        Ok(answer(flows::begin(&self.serving, selection.of_node(self.node.as_ref()), call, client)?))
    }
}

fn answer<T>(message: T) -> Response<T> {
    let mut response = Response::new(message);
    response.metadata_mut().insert(VERSION, MetadataValue::from_static(env!("CARGO_PKG_VERSION")));
    response
}

#[tonic::async_trait]
impl Observer for Service {
    type GetFlowsStream = Messages;
    type GetAgentEventsStream = Messages;
    type GetDebugEventsStream = Messages;

    async fn get_flows(&self, request: Request<FlowsRequest>) -> Result<Response<Messages>, Status> {
        let client = request.remote_addr();
        self.stream("GetFlows", client, Selection::flows(request.into_inner())?)
    }

    async fn get_agent_events(&self, request: Request<GetAgentEventsRequest>) -> Result<Response<Messages>, Status> {
        let client = request.remote_addr();
        let GetAgentEventsRequest { number, first, follow, since, until } = request.into_inner();
        let selectors = Selectors { number, first, follow, since, until };
        self.stream("GetAgentEvents", client, Selection::events(Envelope::AgentEvents, &selectors)?)
    }

    async fn get_debug_events(&self, request: Request<GetDebugEventsRequest>) -> Result<Response<Messages>, Status> {
        let client = request.remote_addr();
        let GetDebugEventsRequest { number, first, follow, since, until } = request.into_inner();
        let selectors = Selectors { number, first, follow, since, until };
        self.stream("GetDebugEvents", client, Selection::events(Envelope::DebugEvents, &selectors)?)
    }

    async fn get_nodes(&self, _: Request<GetNodesRequest>) -> Result<Response<GetNodesResponse>, Status> {
        if self.node.is_some() {
            // Agents know of themselves alone, and say so.
            return Err(Status::unimplemented("GetNodes is for relays"));
        }
        Ok(answer(GetNodesResponse { nodes: self.serving.nodes() }))
    }

    async fn get_namespaces(
        &self,
        _: Request<GetNamespacesRequest>,
    ) -> Result<Response<GetNamespacesResponse>, Status> {
        let store = Arc::clone(&self.serving.store);
        let found = spawn_blocking(move || namespaces(&store)).await;
        let found = found.map_err(|_| Status::internal("reading the archive stopped"))?;
        let namespaces = found.map_err(|error| Status::data_loss(error.to_string()))?;
        Ok(answer(GetNamespacesResponse { namespaces }))
    }

    async fn server_status(&self, _: Request<ServerStatusRequest>) -> Result<Response<ServerStatusResponse>, Status> {
        Ok(answer(self.serving.status(self.node.as_deref())))
    }
}

#[tonic::async_trait]
impl Replay for Service {
    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        Ok(answer(self.serving.replay_status()))
    }
}
