//! Work on all cores, whose outcome is handed on in the order of the work.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use anyhow::{Result, anyhow};

/// What comes of a piece of work.
enum Message<T> {
    Came(T),
    Ended(Result<()>),
}

/// Whoever takes what comes.
pub(crate) type Take<'a, T> = &'a mut dyn FnMut(T) -> Result<()>;

/// Does all work, each piece on one thread, and takes what comes of it in the order of the work. What comes too early waits: it
/// is never more than came of as many pieces as there are threads.
///
/// The threads are not those of Rayon: these would begin other pieces while they wait for Polars, and have all of them half done
/// in memory at once.
///
/// # Errors
/// The first one in the order of the work, or that of whoever takes.
pub(crate) fn in_order<W: Send, T: Send>(
    works: Vec<W>,
    each: &(dyn Fn(W, Take<'_, T>) -> Result<()> + Sync),
    take: Take<'_, T>,
) -> Result<()> {
    let threads = rayon::current_num_threads().min(works.len());
    let works = Mutex::new(works.into_iter().enumerate());
    let next = || works.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(threads);
        for _ in 0..threads {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some((place, work)) = next() {
                    let send =
                        |message| sender.send((place, message)).map_err(|_| anyhow!("it is not wanted any more"));
                    let ended = each(work, &mut |came| send(Message::Came(came)));
                    if send(Message::Ended(ended)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut early: BTreeMap<usize, Vec<Message<T>>> = BTreeMap::new();
        let mut current = 0;
        // Whoever still works is told by the receiver's end.
        for (place, message) in receiver {
            early.entry(place).or_default().push(message);
            while let Some(messages) = early.remove(&current) {
                for message in messages {
                    match message {
                        Message::Came(came) => take(came)?,
                        Message::Ended(ended) => {
                            ended?;
                            current += 1;
                        }
                    }
                }
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where something is wrong")]

    use super::*;

    #[test]
    fn what_comes_is_in_the_order_of_the_work() {
        let (sender, receiver) = mpsc::channel();
        let receiver = Mutex::new(receiver);
        let each = |work: u32, hand_on: Take<'_, u32>| {
            match work {
                // The first one ends after the second one.
                0 if rayon::current_num_threads() > 1 => receiver.lock().unwrap().recv()?,
                1 => sender.send(())?,
                _ => {}
            }
            (0..=work % 3).try_for_each(|number| hand_on(10 * work + number))
        };
        let mut came = Vec::new();
        in_order((0..20).collect(), &each, &mut |number| {
            came.push(number);
            Ok(())
        })
        .unwrap();
        let expected: Vec<u32> =
            (0..20).flat_map(|work| (0..=work % 3).map(move |number| 10 * work + number)).collect();
        assert_eq!(came, expected);
    }

    #[test]
    fn the_first_error_in_order_ends_it() {
        let each = |work: u32, hand_on: Take<'_, u32>| match work {
            3 => Err(anyhow!("three")),
            5 => Err(anyhow!("five")),
            _ => hand_on(work),
        };
        let mut came = Vec::new();
        let mut take = |number| {
            came.push(number);
            Ok(())
        };
        assert_eq!(in_order((0..1000).collect(), &each, &mut take).unwrap_err().to_string(), "three");
        assert_eq!(came, [0, 1, 2]);
        let mut take = |number| if number == 7 { Err(anyhow!("enough")) } else { Ok(()) };
        let each = |work: u32, hand_on: Take<'_, u32>| hand_on(work);
        assert_eq!(in_order((0..1000).collect(), &each, &mut take).unwrap_err().to_string(), "enough");
        in_order(Vec::new(), &each, &mut take).unwrap();
    }
}
