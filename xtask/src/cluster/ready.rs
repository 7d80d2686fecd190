//! Whether a scheduler answers, and has its executors: its probe for Kubernetes, by HTTP on the port of everything else.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use lookback_flow::escape;

/// What the scheduler said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) is_ready: bool,
    /// In its words, harmless.
    pub(super) said: String,
}

const PATIENCE: Duration = Duration::from_secs(2);

/// Most that is read of an answer.
const MOST: u64 = 64 << 10;

pub(super) fn ask(port: u16) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
    let mut bytes = Vec::new();
    stream.take(MOST).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    let status = status.ok_or_else(|| io::Error::other("what answers there does not speak HTTP"))?;
    let said = text.split_once("\r\n\r\n").map_or("", |(_, body)| body.trim());
    Ok(Answer { is_ready: status == "200", said: escape::terminal(said).into_owned() })
}
