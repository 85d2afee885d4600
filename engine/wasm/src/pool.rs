//! The warm instances of one build.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use larder_core::PolicyFailure;
use parking_lot::Mutex;

/// Instances of one build, checked out exclusively. Each build has its own pool, so an instance
/// that is handed back late can never serve for a newer build.
pub(crate) struct Pool<T> {
    idle: Mutex<Vec<Box<T>>>,
    /// Idle and busy ones.
    live: AtomicUsize,
    most: usize,
    retired: AtomicBool,
}

/// The right to one instance; ends with the instance.
pub(crate) struct Ticket<'a>(&'a AtomicUsize);

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<T> Pool<T> {
    pub(crate) const fn new(most: usize) -> Self {
        Self {
            idle: Mutex::new(Vec::new()),
            live: AtomicUsize::new(0),
            most,
            retired: AtomicBool::new(false),
        }
    }

    /// An idle instance, and the right to it.
    pub(crate) fn take(&self) -> Option<(Box<T>, Ticket<'_>)> {
        let instance = self.idle.lock().pop()?;
        Some((instance, Ticket(&self.live)))
    }

    /// The right to make a new instance.
    ///
    /// # Errors
    /// Says that there are as many as may be.
    pub(crate) fn admit(&self) -> Result<Ticket<'_>, PolicyFailure> {
        let before = self.live.fetch_add(1, Ordering::Relaxed);
        let ticket = Ticket(&self.live);
        if before < self.most {
            return Ok(ticket);
        }
        Err(PolicyFailure::Unavailable(format!(
            "all {} are busy; raise the policy's limit `instances`",
            self.most
        )))
    }

    /// Keeps the instance for the next call, unless the build is retired.
    pub(crate) fn put(&self, instance: Box<T>, ticket: Ticket<'_>) {
        if self.retired.load(Ordering::Acquire) {
            return;
        }
        std::mem::forget(ticket);
        self.idle.lock().push(instance);
        // Retired in between: the drain may have come before the push.
        if self.retired.load(Ordering::Acquire) {
            self.drain();
        }
    }

    /// Frees the idle instances and keeps none from now on.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        self.drain();
    }

    /// Keeps instances again.
    pub(crate) fn revive(&self) {
        self.retired.store(false, Ordering::Release);
    }

    fn drain(&self) {
        let idle = std::mem::take(&mut *self.idle.lock());
        self.live.fetch_sub(idle.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_counted_reused_and_bounded() {
        let pool = Pool::new(2);
        let first = pool.admit().unwrap();
        let second = pool.admit().unwrap();
        assert!(matches!(
            pool.admit().err(),
            Some(PolicyFailure::Unavailable(reason)) if reason.contains("all 2 are busy")
        ));
        pool.put(Box::new(7), first);
        drop(second);
        let (instance, ticket) = pool.take().unwrap();
        assert_eq!(*instance, 7);
        assert!(pool.take().is_none());
        drop(ticket);
        assert_eq!(pool.live.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_retired_pool_keeps_nothing_until_it_is_revived() {
        let pool = Pool::new(2);
        let idle = pool.admit().unwrap();
        let busy = pool.admit().unwrap();
        pool.put(Box::new(1), idle);
        pool.retire();
        pool.put(Box::new(2), busy);
        assert!(pool.take().is_none());
        assert_eq!(pool.live.load(Ordering::Relaxed), 0);
        pool.revive();
        pool.put(Box::new(3), pool.admit().unwrap());
        assert!(pool.take().is_some());
    }
}
