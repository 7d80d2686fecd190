//! `--engine`, as far as it goes without one: `queries/check/flight.py` asks a real one.

use crate::archive::{archive, import};
use crate::replay::{ANY, Replay};
use crate::{Folder, lookback, testdata};

#[test]
fn what_is_no_engine_is_told() {
    let folder = Folder::new();
    let archive = archive(&folder);
    import(&[&testdata("shop")], &archive);
    let told = |args: &[&str]| lookback(&[&["ask", "verdicts"], args].concat()).error();
    // A port that was somebody's a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("flight://{free}");
    assert!(told(&[&archive, "--engine", &nobody]).contains(&free.to_string()));
    assert!(told(&[&archive, "--engine", "http://127.0.0.1:1"]).contains("flight://"));
    assert!(told(&[&archive, "--engine", "flight://127.0.0.1"]).contains("port"));
    assert!(told(&[&archive, "--engine", &nobody, "--engine-timeout", "soon"]).contains("--engine-timeout"));
    // Hubble's API is not Flight's.
    let replay = Replay::new(&[&[&*archive], &ANY[..]].concat());
    let told_of_hubble = told(&[&archive, "--engine", &format!("flight://{}", replay.address)]);
    assert!(told_of_hubble.contains("not of Arrow Flight"), "{told_of_hubble}");
    // What no engine could answer is told before any is asked.
    assert!(told(&[&testdata("shop"), "--engine", &nobody]).contains("lookback import"));
    assert!(told(&[&archive, "--engine", &nobody, "--filter", "verdict:dropped"]).contains("--filter is not"));
}

#[test]
fn the_sql_of_an_archive_is_that_of_each_engine() {
    for engine in ["datafusion", "duckdb", "clickhouse", "spark", "trino"] {
        let sql = lookback(&["archive", "sql", engine, "s3://flows/it's"]).answer();
        assert!(sql.contains("lookback_stored") && sql.contains("VIEW events"), "{sql}");
        assert!(!sql.contains("it's"), "a quote ends the literal: {sql}");
    }
    assert!(lookback(&["archive", "sql", "duckdb", "a\nb"]).error().contains("location"));
}
