//! Questions of the same inputs: what they share is read once and derived once.
//!
//! What can be asked of parts of the events is asked while they are read, so that memory holds what came of it; only what a
//! question asks of all events at once waits for all of them.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Context as _, Result, bail};
use arrow::array::RecordBatch;
use lookback_flow::columns::ColumnId;
use lookback_flow::inputs::Found;
use lookback_flow::segment::Needle;
use lookback_question::bind::{Bound, EVENTS, Scope, mentioned};
use lookback_question::catalogue::Catalogue;
use lookback_question::split::{all_of, split};
use sqlparser::ast::Query;

use crate::answer::Answer;
use crate::engine::by_hand::Table;
use crate::engine::{Engine, FOLDED_ROWS, Gathered, Part, Steps};
use crate::load::{Request, Source};
use crate::read::Options;
use crate::session::Asking;

/// Answers questions of one scope, and hands on each with its place. `go_on` is asked before anything long.
///
/// # Errors
/// When the inputs cannot be read; a question that fails is handed on as its error.
pub(crate) fn answer(
    askings: &[Asking<'_>],
    found: &Found,
    options: &mut Options,
    catalogue: &Catalogue,
    go_on: &(dyn Fn() -> Result<()> + Sync),
    take: &mut dyn FnMut(usize, Result<Answer>) -> Result<()>,
) -> Result<()> {
    in_pieces(askings, found, options, catalogue, go_on, &Table::ALL, PIECE_ROWS, take)
}

#[expect(clippy::too_many_arguments, reason = "the last but one are another's only in tests")]
fn in_pieces(
    askings: &[Asking<'_>],
    found: &Found,
    options: &mut Options,
    catalogue: &Catalogue,
    go_on: &(dyn Fn() -> Result<()> + Sync),
    by_hand: &[Table],
    piece_rows: usize,
    take: &mut dyn FnMut(usize, Result<Answer>) -> Result<()>,
) -> Result<()> {
    let Some(first) = askings.first() else { return Ok(()) };
    let mut columns: BTreeSet<ColumnId> = BTreeSet::new();
    let mut needles: Vec<Vec<Needle>> = Vec::new();
    for asking in askings {
        let (bound, scope) = (asking.checked(catalogue)?, asking.scope());
        columns.extend(bound.columns_in(&scope));
        needles.push(bound.needles(&scope));
    }
    let columns: Vec<ColumnId> = columns.into_iter().collect();
    // One that may be about any event is.
    let is_about_any = needles.iter().any(Vec::is_empty);
    let request = Request {
        columns: &columns,
        window: &|extent| {
            go_on()?;
            first.windowed(extent)
        },
        needles: if is_about_any { Vec::new() } else { needles.concat() },
        filters: first.scope.filters()?,
    };
    let mut source = Source::open(found, &request, options)?;
    let (schema, extent) = (source.schema(), source.extent());
    let mut by_hand = by_hand.to_vec();
    let (mut tables, plans, evidence) = loop {
        let mut steps = Steps::default();
        let planned = |asking: &Asking<'_>| {
            let (mut bound, scope, window) = asking.within(extent, catalogue)?;
            // With the same columns in it, the table of flows is the same for all.
            bound.columns.clone_from(&columns);
            Ok((Plan::new(&bound, &scope, &by_hand, &mut steps)?, window))
        };
        let plans: Vec<Result<(Plan, _)>> = askings.iter().map(planned).collect();
        let mut gathered = Gathered::new(&steps, FOLDED_ROWS);
        let of_part = |batches: &[RecordBatch]| {
            go_on()?;
            Part::of(&schema, batches, &steps)
        };
        let keep_logs = !steps.by_hand.is_empty();
        let evidence = source.parts(options, keep_logs, &of_part, &mut |part| gathered.add(part))?;
        match gathered.engine()? {
            Ok(engine) => {
                let all: Vec<&Plan> = plans.iter().flatten().map(|(plan, _)| plan).collect();
                break (Tables::new(engine, catalogue, &all, piece_rows), plans, evidence);
            }
            Err(odd) => by_hand.retain(|table| !odd.contains(table)),
        }
    };
    for (place, (plan, asking)) in plans.into_iter().zip(askings).enumerate() {
        go_on()?;
        let answer = plan.and_then(|(plan, window)| {
            let rows = tables.run(&plan).with_context(|| asking.origin.to_owned())?;
            Ok(asking.answered(rows, window, evidence.clone()))
        });
        take(place, answer)?;
    }
    Ok(())
}

/// The answer to one question.
pub(crate) fn one(
    asking: &Asking<'_>,
    found: &Found,
    options: &mut Options,
    catalogue: &Catalogue,
    go_on: &(dyn Fn() -> Result<()> + Sync),
) -> Result<Answer> {
    only(|take| answer(std::slice::from_ref(asking), found, options, catalogue, go_on, take))
}

/// The answer, where one thing is asked.
pub(crate) fn only(
    ask: impl FnOnce(&mut dyn FnMut(usize, Result<Answer>) -> Result<()>) -> Result<()>,
) -> Result<Answer> {
    let mut answered = None;
    ask(&mut |_, answer| {
        answered = Some(answer);
        Ok(())
    })?;
    answered.unwrap_or_else(|| bail!("no answer"))
}

/// What is left of a question when parts have been asked.
struct Plan {
    /// Tables, each after those that it uses.
    tables: Vec<(String, Query)>,
    query: Query,
}

impl Plan {
    /// Adds to the steps what can be asked of parts.
    fn new(bound: &Bound, scope: &Scope, by_hand: &[Table], steps: &mut Steps) -> Result<Self> {
        let all = bound.tables(scope)?;
        if all.iter().any(|(name, _)| name == SCOPED) {
            // Which connections are in the scope is known when all events are.
            all_of(EVENTS, &mut steps.asked);
            return Ok(Self { tables: all, query: bound.query().clone() });
        }
        let mut tables = Vec::new();
        for (name, query) in all {
            if BASE.contains(&name.as_str()) {
                if !steps.tables.iter().any(|(known, _)| *known == name) {
                    steps.tables.push((name, query));
                }
            } else if let Some(table) = Table::of(&name, &query).filter(|table| by_hand.contains(table)) {
                if !steps.by_hand.contains(&table) {
                    steps.by_hand.push(table);
                }
            } else {
                tables.push((name, split(&query, &mut steps.asked)));
            }
        }
        Ok(Self { tables, query: split(bound.query(), &mut steps.asked) })
    }
}

/// The tables that are made from that of all events row by row.
const BASE: [&str; 2] = ["flows", "lost_events"];

/// The table of the connections that a scope takes in.
const SCOPED: &str = "scoped_connections";

/// Rows of a table that are worked on at once, where it can be divided: windows over them take some 500 bytes for each.
const PIECE_ROWS: usize = 256 * 1024;

/// An engine with the tables that were made so far.
struct Tables<'a> {
    engine: Engine,
    catalogue: &'a Catalogue,
    /// Name and query of each, in the order of their making.
    held: Vec<(String, String)>,
    /// How often each table is still to be read.
    uses: HashMap<String, usize>,
    piece_rows: usize,
}

