//! Events of a server, a relay or an agent, as batches.
//!
//! Promises:
//! 1. It is called from threads that know nothing of async: a thread of its own talks to the server.
//! 2. A message's bytes are decoded straight into columns. One that cannot be decoded is counted, and passed over.
//! 3. When a stream pauses, what has come of it is handed on at once; memory is bounded however fast it comes.
//! 4. A stream whose batches nobody takes any more is given up.

mod batches;
mod trust;

use std::fs;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lookback_flow::proto::observer::{
    GetAgentEventsRequest, GetDebugEventsRequest, GetFlowsRequest, GetNamespacesRequest, GetNodesRequest, Namespace,
    Node, ServerStatusRequest, ServerStatusResponse,
};
use lookback_flow::protobuf::Envelope;
use lookback_flow::rows::Projection;
use tokio::runtime::{Builder, Runtime};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Response, Status, Streaming};

use crate::Error;
use crate::address::Address;
use crate::proto::observer::observer_client::ObserverClient;
use crate::proto::replay::StatusRequest;
use crate::proto::replay::replay_client::ReplayClient;
pub use crate::proto::replay::{StatusResponse, Stream};
use crate::wire::{FlowsRequest, Raw};
pub use batches::Batches;

/// How a connection is secured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Use TLS though the address does not say `tls://`; any of the others says so, too.
    pub on: bool,
    /// PEM files of the authorities to trust; none: those that the system trusts.
    pub ca_files: Vec<PathBuf>,
    /// PEM files of the client's certificate and key.
    pub client: Option<(PathBuf, PathBuf)>,
    /// The name in the server's certificate, where it is not that of the address.
    pub server_name: Option<String>,
    /// Trust any certificate: the connection is encrypted, but to whom is not known.
    pub allow_insecure: bool,
}

impl Tls {
    fn is_on(&self) -> bool {
        *self != Self::default()
    }
}

/// How to reach a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    pub tls: Tls,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for an answer that is not a stream.
    pub request_timeout: Duration,
}

impl Default for Options {
    /// As the hubble CLI has it: no TLS, 5 and 12 seconds.
    fn default() -> Self {
        Self { tls: Tls::default(), connect_timeout: Duration::from_secs(5), request_timeout: Duration::from_secs(12) }
    }
}

/// Largest message that is read: one flow with very long lists; the hubble CLI stops at a quarter of it.
const MAX_MESSAGE: usize = 16 << 20;

/// A connection to a server.
#[derive(Debug)]
pub struct Client {
    address: Address,
    request_timeout: Duration,
    runtime: Arc<Runtime>,
    channel: Channel,
    observer: ObserverClient<Channel>,
}

