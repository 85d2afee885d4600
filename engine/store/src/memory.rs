//! The store in this process's memory.

#[cfg(test)]
mod contract;
mod entries;
mod hold;
mod leases;
#[cfg(test)]
mod model;
mod slot;
#[cfg(test)]
mod tests;
mod versions;
mod written;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use larder_core::dependency::Mode;
use larder_core::{Dependency, Entry, Key, Pattern, Timestamp, Version};
use serde::Deserialize;

use self::entries::Entries;
use self::hold::{GivenUp, Hold};
use self::leases::Leases;
use self::slot::Slot;
use self::versions::Versions;
use self::written::Written;
use crate::store::{
    Answer, Expected, Filled, Found, LeaseRequest, Leased, Step, Store, StoreError, Summary, Token,
    later, ready,
};
use crate::sweep::Sweep;

/// How many keys a ban looks at before others get their turn on the thread.
const KEYS_AT_ONCE: u64 = 4_096;

/// How much a [`MemoryStore`] may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MemoryConfig {
    /// Bytes of all entries together, 256 MiB unless told; leases and versions come on top. The
    /// largest entry that fits is at least about 31 MiB, or 97 % of less than 64 MiB in all.
    pub capacity_bytes: u64,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self {
            capacity_bytes: 256 << 20,
        }
    }
}

/// Keeps entries, leases and versions in memory, bounded in bytes: what was not used for long
/// goes first.
///
/// Two steps make the guarantees. Whatever puts in or takes out the entry of a key does so while
/// the key's leases are locked, so no fill falls between an invalidation and its reply. A bump
/// takes no such lock: a fill that it overtakes is stored, and every read finds its versions
/// past.
///
/// ```
/// use larder_store::{MemoryConfig, MemoryStore, Store};
///
/// let store = MemoryStore::new(MemoryConfig { capacity_bytes: 64 << 20 });
/// assert_eq!(store.summary().entries, 0);
/// ```
pub struct MemoryStore {
    entries: Entries,
    leases: Leases,
    versions: Versions,
    written: Written,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(config: MemoryConfig) -> Self {
        Self {
            entries: Entries::new(config.capacity_bytes),
            leases: Leases::new(),
            versions: Versions::new(),
            written: Written::default(),
        }
    }

    fn find(&self, key: &Key, now: Timestamp) -> Option<Found> {
        self.entries.get(key)?.found(key, now)
    }

    fn lease_now(&self, wish: LeaseRequest<'_>) -> Leased {
        let (key, until) = (wish.key, wish.now.plus(wish.ttl_ms));
        let mut shard = self.leases.lock(key);
        // Looked up under the lock: a fill stores its entry and ends its lease in one step, so
        // whoever comes too late for the lease sees the entry.
        if let Some(found) = self.find(key, wish.now)
            && wish.seen != Some(found.entry.windows.created)
        {
            return Leased::Stored(found);
        }
        if let Some(hold) = shard.hold(key, wish.now) {
            let joined = if wish.share { hold.join(until) } else { None };
            return joined.map_or(Leased::Held { by: hold.by() }, Leased::Granted);
        }
        let token = Token::fresh();
        shard.set(key, Hold::load(token, until));
        Leased::Granted(token)
    }

    fn fill_now(&self, key: &Key, token: Token, entry: Entry, now: Timestamp) -> Filled {
        // Resolved before the lock is taken; compared after, when nothing can void the token.
        let slot = Slot::new(entry, &self.versions, now);
        let mut shard = self.leases.lock(key);
        let may_fill = shard
            .hold(key, now)
            .is_some_and(|hold| hold.may_fill(token));
        let (filled, replaced) = match slot.filter(|slot| may_fill && slot.is_current()) {
            None => (Filled::Voided, None),
            Some(slot) if !self.entries.takes(slot.weight()) => (Filled::TooLarge, None),
            Some(slot) => (Filled::Stored, Some(self.entries.put(key, Arc::new(slot)))),
        };
        let waiters = match shard.end(key, token) {
            GivenUp::Nothing => None,
            GivenUp::Part | GivenUp::All => Some(shard.waiters(key)),
        };
        drop(shard);
        drop((waiters, replaced));
        filled
    }

    fn begin_write_now(&self, key: &Key, ttl_ms: u64, now: Timestamp) -> Token {
        let mut shard = self.leases.lock(key);
        let token = shard.begin_write(key, now.plus(ttl_ms), now);
        let removed = self.entries.remove(key);
        let waiters = shard.waiters(key);
        drop(shard);
        drop((waiters, removed));
        token
    }

    fn invalidate_now(&self, key: &Key, mode: Mode, now: Timestamp) -> bool {
        let mut shard = self.leases.lock(key);
        shard.invalidate(key);
        let slot = match mode {
            Mode::Purge => self.entries.remove(key),
            Mode::Expire => self.entries.get(key),
        };
        let existed = slot.as_ref().is_some_and(|slot| {
            let servable = slot.is_servable(key, now);
            if mode == Mode::Expire {
                slot.expire(now);
            }
            servable
        });
        let waiters = shard.waiters(key);
        drop(shard);
        drop((waiters, slot));
        existed
    }

