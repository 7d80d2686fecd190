//! What is asked about: flows that fit.

use crate::{Folder, lookback, testdata};

#[test]
fn a_filter_leaves_just_what_observe_shows_with_the_same_flags() {
    let folder = Folder::new();
    let archive = folder.path().join("archive").display().to_string();
    lookback(&["import", &testdata("incident"), "-o", &archive]).answer();
    for (words, flags) in [
        ("verdict:dropped", &["--verdict", "DROPPED"][..]),
        ("not:protocol:dns namespace:shop", &["--not", "--protocol", "dns", "--namespace", "shop"]),
        ("http-status:5+", &["--http-status", "5+"]),
        ("pod:shop/web verdict:forwarded", &["--pod", "shop/web", "--verdict", "FORWARDED"]),
    ] {
        for input in [&testdata("incident"), &archive] {
            let shown = lookback(&[&["observe", input, "-o", "json"], flags].concat()).answer();
            let flows = shown.lines().filter(|line| line.starts_with("{\"flow\"")).count();
            let counted =
                lookback(&["sql", "SELECT count(*) AS flows FROM flows", input, "--filter", words, "-q", "-o", "csv"]);
            assert_eq!(counted.answer().lines().nth(1).unwrap(), flows.to_string(), "{words} of {input}");
            assert!(flows > 0, "{words}");
        }
    }
    // Losses are no flows: they are told whatever is asked about.
    let lost =
        lookback(&["ask", "lost-events", &testdata("incident"), "--filter", "verdict:dropped", "-q", "-o", "csv"]);
    assert_eq!(lost.answer(), lookback(&["ask", "lost-events", &testdata("incident"), "-q", "-o", "csv"]).answer());
}

#[test]
fn a_report_has_its_scope_in_every_command() {
    let folder = Folder::new();
    let place = folder.path().join("report");
    let words = "not:namespace:pay verdict:dropped";
    lookback(&["report", &testdata("incident"), "--scope", words, "-o", place.to_str().unwrap()]).answer();
    let page = std::fs::read_to_string(place.join("report.md")).unwrap();
    assert!(page.contains("Flows that fit: not:namespace:pay verdict:dropped"), "{page}");
    let asked: Vec<&str> = page.lines().filter(|line| line.starts_with("lookback ")).collect();
    assert!(
        asked.len() > 4 && asked.iter().all(|line| line.contains("--filter 'not:namespace:pay verdict:dropped'")),
        "{asked:#?}"
    );
    let again = folder.path().join("again");
    lookback(&["report", "--from", place.join("manifest.json").to_str().unwrap(), "-o", again.to_str().unwrap()])
        .answer();
    assert_eq!(std::fs::read(again.join("report.html")).unwrap(), std::fs::read(place.join("report.html")).unwrap());
}

#[test]
fn mistakes_in_a_filter_are_told_before_anything_is_read() {
    let told = |words: &str| lookback(&["ask", "verdicts", &testdata("shop"), "--filter", words]).error();
    assert!(told("verdict:droppd").contains("\"DROPPD\" is no verdict"));
    assert!(told("colour:red").contains("--filter: "));
    assert!(told("last:5m").contains("--since, --until, --last"));
    let folder = Folder::new();
    let key = folder.file("key", [7; 32]);
    let output = folder.path().join("report").display().to_string();
    let run = lookback(&[
        "report",
        &testdata("shop"),
        "-o",
        &output,
        "--filter",
        "pod:shop/web",
        "--redact",
        "pods",
        "--redact-key",
        &key,
    ]);
    assert!(run.error().contains("--namespace and --service"));
}