impl Client {
    /// Connects, and waits until that is done.
    ///
    /// # Errors
    /// When a file of the options cannot be read, or there is no connection.
    pub fn connect(address: &Address, options: &Options) -> Result<Self, Error> {
        let endpoint = endpoint(address, options)?;
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().thread_name("hubble").build()?;
        let channel = runtime.block_on(async {
            let connecting = tokio::time::timeout(options.connect_timeout, endpoint.connect()).await;
            let connected = connecting.map_err(|_| Error::timeout(address, options.connect_timeout))?;
            connected.map_err(|error| Error::connect(address, &error))
        })?;
        Ok(Self {
            address: address.clone(),
            request_timeout: options.request_timeout,
            runtime: Arc::new(runtime),
            observer: ObserverClient::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE),
            channel,
        })
    }

    /// Flows, lost events and states of nodes, as rows of these columns.
    ///
    /// # Errors
    /// When the server refuses the request.
    pub fn flows(&self, request: GetFlowsRequest, columns: &Projection) -> Result<Batches, Error> {
        let mut observer = self.observer.clone();
        let request = FlowsRequest { request, old_mask: None };
        self.stream("GetFlows", Envelope::Flows, columns, async move { observer.get_flows(request).await })
    }

    /// Takes events and does not look at them; `each` is told how many bytes one has. For who measures a server.
    ///
    /// # Errors
    /// When the server refuses the request, or breaks off.
    pub fn drain_flows(&self, request: GetFlowsRequest, mut each: impl FnMut(usize)) -> Result<(), Error> {
        let mut observer = self.observer.clone();
        let failed = |status: Status| Error::call(&self.address, "GetFlows", &status);
        self.runtime.block_on(async {
            let request = FlowsRequest { request, old_mask: None };
            let mut stream = observer.get_flows(request).await.map_err(&failed)?.into_inner();
            while let Some(Raw(message)) = stream.message().await.map_err(&failed)? {
                each(message.len());
            }
            Ok(())
        })
    }

    /// # Errors
    /// When the server refuses the request.
    pub fn agent_events(&self, request: GetAgentEventsRequest, columns: &Projection) -> Result<Batches, Error> {
        let mut observer = self.observer.clone();
        let call = async move { observer.get_agent_events(request).await };
        self.stream("GetAgentEvents", Envelope::AgentEvents, columns, call)
    }

    /// # Errors
    /// When the server refuses the request.
    pub fn debug_events(&self, request: GetDebugEventsRequest, columns: &Projection) -> Result<Batches, Error> {
        let mut observer = self.observer.clone();
        let call = async move { observer.get_debug_events(request).await };
        self.stream("GetDebugEvents", Envelope::DebugEvents, columns, call)
    }

    /// # Errors
    /// When the server does not answer.
    pub fn server_status(&self) -> Result<ServerStatusResponse, Error> {
        let mut observer = self.observer.clone();
        self.answer("ServerStatus", async move { observer.server_status(ServerStatusRequest {}).await })
    }

    /// What a replay tells of itself.
    ///
    /// # Errors
    /// When the server does not answer, or is no replay.
    pub fn replay_status(&self) -> Result<StatusResponse, Error> {
        let mut replay = ReplayClient::new(self.channel.clone());
        self.answer("Replay.Status", async move { replay.status(StatusRequest {}).await })
    }

    /// The nodes that the server knows; a Hubble agent knows none, and says that it does not offer this.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn nodes(&self) -> Result<Vec<Node>, Error> {
        let mut observer = self.observer.clone();
        Ok(self.answer("GetNodes", async move { observer.get_nodes(GetNodesRequest {}).await })?.nodes)
    }

    /// # Errors
    /// When the server does not answer.
    pub fn namespaces(&self) -> Result<Vec<Namespace>, Error> {
        let mut observer = self.observer.clone();
        let call = async move { observer.get_namespaces(GetNamespacesRequest {}).await };
        Ok(self.answer("GetNamespaces", call)?.namespaces)
    }

    fn answer<T>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Error> {
        let answered = self.runtime.block_on(async { tokio::time::timeout(self.request_timeout, call).await });
        let answered = answered.unwrap_or_else(|_| Err(Status::deadline_exceeded("")));
        Ok(answered.map_err(|status| Error::call(&self.address, name, &status))?.into_inner())
    }

    fn stream(
        &self,
        name: &'static str,
        envelope: Envelope,
        columns: &Projection,
        call: impl Future<Output = Result<Response<Streaming<Raw>>, Status>>,
    ) -> Result<Batches, Error> {
        // Not within a time: a server may look through much before it has the first flow.
        let stream = self.runtime.block_on(call).map_err(|status| Error::call(&self.address, name, &status))?;
        let (runtime, address) = (Arc::clone(&self.runtime), self.address.clone());
        Ok(Batches::new(runtime, address, name, stream.into_inner(), envelope, columns))
    }
}

fn endpoint(address: &Address, options: &Options) -> Result<Endpoint, Error> {
    let tls = &options.tls;
    let bad = |why: &str| Error::Address { address: address.to_string(), why: why.to_owned() };
    let broken = |error: tonic::transport::Error| Error::connect(address, &error);
    let (uri, secured) = match address {
        Address::Tcp { authority, tls: named } => {
            let secured = *named || tls.is_on();
            (format!("{}://{authority}", if secured { "https" } else { "http" }), secured)
        }
        Address::Unix(_) if tls.is_on() => return Err(bad("there is no TLS over a Unix socket")),
        Address::Unix(_) => (address.to_string(), false),
    };
    // Windows as large as a batch: one round trip for each would be the pace. That nobody is there any more is found out by the
    // system: a server of Hubble takes pings of HTTP/2 for an attack.
    let endpoint = Endpoint::from_shared(uri).map_err(broken)?.tcp_keepalive(Some(Duration::from_secs(30)));
    let endpoint = endpoint.initial_stream_window_size(4 << 20).initial_connection_window_size(8 << 20);
    if !secured {
        return Ok(endpoint);
    }
    let mut config = ClientTlsConfig::new();
    if let Some(name) = &tls.server_name {
        config = config.domain_name(name);
    }
    if let Some((certificate, key)) = &tls.client {
        config = config.identity(Identity::from_pem(read(certificate)?, read(key)?));
    }
    if tls.allow_insecure {
        return endpoint.tls_config_with_verifier(config, trust::anybody()).map_err(broken);
    }
    for path in &tls.ca_files {
        config = config.ca_certificate(Certificate::from_pem(read(path)?));
    }
    if tls.ca_files.is_empty() {
        config = config.with_native_roots();
    }
    endpoint.tls_config(config).map_err(broken)
}

fn read(path: &PathBuf) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(Error::file(path))
}

#[cfg(test)]
mod tests;
