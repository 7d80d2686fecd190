//! From a namespace down to a connection, and back: what was shown on the way.

use crate::data::cell::Col;
use crate::data::page::Row;
use crate::data::query::{words, written};

/// A step down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crumb {
    /// What it is called in the line at the bottom.
    pub name: String,
    /// Its place in [`Level::ALL`].
    pub level: usize,
    /// The filter that it shows, and the one before.
    pub filter: String,
    pub before: String,
}

/// How far down one has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Namespace,
    Workload,
    Pair,
    Connection,
}

impl Level {
    pub const ALL: [Self; 4] = [Self::Namespace, Self::Workload, Self::Pair, Self::Connection];
}

/// Name and words of a level for a row; nothing where the row has not what it takes, or its ends are not shown.
#[must_use]
pub fn step(level: Level, columns: &[Col], row: &Row) -> Option<(String, String)> {
    let place = |col: Col| columns.iter().position(|own| *own == col);
    let (source, destination) = (place(Col::Source)?, place(Col::Destination)?);
    let word = |at: usize| row.words.get(at).cloned().flatten();
    let cell = |at: usize| row.cells.get(at).map(String::as_str).unwrap_or_default();
    let (from, to) = (word(source)?, word(destination)?);
    // The first of both ends that is of the cluster.
    let pod = || [&from, &to].into_iter().find_map(|word| pod(word));
    match level {
        Level::Namespace => {
            let (namespace, _) = pod()?;
            (!namespace.is_empty()).then(|| (namespace.clone(), written("namespace", Some(&namespace))))
        }
        Level::Workload => {
            let (namespace, pod) = pod()?;
            let name = format!("{namespace}/{}", lookback_flow::names::base_name(&pod));
            Some((name.clone(), written("pod", Some(&name))))
        }
        Level::Pair => {
            Some((format!("{} → {}", short(cell(source)), short(cell(destination))), format!("{from} {to}")))
        }
        Level::Connection => {
            let (a, b) = (name(cell(source)).1?, name(cell(destination)).1?);
            let ports = format!("{} {}", written("from-port", Some(a)), written("to-port", Some(b)));
            Some((format!(":{a} → :{b}"), format!("{from} {to} {ports}")))
        }
    }
}

/// Namespace and name of the pod that a word asks for.
fn pod(word: &str) -> Option<(String, String)> {
    let word = words(word).into_iter().next()?;
    let value = word.value.filter(|_| word.key.ends_with("-pod"))?;
    value.split_once('/').map(|(namespace, name)| (namespace.to_owned(), name.to_owned()))
}

/// An end without its port, and without what Kubernetes generates of its name.
fn short(cell: &str) -> String {
    let (name, _) = name(cell);
    match name.split_once('/') {
        Some((namespace, pod)) => format!("{namespace}/{}", lookback_flow::names::base_name(pod)),
        None => name.to_owned(),
    }
}

/// Name and port of an end as it is shown.
fn name(cell: &str) -> (&str, Option<&str>) {
    match cell.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => (name, Some(port)),
        _ => (cell, None),
    }
}
