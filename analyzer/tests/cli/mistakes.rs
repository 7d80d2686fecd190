//! A mistake is told in one line that says what and where.

use crate::{lookback, testdata};

#[test]
fn questions_that_there_are_not() {
    let log = testdata("shop");
    let error = lookback(&["ask", "verdict", &log]).error();
    assert_eq!(
        error,
        "no question or command \"verdict\" (did you mean verdicts?); `lookback ask` lists the questions"
    );
    let error = lookback(&["ask", "zzz", &log]).error();
    assert_eq!(error, "no question or command \"zzz\"; `lookback ask` lists the questions");
    assert!(lookback(&["aks"]).error().starts_with("no question or command \"aks\""));
}

#[test]
fn flags_that_there_are_not() {
    let run = lookback(&["ask", "verdicts", &testdata("shop"), "--sinse", "5m"]);
    assert_eq!((run.code, &*run.out), (Some(2), ""));
    assert!(run.err.contains("'--sinse'") && run.err.contains("'--since'"), "{}", run.err);
    let run = lookback(&["ask", "top-drop-reasons", &testdata("shop"), "--by", "colour"]);
    assert!(run.err.contains("'colour'") && run.err.contains("pair"), "{}", run.err);
    let run = lookback(&["ask", "pair-latency", "shop/web"]);
    assert!(run.err.contains("<B>") && run.err.contains("<INPUT>"), "{}", run.err);
}

#[test]
fn mistakes_in_sql() {
    let log = testdata("shop");
    for (query, error) in [
        ("SELECT nope FROM flows", "query: the query failed: not found: unable to find column \"nope\""),
        ("SELECT verdict FROM nope", "no table nope; there are flows, lost_events, connections"),
        ("SELECT verdict FROM flows WHERE", "query: sql parser error: "),
        ("SELECT verdict FROM flows WHERE verdict = $x", "query: unknown parameter $x"),
        ("SELECT nope(1) FROM flows", "query: the query failed: unsupported function 'nope'"),
        ("SELECT '1' + 1", "query: the query failed: "),
        ("SELECT count(*) FROM flows HAVING count(*) > 1", "query: the query failed: HAVING clause not valid"),
    ] {
        let found = lookback(&["sql", query, &log]).error();
        assert!(found.starts_with(error) && found.len() < 300 && !found.contains("valid columns"), "{found}");
    }
    let error = lookback(&["sql", "SELECT verdict FROM flows"]).error();
    assert!(error.starts_with("no input: "), "{error}");
}

#[test]
fn no_question_lists_them_by_theme() {
    let list = lookback(&["ask"]).answer();
    for part in ["overview\n", "dns\n", "  pair-latency A B ", "--by pair", "lookback ask QUESTION INPUT…"] {
        assert!(list.contains(part), "{part}: {list}");
    }
    let help = lookback(&["ask", "dns-lookups", "--help"]).answer();
    for part in
        ["<NAME>", "--expanded", "[default: false]", "--last", "Columns:", "client_ip", "queries/dns-lookups.sql"]
    {
        assert!(help.contains(part), "{part}: {help}");
    }
}
