//! Those who wait for a change of a key.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use quick_cache::DefaultHashBuilder;
use tokio::sync::Notify;

/// Waiters by the storage form of their key.
#[derive(Default)]
pub(super) struct Waiters {
    waiting: Mutex<HashMap<Arc<str>, Arc<Notify>, DefaultHashBuilder>>,
    /// Keys somebody waits for, so that the many pushes nobody waits for need no lock.
    keys: AtomicUsize,
}

impl Waiters {
    /// Ends when the key is woken after this call, whenever the future is polled first.
    pub(super) fn changed(&self, storage: &Arc<str>) -> impl Future<Output = ()> + Send + 'static {
        let mut waiting = self.waiting.lock();
        let one = waiting.entry(Arc::clone(storage)).or_default();
        let woken = Arc::clone(one).notified_owned();
        self.keys.store(waiting.len(), Ordering::SeqCst);
        woken
    }

    pub(super) fn wake(&self, storage: &str) {
        if self.keys.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut waiting = self.waiting.lock();
        let one = waiting.remove(storage);
        self.keys.store(waiting.len(), Ordering::SeqCst);
        drop(waiting);
        if let Some(one) = one {
            one.notify_waiters();
        }
    }

    /// Wakes everybody, and forgets those who gave up.
    pub(super) fn wake_all(&self) {
        let mut waiting = self.waiting.lock();
        let all = std::mem::take(&mut *waiting);
        self.keys.store(0, Ordering::SeqCst);
        drop(waiting);
        for one in all.into_values() {
            one.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn whoever_waits_is_woken_and_nobody_else() {
        let waiters = Waiters::default();
        let (a, b) = (waiters.changed(&"a".into()), waiters.changed(&"b".into()));
        waiters.wake("a");
        waiters.wake("c");
        assert_eq!(a.now_or_never(), Some(()));
        let again = waiters.changed(&"a".into());
        waiters.wake_all();
        assert_eq!(
            (b.now_or_never(), again.now_or_never()),
            (Some(()), Some(()))
        );
    }
}
