//! A program in a real terminal: tmux with a server of its own, keys sent, the screen read until it shows what is awaited.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

pub(crate) struct Tmux {
    socket: String,
}

impl Tmux {
    /// Whether there is tmux on this machine.
    pub(crate) fn is_there() -> bool {
        let is_there = Command::new("tmux").arg("-V").output().is_ok_and(|ran| ran.status.success());
        if !is_there {
            eprintln!("skipped: there is no tmux on this machine");
        }
        is_there
    }

    /// Starts a program in a terminal of that size.
    pub(crate) fn start(name: &str, size: (u16, u16), folder: &Path, program: &[&str]) -> Self {
        let tmux = Self { socket: format!("lookback-{name}-{}", std::process::id()) };
        let (width, height) = (size.0.to_string(), size.1.to_string());
        let quoted: Vec<String> = program.iter().map(|word| format!("'{word}'")).collect();
        // The shell stays, so that it can be seen that the terminal was given back.
        let command = format!("TERM=screen-256color {}; echo status $?; exec cat", quoted.join(" "));
        let folder = folder.to_str().unwrap();
        tmux.run(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &width,
            "-y",
            &height,
            "-c",
            folder,
            "sh",
            "-c",
            &command,
        ]);
        tmux
    }

    fn run(&self, arguments: &[&str]) -> String {
        let ran = Command::new("tmux").args(["-L", &self.socket]).args(arguments).output().unwrap();
        assert!(ran.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8_lossy(&ran.stdout).into_owned()
    }

    /// Sends keys, by tmux's names for them.
    pub(crate) fn keys(&self, keys: &[&str]) {
        self.run(&[&["send-keys"], keys].concat());
    }

    /// Types a text.
    pub(crate) fn text(&self, text: &str) {
        self.run(&["send-keys", "-l", text]);
    }

    pub(crate) fn screen(&self) -> String {
        self.run(&["capture-pane", "-p"])
    }

    /// Waits until the screen shows something.
    pub(crate) fn awaits(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let mut screen = String::new();
        let is_so = await_so(|| {
            screen = self.screen();
            holds(&screen)
        });
        assert!(is_so, "waited for {what}:\n{screen}");
        screen
    }

    pub(crate) fn shows(&self, text: &str) -> String {
        self.awaits(text, |screen| screen.contains(text))
    }
}

/// Waits until something is so; not for ever.
#[expect(clippy::disallowed_methods, reason = "nobody tells that a screen has changed: it is looked at again")]
pub(crate) fn await_so(mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + Duration::from_mins(1);
    while !holds() {
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = Command::new("tmux").args(["-L", &self.socket, "kill-server"]).output();
    }
}

/// Opens the incident, filters to the drops, jumps to the first, opens its story, exports it and quits.
pub(crate) fn incident(name: &str, program: &[&str], testdata: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let incident = testdata.join("incident");
    let words = [program, &[incident.to_str().unwrap()]].concat();
    let tmux = Tmux::start(name, (100, 30), folder.path(), &words);
    tmux.shows("181 flows");
    tmux.keys(&["f"]);
    tmux.text("verdict:dropped");
    tmux.shows("39 of 182");
    tmux.keys(&["Enter", "End"]);
    tmux.shows("39/39");
    tmux.keys(&["Home"]);
    tmux.shows("1/39");
    tmux.keys(&["x"]);
    tmux.shows("181 flows");
    tmux.keys(&["Home", "d"]);
    tmux.awaits("the first drop under the cursor", |screen| {
        screen.lines().any(|line| line.contains("x12:14:00.000") && line.contains("DROPPED"))
            && !screen.contains(" 1/181")
    });
    tmux.keys(&["o"]);
    tmux.shows("▶x 12:14:00.000");
    tmux.keys(&["Escape"]);
    tmux.awaits("the story closed", |screen| !screen.contains("Story"));
    tmux.keys(&["C-e"]);
    tmux.shows("Export this line to");
    tmux.keys(&["C-u"]);
    tmux.text("drop.ndjson");
    tmux.keys(&["Enter"]);
    tmux.shows("1 of 1 rows written to drop.ndjson");
    let line = std::fs::read_to_string(folder.path().join("drop.ndjson")).unwrap();
    let log = std::fs::read_to_string(incident.join("node-a/events.log")).unwrap();
    let other = std::fs::read_to_string(incident.join("node-b/events.log")).unwrap();
    assert!(log.lines().chain(other.lines()).any(|own| own == line.trim_end()), "{line}");
    assert!(line.contains("\"verdict\":\"DROPPED\""), "{line}");
    tmux.keys(&["q"]);
    // The terminal is as it was before.
    let end = tmux.shows("status 0");
    assert!(!end.contains("Filter"), "{end}");
}
