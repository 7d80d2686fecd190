//! A recording: attach, give up rights, then drain the ring until told to stop.
//!
//! Promises:
//! 1. What is attached, opened and bound is so before rights are given up; not one packet is read before that.
//! 2. seen = written + filtered + aggregated + lost, for each target, whatever happened.
//! 3. The kernel never waits: what nobody takes out of the ring is counted there.
//! 4. At the first signal what was seen is written to the end; a second one ends at once.

mod run;

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use glob::Pattern;

use self::run::{Losses, Run, epoch};
use crate::enrich::Enrichment;
use crate::kernel::attach::{Attachment, Wanted, attach};
use crate::kernel::btf::Btf;
use crate::kernel::flood::{self, Flood};
use crate::kernel::namespace::Namespace;
use crate::kernel::object::Settings;
use crate::kernel::privileges::{self, Sandbox, folder_of};
use crate::kubernetes;
use crate::pipeline::{Pipeline, Scope};
use crate::status::{self, Board, Status};
use crate::targets::config::{self, Place, Target};
use crate::targets::target::OpenTarget;
use crate::watched::WatchedFile;
use crate::writers::{Writer, now};

/// What to record.
#[derive(Clone, Debug)]
pub struct Options {
    pub interfaces: Vec<Pattern>,
    pub namespaces: Vec<Namespace>,
    pub node: String,
    pub targets: Vec<Target>,
    pub config: Option<PathBuf>,
    pub pods: Option<PathBuf>,
    /// Pods from Kubernetes instead.
    pub kubernetes: Option<kubernetes::Source>,
    pub socket: Option<PathBuf>,
    pub cgroups: PathBuf,
    /// Folders besides those of the targets that may be written to later.
    pub allow: Vec<PathBuf>,
    pub settings: Settings,
    pub duration: Option<Duration>,
    pub count: Option<u64>,
    pub commit_ns: i64,
    pub quiet: bool,
    /// Crafted packets instead of those of interfaces, to measure.
    pub flood: Option<Flood>,
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
    let mut config = options.config.as_deref().map(WatchedFile::new);
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

    let client = options.kubernetes.as_ref().map(kubernetes::Client::new).transpose().context("pods of Kubernetes")?;

    let btf = Btf::of_kernel();
    let mut missing = Vec::new();
    if let Err(error) = &btf {
        missing.push(format!("drops: {error}"));
    }
    let btf = btf.ok().map(Arc::new);
    let reasons = btf.as_ref().map(|btf| btf.values("skb_drop_reason")).unwrap_or_default();
    let mut attachments = match options.flood {
        Some(flood) => vec![flood::attach(flood, &options.settings, Arc::clone(&signals.stop))?],
        None => attach_all(&options, btf.as_ref(), &reasons)?,
    };
    missing.extend(attachments.iter_mut().flat_map(|attachment| std::mem::take(&mut attachment.missing)));

    // From here on nothing is allowed that is not needed.
    let mut write: Vec<PathBuf> = options.allow.clone();
    write.extend(targets.iter().filter_map(folder_of_target));
    let mut read = vec![options.cgroups.clone(), PathBuf::from("/etc/localtime")];
    read.extend(options.config.iter().chain(&options.pods).map(|file| folder_of(file)));
    if let Some(source) = &options.kubernetes {
        read.push(folder_of(&source.token));
        read.extend(["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"].map(PathBuf::from));
    }
    privileges::keep(&[])?;
    match privileges::shut_off(&write, &read)? {
        Sandbox::Whole | Sandbox::Part => {}
        Sandbox::None => missing.push("a sandbox: this kernel has no Landlock".to_owned()),
    }
    let mut writers = Vec::new();
    for target in opened {
        writers.push(Writer::begin(target)?);
    }
    let kubernetes = match options.kubernetes.clone().zip(client) {
        Some((source, client)) => Some(kubernetes::watch(source, client)?),
        None => None,
    };
    let board = Board::default();
    if let Some(listener) = listener {
        status::serve(listener, Arc::clone(&board))?;
    }

    let seed = RandomState::new().hash_one(now());
    let pipeline = Pipeline::new(&options.node, reasons, Enrichment::new(&options.cgroups), seed);
    let mut run = Run {
        kubernetes,
        pods: options.pods.as_deref().map(WatchedFile::new),
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
