//! Nodes at addresses of their own, as a relay finds agents.

use std::path::PathBuf;

use super::listen::Listen;
use super::peers::Peering;
use super::store::Store;
use super::{Nodes, Place, ServeError};
use crate::address::Address;

/// Listens for each node that is named, and tells how a relay gets there.
pub(super) fn places(
    nodes: &Nodes,
    first: &Address,
    listen: &Listen,
    store: &Store,
) -> Result<Vec<(Place, Peering)>, ServeError> {
    let names = store.coverage.nodes.keys().filter(|name| !name.is_empty());
    let place = |(at, name): (u16, &String)| {
        let listen = Listen { address: next(first, &listen.address, at)?, ..listen.clone() };
        let (listening, address) = listen.bind()?;
        let tls_server_name = listen.tls.is_some().then(|| server_name(name));
        let peering = Peering { name: name.clone(), address: advertised(&address, nodes), tls_server_name };
        Ok((Place { listening, address, listen, node: Some(name.as_str().into()) }, peering))
    };
    (1..=u16::MAX).zip(names).map(place).collect()
}

/// The address that comes so many behind the one that is listened at, which was asked for as another, perhaps.
fn next(first: &Address, asked: &Address, by: u16) -> Result<Address, ServeError> {
    match first {
        Address::Unix(path) => {
            let mut path = path.clone().into_os_string();
            path.push(format!(".{by}"));
            Ok(Address::Unix(PathBuf::from(path)))
        }
        Address::Tcp { authority, tls } => {
            let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "0"));
            let any = matches!(asked, Address::Tcp { authority, .. } if authority.ends_with(":0"));
            let port = if any { Some(0) } else { port.parse::<u16>().ok().and_then(|port| port.checked_add(by)) };
            let port = port.ok_or_else(|| ServeError::NoPort(first.clone()))?;
            Ok(Address::Tcp { authority: format!("{host}:{port}"), tls: *tls })
        }
    }
}

/// An address as peers are told: without a scheme, as Hubble has it.
fn advertised(address: &Address, nodes: &Nodes) -> String {
    match (address, &nodes.advertise) {
        (Address::Tcp { authority, .. }, Some(host)) => {
            let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
            format!("{host}:{port}")
        }
        (Address::Tcp { authority, .. }, None) => authority.clone(),
        (Address::Unix(_), _) => address.to_string(),
    }
}

/// The name in the certificate of a node, as Cilium makes them: `NODE.CLUSTER.hubble-grpc.cilium.io`.
fn server_name(name: &str) -> String {
    let (cluster, node) = name.split_once('/').unwrap_or(("default", name));
    format!("{}.{cluster}.hubble-grpc.cilium.io", node.replace('.', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_behind_the_first_address() {
        let next = |first: &str, asked: &str| next(&first.parse().unwrap(), &asked.parse().unwrap(), 2);
        assert_eq!(next("127.0.0.1:4245", "127.0.0.1:4245").unwrap().to_string(), "127.0.0.1:4247");
        assert_eq!(next("127.0.0.1:33001", "127.0.0.1:0").unwrap().to_string(), "127.0.0.1:0");
        assert_eq!(next("unix:///run/x.sock", "unix:///run/x.sock").unwrap().to_string(), "unix:///run/x.sock.2");
        assert!(matches!(next("[::1]:65534", "[::1]:65534"), Err(ServeError::NoPort(_))));
    }

    #[test]
    fn certificates_have_the_names_that_a_relay_expects() {
        assert_eq!(server_name("kind/worker.a"), "worker-a.kind.hubble-grpc.cilium.io");
        assert_eq!(server_name("worker"), "worker.default.hubble-grpc.cilium.io");
    }
}
