//! A recording: attach, give up rights, then drain the ring until told to stop.
//!
//! Promises:
//! 1. What is attached, opened and bound is so before rights are given up; not one packet is read before that.
//! 2. seen = written + filtered + aggregated + lost, for each target, whatever happened.
//! 3. The kernel never waits: what nobody takes out of the ring is counted there.
//! 4. At the first signal what was seen is written to the end; a second one ends at once.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use glob::Pattern;
use lookback_recorder_ebpf::counter;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{ClockId, clock_gettime};

use crate::enrich::Enrichment;
use crate::enrich::pods::PodsFile;
use crate::kernel::attach::{Attachment, Wanted, attach};
use crate::kernel::btf::Btf;
use crate::kernel::namespace::Namespace;
use crate::kernel::object::Settings;
use crate::kernel::privileges::{self, Sandbox, folder_of};
use crate::pipeline::{Loss, Pipeline, Scope};
use crate::status::{self, Board, Status};
use crate::targets::balance::Cause;
use crate::targets::config::{self, Place, Target};
use crate::targets::target::OpenTarget;
use crate::writers::{ConfigFile, Writer, now};

/// Rows of a batch.
const BATCH: u64 = 4096;

/// Rows wait no longer than this for others.
const FLUSH: Duration = Duration::from_millis(200);

/// Counters, files and interfaces are looked at this often.
const LOOK: Duration = Duration::from_secs(1);

/// A clock that moves more than this against the other one was set.
const STEP_NS: i64 = 500_000_000;

/// What to record.
#[derive(Clone, Debug)]
pub struct Options {
    pub interfaces: Vec<Pattern>,
    pub namespaces: Vec<Namespace>,
    pub node: String,
    pub targets: Vec<Target>,
    pub config: Option<PathBuf>,
    pub pods: Option<PathBuf>,
    pub socket: Option<PathBuf>,
    pub cgroups: PathBuf,
    /// Folders besides those of the targets that may be written to later.
    pub allow: Vec<PathBuf>,
    pub settings: Settings,
    pub duration: Option<Duration>,
    pub count: Option<u64>,
    pub commit_ns: i64,
    pub quiet: bool,
}

/// What ends or changes a recording from outside.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    pub stop: Arc<AtomicBool>,
    pub reload: Arc<AtomicBool>,
}

/// Records until it is told to stop, and answers how it went.
///
/// # Errors
/// When nothing can be recorded; what is wrong later is told, and goes on.
pub fn record(options: Options, signals: &Signals) -> Result<Status> {
    let missing = privileges::missing()?;
    if !missing.is_empty() {
        let list: Vec<_> = missing.iter().map(|(cap, why)| format!("{cap} ({why})")).collect();
        bail!(
            "missing: {}; run as root, or give the program these capabilities: `setcap cap_bpf,cap_net_admin,cap_perfmon+ep lookback-recorder`",
            list.join(", ")
        );
    }
    let mut targets = options.targets.clone();
    let mut config = options.config.as_deref().map(ConfigFile::new);
    if let Some(file) = &mut config {
        file.has_changed();
        targets.extend(config::read(&file.path).with_context(|| file.path.display().to_string())?);
    }
    if targets.is_empty() && config.is_none() {
        bail!("nothing to write to: name --file, --archive, --stdout or --config");
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = targets.iter().find(|target| !names.insert(target.name.clone())) {
        bail!("two targets are called {}", twice.name);
    }
    let mut opened = Vec::new();
    for target in &targets {
        opened.push(OpenTarget::open(target.clone(), &options.node, now(), options.commit_ns)?);
    }
    let listener = options.socket.as_deref().map(status::listen).transpose()?;

    let btf = Btf::of_kernel();
    let mut missing = Vec::new();
    if let Err(error) = &btf {
        missing.push(format!("drops: {error}"));
    }
    let btf = btf.ok().map(Arc::new);
    let reasons = btf.as_ref().map(|btf| btf.values("skb_drop_reason")).unwrap_or_default();
    let mut attachments = attach_all(&options, btf.as_ref(), &reasons)?;
    missing.extend(attachments.iter_mut().flat_map(|attachment| std::mem::take(&mut attachment.missing)));

    // From here on nothing is allowed that is not needed.
    let mut write: Vec<PathBuf> = options.allow.clone();
    write.extend(targets.iter().filter_map(folder_of_target));
    let mut read = vec![options.cgroups.clone(), PathBuf::from("/etc/localtime")];
    read.extend(options.config.iter().chain(&options.pods).map(|file| folder_of(file)));
    privileges::keep(&[])?;
    match privileges::shut_off(&write, &read)? {
        Sandbox::Whole | Sandbox::Part => {}
        Sandbox::None => missing.push("a sandbox: this kernel has no Landlock".to_owned()),
    }
    let mut writers = Vec::new();
    for target in opened {
        writers.push(Writer::begin(target)?);
    }
    let board = Board::default();
    if let Some(listener) = listener {
        status::serve(listener, Arc::clone(&board))?;
    }

    let seed = RandomState::new().hash_one(now());
    let pipeline = Pipeline::new(&options.node, reasons, Enrichment::new(&options.cgroups), seed);
    let mut run = Run {
        pods: options.pods.as_deref().map(PodsFile::new),
        scopes: attachments.iter().map(|_| Scope::default()).collect(),
        versions: vec![0; attachments.len()],
        losses: attachments.iter().map(|_| Losses::default()).collect(),
        status: Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            node: options.node.clone(),
            missing,
            ..Status::default()
        },
        show: !options.quiet && std::io::stderr().is_terminal(),
        options,
        attachments,
        writers,
        pipeline,
        config,
        board: Arc::clone(&board),
        epoch: epoch(),
        events: 0,
    };
    run.go(signals)?;
    Ok(run.status)
}

