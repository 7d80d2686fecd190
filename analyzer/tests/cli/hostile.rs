//! Text from a log wants to do harm where it is shown, text from a user wants to be more than a value.

use std::fs;

use serde_json::Value;

use crate::{Folder, flow, lookback, testdata};

/// Characters that do something to a terminal.
fn drives(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// All texts of the hostile log.
const TEXTS: &str = "SELECT node_name, source_pod, source_namespace, source_labels, destination_names, dns_query, http_url, \
    http_method, http_headers, summary, extra, drop_reason_desc FROM flows";

#[test]
fn nothing_from_a_log_drives_a_terminal() {
    for format in ["table", "markdown"] {
        let run = lookback(&["sql", TEXTS, &testdata("hostile"), "-o", format]);
        assert_eq!(run.code, Some(0), "{}", run.err);
        let plain = run.out.replace('\\', "");
        assert!(plain.contains("^[") && plain.contains("u{202e}"), "the log is not hostile any more");
        for text in [run.out, run.err] {
            assert_eq!(text.chars().find(|c| drives(*c)), None, "{text:?}");
        }
        for question in ["verdicts", "top-talkers", "dns-failures", "http-calls", "service-map", "coverage", "ports"] {
            let run = lookback(&["ask", question, &testdata("hostile"), "-o", format]);
            assert_eq!(run.code, Some(0), "{}", run.err);
            for text in [run.out, run.err] {
                assert_eq!(text.chars().find(|c| drives(*c)), None, "{question}: {text:?}");
            }
        }
    }
}

#[test]
fn an_error_does_not_drive_a_terminal() {
    let folder = Folder::new();
    let file = folder.file("\u{1b}[31m\u{202e}.log", r#"{"flow":{"\u001b]0;x":1,"\u001b]0;x":2}}"#);
    for arguments in [
        vec!["ask", "verdicts", &*file, "--strict"],
        vec!["ask", "verdicts", &*file],
        vec!["sql", "SELECT \"\u{1b}[31m\u{202e}\" FROM flows", &*file],
        vec!["sql", "SELECT 1 FROM \"\u{1b}[31m\u{202e}\"", &*file],
        vec!["ask", "verdicts", "/nonexistent/\u{1b}[31m\u{202e}"],
        vec!["ask", "verdicts", &*file, "--last", "\u{1b}[31m\u{202e}"],
        vec!["ask", "\u{1b}[31m\u{202e}", &*file],
    ] {
        let run = lookback(&arguments);
        assert!(run.err.contains("u{202e}") || run.err.contains("rejected"), "{}", run.err);
        assert_eq!(run.err.chars().find(|c| drives(*c)), None, "{:?}", run.err);
    }
}

#[test]
fn a_line_of_a_table_is_one_line() {
    let folder = Folder::new();
    let file = folder.file("a.log", flow(1, "a\nb\r\n| c | d\u{2028}e"));
    for (format, lines) in [("table", 2), ("markdown", 3), ("csv", 4), ("ndjson", 1)] {
        let answer = lookback(&["sql", "SELECT source_namespace FROM flows", &file, "-q", "-o", format]).answer();
        assert_eq!(answer.lines().count(), lines, "{format}: {answer}");
    }
}

#[test]
fn no_markup_on_a_page() {
    let answer = lookback(&["sql", TEXTS, &testdata("hostile"), "-q", "-o", "markdown"]).answer();
    assert!(!answer.contains('<') && answer.contains("&lt;script&gt;"), "{answer}");
    let pipes = answer.lines().map(|line| line.replace("\\|", "").matches('|').count());
    assert!(pipes.clone().all(|count| Some(count) == pipes.clone().next()), "{answer}");
}

#[test]
fn no_formula_in_a_spreadsheet() {
    let formulas = ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1", "\n=1", "=HYPERLINK(\"http://x\",\"y\")"];
    let folder = Folder::new();
    let file = folder.file("a.log", (1..).zip(formulas).map(|(n, text)| flow(n, text)).collect::<String>());
    let cells = |arguments: &[&str]| -> Vec<String> {
        let query = "SELECT source_namespace FROM flows ORDER BY time_ns";
        let answer = lookback(&[&["sql", query, &file, "-q", "-o", "csv"], arguments].concat()).answer();
        csv::Reader::from_reader(answer.as_bytes()).records().map(|row| row.unwrap()[0].to_owned()).collect()
    };
    assert_eq!(cells(&[]), formulas.map(|text| format!("'{text}")));
    assert_eq!(cells(&["--raw"]), formulas);
    let answer = lookback(&["sql", TEXTS, &testdata("hostile"), "-q", "-o", "csv"]).answer();
    for row in csv::Reader::from_reader(answer.as_bytes()).records().map(Result::unwrap) {
        for cell in &row {
            assert!(!cell.trim_start().starts_with(['=', '+', '-', '@']), "{cell}");
        }
    }
}

#[test]
fn json_gives_every_text_as_it_was() {
    let answer = lookback(&["sql", TEXTS, &testdata("hostile"), "-o", "json"]).answer();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["rows"].as_array().unwrap().len(), 46);
    let texts = serde_json::to_string(&answer["rows"]).unwrap();
    assert!(texts.contains("\\u001b[") && texts.contains('\u{202e}'));
}

const INJECTIONS: &[&str] = &[
    "x' OR '1'='1",
    "x') OR ('1'='1",
    "'; DROP TABLE flows; --",
    "x' UNION SELECT * FROM flows --",
    "\\' OR 1=1 --",
    "' OR source_namespace LIKE '%",
    "%",
    "_",
    "$limit",
    "*/ OR 1=1 /*",
    "x\" OR \"1\"=\"1",
    "\u{2019} OR 1=1",
    "''",
    "'",
    "shop%2F",
];

#[test]
fn a_value_is_a_value_and_nothing_more() {
    let log = testdata("shop");
    let answer = |arguments: &[&str]| {
        let run = lookback(&[arguments, &["-o", "csv", "-q"]].concat());
        assert_eq!(run.err, "", "{arguments:?}");
        run.answer()
    };
    let commands: [&dyn Fn(&str) -> String; 6] = [
        &|text| answer(&["ask", "verdicts", &log, "--namespace", text]),
        &|text| answer(&["ask", "verdicts", &log, "--service", text]),
        &|text| answer(&["ask", "verdicts", &log, "--service", &format!("shop/{text}")]),
        &|text| answer(&["ask", "dns-lookups", text, &log]),
        &|text| answer(&["ask", "pair-latency", "shop/web", text, &log]),
        &|text| answer(&["sql", "SELECT verdict FROM flows", &log, "--namespace", text]),
    ];
    for ask in commands {
        let nothing = ask("nobody");
        assert_eq!(nothing.lines().count(), 1, "only a header: {nothing}");
        for text in INJECTIONS {
            assert_eq!(ask(text), nothing, "{text}");
        }
    }
    for (value, flag) in [("shop", "--namespace"), ("web", "--service"), ("shop/web", "--service")] {
        assert!(answer(&["ask", "verdicts", &log, flag, value]).lines().count() > 1, "{flag} {value}");
    }
}

#[test]
fn a_value_finds_the_very_same_text() {
    let folder = Folder::new();
    let lines = (1..).zip(INJECTIONS).map(|(n, text)| flow(n, text));
    let file = folder.file("a.log", lines.collect::<String>());
    for text in INJECTIONS {
        let query = "SELECT source_namespace FROM flows";
        let answer = lookback(&["sql", query, &file, "--namespace", text, "-q", "-o", "ndjson"]).answer();
        let rows: Vec<Value> = answer.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(rows, [serde_json::json!({"source_namespace": text})], "{text}");
    }
}

#[test]
fn sql_only_asks() {
    let folder = Folder::new();
    let file = folder.file("a.log", flow(1, "a"));
    let before = fs::read(&file).unwrap();
    for (query, error) in [
        ("INSERT INTO flows VALUES (1)", "query: not a query; only SELECT is answered"),
        ("DROP TABLE flows", "query: not a query"),
        ("SET x = 1", "query: not a query"),
        ("CREATE TABLE x AS SELECT 1", "query: not a query"),
        ("EXPLAIN SELECT 1", "query: not a query"),
        ("COPY flows TO '/tmp/x'", "query: not a query"),
        ("SELECT 1; DROP TABLE flows", "query: more than one statement"),
        ("SELECT * FROM read_csv('/etc/passwd')", "no table read_csv"),
        ("SELECT * FROM '/etc/passwd'", "no table '/etc/passwd'"),
    ] {
        let found = lookback(&["sql", query, &file]).error();
        assert!(found.starts_with(error), "{found}");
    }
    assert_eq!(fs::read(&file).unwrap(), before);
}
