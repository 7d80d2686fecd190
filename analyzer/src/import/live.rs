//! `lookback import --server`: what a live Hubble tells, into an archive.
//!
//! Promises:
//! 1. What has come is part of the archive after the time of `--every`, and when the import is stopped by a signal.
//! 2. A connection that ends is made anew, and what was missed meanwhile is asked for. It begins [`OVERLAP`] before the newest
//!    event that is there, since nodes send at their own pace; events that are there already are told by all of their fields and
//!    left out, as many times as they are there. The same goes for the next import into the same archive.
//! 3. When the server no longer has what was there before a pause, that is said: there may be a gap.

mod recent;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use indicatif::{ProgressBar, ProgressStyle};
use lookback_flow::archive::journal::ImportedInput;
use lookback_flow::archive::{ArchiveError, ArchiveWriter};
use lookback_flow::proto::observer::GetFlowsRequest;
use lookback_flow::rows::Projection;
use lookback_flow::segment::Origin;
use lookback_flow::store;
use lookback_flow::time::{rfc3339, timestamp};
use lookback_observer::client::Client;
use signal_hook::consts::{SIGINT, SIGTERM};

use self::recent::Recent;
use crate::cli;
use crate::observe::moment;
use crate::render::{grouped, plural, terminal};
use crate::server::connect;
use crate::session::Outcome;

/// How far events of one node may be behind those of another.
const OVERLAP: i64 = 10_000_000_000;

/// Rows after which what has come becomes part of the archive, however soon.
const ROWS: u64 = 1 << 20;

/// Shortest and longest wait before a connection is made anew.
const WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How soon a signal is seen.
const TICK: Duration = Duration::from_millis(100);

/// Records until it is stopped.
pub(super) fn run(args: &cli::Import) -> Result<Outcome> {
    let every = lookback_question::window::duration(&args.every).map_err(|why| anyhow!("--every: {why}"))?;
    let now = chrono::Utc::now().timestamp_nanos_opt().unwrap_or(i64::MAX);
    let since = args.since.as_deref().map(|text| moment(text, now).context("--since")).transpose()?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    // Who cannot reach it at all learns that before anything is made.
    let client = connect(&args.server)?;
    if store::is_remote(&args.output) {
        // Every commit makes files of its own, and nothing merges them there.
        let what = "recording of a server, a few events at a time,";
        return Err(ArchiveError::OnlyHere { path: args.output.clone(), what }.into());
    }
    let writer = ArchiveWriter::open(&args.output)?;
    let recent = Recent::of_archive(&args.output, OVERLAP)?;
    let progress = ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} {msg}")?);
    if args.quiet {
        progress.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    let mut recording = Recording {
        args,
        client: Some(client),
        since,
        every: Duration::from_nanos(u64::try_from(every)?),
        stop,
        writer,
        recent,
        progress,
        name: format!("hubble://{}", args.server.address.as_deref().unwrap_or_default()),
        waiting: 0,
        committed: Instant::now(),
        known: 0,
        rejected: 0,
    };
    let ended = recording.record();
    recording.commit()?;
    recording.progress.finish_and_clear();
    if !args.quiet && ended.is_ok() {
        recording.tell();
    }
    ended.map(|()| Outcome::Answered)
}

/// A recording that goes on.
struct Recording<'a> {
    args: &'a cli::Import,
    /// The first connection, until it is used.
    client: Option<Client>,
    since: Option<i64>,
    every: Duration,
    stop: Arc<AtomicBool>,
    writer: ArchiveWriter,
    recent: Recent,
    progress: ProgressBar,
    /// As what the archive's record has the server.
    name: String,
    /// Rows that are not part of the archive yet.
    waiting: u64,
    committed: Instant,
    /// Events that were there already.
    known: u64,
    rejected: u64,
}

/// What a connection gives.
enum Came {
    Batch(RecordBatch),
    /// The stream is over; so many messages could not be read.
    Over(u64, Option<anyhow::Error>),
}

