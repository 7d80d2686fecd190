//! Pods from an API server and a kubelet that are made up here: over TLS on the loopback, and as unreliable as real ones.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use lookback_recorder::enrich::pods::Pods;
use lookback_recorder::kubernetes::{Client, Found, Source, What, watch};
use rcgen::{CertificateParams, KeyPair};
use rustix::event::{Timespec, poll};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request: its path, and the token that came with it.
type Asked = (String, String);

/// A server whose answers a test gives, one for each request, in their order; `None` breaks the connection off.
struct Server {
    folder: tempfile::TempDir,
    url: String,
    answers: Sender<Option<Vec<u8>>>,
    asked: Receiver<Asked>,
}

fn serve() -> Server {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    fs::write(folder.path().join("ca.crt"), certificate.pem()).unwrap();
    fs::write(folder.path().join("token"), "first\n").unwrap();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let (answers, given) = channel::<Option<Vec<u8>>>();
    let (ask, asked) = channel();
    let given = Arc::new(Mutex::new(given));
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (given, ask, config) = (Arc::clone(&given), ask.clone(), Arc::clone(&config));
            std::thread::spawn(move || {
                let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(config).unwrap(), stream));
                while let Some(asked) = request(&mut stream) {
                    let _ = ask.send(asked);
                    // Held as long as it takes: connections take turns.
                    match given.lock().unwrap().recv() {
                        Ok(Some(answer)) => {
                            let _ = stream.get_mut().write_all(&answer).and_then(|()| stream.get_mut().flush());
                        }
                        Ok(None) | Err(_) => return,
                    }
                }
            });
        }
    });
    Server { folder, url, answers, asked }
}

fn request(stream: &mut impl std::io::BufRead) -> Option<Asked> {
    let (mut path, mut token) = (String::new(), String::new());
    for line in stream.lines() {
        let line = line.ok()?;
        if line.is_empty() {
            return Some((path, token));
        }
        if let Some(rest) = line.strip_prefix("GET ") {
            rest.split(' ').next().unwrap().clone_into(&mut path);
        }
        if let Some(("authorization", value)) = line
            .split_once(": ")
            .map(|(name, value)| (name.to_lowercase(), value))
            .as_ref()
            .map(|(n, v)| (n.as_str(), *v))
        {
            value.clone_into(&mut token);
        }
    }
    None
}

impl Server {
    fn source(&self, what: What) -> Source {
        Source {
            what,
            url: self.url.clone(),
            token: self.folder.path().join("token"),
            ca: self.folder.path().join("ca.crt"),
            insecure: false,
        }
    }

    fn watch(&self, what: What) -> Arc<Found> {
        let source = self.source(what);
        let client = Client::new(&source).unwrap();
        watch(source, client).unwrap()
    }

    fn of_node(&self) -> Arc<Found> {
        self.watch(What::Pods { node: Some("node-a".to_owned()) })
    }

    /// Answers the next request with a whole body.
    fn answer(&self, status: &str, body: &str) {
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        self.answers.send(Some([head.as_bytes(), body.as_bytes()].concat())).unwrap();
    }

    /// Likewise, with lines of a watch, in chunks that end where they like; the watch ends behind them, or breaks off.
    fn changes(&self, lines: &[String], ends: bool) {
        let mut text = lines.join("\n");
        text.push('\n');
        let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for chunk in text.as_bytes().chunks(100) {
            answer.extend(format!("{:x}\r\n", chunk.len()).bytes());
            answer.extend(chunk);
            answer.extend(b"\r\n");
        }
        if ends {
            answer.extend(b"0\r\n\r\n");
        }
        self.answers.send(Some(answer)).unwrap();
        if !ends {
            self.answers.send(None).unwrap();
        }
    }

    fn next(&self) -> Asked {
        self.asked.recv_timeout(std::time::Duration::from_secs(30)).unwrap()
    }
}

fn pod(name: &str, address: &str, version: u64) -> String {
    format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"shop","uid":"uid-{name}","resourceVersion":"{version}"}},"status":{{"podIP":"{address}"}}}}"#
    )
}

fn list(pods: &[String], version: &str, from: &str) -> String {
    format!(
        r#"{{"kind":"PodList","metadata":{{"resourceVersion":"{version}","continue":"{from}"}},"items":[{}]}}"#,
        pods.join(",")
    )
}

fn change(what: &str, object: &str) -> String {
    format!(r#"{{"type":"{what}","object":{object}}}"#)
}

/// Waits until the pods are those of these addresses.
fn pods(found: &Found, expected: &[(&str, &str)]) -> Pods {
    let fits = |pods: &Pods| {
        pods.len() == expected.len()
            && expected.iter().all(|(name, at)| pods.at(at.parse().unwrap()).is_some_and(|pod| pod.pod_name == *name))
    };
    for _ in 0..3000 {
        if let Some(pods) = found.changed().filter(fits) {
            return pods;
        }
        let _ = poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 10_000_000 }));
    }
    panic!("never these pods: {expected:?}");
}

