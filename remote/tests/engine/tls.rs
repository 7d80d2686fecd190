//! Connections over TLS.

use std::fs;
use std::path::PathBuf;

use lookback_remote::{Address, Engine, Error, Options, Tls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use crate::server::{Fake, batch, part, routes, says, script, serve};

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

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate and its key.
    fn sign(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let paths = [format!("{name}.pem"), format!("{name}.key")].map(|file| self.folder.path().join(file));
        fs::write(&paths[0], certificate.pem()).unwrap();
        fs::write(&paths[1], key.serialize_pem()).unwrap();
        paths.into()
    }

    fn serve(&self, name: &str, wants_client: bool) -> Address {
        let (certificate, key) = self.sign(name);
        let identity = Identity::from_pem(fs::read(certificate).unwrap(), fs::read(key).unwrap());
        let mut tls = ServerTlsConfig::new().identity(identity);
        if wants_client {
            tls = tls.client_ca_root(Certificate::from_pem(fs::read(self.ca()).unwrap()));
        }
        let fake = Fake::of(script([part(&[batch(&[1])])]));
        serve(routes(fake), Some(tls))
    }

    fn trusted(&self) -> Tls {
        Tls { ca_files: vec![self.ca()], ..Tls::default() }
    }
}

fn ask(address: &Address, tls: Tls) -> Result<usize, Error> {
    let engine = Engine::connect(address, &Options { tls, ..Options::default() })?;
    Ok(engine.query("q")?.rows())
}

#[test]
fn a_server_is_known_by_its_certificate() {
    let certificates = Certificates::new();
    let address = certificates.serve("localhost", false);
    assert_eq!(ask(&address, certificates.trusted()).unwrap(), 1);
    says(&ask(&address, Certificates::new().trusted()).unwrap_err(), &["certificate is not trusted"]);
    says(&ask(&address, Tls::default()).unwrap_err(), &["certificate is not trusted"]);
    let missing = Tls { ca_files: vec!["/nowhere.pem".into()], ..Tls::default() };
    says(&ask(&address, missing).unwrap_err(), &["/nowhere.pem: "]);
}

#[test]
fn a_server_goes_by_another_name() {
    let certificates = Certificates::new();
    let address = certificates.serve("flight.example", false);
    says(&ask(&address, certificates.trusted()).unwrap_err(), &["certificate is not trusted", "server name"]);
    let named = Tls { server_name: Some("flight.example".to_owned()), ..certificates.trusted() };
    assert_eq!(ask(&address, named).unwrap(), 1);
}

#[test]
fn a_client_has_a_certificate() {
    let certificates = Certificates::new();
    let address = certificates.serve("localhost", true);
    let client = Some(certificates.sign("client"));
    assert_eq!(ask(&address, Tls { client, ..certificates.trusted() }).unwrap(), 1);
    says(&ask(&address, certificates.trusted()).unwrap_err(), &["does it want a client certificate?"]);
}

#[test]
fn tls_is_where_it_is_expected() {
    let certificates = Certificates::new();
    let secured = certificates.serve("localhost", false);
    let plain = Address::parse(&secured.to_string().replace("flight+tls", "flight")).unwrap();
    says(&ask(&plain, Tls::default()).unwrap_err(), &["TLS (flight+tls://)?"]);
    let open = Fake::of(script([part(&[batch(&[1])])])).serve();
    let secured = Address::parse(&open.to_string().replace("flight", "flight+tls")).unwrap();
    says(&ask(&secured, certificates.trusted()).unwrap_err(), &["does not speak TLS there"]);
}
