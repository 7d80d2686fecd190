//! One part of an answer: the messages of a stream, weighed before they are unpacked.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::FlightData;
use arrow_flight::decode::{DecodedPayload, FlightDataDecoder};
use arrow_flight::error::FlightError;
use lookback_flow::guard::guarded;
use tokio_stream::{Stream, StreamExt as _};
use tonic::Status;

use crate::error::told;

/// Why there is no further batch.
#[derive(Debug)]
pub(crate) enum Bad {
    /// More than is allowed, named.
    TooMuch(String),
    Status(Box<Status>),
    Broken(String),
}

/// What a stream says next.
#[derive(Debug)]
pub(crate) enum Item {
    Schema(SchemaRef),
    Batch(RecordBatch),
}

/// Bytes that all parts of an answer may take together.
#[derive(Debug)]
pub(crate) struct Budget {
    most: usize,
    left: AtomicUsize,
    is_spent: AtomicBool,
}

impl Budget {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, left: AtomicUsize::new(most), is_spent: AtomicBool::new(false) }
    }

    fn take(&self, bytes: usize) -> bool {
        let took = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        if took.is_err() {
            self.is_spent.store(true, Ordering::Relaxed);
        }
        took.is_ok()
    }

    pub(crate) fn too_much(&self) -> Bad {
        Bad::TooMuch(format!("{} bytes", self.most))
    }
}

/// The batches of one stream.
#[derive(Debug)]
pub(crate) struct Batches {
    decoder: FlightDataDecoder,
    budget: Arc<Budget>,
    has_schema: bool,
}

impl Batches {
    pub(crate) fn new(
        stream: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
        budget: Arc<Budget>,
    ) -> Self {
        let weighed = Arc::clone(&budget);
        let messages = stream.filter_map(move |message| match message {
            Err(status) => Some(Err(FlightError::from(status))),
            Ok(message) => match weight(&message) {
                Err(why) => Some(Err(FlightError::DecodeError(why))),
                Ok(weight) if !weighed.take(weight) => Some(Err(FlightError::DecodeError(String::new()))),
                // Metadata alone; the decoder would look for a header in it.
                Ok(_) if message.data_header.is_empty() && message.data_body.is_empty() => None,
                Ok(_) => Some(Ok(message)),
            },
        });
        Self { decoder: FlightDataDecoder::new(messages), budget, has_schema: false }
    }

    /// The next schema or batch; `None` when the server said that there are no more.
    pub(crate) async fn next(&mut self) -> Result<Option<Item>, Bad> {
        loop {
            let decoder = &mut self.decoder;
            // The decoder slices by the numbers in a message, and panics when they are wrong.
            let next = poll_fn(|context| match guarded(|| Pin::new(&mut *decoder).poll_next(context)) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(next)) => Poll::Ready(Ok(next)),
                Err(panic) => Poll::Ready(Err(panic)),
            });
            let item = match next.await {
                Ok(None) => return Ok(None),
                Ok(Some(Ok(data))) => match data.payload {
                    DecodedPayload::None => continue,
                    DecodedPayload::Schema(_) if self.has_schema => {
                        return Err(Bad::Broken("a part of the answer has two schemas".to_owned()));
                    }
                    DecodedPayload::Schema(schema) => {
                        self.has_schema = true;
                        Item::Schema(schema)
                    }
                    DecodedPayload::RecordBatch(batch) => Item::Batch(batch),
                },
                Ok(Some(Err(_))) if self.budget.is_spent.load(Ordering::Relaxed) => {
                    return Err(self.budget.too_much());
                }
                Ok(Some(Err(FlightError::Tonic(status)))) => return Err(Bad::Status(status)),
                Ok(Some(Err(error))) => return Err(unreadable(&error.to_string())),
                Err(panic) => return Err(unreadable(&panic)),
            };
            return Ok(Some(item));
        }
    }
}

fn unreadable(why: &str) -> Bad {
    Bad::Broken(format!("a batch of the answer cannot be read: {}", told(why)))
}

/// Bytes that a message takes, once unpacked. Room for what is compressed is made by the length that it claims.
fn weight(message: &FlightData) -> Result<usize, String> {
    let plain = message.data_header.len().saturating_add(message.app_metadata.len());
    if message.data_header.is_empty() {
        return Ok(plain.saturating_add(message.data_body.len()));
    }
    let header = arrow_ipc::root_as_message(&message.data_header).map_err(|error| error.to_string())?;
    let dictionary = header.header_as_dictionary_batch().and_then(|dictionary| dictionary.data());
    let batch = header.header_as_record_batch().or(dictionary);
    let Some(batch) = batch.filter(|batch| batch.compression().is_some()) else {
        return Ok(plain.saturating_add(message.data_body.len()));
    };
    let mut unpacked = plain;
    for buffer in batch.buffers().into_iter().flatten() {
        let length = usize::try_from(buffer.length()).map_err(|_| "a buffer of negative length")?;
        let start = usize::try_from(buffer.offset()).map_err(|_| "a buffer before the message")?;
        if length == 0 {
            continue;
        }
        let prefix = message.data_body.get(start..).and_then(|rest| rest.first_chunk::<8>());
        let claimed = i64::from_le_bytes(*prefix.ok_or("a buffer behind the message")?);
        // -1: it is not compressed.
        unpacked = unpacked.saturating_add(usize::try_from(claimed).unwrap_or(length));
    }
    Ok(unpacked)
}

#[cfg(test)]
mod tests;
