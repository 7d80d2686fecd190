//! Where an engine is: `flight://HOST:PORT`, or `flight+tls://HOST:PORT`.

use std::fmt;
use std::str::FromStr;

use lookback_flow::escape;

use crate::Error;

/// An address of a Flight SQL server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// A name or an address; an IPv6 address without its brackets.
    host: String,
    port: u16,
    tls: bool,
}

impl Address {
    /// Reads `flight://HOST:PORT` or `flight+tls://HOST:PORT`.
    ///
    /// # Errors
    /// When it is anything else; the error says what.
    pub fn parse(text: &str) -> Result<Self, Error> {
        // What may be a password is not told again.
        let told = text.rsplit_once('@').map_or_else(|| text.to_owned(), |(_, rest)| format!("…@{rest}"));
        let bad = |why: &str| Error::Address { address: escape::terminal(&told).into_owned(), why: why.to_owned() };
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(bad("write flight://HOST:PORT, or flight+tls://HOST:PORT"));
        };
        let tls = match scheme {
            "flight" => false,
            "flight+tls" => true,
            "grpc" | "grpc+tcp" => return Err(bad("write flight:// for it")),
            "grpc+tls" => return Err(bad("write flight+tls:// for it")),
            "http" | "https" => return Err(bad("this is no web page: write flight://, or flight+tls:// with TLS")),
            _ => return Err(bad("the scheme is flight://, or flight+tls:// with TLS")),
        };
        Self::of(rest, tls).map_err(bad)
    }

    /// What stands behind the scheme.
    pub(crate) fn of(rest: &str, tls: bool) -> Result<Self, &'static str> {
        if rest.contains('@') {
            return Err("no user and no password in an address: it stands in lists of processes; they are options");
        }
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err("nothing follows the port: a server has no paths");
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => return Err("the port is missing, and Flight has none of its own: Ballista listens on 50050"),
        };
        let is_port = !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit());
        let port = is_port.then(|| port.parse::<u16>().ok()).flatten().filter(|port| *port != 0);
        let port = port.ok_or("the port is a number from 1 to 65535")?;
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match inner {
            Some(inner) if inner.parse::<std::net::Ipv6Addr>().is_ok() => inner,
            Some(_) => return Err("in the brackets stands an IPv6 address: [::1]:50050"),
            None if host.contains(':') => return Err("write an IPv6 address in brackets: [::1]:50050"),
            None => host,
        };
        let address = Self { host: host.to_ascii_lowercase(), port, tls };
        let is_host = !host.is_empty() && address.authority().parse::<http::uri::Authority>().is_ok();
        if is_host { Ok(address) } else { Err("the host is no name and no address") }
    }

    /// Host and port, as they stand in a URI.
    pub(crate) fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether its connections are secured.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Whether it is another port, at most, of the same machine by name.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        let is_local = |host: &str| {
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        };
        self.host == other.host || (is_local(&self.host) && is_local(&other.host))
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "flight+tls" } else { "flight" }, self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_it_is_read() {
        for (text, same) in [
            ("flight://scheduler:50050", "flight://scheduler:50050"),
            ("flight://Scheduler.example:1/", "flight://scheduler.example:1"),
            ("flight+tls://[::1]:443", "flight+tls://[::1]:443"),
            ("flight://10.0.0.1:65535", "flight://10.0.0.1:65535"),
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), same);
        }
    }

    #[test]
    fn what_is_no_address_says_why() {
        for (text, why) in [
            ("scheduler:50050", "write flight://HOST:PORT"),
            ("http://scheduler:50050", "no web page"),
            ("grpc+tls://scheduler:50050", "write flight+tls://"),
            ("ftp://scheduler:1", "the scheme is"),
            ("FLIGHT://scheduler:1", "the scheme is"),
            ("flight://scheduler", "the port is missing"),
            ("flight://[::1]", "the port is missing"),
            ("flight://scheduler:", "a number from 1"),
            ("flight://scheduler:0", "a number from 1"),
            ("flight://scheduler:+1", "a number from 1"),
            ("flight://scheduler:65536", "a number from 1"),
            ("flight://user:secret@scheduler:1", "no user and no password"),
            ("flight://scheduler:1/path", "nothing follows the port"),
            ("flight://scheduler:1?x=1", "nothing follows the port"),
            ("flight://::1:1", "in brackets"),
            ("flight://[x]:1", "an IPv6 address"),
            ("flight://:1", "the host is no name"),
            ("flight://a b:1", "the host is no name"),
            ("flight://a\nb:1", "the host is no name"),
        ] {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
            assert!(!error.contains('\n'), "{error:?}");
        }
    }

    #[test]
    fn a_password_is_not_told_again() {
        let error = Address::parse("flight://user:secret@scheduler:1").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn names_of_this_machine_are_one() {
        let address = |text: &str| Address::of(text, false).unwrap();
        assert!(address("localhost:1").is_beside(&address("127.0.0.1:2")));
        assert!(address("[::1]:1").is_beside(&address("localhost:2")));
        assert!(!address("a:1").is_beside(&address("b:1")));
        assert!(!address("localhost:1").is_beside(&address("10.0.0.1:1")));
    }
}
