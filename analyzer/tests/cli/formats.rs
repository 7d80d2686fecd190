//! What an answer looks like in each format, where it goes, and which exit code comes with it.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use arrow::array::AsArray as _;
use arrow::datatypes::Int64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::{Folder, command, finish, flow, lookback, testdata};

const QUERY: &str =
    "SELECT verdict, count(*) AS flows, CAST(max(time_ns) AS BIGINT) AS last_ns FROM flows GROUP BY verdict ORDER BY 1";

fn ask(format: &str) -> String {
    lookback(&["sql", QUERY, &testdata("incident"), "-q", "-o", format]).answer()
}

#[test]
fn standard_output_carries_the_answer_and_nothing_else() {
    let asked = ["ask", "verdicts", &testdata("incident")].map(str::to_owned);
    for format in ["table", "ndjson", "csv", "markdown"] {
        let told = lookback(&[&asked[..], &["-o".to_owned(), format.to_owned()]].concat());
        let quiet = lookback(&[&asked[..], &["-o".to_owned(), format.to_owned(), "-q".to_owned()]].concat());
        assert_eq!((told.code, &told.out), (Some(0), &quiet.out), "{format}");
        assert!(told.err.starts_with("read    ") && told.err.contains("note    "), "{}", told.err);
        assert_eq!(quiet.err, "", "{format}");
    }
}

#[test]
fn json_holds_rows_and_evidence() {
    let run = lookback(&["ask", "verdicts", &testdata("incident"), "-o", "json"]);
    assert_eq!(run.err, "");
    let answer: Value = serde_json::from_str(&run.answer()).unwrap();
    assert_eq!(answer["title"], "Verdicts");
    assert_eq!(answer["columns"][2], serde_json::json!({"name": "lines", "unit": "count"}));
    let lines: u64 = answer["rows"].as_array().unwrap().iter().map(|row| row["lines"].as_u64().unwrap()).sum();
    assert_eq!(answer["evidence"]["events"]["flow"], lines);
    assert_eq!(answer["evidence"]["lost_events"]["reports"], 3);
    assert_eq!(answer["evidence"]["rejected"], 0);
    assert!(answer["notes"].as_str().unwrap().starts_with("Lines of the log"));
}

#[test]
fn every_format_holds_the_same_rows() {
    let csv: Vec<Vec<String>> = csv::ReaderBuilder::new()
        .from_reader(ask("csv").as_bytes())
        .records()
        .map(|row| row.unwrap().iter().map(str::to_owned).collect())
        .collect();
    assert!(csv.len() > 2 && csv.iter().any(|row| row[0] == "DROPPED"), "{csv:?}");

    let json: Value = serde_json::from_str(&ask("json")).unwrap();
    let ndjson: Vec<Value> = ask("ndjson").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(json["rows"], Value::from(ndjson.clone()));
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let rows: Vec<Vec<String>> =
        ndjson.iter().map(|row| ["verdict", "flows", "last_ns"].map(|name| text(&row[name])).to_vec()).collect();
    assert_eq!(rows, csv);

    let table: Vec<Vec<String>> =
        ask("table").lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect();
    assert_eq!((&*table[0].join(" "), &table[1..]), ("VERDICT FLOWS LAST NS", &csv[..]));

    let markdown = ask("markdown");
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().replace('\\', "")).collect()
    };
    let mut lines = markdown.lines();
    assert_eq!(cells(lines.next().unwrap()), ["verdict", "flows", "last_ns"]);
    assert_eq!(lines.next(), Some("| --- | ---: | ---: |"));
    assert_eq!(lines.map(cells).collect::<Vec<_>>(), csv);
}

#[test]
fn parquet_is_read_back() {
    let folder = Folder::new();
    let output = command(&["sql", QUERY, &testdata("incident"), "-o", "parquet"]).output().unwrap();
    assert!(output.status.success());
    let file = folder.file("answer.parquet", output.stdout);
    let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(file).unwrap()).unwrap();
    let mut rows = Vec::new();
    for batch in reader.build().unwrap().map(Result::unwrap) {
        let (verdicts, times) = (batch.column(0).as_string_view(), batch.column(2).as_primitive::<Int64Type>());
        rows.extend((0..batch.num_rows()).map(|row| format!("{},{}", verdicts.value(row), times.value(row))));
    }
    let csv = ask("csv");
    let expected: Vec<String> = csv
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect::<Vec<_>>())
        .map(|cells| format!("{},{}", cells[0], cells[2]))
        .collect();
    assert_eq!(rows, expected);
}

