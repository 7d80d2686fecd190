//! An archive behind Hubble's API, as an agent or a relay would serve it.
//!
//! Promises:
//! 1. What comes out is what went in, field by field, in one order: that of time.
//! 2. Nothing is decoded that is not sent or asked about, and nothing is built but the bytes that are sent.
//! 3. It reads only. It listens at this machine alone, unless it is told how to keep others out, or that it need not.

mod clock;
mod flows;
mod last;
mod listen;
mod merge;
mod nodes;
mod peers;
mod plan;
mod rows;
mod selection;
mod service;
mod serving;
mod status;
mod store;
mod streams;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use lookback_flow::proto::DESCRIPTORS;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tonic::service::Routes;

use crate::address::Address;
use crate::proto::observer::observer_server::ObserverServer;
use crate::proto::peer::peer_server::PeerServer;
pub use crate::proto::replay::StatusResponse;
use crate::proto::replay::{self, replay_server::ReplayServer};
pub use clock::{Replay, Speed};
use listen::Bound;
pub use listen::{Listen, Tls};
pub use peers::Peering;
use serving::Serving;
pub use store::{Store, StoreError};

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("cannot listen at {address}: {error}")]
    Listen { address: Address, error: io::Error },
    #[error("{0}: a Unix socket has no TLS; its file's permissions say who may connect")]
    UnixTls(Address),
    #[error("{0}: TLS wants a certificate and a key")]
    NoCertificate(Address),
    #[error(
        "{0}: others than this machine could read all flows there; give a certificate and a key, or say that it is to be insecure"
    )]
    Open(Address),
    #[error("{0}: there are more nodes than ports behind it; listen at a lower one")]
    NoPort(Address),
    #[error("{path}: {error}", path = path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("{address}: certificate or key: {why}")]
    Certificate { address: Address, why: String },
    #[error("reflection: {0}")]
    Reflection(String),
    #[error("no thread to serve with: {0}")]
    Runtime(#[from] io::Error),
}

/// How an archive is served.
#[derive(Clone, Debug, Default)]
pub struct Config {
    pub listen: Vec<Listen>,
    pub replay: Replay,
    pub limits: Limits,
    /// Serve each node at an address of its own, and tell of them as peers.
    pub nodes: Option<Nodes>,
}

/// How nodes are served at addresses of their own, which are those behind the first one that is listened at: the next ports, or the
/// same path with a number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nodes {
    /// The host that peers are told instead of the one that is listened at.
    pub advertise: Option<String>,
}

/// What clients may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Streams that are open at once.
    pub streams: usize,
    /// Bytes of a request.
    pub request_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { streams: 1024, request_bytes: 1 << 20 }
    }
}

/// The names by which clients ask whether a server is well: `hubble status` has one that is no service.
const HEALTHY: [&str; 3] = ["", "observer.Observer", "hubble.server.Observer"];

/// Threads that read files, however many streams there are.
const READERS: usize = 4;

