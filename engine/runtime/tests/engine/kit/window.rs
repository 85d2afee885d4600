use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::{BoxFuture, Either};
use larder::core::dependency::Mode;
use larder::core::{Dependency, Entry, Key, Pattern, Timestamp, Version};
use larder::store::{
    Answer, Expected, Filled, Found, LeaseRequest, Leased, Step, Store, StoreError, Summary, Sweep,
    Token,
};

use super::gate::{Gate, Gates};

/// Where a call of the store stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Before anything is done.
    Before(&'static str),
    /// When the answer is there and has not arrived.
    After(&'static str),
}

/// A store seen from afar: every answer takes a while, may be stopped, and may be an error.
pub(crate) struct Window {
    inner: Arc<dyn Store>,
    gates: Gates<When>,
    broken: AtomicBool,
    shared: AtomicBool,
}

impl Window {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            shared: AtomicBool::new(inner.is_shared()),
            inner,
            gates: Gates::default(),
            broken: AtomicBool::new(false),
        }
    }

    /// Stops the next call there.
    pub(crate) fn stop(&self, at: When) -> Gate {
        self.gates.stop(at)
    }

    pub(crate) fn break_down(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    /// As if others used the store too.
    pub(crate) fn share(&self) {
        self.shared.store(true, Ordering::SeqCst);
    }

    fn pass<'a, T: Send + 'a>(
        &'a self,
        name: &'static str,
        call: impl FnOnce(&'a dyn Store) -> Answer<'a, T> + Send + 'a,
    ) -> Answer<'a, T> {
        Either::Right(Box::pin(async move {
            self.gates.pass(When::Before(name)).await;
            if self.broken.load(Ordering::SeqCst) {
                return Err(StoreError::Unavailable("told to fail".into()));
            }
            let answer = call(&*self.inner).await;
            self.gates.pass(When::After(name)).await;
            answer
        }))
    }
}

impl Store for Window {
    fn get<'a>(
        &'a self,
        key: &'a Key,
        expected: Expected<'a>,
        now: Timestamp,
    ) -> Answer<'a, Option<Found>> {
        self.pass("get", move |store| store.get(key, expected, now))
    }

    fn versions<'a>(&'a self, of: &'a [Dependency]) -> Answer<'a, Vec<Version>> {
        self.pass("versions", move |store| store.versions(of))
    }

    fn lease<'a>(&'a self, wish: LeaseRequest<'a>) -> Answer<'a, Leased> {
        self.pass("lease", move |store| store.lease(wish))
    }

    fn holds<'a>(
        &'a self,
        key: &'a Key,
        token: Token,
        under: &'a [(Dependency, Version)],
        now: Timestamp,
    ) -> Answer<'a, bool> {
        self.pass("holds", move |store| store.holds(key, token, under, now))
    }

    fn fill<'a>(
        &'a self,
        key: &'a Key,
        token: Token,
        entry: Entry,
        now: Timestamp,
    ) -> Answer<'a, Filled> {
        self.pass("fill", move |store| store.fill(key, token, entry, now))
    }

    fn extend<'a>(
        &'a self,
        key: &'a Key,
        token: Token,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Answer<'a, bool> {
        self.pass("extend", move |store| store.extend(key, token, ttl_ms, now))
    }

    fn release<'a>(&'a self, key: &'a Key, token: Token) -> Answer<'a, ()> {
        self.pass("release", move |store| store.release(key, token))
    }

    fn begin_write<'a>(&'a self, key: &'a Key, ttl_ms: u64, now: Timestamp) -> Answer<'a, Token> {
        self.pass("begin_write", move |store| {
            store.begin_write(key, ttl_ms, now)
        })
    }

    fn invalidate<'a>(&'a self, key: &'a Key, mode: Mode, now: Timestamp) -> Answer<'a, bool> {
        self.pass("invalidate", move |store| store.invalidate(key, mode, now))
    }

    fn bump<'a>(
        &'a self,
        all: &'a [Dependency],
        mode: Mode,
        now: Timestamp,
    ) -> Answer<'a, Vec<Step>> {
        self.pass("bump", move |store| store.bump(all, mode, now))
    }

    fn note_written<'a>(
        &'a self,
        names: &'a [Dependency],
        keep_ms: u64,
        now: Timestamp,
    ) -> Answer<'a, ()> {
        self.pass("note_written", move |store| {
            store.note_written(names, keep_ms, now)
        })
    }

    fn written_ago<'a>(
        &'a self,
        names: &'a [Dependency],
        now: Timestamp,
    ) -> Answer<'a, Option<u64>> {
        self.pass("written_ago", move |store| store.written_ago(names, now))
    }

    fn ban<'a>(&'a self, pattern: &'a Pattern, mode: Mode, now: Timestamp) -> Answer<'a, Sweep> {
        self.pass("ban", move |store| store.ban(pattern, mode, now))
    }

    fn changed<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, ()> {
        self.inner.changed(key)
    }

    fn sweep(&self, now: Timestamp) -> u64 {
        self.inner.sweep(now)
    }

    fn is_shared(&self) -> bool {
        self.shared.load(Ordering::SeqCst)
    }

    fn summary(&self) -> Summary {
        self.inner.summary()
    }
}
