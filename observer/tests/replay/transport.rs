//! The ways to a server: plain, TLS with one side or both proved, and a Unix socket.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use lookback_flow::proto::observer::GetFlowsRequest;
use lookback_flow::rows::Projection;
use lookback_observer::address::Address;
use lookback_observer::client::{self, Client, Options};
use lookback_observer::server::{Config, Listen, ServeError, Server, Store, Tls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::support::{lines, log, serve, tcp};

/// PEM files of an authority and of what it signed.
struct Certificates {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Certificates {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A certificate and its key.
    fn sign(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let paths = (self.path(&format!("{name}.pem")), self.path(&format!("{name}.key")));
        fs::write(&paths.0, certificate.pem()).unwrap();
        fs::write(&paths.1, key.serialize_pem()).unwrap();
        paths
    }
}

/// The first flow that a server has, or why there is none.
fn first(address: &Address, tls: client::Tls) -> Result<Vec<String>, String> {
    let options = Options { tls, ..Options::default() };
    let client = Client::connect(address, &options).map_err(|error| error.to_string())?;
    let request = GetFlowsRequest { number: 1, first: true, ..GetFlowsRequest::default() };
    Ok(lines(client.flows(request, &Projection::all()).map_err(|error| error.to_string())?))
}

fn secured(certificates: &Certificates, client_ca: Option<PathBuf>) -> Config {
    let (certificate, key) = certificates.sign("node.test");
    let tls = Some(Tls { certificate, key, client_ca });
    Config { listen: vec![Listen { tls, ..tcp() }], ..Config::default() }
}

fn trusting(ca: &Path, client: Option<(PathBuf, PathBuf)>) -> client::Tls {
    let server_name = Some("node.test".to_owned());
    client::Tls { ca_files: vec![ca.to_owned()], server_name, client, ..client::Tls::default() }
}

#[test]
fn tls_proves_the_server() {
    let certificates = Certificates::new();
    let replayed = serve(&log(), secured(&certificates, None));
    let address = replayed.address();
    assert!(address.to_string().starts_with("tls://"));
    let ca = certificates.path("ca.pem");
    assert_eq!(first(address, trusting(&ca, None)).unwrap(), log()[..1]);
    let anyone = client::Tls { allow_insecure: true, ..client::Tls::default() };
    assert_eq!(first(address, anyone).unwrap(), log()[..1]);

    let other = Certificates::new();
    let error = first(address, trusting(&other.path("ca.pem"), None)).unwrap_err();
    assert!(error.contains("certificate is not trusted"), "{error}");
    let misnamed = client::Tls { server_name: Some("other.test".to_owned()), ..trusting(&ca, None) };
    let error = first(address, misnamed).unwrap_err();
    assert!(error.contains("certificate is not trusted"), "{error}");
    let plain = Address::Tcp { authority: address.to_string().replace("tls://", ""), tls: false };
    let error = first(&plain, client::Tls::default()).unwrap_err();
    assert!(error.contains("does it want TLS"), "{error}");
}

#[test]
fn mutual_tls_proves_the_client_too() {
    let certificates = Certificates::new();
    let ca = certificates.path("ca.pem");
    let replayed = serve(&log(), secured(&certificates, Some(ca.clone())));
    let address = replayed.address();
    let known = certificates.sign("client.test");
    assert_eq!(first(address, trusting(&ca, Some(known))).unwrap(), log()[..1]);
    for stranger in [None, Some(Certificates::new().sign("client.test"))] {
        // A certificate that is gone is an error, too; what matters is that nothing is told.
        assert!(first(address, trusting(&ca, stranger)).is_err());
    }
    let other = Certificates::new();
    let error = first(address, trusting(&ca, Some(other.sign("client.test")))).unwrap_err();
    assert!(error.contains("TLS"), "{error}");
}

#[test]
fn a_unix_socket_comes_and_goes_with_the_server() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("hubble.sock");
    // What a server left behind that was killed is no obstacle.
    drop(UnixListener::bind(&path).unwrap());
    let listen = Listen { address: Address::Unix(path.clone()), ..tcp() };
    let config = Config { listen: vec![listen], ..Config::default() };
    let replayed = serve(&log(), config.clone());
    assert_eq!(first(replayed.address(), client::Tls::default()).unwrap(), log()[..1]);
    let store = Store::open(&[], folder.path()).unwrap();
    let second = Server::start(store, &config, 0).unwrap_err().to_string();
    assert!(second.contains("hubble.sock"), "{second}");
    assert_eq!(first(replayed.address(), client::Tls::default()).unwrap(), log()[..1]);
    drop(replayed);
    while path.exists() {
        std::thread::yield_now();
    }
}

#[test]
fn what_cannot_be_listened_at_is_an_error() {
    let folder = TempDir::new().unwrap();
    let start = |listen: Listen| {
        let store = Store::open(&[], folder.path()).unwrap();
        Server::start(store, &Config { listen: vec![listen], ..Config::default() }, 0).map(|_| ())
    };
    let everywhere: Address = "0.0.0.0:0".parse().unwrap();
    assert!(matches!(start(Listen { address: everywhere, ..tcp() }), Err(ServeError::Open(_))));
    let secured = Listen { address: "tls://127.0.0.1:0".parse().unwrap(), ..tcp() };
    assert!(matches!(start(secured), Err(ServeError::NoCertificate(_))));

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::Tcp { authority: taken.local_addr().unwrap().to_string(), tls: false };
    assert!(matches!(start(Listen { address, ..tcp() }), Err(ServeError::Listen { .. })));

    let certificates = Certificates::new();
    let (certificate, key) = certificates.sign("node.test");
    let with = |certificate: &Path, key: &Path| {
        let tls = Tls { certificate: certificate.to_owned(), key: key.to_owned(), client_ca: None };
        start(Listen { tls: Some(tls), ..tcp() })
    };
    assert!(with(&certificate, &key).is_ok());
    assert!(matches!(with(&certificates.path("none.pem"), &key), Err(ServeError::File { .. })));
    assert!(matches!(with(&key, &key), Err(ServeError::Certificate { .. })));
    let (_, other) = certificates.sign("other.test");
    assert!(matches!(with(&certificate, &other), Err(ServeError::Certificate { .. })));
}
