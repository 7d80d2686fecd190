//! Crafted packets through the real programs and the real ring, as fast as is asked for: what `cargo xtask bench recorder` measures.
//!
//! The kernel runs the classifier on them (`BPF_PROG_TEST_RUN`); nothing is attached, and no packet leaves the machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use aya::programs::{TestRun as _, TestRunOptions};
use caps::Capability;
use rustix::event::{Timespec, poll};

use super::attach::{AttachError, Attachment, RingBufOf, Shared};
use super::object::{KernelError, Object, Settings};
use super::privileges;

/// Different packets: clients and servers, TCP and UDP.
const PACKETS: u16 = 4096;

/// How often the kernel runs one of them before the next: a call of its own for each would take longer than the packet.
const REPEAT: u32 = 8;

/// What is to be told of.
#[derive(Clone, Copy, Debug)]
pub struct Flood {
    pub events: u64,
    /// Events a second; 0 for as many as the kernel makes.
    pub rate: u64,
}

/// Begins a flood, which ends the recording by `stop` when all is told.
///
/// # Errors
/// When the kernel refuses the programs.
pub fn attach(flood: Flood, settings: &Settings, stop: Arc<AtomicBool>) -> Result<Attachment, AttachError> {
    let settings = Settings { aggregate: false, ..settings.clone() };
    let shared = Arc::new(Shared::default());
    let (tell, told) = sync_channel(1);
    let thread = std::thread::Builder::new().name("flood".to_owned()).spawn({
        let shared = Arc::clone(&shared);
        move || {
            let begun = Object::load(&settings, None).and_then(|mut object| {
                let (ring, counters) = (object.take_ring()?, object.take_counters()?);
                Ok((object, ring, counters))
            });
            let (mut object, counters) = match begun {
                Ok((object, ring, counters)) => {
                    let _ = tell.send(Ok(ring));
                    (object, counters)
                }
                Err(error) => {
                    let _ = tell.send(Err(error));
                    return;
                }
            };
            if let Err(error) =
                privileges::keep(&[Capability::CAP_NET_ADMIN, Capability::CAP_BPF, Capability::CAP_PERFMON])
            {
                shared.remark(error.to_string());
            }
            if let Err(error) = run(flood, &mut object, &shared) {
                shared.remark(format!("flood: {error}"));
            }
            shared.publish(&counters);
            stop.store(true, Ordering::Release);
        }
    });
    let thread = Some(thread.map_err(AttachError::Netlink)?);
    let ring = told.recv().map_err(|_| AttachError::Gone)??;
    Ok(Attachment { ring: RingBufOf(ring), shared, thread, missing: Vec::new() })
}

fn run(flood: Flood, object: &mut Object, shared: &Shared) -> Result<(), KernelError> {
    let name = "lookback_in";
    let packets: Vec<Vec<u8>> = (0..PACKETS).map(packet).collect();
    let program = object.classifier(name)?;
    let began = Instant::now();
    let mut told = 0;
    for packet in packets.iter().cycle() {
        if told >= flood.events || shared.stop.load(Ordering::Acquire) {
            break;
        }
        let repeat = REPEAT.min(u32::try_from(flood.events - told).unwrap_or(REPEAT));
        let options = TestRunOptions { data_in: Some(packet), repeat, ..TestRunOptions::default() };
        program.test_run(options).map_err(|error| KernelError::Program { name, error })?;
        told += u64::from(repeat);
        if flood.rate > 0 && told.is_multiple_of(1024) {
            let due = Duration::from_nanos(told.saturating_mul(1_000_000_000) / flood.rate);
            if let Some(early) = due.checked_sub(began.elapsed()) {
                let _ = poll(&mut [], Timespec::try_from(early).ok().as_ref());
            }
        }
    }
    Ok(())
}

/// One of the packets: pods 10.1.0.0/24 as clients, 10.2.0.0/28 as servers; every fourth a datagram.
fn packet(n: u16) -> Vec<u8> {
    let [high, low] = n.to_be_bytes();
    let is_udp = n.is_multiple_of(4);
    let protocol = if is_udp { 17 } else { 6 };
    let mut bytes = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, low, 8, 0];
    bytes.extend([0x45, 0, 0, 60, 0, 1, 0, 0, 64, protocol, 0, 0, 10, 1, 0, low, 10, 2, 0, low & 15]);
    bytes.extend([0x9c, high, 0x1f, 0x90]);
    if is_udp {
        bytes.extend([0, 40, 0, 0]);
    } else {
        // Sequence, acknowledgement; ACK, or PSH and ACK.
        bytes.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, if n.is_multiple_of(3) { 0x18 } else { 0x10 }, 1, 0, 0, 0, 0, 0]);
    }
    bytes.resize(14 + 60, b'x');
    bytes
}
