//! Every question over the logs of `testdata/`, and over archives of them, against answers that were worked out by hand
//! (`cases.toml` in each folder).

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    question: String,
    #[serde(default)]
    args: Vec<String>,
    /// Files of the folder; the whole folder when none is named.
    #[serde(default)]
    input: Vec<String>,
    expected: String,
    why: String,
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata")
}

fn lookback(args: &[String]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lookback")).args(args).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "lookback {}: {error}", args.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

/// Header and rows; rows sorted, since a case says what is in an answer, not in which order.
fn table(text: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let mut csv = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.trim_start().as_bytes());
    let mut rows: Vec<Vec<String>> =
        csv.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
    let header = rows.remove(0);
    rows.sort();
    (header, rows)
}

/// The same text, or numbers that differ in the last digits only.
fn same(column: &str, a: &str, b: &str) -> bool {
    let bound = if column == "score" { 1e-3 } else { 1e-9 };
    a == b
        || matches!((a.parse::<f64>(), b.parse::<f64>()), (Ok(a), Ok(b)) if (a - b).abs() <= bound && (a.fract() != 0.0 || b.fract() != 0.0))
}

/// The rows of one table that the other lacks.
fn missing<'a>(header: &[String], from: &'a [Vec<String>], other: &[Vec<String>]) -> Vec<&'a Vec<String>> {
    let equal = |a: &[String], b: &[String]| a.len() == b.len() && (0..a.len()).all(|i| same(&header[i], &a[i], &b[i]));
    from.iter().filter(|row| !other.iter().any(|candidate| equal(row, candidate))).collect()
}

fn inputs(folder: &Path, case: &Case) -> Vec<String> {
    if case.input.is_empty() {
        return vec![folder.display().to_string()];
    }
    case.input.iter().map(|name| folder.join(name).display().to_string()).collect()
}

fn ask(case: &Case, inputs: &[String]) -> String {
    let mut arguments = vec!["ask".to_owned(), case.question.clone()];
    arguments.extend(case.args.iter().chain(inputs).cloned());
    arguments.extend(["-q", "-o", "csv", "--raw"].map(str::to_owned));
    lookback(&arguments)
}

/// Archives of the inputs of cases, made when they are first asked for.
#[derive(Default)]
struct Archives(BTreeMap<Vec<String>, tempfile::TempDir>);

impl Archives {
    fn of(&mut self, inputs: &[String]) -> String {
        let folder = self.0.entry(inputs.to_vec()).or_insert_with(|| {
            let folder = tempfile::tempdir().unwrap();
            let archive = folder.path().join("archive").display().to_string();
            lookback(&[&["import".to_owned(), "-q".to_owned()], inputs, &["-o".to_owned(), archive]].concat());
            folder
        });
        folder.path().join("archive").display().to_string()
    }
}

fn check(scenario: &str) {
    let folder = testdata().join(scenario);
    let cases: Cases = toml::from_str(&fs::read_to_string(folder.join("cases.toml")).unwrap()).unwrap();
    let mut wrong = Vec::new();
    let mut archives = Archives::default();
    for case in &cases.case {
        let inputs = inputs(&folder, case);
        let answer = ask(case, &inputs);
        let kept = ask(case, &[archives.of(&inputs)]);
        assert_eq!(kept, answer, "{} {}: from an archive", case.question, case.args.join(" "));
        let (header, found) = table(&answer);
        let (expected_header, expected) = table(&case.expected);
        let (extra, lacking) = (missing(&header, &found, &expected), missing(&header, &expected, &found));
        if header != expected_header || !extra.is_empty() || !lacking.is_empty() || found.len() != expected.len() {
            let lines = |rows: Vec<&Vec<String>>| {
                rows.iter().map(|row| "\n    ".to_owned() + &row.join(",")).collect::<String>()
            };
            wrong.push(format!(
                "{} {}\n  {}\n  found, not expected:{}\n  expected, not found:{}\n  why: {}",
                case.question,
                case.args.join(" "),
                header.join(","),
                lines(extra),
                lines(lacking),
                case.why.trim()
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} answers over {scenario} are wrong:\n{}",
        wrong.len(),
        cases.case.len(),
        wrong.join("\n\n")
    );
}

#[test]
fn a_quiet_hour() {
    check("shop");
}

#[test]
fn an_incident() {
    check("incident");
}

#[test]
fn wrapped_logs() {
    check("wrapped");
}

#[test]
fn logs_of_all_versions() {
    check("compat");
}

#[test]
fn torn_files() {
    check("torn");
}

#[test]
fn three_days_for_a_report() {
    check("review");
}

#[test]
fn every_question_has_a_case() {
    let queries = Path::new(env!("CARGO_MANIFEST_DIR")).join("../queries");
    let shipped: BTreeSet<String> = fs::read_dir(queries)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".sql").map(str::to_owned))
        .collect();
    let mut asked = BTreeSet::new();
    for scenario in ["shop", "incident"] {
        let cases: Cases =
            toml::from_str(&fs::read_to_string(testdata().join(scenario).join("cases.toml")).unwrap()).unwrap();
        asked.extend(cases.case.iter().map(|case| match case.args.iter().position(|arg| arg == "--by") {
            Some(at) => format!("{}.by-{}", case.question, case.args[at + 1]),
            None => case.question.clone(),
        }));
    }
    assert_eq!(shipped.difference(&asked).collect::<Vec<_>>(), Vec::<&String>::new());
}

/// The order of files and of lines changes no answer.
#[test]
fn order_changes_nothing() {
    let folder = testdata().join("incident");
    let mut lines = Vec::new();
    for node in ["node-a", "node-b"] {
        for entry in fs::read_dir(folder.join(node)).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            lines.extend(text.lines().map(str::to_owned));
        }
    }
    // A fixed shuffle: every line moves.
    let count = lines.len();
    let shuffled: Vec<&str> = (0..count).map(|i| lines[(i * 7919 + 13) % count].as_str()).collect();
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("z.log"), shuffled[..count / 3].join("\n")).unwrap();
    fs::write(other.path().join("a.log"), shuffled[count / 3..].join("\n")).unwrap();
    let cases: Cases = toml::from_str(&fs::read_to_string(folder.join("cases.toml")).unwrap()).unwrap();
    for case in cases.case.iter().filter(|case| case.input.is_empty()) {
        assert_eq!(
            ask(case, &inputs(&folder, case)),
            ask(case, &inputs(other.path(), case)),
            "{} {}",
            case.question,
            case.args.join(" ")
        );
    }
}
