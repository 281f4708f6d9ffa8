//! What calling a component has taken so far: counted, never timed string by string, and nothing of what was said.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The calls of one component since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// How many there were, answered or not.
    pub calls: u64,
    /// How many failed: the component did not answer at all. A refusal is an answer.
    pub failures: u64,
    /// How long they took together, making new instances included.
    pub time: Duration,
}

/// Counts calls from any thread. The three numbers are not read at one moment.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    calls: AtomicU64,
    failures: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Tally {
    /// Does a call and counts it.
    pub(crate) fn count<R, E>(&self, call: impl FnOnce() -> Result<R, E>) -> Result<R, E> {
        let started = Instant::now();
        let outcome = call();
        // In 64 bits there is room for five hundred years.
        let nanoseconds = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
        self.calls.fetch_add(1, Ordering::Relaxed);
        if outcome.is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }

    pub(crate) fn so_far(&self) -> Calls {
        Calls {
            calls: self.calls.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            time: Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)),
        }
    }
}
