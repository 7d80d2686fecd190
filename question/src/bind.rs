//! From a question and its parameters to one statement that any engine can run.
//!
//! Promises:
//! 1. Values are bound as typed literals in the parsed statement, never pasted as text: no value changes its shape.
//! 2. The statement is whole: the tables it uses stand in its WITH, down to `events`, the one table an engine must have.
//! 3. Only a query is bound; nothing that writes or changes settings gets through.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use lookback_flow::columns::{COLUMNS, ColumnId};
use lookback_flow::segment::Needle;
use sqlparser::ast::{
    Expr, ObjectName, Query, Select, SelectItem, SetExpr, Statement, TableFactor, TableWithJoins, UnaryOperator, Value,
    ValueWithSpan, Visit, Visitor, visit_expressions_mut, visit_relations,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserOptions};
use sqlparser::tokenizer::{Span, Token, Tokenizer};

use crate::catalogue::Catalogue;
use crate::needles::needles;
use crate::{QuestionError, Result};

/// The table that holds every event; all others are made from it.
pub const EVENTS: &str = "events";

/// A value for a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    Null,
    Text(String),
    Integer(i64),
    Number(f64),
    Boolean(bool),
}

impl Literal {
    fn expr(&self) -> Expr {
        let value = |value: Value| Expr::Value(ValueWithSpan { value, span: Span::empty() });
        let number = |text: String| match text.strip_prefix('-') {
            Some(digits) => Expr::Nested(Box::new(Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr: Box::new(value(Value::Number(digits.to_owned(), false))),
            })),
            None => value(Value::Number(text, false)),
        };
        match self {
            Self::Null => value(Value::Null),
            // Escaped as it stands in a statement, as `parse` leaves what it reads.
            Self::Text(text) => value(Value::SingleQuotedString(text.replace('\'', "''"))),
            Self::Integer(integer) => number(integer.to_string()),
            // `{:?}` keeps the point, so that an engine sees a fraction.
            Self::Number(fraction) => number(format!("{fraction:?}")),
            Self::Boolean(boolean) => value(Value::Boolean(*boolean)),
        }
    }
}

/// Which flows a question is asked of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// First and last moment, nanoseconds since 1970, both inclusive.
    pub window: Option<(i64, i64)>,
    pub namespace: Option<String>,
    /// `namespace/name`, or a name in any namespace.
    pub service: Option<String>,
}

/// A query that was parsed, with the tables it uses.
#[derive(Clone, Debug)]
pub struct Bound {
    query: Query,
    /// Derived tables, each after those that it uses.
    tables: Vec<(String, Query)>,
    uses_flows: bool,
    uses_lost_events: bool,
    /// Whether it names the table of all events itself.
    pub uses_events: bool,
    /// Columns of `events` that the statement may read.
    pub columns: Vec<ColumnId>,
}

impl Bound {
    /// Parses a query and binds its parameters.
    pub fn new(sql: &str, origin: &str, parameters: &BTreeMap<String, Literal>, catalogue: &Catalogue) -> Result<Self> {
        let mut query = parse(sql, origin)?;
        substitute(&mut query, parameters, origin)?;
        let mut bound = Self {
            query,
            tables: Vec::new(),
            uses_flows: false,
            uses_lost_events: false,
            uses_events: false,
            columns: Vec::new(),
        };
        let mut open = Vec::new();
        bound.resolve(&bound.query.clone(), parameters, catalogue, &mut open)?;
        bound.columns = bound.find_columns();
        Ok(bound)
    }

    fn resolve(
        &mut self,
        query: &Query,
        parameters: &BTreeMap<String, Literal>,
        catalogue: &Catalogue,
        open: &mut Vec<String>,
    ) -> Result<()> {
        for name in relations(query) {
            match name.as_str() {
                "flows" => self.uses_flows = true,
                "lost_events" => self.uses_lost_events = true,
                EVENTS => self.uses_events = true,
                name if self.tables.iter().any(|(known, _)| known == name) => {}
                name => {
                    let table = catalogue.table(name).ok_or_else(|| unknown_table(name, catalogue))?;
                    if open.iter().any(|open| open == name) {
                        return Err(QuestionError::Circle { origin: table.origin.clone(), name: name.to_owned() });
                    }
                    open.push(name.to_owned());
                    let mut query = parse(&table.sql, &table.origin)?;
                    substitute(&mut query, parameters, &table.origin)?;
                    self.resolve(&query, parameters, catalogue, open)?;
                    open.pop();
                    self.tables.push((name.to_owned(), query));
                }
            }
        }
        Ok(())
    }

