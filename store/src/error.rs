//! What went wrong, in words that say what to do, and without secrets.
//!
//! Answers of servers are not shown: some repeat the request, with its key and signature. Of them only the code is told.

use std::error::Error as _;
use std::io::{self, ErrorKind};

use object_store::Error;
use object_store::client::{HttpError, HttpErrorKind};

use crate::Bucket;

/// Longest part of an error of a library that is told.
const LONGEST: usize = 300;

/// Codes of a bucket that is not there, where the status alone may mean a file.
const MISSING: &[&str] = &["NoSuchBucket", "ContainerNotFound"];

/// Codes of who may not do it, or is not known; a listing gives nothing else.
const DENIED: &[&str] = &[
    "401",
    "403",
    "AccessDenied",
    "AuthenticationFailed",
    "AuthorizationFailure",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
];

/// Where clouds give credentials to their own machines: who is asked there has none.
const SERVICES: &[&str] =
    &["/latest/api/token", "/latest/meta-data/", "/computeMetadata/", "/metadata/identity/", "169.254.169.254"];

/// An error, as whoever asked is told of it.
pub(crate) fn told(bucket: &Bucket, error: &Error) -> io::Error {
    let Bucket { name, credentials, .. } = bucket;
    let own = code(error);
    let code = own.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
    let denied = || {
        let look = if credentials.is_empty() { String::new() } else { format!("; look at {credentials}") };
        (ErrorKind::PermissionDenied, format!("{name} does not let this user do it{code}{look}"))
    };
    let is_one_of = |codes: &[&str]| own.as_deref().is_some_and(|own| codes.contains(&own));
    let (kind, text) = match error {
        _ if is_one_of(MISSING) => (
            ErrorKind::NotConnected,
            format!("there is no {name}{code}; make it, or look at its name and the endpoint"),
        ),
        _ if is_one_of(DENIED) => denied(),
        Error::NotFound { .. } => (ErrorKind::NotFound, format!("it is not in {name}")),
        Error::AlreadyExists { .. } | Error::Precondition { .. } => {
            (ErrorKind::AlreadyExists, format!("it is in {name} already"))
        }
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => denied(),
        Error::NotImplemented { .. } | Error::NotSupported { .. } => {
            (ErrorKind::Unsupported, format!("{name} cannot do it{code}: {}", plain(error)))
        }
        _ if is_about_credentials(error) => (
            ErrorKind::PermissionDenied,
            format!(
                "there are no credentials for {name}, and no service of this machine gives some; set {credentials}"
            ),
        ),
        _ => match http(error) {
            Some(HttpErrorKind::Connect) => {
                (ErrorKind::NotConnected, format!("{name} cannot be reached: {}; is the server there?", cause(error)))
            }
            Some(HttpErrorKind::Timeout) => {
                (ErrorKind::TimedOut, format!("{name} did not answer in time, however often it was asked"))
            }
            Some(_) => (ErrorKind::NotConnected, format!("{name} broke off its answer: {}", cause(error))),
            None if !code.is_empty() => (ErrorKind::Other, format!("{name} answers with an error{code}")),
            None => (ErrorKind::Other, format!("{name} cannot be asked: {}", plain(error))),
        },
    };
    io::Error::new(kind, text)
}

/// The code that a server gives with its error: `NoSuchBucket`, or the status.
fn code(error: &Error) -> Option<String> {
    let text = text_of(error);
    let between = |start: &str, end: &str| text.split_once(start)?.1.split_once(end).map(|(code, _)| code);
    let status = || text.split_once("status code: ")?.1.split([':', ' ']).next();
    let code = between("<Code>", "</Code>").or_else(status)?;
    let is_plain = code.len() <= 64 && code.chars().all(|c| c.is_ascii_alphanumeric());
    (is_plain && !code.is_empty()).then(|| code.to_owned())
}

fn text_of(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn is_about_credentials(error: &Error) -> bool {
    let text = text_of(error);
    SERVICES.iter().any(|service| text.contains(service))
}

/// How a connection failed, if it did.
pub(crate) fn http(error: &Error) -> Option<HttpErrorKind> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(http) = cause.downcast_ref::<HttpError>() {
            return Some(http.kind());
        }
        source = cause.source();
    }
    None
}

/// The innermost cause: `Connection refused (os error 111)`.
fn cause(error: &Error) -> String {
    let mut source = error.source();
    let mut last = String::new();
    while let Some(cause) = source {
        last = cause.to_string();
        source = cause.source();
    }
    harmless(&last)
}

/// An error of the library, where no server's answer is in it.
pub(crate) fn plain(error: &Error) -> String {
    match error {
        Error::Generic { source, .. } => harmless(&source.to_string()),
        other => harmless(&other.to_string()),
    }
}

/// The beginning of a text, without what may follow in an address, or in an answer.
fn harmless(text: &str) -> String {
    let text = text.split(['?', '<', '\n']).next().unwrap_or_default();
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;

    fn told_of(error: &Error) -> String {
        let bucket =
            Bucket { store: Arc::new(InMemory::new()), name: "bucket b at http://h".into(), credentials: "KEY" };
        told(&bucket, error).to_string()
    }

    #[test]
    fn of_an_answer_only_the_code_is_told() {
        let answer = "<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>AKIASECRET</AWSAccessKeyId></Error>";
        let text = told_of(&Error::PermissionDenied { path: "a".into(), source: answer.into() });
        assert!(text.contains("(SignatureDoesNotMatch); look at KEY") && !text.contains("AKIASECRET"), "{text}");
        let text =
            told_of(&Error::Generic { store: "S3", source: format!("GET http://h/b?sig=AKIASECRET {answer}").into() });
        assert!(text.contains("SignatureDoesNotMatch") && !text.contains("AKIASECRET"), "{text}");
        let text = told_of(&Error::Generic { store: "S3", source: "cannot: http://h/b?sig=AKIASECRET".into() });
        assert_eq!(text, "bucket b at http://h cannot be asked: cannot: http://h/b");
        let hostile = "<Code>\u{1b}[31mred</Code>";
        let text = told_of(&Error::PermissionDenied { path: "a".into(), source: hostile.into() });
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }

    #[test]
    fn a_bucket_that_is_missing_is_told_from_a_file_that_is() {
        let text = told_of(&Error::NotFound { path: "a".into(), source: "<Code>NoSuchBucket</Code>".into() });
        assert!(text.starts_with("there is no bucket b at http://h (NoSuchBucket)"), "{text}");
        let text = told_of(&Error::Generic { store: "S3", source: "<Code>NoSuchBucket</Code>".into() });
        assert!(text.starts_with("there is no bucket b"), "a listing: {text}");
        let text = told_of(&Error::NotFound { path: "a".into(), source: "<Code>NoSuchKey</Code>".into() });
        assert_eq!(text, "it is not in bucket b at http://h");
    }
}
