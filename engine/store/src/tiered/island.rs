//! What keeps reads off the origin while the shared store is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use larder_core::dependency::Mode;
use larder_core::{Dependency, Entry, Key, Pattern, Timestamp, Version};
use parking_lot::{Mutex, RwLock};
use tokio::time::Instant;

use crate::memory::{MemoryConfig, MemoryStore};
use crate::store::{
    Expected, Filled, Found, Health, LeaseRequest, Leased, Store, StoreError, Token,
};

/// How long after its load began a value of the island is served at most, in milliseconds: it
/// hears of nobody's invalidations but its own.
pub(super) const BOUND_MS: u64 = 2_000;
/// How far the clock may seem to go back, in milliseconds, between callers that looked at it at once.
const APART_MS: u64 = 1_000;
/// How often one call tries whether the shared store is back.
const RETRY: Duration = Duration::from_millis(100);
/// The most that an island keeps, in bytes: what is loaded within 2 s.
const CAPACITY: u64 = 32 << 20;

/// A memory store for the time of an outage.
///
/// Tokens and versions that it hands out carry a mark. A load that began under anything of the
/// shared store does not fill the island, and one that began under anything of the island does
/// not fill the shared store, as neither hears of the other's invalidations.
pub(super) struct Island {
    config: MemoryConfig,
    store: RwLock<Arc<MemoryStore>>,
    open: AtomicBool,
    next_try: Mutex<Instant>,
    /// The latest moment that was handed in, in milliseconds.
    latest: AtomicU64,
}

impl Island {
    pub(super) fn new(capacity: u64) -> Self {
        let capacity_bytes = capacity.min(CAPACITY);
        let config = MemoryConfig { capacity_bytes };
        Self {
            config,
            store: RwLock::new(Arc::new(MemoryStore::new(config))),
            open: AtomicBool::new(false),
            next_try: Mutex::new(Instant::now()),
            latest: AtomicU64::new(0),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::SeqCst)
    }

    /// Whether the shared store is known not to answer. An open island says so no longer than for a
    /// while: who asks for health must not take it from an engine that nobody asks anything else.
    pub(super) fn is_away(&self) -> bool {
        let lately = *self.next_try.lock() + Duration::from_millis(BOUND_MS);
        self.is_open() && Instant::now() < lately
    }

    /// The shared store does not answer. Every failure puts the next try off; the first answer,
    /// to whomever, ends the waiting.
    pub(super) fn open(&self) {
        *self.next_try.lock() = Instant::now() + RETRY;
        let _store = self.store.write();
        self.open.store(true, Ordering::SeqCst);
    }

    /// The shared store has answered. What was kept in the meantime is dropped before the answer
    /// goes on: it may have been an invalidation.
    pub(super) fn close(&self) {
        if !self.is_open() {
            return;
        }
        let mut store = self.store.write();
        if self.open.swap(false, Ordering::SeqCst) {
            *store = Arc::new(MemoryStore::new(self.config));
        }
    }

    /// Whether the shared store need not be asked: it is known to be away, and another call tries
    /// whether it is back.
    pub(super) fn answers_for(&self, far: &dyn Store) -> bool {
        let down = matches!(far.health(), Health::Down { .. });
        if !self.is_open() {
            if down {
                self.open();
            }
            return down;
        }
        let now = Instant::now();
        let mut next_try = self.next_try.lock();
        if down || now < *next_try {
            return true;
        }
        *next_try = now + RETRY;
        false
    }

    fn store(&self) -> Arc<MemoryStore> {
        Arc::clone(&self.store.read())
    }

    /// The store at `now`. Times are those of a clock that may be set: where it was set back, what is
    /// kept would outlive its bound, so it goes.
    fn at(&self, now: Timestamp) -> Arc<MemoryStore> {
        let latest = Timestamp(self.latest.fetch_max(now.0, Ordering::SeqCst));
        if latest <= now.plus(APART_MS) {
            return self.store();
        }
        let mut store = self.store.write();
        if self.latest.swap(now.0, Ordering::SeqCst) > now.plus(APART_MS).0 {
            *store = Arc::new(MemoryStore::new(self.config));
        }
        Arc::clone(&store)
    }

    pub(super) async fn get(&self, key: &Key, now: Timestamp) -> Result<Option<Found>, StoreError> {
        self.at(now).get(key, Expected::NOTHING, now).await
    }

    pub(super) async fn versions(&self, of: &[Dependency]) -> Result<Vec<Version>, StoreError> {
        let versions = self.store().versions(of).await?;
        Ok(versions.into_iter().map(marked).collect())
    }

