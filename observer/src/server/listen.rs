//! Where a server listens, and who may connect.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use super::ServeError;
use crate::address::Address;

/// PEM files that secure what is listened at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// The authority that signs the certificates of clients; with it none is let in without one.
    pub client_ca: Option<PathBuf>,
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    pub address: Address,
    pub tls: Option<Tls>,
    /// Listen at other addresses than those of this machine without TLS.
    pub insecure: bool,
}

/// Listened at, and not yet served.
pub(crate) enum Bound {
    Tcp(TcpListener),
    /// Its file is removed when it is done with.
    Unix(UnixListener, Socket),
}

/// The file of a Unix socket.
#[derive(Debug)]
pub(crate) struct Socket(PathBuf);

impl Drop for Socket {
    fn drop(&mut self) {
        // Somebody else may have.
        let _ = fs::remove_file(&self.0);
    }
}

impl Listen {
    /// Begins to listen, and tells where: the port may have been chosen by the system.
    pub(crate) fn bind(&self) -> Result<(Bound, Address), ServeError> {
        let failed = |error| ServeError::Listen { address: self.address.clone(), error };
        match &self.address {
            Address::Unix(path) => {
                let listener = unix(path).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                Ok((Bound::Unix(listener, Socket(path.clone())), self.address.clone()))
            }
            Address::Tcp { authority, tls } => {
                let addresses: Vec<SocketAddr> = authority.to_socket_addrs().map_err(failed)?.collect();
                let secured = self.tls.is_some();
                if *tls && !secured {
                    return Err(ServeError::NoCertificate(self.address.clone()));
                }
                if !secured && !self.insecure && addresses.iter().any(|address| !address.ip().is_loopback()) {
                    return Err(ServeError::Open(self.address.clone()));
                }
                let listener = TcpListener::bind(&*addresses).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                let authority = listener.local_addr().map_err(failed)?.to_string();
                Ok((Bound::Tcp(listener), Address::Tcp { authority, tls: secured }))
            }
        }
    }

    pub(crate) fn tls(&self) -> Result<Option<ServerTlsConfig>, ServeError> {
        let Some(tls) = &self.tls else { return Ok(None) };
        if matches!(self.address, Address::Unix(_)) {
            return Err(ServeError::UnixTls(self.address.clone()));
        }
        let read = |path: &PathBuf| fs::read(path).map_err(|error| ServeError::File { path: path.clone(), error });
        let identity = Identity::from_pem(read(&tls.certificate)?, read(&tls.key)?);
        let config = ServerTlsConfig::new().identity(identity);
        Ok(Some(match &tls.client_ca {
            Some(ca) => config.client_ca_root(Certificate::from_pem(read(ca)?)),
            None => config,
        }))
    }
}

/// A Unix socket; one that nobody listens at any more makes room.
fn unix(path: &Path) -> io::Result<UnixListener> {
    let bound = UnixListener::bind(path);
    if !matches!(&bound, Err(error) if error.kind() == io::ErrorKind::AddrInUse) {
        return bound;
    }
    let is_dead = fs::symlink_metadata(path)?.file_type().is_socket()
        && matches!(UnixStream::connect(path), Err(error) if error.kind() == io::ErrorKind::ConnectionRefused);
    if !is_dead {
        return bound;
    }
    fs::remove_file(path)?;
    UnixListener::bind(path)
}
