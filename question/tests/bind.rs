//! A value is bound as a value: it changes no statement's shape and comes back from a parse as it was.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use lookback_flow::segment::Clause;
use lookback_question::bind::{Bound, Literal, Scope};
use lookback_question::catalogue::Catalogue;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use sqlparser::ast::{Expr, visit_expressions_mut};
use sqlparser::ast::{Query, Statement, UnaryOperator, Value, ValueWithSpan, VisitMut as _, VisitorMut};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;

/// Every place where a value may stand: alone, compared, in a list, an argument, a pattern, a limit; in a table of its own.
const QUERY: &str = "WITH mine AS (SELECT source_pod, $value AS own FROM flows WHERE source_pod <> $value) \
    SELECT $value AS a, concat($value, 'x', $value) AS b, count(*) AS c FROM flows f JOIN mine ON mine.own = f.source_pod \
    WHERE f.verdict IN ($value, 'it''s', '\\') AND f.node_name LIKE $value AND CASE WHEN $value IS NULL THEN 1 ELSE 2 END = 1 \
    AND f.source_pod BETWEEN $value AND $value GROUP BY 1, 2 HAVING count(*) > $value ORDER BY $value LIMIT $value";

fn catalogue() -> Catalogue {
    Catalogue::load(&[]).unwrap()
}

fn bind(sql: &str, value: &Literal) -> Result<Bound, String> {
    let values = BTreeMap::from([("value".to_owned(), value.clone())]);
    Bound::new(sql, "test", &values, &catalogue()).map_err(|error| error.to_string())
}

/// The statement as an engine reads it: from its text.
fn read(bound: &Bound, scope: &Scope) -> Query {
    let text = bound.statement(scope).unwrap().to_string();
    match Parser::parse_sql(&GenericDialect {}, &text).unwrap_or_else(|error| panic!("{error}: {text}")).as_slice() {
        [Statement::Query(query)] => (**query).clone(),
        _ => panic!("not one query: {text}"),
    }
}

/// Takes the values out of a statement, and leaves its shape.
fn take_values(query: &mut Query) -> Vec<Value> {
    struct Taken(Vec<Value>);
    impl VisitorMut for Taken {
        type Break = ();

        fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<()> {
            self.0.push(std::mem::replace(&mut value.value, Value::Null));
            ControlFlow::Continue(())
        }
    }
    // A negative number is a minus before a number; it stands where a value stood.
    let _ = visit_expressions_mut(query, |expr| {
        if let Expr::Nested(nested) = expr
            && let Expr::UnaryOp { op: UnaryOperator::Minus, expr: number } = &**nested
            && let Expr::Value(ValueWithSpan { value: Value::Number(digits, long), span }) = &**number
        {
            let value = Value::Number(format!("-{digits}"), *long);
            *expr = Expr::Value(ValueWithSpan { value, span: *span });
        }
        ControlFlow::<()>::Continue(())
    });
    let mut taken = Taken(Vec::new());
    let _ = query.visit(&mut taken);
    taken.0
}

fn scope(text: &str) -> Scope {
    Scope { window: Some((-1, 1)), namespace: Some(text.to_owned()), service: Some(text.to_owned()) }
}

/// Asserts that a value stands wherever a harmless one would, and that nothing else differs.
fn assert_bound(literal: &Literal, value: &Value) {
    let harmless = Value::SingleQuotedString("harmless".to_owned());
    let mut expected = read(&bind(QUERY, &Literal::Text("harmless".into())).unwrap(), &Scope::default());
    let mut found = read(&bind(QUERY, literal).unwrap(), &Scope::default());
    let (expected_values, found_values) = (take_values(&mut expected), take_values(&mut found));
    assert_eq!(found.to_string(), expected.to_string(), "{literal:?}");
    let expected_values: Vec<Value> =
        expected_values.into_iter().map(|known| if known == harmless { value.clone() } else { known }).collect();
    assert_eq!(found_values, expected_values, "{literal:?}");
}