fn attach_all(options: &Options, btf: Option<&Arc<Btf>>, reasons: &HashMap<u32, String>) -> Result<Vec<Attachment>> {
    let namespaces = if options.namespaces.is_empty() { vec![Namespace::Own] } else { options.namespaces.clone() };
    let mut inodes = Vec::new();
    for namespace in &namespaces {
        inodes.push(namespace.inode().with_context(|| format!("network namespace {namespace}"))?);
    }
    let mut attachments = Vec::new();
    for (number, namespace) in namespaces.iter().enumerate() {
        let wanted = Wanted {
            namespace: namespace.clone(),
            interfaces: options.interfaces.clone(),
            settings: options.settings.clone(),
            // Each namespace's own drops; those of all by the first alone.
            reasons: if options.settings.all_namespaces && number > 0 { HashMap::new() } else { reasons.clone() },
            drop_namespaces: inodes.get(number).copied().into_iter().collect(),
            cgroups: options.cgroups.is_dir().then(|| options.cgroups.clone()),
        };
        attachments.push(attach(wanted, btf.cloned())?);
    }
    Ok(attachments)
}

fn folder_of_target(target: &Target) -> Option<PathBuf> {
    match &target.place {
        Place::Stdout => None,
        Place::File(path, _) => Some(folder_of(path)),
        Place::Archive(root) => Some(root.clone()),
    }
}

/// When the kernel's clock was at zero, nanoseconds since 1970.
fn epoch() -> i64 {
    let since_start = clock_gettime(ClockId::Boottime);
    now() - (since_start.tv_sec * 1_000_000_000 + since_start.tv_nsec)
}

/// What the ring had no room for, by CPU, as last looked at.
#[derive(Debug, Default)]
struct Losses {
    by_cpu: Vec<u64>,
    since: i64,
}

struct Run {
    options: Options,
    attachments: Vec<Attachment>,
    scopes: Vec<Scope>,
    versions: Vec<u64>,
    losses: Vec<Losses>,
    writers: Vec<Writer>,
    pipeline: Pipeline,
    config: Option<ConfigFile>,
    pods: Option<PodsFile>,
    board: Board,
    status: Status,
    epoch: i64,
    /// Rows that were handed to targets.
    events: u64,
    show: bool,
}

impl Run {
    fn go(&mut self, signals: &Signals) -> Result<()> {
        let began = Instant::now();
        let (mut looked, mut flushed) = (None::<Instant>, Instant::now());
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
            if !full {
                self.wait();
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
    fn wait(&self) {
        let mut descriptors: Vec<PollFd<'_>> =
            self.attachments.iter().map(|attachment| PollFd::new(&attachment.ring.0, PollFlags::IN)).collect();
        let wait = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
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
        if let Some(file) = &mut self.pods {
            match file.changed() {
                Ok(Some(pods)) => self.pipeline.enrichment.pods = pods,
                Ok(None) => {}
                Err(error) => remark(&format!("pods: {error}; those known before are kept")),
            }
        }
        let asked = signals.reload.swap(false, Ordering::AcqRel);
        if asked {
            self.flush()?;
            self.writers.iter().for_each(Writer::reopen);
        }
        if self.config.as_mut().is_some_and(ConfigFile::has_changed) || (asked && self.config.is_some()) {
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
        for (attachment, losses) in self.attachments.iter().zip(&mut self.losses) {
            let at = now();
            for (cpu, counts) in attachment.shared.counts().iter().enumerate() {
                let of = |place: u32| counts.get(place as usize).copied().unwrap_or_default();
                packets += of(counter::PACKETS);
                aggregated += of(counter::AGGREGATED);
                unread += of(counter::OTHER_DROPS) + of(counter::UNREAD_PAYLOADS);
                again += of(counter::RETRANSMITS);
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
