//! A recording that goes on: rings are drained, targets fed, what is due is done.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lookback_recorder_ebpf::counter;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{ClockId, clock_gettime};

use super::{Options, Signals};
use crate::enrich::pods::Pods;
use crate::kernel::attach::Attachment;
use crate::kubernetes::Found;
use crate::pipeline::{Loss, Pipeline, Scope};
use crate::status::{Board, Status};
use crate::targets::balance::Cause;
use crate::targets::config::{self, Target};
use crate::targets::target::OpenTarget;
use crate::watched::WatchedFile;
use crate::writers::{Writer, now};

/// Rows of a batch.
const BATCH: u64 = 4096;

/// Rows wait no longer than this for others.
const FLUSH: Duration = Duration::from_millis(200);

/// The ring is looked into this often when something was in it, and ever less often, down to the second, when nothing was. In the
/// longer one a million events a second fill half of the ring.
const REST_NS: (i64, i64) = (5_000_000, 20_000_000);

/// Counters, files and interfaces are looked at this often.
const LOOK: Duration = Duration::from_secs(1);

/// A clock that moves more than this against the other one was set.
const STEP_NS: i64 = 500_000_000;

/// When the kernel's clock was at zero, nanoseconds since 1970.
pub(super) fn epoch() -> i64 {
    let since_start = clock_gettime(ClockId::Boottime);
    now() - (since_start.tv_sec * 1_000_000_000 + since_start.tv_nsec)
}

/// What the ring had no room for, by CPU, as last looked at.
#[derive(Debug, Default)]
pub(super) struct Losses {
    pub(super) by_cpu: Vec<u64>,
    pub(super) since: i64,
}

pub(super) struct Run {
    pub(super) options: Options,
    pub(super) attachments: Vec<Attachment>,
    pub(super) scopes: Vec<Scope>,
    pub(super) versions: Vec<u64>,
    pub(super) losses: Vec<Losses>,
    pub(super) writers: Vec<Writer>,
    pub(super) pipeline: Pipeline,
    pub(super) config: Option<WatchedFile>,
    pub(super) pods: Option<WatchedFile>,
    pub(super) kubernetes: Option<Arc<Found>>,
    pub(super) board: Board,
    pub(super) status: Status,
    pub(super) epoch: i64,
    /// Rows that were handed to targets.
    pub(super) events: u64,
    pub(super) show: bool,
}

impl Run {
    pub(super) fn go(&mut self, signals: &Signals) -> Result<()> {
        let began = Instant::now();
        let (mut looked, mut flushed, mut rest_ns) = (None::<Instant>, Instant::now(), REST_NS.0);
        self.losses.iter_mut().for_each(|losses| losses.since = now());
        loop {
            let over = signals.stop.load(Ordering::Acquire)
                || self.options.duration.is_some_and(|duration| began.elapsed() >= duration)
                || self.options.count.is_some_and(|count| self.events + self.pipeline.rows() >= count)
                || self.writers.iter().any(Writer::is_closed);
            if over {
                break;
            }
            if looked.is_none_or(|looked| looked.elapsed() >= LOOK) || signals.reload.load(Ordering::Acquire) {
                looked = Some(Instant::now());
                self.look(signals)?;
            }
            let full = self.drain()?;
            if flushed.elapsed() >= FLUSH {
                self.flush()?;
                flushed = Instant::now();
            }
            if full {
                rest_ns = REST_NS.0;
            } else {
                self.wait(rest_ns);
                rest_ns = (rest_ns * 2).min(REST_NS.1);
            }
        }
        // Nothing more comes in; what is in the ring is part of the recording.
        self.attachments.iter_mut().for_each(Attachment::detach);
        while self.options.count.is_none() && self.drain()? {}
        self.count_losses();
        self.flush()?;
        for writer in &mut self.writers {
            let balance = writer.finish();
            self.status.targets.insert(writer.target.name.clone(), balance);
        }
        self.tell_remarks();
        Ok(())
    }

