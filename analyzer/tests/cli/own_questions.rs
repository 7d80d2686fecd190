//! Questions of the user's own: found, asked, and told apart from their mistakes.

use crate::{Folder, Run, command, finish, flow, lookback};

const HEADER: &str = "-- title = \"Busy\"\n-- answers = \"Who is busy.\"\n-- theme = \"mine\"\n";
const COLUMNS: &str =
    "-- [[columns]]\n-- name = \"namespace\"\n-- [[columns]]\n-- name = \"flows\"\n-- unit = \"count\"\n";
const SELECT: &str = "SELECT source_namespace AS namespace, count(*) AS flows FROM flows GROUP BY source_namespace \
    HAVING count(*) >= $minimum ORDER BY namespace LIMIT $limit\n";
const MINIMUM: &str = "-- [parameters.minimum]\n-- type = \"integer\"\n-- default = 2\n-- help = \"Fewest flows.\"\n";

fn log(folder: &Folder) -> String {
    folder.file("log/a.log", [flow(1, "a"), flow(2, "b"), flow(3, "b")].concat())
}

/// Asks `busy`, whose file is this.
fn ask(file: impl AsRef<[u8]>, arguments: &[&str]) -> Run {
    let folder = Folder::new();
    folder.file("queries/busy.sql", file);
    let queries = folder.path().join("queries").display().to_string();
    let run =
        lookback(&[&["ask", "busy", &log(&folder), "-q", "-o", "csv", "--queries", &queries], arguments].concat());
    Run { err: run.err.replace(&*queries, "QUERIES"), ..run }
}

#[test]
fn a_question_with_a_parameter() {
    let file = [HEADER, MINIMUM, COLUMNS, SELECT].concat();
    assert_eq!(ask(&file, &[]).answer(), "namespace,flows\nb,2\n");
    assert_eq!(ask(&file, &["--minimum", "1"]).answer(), "namespace,flows\na,1\nb,2\n");
    assert_eq!(ask(&file, &["--minimum", "-5", "--limit", "1"]).answer(), "namespace,flows\na,1\n");
    let error = ask(&file, &["--minimum", "1 OR 1=1"]).error();
    assert!(error.starts_with("--minimum: \"1 OR 1=1\" is no whole number"), "{error}");
    let help = ask(&file, &["--help"]).answer();
    assert!(help.contains("--minimum <N>") && help.contains("Fewest flows. [default: 2]"), "{help}");
}

#[test]
fn as_editors_of_other_systems_write_it() {
    let file = [HEADER, MINIMUM, COLUMNS, SELECT].concat();
    assert_eq!(ask(format!("\u{feff}{file}"), &[]).answer(), "namespace,flows\nb,2\n");
    assert_eq!(ask(file.replace('\n', "\r\n"), &[]).answer(), "namespace,flows\nb,2\n");
}

#[test]
fn found_in_the_configuration_folder_and_before_a_shipped_one() {
    let folder = Folder::new();
    folder.file("lookback/queries/busy.sql", [HEADER, MINIMUM, COLUMNS, SELECT].concat());
    folder.file("lookback/queries/verdicts.sql", [HEADER, COLUMNS, "SELECT 'mine' AS namespace, 1 AS flows"].concat());
    folder.file("lookback/queries/folder.sql/notes.txt", "");
    let ask = |question: &str| {
        let mut command = command(&["ask", question, &log(&folder), "-q", "-o", "csv"]);
        finish(command.env("XDG_CONFIG_HOME", folder.path())).answer()
    };
    assert_eq!(ask("busy"), "namespace,flows\nb,2\n");
    assert_eq!(ask("verdicts"), "namespace,flows\nmine,1\n");
}

#[test]
fn mistakes_in_a_header_are_told_by_line() {
    let parameter = |text: &str| [HEADER, "-- [parameters.", text, "\n", COLUMNS, SELECT].concat();
    for (file, error) in [
        ("SELECT 1".to_owned(), "QUERIES/busy.sql:1: missing field `title`"),
        ("-- title = \"a\"\n-- answers = oops\nSELECT 1".to_owned(), "QUERIES/busy.sql:2: "),
        ([HEADER, "-- colour = 1\n", COLUMNS, SELECT].concat(), "QUERIES/busy.sql:4: unknown field `colour`"),
        ([HEADER, COLUMNS].concat(), "QUERIES/busy.sql: no SELECT after the header"),
        (
            [HEADER, "-- [defaults]\n-- last = \"5x\"\n", COLUMNS, SELECT].concat(),
            "QUERIES/busy.sql:5: \"5x\" is no duration",
        ),
        (
            parameter("minimum]\n-- type = \"colour\""),
            "QUERIES/busy.sql:4: parameter minimum: unknown variant `colour`",
        ),
        (
            parameter("last]\n-- type = \"text\""),
            "QUERIES/busy.sql:4: parameter last: every question has a flag of this name",
        ),
        (parameter("\"we ird\"]\n-- type = \"text\""), "QUERIES/busy.sql:4: parameter we ird: a name is of a to z"),
        (
            parameter("minimum]\n-- type = \"integer\"\n-- default = \"two\""),
            "QUERIES/busy.sql:4: parameter minimum: the default two is not of its type",
        ),
        (parameter("minimum]\n-- type = \"choice\""), "QUERIES/busy.sql:4: parameter minimum: a choice"),
        (
            parameter("minimum]\n-- type = \"text\"\n-- positional = true\n-- default = \"a\""),
            "QUERIES/busy.sql:4: parameter minimum: what is taken by its place",
        ),
    ] {
        let found = ask(&file, &[]).error();
        assert!(found.starts_with(error), "{found}");
    }
    let found = ask(b"-- title = \"\xff\"\n", &[]).error();
    assert!(found.starts_with("QUERIES/busy.sql: ") && found.contains("UTF-8"), "{found}");
}

#[test]
fn mistakes_in_the_sql_are_told_by_file() {
    for (sql, error) in [
        ("SELECT 1; DROP TABLE flows", "more than one statement; ask one query at a time"),
        ("DELETE FROM flows", "not a query; only SELECT is answered"),
        ("SELEC 1", "sql parser error: "),
        ("SELECT $minimun AS namespace", "unknown parameter $minimun (did you mean $minimum?)"),
        ("SELECT nope FROM flows", "the query failed: not found: unable to find column \"nope\""),
    ] {
        let found = ask([HEADER, MINIMUM, COLUMNS, sql].concat(), &[]).error();
        assert!(found.starts_with(&format!("QUERIES/busy.sql: {error}")), "{found}");
    }
}

#[test]
fn a_folder_that_is_not_there() {
    let folder = Folder::new();
    let error = lookback(&["ask", "verdicts", &log(&folder), "--queries", "/nonexistent/queries"]).error();
    assert!(error.starts_with("/nonexistent/queries: No such file"), "{error}");
}