fn assert_scoped(text: &str) {
    let bound = bind("SELECT verdict FROM flows", &Literal::Null).unwrap();
    let (mut expected, mut found) = (read(&bound, &scope("harmless")), read(&bound, &scope(text)));
    let (expected_values, found_values) = (take_values(&mut expected), take_values(&mut found));
    assert_eq!(found.to_string().replace(text, "harmless"), expected.to_string().replace(text, "harmless"));
    let texts = |values: Vec<Value>| -> Vec<String> { values.into_iter().filter_map(Value::into_string).collect() };
    let expected: Vec<String> = texts(expected_values).iter().map(|known| known.replace("harmless", text)).collect();
    assert_eq!(texts(found_values), expected);
}

/// Text of what parses badly when it is not bound well, and of anything.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("'"),
        Just("''"),
        Just("\\"),
        Just("\\'"),
        Just("\""),
        Just("`"),
        Just("--"),
        Just("/*"),
        Just("*/"),
        Just(";"),
        Just("\0"),
        Just("\n"),
        Just("$value"),
        Just("$$"),
        Just(" OR 1=1 "),
        Just("%"),
        Just("_"),
        Just("E'"),
        Just("x"),
        Just("\u{2019}"),
        Just("?"),
        Just(")"),
        Just("{{"),
    ];
    let made = proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat());
    prop_oneof![made, any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn a_text_is_bound_as_it_is(text in hostile()) {
        assert_bound(&Literal::Text(text.clone()), &Value::SingleQuotedString(text));
    }

    #[test]
    fn a_scope_is_bound_as_it_is(text in hostile().prop_filter("a slash asks for one service alone", |text| !text.contains('/'))) {
        // Inside another word the text could not be told from the statement.
        assert_scoped(&text);
    }

    #[test]
    fn a_number_is_bound_as_it_is(whole: i64, fraction in proptest::num::f64::NORMAL | proptest::num::f64::ZERO) {
        assert_bound(&Literal::Integer(whole), &Value::Number(whole.to_string(), false));
        assert_bound(&Literal::Number(fraction), &Value::Number(format!("{fraction:?}"), false));
    }
}

#[test]
fn other_values() {
    assert_bound(&Literal::Null, &Value::Null);
    assert_bound(&Literal::Boolean(true), &Value::Boolean(true));
    assert_bound(&Literal::Integer(i64::MIN), &Value::Number(i64::MIN.to_string(), false));
    for text in ["", "'", "''", "\\'", "\\'' OR 1=1 --", "'''", "\\", "a\\'b''c", "$value"] {
        assert_bound(&Literal::Text(text.into()), &Value::SingleQuotedString(text.into()));
    }
}

#[test]
fn texts_of_a_query_stay_as_they_were() {
    let sql = r"SELECT 'it''s', 'a''''b', '\', '\''', '''\', '' FROM flows";
    let mut query = read(&bind(sql, &Literal::Null).unwrap(), &Scope::default());
    let texts: Vec<String> = take_values(&mut query).into_iter().filter_map(Value::into_string).collect();
    assert_eq!(texts[1..], ["it's", "a''b", "\\", "\\'", "'\\", ""]);
}

#[test]
fn every_shipped_question_is_one_statement_whatever_is_asked() {
    let catalogue = catalogue();
    let questions: Vec<_> = catalogue.questions().collect();
    for (name, by) in questions.iter().flat_map(|question| {
        let variants = catalogue.variants(&question.name).into_iter().map(Some);
        std::iter::once(None).chain(variants).map(|by| (&question.name, by))
    }) {
        let question = catalogue.question(name, by).unwrap();
        let mut values = BTreeMap::from(["since", "until", "limit"].map(|name| (name.to_owned(), Literal::Integer(1))));
        for (name, _) in &question.header.parameters.0 {
            values.insert(name.clone(), Literal::Text("\\' OR '1'='1".into()));
        }
        let bound = Bound::new(&question.sql, &question.origin, &values, &catalogue).unwrap();
        read(&bound, &scope("\\' OR '1'='1"));
    }
}