    /// Takes events out of the rings; whether there may be more.
    fn drain(&mut self) -> Result<bool> {
        let mut more = false;
        for (number, attachment) in self.attachments.iter_mut().enumerate() {
            let Some(scope) = self.scopes.get_mut(number) else { continue };
            let version = attachment.shared.version.load(Ordering::Acquire);
            if let Some(known) = self.versions.get_mut(number).filter(|known| **known != version) {
                *known = version;
                scope.surroundings = attachment.shared.surroundings();
            }
            let wanted = self.options.count.map(|count| count.saturating_sub(self.events));
            let mut taken = 0;
            while self.pipeline.rows() < BATCH && wanted.is_none_or(|wanted| self.pipeline.rows() < wanted) {
                let Some(event) = attachment.ring.0.next() else { break };
                self.pipeline.event(scope, &event, self.epoch);
                taken += 1;
            }
            more |= taken > 0;
        }
        if self.pipeline.rows() >= BATCH {
            self.flush()?;
        }
        Ok(more)
    }

    /// Waits for events for a moment. They do not wake anybody up, as that costs more than they do.
    fn wait(&self, nanos: i64) {
        let mut descriptors: Vec<PollFd<'_>> =
            self.attachments.iter().map(|attachment| PollFd::new(&attachment.ring.0, PollFlags::IN)).collect();
        let wait = Timespec { tv_sec: 0, tv_nsec: nanos };
        let _ = poll(&mut descriptors, Some(&wait));
    }

    /// Hands rows on to the targets.
    fn flush(&mut self) -> Result<()> {
        let unreadable = std::mem::take(&mut self.pipeline.unreadable);
        self.status.unreadable += unreadable;
        for writer in &mut self.writers {
            writer.lose(Cause::Unreadable, unreadable);
        }
        if self.pipeline.rows() == 0 {
            return Ok(());
        }
        self.events += self.pipeline.rows();
        let batch = Arc::new(self.pipeline.take()?);
        for writer in &mut self.writers {
            writer.send(&batch);
        }
        Ok(())
    }

    /// Does what is due once a second.
    fn look(&mut self, signals: &Signals) -> Result<()> {
        let epoch = epoch();
        if (epoch - self.epoch).abs() > STEP_NS {
            self.status.clock_steps += 1;
            remark(&format!("the clock was set by {} ms", (epoch - self.epoch) / 1_000_000));
        }
        self.epoch = epoch;
        self.count_losses();
        if let Some(file) = &mut self.pods
            && file.has_changed()
        {
            // A file that is bad is told of once.
            let read = std::fs::read_to_string(&file.path).map_err(anyhow::Error::from);
            match read.and_then(|text| Ok(Pods::parse(&text)?)) {
                Ok(pods) => self.pipeline.enrichment.pods = pods,
                Err(error) => remark(&format!("{}: {error}; the pods known before are kept", file.path.display())),
            }
        }
        if let Some(found) = &self.kubernetes {
            if let Some(pods) = found.changed() {
                self.pipeline.enrichment.pods = pods;
            }
            found.remarks().iter().for_each(|text| remark(text));
        }
        self.status.pods = self.pipeline.enrichment.pods.len();
        let asked = signals.reload.swap(false, Ordering::AcqRel);
        if asked {
            self.flush()?;
            self.writers.iter().for_each(Writer::reopen);
        }
        if self.config.as_mut().is_some_and(WatchedFile::has_changed) || (asked && self.config.is_some()) {
            self.reconfigure()?;
        }
        self.tell_remarks();
        self.post();
        Ok(())
    }

    /// Takes over a changed file of targets: whole, or not at all.
    fn reconfigure(&mut self) -> Result<()> {
        let Some(file) = &self.config else { return Ok(()) };
        let mut targets = self.options.targets.clone();
        match config::read(&file.path) {
            Ok(read) => targets.extend(read),
            Err(error) => {
                remark(&format!("{}: {error}; the targets stay as they are", file.path.display()));
                return Ok(());
            }
        }
        // What was seen so far belongs to the targets of before.
        self.flush()?;
        let mut kept = Vec::new();
        for mut writer in std::mem::take(&mut self.writers) {
            let same = targets.iter().position(|target| target.name == writer.target.name);
            match same.map(|at| targets.remove(at)) {
                Some(target) if target == writer.target => kept.push(writer),
                Some(target) => {
                    Self::close(&mut writer);
                    // A file has one writer: the old one goes first, and comes back if the new one cannot be.
                    match self.begin(target) {
                        Ok(new) => kept.push(new),
                        Err(error) => {
                            remark(&format!("{error:#}; the target stays as it is"));
                            kept.extend(
                                self.begin(writer.target.clone()).map_err(|error| remark(&format!("{error:#}"))),
                            );
                        }
                    }
                }
                None => Self::close(&mut writer),
            }
        }
        for target in targets {
            kept.extend(self.begin(target).map_err(|error| remark(&format!("{error:#}"))));
        }
        self.writers = kept;
        Ok(())
    }

