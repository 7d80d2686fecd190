//! The streams that are open.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use tonic::Status;

/// A stream, as it is told of.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Where the client is; nowhere, if it came by a Unix socket.
    pub(crate) client: Option<SocketAddr>,
    pub(crate) call: &'static str,
    pub(crate) follow: bool,
    /// Messages that were handed to the connection.
    pub(crate) sent: AtomicU64,
    pub(crate) since: Instant,
}

/// All that are open, in the order of their opening, and how many may be.
#[derive(Debug)]
pub(crate) struct Streams {
    most: usize,
    open: Mutex<(u64, BTreeMap<u64, Arc<Stream>>)>,
}

/// A stream as long as it is open.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) stream: Arc<Stream>,
    number: u64,
    streams: Arc<Streams>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.streams.lock().1.remove(&self.number);
    }
}

impl Streams {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, open: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, Arc<Stream>>)> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more, if there may be.
    pub(crate) fn admit(self: &Arc<Self>, stream: Stream) -> Result<Admitted, Status> {
        let mut open = self.lock();
        if open.1.len() >= self.most {
            let most = self.most;
            return Err(Status::resource_exhausted(format!("{most} streams are open, which is as many as may be")));
        }
        let (stream, number) = (Arc::new(stream), open.0);
        open.0 += 1;
        open.1.insert(number, Arc::clone(&stream));
        Ok(Admitted { stream, number, streams: Arc::clone(self) })
    }

    pub(crate) fn open(&self) -> Vec<Arc<Stream>> {
        self.lock().1.values().cloned().collect()
    }
}