/// A server that is running; dropping it stops it.
#[derive(Debug)]
pub struct Server {
    runtime: Option<Runtime>,
    serving: Arc<Serving>,
    addresses: Vec<Address>,
    peers: Vec<Peering>,
    tasks: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

impl Server {
    /// Listens, and serves from then on, on threads of its own.
    ///
    /// # Errors
    /// When an address or a certificate cannot be used.
    pub fn start(store: Store, config: &Config, now: i64) -> Result<Self, ServeError> {
        let mut bound = Vec::new();
        for listen in &config.listen {
            let (listening, address) = listen.bind()?;
            bound.push(Place { listening, address, listen: listen.clone(), node: None });
        }
        let addresses = bound.iter().map(|place| place.address.clone()).collect();
        let mut peers = Vec::new();
        if let (Some(nodes), Some(first)) = (&config.nodes, bound.first()) {
            let places = nodes::places(nodes, &first.address, &first.listen, &store)?;
            peers.extend(places.iter().map(|(_, peering)| peering.clone()));
            bound.extend(places.into_iter().map(|(place, _)| place));
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(READERS)
            .thread_name("replay")
            .enable_all()
            .build()?;
        let entered = runtime.enter();
        let serving = Serving::begin(Arc::new(store), config.replay.clone(), now, config.limits.streams);
        let (stop, stopped) = watch::channel(false);
        let mut tasks = Vec::new();
        for Place { listening, address, listen, node } in bound {
            let told: &[Peering] = if node.is_none() { &peers } else { &[] };
            let services = runtime.block_on(services(&serving, node, told, &config.limits))?;
            let mut server = tonic::transport::Server::builder();
            if let Some(tls) = listen.tls()? {
                let certificate = |error: tonic::transport::Error| {
                    let why = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
                    ServeError::Certificate { address: address.clone(), why }
                };
                server = server.tls_config(tls).map_err(certificate)?;
            }
            let router = server.add_routes(services);
            let mut stopped = stopped.clone();
            let stopped = async move {
                // Stopped, or gone.
                let _ = stopped.wait_for(|stop| *stop).await;
            };
            let failed = |error| ServeError::Listen { address: address.clone(), error };
            tasks.push(match listening {
                Bound::Tcp(listener) => {
                    let incoming = TcpListenerStream::new(tokio::net::TcpListener::from_std(listener).map_err(failed)?);
                    runtime.spawn(async move {
                        // Errors of a connection end that connection alone.
                        let _ = router.serve_with_incoming_shutdown(incoming, stopped).await;
                    })
                }
                Bound::Unix(listener, socket) => {
                    let listener = tokio::net::UnixListener::from_std(listener).map_err(failed)?;
                    let incoming = UnixListenerStream::new(listener);
                    runtime.spawn(async move {
                        let _socket = socket;
                        let _ = router.serve_with_incoming_shutdown(incoming, stopped).await;
                    })
                }
            });
        }
        drop(entered);
        Ok(Self { runtime: Some(runtime), serving, addresses, peers, tasks, stop })
    }

    /// Where it listens, in the order of [`Config::listen`].
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The nodes that are served at addresses of their own.
    #[must_use]
    pub fn peers(&self) -> &[Peering] {
        &self.peers
    }

    /// Where the replay is, and who reads it.
    #[must_use]
    pub fn status(&self) -> StatusResponse {
        self.serving.replay_status()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.tasks.iter().for_each(JoinHandle::abort);
        if let Some(runtime) = self.runtime.take() {
            // Not waited for: a followed stream has no end.
            runtime.shutdown_background();
        }
    }
}

/// Where something is served, and what.
struct Place {
    listening: Bound,
    address: Address,
    listen: Listen,
    /// One node's events; all, if there is none.
    node: Option<Arc<str>>,
}

/// All services.
async fn services(
    serving: &Arc<Serving>,
    node: Option<Arc<str>>,
    peers: &[Peering],
    limits: &Limits,
) -> Result<Routes, ServeError> {
    let service = service::Service { serving: Arc::clone(serving), node };
    let observer = ObserverServer::new(service.clone()).max_decoding_message_size(limits.request_bytes);
    let peers = PeerServer::new(peers::Peers(peers.into()));
    let (reporter, health) = tonic_health::server::health_reporter();
    for name in HEALTHY {
        reporter.set_service_status(name, tonic_health::ServingStatus::Serving).await;
    }
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(replay::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let broken = |error: tonic_reflection::server::Error| ServeError::Reflection(error.to_string());
    Ok(Routes::new(observer)
        .add_service(peers)
        .add_service(ReplayServer::new(service))
        .add_service(health)
        .add_service(reflection().build_v1().map_err(broken)?)
        // The one that Hubble's own clients and grpcurl have known longest.
        .add_service(reflection().build_v1alpha().map_err(broken)?))
}
