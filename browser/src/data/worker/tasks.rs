//! What is to be done, and how far it is: requests go in, a little is done at each step, and replies come out.

use std::sync::mpsc::Receiver;

use lookback_flow::guard::guarded;
use lookback_flow::inputs::Input;

use super::messages::{Progress, Reply, Request};
use crate::data::DataError;
use crate::data::cell::Col;
use crate::data::detail;
use crate::data::export::Export;
use crate::data::hits::Hits;
use crate::data::load::{self, Loaded};
use crate::data::page::{self, Page};
use crate::data::query::Query;
use crate::data::scan::Scan;
use crate::data::search::{Found, Search};
use crate::data::store::Store;
use crate::data::story::Telling;
use crate::data::summary::{self, Counting, Kind};

/// Everything that is read and counted, without a thread.
#[derive(Debug)]
pub struct Data {
    store: Store,
    loader: Option<Receiver<Loaded>>,
    scan: Scan,
    counting: Option<Counting>,
    values: Option<(String, Counting)>,
    telling: Option<Telling>,
    search: Option<Search>,
    hits: Option<Hits>,
    export: Option<Export>,
    replies: Vec<Reply>,
    /// Something was found that the screen was not told of.
    is_news: bool,
}

impl Data {
    #[must_use]
    pub fn new(inputs: Vec<Input>) -> Self {
        Self {
            store: Store::default(),
            loader: Some(load::start(inputs)),
            scan: Scan::new(0, Query::default(), None),
            counting: None,
            values: None,
            telling: None,
            search: None,
            hits: None,
            export: None,
            replies: Vec::new(),
            is_news: true,
        }
    }

    /// Takes a request; what is quick is answered at once.
    pub fn request(&mut self, request: Request) {
        let done = self.answer(request);
        self.tell(done);
    }

    fn tell(&mut self, result: Result<(), DataError>) {
        if let Err(error) = result {
            self.replies.push(Reply::Failed(error.to_string()));
        }
    }

    fn answer(&mut self, request: Request) -> Result<(), DataError> {
        match request {
            Request::Query { generation, query, sort } => {
                self.scan = Scan::new(generation, query, sort);
                (self.search, self.hits) = (None, None);
                self.is_news = true;
            }
            Request::Page { generation, at, rows, columns } if generation == self.scan.generation => {
                let reversed = self.scan.is_reversed();
                let entries: Vec<_> = (at..at + rows).map_while(|at| self.scan.index.shown(at, reversed)).collect();
                let rows = page::rows(&self.store, &entries, &columns)?;
                self.replies.push(Reply::Page { generation, page: Page { at, rows } });
            }
            Request::Page { .. } => {}
            Request::Detail(place) => {
                self.replies.push(Reply::Detail(Box::new(detail::read(&self.store, place)?)));
            }
            Request::Story { generation, place } => self.telling = Some(Telling::new(generation, &self.store, place)?),
            Request::Summary { generation, kind, query } => {
                self.counting = Some(Counting::new(generation, kind, query));
            }
            Request::Coverage => self.replies.push(Reply::Coverage(Box::new(summary::coverage(&self.store)))),
            Request::Values { flag, column } => {
                let mut counting = Counting::new(0, Kind::Frequency(column), Query::default());
                counting.enough = Some(200_000);
                self.values = Some((flag, counting));
            }
            Request::Jump { from, target, forward } => {
                let at = self.scan.index.jump(from, target, forward, self.scan.is_reversed());
                self.replies.push(Reply::At(at));
            }
            Request::Goto { time, uuid } => {
                let at = self.goto(time, uuid.as_deref())?;
                self.replies.push(Reply::At(at));
            }
            Request::Search { text, from, forward, columns } => {
                self.search = Some(Search::new(&text, from, forward, columns));
            }
            Request::Hits { generation, text, columns } => {
                self.hits = Some(Hits::new(generation, &text, columns));
            }
            Request::Export { path, what, columns, head } => {
                self.export = Some(Export::new(&path, what, columns, &head)?);
            }
            Request::Cancel => {
                (self.counting, self.telling, self.search, self.values) = (None, None, None, None);
                if let Some(export) = self.export.take() {
                    let rows = export.written;
                    self.replies.push(Reply::Exported { path: export.path, rows, total: rows, is_done: true });
                }
            }
        }
        Ok(())
    }

    fn goto(&self, time: i64, uuid: Option<&str>) -> Result<Option<usize>, DataError> {
        let reversed = self.scan.is_reversed();
        let index = &self.scan.index;
        let Some(uuid) = uuid else { return Ok((!index.is_empty()).then(|| index.at_time(time, reversed))) };
        let near = index.at_time(time, false);
        let same: Vec<_> =
            (near..).map_while(|at| index.shown(at, false)).take_while(|entry| entry.time == time).collect();
        let column = Col::Stored(lookback_flow::columns::ColumnId::known("uuid"));
        let rows = page::rows(&self.store, &same, &[column])?;
        let found = rows.iter().find(|row| row.cells.first().is_some_and(|own| own == uuid));
        Ok(found.and_then(|row| index.position(row.time, row.place, reversed)))
    }

    /// Does a little of what is to be done; gives whether there was anything.
    pub fn step(&mut self) -> bool {
        let worked = guarded(|| self.work());
        match worked {
            Ok(Ok(worked)) => worked,
            Ok(Err(error)) => {
                self.tell(Err(error));
                true
            }
            Err(why) => {
                self.tell(Err(DataError::Other(why)));
                true
            }
        }
    }

