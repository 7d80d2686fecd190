//! Which time an answer is about.

use crate::{Folder, Run, flow, lookback};

/// Ten flows, at 10 to 100 seconds.
fn log(folder: &Folder) -> String {
    folder.file("a.log", (1..=10).map(|n| flow(n * 10, "shop")).collect::<String>())
}

fn ask(arguments: &[&str]) -> Run {
    let folder = Folder::new();
    let query = "SELECT CAST(count(*) AS BIGINT) AS flows FROM flows";
    lookback(&[&["sql", query, &log(&folder), "-o", "csv"], arguments].concat())
}

fn flows(arguments: &[&str]) -> usize {
    ask(arguments).answer().strip_prefix("flows\n").unwrap().trim().parse().unwrap()
}

#[test]
fn both_ends_belong_to_a_window() {
    assert_eq!(flows(&[]), 10);
    assert_eq!(flows(&["--last", "0"]), 1);
    assert_eq!(flows(&["--last", "20s"]), 3);
    assert_eq!(flows(&["--last", "19999ms"]), 2);
    assert_eq!(flows(&["--since", "20s"]), 3);
    assert_eq!(flows(&["--until", "20s"]), 8);
    assert_eq!(flows(&["--since", "2026-03-01T00:00:20Z", "--until", "2026-03-01T00:00:40Z"]), 3);
    assert_eq!(flows(&["--since", "2026-03-01T00:00:20.000000001Z", "--until", "2026-03-01T00:00:39.999Z"]), 1);
    assert_eq!(flows(&["--since", "2026-03-01T01:00:20+01:00"]), 9);
    assert_eq!(flows(&["--since", "2026-03-01", "--until", "2026-03-02"]), 10);
    assert_eq!(flows(&["--since", "2026-03-01T00:00:20Z", "--until", "60s"]), 3);
}

#[test]
fn a_window_beside_the_data_is_empty() {
    for window in [["--since", "2026-03-02"], ["--until", "2026-02-28"]] {
        let run = ask(&window);
        assert!(run.err.contains("(0ns)"), "{}", run.err);
        assert_eq!(run.answer(), "flows\n0\n");
    }
}

#[test]
fn durations_count_back_from_the_data_unless_told_otherwise() {
    assert_eq!(flows(&["--last", "30s", "--relative-to", "data"]), 4);
    assert_eq!(flows(&["--last", "30s", "--relative-to", "now"]), 0);
}

#[test]
fn a_question_has_a_window_of_its_own() {
    let folder = Folder::new();
    let printed = |arguments: &[&str]| {
        lookback(&[&["ask", "dns-failures", &log(&folder), "--explain"], arguments].concat()).answer()
    };
    assert!(printed(&[]).contains("-- window: 2026-02-28T23:56:40Z to 2026-03-01T00:01:40Z"));
    assert!(printed(&["--since", "2026-03-01"]).contains("-- window: 2026-03-01T00:00:00Z to"));
    assert!(printed(&["--last", "1m"]).contains("-- window: 2026-03-01T00:00:40Z to"));
}

#[test]
fn windows_that_are_none() {
    for (arguments, error) in [
        (["--last", "5x"], "--last: \"5x\" is no duration: give 5m, 1h30m, 300ms, 2d"),
        (["--since", "soon"], "--since: \"soon\" is no moment: give 2026-03-01T10:00:00Z"),
        (["--until", "2026-13-01"], "--until: \"2026-13-01\" is no moment"),
    ] {
        let found = ask(&arguments).error();
        assert!(found.starts_with(error), "{found}");
    }
    assert_eq!(
        ask(&["--since", "2026-03-02", "--until", "2026-03-01"]).error(),
        "the window ends before it begins: --since 2026-03-02 --until 2026-03-01"
    );
    assert_eq!(
        ask(&["--last", "5s", "--until", "6s"]).error(),
        "the window ends before it begins: --last 5s --until 6s"
    );
    assert_eq!(ask(&["--last", "5s", "--since", "6s"]).code, Some(2));
}
