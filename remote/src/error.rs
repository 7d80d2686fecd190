//! What went wrong between us and an engine, in words that say what to do. Whatever the server said is escaped, and cut.

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lookback_flow::escape;
use tonic::Code;

use crate::Address;

/// Why an engine gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{address} is no address of an engine: {why}")]
    Address { address: String, why: String },
    #[error("{option}: {why}")]
    Option { option: &'static str, why: String },
    #[error("{path}: {error}", path = path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("no thread to talk to an engine with: {0}")]
    Runtime(#[from] io::Error),
    /// There is no connection.
    #[error("{address}: {why}")]
    Connect { address: Address, why: String },
    #[error(
        "{address}: there is a server, but not of Arrow Flight: is it the right port? Ballista's scheduler wants --flight-sql"
    )]
    NoFlight { address: Address },
    #[error(
        "{address}: the server knows Arrow Flight, but not Flight SQL ({why}): Ballista's scheduler wants --flight-sql"
    )]
    NoFlightSql { address: Address, why: String },
    /// The server answered with an error, or the connection broke.
    #[error("{address}: {call}: {why}")]
    Call { address: Address, call: String, code: Code, why: String },
    #[error("{address}: {call}: no whole answer within {waited:?}: wait longer, or ask for less")]
    Timeout { address: Address, call: String, waited: Duration },
    /// The answer is larger than was allowed. Nothing of it is kept.
    #[error("{address}: {call}: the answer has more than {most}: ask for less, or allow more")]
    TooMuch { address: Address, call: String, most: String },
    /// What came is no answer.
    #[error("{address}: {call}: {why}")]
    Broken { address: Address, call: String, why: String },
}

impl Error {
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::File { path, error }
    }

    pub(crate) fn option(option: &'static str, why: &str) -> Self {
        Self::Option { option, why: why.to_owned() }
    }

    pub(crate) fn connect(address: &Address, error: &(dyn StdError + 'static)) -> Self {
        Self::Connect { address: address.clone(), why: explained(address, error, false) }
    }

    pub(crate) fn call(address: &Address, call: &str, status: &tonic::Status) -> Self {
        let says = told(status.message());
        let why = match (status.code(), status.source()) {
            (_, Some(source)) => explained(address, source, true),
            (Code::Unimplemented, None) => format!("the server does not offer this: {says}"),
            (code @ (Code::Unauthenticated | Code::PermissionDenied), None) => {
                format!("the server wants to know who asks ({code:?}: {says}): give a token, or a user and a password")
            }
            // As Ballista says it.
            (_, None) if says.to_ascii_lowercase().contains("no authorization header") => {
                format!("{says}: give a token, or a user and a password")
            }
            (code, None) if says.is_empty() => format!("{code:?}"),
            (_, None) => says,
        };
        Self::Call { address: address.clone(), call: call.to_owned(), code: status.code(), why }
    }
}

/// Most of a server's words that are told again.
const MOST_SAID: usize = 2000;

/// A server's words, harmless and not too many.
pub(crate) fn told(text: &str) -> String {
    let mut told: String = text.trim().chars().take(MOST_SAID).collect();
    if told.len() < text.trim().len() {
        told.push('…');
    }
    escape::terminal(&told).into_owned()
}

/// The innermost cause that tells something, and what to do about it. Once a server has spoken, it is the right one.
fn explained(address: &Address, error: &(dyn StdError + 'static), has_spoken: bool) -> String {
    let chain: Vec<&(dyn StdError + 'static)> =
        std::iter::successors(Some(error), |error| StdError::source(*error)).collect();
    let io = chain.iter().rev().find_map(|error| error.downcast_ref::<io::Error>());
    let tls = chain.iter().find_map(|error| error.downcast_ref::<rustls::Error>());
    let tls = tls.or_else(|| io.and_then(|error| error.get_ref()?.downcast_ref::<rustls::Error>()));
    let says = told(&chain.last().map(ToString::to_string).unwrap_or_default());
    if let Some(tls) = tls {
        let tls_says = told(&tls.to_string());
        return match tls {
            rustls::Error::InvalidMessage(_) => {
                format!("the server does not speak TLS there ({tls_says}): write flight:// for it")
            }
            rustls::Error::InvalidCertificate(_) => {
                format!(
                    "its certificate is not trusted ({tls_says}): name the authority that signed it, and its server name"
                )
            }
            rustls::Error::AlertReceived(alert) => {
                format!("the server refused the TLS connection ({alert:?}): does it want a client certificate?")
            }
            _ => format!("TLS: {tls_says}"),
        };
    }
    match io.map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => "connection refused: nothing listens there".to_owned(),
        _ if has_spoken => format!("the connection broke ({says})"),
        // An alert that comes after the connection was there is told as text alone.
        _ if says.contains("fatal alert") => {
            format!("the server refused the TLS connection ({says}): does it want a client certificate?")
        }
        _ if says.contains("http2 error") || says.contains("frame") => {
            format!("the server does not speak gRPC there ({says}): does it want TLS (flight+tls://)?")
        }
        // A lookup that failed has no kind of its own.
        _ if says.contains("lookup address") => format!("there is no such host ({says})"),
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof) => {
            let wants = if address.is_tls() { "a client certificate" } else { "TLS (flight+tls://)" };
            format!("the server closed the connection ({says}): does it want {wants}?")
        }
        _ => format!("there is no connection ({says})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_harmless_and_short() {
        assert_eq!(told(" a\u{1b}[31mb\n"), "a^[[31mb");
        assert_eq!(told(&"x".repeat(1 << 20)).chars().count(), MOST_SAID + 1);
    }
}