#[test]
fn changes_are_followed_from_where_the_list_ended() {
    let server = serve();
    let found = server.of_node();
    // A list of two pages.
    let (path, token) = server.next();
    assert_eq!(
        (path.as_str(), token.as_str()),
        ("/api/v1/pods?limit=500&fieldSelector=spec.nodeName%3Dnode-a", "Bearer first")
    );
    server.answer("200 OK", &list(&[pod("a", "10.0.0.1", 3)], "7", "next page/"));
    assert!(server.next().0.ends_with("&continue=next%20page%2F"));
    server.answer("200 OK", &list(&[pod("b", "10.0.0.2", 4)], "7", ""));
    pods(&found, &[("a", "10.0.0.1"), ("b", "10.0.0.2")]);
    let (path, _) = server.next();
    assert!(
        path.contains("watch=true") && path.contains("resourceVersion=7&fieldSelector=spec.nodeName%3Dnode-a"),
        "{path}"
    );
    // A token of later.
    fs::write(server.folder.path().join("token"), "second").unwrap();
    server.changes(
        &[
            change("ADDED", &pod("c", "10.0.0.3", 8)),
            change("MODIFIED", &pod("a", "10.0.0.9", 9)),
            change("DELETED", &pod("b", "10.0.0.2", 10)),
            change("SOMETHING", "{}"),
            change("BOOKMARK", r#"{"metadata":{"resourceVersion":"20"}}"#),
        ],
        true,
    );
    pods(&found, &[("a", "10.0.0.9"), ("c", "10.0.0.3")]);
    // The watch ended: the next one goes on behind the bookmark.
    let (path, token) = server.next();
    assert!(path.contains("resourceVersion=20&"), "{path}");
    assert_eq!(token, "Bearer second");
    // It breaks off in the middle of a line: what came whole holds, and is not asked for again.
    let cut = change("ADDED", &pod("d", "10.0.0.4", 21));
    server.changes(&[cut, r#"{"type":"ADD"#.to_owned()], false);
    pods(&found, &[("a", "10.0.0.9"), ("c", "10.0.0.3"), ("d", "10.0.0.4")]);
    assert!(server.next().0.contains("resourceVersion=21&"));
}

#[test]
fn what_is_too_old_is_listed_anew() {
    let server = serve();
    let found = server.of_node();
    server.next();
    server.answer("200 OK", &list(&[pod("a", "10.0.0.1", 3)], "7", ""));
    server.next();
    // Within a watch, and as the status of one.
    server.changes(&[change("ERROR", r#"{"kind":"Status","code":410,"reason":"Expired"}"#)], true);
    assert!(!server.next().0.contains("watch"));
    server.answer("200 OK", &list(&[pod("b", "10.0.0.2", 9)], "30", ""));
    pods(&found, &[("b", "10.0.0.2")]);
    assert!(server.next().0.contains("resourceVersion=30"));
    server.answer("410 Gone", "{}");
    assert!(!server.next().0.contains("watch"));
    assert!(found.remarks().is_empty());
}

#[test]
fn what_fails_is_told_once_and_tried_again() {
    let server = serve();
    let found = server.of_node();
    server.next();
    server.answer("200 OK", &list(&[pod("a", "10.0.0.1", 3)], "7", ""));
    pods(&found, &[("a", "10.0.0.1")]);
    server.next();
    // Refused, then garbage, then a good answer.
    server.answer("403 Forbidden", "{}");
    assert!(server.next().0.contains("watch"));
    server.changes(&["\u{1b}[31m{{{".to_owned()], true);
    server.next();
    let remarks = found.remarks();
    assert_eq!(remarks.len(), 1, "{remarks:?}");
    assert!(remarks[0].contains("it answers 403 (the service account may not list pods"), "{remarks:?}");
    assert!(found.changed().is_none());
    server.changes(&[change("ADDED", &pod("b", "10.0.0.2", 9))], true);
    pods(&found, &[("a", "10.0.0.1"), ("b", "10.0.0.2")]);
    server.next();
    assert!(found.remarks().iter().any(|remark| remark.ends_with("answers again")));
}

#[test]
fn an_answer_without_end_is_given_up() {
    let server = serve();
    let found = server.of_node();
    server.next();
    server.answer("200 OK", &list(&[pod("a", "10.0.0.1", 3)], "7", ""));
    pods(&found, &[("a", "10.0.0.1")]);
    server.next();
    server.changes(&["x".repeat(5 << 20)], true);
    server.next();
    assert!(found.remarks()[0].contains("a line of more than 4194304 bytes"));
    // A list that says that it is longer than any may be.
    let kubelet = serve();
    let found = kubelet.watch(What::Kubelet);
    assert_eq!(kubelet.next().0, "/pods");
    kubelet.answer("200 OK", &" ".repeat(65 << 20));
    kubelet.next();
    kubelet.answer("200 OK", &list(&[pod("a", "10.0.0.1", 3)], "", ""));
    pods(&found, &[("a", "10.0.0.1")]);
    assert!(found.remarks()[0].contains("limit"), "too long");
}

#[test]
fn who_is_not_the_server_is_not_believed() {
    let server = serve();
    let other = serve();
    let source = Source { ca: other.folder.path().join("ca.crt"), ..server.source(What::Kubelet) };
    let client = Client::new(&source).unwrap();
    let error = client.list::<serde_json::Value>("/pods").unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");
    assert!(server.asked.try_recv().is_err());
    // Unless one says so.
    let client = Client::new(&Source { insecure: true, ..source.clone() }).unwrap();
    server.answer("200 OK", "{}");
    client.list::<serde_json::Value>("/pods").unwrap();
    assert_eq!(server.next().1, "Bearer first");
    // Without TLS there is no token.
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", plain.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let mut stream = BufReader::new(plain.accept().unwrap().0);
        let asked = request(&mut stream).unwrap();
        stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").unwrap();
        let _ = stream.read(&mut [0; 1]);
        asked
    });
    let client = Client::new(&Source { url, ..source.clone() }).unwrap();
    client.list::<serde_json::Value>("/pods").unwrap();
    drop(client);
    assert_eq!(asked.join().unwrap().1, "");
    for (ca, expected) in [("/nowhere/ca.crt", "/nowhere/ca.crt: No such file"), ("/dev/null", "no certificate in it")]
    {
        let error = Client::new(&Source { ca: Path::new(ca).to_owned(), ..source.clone() }).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
