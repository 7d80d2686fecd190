//! Ports of loopback that nobody listens on.

use std::net::TcpListener;

use anyhow::{Context as _, Result};

/// So many, all different; the first is the one that is wanted, if one is.
pub(super) fn pick(first: Option<u16>, count: usize) -> Result<Vec<u16>> {
    // Held all at once, so that none is given twice.
    let mut held = Vec::new();
    for port in std::iter::once(first.unwrap_or(0)).chain(std::iter::repeat(0)).take(count) {
        let listener = TcpListener::bind(("127.0.0.1", port));
        held.push(listener.with_context(|| match port {
            0 => "no port of 127.0.0.1 is free".to_owned(),
            port => format!("127.0.0.1:{port} cannot be had; without --port a free one is taken"),
        })?);
    }
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}