    pub(super) async fn lease(&self, wish: LeaseRequest<'_>) -> Result<Leased, StoreError> {
        Ok(match self.at(wish.now).lease(wish).await? {
            Leased::Granted(token) => Leased::Granted(outer(token)),
            Leased::Held { by } => Leased::Held { by: outer(by) },
            stored @ Leased::Stored(_) => stored,
        })
    }

    pub(super) async fn holds(
        &self,
        key: &Key,
        token: Token,
        under: &[(Dependency, Version)],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        match unmarked(under) {
            Some(under) => self.at(now).holds(key, inner(token), &under, now).await,
            None => Ok(false),
        }
    }

    pub(super) async fn fill(
        &self,
        key: &Key,
        token: Token,
        entry: Entry,
        now: Timestamp,
    ) -> Result<Filled, StoreError> {
        let (store, token) = (self.at(now), inner(token));
        match short_lived(entry, now) {
            Some(entry) => store.fill(key, token, entry, now).await,
            None => {
                store.release(key, token).await?;
                Ok(Filled::Voided)
            }
        }
    }

    pub(super) async fn extend(
        &self,
        key: &Key,
        token: Token,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.at(now).extend(key, inner(token), ttl_ms, now).await
    }

    pub(super) async fn release(&self, key: &Key, token: Token) -> Result<(), StoreError> {
        self.store().release(key, inner(token)).await
    }

    /// Makes stale what the shared store could not be told of. Memory does not fail.
    pub(super) async fn invalidate(&self, key: &Key, mode: Mode, now: Timestamp) {
        let _ = self.at(now).invalidate(key, mode, now).await;
    }

    pub(super) async fn bump(&self, all: &[Dependency], mode: Mode, now: Timestamp) {
        let _ = self.at(now).bump(all, mode, now).await;
    }

    pub(super) async fn note_written(&self, names: &[Dependency], keep_ms: u64, now: Timestamp) {
        let _ = self.at(now).note_written(names, keep_ms, now).await;
    }

    pub(super) async fn written_ago(
        &self,
        names: &[Dependency],
        now: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        self.at(now).written_ago(names, now).await
    }

    pub(super) async fn ban(&self, pattern: &Pattern, mode: Mode, now: Timestamp) {
        let _ = self.at(now).ban(pattern, mode, now).await;
    }

    pub(super) async fn changed(&self, key: &Key) {
        self.store().changed(key).await;
    }

    pub(super) fn sweep(&self, now: Timestamp) {
        self.at(now).sweep(now);
    }
}

/// Whether a token was handed out by an island.
pub(super) fn is_islands(token: Token) -> bool {
    token.0 & Token::ISLAND != 0
}

/// Whether any of the versions was handed out by an island.
pub(super) fn any_islands(under: &[(Dependency, Version)]) -> bool {
    under
        .iter()
        .any(|(_, version)| version.purge & Token::ISLAND != 0)
}

fn outer(token: Token) -> Token {
    Token(token.0 | Token::ISLAND)
}

fn inner(token: Token) -> Token {
    Token(token.0 & !Token::ISLAND)
}

/// The mark makes the number later than any moment, so a tag that is named only after a load is
/// never taken for one that was not invalidated during it.
fn marked(version: Version) -> Version {
    Version {
        purge: version.purge | Token::ISLAND,
        ..version
    }
}

/// The versions as the memory store knows them; none if one is not the island's.
fn unmarked(under: &[(Dependency, Version)]) -> Option<Vec<(Dependency, Version)>> {
    let bare = |(of, version): &(Dependency, Version)| {
        let marked = version.purge & Token::ISLAND != 0;
        marked.then(|| {
            let purge = version.purge & !Token::ISLAND;
            (of.clone(), Version { purge, ..*version })
        })
    };
    under.iter().map(bare).collect()
}

/// The entry with its end moved to where the bound ends, which counts from the beginning of the
/// load; none where that is over, or where it began under the shared store's versions.
fn short_lived(mut entry: Entry, now: Timestamp) -> Option<Entry> {
    entry.dependencies = unmarked(&entry.dependencies)?;
    let left = BOUND_MS.saturating_sub(u64::from(entry.load_ms));
    let end = entry.windows.created.min(now).plus(left);
    let windows = &mut entry.windows;
    for until in [
        &mut windows.fresh_until,
        &mut windows.revalidate_until,
        &mut windows.error_until,
    ] {
        *until = end.min(*until);
    }
    (now < windows.gone_at()).then_some(entry)
}