impl Recording<'_> {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Connects again and again, until it is told to stop.
    fn record(&mut self) -> Result<()> {
        let mut wait = WAIT.0;
        let mut has_come = false;
        while !self.is_stopped() {
            let begun = Instant::now();
            let failed = match self.stream() {
                Ok(came) => {
                    has_come = true;
                    self.take(&came)?
                }
                // Who is refused at the beginning learns that at once.
                Err(error) if !has_come => return Err(error),
                Err(error) => Some(error),
            };
            if self.is_stopped() {
                return Ok(());
            }
            if self.args.no_follow {
                return failed.map_or(Ok(()), Err);
            }
            if begun.elapsed() > WAIT.1 {
                wait = WAIT.0;
            }
            let why = failed.map_or_else(|| "the server ended the stream".to_owned(), |error| format!("{error:#}"));
            self.warn(&format!("{why}; connecting again in {} s", wait.as_secs()));
            self.commit()?;
            self.pause(wait);
            wait = (2 * wait).min(WAIT.1);
        }
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "a signal ends it soon")]
    fn pause(&self, wait: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < wait && !self.is_stopped() {
            thread::sleep(TICK);
        }
    }

    /// Asks for what is not there yet.
    fn stream(&mut self) -> Result<Receiver<Came>> {
        let since = self.recent.expect();
        // Without a time a server that is followed tells only what is still to come.
        let since = since.or(self.since).unwrap_or_default();
        let client = self.client.take().map_or_else(|| connect(&self.args.server), Ok)?;
        let request = GetFlowsRequest {
            since: Some(timestamp(since)),
            follow: !self.args.no_follow,
            ..GetFlowsRequest::default()
        };
        let mut batches = client.flows(request, &Projection::all())?;
        let (sender, receiver) = sync_channel(2);
        // It ends with the process, should the server never send anything again.
        thread::spawn(move || {
            loop {
                let next = batches.next();
                let came = match next {
                    Some(Ok(batch)) => Came::Batch(batch),
                    Some(Err(error)) => Came::Over(batches.rejected(), Some(error.into())),
                    None => Came::Over(batches.rejected(), None),
                };
                let is_over = matches!(came, Came::Over(..));
                // Nobody may be left to be told.
                if sender.send(came).is_err() || is_over {
                    return;
                }
            }
        });
        Ok(receiver)
    }

    /// Takes what comes until the stream is over; gives why it is, if it should not be.
    fn take(&mut self, came: &Receiver<Came>) -> Result<Option<anyhow::Error>> {
        loop {
            match came.recv_timeout(TICK) {
                Ok(Came::Batch(batch)) => self.add(&batch)?,
                Ok(Came::Over(rejected, why)) => {
                    self.rejected += rejected;
                    return Ok(why);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
            if self.committed.elapsed() >= self.every || self.waiting >= ROWS {
                self.commit()?;
            }
            if self.is_stopped() {
                return Ok(None);
            }
        }
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let is_new: BooleanArray = self.recent.take(batch)?.into();
        if let Some(missing) = self.recent.missing() {
            self.warn(&format!(
                "the server no longer has what it told of {}: events of around then may be missing",
                rfc3339(missing)
            ));
        }
        let new = is_new.true_count();
        self.known += (batch.num_rows() - new) as u64;
        if new > 0 {
            self.writer.begin_input(&self.name);
            self.writer.add(&filter_record_batch(batch, &is_new)?)?;
            self.waiting += new as u64;
        }
        let rows = grouped((self.writer.done.rows + self.waiting).into());
        let newest = self.recent.newest().map_or_else(String::new, |time| format!(", the newest of {}", rfc3339(time)));
        self.progress.set_message(format!("{rows} events{newest}, {} to be written", grouped(self.waiting.into())));
        self.progress.tick();
        Ok(())
    }

    /// Makes what has come part of the archive.
    fn commit(&mut self) -> Result<()> {
        if self.waiting > 0 {
            let lines = std::mem::take(&mut self.waiting);
            let origin = Origin { name: self.name.clone(), lines, ..Origin::default() };
            self.writer.end_input(ImportedInput { origins: vec![origin], content: None })?;
            self.writer.commit()?;
        }
        self.committed = Instant::now();
        Ok(())
    }

    fn warn(&self, what: &str) {
        self.progress.suspend(|| eprintln!("warning {}", terminal(what)));
    }

    fn tell(&self) {
        let done = &self.writer.done;
        let files = plural(done.files, "file", "files");
        let root = self.args.output.display().to_string();
        let mut text =
            format!("{} rows in {} new {files} in {}", grouped(done.rows.into()), done.files, terminal(&root));
        if self.known > 0 {
            text = format!("{text}; {} were there already", grouped(self.known.into()));
        }
        eprintln!("wrote   {text}");
        if self.rejected > 0 {
            eprintln!("warning {} messages of the server could not be read", grouped(self.rejected.into()));
        }
    }
}
