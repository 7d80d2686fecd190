//! A question's answer as a finding of a report.

use anyhow::Result;
use lookback_question::catalogue::{self, Question, Unit};
use lookback_report::document::{Cell as Shown, Chart, Column, Finding, Kind, Outcome, Table};
use lookback_report::zone::Zone;

use super::asked::Asked;
use crate::answer::{Answer, Cell};
use crate::diff::Changes;
use crate::render::{heading, human};
use crate::session::nothing;

/// The question whose answer stands with the completeness.
pub(super) const LOSSES: &str = "lost-events";

/// The name of what changed against a span before.
pub(super) const CHANGES: &str = "changes";

/// A question's name, with the key of a variant.
pub(super) fn name(question: &Question) -> String {
    match &question.by {
        Some(by) => format!("{}.by-{by}", question.name),
        None => question.name.clone(),
    }
}

pub(super) fn of(question: &Question, answer: Result<Answer>, asked: &Asked, zone: Zone) -> Result<Finding> {
    let header = &question.header;
    let period = answer.as_ref().ok().and_then(|answer| answer.window);
    let outcome = match answer {
        Ok(answer) if answer.rows.num_rows() > 0 => {
            Outcome::Found(table(&answer, &header.columns, asked.limit_of(question), zone)?)
        }
        Ok(answer) => Outcome::Nothing(nothing(&answer, header.needs)),
        Err(error) => Outcome::Unanswered(format!("{error:#}")),
    };
    let defaults = header.parameters.0.iter();
    Ok(Finding {
        name: name(question),
        title: header.title.clone(),
        answers: header.answers.clone(),
        notes: header.notes.clone(),
        parameters: defaults.filter_map(|(name, own)| Some((name.clone(), own.default_text()?))).collect(),
        command: asked.command_of(question, period),
        chart: match header.chart {
            catalogue::Chart::None => Chart::None,
            catalogue::Chart::Bar => Chart::Bar,
            catalogue::Chart::Line => Chart::Line,
            catalogue::Chart::Stacked => Chart::Stacked,
        },
        weight: header.weight,
        outcome,
        drawing: None,
    })
}

/// What changed against the span before, or why that cannot be told.
pub(super) fn of_changes(changes: Result<Changes>, asked: &Asked, zone: Zone) -> Result<(Finding, Option<Answer>)> {
    let spans = changes.as_ref().map(Changes::windows).unwrap_or_default();
    let (outcome, answer) = match changes {
        Err(error) => (Outcome::Unanswered(format!("{error:#}")), None),
        Ok(changes) => {
            let answer = changes.answer(asked.limit, false)?;
            if answer.rows.num_rows() == 0 {
                (Outcome::Nothing(changes.quiet_note()), None)
            } else {
                (Outcome::Found(table(&answer, &Changes::columns(), asked.limit, zone)?), Some(answer))
            }
        }
    };
    let finding = Finding {
        name: CHANGES.to_owned(),
        title: "What changed".to_owned(),
        answers: "What is new, gone, more, fewer, slower or failing more than in the span before.".to_owned(),
        notes: answer.as_ref().map_or_else(String::new, |answer| answer.notes.clone()),
        parameters: Vec::new(),
        command: asked.diff_command(spans),
        chart: Chart::None,
        weight: 85,
        outcome,
        drawing: None,
    };
    Ok((finding, answer))
}

fn table(answer: &Answer, columns: &[catalogue::ResultColumn], limit: u64, zone: Zone) -> Result<Table> {
    let help = |name: &str| columns.iter().find(|own| own.name == name).map(|own| own.help.clone()).unwrap_or_default();
    let rows = answer.rows.num_rows();
    let kind = |column: usize, unit: Unit| -> Result<Kind> {
        if unit == Unit::Time {
            return Ok(Kind::Time);
        }
        // The first value that there is tells.
        for row in 0..rows {
            match answer.cell(row, column)? {
                Cell::Null => {}
                Cell::Integer(_) | Cell::Fraction(_) if unit != Unit::Plain => return Ok(Kind::Number),
                _ => break,
            }
        }
        Ok(Kind::Text)
    };
    let headings = answer.columns.iter().enumerate().map(|(place, (name, unit))| {
        Ok(Column { heading: heading(name, *unit).to_lowercase(), help: help(name), kind: kind(place, *unit)? })
    });
    let row = |row: usize| -> Result<Vec<Shown>> {
        let cells = answer.columns.iter().enumerate();
        cells.map(|(column, (_, unit))| Ok(shown(&answer.cell(row, column)?, *unit, zone))).collect()
    };
    Ok(Table {
        columns: headings.collect::<Result<_>>()?,
        rows: (0..rows).map(row).collect::<Result<_>>()?,
        is_cut: rows as u64 >= limit,
    })
}

#[expect(clippy::cast_precision_loss, reason = "only for a chart")]
fn shown(cell: &Cell, unit: Unit, zone: Zone) -> Shown {
    match cell {
        Cell::Time(nanos) => Shown { text: zone.moment(*nanos), number: Some(*nanos as f64) },
        Cell::Integer(number) => Shown { text: human(cell, unit), number: Some(*number as f64) },
        Cell::Fraction(number) => Shown { text: human(cell, unit), number: Some(*number) },
        cell => Shown { text: human(cell, unit), number: None },
    }
}
