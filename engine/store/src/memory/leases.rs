//! The claims on all keys, and those who wait for them.

use std::collections::HashMap;
use std::future::Future;
use std::hash::BuildHasher;
use std::sync::Arc;

use larder_core::{Key, Pattern, Timestamp};
use parking_lot::{Mutex, MutexGuard};
use quick_cache::DefaultHashBuilder;
use tokio::sync::Notify;

use super::hold::{GivenUp, Hold};
use crate::store::Token;

/// Enough that two busy keys rarely share a lock.
const SHARDS: usize = 64;

/// Claims by key. A key's entry is put in and taken out only while its [`Shard`] is locked, so
/// that checking a token and storing under it are one step.
pub(crate) struct Leases {
    shards: Box<[Mutex<Shard>]>,
    hasher: DefaultHashBuilder,
}

/// The claims on a share of all keys.
#[derive(Default)]
pub(crate) struct Shard {
    holds: HashMap<Arc<str>, Hold, DefaultHashBuilder>,
    waiting: HashMap<Arc<str>, Arc<Notify>, DefaultHashBuilder>,
}

/// Those who wait for a key. Woken on drop, so a shard must be unlocked first.
#[must_use]
#[derive(Default)]
pub(crate) struct Waiters(Option<Arc<Notify>>);

impl Drop for Waiters {
    fn drop(&mut self) {
        if let Some(waiting) = &self.0 {
            waiting.notify_waiters();
        }
    }
}

impl Leases {
    pub(crate) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// Locks the claims on `key` and on the keys that share its place.
    pub(crate) fn lock(&self, key: &Key) -> MutexGuard<'_, Shard> {
        // The lowest bits choose the place in a shard's map.
        let at = (self.hasher.hash_one(&**key.storage()) >> 32) as usize % self.shards.len();
        self.shards[at].lock()
    }

    /// Ends when `key` is woken after this call, whenever the future is polled first.
    pub(crate) fn changed(&self, key: &Key) -> impl Future<Output = ()> + Send + 'static {
        let mut shard = self.lock(key);
        let waiting = shard.waiting.entry(Arc::clone(key.storage())).or_default();
        Arc::clone(waiting).notified_owned()
    }

    /// Voids the leases and the fills of writes on every key that `pattern` may match.
    pub(crate) fn ban(&self, pattern: &Pattern) {
        for shard in &self.shards {
            let woken = shard.lock().ban(pattern);
            drop(woken);
        }
    }

    /// Drops claims that have run out and wakes those who wait for them, one shard at a time.
    pub(crate) fn sweep(&self, now: Timestamp) {
        for shard in &self.shards {
            let woken = shard.lock().sweep(now);
            drop(woken);
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        let empty = |shard: &Mutex<Shard>| {
            let shard = shard.lock();
            shard.holds.is_empty() && shard.waiting.is_empty()
        };
        self.shards.iter().all(empty)
    }
}

impl Shard {
    /// The claims on `key` that have not run out.
    pub(crate) fn hold(&mut self, key: &Key, now: Timestamp) -> Option<&mut Hold> {
        let hold = self.holds.get_mut(&**key.storage())?;
        hold.settle(now, Token::fresh()).then_some(hold)
    }

    /// Replaces the claims on `key`.
    pub(crate) fn set(&mut self, key: &Key, hold: Hold) {
        self.holds.insert(Arc::clone(key.storage()), hold);
    }

    /// Begins a write on `key`.
    pub(crate) fn begin_write(&mut self, key: &Key, until: Timestamp, now: Timestamp) -> Token {
        let token = Token::fresh();
        match self.hold(key, now) {
            Some(hold) => hold.begin_write(token, until, Token::fresh()),
            None => self.set(key, Hold::write(token, until, Token::fresh())),
        }
        token
    }

    /// Voids the leases on `key` and the fills of its writes.
    pub(crate) fn invalidate(&mut self, key: &Key) {
        if let Some(hold) = self.holds.get_mut(&**key.storage())
            && !hold.invalidate(Token::fresh())
        {
            self.holds.remove(&**key.storage());
        }
    }

    /// Gives up one share of what `token` stands for.
    pub(crate) fn give_up(&mut self, key: &Key, token: Token) -> GivenUp {
        self.stop(key, |hold| hold.give_up(token, Token::fresh()))
    }

    /// Ends all of what `token` stands for.
    pub(crate) fn end(&mut self, key: &Key, token: Token) -> GivenUp {
        self.stop(key, |hold| hold.end(token, Token::fresh()))
    }

    fn stop(&mut self, key: &Key, stop: impl FnOnce(&mut Hold) -> GivenUp) -> GivenUp {
        let Some(hold) = self.holds.get_mut(&**key.storage()) else {
            return GivenUp::Nothing;
        };
        let given_up = stop(hold);
        if given_up == GivenUp::All {
            self.holds.remove(&**key.storage());
        }
        given_up
    }

    /// Those who wait for `key` now; later ones wait for the next change.
    pub(crate) fn waiters(&mut self, key: &Key) -> Waiters {
        if self.waiting.is_empty() {
            return Waiters::default();
        }
        Waiters(self.waiting.remove(&**key.storage()))
    }

    fn ban(&mut self, pattern: &Pattern) -> Vec<Waiters> {
        let mut woken = Vec::new();
        let Self { holds, waiting } = self;
        holds.retain(|key, hold| {
            if !pattern.may_match_storage(key) {
                return true;
            }
            woken.push(Waiters(waiting.remove(key)));
            hold.invalidate(Token::fresh())
        });
        woken
    }

    fn sweep(&mut self, now: Timestamp) -> Vec<Waiters> {
        let mut woken = Vec::new();
        let Self { holds, waiting } = self;
        holds.retain(|key, hold| {
            let before = hold.by();
            let left = hold.settle(now, Token::fresh());
            if !left || hold.by() != before {
                woken.push(Waiters(waiting.remove(key)));
            }
            left
        });
        // Waiters that gave up leave their entry behind, held by nobody else.
        waiting.retain(|_, waiting| Arc::strong_count(waiting) > 1);
        woken
    }
}
