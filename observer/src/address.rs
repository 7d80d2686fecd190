//! Where a server is, as the hubble CLI writes it: `HOST:PORT`, `tls://HOST:PORT`, `unix:///PATH`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::Error;

/// Port of hubble-relay, where none is given.
pub const DEFAULT_PORT: u16 = 4245;

/// An address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `HOST:PORT`, the host in brackets where it is an IPv6 address.
    Tcp {
        authority: String,
        /// Named as `tls://`.
        tls: bool,
    },
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = |why: &str| Error::Address { address: text.to_owned(), why: why.to_owned() };
        if let Some(path) = text.strip_prefix("unix://").or_else(|| text.strip_prefix("unix:")) {
            return if path.starts_with('/') {
                Ok(Self::Unix(path.into()))
            } else {
                Err(bad("the path of a Unix socket is absolute: unix:///run/hubble.sock"))
            };
        }
        let (tls, rest) = match text.split_once("://") {
            Some(("tls", rest)) => (true, rest),
            Some(("tcp", rest)) => (false, rest),
            Some(_) => return Err(bad("write HOST:PORT, tls://HOST:PORT or unix:///PATH")),
            None => (false, text),
        };
        let (host, port) = match rest.rsplit_once(':') {
            None => (rest, DEFAULT_PORT),
            Some((_, end)) if end.ends_with(']') => (rest, DEFAULT_PORT),
            Some((host, _)) if host.contains(':') && !host.ends_with(']') => {
                return Err(bad("write an IPv6 address in brackets: [::1]:4245"));
            }
            Some((host, port)) => (host, port.parse().map_err(|_| bad("the port is a number up to 65535"))?),
        };
        let authority = format!("{host}:{port}");
        let is_host = !host.is_empty() && authority.parse::<http::uri::Authority>().is_ok() && !host.contains('@');
        if is_host { Ok(Self::Tcp { authority, tls }) } else { Err(bad("the host is no name and no address")) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { authority, tls: false } => f.write_str(authority),
            Self::Tcp { authority, tls: true } => write!(f, "tls://{authority}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_hubble_cli_writes_them() {
        for (text, same) in [
            ("localhost", "localhost:4245"),
            ("relay.example:80", "relay.example:80"),
            ("[::1]", "[::1]:4245"),
            ("tls://[::1]:443", "tls://[::1]:443"),
            ("tcp://10.0.0.1:1", "10.0.0.1:1"),
            ("unix:///run/x.sock", "unix:///run/x.sock"),
            ("unix:/run/x.sock", "unix:///run/x.sock"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), same);
        }
        for text in ["", ":1", "a:b", "a:70000", "::1", "http://a", "unix://x", "unix:", "a b", "u@h:1", "tls://"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
