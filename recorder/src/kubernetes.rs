//! Pods from Kubernetes: the kubelet's list, asked for again and again, or the API server's, which tells of changes.
//!
//! Promises:
//! 1. A thread of its own; nobody waits for it, and what was known stays until something newer is.
//! 2. What fails is told once, and tried again after a while: 1 s, then twice as long each time, up to a minute.
//! 3. What an answer may take is bounded: a list, a line of changes, the pods that are kept.
//! 4. The token is read for each request, as Kubernetes gives new ones; it is never sent without TLS.

mod client;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{Timespec, poll};
use serde::Deserialize;

pub use self::client::{Client, FetchError};
use crate::enrich::pods::{Pod, Pods};

/// Pods that are kept at most.
const MOST_PODS: usize = 100_000;

/// Pods of one answer of a list.
const PAGE: usize = 500;

/// How often a kubelet is asked.
const AGAIN: Duration = Duration::from_secs(10);

/// A server ends a watch after this time by itself, and it is begun anew.
const WATCH_SECONDS: u32 = 300;

/// Longest wait after a failure; the first is a second.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Where a service account finds its files.
pub const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Whom to ask, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub what: What,
    /// `https://10.96.0.1:443`; with `http://`, no token is sent.
    pub url: String,
    pub token: PathBuf,
    /// Certificates of those who sign the server's, as PEM.
    pub ca: PathBuf,
    /// Believe whatever certificate the server shows.
    pub insecure: bool,
}

/// Who is asked for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Kubelet,
    /// The API server: pods of one node, or all.
    Pods {
        node: Option<String>,
    },
}

/// What the thread found, for the recorder to take.
#[derive(Debug, Default)]
pub struct Found {
    pods: Mutex<Option<Pods>>,
    remarks: Mutex<Vec<String>>,
}

impl Found {
    /// The pods, if they are others than last time.
    #[must_use]
    pub fn changed(&self) -> Option<Pods> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What the user should know, since the last call.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        std::mem::take(&mut *self.remarks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put<'a>(&self, pods: impl Iterator<Item = &'a Pod>) {
        *self.pods.lock().unwrap_or_else(PoisonError::into_inner) = Some(Pods::of(pods));
    }

    fn remark(&self, remark: String) {
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner).push(remark);
    }
}

/// Begins to ask, for as long as the program runs or anybody holds what is found.
///
/// # Errors
/// When no thread can be begun.
pub fn watch(source: Source, client: Client) -> std::io::Result<Arc<Found>> {
    let found = Arc::new(Found::default());
    let weak = Arc::downgrade(&found);
    std::thread::Builder::new().name("kubernetes".to_owned()).spawn(move || {
        let mut known = Known::default();
        let mut wait = Duration::from_secs(1);
        let mut failing = false;
        while let Some(found) = weak.upgrade() {
            let pause = match known.step(&source, &client, &found) {
                Ok(pause) => {
                    if std::mem::take(&mut failing) {
                        found.remark(format!("pods: {} answers again", source.url));
                    }
                    wait = Duration::from_secs(1);
                    pause
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        found
                            .remark(format!("pods: {}: {error}; tried again, those known before are kept", source.url));
                    }
                    let pause = wait;
                    wait = (wait * 2).min(LONGEST_WAIT);
                    pause
                }
            };
            drop(found);
            let _ = poll(&mut [], Timespec::try_from(pause).ok().as_ref());
        }
    })?;
    Ok(found)
}

/// What is known of the pods so far.
#[derive(Debug, Default)]
struct Known {
    pods: BTreeMap<String, Pod>,
    /// What a watch goes on from; empty before a list was read.
    version: String,
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    metadata: ListMetadata,
    #[serde(default)]
    items: Vec<Pod>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ListMetadata {
    resource_version: String,
    r#continue: String,
}

#[derive(Deserialize)]
struct Change {
    r#type: String,
    object: serde_json::Value,
}

impl Known {
    /// Asks once more, and answers how long to wait before the next time.
    fn step(&mut self, source: &Source, client: &Client, found: &Found) -> Result<Duration, FetchError> {
        let What::Pods { node } = &source.what else {
            let list: List = client.list("/pods")?;
            self.pods.clear();
            self.add(list.items);
            found.put(self.pods.values());
            return Ok(AGAIN);
        };
        let selector = node.as_ref().map(|node| format!("&fieldSelector=spec.nodeName%3D{}", encoded(node)));
        let selector = selector.unwrap_or_default();
        if self.version.is_empty() {
            self.relist(&selector, client)?;
            found.put(self.pods.values());
        }
        let path = format!(
            "/api/v1/pods?watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={}{selector}",
            encoded(&self.version)
        );
        let outcome = client.lines(&path, |line| self.change(line, found));
        match outcome {
            // What it goes on from is too old: from the beginning, at once.
            Err(FetchError::Status(410)) => {
                self.version.clear();
                Ok(Duration::ZERO)
            }
            Ok(()) => Ok(Duration::from_millis(100)),
            Err(error) => Err(error),
        }
    }

    fn relist(&mut self, selector: &str, client: &Client) -> Result<(), FetchError> {
        let mut pods = Vec::new();
        let mut from = String::new();
        loop {
            let list: List = client.list(&format!(
                "/api/v1/pods?limit={PAGE}{selector}{}",
                if from.is_empty() { String::new() } else { format!("&continue={}", encoded(&from)) }
            ))?;
            pods.extend(list.items);
            from = list.metadata.r#continue;
            if from.is_empty() || pods.len() >= MOST_PODS {
                self.pods.clear();
                self.add(pods);
                self.version = list.metadata.resource_version;
                return if self.version.is_empty() { Err(FetchError::NoVersion) } else { Ok(()) };
            }
        }
    }

    fn add(&mut self, pods: Vec<Pod>) {
        for pod in pods {
            if self.pods.len() < MOST_PODS || self.pods.contains_key(pod.uid()) {
                self.pods.insert(pod.uid().to_owned(), pod);
            }
        }
    }

    /// Takes a line of a watch in.
    fn change(&mut self, line: &[u8], found: &Found) -> Result<(), FetchError> {
        let change: Change = serde_json::from_slice(line)?;
        if change.r#type == "ERROR" {
            let code = change.object.get("code").and_then(serde_json::Value::as_u64);
            return Err(FetchError::Status(code.and_then(|code| u16::try_from(code).ok()).unwrap_or(500)));
        }
        let version = change.object.pointer("/metadata/resourceVersion").and_then(|version| version.as_str());
        let version = version.map(str::to_owned);
        match change.r#type.as_str() {
            "ADDED" | "MODIFIED" => self.add(vec![serde_json::from_value(change.object)?]),
            "DELETED" => {
                let pod: Pod = serde_json::from_value(change.object)?;
                self.pods.remove(pod.uid());
            }
            _ => {}
        }
        if change.r#type != "BOOKMARK" {
            found.put(self.pods.values());
        }
        // Only what was taken in is not asked for again.
        if let Some(version) = version {
            self.version = version;
        }
        Ok(())
    }
}

/// A text within a query.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
