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
mod peers;
mod plan;
mod rows;
mod selection;
mod service;
mod serving;
mod status;
mod store;

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
    /// The nodes that `peer.Peer` tells of.
    pub peers: Vec<Peering>,
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

/// Threads that read files, however many streams there are.
const READERS: usize = 4;

/// Where a server is, and who uses it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Status {
    /// The last moment of the archive that is past, nanoseconds since 1970; `None` if all is.
    pub position: Option<i64>,
    /// Added to the times that are served.
    pub shift_ns: i64,
    pub speed: Speed,
    /// Streams that are open.
    pub streams: usize,
}

/// A server that is running; dropping it stops it.
#[derive(Debug)]
pub struct Server {
    runtime: Option<Runtime>,
    serving: Arc<Serving>,
    addresses: Vec<Address>,
    tasks: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

impl Server {
    /// Listens, and serves from then on, on threads of its own.
    ///
    /// # Errors
    /// When an address or a certificate cannot be used.
    pub fn start(store: Store, config: &Config, now: i64) -> Result<Self, ServeError> {
        let bound = config.listen.iter().map(Listen::bind).collect::<Result<Vec<_>, _>>()?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(READERS)
            .thread_name("replay")
            .enable_all()
            .build()?;
        let entered = runtime.enter();
        let serving = Serving::begin(Arc::new(store), config.replay.clone(), now, config.limits.streams);
        let services = runtime.block_on(services(&serving, config))?;
        let (stop, stopped) = watch::channel(false);
        let (mut addresses, mut tasks) = (Vec::new(), Vec::new());
        for ((bound, address), listen) in bound.into_iter().zip(&config.listen) {
            let mut server = tonic::transport::Server::builder();
            if let Some(tls) = listen.tls()? {
                let certificate = |error: tonic::transport::Error| {
                    let why = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
                    ServeError::Certificate { address: address.clone(), why }
                };
                server = server.tls_config(tls).map_err(certificate)?;
            }
            let router = server.add_routes(services.clone());
            let mut stopped = stopped.clone();
            let stopped = async move {
                // Stopped, or gone.
                let _ = stopped.wait_for(|stop| *stop).await;
            };
            let failed = |error| ServeError::Listen { address: address.clone(), error };
            tasks.push(match bound {
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
            addresses.push(address);
        }
        drop(entered);
        Ok(Self { runtime: Some(runtime), serving, addresses, tasks, stop })
    }

    /// Where it listens, in the order of [`Config::listen`].
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    #[must_use]
    pub fn status(&self) -> Status {
        let past = *self.serving.past.borrow();
        Status {
            position: (past != selection::UNTIMED).then_some(past),
            shift_ns: self.serving.timeline.shift,
            speed: self.serving.replay.speed,
            streams: self.serving.streams(),
        }
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

/// All services.
async fn services(serving: &Arc<Serving>, config: &Config) -> Result<Routes, ServeError> {
    let observer = ObserverServer::new(service::Service(Arc::clone(serving)));
    let observer = observer.max_decoding_message_size(config.limits.request_bytes);
    let peers = PeerServer::new(peers::Peers(config.peers.clone().into()));
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("", tonic_health::ServingStatus::Serving).await;
    reporter.set_service_status("observer.Observer", tonic_health::ServingStatus::Serving).await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let broken = |error: tonic_reflection::server::Error| ServeError::Reflection(error.to_string());
    Ok(Routes::new(observer)
        .add_service(peers)
        .add_service(health)
        .add_service(reflection().build_v1().map_err(broken)?)
        // The one that Hubble's own clients and grpcurl have known longest.
        .add_service(reflection().build_v1alpha().map_err(broken)?))
}
