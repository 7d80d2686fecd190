//! The thread that reads: takes requests, does a little of what is to be done, and sends what came of it.

mod messages;
mod tasks;

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use lookback_flow::inputs::Input;

pub use messages::{Progress, Reply, Request};
pub use tasks::Data;

/// How often the screen is told how far things are.
const NEWS: Duration = Duration::from_millis(80);

/// Starts the thread; it ends when the sender of requests is gone. `send` gets every reply, and says whether anyone listens.
///
/// # Errors
/// When the system gives no thread.
pub fn start(inputs: Vec<Input>, send: impl Fn(Reply) -> bool + Send + 'static) -> std::io::Result<Sender<Request>> {
    let (sender, requests) = channel();
    let run = move || {
        let mut data = Data::new(inputs);
        let mut told = Instant::now();
        let mut first = true;
        loop {
            loop {
                match requests.try_recv() {
                    Ok(request) => data.request(request),
                    Err(std::sync::mpsc::TryRecvError::Empty) => break,
                    Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
                }
            }
            let worked = data.step();
            // The first rows are told of at once.
            let is_first = first && data.has_rows();
            first &= !is_first;
            let is_due = is_first || !worked || told.elapsed() >= NEWS;
            if is_due {
                told = Instant::now();
            }
            for reply in data.replies(is_due) {
                if !send(reply) {
                    return;
                }
            }
            if !worked {
                let wait = if data.is_loading() { Duration::from_millis(5) } else { Duration::from_hours(1) };
                match requests.recv_timeout(wait) {
                    Ok(request) => data.request(request),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        }
    };
    thread::Builder::new().name("data".to_owned()).spawn(run)?;
    Ok(sender)
}
