use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::{BoxFuture, Either};
use larder_core::dependency::Mode;
use larder_core::{Dependency, Entry, Key, Pattern, Timestamp, Version};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::store::{
    Answer, Expected, Filled, Found, LeaseRequest, Leased, Step, Store, StoreError, Summary, Token,
};
use crate::sweep::Sweep;
use crate::tiered::change::Change;
use crate::tiered::near::Near;
use crate::{MemoryConfig, MemoryStore};

/// Stops one answer of a read on its way back until it is let through.
#[derive(Clone)]
pub(super) struct Gate(Arc<(Semaphore, Semaphore)>);

impl Gate {
    pub(super) async fn reached(&self) {
        self.0.0.acquire().await.expect("is open").forget();
    }

    pub(super) fn open(&self) {
        self.0.1.add_permits(1);
    }
}

/// A shared store seen from afar: answers take a while, may be stopped, and may be errors.
pub(in crate::tiered) struct Far {
    pub(super) memory: MemoryStore,
    gate: Mutex<Option<Gate>>,
    broken: AtomicBool,
    asked: AtomicUsize,
    /// Who is told of changes, before whoever made them has the answer.
    told: Mutex<Vec<Arc<Near>>>,
}

impl Far {
    pub(in crate::tiered) fn new() -> Arc<Self> {
        let capacity_bytes = 8 << 20;
        Arc::new(Self {
            memory: MemoryStore::new(MemoryConfig { capacity_bytes }),
            gate: Mutex::default(),
            broken: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
            told: Mutex::default(),
        })
    }

    /// Stops the answer of the next read.
    pub(super) fn stop_read(&self) -> Gate {
        let gate = Gate(Arc::new((Semaphore::new(0), Semaphore::new(0))));
        *self.gate.lock() = Some(gate.clone());
        gate
    }

    pub(super) fn break_down(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    /// How often it was asked for anything.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(super) fn tells(&self, near: &Arc<Near>) {
        self.told.lock().push(Arc::clone(near));
    }

    fn push(&self, change: Change<'_>) {
        for near in self.told.lock().iter() {
            change.tell(near);
        }
    }

    /// As [`Far::pass`], and tells of `changes`.
    fn change<'a, T: Send + 'a>(
        &'a self,
        changes: Vec<Change<'a>>,
        call: impl FnOnce(&'a MemoryStore) -> Answer<'a, T> + Send + 'a,
    ) -> Answer<'a, T> {
        let answer = self.pass(call);
        Either::Right(Box::pin(async move {
            let answer = answer.await;
            changes.into_iter().for_each(|change| self.push(change));
            tokio::task::yield_now().await;
            answer
        }))
    }

    fn pass<'a, T: Send + 'a>(
        &'a self,
        call: impl FnOnce(&'a MemoryStore) -> Answer<'a, T> + Send + 'a,
    ) -> Answer<'a, T> {
        Either::Right(Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            if self.broken.load(Ordering::SeqCst) {
                return Err(StoreError::Unavailable("told to fail".into()));
            }
            call(&self.memory).await
        }))
    }
}

impl Store for Far {
    fn get<'a>(
        &'a self,
        key: &'a Key,
        expected: Expected<'a>,
        now: Timestamp,
    ) -> Answer<'a, Option<Found>> {
        let answer = self.pass(move |store| store.get(key, expected, now));
        Either::Right(Box::pin(async move {
            let answer = answer.await;
            let gate = self.gate.lock().take();
            if let Some(gate) = gate {
                gate.0.0.add_permits(1);
                gate.0.1.acquire().await.expect("is open").forget();
            }
            answer
        }))
    }

    fn versions<'a>(&'a self, of: &'a [Dependency]) -> Answer<'a, Vec<Version>> {
        self.pass(move |store| store.versions(of))
    }

    fn lease<'a>(&'a self, wish: LeaseRequest<'a>) -> Answer<'a, Leased> {
        self.pass(move |store| store.lease(wish))
    }

    fn holds<'a>(
        &'a self,
        key: &'a Key,
        token: Token,
        under: &'a [(Dependency, Version)],
        now: Timestamp,
    ) -> Answer<'a, bool> {
        self.pass(move |store| store.holds(key, token, under, now))
    }

    fn fill<'a>(
        &'a self,
        key: &'a Key,
        token: Token,
        entry: Entry,
        now: Timestamp,
    ) -> Answer<'a, Filled> {
        self.change(vec![Change::Entry(key.storage())], move |store| {
            store.fill(key, token, entry, now)
        })
    }

    fn extend<'a>(
        &'a self,
        key: &'a Key,
        token: Token,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Answer<'a, bool> {
        self.pass(move |store| store.extend(key, token, ttl_ms, now))
    }

    fn release<'a>(&'a self, key: &'a Key, token: Token) -> Answer<'a, ()> {
        self.change(vec![Change::Claims(key.storage())], move |store| {
            store.release(key, token)
        })
    }

    fn begin_write<'a>(&'a self, key: &'a Key, ttl_ms: u64, now: Timestamp) -> Answer<'a, Token> {
        self.change(vec![Change::Entry(key.storage())], move |store| {
            store.begin_write(key, ttl_ms, now)
        })
    }

    fn invalidate<'a>(&'a self, key: &'a Key, mode: Mode, now: Timestamp) -> Answer<'a, bool> {
        self.change(vec![Change::Entry(key.storage())], move |store| {
            store.invalidate(key, mode, now)
        })
    }

    fn bump<'a>(
        &'a self,
        all: &'a [Dependency],
        mode: Mode,
        now: Timestamp,
    ) -> Answer<'a, Vec<Step>> {
        let changes = all
            .iter()
            .map(|one| Change::Version(one.as_str()))
            .collect();
        self.change(changes, move |store| store.bump(all, mode, now))
    }

    fn note_written<'a>(
        &'a self,
        names: &'a [Dependency],
        keep_ms: u64,
        now: Timestamp,
    ) -> Answer<'a, ()> {
        self.pass(move |store| store.note_written(names, keep_ms, now))
    }

    fn written_ago<'a>(
        &'a self,
        names: &'a [Dependency],
        now: Timestamp,
    ) -> Answer<'a, Option<u64>> {
        self.pass(move |store| store.written_ago(names, now))
    }

    fn ban<'a>(&'a self, pattern: &'a Pattern, mode: Mode, now: Timestamp) -> Answer<'a, Sweep> {
        self.change(vec![Change::Bans], move |store| {
            store.ban(pattern, mode, now)
        })
    }

    fn changed<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, ()> {
        self.memory.changed(key)
    }

    fn sweep(&self, now: Timestamp) -> u64 {
        self.memory.sweep(now)
    }

    fn summary(&self) -> Summary {
        self.memory.summary()
    }
}
