//! Messages on the wire: events as the bytes that they are, all others as prost has them.

use std::marker::PhantomData;

use lookback_flow::proto::observer::GetFlowsRequest;
use prost::Message;
use prost::bytes::{Buf as _, BufMut as _, Bytes};
use prost_types::FieldMask;
use tonic::Status;
use tonic::codec::{BufferSettings, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// A message that is neither read nor built here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Raw(pub(crate) Bytes);

/// A request for flows, with the mask that clients of before 1.19 send.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FlowsRequest {
    pub(crate) request: GetFlowsRequest,
    pub(crate) old_mask: Option<FieldMask>,
}

/// The part of `observer.GetFlowsRequest` that later versions of the API have no name for.
#[derive(Clone, PartialEq, Message)]
struct OldRequest {
    #[prost(message, optional, tag = "999")]
    experimental: Option<Experimental>,
}

#[derive(Clone, PartialEq, Message)]
struct Experimental {
    #[prost(message, optional, tag = "1")]
    field_mask: Option<FieldMask>,
}

/// What goes over the wire as a message.
pub(crate) trait Wire: Sized + Send + 'static {
    fn write(&self, out: &mut EncodeBuf<'_>) -> Result<(), Status>;

    fn read(bytes: &mut DecodeBuf<'_>) -> Result<Self, Status>;
}

impl Wire for Raw {
    fn write(&self, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.reserve(self.0.len());
        out.put_slice(&self.0);
        Ok(())
    }

    fn read(bytes: &mut DecodeBuf<'_>) -> Result<Self, Status> {
        Ok(Self(bytes.copy_to_bytes(bytes.remaining())))
    }
}

impl Wire for FlowsRequest {
    fn write(&self, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        self.request.write(out)
    }

    fn read(bytes: &mut DecodeBuf<'_>) -> Result<Self, Status> {
        let bytes = bytes.copy_to_bytes(bytes.remaining());
        let request = GetFlowsRequest::decode(&*bytes).map_err(invalid)?;
        let old = OldRequest::decode(&*bytes).map_err(invalid)?;
        Ok(Self { request, old_mask: old.experimental.and_then(|experimental| experimental.field_mask) })
    }
}

impl<M: Message + Default + 'static> Wire for M {
    fn write(&self, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        self.encode(out).map_err(|error| Status::internal(error.to_string()))
    }

    fn read(bytes: &mut DecodeBuf<'_>) -> Result<Self, Status> {
        M::decode(bytes).map_err(invalid)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn invalid(error: prost::DecodeError) -> Status {
    Status::invalid_argument(format!("the request is no message of Hubble's API: {error}"))
}

/// Bytes that are handed to the connection at a time.
const BUFFER: usize = 64 * 1024;

/// Writes messages of one type and reads those of another.
#[derive(Debug)]
pub(crate) struct Codec<W, R>(PhantomData<(W, R)>);

impl<W, R> Default for Codec<W, R> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<W: Wire, R: Wire> tonic::codec::Codec for Codec<W, R> {
    type Encode = W;
    type Decode = R;
    type Encoder = Writer<W>;
    type Decoder = Reader<R>;

    fn encoder(&mut self) -> Writer<W> {
        Writer(PhantomData)
    }

    fn decoder(&mut self) -> Reader<R> {
        Reader(PhantomData)
    }
}

#[derive(Debug)]
pub(crate) struct Writer<W>(PhantomData<W>);

impl<W: Wire> Encoder for Writer<W> {
    type Item = W;
    type Error = Status;

    fn encode(&mut self, item: W, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.write(out)
    }

    fn buffer_settings(&self) -> BufferSettings {
        // Flows come by the thousand, and a buffer that grows is copied each time.
        BufferSettings::new(BUFFER, BUFFER - BUFFER / 8)
    }
}

#[derive(Debug)]
pub(crate) struct Reader<R>(PhantomData<R>);

impl<R: Wire> Decoder for Reader<R> {
    type Item = R;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<R>, Status> {
        R::read(bytes).map(Some)
    }
}
