//! An archive in other engines: `events` there has what `lookback sql` says.
//!
//! Needs the program and Python with the package `duckdb`, and takes `chdb` and `datafusion` with it where they are there. They
//! are named by `LOOKBACK_BIN` and `LOOKBACK_PYTHON`; what is missing is passed over, and said so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lookback_flow::columns::{COLUMNS, Type};
use lookback_remote::table::{Dialect, create_table};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Every value of a column of texts, numbers or truths; lists and times are spelt in as many ways as there are engines.
fn query() -> String {
    let plain = |kind: Type| {
        use Type::{Addresses, Headers, Names, Policies, Time, Workloads};
        !matches!(kind, Addresses | Headers | Names | Policies | Time | Workloads)
    };
    let names: Vec<&str> = COLUMNS.iter().filter(|column| plain(column.kind)).map(|column| column.name).collect();
    format!("SELECT {} FROM events", names.join(", "))
}

/// A value as all engines write it.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A row as text.
fn line<'a>(values: impl Iterator<Item = (&'a str, &'a Value)>) -> String {
    let values: Vec<String> = values.map(|(name, value)| format!("{name}={}\n", text(value))).collect();
    values.concat()
}

fn program(variable: &str) -> Option<PathBuf> {
    let path = env::var_os(variable).map(PathBuf::from);
    match &path {
        None => eprintln!("skipped: {variable} names no program"),
        Some(path) => assert!(path.exists(), "{variable}: there is no {}", path.display()),
    }
    path
}

/// What the program answers, a line of text for each row, sorted.
fn wanted(lookback: &Path, archive: &Path) -> Vec<String> {
    let output = Command::new(lookback).args(["sql", &query()]).arg(archive).args(["-o", "json"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<String> = answer["columns"].as_array().unwrap().iter().map(|column| text(&column["name"])).collect();
    let rows = answer["rows"].as_array().unwrap().iter();
    let mut rows: Vec<String> = rows.map(|row| line(names.iter().map(|name| (name.as_str(), &row[name])))).collect();
    rows.sort();
    rows
}

/// What another engine answers; `None` when it is not there.
fn answered(python: &Path, engine: &str, statements: &[String]) -> Option<Vec<String>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/table/ask.py");
    let mut child = Command::new(python)
        .args([script, engine])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = json!({"statements": statements, "query": query()}).to_string();
    child.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(3) {
        eprintln!("skipped: {engine}: {error}");
        return None;
    }
    assert!(output.status.success(), "{engine}: {error}");
    let query = query();
    let names: Vec<&str> = query["SELECT ".len()..query.len() - " FROM events".len()].split(", ").collect();
    let rows: Vec<Vec<Value>> = serde_json::from_slice(&output.stdout).unwrap();
    let mut rows: Vec<String> = rows.iter().map(|row| line(names.iter().copied().zip(row))).collect();
    rows.sort();
    Some(rows)
}

#[test]
fn another_engine_has_the_same_events() {
    let Some(lookback) = program("LOOKBACK_BIN") else { return };
    let Some(python) = program("LOOKBACK_PYTHON") else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = TempDir::new().unwrap();
    let archive = folder.path().join("it's an archive");
    let logs = ["tests/table/odd.log", "../testdata/shop", "../testdata/incident", "../testdata/hostile"];
    let import =
        Command::new(&lookback).arg("import").args(logs.map(|log| root.join(log))).arg("-o").arg(&archive).output();
    let import = import.unwrap();
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    let wanted = wanted(&lookback, &archive);
    // That there is something to compare.
    for said in ["client=shop/web-a", "denied_by=shop/p, q, z/o'x", "request_id=r1", "direction=reply", "dns_qtype=A"] {
        assert!(wanted.iter().any(|row| row.contains(&format!("{said}\n"))), "{said}");
    }
    for (engine, dialect) in [
        ("duckdb", Dialect::DuckDb),
        ("clickhouse", Dialect::ClickHouse),
        ("datafusion", Dialect::DataFusion),
        ("ballista", Dialect::Ballista),
    ] {
        let statements = create_table(dialect, archive.to_str().unwrap()).unwrap();
        let Some(rows) = answered(&python, engine, &statements) else { continue };
        assert_eq!(rows.len(), wanted.len(), "{engine}");
        for (row, wanted) in rows.iter().zip(&wanted) {
            assert_eq!(row, wanted, "{engine}");
        }
    }
}
