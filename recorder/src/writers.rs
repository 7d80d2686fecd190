//! A thread for each target, so that a slow disk holds up nobody else: what its queue has no room for is counted as lost.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arrow::array::RecordBatch;

use crate::targets::balance::{Balance, Cause};
use crate::targets::config::Target;
use crate::targets::target::OpenTarget;

/// Batches that wait for a target, and their bytes: a flood fills one, many small batches the other.
const QUEUE: usize = 64;
const QUEUE_BYTES: usize = 24 << 20;

/// How often a target looks what is due.
const TICK: Duration = Duration::from_millis(100);

enum Job {
    Batch(Arc<RecordBatch>),
    Reopen,
}

/// What a writer and the recorder share.
#[derive(Debug, Default)]
struct Shared {
    balance: Mutex<Balance>,
    remarks: Mutex<Vec<String>>,
    closed: AtomicBool,
    /// Bytes of the batches that wait.
    waiting: AtomicUsize,
}

/// A target's thread.
#[derive(Debug)]
pub struct Writer {
    pub target: Target,
    jobs: Option<SyncSender<Job>>,
    shared: Arc<Shared>,
    /// What never came to the target: lost in the kernel or the queue, told by another row.
    before: Balance,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Batch(_) => "Batch",
            Self::Reopen => "Reopen",
        })
    }
}

/// Nanoseconds since 1970.
#[must_use]
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

impl Writer {
    /// Begins a target's thread.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn begin(open: OpenTarget) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (jobs, queue) = sync_channel(QUEUE);
        let target = open.target.clone();
        let thread = std::thread::Builder::new().name("write".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || run(open, &queue, &shared)
        })?;
        Ok(Self { target, jobs: Some(jobs), shared, before: Balance::default(), thread: Some(thread) })
    }

    /// Hands a batch on, or counts it as lost: never waits.
    pub fn send(&mut self, batch: &Arc<RecordBatch>) {
        let Some(jobs) = &self.jobs else { return };
        let bytes = batch.get_array_memory_size();
        let is_full = self.shared.waiting.load(Ordering::Acquire).saturating_add(bytes) > QUEUE_BYTES;
        // Added first: the thread may have done with it before this one goes on.
        self.shared.waiting.fetch_add(bytes, Ordering::AcqRel);
        if is_full || jobs.try_send(Job::Batch(Arc::clone(batch))).is_err() {
            self.shared.waiting.fetch_sub(bytes, Ordering::AcqRel);
            self.lose(Cause::Queue, batch.num_rows() as u64);
        }
    }

    /// Counts events that never became rows.
    pub fn lose(&mut self, cause: Cause, events: u64) {
        self.before.seen += events;
        self.before.lose(cause, events);
    }

    /// Counts events that one of its rows stands for: the kernel told of them together.
    pub fn aggregate(&mut self, events: u64) {
        self.before.seen += events;
        self.before.aggregated += events;
    }

    /// Asks it to begin its files anew.
    pub fn reopen(&self) {
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(Job::Reopen);
        }
    }

    /// The balance so far.
    #[must_use]
    pub fn balance(&self) -> Balance {
        let mut balance = self.shared.balance.lock().unwrap_or_else(PoisonError::into_inner).clone();
        balance.seen += self.before.seen;
        balance.aggregated += self.before.aggregated;
        for (cause, count) in &self.before.lost {
            balance.lose(*cause, *count);
        }
        balance
    }

    /// What the user should know, since the last call.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.remarks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether whoever read standard output went away.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire)
    }

    /// Writes all that waits, and ends.
    pub fn finish(&mut self) -> Balance {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            self.shared.remarks.lock().unwrap_or_else(PoisonError::into_inner).push("a writer broke off".to_owned());
        }
        self.balance()
    }
}

fn run(mut open: OpenTarget, queue: &Receiver<Job>, shared: &Shared) {
    loop {
        let outcome = match queue.recv_timeout(TICK) {
            Ok(Job::Batch(batch)) => {
                let taken = open.take(&batch, now());
                shared.waiting.fetch_sub(batch.get_array_memory_size(), Ordering::AcqRel);
                taken
            }
            Ok(Job::Reopen) => {
                open.reopen();
                Ok(())
            }
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => {
                tell(&mut open, shared, |open| open.finish(now()));
                return;
            }
        };
        tell(&mut open, shared, |open| outcome.and_then(|()| open.tick(now())));
    }
}

fn tell(open: &mut OpenTarget, shared: &Shared, work: impl FnOnce(&mut OpenTarget) -> anyhow::Result<()>) {
    if let Err(error) = work(open) {
        open.remarks.push(format!("{}: {error}", open.target.name));
    }
    shared.closed.store(open.closed, Ordering::Release);
    shared.remarks.lock().unwrap_or_else(PoisonError::into_inner).append(&mut open.remarks);
    *shared.balance.lock().unwrap_or_else(PoisonError::into_inner) = open.balance.clone();
}