#[test]
fn raw_leaves_times_as_nanoseconds() {
    let ask = |raw: &[&str]| {
        lookback(&[&["ask", "verdicts", &testdata("incident"), "-q", "-o", "csv", "--limit", "1"], raw].concat())
            .answer()
    };
    assert!(ask(&[]).contains(",2026-03-01T12:"));
    assert!(ask(&["--raw"]).contains(",17723"));
}

#[test]
fn a_column_of_nothing_but_null_is_an_answer() {
    for format in ["table", "json", "ndjson", "csv", "markdown"] {
        let query = "SELECT NULL AS nothing, count(*) AS flows FROM flows";
        lookback(&["sql", query, &testdata("incident"), "-q", "-o", format]).answer();
    }
}

#[test]
fn exit_codes() {
    let log = testdata("incident");
    let code = |arguments: &[&str]| lookback(arguments).code;
    assert_eq!(code(&["ask"]), Some(0));
    assert_eq!(code(&["--version"]), Some(0));
    assert_eq!(code(&["ask", "verdicts", "--help"]), Some(0));
    assert_eq!(code(&["ask", "verdicts", &log]), Some(0));
    assert_eq!(code(&["ask", "verdicts", &log, "--namespace", "none"]), Some(0));
    assert_eq!(code(&["ask", "verdicts", &log, "--namespace", "none", "--fail-if-empty"]), Some(1));
    assert_eq!(code(&["ask", "verdicts", &log, "--fail-if-empty"]), Some(0));
    assert_eq!(code(&[]), Some(2));
    assert_eq!(code(&["ask", "verdicts"]), Some(2));
    assert_eq!(code(&["ask", "verdicts", &log, "--sinse", "5m"]), Some(2));
    assert_eq!(code(&["ask", "verdicts", &log, "-o", "yaml"]), Some(2));
}

#[test]
fn nothing_found_says_what_there_was_to_find() {
    let run = lookback(&["ask", "kafka-topics", &testdata("compat/1.9.json")]);
    assert_eq!((run.code, &*run.out), (Some(0), ""));
    assert!(run.err.starts_with("nothing matches: the input has no layer 7 Kafka records"), "{}", run.err);
    let run = lookback(&["ask", "verdicts", &testdata("torn/empty.log")]);
    assert!(run.err.starts_with("no events in the input"), "{}", run.err);
}

#[test]
fn a_closed_pipe_ends_it_without_a_word() {
    for format in ["table", "json", "ndjson", "csv", "markdown"] {
        // Far more than a pipe holds, so that it must meet the closed end.
        let query = "SELECT a.* FROM flows a CROSS JOIN (SELECT verdict FROM flows LIMIT 5) b";
        let mut child = command(&["sql", query, &testdata("shop"), "-o", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(!line.is_empty());
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr)), (Some(0), "".into()), "{format}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let run = finish(command(&["ask", "verdicts", &testdata("incident"), "-q"]).stdout(full));
    assert!(run.error().contains("No space left"));
}

#[test]
fn two_runs_give_the_same_bytes() {
    for format in ["table", "json", "csv"] {
        for question in ["failure-causes", "service-map", "top-talkers"] {
            let run = || lookback(&["ask", question, &testdata("incident"), &testdata("shop"), "-o", format]);
            assert_eq!(run(), run(), "{question} {format}");
        }
    }
}

#[test]
fn explain_prints_a_statement_with_what_was_bound() {
    let folder = Folder::new();
    let log = folder.file("a.log", flow(1, "shop"));
    let printed =
        lookback(&["ask", "dns-lookups", "o'hara.example", &log, "--last", "1m", "--limit", "7", "--explain"]).answer();
    let statements = sqlparser::parser::Parser::parse_sql(&sqlparser::dialect::GenericDialect {}, &printed).unwrap();
    assert_eq!(statements.len(), 1);
    let whole = statements[0].to_string();
    for bound in ["'o''hara.example'", "LIMIT 7", "time_ns >= 1772323141000000000", "time_ns <= 1772323201000000000"] {
        assert!(whole.contains(bound), "{bound}: {whole}");
    }
    // The title of a query is its text, which may have several lines.
    let printed = lookback(&["sql", "SELECT verdict\nFROM flows\n", &log, "--explain"]).answer();
    sqlparser::parser::Parser::parse_sql(&sqlparser::dialect::GenericDialect {}, &printed).unwrap();
}