    /// First voids the leases, so that nothing from before can be filled any more; then every
    /// entry that is there is looked at.
    async fn ban_now(
        &self,
        pattern: &Pattern,
        mode: Mode,
        now: Timestamp,
    ) -> Result<Sweep, StoreError> {
        let (sweep, sweeper) = Sweep::begin();
        self.leases.ban(pattern);
        let (mut scanned, mut removed) = (0, 0);
        for key in self.entries.matching(pattern) {
            scanned += 1;
            if let Some(key) = key {
                removed += u64::from(self.invalidate_now(&key, mode, now));
            }
            if scanned % KEYS_AT_ONCE == 0 {
                tokio::task::yield_now().await;
            }
        }
        sweeper.advance(scanned, removed);
        sweeper.complete();
        Ok(sweep)
    }

    fn holds_now(
        &self,
        key: &Key,
        token: Token,
        under: &[(Dependency, Version)],
        now: Timestamp,
    ) -> bool {
        let held = {
            let mut shard = self.leases.lock(key);
            shard.hold(key, now).is_some_and(|hold| hold.holds(token))
        };
        held && under
            .iter()
            .all(|(of, version)| self.versions.is_current(of, *version))
    }
}

impl Store for MemoryStore {
    fn get<'a>(
        &'a self,
        key: &'a Key,
        _expected: Expected<'a>,
        now: Timestamp,
    ) -> Answer<'a, Option<Found>> {
        ready(self.find(key, now))
    }

    fn versions<'a>(&'a self, of: &'a [Dependency]) -> Answer<'a, Vec<Version>> {
        ready(of.iter().map(|one| self.versions.current(one)).collect())
    }

    fn lease<'a>(&'a self, wish: LeaseRequest<'a>) -> Answer<'a, Leased> {
        ready(self.lease_now(wish))
    }

    fn holds<'a>(
        &'a self,
        key: &'a Key,
        token: Token,
        under: &'a [(Dependency, Version)],
        now: Timestamp,
    ) -> Answer<'a, bool> {
        ready(self.holds_now(key, token, under, now))
    }

    fn fill<'a>(
        &'a self,
        key: &'a Key,
        token: Token,
        entry: Entry,
        now: Timestamp,
    ) -> Answer<'a, Filled> {
        ready(self.fill_now(key, token, entry, now))
    }

    fn extend<'a>(
        &'a self,
        key: &'a Key,
        token: Token,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Answer<'a, bool> {
        let mut shard = self.leases.lock(key);
        let hold = shard.hold(key, now);
        ready(hold.is_some_and(|hold| hold.extend(token, now.plus(ttl_ms))))
    }

    fn release<'a>(&'a self, key: &'a Key, token: Token) -> Answer<'a, ()> {
        let mut shard = self.leases.lock(key);
        let waiters = match shard.give_up(key, token) {
            GivenUp::Nothing => None,
            GivenUp::Part | GivenUp::All => Some(shard.waiters(key)),
        };
        drop(shard);
        drop(waiters);
        ready(())
    }

    fn begin_write<'a>(&'a self, key: &'a Key, ttl_ms: u64, now: Timestamp) -> Answer<'a, Token> {
        ready(self.begin_write_now(key, ttl_ms, now))
    }

    fn invalidate<'a>(&'a self, key: &'a Key, mode: Mode, now: Timestamp) -> Answer<'a, bool> {
        ready(self.invalidate_now(key, mode, now))
    }

    fn bump<'a>(
        &'a self,
        all: &'a [Dependency],
        mode: Mode,
        now: Timestamp,
    ) -> Answer<'a, Vec<Step>> {
        let step = |one| self.versions.bump(one, mode, now);
        ready(all.iter().map(step).collect())
    }

    fn note_written<'a>(
        &'a self,
        names: &'a [Dependency],
        keep_ms: u64,
        now: Timestamp,
    ) -> Answer<'a, ()> {
        self.written.note(names, keep_ms, now);
        ready(())
    }

    fn written_ago<'a>(
        &'a self,
        names: &'a [Dependency],
        now: Timestamp,
    ) -> Answer<'a, Option<u64>> {
        ready(self.written.ago_ms(names, now))
    }

    fn ban<'a>(&'a self, pattern: &'a Pattern, mode: Mode, now: Timestamp) -> Answer<'a, Sweep> {
        later(self.ban_now(pattern, mode, now))
    }

    fn changed<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, ()> {
        Box::pin(self.leases.changed(key))
    }

    fn sweep(&self, now: Timestamp) -> u64 {
        let gone = self.entries.sweep(now);
        self.leases.sweep(now);
        self.written.sweep(now);
        // Last, because entries that went no longer hold on to theirs.
        self.versions.sweep(now);
        gone
    }

    fn summary(&self) -> Summary {
        Summary {
            kind: "memory",
            entries: self.entries.len(),
            bytes: self.entries.bytes(),
            capacity: self.entries.capacity(),
        }
    }

    fn is_shared(&self) -> bool {
        false
    }
}
