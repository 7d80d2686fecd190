//! What of a cluster can be tested without one. Processes are `sleep`.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::thread;

use tempfile::TempDir;

use super::process::Ended;
use super::*;

fn up() -> Up {
    Up { port: None, executors: 2, cores: 1, wait: 0, missed: 60, no_flight_sql: false }
}

fn sleep() -> PathBuf {
    let path = env::var_os("PATH").unwrap();
    env::split_paths(&path).map(|folder| folder.join("sleep")).find(|program| program.exists()).unwrap()
}

/// A process that does nothing, and who is its parent.
fn idle(state: &Path, name: &str) -> (Process, Child) {
    let child = run(&sleep(), &words(&["600"]), &state.join(format!("{name}.log")), state).unwrap();
    (Process::of(name, child.id(), 1, &sleep()).unwrap(), child)
}

#[test]
fn a_process_is_more_than_its_number() {
    let folder = TempDir::new().unwrap();
    let (process, mut child) = idle(folder.path(), "executor-1");
    assert!(process.is_alive());
    // The same number, later; another program; nobody.
    let later = Process { began: process.began + 1, ..process.clone() };
    let other = Process { program: "/bin/other".into(), ..process.clone() };
    let nobody = Process { pid: u32::MAX, ..process.clone() };
    for stranger in [&later, &other, &nobody] {
        assert!(!stranger.is_alive());
        assert_eq!(stranger.end(Duration::from_secs(9)).unwrap(), Ended::Before);
    }
    assert!(process.is_alive(), "a stranger was ended");
    assert_eq!(process.end(Duration::from_secs(9)).unwrap(), Ended::Asked);
    // Its parent has not asked for it yet, and it counts as gone.
    assert!(!process.is_alive());
    assert_eq!(process.end(Duration::from_secs(9)).unwrap(), Ended::Before);
    child.wait().unwrap();
}

#[test]
fn a_process_that_does_not_listen_is_killed() {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("x.log");
    let shell = Path::new("/bin/sh");
    let deaf = words(&["-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"]);
    let mut child = run(shell, &deaf, &log, folder.path()).unwrap();
    let process = Process::of("scheduler", child.id(), 1, shell).unwrap();
    while !fs::read_to_string(&log).unwrap().contains("deaf") {
        moment();
    }
    assert_eq!(process.end(Duration::from_millis(300)).unwrap(), Ended::Killed);
    child.wait().unwrap();
}

#[test]
fn a_record_comes_back_as_it_was() {
    let folder = TempDir::new().unwrap();
    let state = folder.path();
    assert!(Record::load(state).unwrap().is_none());
    let process =
        |name: &str| Process { name: name.to_owned(), pid: 7, began: u64::MAX, port: 50050, program: "/a/b c".into() };
    let record = Record { processes: vec![process("scheduler"), process("executor-1")] };
    record.save(state).unwrap();
    let again = Record::load(state).unwrap().unwrap();
    assert_eq!(again.processes, record.processes);
    assert_eq!(again.address(), "flight://127.0.0.1:50050");
    fs::create_dir(state.join("executor-1")).unwrap();
    again.forget(state).unwrap();
    assert!(Record::load(state).unwrap().is_none() && !state.join("executor-1").exists());
    let unread = [
        "",
        "{}",
        r#"{"processes":[]}"#,
        r#"{"processes":[{"name":"../x","pid":1,"began":1,"port":1,"program":"/x"}]}"#,
        r#"{"processes":[{"name":"x","pid":-1,"began":1,"port":1,"program":"/x"}]}"#,
    ];
    for text in unread {
        fs::write(state.join("cluster.json"), text).unwrap();
        let error = Record::load(state).unwrap_err().to_string();
        assert!(error.contains("cluster.json") && error.contains("remove it"), "{text}: {error}");
    }
}

#[test]
fn down_ends_what_runs_and_tells_what_does_not() {
    let folder = TempDir::new().unwrap();
    let state = folder.path().join("run");
    // Nothing was begun.
    end(&state).unwrap();
    assert!(!state.exists());
    assert!(status(&state).unwrap_err().to_string().contains("no cluster"));
    fs::create_dir(&state).unwrap();
    end(&state).unwrap();
    let (scheduler, mut first) = idle(&state, "scheduler");
    let (executor, mut second) = idle(&state, "executor-1");
    let gone = Process { began: 1, name: "executor-2".to_owned(), ..executor.clone() };
    let record = Record { processes: vec![scheduler, executor, gone] };
    assert!(!record.is_whole());
    record.save(&state).unwrap();
    assert!(status(&state).is_err());
    {
        let _held = lock(&state).unwrap();
        assert!(end(&state).unwrap_err().to_string().contains("is at it"));
    }
    end(&state).unwrap();
    assert!(record.processes.iter().all(|process| !process.is_alive()));
    assert!(Record::load(&state).unwrap().is_none() && state.join("scheduler.log").exists());
    first.wait().unwrap();
    second.wait().unwrap();
}