    fn begin(&self, target: Target) -> Result<Writer> {
        let name = target.name.clone();
        let open = OpenTarget::open(target, &self.options.node, now(), self.options.commit_ns)
            .with_context(|| format!("{name}: cannot be begun (folders other than those at the start need --allow)"))?;
        Ok(Writer::begin(open)?)
    }

    fn close(writer: &mut Writer) {
        let balance = writer.finish();
        writer.remarks().iter().for_each(|text| remark(text));
        remark(&format!("{}: ended; {balance}", writer.target.name));
    }

    /// Tells of what the ring had no room for since it was last looked at.
    fn count_losses(&mut self) {
        let (mut packets, mut aggregated, mut unread, mut again) = (0, 0, 0, 0);
        let (mut drops, mut aggregated_drops) = (0, 0);
        for (attachment, losses) in self.attachments.iter().zip(&mut self.losses) {
            let at = now();
            for (cpu, counts) in attachment.shared.counts().iter().enumerate() {
                let of = |place: u32| counts.get(place as usize).copied().unwrap_or_default();
                packets += of(counter::PACKETS);
                aggregated += of(counter::AGGREGATED);
                unread += of(counter::OTHER_DROPS) + of(counter::UNREAD_PAYLOADS);
                again += of(counter::RETRANSMITS);
                drops += of(counter::DROPS);
                aggregated_drops += of(counter::AGGREGATED_DROPS);
                let lost = of(counter::LOST_PACKETS) + of(counter::LOST_PAYLOADS) + of(counter::LOST_DROPS);
                if losses.by_cpu.len() <= cpu {
                    losses.by_cpu.resize(cpu + 1, 0);
                }
                let Some(before) = losses.by_cpu.get_mut(cpu) else { continue };
                let events = lost - std::mem::replace(before, lost).min(lost);
                if events > 0 {
                    let cpu = i32::try_from(cpu).unwrap_or(i32::MAX);
                    self.pipeline.lost(&Loss { cpu, events, first: losses.since, last: at });
                    for writer in &mut self.writers {
                        writer.lose(Cause::Ring, events);
                    }
                }
            }
            losses.since = at;
        }
        (self.status.packets, self.status.aggregated_packets) = (packets, aggregated);
        // Each is told by a row that stands for several.
        let told_together = aggregated_drops - self.status.aggregated_drops.min(aggregated_drops);
        self.writers.iter_mut().for_each(|writer| writer.aggregate(told_together));
        (self.status.drops, self.status.aggregated_drops) = (drops, aggregated_drops);
        self.status.retransmissions = again;
        self.status.unreadable = self.status.unreadable.max(unread);
    }

    fn tell_remarks(&self) {
        let attached = self.attachments.iter().flat_map(|attachment| attachment.shared.remarks());
        attached.chain(self.writers.iter().flat_map(Writer::remarks)).for_each(|text| remark(&text));
    }

    /// Shows how it stands, on the socket and on a terminal.
    fn post(&mut self) {
        self.status.targets =
            self.writers.iter().map(|writer| (writer.target.name.clone(), writer.balance())).collect();
        self.status.interfaces = self
            .scopes
            .iter()
            .flat_map(|scope| scope.surroundings.interfaces.values().map(|(name, _)| name.clone()))
            .collect();
        self.status.interfaces.sort_unstable();
        if self.show {
            let lost: u64 = self.status.targets.values().map(crate::targets::balance::Balance::lost).sum();
            eprint!("\r\x1b[K{} packets, {} events, {lost} lost", self.status.packets, self.events);
        }
        *self.board.lock().unwrap_or_else(PoisonError::into_inner) = self.status.clone();
    }
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Tells the user something, beside the recording.
fn remark(text: &str) {
    eprintln!("lookback-recorder: {text}");
}
