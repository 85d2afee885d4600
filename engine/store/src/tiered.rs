//! Memory in front of a store that several engines share.
//!
//! | file | concept |
//! |---|---|
//! | `near` | copies of shared entries, served while they are as good as asking |
//! | `stamps` | what has changed since when, as numbers |
//! | `life` | how long silence means that nothing changed |
//! | `waiters` | those who wait for a change of a key |
//! | `tracking` | hears of every change in Redis |
//! | `mark` | notices that the database was exchanged for another one |
//! | `change` | what the name of a changed key in Redis stands for |
//! | `island` | what keeps reads off the origin while the shared store is away |

mod change;
mod config;
#[cfg(test)]
mod contract;
mod far;
mod island;
mod life;
mod mark;
mod near;
mod stamps;
#[cfg(test)]
mod tests;
mod tracking;
mod waiters;

use std::sync::Arc;

use futures_util::future::{BoxFuture, select};
use larder_core::dependency::Mode;
use larder_core::{Clock, Dependency, Entry, Key, Pattern, Timestamp, Version};

pub use self::config::TieredConfig;
use self::island::Island;
use self::near::Near;
use self::tracking::Tracking;
use crate::store::{
    Answer, Expected, Filled, Found, Health, LeaseRequest, Leased, Step, Store, Summary, Token,
    later, ready,
};
use crate::sweep::Sweep;

/// Keeps copies of the entries of a shared store in this process's memory.
///
/// A read that starts after an invalidation on this engine was answered never sees an older
/// value. On another engine it does not once the change was heard of, and never later than the
/// bound ([`TieredConfig::silence_ms`]) after it, whatever becomes of the network: copies are
/// served only as long as the shared store has said within the bound that nothing is outstanding.
/// Everything but reads of entries goes to the shared store.
///
/// While the shared store is away, an island takes its place for reads and loads: a small memory
/// store whose values end 2 s after their load began, and which is dropped when the shared store
/// answers again. Writes and invalidations fail then, as nobody else can be told of them.
///
/// Entries that may only be kept in one process's memory are refused: no other engine could tell
/// this one that they are outdated, as the shared store does not know them.
pub struct TieredStore {
    near: Arc<Near>,
    far: Arc<dyn Store>,
    island: Island,
    /// Runs as long as the store.
    _tracking: Option<Tracking>,
}

impl TieredStore {
    /// Over a store whose changes somebody else tells `near` of.
    fn over(far: Arc<dyn Store>, near: Arc<Near>, tracking: Option<Tracking>) -> Self {
        Self {
            island: Island::new(near.capacity()),
            near,
            far,
            _tracking: tracking,
        }
    }
}

impl Store for TieredStore {
    fn get<'a>(
        &'a self,
        key: &'a Key,
        expected: Expected<'a>,
        now: Timestamp,
    ) -> Answer<'a, Option<Found>> {
        match self.near.get(key, now) {
            Some(found) => ready(Some(found)),
            None => later(self.get_far(key, expected, now)),
        }
    }

    fn versions<'a>(&'a self, of: &'a [Dependency]) -> Answer<'a, Vec<Version>> {
        later(self.versions_far(of))
    }

    fn lease<'a>(&'a self, wish: LeaseRequest<'a>) -> Answer<'a, Leased> {
        later(self.lease_far(wish))
    }

    fn holds<'a>(
        &'a self,
        key: &'a Key,
        token: Token,
        under: &'a [(Dependency, Version)],
        now: Timestamp,
    ) -> Answer<'a, bool> {
        later(self.holds_where(key, token, under, now))
    }

    fn fill<'a>(
        &'a self,
        key: &'a Key,
        token: Token,
        entry: Entry,
        now: Timestamp,
    ) -> Answer<'a, Filled> {
        later(self.fill_where(key, token, entry, now))
    }

    fn extend<'a>(
        &'a self,
        key: &'a Key,
        token: Token,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Answer<'a, bool> {
        later(self.extend_where(key, token, ttl_ms, now))
    }

    fn release<'a>(&'a self, key: &'a Key, token: Token) -> Answer<'a, ()> {
        later(self.release_where(key, token))
    }

    fn begin_write<'a>(&'a self, key: &'a Key, ttl_ms: u64, now: Timestamp) -> Answer<'a, Token> {
        later(self.begin_write_far(key, ttl_ms, now))
    }

    fn invalidate<'a>(&'a self, key: &'a Key, mode: Mode, now: Timestamp) -> Answer<'a, bool> {
        later(self.invalidate_far(key, mode, now))
    }

    fn bump<'a>(
        &'a self,
        all: &'a [Dependency],
        mode: Mode,
        now: Timestamp,
    ) -> Answer<'a, Vec<Step>> {
        later(self.bump_far(all, mode, now))
    }

    fn note_written<'a>(
        &'a self,
        names: &'a [Dependency],
        keep_ms: u64,
        now: Timestamp,
    ) -> Answer<'a, ()> {
        later(self.note_written_far(names, keep_ms, now))
    }

    fn written_ago<'a>(
        &'a self,
        names: &'a [Dependency],
        now: Timestamp,
    ) -> Answer<'a, Option<u64>> {
        later(self.written_ago_far(names, now))
    }

    fn ban<'a>(&'a self, pattern: &'a Pattern, mode: Mode, now: Timestamp) -> Answer<'a, Sweep> {
        later(self.ban_far(pattern, mode, now))
    }

    fn changed<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, ()> {
        let near = self.near.changed(key);
        if self.island.is_open() {
            let island = Box::pin(self.island.changed(key));
            return Box::pin(async move { drop(select(near, island).await) });
        }
        if self.near.lost().is_none() {
            return near;
        }
        let far = self.far.changed(key);
        Box::pin(async move { drop(select(near, far).await) })
    }

    fn sweep(&self, now: Timestamp) -> u64 {
        self.island.sweep(now);
        let gone = self.far.sweep(now);
        self.near.sweep(now);
        gone
    }

    /// Speaks of the copies; the shared store is not asked.
    fn summary(&self) -> Summary {
        Summary {
            kind: "tiered",
            entries: self.near.len(),
            bytes: self.near.bytes(),
            capacity: self.near.capacity(),
        }
    }

    fn clock(&self) -> Option<Arc<dyn Clock>> {
        self.far.clock()
    }

    fn health(&self) -> Health {
        let on_island = "values are kept for 2 s at most until it is back";
        match (self.far.health(), self.near.lost()) {
            (Health::Down { why }, _) => Health::Down {
                why: format!("{why}; {on_island}"),
            },
            _ if self.island.is_away() => Health::Down {
                why: format!("the shared store did not answer; {on_island}"),
            },
            (_, Some(why)) => Health::Degraded {
                why: format!("the tracking link is down ({why}); every read asks the shared store"),
            },
            (far, None) => far,
        }
    }
}
