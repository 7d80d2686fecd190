//! `observer.Observer`.

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
use crate::wire::FlowsRequest;

/// The header by which clients know what they talk to.
const VERSION: &str = "hubble-server-version";

/// Answers requests of all connections.
#[derive(Clone, Debug)]
pub(crate) struct Service(pub(crate) Arc<Serving>);

impl Service {
    fn stream(&self, selection: Selection) -> Result<Response<Messages>, Status> {
        Ok(answer(flows::begin(&self.0, selection)?))
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
        self.stream(Selection::flows(request.into_inner())?)
    }

    async fn get_agent_events(&self, request: Request<GetAgentEventsRequest>) -> Result<Response<Messages>, Status> {
        let GetAgentEventsRequest { number, first, follow, since, until } = request.into_inner();
        self.stream(Selection::events(Envelope::AgentEvents, &Selectors { number, first, follow, since, until })?)
    }

    async fn get_debug_events(&self, request: Request<GetDebugEventsRequest>) -> Result<Response<Messages>, Status> {
        let GetDebugEventsRequest { number, first, follow, since, until } = request.into_inner();
        self.stream(Selection::events(Envelope::DebugEvents, &Selectors { number, first, follow, since, until })?)
    }

    async fn get_nodes(&self, _: Request<GetNodesRequest>) -> Result<Response<GetNodesResponse>, Status> {
        Ok(answer(GetNodesResponse { nodes: self.0.nodes() }))
    }

    async fn get_namespaces(
        &self,
        _: Request<GetNamespacesRequest>,
    ) -> Result<Response<GetNamespacesResponse>, Status> {
        let store = Arc::clone(&self.0.store);
        let found = spawn_blocking(move || namespaces(&store)).await;
        let found = found.map_err(|_| Status::internal("reading the archive stopped"))?;
        let namespaces = found.map_err(|error| Status::data_loss(error.to_string()))?;
        Ok(answer(GetNamespacesResponse { namespaces }))
    }

    async fn server_status(&self, _: Request<ServerStatusRequest>) -> Result<Response<ServerStatusResponse>, Status> {
        Ok(answer(self.0.status()))
    }
}
