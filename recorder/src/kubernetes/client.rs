//! Requests over HTTP, with what bounds them.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use ureq::http::Response;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use super::Source;

/// Bytes of a list.
const LONGEST_LIST: u64 = 64 << 20;

/// Bytes of a line of changes.
const LONGEST_LINE: u64 = 4 << 20;

/// Silence after which a watch is given up: bookmarks come about once a minute.
const SILENCE: Duration = Duration::from_mins(3);

/// Why nothing was learnt.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("{0}")]
    Http(#[from] ureq::Error),
    #[error("it answers {0}{hint}", hint = hint(*.0))]
    Status(u16),
    #[error("{path}: {error}")]
    File { path: String, error: std::io::Error },
    #[error("{0}: no certificate in it")]
    NoCertificate(String),
    #[error("not the JSON of Kubernetes: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the list has no resourceVersion")]
    NoVersion,
    #[error("a line of more than {LONGEST_LINE} bytes")]
    LongLine,
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

fn hint(status: u16) -> &'static str {
    match status {
        401 => " (the token is not accepted)",
        403 => " (the service account may not list pods: deploy/daemonset.yaml has the role)",
        _ => "",
    }
}

/// Who is asked.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    source: Source,
}

impl Client {
    /// Reads the certificates, so that nothing but the token is read later.
    ///
    /// # Errors
    /// When there are none.
    pub fn new(source: &Source) -> Result<Self, FetchError> {
        let mut tls = TlsConfig::builder()
            .disable_verification(source.insecure)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()));
        if source.url.starts_with("https:") && !source.insecure {
            let path = source.ca.display().to_string();
            let pem = fs::read(&source.ca).map_err(|error| FetchError::File { path: path.clone(), error })?;
            let certificates: Vec<_> = parse_pem(&pem)
                .filter_map(|item| match item {
                    Ok(PemItem::Certificate(certificate)) => Some(certificate),
                    _ => None,
                })
                .collect();
            if certificates.is_empty() {
                return Err(FetchError::NoCertificate(path));
            }
            tls = tls.root_certs(RootCerts::new_with_certs(&certificates));
        }
        let agent = Agent::config_builder()
            .tls_config(tls.build())
            .http_status_as_error(false)
            // Neither to elsewhere nor through others with the token.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_recv_response(Some(Duration::from_secs(30)))
            .timeout_per_read(Some(SILENCE))
            .build()
            .new_agent();
        Ok(Self { agent, source: source.clone() })
    }

    fn get(&self, path: &str) -> Result<Response<Body>, FetchError> {
        let mut request = self.agent.get(format!("{}{path}", self.source.url.trim_end_matches('/')));
        if self.source.url.starts_with("https:") {
            match fs::read_to_string(&self.source.token) {
                Ok(token) => request = request.header("Authorization", format!("Bearer {}", token.trim())),
                // A kubelet may let anybody ask.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(FetchError::File { path: self.source.token.display().to_string(), error }),
            }
        }
        let response = request.call()?;
        let status = response.status();
        if status.is_success() { Ok(response) } else { Err(FetchError::Status(status.as_u16())) }
    }

    /// A list, whole.
    ///
    /// # Errors
    /// When there is none, or it is too long.
    pub fn list<T: DeserializeOwned>(&self, path: &str) -> Result<T, FetchError> {
        let bytes = self.get(path)?.into_body().into_with_config().limit(LONGEST_LIST).read_to_vec()?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// Lines, each as it comes, until the server ends them.
    ///
    /// # Errors
    /// When there are none, one is too long, or whoever takes them says so.
    pub fn lines(&self, path: &str, mut each: impl FnMut(&[u8]) -> Result<(), FetchError>) -> Result<(), FetchError> {
        let body = self.get(path)?.into_body().into_with_config().limit(u64::MAX).reader();
        let mut reader = BufReader::new(body);
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
            if length == 0 {
                return Ok(());
            }
            match line.strip_suffix(b"\n") {
                Some(whole) => each(whole)?,
                None if length as u64 >= LONGEST_LINE => return Err(FetchError::LongLine),
                // Cut off: the connection was.
                None => return Ok(()),
            }
        }
    }
}