#[test]
fn columns_are_found_where_they_are_named() {
    let columns = |sql: &str| -> Vec<&str> {
        let bound = bind(sql, &Literal::Text("' drop_reason_desc \\'".into())).unwrap();
        bound.columns.iter().map(|id| id.column().name).collect()
    };
    assert_eq!(columns("SELECT count(*) AS n FROM flows WHERE \"verdict\" = $value"), ["verdict"]);
    assert_eq!(columns("SELECT f.Source_Pod FROM flows f"), ["source_pod"]);
    assert_eq!(columns("SELECT 1 AS one WHERE '\\' <> $value OR EXISTS (SELECT verdict FROM flows)"), ["verdict"]);
    assert!(columns("SELECT * FROM flows").len() > 100);
    assert!(columns("SELECT x.n FROM (SELECT count(*) AS n FROM flows) x").is_empty());
    // Those of the tables that it uses, too.
    assert!(columns("SELECT count(*) FROM requests").contains(&"http_url"));
}

#[test]
fn a_scope_adds_conditions_and_the_columns_that_they_need() {
    let bound = bind("SELECT verdict FROM flows", &Literal::Null).unwrap();
    let text = |scope: &Scope| bound.statement(scope).unwrap().to_string();
    let window = Scope { window: Some((5, 7)), ..Scope::default() };
    let namespace = Scope { namespace: Some("a'b".into()), ..Scope::default() };
    let service = |name: &str| Scope { service: Some(name.into()), ..Scope::default() };
    assert!(text(&Scope::default()).contains("FROM events WHERE kind = 'flow') SELECT"));
    assert!(text(&window).contains("FROM events WHERE kind = 'flow' AND time_ns >= 5 AND time_ns <= 7) SELECT"));
    assert!(text(&namespace).contains("(source_namespace = 'a''b' OR destination_namespace = 'a''b')"));
    assert!(text(&service("n/s")).contains("(client = 'n/s' OR server = 'n/s')"));
    assert!(text(&service("s%")).contains("ends_with(client, '/s%')"));
    let columns = |scope: &Scope| bound.columns_in(scope).into_iter().map(|id| id.column().name).collect::<Vec<_>>();
    assert!(columns(&namespace).contains(&"source_namespace") && !columns(&window).contains(&"source_namespace"));
    assert!(columns(&service("s")).contains(&"client"));
}

#[test]
fn tables_come_after_those_that_they_use() {
    let folder = catalogue();
    let bound =
        bind("WITH own AS (SELECT 1 AS one) SELECT * FROM own, connections, lookups, lost_events", &Literal::Null);
    let query = read(&bound.unwrap_or_else(|error| panic!("{error}")), &Scope::default());
    let names: Vec<String> =
        query.with.unwrap().cte_tables.iter().map(|table| table.alias.name.value.clone()).collect();
    let position = |name: &str| names.iter().position(|known| known == name).unwrap();
    assert!(folder.table("connections").is_some());
    assert_eq!((names[0].as_str(), names[1].as_str(), names.last().unwrap().as_str()), ("flows", "lost_events", "own"));
    assert!(position("connections") < position("own") && position("lookups") < position("own"), "{names:?}");
}

#[test]
fn only_a_query_passes() {
    for (sql, error) in [
        ("INSERT INTO flows VALUES (1)", "test: not a query; only SELECT is answered"),
        ("SET x = 1", "test: not a query; only SELECT is answered"),
        ("PRAGMA x", "test: not a query; only SELECT is answered"),
        ("ATTACH 'x' AS y", "test: not a query; only SELECT is answered"),
        ("COPY flows TO 'x'", "test: not a query; only SELECT is answered"),
        ("CREATE TABLE x AS SELECT 1", "test: not a query; only SELECT is answered"),
        ("", "test: not a query; only SELECT is answered"),
        ("SELECT 1; SELECT 2", "test: more than one statement; ask one query at a time"),
        ("SELECT 1; DROP TABLE flows", "test: more than one statement; ask one query at a time"),
        ("SELECT $values", "test: unknown parameter $values (did you mean $value?)"),
        ("SELECT 1 FROM nope", "no table nope; there are flows, lost_events, connections, drops"),
    ] {
        let found = bind(sql, &Literal::Null).unwrap_err();
        assert!(found.starts_with(error), "{sql}: {found}");
    }
    for inside in ["INSERT INTO x VALUES (1)", "UPDATE x SET y = 1", "DELETE FROM flows"] {
        for sql in
            [format!("WITH x AS ({inside}) SELECT 1"), format!("WITH y AS (SELECT 1) {inside}"), inside.to_owned()]
        {
            assert!(bind(&sql, &Literal::Null).is_err(), "{sql}");
        }
    }
    assert!(bind("SELECT 1 INTO x FROM flows", &Literal::Null).is_err());
}

