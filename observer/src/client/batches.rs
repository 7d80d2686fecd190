//! A stream of events as batches.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use lookback_flow::oddities::Oddities;
use lookback_flow::protobuf::{Decoder, Envelope};
use lookback_flow::rows::Projection;
use prost::bytes::Bytes;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, sleep_until};
use tonic::{Status, Streaming};

use crate::Error;
use crate::address::Address;
use crate::wire::Raw;

/// Most rows of a batch.
const ROWS: usize = 8192;

/// Bytes of messages after which a batch is full.
const BYTES: usize = 4 << 20;

/// Chunks that wait to be decoded.
const WAITING: usize = 2;

/// How long a message may wait for others to share a batch with.
const PAUSE: Duration = Duration::from_millis(5);

/// Messages as they came, and why there are no more, if that is so.
struct Chunk {
    messages: Vec<Bytes>,
    failed: Option<Status>,
}

/// The batches of a stream, as they come. It waits for the next one; dropping it gives the stream up.
#[derive(Debug)]
pub struct Batches {
    /// Kept alive, for the client may be gone by now.
    _runtime: Arc<Runtime>,
    address: Address,
    call: &'static str,
    envelope: Envelope,
    chunks: Receiver<Chunk>,
    decoder: Decoder,
    failed: Option<Error>,
    rejected: u64,
}

impl Batches {
    pub(super) fn new(
        runtime: Arc<Runtime>,
        address: Address,
        call: &'static str,
        stream: Streaming<Raw>,
        envelope: Envelope,
        columns: &Projection,
    ) -> Self {
        let (sender, chunks) = channel(WAITING);
        runtime.spawn(receive(stream, sender));
        let decoder = Decoder::new(columns.clone());
        Self { _runtime: runtime, address, call, envelope, chunks, decoder, failed: None, rejected: 0 }
    }

    /// Messages that could not be decoded, or held no event that is known.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.rejected
    }

    /// What was not known, since the last call.
    #[must_use]
    pub fn oddities(&mut self) -> Oddities {
        self.decoder.oddities()
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(error) = self.failed.take() {
                self.chunks.close();
                return Some(Err(error));
            }
            let chunk = self.chunks.blocking_recv()?;
            for message in &chunk.messages {
                self.rejected += u64::from(self.decoder.message_of(self.envelope, message).is_err());
            }
            self.failed = chunk.failed.map(|status| Error::call(&self.address, self.call, &status));
            match self.decoder.finish() {
                Ok(batch) if batch.num_rows() == 0 => {}
                other => return Some(other.map_err(Error::from)),
            }
        }
    }
}

/// Takes messages off a stream, and hands them on when there are many, or no more just now.
async fn receive(mut stream: Streaming<Raw>, chunks: Sender<Chunk>) {
    let mut messages = Vec::new();
    let mut bytes = 0;
    let mut pause = std::pin::pin!(sleep_until(Instant::now()));
    loop {
        let next = tokio::select! {
            biased;
            next = stream.message() => Some(next),
            () = pause.as_mut(), if !messages.is_empty() => None,
            () = chunks.closed() => return,
        };
        let (is_over, failed) = match next {
            Some(Ok(Some(Raw(message)))) => {
                if messages.is_empty() {
                    pause.as_mut().reset(Instant::now() + PAUSE);
                }
                bytes += message.len();
                messages.push(message);
                if messages.len() < ROWS && bytes < BYTES {
                    continue;
                }
                (false, None)
            }
            Some(Ok(None)) => (true, None),
            Some(Err(status)) => (true, Some(status)),
            None => (false, None),
        };
        bytes = 0;
        let chunk = Chunk { messages: std::mem::take(&mut messages), failed };
        if chunks.send(chunk).await.is_err() || is_over {
            return;
        }
    }
}
