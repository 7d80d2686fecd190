//! Machines of a test's own: network namespaces joined by a pair of interfaces, a recorder in one of them.
#![allow(dead_code, reason = "each test uses some of it")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use lookback_recorder::kernel::namespace::Namespace;
use lookback_recorder::kernel::privileges;
use lookback_recorder::status::{self, Status};
use rustix::event::{Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Whether this machine allows it; said aloud where it does not.
pub(crate) fn allowed() -> bool {
    let root = rustix::process::geteuid().is_root();
    let missing = privileges::missing().map_or(true, |missing| !missing.is_empty());
    let has_ip = Command::new("ip").arg("netns").output().is_ok_and(|output| output.status.success());
    let allowed = root && !missing && has_ip;
    if !allowed {
        eprintln!("SKIPPED: needs root, CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON and `ip netns` (iproute2)");
    }
    allowed
}

pub(crate) fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Waits until something holds; half a minute is never.
pub(crate) fn wait_for<T>(what: &str, mut holds: impl FnMut() -> Option<T>) -> T {
    for _ in 0..3000 {
        if let Some(value) = holds() {
            return value;
        }
        let _ = poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 10_000_000 }));
    }
    panic!("it never came: {what}");
}

/// A client and a server, each with an address, joined by a pair of interfaces: 10.99.0.1 and 10.99.0.2.
pub(crate) struct Pair {
    pub(crate) client: String,
    pub(crate) server: String,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = |what| format!("lb{}-{number}{what}", std::process::id());
        let pair = Self { client: name("c"), server: name("s") };
        run("ip", &["netns", "add", &pair.client]);
        run("ip", &["netns", "add", &pair.server]);
        pair.join("veth0", 0);
        for namespace in [&pair.client, &pair.server] {
            run("ip", &["-n", namespace, "link", "set", "lo", "up"]);
        }
        pair
    }

    /// Joins them by one more pair of interfaces, with addresses `10.99.N.1` and `.2`, `fd00:N::1` and `::2`.
    pub(crate) fn join(&self, name: &str, n: u8) {
        run("ip", &["link", "add", name, "netns", &self.client, "type", "veth", "peer", name, "netns", &self.server]);
        for (namespace, last) in [(&self.client, 1), (&self.server, 2)] {
            run("ip", &["-n", namespace, "addr", "add", &format!("10.99.{n}.{last}/24"), "dev", name]);
            run("ip", &["-n", namespace, "addr", "add", &format!("fd00:{n}::{last}/64"), "dev", name, "nodad"]);
            run("ip", &["-n", namespace, "link", "set", name, "up"]);
        }
    }

    /// Runs something in a namespace, in a thread of its own.
    pub(crate) fn within<T: Send + 'static>(
        namespace: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> std::thread::JoinHandle<T> {
        let namespace = Namespace::named(namespace);
        std::thread::spawn(move || {
            namespace.enter().unwrap();
            work()
        })
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for namespace in [&self.client, &self.server] {
            let _ = Command::new("ip").args(["netns", "del", namespace]).status();
        }
    }
}

/// A recorder that runs.
pub(crate) struct Recorder {
    pub(crate) child: Child,
    pub(crate) socket: PathBuf,
}

/// A recorder to be run.
pub(crate) fn recorder(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lookback-recorder"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Recorder {
    /// Starts a recorder, and waits until it records.
    pub(crate) fn start(namespace: &str, folder: &Path, arguments: &[&str]) -> Self {
        let socket = folder.join("status.sock");
        let path = socket.display().to_string();
        let common = ["record", "--netns", namespace, "--node-name", "node-a", "--quiet", "--socket", &path];
        let child = recorder(&[&common, arguments].concat()).spawn().unwrap();
        let mut started = Self { child, socket };
        wait_for("a recorder that records", || {
            if let Some(exit) = started.child.try_wait().unwrap() {
                let mut text = String::new();
                std::io::Read::read_to_string(started.child.stderr.as_mut().unwrap(), &mut text).unwrap();
                panic!("{exit}: {text}");
            }
            status::ask(&started.socket).ok().filter(|status| !status.interfaces.is_empty())
        });
        started
    }

    pub(crate) fn status(&self) -> Status {
        status::ask(&self.socket).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Stops it, and answers what it said.
    pub(crate) fn stop(self) -> String {
        self.signal(Signal::TERM);
        let output = self.child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}: {text}", output.status);
        text
    }
}

/// The flows of a log.
pub(crate) fn flows(path: &Path) -> Vec<Value> {
    flows_of(&std::fs::read_to_string(path).unwrap_or_default())
}

/// The flows of a log that is being written to: its last line may not be whole yet.
pub(crate) fn flows_so_far(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    flows_of(text.rsplit_once('\n').map_or("", |(whole, _)| whole))
}

fn flows_of(text: &str) -> Vec<Value> {
    let events =
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{line}: {error}")));
    events.filter_map(|mut event| event.get_mut("flow").map(Value::take)).collect()
}