impl<'a> Tables<'a> {
    /// An engine that is going to carry out plans.
    fn new(engine: Engine, catalogue: &'a Catalogue, plans: &[&Plan], piece_rows: usize) -> Self {
        let mut tables = Self { engine, catalogue, held: Vec::new(), uses: HashMap::new(), piece_rows };
        let mut known: BTreeSet<(&str, String)> = BTreeSet::new();
        for plan in plans {
            for (name, query) in &plan.tables {
                if known.insert((name, query.to_string())) {
                    mentioned(query).into_iter().for_each(|used| *tables.uses.entry(used).or_default() += 1);
                }
            }
            mentioned(&plan.query).into_iter().for_each(|used| *tables.uses.entry(used).or_default() += 1);
        }
        tables
    }

    /// Makes the tables of a plan, unless they are there, and runs its query.
    fn run(&mut self, plan: &Plan) -> Result<RecordBatch> {
        // What is read of is made, and what that is made from.
        let mut needed = mentioned(&plan.query);
        for (name, query) in plan.tables.iter().rev() {
            if needed.contains(name) && !self.held.contains(&(name.clone(), query.to_string())) {
                needed.extend(mentioned(query));
            }
        }
        for (name, query) in plan.tables.iter().filter(|(name, _)| needed.contains(name)) {
            let text = query.to_string();
            match self.held.iter().position(|(own, _)| own == name) {
                Some(at) if self.held.get(at).is_some_and(|(_, own)| *own == text) => continue,
                // Another table of this name, and all that may be made from it.
                Some(at) => self.held.split_off(at).iter().for_each(|(name, _)| self.engine.drop(name)),
                None => {}
            }
            let apart = self.catalogue.table(name).map(|table| table.header.apart.as_slice()).unwrap_or_default();
            self.engine.hold(name, query, apart, self.piece_rows)?;
            self.held.push((name.clone(), text));
            self.used(query);
        }
        let answer = self.engine.run(&plan.query);
        self.used(&plan.query);
        answer
    }