/// The conditions that files are passed over by, as text.
fn needles(sql: &str) -> Vec<String> {
    let catalogue = Catalogue::load(&[]).unwrap();
    let bound = Bound::new(sql, "query", &BTreeMap::new(), &catalogue).unwrap();
    let clause = |clause: &Clause| {
        clause.iter().map(|(id, text)| format!("{}={}", id.column().name, text.text())).collect::<Vec<_>>().join("|")
    };
    bound
        .needles(&Scope::default())
        .iter()
        .map(|needle| needle.iter().map(clause).collect::<Vec<_>>().join("&"))
        .collect()
}

#[test]
fn conditions_that_surely_hold_are_found() {
    for (sql, expected) in [
        ("SELECT * FROM drops WHERE client = 'a'", "verdict=DROPPED"),
        ("SELECT * FROM flows WHERE source_pod = 'a'", "source_pod=a"),
        (
            "SELECT * FROM flows f WHERE f.source_pod = 'it''s' AND (verdict = 'DROPPED')",
            "source_pod=it's&verdict=DROPPED",
        ),
        (
            "SELECT * FROM flows WHERE 'a' = source_pod OR destination_pod IN ('b', 'c')",
            "source_pod=a|destination_pod=b|destination_pod=c",
        ),
        ("SELECT * FROM flows WHERE client_pod = 'a' AND source_port > 5", "source_pod=a|destination_pod=a"),
        (
            "SELECT * FROM (SELECT verdict FROM flows WHERE source_ip = 'x') AS t WHERE verdict = 'DROPPED'",
            "source_ip=x",
        ),
    ] {
        assert_eq!(needles(sql), [expected], "{sql}");
    }
    let both = "SELECT time FROM flows WHERE source_pod = 'a' UNION ALL SELECT time FROM flows WHERE dns_query = 'b'";
    assert_eq!(needles(both), ["source_pod=a", "dns_query=b"]);
}

#[test]
fn where_any_row_may_be_needed_nothing_is_passed_over() {
    for sql in [
        "SELECT * FROM flows",
        "SELECT * FROM flows WHERE NOT source_pod = 'a'",
        "SELECT * FROM flows WHERE source_pod <> 'a'",
        "SELECT * FROM flows WHERE source_pod = 'a' OR source_port = 5",
        "SELECT * FROM flows WHERE source_pod NOT IN ('a')",
        "SELECT * FROM flows WHERE upper(source_pod) = 'A'",
        "SELECT * FROM flows WHERE source_pod = destination_pod",
        "SELECT * FROM flows WHERE source_port = 5",
        "SELECT * FROM flows WHERE client = 'shop/web'",
        "SELECT * FROM flows a JOIN flows b ON a.uuid = b.uuid WHERE a.source_pod = 'a'",
        "SELECT * FROM flows, lost_events WHERE source_pod = 'a'",
        "SELECT * FROM flows WHERE source_pod = 'a' UNION ALL SELECT * FROM flows",
        "SELECT * FROM flows WHERE source_pod = 'a' AND uuid IN (SELECT uuid FROM flows)",
        "SELECT * FROM flows a WHERE EXISTS (SELECT 1 FROM flows b WHERE a.source_pod = 'a')",
        "WITH flows AS (SELECT * FROM events) SELECT * FROM flows WHERE source_pod = 'a'",
        "SELECT source_pod FROM (SELECT destination_pod AS source_pod FROM flows) AS t WHERE source_pod = 'a'",
        "SELECT * FROM connections WHERE client = 'a'",
    ] {
        assert_eq!(needles(sql), [""; 0], "{sql}");
    }
    let scope = Scope { service: Some("a".to_owned()), ..Scope::default() };
    let catalogue = Catalogue::load(&[]).unwrap();
    let bound =
        Bound::new("SELECT * FROM flows WHERE source_pod = 'a'", "query", &BTreeMap::new(), &catalogue).unwrap();
    assert!(bound.needles(&scope).is_empty());
}