    /// Every word of the statement that names a column: perhaps too many, never too few.
    fn find_columns(&self) -> Vec<ColumnId> {
        let mut wanted = BTreeSet::new();
        let queries = self.tables.iter().map(|(_, query)| query).chain([&self.query]);
        for query in queries {
            if reads_everything(query) {
                return (0u16..).zip(COLUMNS).map(|(id, _)| ColumnId(id)).collect();
            }
            for token in Tokenizer::new(&GenericDialect {}, &query.to_string()).tokenize().unwrap_or_default() {
                if let Token::Word(word) = token
                    && let Some(id) = ColumnId::of(&word.value.to_lowercase())
                {
                    wanted.insert(id);
                }
            }
        }
        wanted.into_iter().collect()
    }

    /// Columns of `events` that are read once the scope is set, too.
    pub fn columns_in(&self, scope: &Scope) -> Vec<ColumnId> {
        let scoped = ["kind", "time_ns"].into_iter();
        let namespace = scope.namespace.iter().flat_map(|_| ["source_namespace", "destination_namespace"]);
        let service = scope.service.iter().flat_map(|_| ["client", "server"]);
        let whole = scope.namespace.iter().chain(&scope.service).map(|_| "connection_id");
        let reports: &[&str] = if self.uses_lost_events { &["lost_first_ns", "lost_last_ns"] } else { &[] };
        let names = scoped.chain(namespace).chain(service).chain(whole).chain(reports.iter().copied());
        let all = names.filter_map(ColumnId::of).chain(self.columns.iter().copied());
        all.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// What every event fits one of, that the statement reads; empty when any may be read. A scope takes in whole
    /// connections, whose other lines may fit nothing.
    #[must_use]
    pub fn needles(&self, scope: &Scope) -> Vec<Needle> {
        if scope.namespace.is_some() || scope.service.is_some() {
            return Vec::new();
        }
        needles(self.tables.iter().map(|(_, query)| query).chain([&self.query]))
    }

    /// The whole statement over `events`.
    pub fn statement(&self, scope: &Scope) -> Result<Query> {
        with_tables(self.query.clone(), &self.tables(scope)?)
    }

    /// The query alone, over the tables that [`Self::tables`] gives.
    #[must_use]
    pub const fn query(&self) -> &Query {
        &self.query
    }

    /// The tables that the query rests on, each after those that it uses, from `events` on.
    pub fn tables(&self, scope: &Scope) -> Result<Vec<(String, Query)>> {
        let columns: Vec<&str> = self.columns_in(scope).iter().map(|id| id.column().name).collect();
        let columns = columns.join(", ");
        let window = match scope.window {
            Some((since, until)) => format!(" AND time_ns >= {since} AND time_ns <= {until}"),
            None => String::new(),
        };
        let mut tables = Vec::new();
        if self.uses_flows {
            let flows = match matches(scope) {
                None => format!("SELECT {columns} FROM {EVENTS} WHERE kind = 'flow'{window}"),
                Some(matches) => {
                    // Some lines of a connection name an end worse than others, or not at all. All of them belong to it, or an
                    // answer would be missing from a connection that had one.
                    let scoped = format!(
                        "SELECT DISTINCT connection_id AS scoped_id FROM {EVENTS} \
                         WHERE kind = 'flow'{window} AND connection_id IS NOT NULL AND {matches}"
                    );
                    tables.push(("scoped_connections".to_owned(), parse(&scoped, "scope")?));
                    format!(
                        "SELECT {columns} FROM {EVENTS} LEFT JOIN scoped_connections ON connection_id = scoped_id \
                         WHERE kind = 'flow'{window} AND ({matches} OR scoped_id IS NOT NULL)"
                    )
                }
            };
            tables.push(("flows".to_owned(), parse(&flows, "scope")?));
        }
        if self.uses_lost_events {
            // A report tells of a time before it: what was lost within the window may be reported after it.
            let window = match scope.window {
                Some((since, until)) => format!(
                    " AND coalesce(lost_last_ns, time_ns) >= {since} AND coalesce(lost_first_ns, time_ns) <= {until}"
                ),
                None => String::new(),
            };
            let lost_events = format!("SELECT {columns} FROM {EVENTS} WHERE kind = 'lost_events'{window}");
            tables.push(("lost_events".to_owned(), parse(&lost_events, "scope")?));
        }
        tables.extend(self.tables.iter().cloned());
        Ok(tables)
    }
}

/// The condition of a scope on a flow, in parentheses; `None` when every flow is in it.
fn matches(scope: &Scope) -> Option<String> {
    let literal = |text: &str| Literal::Text(text.to_owned()).expr().to_string();
    let mut conditions = Vec::new();
    if let Some(namespace) = &scope.namespace {
        let namespace = literal(namespace);
        conditions.push(format!("(source_namespace = {namespace} OR destination_namespace = {namespace})"));
    }
    if let Some(service) = &scope.service {
        let name = literal(service);
        let mut either = format!("client = {name} OR server = {name}");
        if !service.contains('/') {
            // A function of every engine; LIKE would read `%` and `_` in the name.
            let suffix = literal(&format!("/{service}"));
            either = either + " OR ends_with(client, " + &suffix + ") OR ends_with(server, " + &suffix + ")";
        }
        conditions.push(format!("({either})"));
    }
    (!conditions.is_empty()).then(|| format!("({})", conditions.join(" AND ")))
}

/// The one query of a text. Texts and names keep their escapes: sqlparser does not escape what it prints when a quote
/// stands behind a backslash or another quote, so that only what is escaped already comes out as it went in.
pub(crate) fn parse(sql: &str, origin: &str) -> Result<Query> {
    let options = ParserOptions::new().with_unescape(false);
    let parser = Parser::new(&GenericDialect {}).with_options(options).try_with_sql(sql);
    let mut statements = parser
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| QuestionError::Sql { origin: origin.to_owned(), message: error.to_string() })?;
    match (statements.pop(), statements.is_empty()) {
        (Some(Statement::Query(query)), true) if !writes(&query) => Ok(*query),
        (Some(_), false) => Err(QuestionError::ManyStatements(origin.to_owned())),
        _ => Err(QuestionError::NotAQuery(origin.to_owned())),
    }
}

