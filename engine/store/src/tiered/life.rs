//! How long this process can be sure to hear of every change.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// The moment up to which silence means that nothing changed. Readers compare it with the clock
/// themselves, so a task that does not run cannot put it off.
pub(super) struct Life {
    base: Instant,
    /// Nanoseconds since `base`; 0 while nothing is sure.
    until: AtomicU64,
}

impl Life {
    pub(super) fn new() -> Self {
        Self {
            base: Instant::now(),
            until: AtomicU64::new(0),
        }
    }

    /// Whether every change that was acknowledged up to the bound ago is known.
    pub(super) fn is_sure(&self) -> bool {
        let until = self.until.load(Ordering::SeqCst);
        until != 0 && self.nanos(Instant::now()) < until
    }

    /// Every change up to `at` is known; that is good for `bound` from then. What counts is when
    /// the question was sent and not when its answer came, as an answer may have been under way
    /// for long.
    pub(super) fn sign(&self, at: Instant, bound: Duration) {
        self.until.store(self.nanos(at + bound), Ordering::SeqCst);
    }

    /// Nothing is sure any more.
    pub(super) fn lose(&self) {
        self.until.store(0, Ordering::SeqCst);
    }

    fn nanos(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.base);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}
