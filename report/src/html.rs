//! The page: one file that fetches nothing and runs nothing, for screens of any width and for paper.

use std::collections::BTreeSet;

use base64::Engine as _;
use lookback_flow::escape::terminal;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use crate::chart;
use crate::document::{Completeness, Finding, Kind, Report, Table};
use crate::zone::Zone;

const STYLE: &str = include_str!("html/style.css");

/// Writes the page.
#[must_use]
pub fn page(report: &Report) -> String {
    // Only this style sheet, and those of drawings, have a say; whatever a text smuggled in, nothing is run and nothing fetched.
    let drawings = report.findings.iter().filter_map(|finding| finding.drawing.as_ref());
    let hashes: BTreeSet<String> = drawings.flat_map(|drawing| styles(&drawing.svg)).chain([STYLE]).map(hash).collect();
    let hashes = hashes.into_iter().collect::<Vec<_>>().join(" ");
    let policy = format!("default-src 'none'; style-src {hashes}; base-uri 'none'; form-action 'none'");
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="color-scheme" content="light dark";
                title { (text(&report.title)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (text(&report.title)) }
                    (scope(report))
                }
                main {
                    (completeness(&report.completeness, report))
                    (summary(report))
                    @for (finding, table) in report.found() {
                        (section(finding, table, report.zone))
                    }
                    (silent(report))
                    (again(report))
                }
                footer { "Made by " (text(&report.producer)) ". " code { "manifest.json" } " names every input and every file of this report by its SHA-256." }
            }
        }
    };
    page.into_string()
}

/// The style sheets within a drawing.
fn styles(svg: &str) -> impl Iterator<Item = &str> {
    svg.split("<style>").skip(1).filter_map(|rest| Some(rest.split_once("</style>")?.0))
}

/// A style sheet, as a policy names it.
fn hash(style: &str) -> String {
    format!("'sha256-{}'", base64::engine::general_purpose::STANDARD.encode(Sha256::digest(style)))
}

fn scope(report: &Report) -> Markup {
    html! {
        dl class="facts" {
            @if let Some((since, until)) = report.period {
                dt { "Period" }
                dd { (report.zone.moment(since)) " to " (report.zone.moment(until)) ", both included. All times are in the zone " strong { (report.zone.to_string()) } "." }
            } @else {
                dt { "Period" }
                dd { "The input holds no event with a time." }
            }
            @for (heading, value) in &report.scope {
                dt { (text(heading)) }
                dd { (text(value)) }
            }
        }
    }
}

fn completeness(own: &Completeness, report: &Report) -> Markup {
    html! {
        section id="completeness" class="first" {
            h2 { "Completeness" }
            @if own.doubts.is_empty() {
                p class="banner whole" { "Nothing is known to be missing: no event was reported lost, no line was rejected, and no node was silent for more than five minutes." }
            } @else {
                div class="banner broken" role="alert" {
                    p { strong { "The evidence is not whole." } " What is counted below may be less than what happened:" }
                    ul { @for doubt in &own.doubts { li { (text(doubt)) } } }
                }
            }
            dl class="facts" {
                @for (heading, value) in &own.facts {
                    dt { (text(heading)) }
                    dd { (text(value)) }
                }
            }
            @if let Some(picture) = report.period.and_then(|period| chart::coverage(own, period, report.zone)) {
                figure { (picture) figcaption { "When each node saw something (by the minute), and where it was silent for more than five minutes." } }
            }
            @if !own.rejected.is_empty() {
                h3 { "Rejected lines" }
                table { thead { tr { th { "reason" } th class="number" { "lines" } } }
                    tbody { @for (reason, count) in &own.rejected { tr { td { (text(reason)) } td class="number" { (count) } } } } }
            }
            @if let Some(lost) = &own.lost {
                h3 { "Lost events" }
                (rows(lost))
            }
        }
    }
}

/// What was found, a line each.
fn summary(report: &Report) -> Markup {
    html! {
        nav aria-label="Findings" {
            h2 { "Findings" }
            @if report.found().next().is_none() { p { "No question found anything." } }
            ol {
                @for (finding, table) in report.found() {
                    li {
                        a href=(format!("#{}", finding.name)) { (text(&finding.title)) }
                        " – " (table.rows.len()) @if table.is_cut { " or more" } @if table.rows.len() == 1 { " row" } @else { " rows" }
                        @if let Some(headline) = chart::headline(table) { ", first " span class="headline" { (headline) } }
                    }
                }
            }
        }
    }
}

fn section(finding: &Finding, table: &Table, zone: Zone) -> Markup {
    html! {
        section id=(finding.name) {
            h2 { (text(&finding.title)) }
            p class="answers" { (text(&finding.answers)) }
            @if let Some(picture) = chart::draw(finding.chart, table, zone) {
                figure { (picture) }
            }
            @if let Some(drawing) = &finding.drawing {
                figure class="drawing" { (PreEscaped(&drawing.svg)) figcaption { (text(&drawing.caption)) } }
            }
            (rows(table))
            @if table.is_cut { p class="cut" { "Only the first " (table.rows.len()) " rows; there may be more." } }
            @if !finding.notes.is_empty() { p class="notes" { (text(&finding.notes)) } }
            (asked(finding))
        }
    }
}

/// The question's parameters, its data, and how to ask it again.
fn asked(finding: &Finding) -> Markup {
    html! {
        details open {
            summary { "How to check this" }
            @if !finding.parameters.is_empty() {
                p { "Parameters: " @for (place, (name, value)) in finding.parameters.iter().enumerate() {
                    @if place > 0 { ", " }
                    (text(name)) " = " (text(value))
                } }
            }
            pre { code { (text(&finding.command)) } }
            @if finding.is_found() {
                p { "Data: " code { "data/" (finding.name) ".csv" } ", " code { "data/" (finding.name) ".parquet" } }
            }
        }
    }
}

fn rows(table: &Table) -> Markup {
    let class = |kind: Kind| match kind {
        Kind::Text => None,
        Kind::Number => Some("number"),
        Kind::Time => Some("time"),
    };
    html! {
        div class="rows" tabindex="0" {
            table {
                thead { tr { @for column in &table.columns { th class=[class(column.kind)] title=(text(&column.help)) { (text(&column.heading)) } } } }
                tbody {
                    @for row in &table.rows {
                        tr { @for (cell, column) in row.iter().zip(&table.columns) { td class=[class(column.kind)] { (text(&cell.text)) } } }
                    }
                }
            }
        }
    }
}

/// What found nothing or could not be answered.
fn silent(report: &Report) -> Markup {
    html! {
        @if report.silent().next().is_some() {
            section id="silent" {
                h2 { "Nothing found, or not answered" }
                table {
                    thead { tr { th { "question" } th { "why" } } }
                    tbody { @for (finding, why) in report.silent() { tr {
                        td { (text(&finding.title)) }
                        td { (text(why)) }
                    } } }
                }
            }
        }
    }
}

fn again(report: &Report) -> Markup {
    html! {
        section id="again" {
            h2 { "How to make and check this report again" }
            pre { code { (text(&report.command)) } }
            p { code { "lookback verify DIR" } " recomputes the hashes of this folder. " code { "lookback report --from DIR/manifest.json -o OTHER" }
                " makes it again from the same inputs, byte for byte." }
        }
    }
}

/// Text from a log: marks that turn the direction of text or hide it are made visible; the template does the rest.
fn text(text: &str) -> String {
    terminal(text).into_owned()
}
