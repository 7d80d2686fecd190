//! How a bucket is reached: by what the environment says, within bounds.

use std::env;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig};

use crate::Bucket;
use crate::address::Address;
use crate::error::plain;

/// A request takes no longer, unless `AWS_TIMEOUT`, `GOOGLE_TIMEOUT` or `AZURE_TIMEOUT` says otherwise.
const TIMEOUT: &str = "60s";

/// How often a request is made again that failed for no fault of its own, and for how long.
fn retries() -> RetryConfig {
    let backoff =
        BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(5), base: 2.0 };
    RetryConfig { backoff, max_retries: 4, retry_timeout: Duration::from_mins(1) }
}

/// A bucket as the environment says.
pub(crate) fn open(address: &Address) -> io::Result<Bucket> {
    let url = address.bucket_url();
    let timeout = |prefix: &str| env::var(format!("{prefix}_TIMEOUT")).unwrap_or_else(|_| TIMEOUT.to_owned());
    match address.scheme {
        "s3://" => {
            let builder = AmazonS3Builder::from_env()
                .with_url(&url)
                .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), timeout("AWS"))
                .with_retry(retries());
            let endpoint = builder
                .get_config_value(&AmazonS3ConfigKey::S3Endpoint)
                .or_else(|| builder.get_config_value(&AmazonS3ConfigKey::Endpoint));
            let allows = builder.get_config_value(&AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp));
            if let Some(endpoint) = endpoint.as_deref().filter(|endpoint| endpoint.starts_with("http://"))
                && !allows.is_some_and(|allows| is_yes(&allows))
            {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("{} is reached without TLS, which AWS_ALLOW_HTTP=true allows", host(endpoint)),
                ));
            }
            let server = endpoint.as_deref().map_or_else(
                || {
                    let region = builder.get_config_value(&AmazonS3ConfigKey::Region);
                    format!("Amazon S3 in {}", region.as_deref().unwrap_or("us-east-1"))
                },
                host,
            );
            let credentials = "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; a public bucket needs AWS_SKIP_SIGNATURE=true";
            bucket(address, builder.build(), &server, credentials)
        }
        "gs://" => {
            let builder = GoogleCloudStorageBuilder::from_env()
                .with_url(&url)
                .with_config(GoogleConfigKey::Client(ClientConfigKey::Timeout), timeout("GOOGLE"))
                .with_retry(retries());
            let credentials = "GOOGLE_SERVICE_ACCOUNT or GOOGLE_APPLICATION_CREDENTIALS";
            bucket(address, builder.build(), "Google Cloud Storage", credentials)
        }
        _ => {
            let builder = MicrosoftAzureBuilder::from_env()
                .with_url(&url)
                .with_config(AzureConfigKey::Client(ClientConfigKey::Timeout), timeout("AZURE"))
                .with_retry(retries());
            let credentials = "AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN";
            bucket(address, builder.build(), "Azure Blob Storage", credentials)
        }
    }
}

/// As the library reads it.
fn is_yes(text: &str) -> bool {
    ["1", "true", "on", "yes", "y"].contains(&text.to_ascii_lowercase().as_str())
}

fn bucket<S: ObjectStore>(
    address: &Address,
    store: object_store::Result<S>,
    server: &str,
    credentials: &'static str,
) -> io::Result<Bucket> {
    let store = store.map_err(|error| {
        let why = plain(&error);
        io::Error::new(io::ErrorKind::InvalidInput, format!("{server} cannot be asked: {why}; look at {credentials}"))
    })?;
    Ok(Bucket { store: Arc::new(store), name: format!("bucket {} at {server}", address.bucket), credentials })
}

/// A server without what may be a secret in its address.
fn host(endpoint: &str) -> String {
    let (scheme, rest) = endpoint.split_once("://").unwrap_or(("", endpoint));
    let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = rest.rsplit('@').next().unwrap_or_default();
    let shown: String = host.chars().filter(char::is_ascii_graphic).collect();
    if scheme.is_empty() { shown } else { format!("{scheme}://{shown}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_without_secrets() {
        assert_eq!(host("http://127.0.0.1:8333/x?token=1"), "http://127.0.0.1:8333");
        assert_eq!(host("https://key:secret@host\u{1b}[31m"), "https://host[31m");
        assert_eq!(host("minio:9000"), "minio:9000");
    }
}
