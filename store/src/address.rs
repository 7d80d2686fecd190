//! `s3://bucket/prefix/…`: the bucket, and the key in it.

use std::io;
use std::path::Path;

use lookback_flow::store::SCHEMES;
use object_store::path::Path as Key;

/// Where a file or folder is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub scheme: &'static str,
    pub bucket: String,
    pub key: Key,
}

impl Address {
    /// Takes an address apart. Nothing in it is decoded: a key is what stands there.
    pub(crate) fn parse(path: &Path) -> io::Result<Self> {
        let bad =
            |why: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("no address of object storage: {why}"));
        let text = path.to_str().ok_or_else(|| bad("it is not UTF-8"))?;
        let scheme = SCHEMES.iter().find(|scheme| text.starts_with(**scheme)).ok_or_else(|| bad("unknown scheme"))?;
        let rest = text.get(scheme.len()..).unwrap_or_default();
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.contains([':', '@']) {
            // Not shown: it may be a secret.
            return Err(bad("keys and accounts do not belong in it; they are taken from the environment"));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if bucket.is_empty() || !bucket.chars().all(allowed) || bucket.starts_with(['.', '-']) {
            return Err(bad("a bucket's name has letters, digits, '.', '-' and '_': s3://bucket/prefix"));
        }
        let key = key.trim_end_matches('/');
        // Keys as other tools write them may have more in them; ours have not, and no place has two names.
        if key.chars().any(|c| c.is_control() || matches!(c, '\\' | '?' | '#' | '%' | '*')) {
            return Err(bad("control characters and any of \\ ? # % * are not taken in a prefix"));
        }
        let key = Key::parse(key).map_err(|_| bad("no part of a prefix is empty, '.' or '..'"))?;
        Ok(Self { scheme, bucket: bucket.to_owned(), key })
    }

    /// The bucket's own address.
    pub(crate) fn bucket_url(&self) -> String {
        format!("{}{}", self.scheme, self.bucket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(String, String), String> {
        let address = Address::parse(Path::new(text)).map_err(|error| error.to_string())?;
        Ok((address.bucket_url(), address.key.to_string()))
    }

    #[test]
    fn an_address_is_a_bucket_and_a_key() {
        let is = |text: &str, bucket: &str, key: &str| {
            assert_eq!(parse(text), Ok((bucket.to_owned(), key.to_owned())), "{text}");
        };
        is("s3://flows", "s3://flows", "");
        is("s3://flows/", "s3://flows", "");
        is("gs://a.b-c_d/x/date=2026-03-01/", "gs://a.b-c_d", "x/date=2026-03-01");
        is("az://container/a b/c", "az://container", "a b/c");
    }

    #[test]
    fn what_is_no_address_is_refused_and_secrets_in_it_are_not_shown() {
        for text in [
            "s3://",
            "s3:///a",
            "s3://b\u{1b}[31m/a",
            "s3://b/../c",
            "s3://b/a//c",
            "s3://b/a\u{7}",
            "s3://b/a?x=1",
            "s3://-b",
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains("no address"), "{text}: {error}");
            assert!(!error.chars().any(char::is_control), "{error:?}");
        }
        assert!(!parse("s3://KEY:SECRET@bucket/a").unwrap_err().contains("SECRET"));
    }
}
