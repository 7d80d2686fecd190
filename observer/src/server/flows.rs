//! A stream of events, from files to a client.
//!
//! Promises:
//! 1. Files are read on threads of their own, a portion at a time, and only when there is room for it: memory is bounded, and
//!    whoever reads slowly waits for himself alone.
//! 2. A stream that waits for its client or its time for a while holds no file open. Of the others so many read at once as memory
//!    allows, by turns.
//! 3. A stream ends when its client is gone.

use std::net::SocketAddr;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use prost::bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};
use tokio_stream::Stream;
use tonic::Status;

use super::merge::{MESSAGES, Merge, Portion};
use super::plan::Plan;
use super::rows::{Encoded, Message};
use super::selection::Selection;
use super::serving::{Serving, Turn};
use super::store::StoreError;
use super::streams::{Admitted, Stream as Tracked};
use crate::wire::Raw;

/// How long a stream that waits keeps its files open.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// Messages, as a client takes them.
#[derive(Debug)]
pub(crate) struct Messages {
    portions: Receiver<Result<Sent, Status>>,
    portion: Sent,
}

/// Messages that are sent, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    bytes: Bytes,
    messages: std::vec::IntoIter<Range<usize>>,
}

impl Iterator for Sent {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        Some(self.bytes.slice(self.messages.next()?))
    }
}

impl Stream for Messages {
    type Item = Result<Raw, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(message) = self.portion.next() {
                return Poll::Ready(Some(Ok(Raw(message))));
            }
            match self.portions.poll_recv(context) {
                Poll::Ready(Some(Ok(portion))) => self.portion = portion,
                Poll::Ready(Some(Err(status))) => return Poll::Ready(Some(Err(status))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// Begins a stream, if there may be one more.
pub(crate) fn begin(
    serving: &Arc<Serving>,
    selection: Selection,
    call: &'static str,
    client: Option<SocketAddr>,
) -> Result<Messages, Status> {
    let (follow, since) = (selection.follow, Instant::now());
    let admitted = serving.streams.admit(Tracked { client, call, follow, sent: AtomicU64::new(0), since })?;
    let (sender, portions) = channel(1);
    tokio::spawn(run(Arc::clone(serving), Arc::new(selection), sender, admitted));
    Ok(Messages { portions, portion: Sent::default() })
}

async fn run(
    serving: Arc<Serving>,
    selection: Arc<Selection>,
    sender: Sender<Result<Sent, Status>>,
    admitted: Admitted,
) {
    let failed = tokio::select! {
        sent = send(serving, selection, &sender, &admitted.stream) => sent.err(),
        () = sender.closed() => None,
    };
    if let Some(status) = failed {
        // Gone, too, perhaps.
        let _ = sender.send(Err(status)).await;
    }
}

async fn send(
    serving: Arc<Serving>,
    selection: Arc<Selection>,
    sender: &Sender<Result<Sent, Status>>,
    stream: &Tracked,
) -> Result<(), Status> {
    let mut past = serving.past.clone();
    let (store, timeline, begun) = (Arc::clone(&serving.store), serving.timeline, serving.begun());
    let mut plan = read(move || Plan::new(store, selection, timeline, begun)).await?;
    let mut reading: Option<Reading> = None;
    let mut most = MESSAGES.0;
    loop {
        let until = if plan.follow { *past.borrow_and_update() } else { begun.until };
        let Reading { mut merge, turn } = match reading.take() {
            Some(reading) => reading,
            None => {
                let turn = serving.turn().await;
                Reading { merge: plan.merge(), turn }
            }
        };
        let visible = plan.visible(until);
        let (merge, portion) = read(move || merge.portion(visible, most).map(|portion| (merge, portion))).await?;
        most = (2 * most).min(MESSAGES.1);
        let place = merge.place();
        reading = Some(Reading { merge, turn }).filter(|reading| !reading.turn.is_over());
        let Portion { encoded, next, is_over } = portion;
        let sent = plan.of(encoded);
        if !sent.messages.as_slice().is_empty() {
            let room = match timeout(PATIENCE, sender.reserve()).await {
                Ok(room) => room,
                Err(_) => {
                    reading = None;
                    sender.reserve().await
                }
            };
            match room {
                Ok(room) => {
                    stream.sent.fetch_add(sent.messages.len() as u64, Ordering::Relaxed);
                    room.send(Ok(sent));
                }
                Err(_) => return Ok(()),
            }
        }
        if plan.left == 0 {
            return Ok(());
        }
        if is_over {
            reading = None;
            if !plan.next_lap(until) {
                // For ever, if nothing can be later.
                let is_ended = past.wait_for(|past| plan.is_ended(*past)).await.is_ok();
                return if is_ended { Ok(()) } else { std::future::pending().await };
            }
            continue;
        }
        if let Some(next) = next {
            let due = plan.on_line(next);
            if timeout(PATIENCE, past.wait_for(|past| *past >= due)).await.is_err() {
                reading = None;
                let _ = past.wait_for(|past| *past >= due).await;
            }
        }
        if reading.is_none() {
            plan.go_on(place);
        }
    }
}

/// A stream that has files open, as long as it is its turn.
struct Reading {
    merge: Merge,
    turn: Turn,
}

impl Plan {
    /// The messages of a portion that are sent.
    fn of(&mut self, Encoded { bytes, messages }: Encoded) -> Sent {
        let (mut start, mut sent) = (0, Vec::with_capacity(messages.len()));
        for Message { end, counted, .. } in messages {
            if self.left == 0 {
                break;
            }
            let message = std::mem::replace(&mut start, end)..end;
            if counted && self.too_many > 0 {
                self.too_many -= 1;
                continue;
            }
            sent.push(message);
            self.left -= u64::from(counted && self.left != u64::MAX);
        }
        Sent { bytes: bytes.into(), messages: sent.into_iter() }
    }
}

/// Runs what reads files where it keeps nobody waiting.
async fn read<T: Send + 'static>(run: impl FnOnce() -> Result<T, StoreError> + Send + 'static) -> Result<T, Status> {
    let ran = spawn_blocking(run).await.map_err(|_| Status::internal("reading the archive stopped"))?;
    ran.map_err(|error| Status::data_loss(error.to_string()))
}

#[cfg(test)]
mod tests;
