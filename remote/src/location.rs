//! Where a part of an answer is to be had. A server may send us to others, and is believed only as far as we were told to.

use crate::Address;
use crate::error::told;

/// Where to ask for a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The server that named it.
    Same,
    Other(Address),
}

/// The scheme that stands for the connection that is there already.
const REUSE: &str = "arrow-flight-reuse-connection:";

/// Reads one location, and decides whether it is gone to.
///
/// # Errors
/// Why not.
pub(crate) fn place(uri: &str, home: &Address, follow: &[String]) -> Result<Place, String> {
    if uri.starts_with(REUSE) {
        return Ok(Place::Same);
    }
    let named = told(uri);
    let (scheme, rest) = uri.split_once("://").ok_or_else(|| format!("{named} is no location"))?;
    let tls = match scheme {
        "grpc" | "grpc+tcp" | "flight" => false,
        "grpc+tls" | "flight+tls" => true,
        _ => return Err(format!("{named} is not of Flight over TCP")),
    };
    let address = Address::of(rest, tls).map_err(|why| format!("{named} is no location: {why}"))?;
    if address == *home {
        return Ok(Place::Same);
    }
    if tls != home.is_tls() {
        let (there, here) = if tls { ("has", "none") } else { ("has no", "some") };
        return Err(format!("{named} {there} TLS, and the server has {here}"));
    }
    if address.is_beside(home) || follow.iter().any(|host| host == "*" || is_named(host, &address)) {
        Ok(Place::Other(address))
    } else {
        Err(format!("{named} is a host that was not allowed"))
    }
}

/// Whether a token may be shown to a server: to the one that it is for, and those that were named with it.
pub(crate) fn is_trusted(address: &Address, home: &Address, follow: &[String]) -> bool {
    address.is_beside(home) || follow.iter().any(|host| is_named(host, address))
}

fn is_named(host: &str, address: &Address) -> bool {
    host.trim_start_matches('[').trim_end_matches(']').eq_ignore_ascii_case(address.host())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_believed_as_far_as_we_were_told_to() {
        let home = Address::parse("flight://scheduler:50050").unwrap();
        let follow = ["executor-1".to_owned(), "[fd00::1]".to_owned()];
        let place = |uri: &str| place(uri, &home, &follow);
        let other = |text: &str| Ok(Place::Other(Address::parse(text).unwrap()));
        assert_eq!(place("arrow-flight-reuse-connection://?"), Ok(Place::Same));
        assert_eq!(place("grpc+tcp://scheduler:50050"), Ok(Place::Same));
        assert_eq!(place("grpc://scheduler:50051"), other("flight://scheduler:50051"));
        assert_eq!(place("grpc+tcp://Executor-1:1"), other("flight://executor-1:1"));
        assert_eq!(place("grpc+tcp://[fd00::1]:1"), other("flight://[fd00::1]:1"));
        for (uri, why) in [
            ("grpc+tls://executor-1:1", "has TLS"),
            ("grpc+tcp://executor-2:1", "not allowed"),
            // Our own machine is not the server's.
            ("grpc+tcp://localhost:1", "not allowed"),
            ("https://scheduler/x", "not of Flight"),
            ("grpc+unix:///run/x", "not of Flight"),
            ("grpc+tcp://scheduler", "the port is missing"),
            ("grpc+tcp://a@scheduler:1", "no user"),
            ("\u{1b}[2J", "no location"),
        ] {
            let error = place(uri).unwrap_err();
            assert!(error.contains(why) && !error.contains('\u{1b}'), "{uri}: {error}");
        }
    }

    #[test]
    fn a_token_goes_to_those_that_were_named() {
        let home = Address::parse("flight+tls://scheduler:1").unwrap();
        let executor = Address::parse("flight+tls://executor:1").unwrap();
        let (any, named) = (["*".to_owned()], ["*".to_owned(), "executor".to_owned()]);
        assert_eq!(place("grpc+tls://executor:1", &home, &any), Ok(Place::Other(executor.clone())));
        assert!(!is_trusted(&executor, &home, &any));
        assert!(is_trusted(&executor, &home, &named));
        assert!(is_trusted(&home, &home, &[]));
    }
}
