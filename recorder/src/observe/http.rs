//! HTTP/1.x messages, as Hubble tells of them.
//!
//! Values of headers that let somebody in (cookies, credentials) are never told, nor is the user's part of a URL.

use lookback_flow::proto::flow::{Http, HttpHeader};

/// What stands for a value that is not told, as Hubble has it.
const REDACTED: &str = "HUBBLE_REDACTED";

const SECRET: [&str; 6] = ["authorization", "cookie", "set-cookie", "proxy-authorization", "x-api-key", "x-auth-token"];

/// Headers of a message.
const MOST_HEADERS: usize = 64;

/// The head of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Bytes of it.
    pub length: usize,
    pub is_response: bool,
    pub http: Http,
    /// Bytes that follow it, where it says.
    pub body: Option<u64>,
    /// From the header `traceparent`.
    pub trace_id: Option<String>,
}

/// What the bytes so far are.
#[derive(Clone, Debug, PartialEq)]
pub enum Read {
    Head(Box<Head>),
    /// The beginning of one.
    Partial,
    /// No HTTP.
    Other,
}

/// Reads the head of a message.
#[must_use]
pub fn read(bytes: &[u8]) -> Read {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    if bytes.starts_with(b"HTTP/") {
        let mut response = httparse::Response::new(&mut headers);
        return match response.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => {
                let http = Http {
                    code: u32::from(response.code.unwrap_or_default()),
                    protocol: protocol(response.version),
                    ..Http::default()
                };
                let no_body = matches!(http.code, 100..=199 | 204 | 304);
                let mut head = finish(length, true, http, response.headers);
                if no_body {
                    head.body = Some(0);
                }
                Read::Head(Box::new(head))
            }
            Ok(httparse::Status::Partial) => Read::Partial,
            Err(_) => Read::Other,
        };
    }
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => {
            let target = request.path.unwrap_or_default();
            let host = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("host"));
            let host = host.map(|host| String::from_utf8_lossy(host.value)).unwrap_or_default();
            let http = Http {
                method: request.method.unwrap_or_default().to_owned(),
                url: url(&host, target),
                protocol: protocol(request.version),
                ..Http::default()
            };
            let mut head = finish(length, false, http, request.headers);
            // A request that says nothing of a body has none.
            head.body = head.body.or_else(|| (!is_chunked(request.headers)).then_some(0));
            Read::Head(Box::new(head))
        }
        Ok(httparse::Status::Partial) => Read::Partial,
        Err(_) => Read::Other,
    }
}

fn finish(length: usize, is_response: bool, mut http: Http, headers: &[httparse::Header<'_>]) -> Head {
    let named = |name: &str| headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
    let text =
        |header: &httparse::Header<'_>| std::str::from_utf8(header.value).ok().map(|text| text.trim().to_owned());
    let body = named("content-length").and_then(text).and_then(|length| length.parse().ok());
    let trace_id = named("traceparent").and_then(text).and_then(|parent| {
        let id = parent.split('-').nth(1)?;
        (id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())).then(|| id.to_owned())
    });
    http.headers = headers
        .iter()
        .map(|header| HttpHeader {
            key: header.name.to_owned(),
            value: if SECRET.iter().any(|secret| header.name.eq_ignore_ascii_case(secret)) {
                REDACTED.to_owned()
            } else {
                String::from_utf8_lossy(header.value).into_owned()
            },
        })
        .collect();
    Head { length, is_response, http, body, trace_id }
}

fn is_chunked(headers: &[httparse::Header<'_>]) -> bool {
    headers.iter().any(|header| header.name.eq_ignore_ascii_case("transfer-encoding"))
}

fn protocol(version: Option<u8>) -> String {
    format!("HTTP/1.{}", version.unwrap_or(1))
}

/// The whole URL, without the user's part.
fn url(host: &str, target: &str) -> String {
    let Some((scheme, rest)) = target.split_once("://") else {
        return if target.starts_with('/') { format!("http://{host}{target}") } else { target.to_owned() };
    };
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{REDACTED}@{host}{path}"),
        None => target.to_owned(),
    }
}

/// One line, as Hubble's agent makes it.
#[must_use]
pub fn summary(http: &Http, is_response: bool, latency_ns: u64) -> String {
    if is_response {
        let millis = latency_ns / 1_000_000;
        format!("{} {} {millis}ms ({} {})", http.protocol, http.code, http.method, http.url)
    } else {
        format!("{} {} {}", http.protocol, http.method, http.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(text: &str) -> Head {
        let Read::Head(head) = read(text.as_bytes()) else { panic!("{text}") };
        *head
    }

    #[test]
    fn messages_are_told_as_hubble_tells_them() {
        let asked = head(
            "GET /items?a=1 HTTP/1.1\r\nHost: cart:8080\r\nCookie: s=1\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n",
        );
        assert_eq!(summary(&asked.http, false, 0), "HTTP/1.1 GET http://cart:8080/items?a=1");
        assert_eq!(asked.http.headers[1].value, REDACTED);
        assert_eq!(asked.trace_id.as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
        assert_eq!(asked.body, Some(0));
        let mut answered = head("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\n\r\nhello").http;
        (answered.method, answered.url) = (asked.http.method, asked.http.url);
        assert_eq!(summary(&answered, true, 12_345_678), "HTTP/1.1 503 12ms (GET http://cart:8080/items?a=1)");
        let proxied = head("GET http://me:secret@example.com/x HTTP/1.0\r\n\r\n");
        assert_eq!(proxied.http.url, "http://HUBBLE_REDACTED@example.com/x");
    }

    #[test]
    fn what_is_no_head_is_told_apart() {
        assert_eq!(read(b"GET /a HTT"), Read::Partial);
        assert_eq!(read(b"HTTP/1.1 20"), Read::Partial);
        assert_eq!(read(b"GET lucky\r\n\r\n"), Read::Other);
        assert_eq!(read(b"HTTP/1.1 abc\r\n\r\n"), Read::Other);
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(noise: Vec<u8>) {
            let _ = read(&noise);
            let _ = read(&[b"HTTP/1.1 ".as_slice(), &noise].concat());
            let _ = read(&[b"GET ".as_slice(), &noise].concat());
        }
    }
}
