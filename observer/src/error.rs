//! What went wrong between two ends of a connection, in words that say what to do.

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tonic::Code;

use crate::address::Address;

/// Why events could not be had from a server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{address:?} is no address of a server: {why}")]
    Address { address: String, why: String },
    #[error("{path}: {error}", path = path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("no thread to talk to a server with: {0}")]
    Runtime(#[from] io::Error),
    /// There is no connection.
    #[error("{address}: {why}")]
    Connect { address: Address, why: String },
    /// The server answered with an error, or not at all.
    #[error("{address}: {call}: {why}")]
    Call { address: Address, call: &'static str, code: Code, why: String },
    #[error(transparent)]
    Arrow(#[from] arrow::error::ArrowError),
}

impl Error {
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::File { path, error }
    }

    pub(crate) fn connect(address: &Address, error: &(dyn StdError + 'static)) -> Self {
        Self::Connect { address: address.clone(), why: explained(address, error) }
    }

    /// No answer within the time that was given.
    pub(crate) fn timeout(address: &Address, waited: Duration) -> Self {
        let why = format!("no connection within {waited:?}: is it the right address, and is nothing in between?");
        Self::Connect { address: address.clone(), why }
    }

    pub(crate) fn call(address: &Address, call: &'static str, status: &tonic::Status) -> Self {
        let why = match (status.code(), status.source()) {
            (Code::Unimplemented, _) => format!("the server does not offer this: {}", status.message()),
            (Code::Cancelled | Code::DeadlineExceeded, _) => "no answer in time".to_owned(),
            // The connection broke, or never was one.
            (_, Some(source)) => explained(address, source),
            (code, None) if status.message().is_empty() => format!("{code:?}"),
            (_, None) => status.message().to_owned(),
        };
        Self::Call { address: address.clone(), call, code: status.code(), why }
    }
}

/// The innermost cause that tells something, and what to do about it.
fn explained(address: &Address, error: &(dyn StdError + 'static)) -> String {
    let chain: Vec<&(dyn StdError + 'static)> =
        std::iter::successors(Some(error), |error| StdError::source(*error)).collect();
    let io = chain.iter().rev().find_map(|error| error.downcast_ref::<io::Error>());
    let tls = chain.iter().find_map(|error| error.downcast_ref::<rustls::Error>());
    let tls = tls.or_else(|| io.and_then(|error| error.get_ref()?.downcast_ref::<rustls::Error>()));
    let says = chain.last().map(ToString::to_string).unwrap_or_default();
    if let Some(tls) = tls {
        return match tls {
            rustls::Error::InvalidMessage(_) => {
                format!("the server does not speak TLS there ({tls}): leave out tls:// and the options of TLS")
            }
            rustls::Error::InvalidCertificate(why) => {
                format!(
                    "its certificate is not trusted ({why}): name the authority that signed it, and its server name"
                )
            }
            rustls::Error::AlertReceived(alert) => {
                format!("the server refused the TLS connection ({alert:?}): does it want a client certificate?")
            }
            other => format!("TLS: {other}"),
        };
    }
    let plain = matches!(address, Address::Tcp { .. });
    match io.map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => "connection refused: nothing listens there".to_owned(),
        Some(io::ErrorKind::NotFound) => "there is no such socket".to_owned(),
        Some(io::ErrorKind::PermissionDenied) => "permission denied: the socket belongs to somebody else".to_owned(),
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof) if plain => {
            format!("the server closed the connection ({says}): does it want TLS, or none?")
        }
        // An alert that comes after the connection was there is told as text alone.
        _ if says.contains("fatal alert") => {
            format!("the server refused the TLS connection ({says}): does it want a client certificate?")
        }
        _ if says.contains("http2 error") || says.contains("frame") => {
            format!("the server does not speak gRPC there ({says}): does it want TLS?")
        }
        _ => says,
    }
}