/// Whether something within a query is no query: an INSERT in its WITH, say, or a SELECT INTO.
fn writes(query: &Query) -> bool {
    struct Writes;
    impl Visitor for Writes {
        type Break = ();

        fn pre_visit_statement(&mut self, _: &Statement) -> ControlFlow<()> {
            ControlFlow::Break(())
        }

        fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
            if select.into.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    query.visit(&mut Writes).is_break()
}

/// Replaces each `$name` by its value.
fn substitute(query: &mut Query, parameters: &BTreeMap<String, Literal>, origin: &str) -> Result<()> {
    let outcome = visit_expressions_mut(query, |expr: &mut Expr| {
        if let Expr::Value(ValueWithSpan { value: Value::Placeholder(name), .. }) = expr {
            match name.strip_prefix('$').and_then(|name| parameters.get(name)) {
                Some(literal) => *expr = literal.expr(),
                None => return ControlFlow::Break(name.clone()),
            }
        }
        ControlFlow::Continue(())
    });
    let ControlFlow::Break(name) = outcome else { return Ok(()) };
    let name = name.trim_start_matches('$').to_owned();
    let likeness = |known: &str| strsim::jaro_winkler(known, &name);
    let close = parameters.keys().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let hint = close.filter(|known| likeness(known) > 0.8).map(|known| format!(" (did you mean ${known}?)"));
    Err(QuestionError::UnknownParameter { origin: origin.to_owned(), name, hint: hint.unwrap_or_default() })
}

/// Tables that a query names anywhere, also those that it defines itself, as they are written.
#[must_use]
pub fn mentioned(query: &Query) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let _ = visit_relations(query, |name: &ObjectName| {
        names.insert(name.to_string());
        ControlFlow::<()>::Continue(())
    });
    names
}

