//! What all connections share: what is served, what is past, how many streams there are.

use std::sync::Arc;
use std::time::Duration;

use lookback_flow::mask::FieldMask;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until};

use super::clock::{Clock, Replay, Speed, Timeline};
use super::flows::PATIENCE;
use super::merge::{MESSAGES, Merge, Place};
use super::plan::Past;
use super::selection::{Selection, UNTIMED};
use super::store::Store;
use super::streams::Streams;

/// How often followed streams are told that time has passed.
const TICK: Duration = Duration::from_millis(10);

/// Streams that have files open at once.
const TURNS: usize = 32;

/// The right to have files open.
#[derive(Debug)]
pub(crate) struct Turn {
    permit: Option<OwnedSemaphorePermit>,
    turns: Arc<Semaphore>,
    since: Instant,
}

impl Turn {
    /// Whether it has been long, and others wait for theirs.
    pub(crate) fn is_over(&self) -> bool {
        self.permit.is_some() && self.turns.available_permits() == 0 && self.since.elapsed() > PATIENCE
    }
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) store: Arc<Store>,
    pub(crate) replay: Replay,
    pub(crate) timeline: Timeline,
    /// The last moment that is past, on the line of time.
    pub(crate) past: watch::Receiver<i64>,
    pub(crate) streams: Arc<Streams>,
    /// Streams that may have files open.
    turns: Arc<Semaphore>,
    pub(crate) started: Instant,
}

impl Serving {
    /// Serves a store; a replay begins now, and goes on as long as the runtime.
    pub(crate) fn begin(store: Arc<Store>, replay: Replay, now: i64, most_streams: usize) -> Arc<Self> {
        let timeline = Timeline::new(store.span(), &replay, now);
        let start = replay.at.unwrap_or(timeline.first);
        let (sender, past) = watch::channel(if matches!(replay.speed, Speed::Times(_)) { start } else { UNTIMED });
        if let Speed::Times(speed) = replay.speed {
            let clock = Clock::new(speed, replay.max_gap, start);
            tokio::spawn(play(Arc::clone(&store), timeline, clock, replay.max_gap.is_some(), start, sender));
        }
        let streams = Streams::new(most_streams);
        let turns = Arc::new(Semaphore::new(TURNS));
        Arc::new(Self { store, replay, timeline, past, streams, turns, started: Instant::now() })
    }

    /// Waits until files may be opened; those that wait come in their order.
    pub(crate) async fn turn(&self) -> Turn {
        // It is never closed.
        let permit = Arc::clone(&self.turns).acquire_owned().await.ok();
        Turn { permit, turns: Arc::clone(&self.turns), since: Instant::now() }
    }

    /// What is past for a stream that begins now.
    pub(crate) fn begun(&self) -> Past {
        let from = self.replay.at.unwrap_or_default();
        Past { until: *self.past.borrow(), replay_from: (self.replay.speed == Speed::Max).then_some(from) }
    }
}

/// Lets time pass.
async fn play(
    store: Arc<Store>,
    timeline: Timeline,
    mut clock: Clock,
    has_gaps: bool,
    start: i64,
    past: watch::Sender<i64>,
) {
    let began = Instant::now();
    let mut lap = 0;
    loop {
        let offset = timeline.offset(lap);
        if has_gaps {
            let from = if lap == 0 { start } else { 0 };
            events(&store, &mut clock, began, (from, offset), &past).await;
        }
        let end = timeline.last.saturating_add(1).saturating_add(offset);
        loop {
            let now = clock.at(began.elapsed());
            past.send_replace(now.min(end));
            if now >= end {
                break;
            }
            // Never not at all, however the last nanosecond is rounded.
            let left = clock.due(end).saturating_sub(began.elapsed());
            sleep(left.clamp(TICK / 10, TICK)).await;
        }
        if !timeline.repeats() {
            past.send_replace(UNTIMED);
            return;
        }
        lap += 1;
    }
}

/// Lets time pass from event to event, and makes silence short.
async fn events(
    store: &Arc<Store>,
    clock: &mut Clock,
    began: Instant,
    (from, offset): (i64, i64),
    past: &watch::Sender<i64>,
) {
    // All events, of which only the time is needed.
    let Ok(mask) = FieldMask::new(&["time"]) else { return };
    let selection = Arc::new(Selection::everything(mask));
    let mut merge = Merge::new(store, &selection, Place { time: from, passed: 0 }, UNTIMED - 1, 0, u64::MAX);
    loop {
        let read = spawn_blocking(move || merge.portion(UNTIMED, MESSAGES.1).map(|portion| (merge, portion))).await;
        // A file that cannot be read is told of to who asks for it.
        let Ok(Ok((back, portion))) = read else { return };
        merge = back;
        for message in portion.encoded.messages {
            let time = message.time.saturating_add(offset);
            let now = began.elapsed();
            let due = clock.wait_for(now, time);
            if due > now + TICK / 4 {
                past.send_replace(clock.at(now).min(time - 1));
                sleep_until(began + due).await;
                past.send_replace(time);
            }
        }
        if portion.is_over {
            return;
        }
    }
}
