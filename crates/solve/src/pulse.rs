//! Whether long work goes on: a watch that is asked between the parts of a step.
//!
//! Any thread asks; the watch itself hears of it ten times a second at most, and not at all where the work takes less. The clock
//! decides when it is asked, never what is computed.

use crate::{Error, Progress, Result, Watch};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, TryLockError};
use std::time::Instant;

/// Milliseconds between two questions.
const EVERY: u64 = 100;

/// The watch of a solve while it runs.
pub struct Pulse<'a> {
    watched: Mutex<Watched<'a>>,
    began: Instant,
    /// Milliseconds since the start from which on the watch is asked again.
    next: AtomicU64,
    broken: AtomicBool,
}

/// The watch, and what it was told last.
struct Watched<'a> {
    watch: &'a mut Watch<'a>,
    last: Progress,
}

impl<'a> Pulse<'a> {
    /// Before the first step.
    pub fn new(watch: &'a mut Watch<'a>) -> Self {
        let last = Progress { step: 0, objective: f64::NAN, residual: f64::NAN, seconds: 0.0 };
        Self {
            watched: Mutex::new(Watched { watch, last }),
            began: Instant::now(),
            next: AtomicU64::new(EVERY),
            broken: AtomicBool::new(false),
        }
    }

    /// Seconds since the start.
    pub(crate) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Whether the watch has broken off.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Whether to go on.
    pub fn beats(&self) -> bool {
        let now = self.began.elapsed().as_millis() as u64;
        if !self.is_broken() && self.next.load(Ordering::Relaxed) <= now {
            // Where another thread is asking, that is enough.
            let watched = match self.watched.try_lock() {
                Ok(watched) => Some(watched),
                Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            };
            if let Some(mut watched) = watched {
                let last = Progress { seconds: self.seconds(), ..watched.last };
                self.ask(&mut watched, &last);
            }
        }
        !self.is_broken()
    }

    /// The same for a watch of work within the work.
    pub(crate) fn flow(&self) -> ControlFlow<()> {
        if self.beats() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    /// The same as a result.
    ///
    /// # Errors
    /// What [`Error::is_interruption`] tells from others, when the watch has broken off.
    pub fn check(&self) -> Result<()> {
        if self.beats() { Ok(()) } else { Err(Error::INTERRUPTED) }
    }

    /// Tells the watch of a step; whether to go on.
    pub(crate) fn tell(&self, progress: Progress) -> bool {
        let watched = self.watched.lock();
        let mut watched = watched.unwrap_or_else(std::sync::PoisonError::into_inner);
        watched.last = progress;
        self.ask(&mut watched, &progress);
        !self.is_broken()
    }

    fn ask(&self, watched: &mut Watched<'_>, progress: &Progress) {
        if (watched.watch)(progress).is_break() {
            self.broken.store(true, Ordering::Relaxed);
        }
        self.next.store(self.began.elapsed().as_millis() as u64 + EVERY, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_watch_is_asked_in_the_middle_of_a_step_and_heard_on_every_thread() {
        let mut heard = Vec::new();
        let mut watch = |progress: &Progress| {
            heard.push(progress.step);
            if heard.len() < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let pulse = Pulse::new(&mut watch);
        assert!(
            pulse.beats() && pulse.tell(Progress { step: 1, objective: 0.0, residual: 1.0, seconds: 0.0 })
        );
        // Not again so soon.
        assert!(pulse.beats());
        let broken = std::thread::scope(|scope| {
            let ask = || {
                (0..2000).any(|_| {
                    std::thread::sleep(Duration::from_millis(5));
                    !pulse.beats()
                })
            };
            let threads = [scope.spawn(ask), scope.spawn(ask)];
            threads.map(|thread| thread.join().unwrap())
        });
        assert_eq!(broken, [true, true]);
        assert!(pulse.check().unwrap_err().is_interruption());
        assert_eq!((heard.len(), heard[1]), (3, 1), "{heard:?}");
    }
}
