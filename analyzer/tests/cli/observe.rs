//! `observe`: as the hubble CLI filters and prints.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::archive::{archive, flows, import};
use crate::{Folder, lookback, testdata};

/// The real CLI's output for many arguments. `LOOKBACK_GOLDEN` names their folder, as `.ci/run` does where it is there.
#[test]
fn the_real_cli_prints_the_same() {
    let Some(folder) = std::env::var_os("LOOKBACK_GOLDEN") else {
        eprintln!("LOOKBACK_GOLDEN is not set: not compared with the real CLI");
        return;
    };
    let folder = Path::new(&folder);
    let cases = fs::read_to_string(folder.join("cases.jsonl")).unwrap();
    let mut compared = 0;
    for case in cases.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let text = |key: &str| case[key].as_str().unwrap().to_owned();
        let args: Vec<&str> = case["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
        let input = folder.join(text("input")).display().to_string();
        let run = lookback(&[&["observe"], &args[..], &[&input]].concat());
        if case["exit"] == 0 {
            let expected = fs::read_to_string(folder.join(format!("out/{}.txt", text("id")))).unwrap();
            assert!(run.out == expected, "{args:?}:\n{}\nexpected:\n{expected}", run.out);
        } else {
            assert_ne!(run.code, Some(0), "{args:?}");
        }
        compared += 1;
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn several_files_are_merged_by_time_and_one_keeps_its_order() {
    let folder = Folder::new();
    let (late, early) = (folder.file("a.log", flows(5..7)), folder.file("b.log", flows(0..2)));
    let times = |args: &[&str]| -> Vec<String> {
        let run = lookback(&[&["observe", "--time-format", "RFC3339Nano"], args].concat());
        run.answer().lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };
    let merged = times(&[&late, &early]);
    assert!(merged.is_sorted() && merged.len() == 4, "{merged:?}");
    assert_eq!(times(&[&late, &early, "--sort", "file"]), [&merged[2..], &merged[..2]].concat());
    assert_eq!(times(&[&late, &early, "--last", "1"]), merged[3..]);
    assert_eq!(times(&[&late, &early, "--first", "3"]), merged[..3]);
    // Out of an archive, too.
    import(&[&late, &early], &archive(&folder));
    assert_eq!(times(&[&archive(&folder)]), merged);
}

#[test]
fn a_filter_that_makes_no_sense_is_told_before_anything_is_read() {
    for (args, word) in [
        (&["--from-ip", "1.2.3"][..], "source_ip"),
        (&["--label", "((("], "source_label"),
        (&["--http-path", "("], "http_path"),
        (&["--allowlist", r#"{"nope":1}"#], "nope"),
        (&["--not", "--not", "--reply"], "--not is given twice"),
        (&["--reply", "--not"], "--not stands at the end"),
        (&["--pod", "a", "--from-pod", "b"], "cannot be combined"),
    ] {
        let run = lookback(&[&["observe"], args, &["not-there.log"]].concat());
        assert!(run.code == Some(2) && run.err.contains(word) && run.out.is_empty(), "{args:?}: {}", run.err);
    }
}

#[test]
fn help_tells_what_it_is() {
    let help = lookback(&["observe", "--help"]).answer();
    assert!(help.starts_with("Print flows as `hubble observe` does"), "{help}");
}

#[test]
fn hostile_text_does_not_drive_a_terminal() {
    let folder = Folder::new();
    let line = r#"{"flow":{"time":"2026-03-01T10:00:00Z","verdict":"\u001b[2J","IP":{"source":"a\u001b]0;x\u0007","destination":"b\t\u202ec"},"Summary":"d\r\ne"}}"#;
    let log = folder.file("a.log", format!("{line}\n"));
    for format in ["compact", "dict", "table"] {
        let out = lookback(&["observe", &log, "-o", format]).answer();
        assert!(!out.contains(['\u{1b}', '\r', '\u{7}', '\u{202e}']), "{out:?}");
        assert!(out.contains("a^[]0;x"), "{out}");
    }
    let json = lookback(&["observe", &testdata("shop"), "-o", "json", "--first", "2"]).answer();
    assert_eq!(json.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count(), 2);
}
