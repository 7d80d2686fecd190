//! A chosen handler at work: rows to series.

use std::collections::HashMap;

use lookback_flow::columns::ColumnId;
use lookback_flow::dictionary::hasher;

use crate::batch::Batch;
use crate::contexts::Contexts;
use crate::family::Family;
use crate::flow::Flow;
use crate::handlers::{EXEMPLARS, Handler, Hits, Options, Spec, columns_of};
use crate::points::Seen;
use crate::texts::Texts;

/// A handler with its options.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    pub handler: &'static Handler,
    pub options: Options,
    pub contexts: Contexts,
}

impl Chosen {
    /// Columns that decide what a row counts for.
    fn deciding(&self) -> Vec<ColumnId> {
        let mut names = vec![self.handler.gate.column];
        names.extend(self.handler.columns);
        names.extend(self.options.0.iter().flat_map(|option| columns_of(option)));
        names.extend(self.contexts.columns());
        let mut ids: Vec<_> = names.into_iter().map(ColumnId::known).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn has_exemplars(&self) -> bool {
        self.options.has(EXEMPLARS)
    }

    fn has_latency(&self) -> bool {
        self.handler.metrics.iter().any(Spec::is_histogram)
    }

    fn family(&self, spec: &'static Spec) -> Family {
        let optional = spec.optional.filter(|option| self.options.has(option));
        let labels = spec.labels.iter().copied().chain(optional).chain(self.contexts.names());
        Family::new(spec, &labels.collect::<Vec<_>>())
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Counter {
    chosen: Chosen,
    deciding: Vec<ColumnId>,
    pub families: Vec<Family>,
}

/// Series of a row, each with its family's position.
type Series = Vec<(usize, usize)>;

impl Counter {
    pub(crate) fn new(chosen: Chosen) -> Self {
        let families = chosen.handler.metrics.iter().map(|spec| chosen.family(spec)).collect();
        Self { deciding: chosen.deciding(), families, chosen }
    }

    /// Another one that has counted nothing.
    pub(crate) fn fork(&self) -> Self {
        Self::new(self.chosen.clone())
    }

    /// Columns that codes are needed of.
    pub(crate) fn deciding(&self) -> &[ColumnId] {
        &self.deciding
    }

    /// Names of all columns that it reads.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &'static str> {
        let trace_id = self.chosen.has_exemplars().then_some("trace_id");
        let latency = self.chosen.has_latency().then_some("latency_ns");
        let deciding = self.deciding.iter().map(|id| id.column().name);
        deciding.chain(self.chosen.handler.amount).chain(trace_id).chain(latency)
    }

    pub(crate) fn add(&mut self, batch: &Batch<'_>, texts: &mut Texts, room: &mut usize) {
        let gate = batch.coded(ColumnId::known(self.chosen.handler.gate.column));
        let amount = self.chosen.handler.amount.map(ColumnId::known);
        let latency = self.chosen.has_latency().then(|| ColumnId::known("latency_ns"));
        let trace_id = self.chosen.has_exemplars().then(|| ColumnId::known("trace_id"));
        let view = &batch.view;
        let number = |id, row| view.number(id, row).and_then(|n| u64::try_from(n).ok()).unwrap_or_default();

        let coded: Vec<_> = self.deciding.iter().map(|id| batch.coded(*id)).collect();
        let mut key = vec![0; coded.len()];
        let mut opened = Opened::default();
        let mut known = Known::default();
        for (row, step) in batch.steps().enumerate() {
            let (Some(step), Some(code)) = (step, gate.position(row)) else { continue };
            let flow = Flow { view, row, announced: &self.deciding };
            if !opened.get(code, || opens(&flow, self.chosen.handler)) {
                continue;
            }
            for (code, column) in key.iter_mut().zip(&coded) {
                *code = column.get(row);
            }
            let series = known.get(&key, || series(&self.chosen, &mut self.families, &flow, texts));
            if series.is_empty() {
                continue;
            }
            let seen = Seen {
                amount: amount.map_or(1, |id| number(id, row)),
                latency_ns: latency.map_or(0, |id| number(id, row)),
                time_ns: batch.time_ns(row),
                trace_id: trace_id.and_then(|id| view.text(id, row)),
            };
            for (family, series) in series {
                if let Some(family) = self.families.get_mut(*family) {
                    family.see(*series, step, &seen, room);
                }
            }
        }
    }
}

/// Which values let a row pass the gate, by their codes.
#[derive(Default)]
struct Opened(Vec<Option<bool>>);

impl Opened {
    #[inline]
    fn get(&mut self, code: usize, ask: impl FnOnce() -> bool) -> bool {
        if code >= self.0.len() {
            self.0.resize(code + 1, None);
        }
        self.0.get_mut(code).is_some_and(|opens| *opens.get_or_insert_with(ask))
    }
}

/// What rows of a batch count for, by the codes of their columns.
struct Known {
    places: HashMap<Box<[u64]>, usize, ahash::RandomState>,
    series: Vec<Series>,
}

impl Default for Known {
    fn default() -> Self {
        Self { places: HashMap::with_hasher(hasher()), series: Vec::new() }
    }
}

impl Known {
    #[inline]
    fn get(&mut self, key: &[u64], decide: impl FnOnce() -> Series) -> &[(usize, usize)] {
        let place = match self.places.get(key) {
            Some(place) => *place,
            None => {
                self.places.insert(key.into(), self.series.len());
                self.series.push(decide());
                self.series.len() - 1
            }
        };
        self.series.get(place).map_or(&[], Vec::as_slice)
    }
}

fn opens(flow: &Flow<'_>, handler: &Handler) -> bool {
    let values = handler.gate.values;
    values.is_empty() || values.contains(&flow.text(handler.gate.column))
}

/// What a flow counts for.
fn series(chosen: &Chosen, families: &mut [Family], flow: &Flow<'_>, texts: &mut Texts) -> Series {
    let mut hits = Hits::default();
    (chosen.handler.count)(flow, &chosen.options, &mut hits);
    if hits.0.is_empty() {
        return Series::new();
    }
    let contexts = chosen.contexts.values(flow, chosen.handler.swaps);
    let number = |(at, mut labels): (usize, Vec<String>)| {
        labels.extend(contexts.iter().cloned());
        families.get_mut(at).map(|family| (at, family.number(&labels, texts)))
    };
    hits.0.into_iter().filter_map(number).collect()
}