    /// What nothing reads any more makes room.
    fn used(&mut self, query: &Query) {
        for name in mentioned(query) {
            let Some(uses) = self.uses.get_mut(&name) else { continue };
            *uses = uses.saturating_sub(1);
            if *uses == 0 {
                self.engine.drop(&name);
                self.held.retain(|(held, _)| *held != name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where something is wrong")]

    use lookback_flow::inputs::find;

    use super::*;
    use crate::cli::{RelativeTo, ScopeArgs, WindowArgs};
    use crate::render::{self, Format};

    const LOGS: [&str; 4] = ["shop", "incident", "review", "compat"];

    fn scope() -> ScopeArgs {
        let window = WindowArgs { last: None, since: None, until: None, relative_to: RelativeTo::Data };
        ScopeArgs { window, namespace: None, service: None, filter: None }
    }

    fn asking<'a>(sql: &'a str, scope: &'a ScopeArgs) -> Asking<'a> {
        Asking {
            title: "",
            sql,
            origin: "test",
            parameters: std::collections::BTreeMap::new(),
            columns: &[],
            notes: "",
            needs: None,
            scope,
            default_last: None,
        }
    }

    fn found(log: &str) -> Found {
        find(&[format!("{}/../testdata/{log}", env!("CARGO_MANIFEST_DIR"))]).unwrap()
    }

    /// An answer as lines, in the order of their texts.
    fn lines(answer: &Answer) -> Vec<String> {
        let mut text = Vec::new();
        render::write(answer, Format::Csv, true, &mut text).unwrap();
        let mut lines: Vec<String> = String::from_utf8(text).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// The rows of a table, made by hand or in pieces of so many rows, as lines in the order of their texts.
    fn rows(table: &str, log: &str, by_hand: &[Table], piece_rows: usize) -> (usize, Vec<String>) {
        let (sql, scope) = (format!("SELECT * FROM {table}"), scope());
        let catalogue = Catalogue::load(&[]).unwrap();
        let mut found_rows = (0, Vec::new());
        let mut take = |_, answer: Result<Answer>| {
            let answer = answer?;
            found_rows = (answer.rows.num_rows(), lines(&answer));
            Ok(())
        };
        let (asked, mut options) = ([asking(&sql, &scope)], Options::default());
        in_pieces(&asked, &found(log), &mut options, &catalogue, &|| Ok(()), by_hand, piece_rows, &mut take).unwrap();
        found_rows
    }

    /// Queries of every form that is divided, or is not.
    const FORMS: &[&str] = &[
        "SELECT verdict, client FROM flows WHERE verdict <> 'FORWARDED' ORDER BY client, verdict LIMIT 7",
        "SELECT client FROM flows ORDER BY time_ns DESC, server, client LIMIT 5",
        "SELECT DISTINCT client, server FROM flows",
        "SELECT count(*) AS n, count(l7_type) AS seven, min(time_ns) AS first, max(client) AS last FROM flows",
        "SELECT count(DISTINCT connection_id) AS n, count(DISTINCT coalesce(l7_type, verdict)) AS kinds FROM flows WHERE 1 = 0",
        "SELECT verdict, count(*) AS n, count(DISTINCT client) AS clients FROM flows GROUP BY verdict ORDER BY n DESC, verdict",
        "SELECT time_ns - time_ns % 60000000000 AS minute, sum(CASE WHEN verdict = 'DROPPED' THEN 1 ELSE 0 END) AS drops, \
         coalesce(max(CASE WHEN client LIKE '%/%' THEN client END), max(client)) AS one FROM flows \
         GROUP BY time_ns - time_ns % 60000000000",
        "SELECT coalesce(client, '') AS who, count(*) AS n FROM flows GROUP BY who HAVING count(*) > 3",
        "SELECT verdict, avg(server_port) AS port FROM flows GROUP BY verdict",
        "SELECT client, time_ns - lag(time_ns) OVER (PARTITION BY client ORDER BY time_ns) AS gap FROM flows",
        "SELECT count(*) AS n FROM (SELECT DISTINCT verdict FROM flows) AS verdicts",
        "SELECT verdict AS what FROM flows UNION ALL SELECT 'lost' AS what FROM lost_events ORDER BY what LIMIT 200",
        "SELECT one.client FROM flows AS one JOIN flows AS two ON one.uuid = two.uuid WHERE one.verdict = 'DROPPED'",
        "SELECT flows.client FROM flows WHERE flows.verdict = 'DROPPED'",
        "SELECT client FROM flows WHERE server IN (SELECT server FROM flows WHERE verdict = 'DROPPED')",
        "WITH flows AS (SELECT kind, count(*) AS n FROM events GROUP BY kind) SELECT kind, n FROM flows",
        "SELECT client AS part_distinct_0, verdict AS part_key_0 FROM flows",
        "SELECT count(*) AS n, max(time_ns) AS last FROM flows GROUP BY coalesce(client, server), verdict",
        "SELECT verdict, count(DISTINCT client) AS clients, count(DISTINCT server) AS servers, count(DISTINCT server_port) AS ports, \
         max(client) AS last FROM flows GROUP BY verdict",
        "SELECT client, count(*) AS n FROM connections GROUP BY client",
        "SELECT * FROM drops",
    ];

    #[test]
    fn asked_in_parts_is_asked_of_all() {
        let (catalogue, scope) = (Catalogue::load(&[]).unwrap(), scope());
        for log in LOGS {
            for sql in FORMS {
                let asking = asking(sql, &scope);
                let bound = asking.checked(&catalogue).unwrap();
                let columns = bound.columns_in(&asking.scope());
                let request = Request { columns: &columns, window: &|_| Ok(None), needles: Vec::new(), filters: None };
                let mut options = Options::default();
                let mut source = Source::open(&found(log), &request, &mut options).unwrap();
                let schema = source.schema();
                let mut batches = Vec::new();
                let mut take = |part| {
                    batches.extend::<Vec<RecordBatch>>(part);
                    Ok(())
                };
                let evidence = source.parts(&options, false, &|batches| Ok(batches.to_vec()), &mut take).unwrap();
                let (bound, scope, window) = asking.within(evidence.extent, &catalogue).unwrap();
                let mut whole = Engine::new(&schema, &batches).unwrap();
                let whole = whole.run(&bound.statement(&scope).unwrap()).unwrap();
                let mut steps = Steps::default();
                let plan = Plan::new(&bound, &scope, &Table::ALL, &mut steps).unwrap();
                for part_rows in [1, 7, 1000] {
                    let mut gathered = Gathered::new(&steps, part_rows);
                    for batch in &batches {
                        for start in (0..batch.num_rows()).step_by(part_rows) {
                            let rows = part_rows.min(batch.num_rows() - start);
                            gathered.add(Part::of(&schema, &[batch.slice(start, rows)], &steps).unwrap()).unwrap();
                        }
                    }
                    let engine = gathered.engine().unwrap().ok().unwrap();
                    let rows = Tables::new(engine, &catalogue, &[&plan], usize::MAX).run(&plan).unwrap();
                    assert_eq!(rows.schema(), whole.schema(), "{sql}");
                    let [rows, whole] =
                        [rows, whole.clone()].map(|rows| lines(&asking.answered(rows, window, evidence.clone())));
                    assert_eq!(rows, whole, "{log}, parts of {part_rows}: {sql}");
                    assert!(!whole.is_empty());
                }
            }
        }
    }

    #[test]
    fn tables_whose_rows_are_apart_are_the_same_piece_by_piece() {
        let catalogue = Catalogue::load(&[]).unwrap();
        let tables: Vec<&str> = catalogue
            .tables()
            .filter(|table| !table.header.apart.is_empty())
            .map(|table| table.name.as_str())
            .collect();
        assert_eq!(tables, ["lookups", "requests"]);
        for table in tables {
            let mut total = 0;
            for log in LOGS {
                let (count, whole) = rows(table, log, &Table::ALL, usize::MAX);
                total += count;
                for piece_rows in [1, 3, 10] {
                    assert_eq!(
                        rows(table, log, &[], piece_rows),
                        (count, whole.clone()),
                        "{table} of {log} by {piece_rows}"
                    );
                }
            }
            assert!(total > 10, "{table} has only {total} rows");
        }
    }
}
