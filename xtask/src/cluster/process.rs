//! A process that was begun, and outlives who began it. It is known by more than its number, as numbers are given again.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use lookback_flow::escape;
use serde_json::{Value, json};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) name: String,
    pub(super) pid: u32,
    /// When it began, in ticks since the machine did.
    pub(super) began: u64,
    pub(super) port: u16,
    pub(super) program: PathBuf,
}

/// How a process that was to end did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Before,
    Asked,
    Killed,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before => "had ended already",
            Self::Asked => "ended",
            Self::Killed => "did not end when asked to, and was killed",
        })
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.pid)
    }
}

/// Begins a program that goes on when we end, with its words in a file.
pub(super) fn run(program: &Path, arguments: &[OsString], log: &Path, folder: &Path) -> Result<Child> {
    let file = File::create(log).with_context(|| log.display().to_string())?;
    let child = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        // Ctrl-C is for us.
        .process_group(0)
        .spawn();
    child.with_context(|| program.display().to_string())
}

impl Process {
    /// One that has just begun.
    pub(super) fn of(name: &str, pid: u32, port: u16, program: &Path) -> Result<Self> {
        let program = program.canonicalize().with_context(|| program.display().to_string())?;
        let began = began(pid).context("it is not to be seen in /proc")?;
        Ok(Self { name: name.to_owned(), pid, began, port, program })
    }

    /// Whether the number still is that process.
    pub(super) fn is_alive(&self) -> bool {
        let Ok(program) = fs::read_link(format!("/proc/{}/exe", self.pid)) else { return false };
        // A program that was installed again is another file.
        let program = program.to_string_lossy();
        let program = program.strip_suffix(" (deleted)").unwrap_or(&program);
        Path::new(program) == self.program && began(self.pid) == Some(self.began)
    }

    /// Asks it to end, and kills it when it has not done so in that time.
    pub(super) fn end(&self, patience: Duration) -> Result<Ended> {
        for (signal, how) in [("-TERM", Ended::Asked), ("-KILL", Ended::Killed)] {
            if !self.is_alive() {
                return Ok(Ended::Before);
            }
            let sent = Command::new("kill").args([signal, &self.pid.to_string()]).output().context("kill")?;
            let deadline = Instant::now() + patience;
            while self.is_alive() && Instant::now() < deadline {
                moment();
            }
            if !self.is_alive() {
                return Ok(how);
            }
            ensure!(sent.status.success(), "kill: {}", escape::terminal(&String::from_utf8_lossy(&sent.stderr)));
        }
        bail!("it was killed, and is there still")
    }

    pub(super) fn written(&self) -> Value {
        let Self { name, pid, began, port, program } = self;
        json!({ "name": name, "pid": pid, "began": began, "port": port, "program": program })
    }

    pub(super) fn read(value: &Value) -> Option<Self> {
        let name = value.get("name")?.as_str()?;
        // It becomes the name of a folder that is removed.
        let is_plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        Some(Self {
            name: is_plain.then(|| name.to_owned())?,
            pid: value.get("pid")?.as_u64()?.try_into().ok()?,
            began: value.get("began")?.as_u64()?,
            port: value.get("port")?.as_u64()?.try_into().ok()?,
            program: value.get("program")?.as_str()?.into(),
        })
    }
}

/// When a process began; none: there is none of that number, or it has ended and waits for its parent.
fn began(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Behind the name, which may hold anything: state, then numbers; the twentieth is when it began.
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.nth(18)?.parse().ok() }
}

/// Waits for as long as a look now and then may be apart.
pub(super) fn moment() {
    #[expect(
        clippy::disallowed_methods,
        reason = "processes that are not our own, and servers, tell nothing: they are looked at"
    )]
    std::thread::sleep(Duration::from_millis(50));
}

/// Most that is told of a log.
const LINES: usize = 12;

/// What a program wrote last, harmless for a terminal.
pub(super) fn last_lines(log: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(16 << 10)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = match read() {
        Ok(text) if text.trim().is_empty() => "nothing".to_owned(),
        Ok(text) => text,
        Err(error) => error.to_string(),
    };
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.iter().skip(lines.len().saturating_sub(LINES));
    last.map(|line| format!("  {}", escape::terminal(line))).collect::<Vec<_>>().join("\n")
}