/// Words of a query, among them the columns that it may read of a table; `None` when it reads all.
#[must_use]
pub fn columns_read(query: &Query, table: &str) -> Option<BTreeSet<String>> {
    struct All<'a>(&'a str);
    impl All<'_> {
        fn is_read(&self, body: &SetExpr) -> bool {
            match body {
                SetExpr::Select(select) => {
                    let is_wildcard =
                        |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
                    let is_of_it = |factor: &TableFactor| matches!(factor, TableFactor::Table { name, .. } if name.to_string() == self.0);
                    let is_from_it = |from: &TableWithJoins| {
                        is_of_it(&from.relation) || from.joins.iter().any(|join| is_of_it(&join.relation))
                    };
                    select.projection.iter().any(is_wildcard) && select.from.iter().any(is_from_it)
                }
                SetExpr::SetOperation { left, right, .. } => self.is_read(left) || self.is_read(right),
                // Queries within are visited for themselves.
                _ => false,
            }
        }
    }
    impl Visitor for All<'_> {
        type Break = ();

        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            if self.is_read(&query.body) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    if query.visit(&mut All(table)).is_break() {
        return None;
    }
    let text = query.to_string();
    let words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').filter(|word| !word.is_empty());
    let words: BTreeSet<String> = words.map(str::to_owned).collect();
    // A NATURAL JOIN compares columns without naming them.
    (!words.contains("NATURAL")).then_some(words)
}

/// Tables that a query reads, without those that it defines itself.
pub(crate) fn relations(query: &Query) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = mentioned(query).into_iter().map(|name| name.to_lowercase()).collect();
    let mut own = OwnTables::default();
    let _ = query.visit(&mut own);
    names.retain(|name| !own.0.contains(name));
    names
}

/// Names that WITH clauses define anywhere in a query.
#[derive(Default)]
struct OwnTables(BTreeSet<String>);

impl Visitor for OwnTables {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        self.0.extend(tables.map(|table| table.alias.name.value.to_lowercase()));
        ControlFlow::Continue(())
    }
}

/// Whether some SELECT takes all columns of a table of events: `*` over it, not over a table made from it.
fn reads_everything(query: &Query) -> bool {
    struct Stars(bool);
    impl Visitor for Stars {
        type Break = ();

        fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
            let star = |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
            let tables = select
                .from
                .iter()
                .flat_map(|from| std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)));
            let mut names = tables.filter_map(|table| match table {
                TableFactor::Table { name, .. } => Some(name.to_string().to_lowercase()),
                _ => None,
            });
            self.0 |= select.projection.iter().any(star)
                && names.any(|name| matches!(name.as_str(), "flows" | "lost_events" | EVENTS));
            ControlFlow::Continue(())
        }
    }
    let mut found = Stars(false);
    let _ = query.visit(&mut found);
    found.0
}

/// Puts tables in front of a query's own.
fn with_tables(mut query: Query, tables: &[(String, Query)]) -> Result<Query> {
    if tables.is_empty() {
        return Ok(query);
    }
    let text: Vec<String> = tables.iter().map(|(name, query)| format!("{name} AS ({query})")).collect();
    let mut with = parse(&format!("WITH {} SELECT 1", text.join(", ")), "tables")?.with;
    if let (Some(with), Some(own)) = (with.as_mut(), query.with.take()) {
        with.recursive |= own.recursive;
        with.cte_tables.extend(own.cte_tables);
    }
    query.with = with;
    Ok(query)
}

fn unknown_table(name: &str, catalogue: &Catalogue) -> QuestionError {
    let mut tables = vec!["flows", "lost_events"];
    tables.extend(catalogue.tables().map(|table| table.name.as_str()));
    QuestionError::UnknownTable { name: name.to_owned(), known: tables.join(", ") }
}
