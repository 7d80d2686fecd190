//! Connections: how they are made, secured and bounded.

use std::fs;
use std::path::Path;
use std::time::Duration;

use arrow_flight::flight_service_client::FlightServiceClient;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::{Address, Error, Options};

/// A connection that speaks Flight.
pub(crate) type Client = FlightServiceClient<Channel>;

/// Largest message: one batch, or one list of endpoints. Room for a message is made before it has come.
pub(crate) const MAX_MESSAGE: usize = 64 << 20;

/// Largest headers and trailers: a server's error stands there.
const MAX_HEADERS: u32 = 64 << 10;

/// Connects; `is_home` tells whether to the server that the options are about.
pub(crate) async fn connect(address: &Address, options: &Options, is_home: bool) -> Result<Client, Error> {
    let endpoint = endpoint(address, options, is_home)?;
    let connecting = tokio::time::timeout(options.connect_timeout, endpoint.connect()).await;
    let waited = options.connect_timeout;
    let channel = connecting
        .map_err(|_| Error::Connect {
            address: address.clone(),
            why: format!("no connection within {waited:?}: is it the right address, and is nothing in between?"),
        })?
        .map_err(|error| Error::connect(address, &error))?;
    Ok(FlightServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE))
}

fn endpoint(address: &Address, options: &Options, is_home: bool) -> Result<Endpoint, Error> {
    let broken = |error: tonic::transport::Error| Error::connect(address, &error);
    let scheme = if address.is_tls() { "https" } else { "http" };
    let endpoint = Endpoint::from_shared(format!("{scheme}://{}", address.authority())).map_err(broken)?;
    // Windows as large as a batch: one round trip for each would be the pace.
    let endpoint = endpoint
        .tcp_keepalive(Some(Duration::from_secs(30)))
        .http2_max_header_list_size(MAX_HEADERS)
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(8 << 20);
    let tls = &options.tls;
    if !address.is_tls() {
        let is_asked_for = !tls.ca_files.is_empty() || tls.client.is_some() || tls.server_name.is_some();
        return if is_asked_for {
            Err(Error::Address {
                address: address.to_string(),
                why: "there are options of TLS, but the address has none: write flight+tls:// for it".to_owned(),
            })
        } else {
            Ok(endpoint)
        };
    }
    let mut config = ClientTlsConfig::new();
    if let Some(name) = tls.server_name.as_ref().filter(|_| is_home) {
        config = config.domain_name(name);
    }
    if let Some((certificate, key)) = &tls.client {
        config = config.identity(Identity::from_pem(read(certificate)?, read(key)?));
    }
    for path in &tls.ca_files {
        config = config.ca_certificate(Certificate::from_pem(read(path)?));
    }
    if tls.ca_files.is_empty() {
        config = config.with_native_roots();
    }
    endpoint.tls_config(config).map_err(broken)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(Error::file(path))
}