    fn work(&mut self) -> Result<bool, DataError> {
        let mut worked = self.load();
        if self.scan.step(&self.store)? {
            (worked, self.is_news) = (true, true);
        }
        if let Some(counting) = &mut self.counting {
            let stepped = counting.step(&self.store);
            worked |= !matches!(stepped, Ok(false))
                || counting.progress(&self.store).0 < self.store.parts.len()
                || self.store.is_complete;
            let is_done = *stepped.as_ref().unwrap_or(&false);
            if is_done {
                let reply = Self::counted(counting, &self.store, true);
                self.replies.push(reply);
                self.counting = None;
            }
            stepped?;
        }
        if let Some((flag, counting)) = &mut self.values {
            let over = counting.step(&self.store)?
                || counting.progress(&self.store).0 >= self.store.parts.len() && !self.store.is_complete;
            worked = true;
            if over {
                let values = counting.summary().table.lines.into_iter();
                let values =
                    values.filter_map(|line| line.cells.into_iter().next()).filter(|value| value != "-").collect();
                self.replies.push(Reply::Values { flag: std::mem::take(flag), values });
                self.values = None;
            }
        }
        if let Some(telling) = &mut self.telling {
            worked = true;
            if telling.step(&self.store)? {
                let (generation, story) = (telling.generation, Box::new(telling.story()));
                self.replies.push(Reply::Story { generation, story, is_done: true });
                self.telling = None;
            }
        }
        if let Some(search) = &mut self.search {
            worked = true;
            match search.step(&self.store, &self.scan) {
                Ok(Found::NotYet) => {}
                Ok(Found::At(at)) => {
                    self.replies.push(Reply::At(Some(at)));
                    self.search = None;
                }
                Ok(Found::Nowhere) => {
                    self.replies.push(Reply::At(None));
                    self.search = None;
                }
                Err(error) => {
                    self.search = None;
                    return Err(error);
                }
            }
        }
        worked |= self.look()?;
        if let Some(export) = &mut self.export {
            worked = true;
            let total = export.total(&self.scan);
            match export.step(&self.store, &self.scan) {
                Ok(is_done) => {
                    let (path, rows) = (export.path.clone(), export.written);
                    if is_done {
                        self.export = None;
                    }
                    self.replies.push(Reply::Exported { path, rows, total, is_done });
                }
                Err(error) => {
                    self.export = None;
                    return Err(error);
                }
            }
        }
        Ok(worked)
    }

    /// Looks for all hits, after what is waited for.
    fn look(&mut self) -> Result<bool, DataError> {
        let Some(hits) = self.hits.as_mut().filter(|_| self.search.is_none()) else { return Ok(false) };
        let worked = match hits.step(&self.store, &self.scan) {
            Ok(worked) => worked,
            Err(error) => {
                self.hits = None;
                return Err(error);
            }
        };
        self.is_news |= worked;
        if hits.is_over(&self.scan) {
            self.replies.push(Reply::Hits { generation: hits.generation, rows: hits.rows().to_vec() });
            self.hits = None;
        }
        Ok(worked)
    }

    /// Takes what the loader has found.
    fn load(&mut self) -> bool {
        let Some(loader) = &self.loader else { return false };
        let Ok(found) = loader.try_recv() else { return false };
        self.is_news = true;
        match found {
            Loaded::Parts { parts, coverage, workloads } => {
                for part in parts {
                    self.store.add(part);
                }
                self.store.coverage.merge(*coverage);
                self.store.workloads.merge(&workloads);
            }
            Loaded::Origin(origin) => self.store.origins.push(*origin),
            Loaded::Broken(path, why) => self.store.broken.push((path, why)),
            Loaded::End => {
                self.store.is_complete = true;
                self.loader = None;
            }
        }
        true
    }

    fn counted(counting: &Counting, store: &Store, is_done: bool) -> Reply {
        Reply::Summary {
            generation: counting.generation,
            summary: Box::new(counting.summary()),
            done: counting.progress(store),
            is_done,
        }
    }

    /// What was answered since the last call; with news of what goes on, where `with_progress`.
    pub fn replies(&mut self, with_progress: bool) -> Vec<Reply> {
        let mut replies = std::mem::take(&mut self.replies);
        if with_progress && self.is_news {
            self.is_news = false;
            replies.push(Reply::Progress(Box::new(Progress {
                generation: self.scan.generation,
                shown: self.scan.index.len(),
                read: self.scan.read,
                rows: self.store.rows,
                extent: self.store.extent,
                timeline: self.scan.timeline.clone(),
                is_loaded: self.store.is_complete,
                is_done: self.scan.is_done,
                broken: self.store.broken.len() + self.store.origins.iter().filter(|o| o.broken.is_some()).count(),
                rejected: self.store.origins.iter().flat_map(|origin| origin.rejected.values()).sum(),
                memory: self.scan.index.memory(),
            })));
            if let Some(hits) = &self.hits {
                replies.push(Reply::Hits { generation: hits.generation, rows: hits.rows().to_vec() });
            }
            if let Some(counting) = &self.counting {
                replies.push(Self::counted(counting, &self.store, false));
            }
        }
        replies
    }

    /// Whether there is anything to show.
    #[must_use]
    pub fn has_rows(&self) -> bool {
        !self.scan.index.is_empty()
    }

    /// Whether more may come without being asked for.
    #[must_use]
    pub fn is_loading(&self) -> bool {
        self.loader.is_some()
    }
}