/// Programs that stand for Ballista's.
fn acting(folder: &Path, scheduler: &str, executor: &str) -> Programs {
    // By another process: one that is forked by another test meanwhile would keep a file of ours open, and so busy.
    let script = |name: &str, text: &str| {
        let path = folder.join(name);
        let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$2\" && chmod +x \"$2\"";
        let written = Command::new("sh").args(["-c", write, "sh", text]).arg(&path).status();
        assert!(written.unwrap().success());
        path
    };
    Programs { scheduler: script("scheduler", scheduler), executor: script("executor", executor) }
}

fn starting(state: &Path) -> Starting {
    Starting { record: Record::default(), children: Vec::new(), state: state.to_owned() }
}

#[test]
fn what_does_not_come_up_is_told_and_ended() {
    let folder = TempDir::new().unwrap();
    let state = folder.path();
    let up = Up { wait: 20, ..up() };
    let mut failing = starting(state);
    let error = failing.start(&up, &acting(state, "echo 'no \u{1b}[31mluck'; exit 3", "")).unwrap_err().to_string();
    for said in ["scheduler", "has ended", "scheduler.log", "no ^[[31mluck"] {
        assert!(error.contains(said), "{said:?} is not in {error}");
    }
    failing.give_up().unwrap();
    assert!(Record::load(state).unwrap().is_none() && state.join("scheduler.log").exists());
    // It goes on, and answers nobody.
    let up = Up { wait: 0, ..up };
    let mut mute = starting(state);
    let error = mute.start(&up, &acting(state, "exec sleep 600", "")).unwrap_err().to_string();
    assert!(error.contains("does not answer at 127.0.0.1:") && error.contains("nothing"), "{error}");
    mute.give_up().unwrap();
    let missing = Programs { scheduler: "/nowhere".into(), executor: "/nowhere".into() };
    assert!(starting(state).start(&up, &missing).unwrap_err().to_string().contains("/nowhere"));
}

#[test]
fn ports_are_free_and_different() {
    let ports = ports::pick(None, 7).unwrap();
    let different: std::collections::HashSet<_> = ports.iter().collect();
    assert_eq!((different.len(), ports.contains(&0)), (7, false));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = ports::pick(Some(port), 2).unwrap_err().to_string();
    assert!(error.contains(&format!("127.0.0.1:{port}")) && error.contains("--port"), "{error}");
    drop(taken);
    assert_eq!(ports::pick(Some(port), 2).unwrap()[0], port);
}

#[test]
fn all_listen_on_loopback_alone() {
    let scheduler = scheduler(50050, &up());
    let executor = executor(50050, &[1, 2, 3], Path::new("/work"), &up());
    for arguments in [&scheduler, &executor] {
        assert!(arguments.contains(&"--bind-host=127.0.0.1".into()));
        assert!(arguments.contains(&"--external-host=127.0.0.1".into()));
    }
    assert!(scheduler.contains(&"--flight-sql".into()) && scheduler.contains(&"--min-ready-executors=2".into()));
    assert!(!super::scheduler(1, &Up { no_flight_sql: true, ..up() }).contains(&"--flight-sql".into()));
    for word in ["--scheduler-port=50050", "--bind-port=1", "--bind-grpc-port=2", "--bind-health-port=3", "/work"] {
        assert!(executor.contains(&word.into()), "{word}");
    }
}

#[test]
fn a_scheduler_says_whether_it_is_ready() {
    let says = |answer: &'static str| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                asked.extend(byte);
            }
            assert!(asked.starts_with(b"GET /readyz HTTP"));
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let answer = ready::ask(port);
        server.join().unwrap();
        answer
    };
    let answer = says("HTTP/1.1 200 OK\r\n\r\nready: 2 executors registered\n").unwrap();
    assert!(answer.is_ready && answer.said == "ready: 2 executors registered");
    let answer = says("HTTP/1.1 503 Service Unavailable\r\n\r\nnot ready: 1/2 executors registered\n").unwrap();
    assert!(!answer.is_ready && answer.said.contains("1/2"));
    assert!(says("220 mail").unwrap_err().to_string().contains("HTTP"));
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert!(ready::ask(nobody).is_err());
}
