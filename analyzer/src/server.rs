//! A live Hubble, as the flags name it.

use std::time::Duration;

use anyhow::{Result, anyhow};
use lookback_observer::client::{Client, Options, Tls};
use prost_types::Timestamp;

use crate::cli::Server;

/// Where `lookback replay` listens, unless it is told otherwise.
const DEFAULT: &str = "127.0.0.1:4245";

/// Connects to it.
pub(crate) fn connect(server: &Server) -> Result<Client> {
    let address = server.address.as_deref().unwrap_or(DEFAULT).parse()?;
    let client = server.tls_client_cert_file.clone().zip(server.tls_client_key_file.clone());
    let tls = Tls {
        on: server.tls,
        ca_files: server.tls_ca_cert_files.clone(),
        client,
        server_name: server.tls_server_name.clone(),
        allow_insecure: server.tls_allow_insecure,
    };
    let wait = lookback_question::window::duration(&server.timeout).map_err(|why| anyhow!("--timeout: {why}"))?;
    let connect_timeout = Duration::from_nanos(u64::try_from(wait).unwrap_or_default());
    Ok(Client::connect(&address, &Options { tls, connect_timeout, ..Options::default() })?)
}

/// A moment of the API as nanoseconds since 1970.
pub(crate) fn nanoseconds(time: &Timestamp) -> i64 {
    time.seconds.saturating_mul(1_000_000_000).saturating_add(time.nanos.into())
}
