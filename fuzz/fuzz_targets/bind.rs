//! Any text as a query and as parameters: never a panic, and a value that is bound comes back from a parse as it was,
//! in a statement of the same shape.

#![no_main]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use lookback_question::bind::{Bound, Literal, Scope};
use lookback_question::catalogue::Catalogue;
use sqlparser::ast::{Query, Statement, Value, ValueWithSpan, visit_expressions};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::load(&[]).expect("the shipped questions"));

/// Every place for a text: a value of its own, in a comparison, an argument, a list.
const QUERY: &str = "SELECT $text AS a, concat($text, 'x') AS b FROM flows \
    WHERE source_pod = $text AND verdict IN ($text, 'DROPPED') AND ip_source LIKE $text LIMIT $number";

fuzz_target!(|input: (&str, &str, i64, f64, Option<bool>)| {
    let (sql, text, integer, number, boolean) = input;
    let values = |text: &str| {
        let boolean = boolean.map_or(Literal::Null, Literal::Boolean);
        BTreeMap::from([
            ("text".to_owned(), Literal::Text(text.to_owned())),
            ("number".to_owned(), Literal::Integer(integer)),
            ("fraction".to_owned(), Literal::Number(if number.is_finite() { number } else { 0.0 })),
            ("boolean".to_owned(), boolean),
        ])
    };
    let scope = |text: &str| Scope {
        window: Some((integer, integer)),
        namespace: Some(text.to_owned()),
        service: Some(text.to_owned()),
    };
    // The query is anybody's: it is refused or bound.
    if let Ok(bound) = Bound::new(sql, "fuzz", &values(text), &CATALOGUE) {
        let _ = bound.columns_in(&scope(text));
        let _ = bound.statement(&scope(text)).map(|statement| statement.to_string());
    }
    // The query is ours, the values are anybody's. With a slash, a service is asked for otherwise.
    let name = text.replace('/', " ");
    let statement = |text: &str, name: &str| {
        let bound = Bound::new(QUERY, "fuzz", &values(text), &CATALOGUE).expect("a query that is good");
        bound.statement(&scope(name)).expect("a scope that is good").to_string()
    };
    let (harmless, hostile) = (parse(&statement("harmless", "nobody")), parse(&statement(text, &name)));
    let (harmless, hostile) = (texts(&harmless), texts(&hostile));
    assert_eq!(harmless.len(), hostile.len(), "{text:?} changed the statement");
    for (harmless, hostile) in harmless.iter().zip(&hostile) {
        let expected = match harmless.as_str() {
            "harmless" => text.to_owned(),
            other => other.replace("nobody", &name),
        };
        assert_eq!(&expected, hostile);
    }
});

fn parse(sql: &str) -> Query {
    match Parser::parse_sql(&GenericDialect {}, sql).expect("a statement that can be read").as_slice() {
        [Statement::Query(query)] => (**query).clone(),
        other => panic!("not one query: {other:?}"),
    }
}

/// The texts in a statement, in order.
fn texts(query: &Query) -> Vec<String> {
    let mut texts = Vec::new();
    let _ = visit_expressions(query, |expr| {
        if let sqlparser::ast::Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) = expr {
            texts.push(text.clone());
        }
        ControlFlow::<()>::Continue(())
    });
    texts
}
