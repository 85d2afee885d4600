//! The store on Redis.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use larder_core::dependency::Mode;
use larder_core::{Clock, Dependency, Entry, Key, Pattern, Timestamp, Version};
use redis::{Script, Value};

use super::ban_sweep::Adoption;
use super::bans::Known;
use super::config::RedisConfig;
use super::error::ConnectError;
use super::link::Link;
use super::names::Names;
use super::scripts::Scripts;
use crate::store::{
    Answer, Expected, Filled, Found, Health, LeaseRequest, Leased, Step, Store, StoreError,
    Summary, Token, later,
};
use crate::sweep::Sweep;

/// How often a waiter looks again, in milliseconds: somewhere in this range, so that those who
/// wait for one key do not ask in step.
const LOOK_AGAIN_MS: std::ops::Range<u64> = 25..75;

/// Keeps entries, claims, versions and bans in Redis 7.0 or newer, or Valkey, shared by all
/// engines with the same prefix.
///
/// Whatever puts in or takes out an entry is one script over the entry and the claims on its key,
/// so no fill falls between an invalidation and its reply. Versions and bans are keys elsewhere:
/// a fill that a bump or a ban overtakes is stored, and every read finds it past. The store keeps
/// nothing that Redis loses: acknowledged invalidations that a failover forgets are bounded by
/// the hard ttl alone.
pub struct RedisStore(Arc<Inner>);

/// What all parts of the store share.
pub(crate) struct Inner {
    pub(super) link: Link,
    pub(super) names: Names,
    pub(super) scripts: Scripts,
    pub(super) known: Known,
    pub(super) adoption: Adoption,
    pub(super) max_entry_bytes: u64,
    pub(super) versions_keep_ms: u64,
    /// How long a command may take.
    pub(super) timeout: Duration,
}

impl RedisStore {
    /// Connects, and checks that the server can be used.
    ///
    /// # Errors
    /// If it cannot; the message says what to change.
    pub async fn connect(config: RedisConfig) -> Result<Self, ConnectError> {
        let link = Link::connect(&config).await?;
        Ok(Self::over(link, &config))
    }

    /// As [`RedisStore::connect`], but a server that cannot be reached now is waited for, and the
    /// store is [`Health::Down`] until it is. Whatever comes then is checked before it is used: one
    /// that cannot be used keeps the store down and is the reason in its health.
    ///
    /// # Errors
    /// What no waiting cures; the message says what to change.
    pub async fn connect_or_wait(config: RedisConfig) -> Result<Self, ConnectError> {
        let link = Link::connect_or_wait(&config).await?;
        Ok(Self::over(link, &config))
    }

    pub(crate) fn over(link: Link, config: &RedisConfig) -> Self {
        Self(Arc::new(Inner {
            link,
            names: Names::new(&config.prefix),
            scripts: Scripts::new(),
            known: Known::default(),
            adoption: Adoption::default(),
            max_entry_bytes: config.max_entry_bytes,
            versions_keep_ms: config.versions_keep_ms,
            timeout: config.timeout(),
        }))
    }

    #[cfg(test)]
    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.0
    }
}

impl Inner {
    /// One script, called once.
    pub(super) async fn script(
        &self,
        script: &Script,
        keys: &[&str],
        args: &[&str],
    ) -> Result<Value, StoreError> {
        let args: Vec<_> = args.iter().map(|arg| arg.as_bytes()).collect();
        self.link.script(script, keys, &args).await
    }
}

impl Store for RedisStore {
    fn get<'a>(
        &'a self,
        key: &'a Key,
        expected: Expected<'a>,
        now: Timestamp,
    ) -> Answer<'a, Option<Found>> {
        later(self.0.get(key, expected, now))
    }

    fn versions<'a>(&'a self, of: &'a [Dependency]) -> Answer<'a, Vec<Version>> {
        later(self.0.versions(of))
    }

    fn lease<'a>(&'a self, wish: LeaseRequest<'a>) -> Answer<'a, Leased> {
        later(self.0.lease(wish))
    }

    fn holds<'a>(
        &'a self,
        key: &'a Key,
        token: Token,
        under: &'a [(Dependency, Version)],
        now: Timestamp,
    ) -> Answer<'a, bool> {
        later(self.0.holds(key, token, under, now))
    }

    fn fill<'a>(
        &'a self,
        key: &'a Key,
        token: Token,
        entry: Entry,
        now: Timestamp,
    ) -> Answer<'a, Filled> {
        later(self.0.fill(key, token, entry, now))
    }

    fn extend<'a>(
        &'a self,
        key: &'a Key,
        token: Token,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Answer<'a, bool> {
        later(self.0.extend(key, token, ttl_ms, now))
    }

    fn release<'a>(&'a self, key: &'a Key, token: Token) -> Answer<'a, ()> {
        later(self.0.release(key, token))
    }

    fn begin_write<'a>(&'a self, key: &'a Key, ttl_ms: u64, now: Timestamp) -> Answer<'a, Token> {
        later(self.0.begin_write(key, ttl_ms, now))
    }

    fn invalidate<'a>(&'a self, key: &'a Key, mode: Mode, now: Timestamp) -> Answer<'a, bool> {
        later(self.0.invalidate(key, mode, now))
    }

    fn bump<'a>(
        &'a self,
        all: &'a [Dependency],
        mode: Mode,
        now: Timestamp,
    ) -> Answer<'a, Vec<Step>> {
        later(self.0.bump(all, mode, now))
    }

    fn note_written<'a>(
        &'a self,
        names: &'a [Dependency],
        keep_ms: u64,
        _now: Timestamp,
    ) -> Answer<'a, ()> {
        later(self.0.note_written(names, keep_ms))
    }

    fn written_ago<'a>(
        &'a self,
        names: &'a [Dependency],
        _now: Timestamp,
    ) -> Answer<'a, Option<u64>> {
        later(self.0.written_ago(names))
    }

    fn ban<'a>(&'a self, pattern: &'a Pattern, mode: Mode, now: Timestamp) -> Answer<'a, Sweep> {
        later(self.0.ban(pattern, mode, now))
    }

    fn changed<'a>(&'a self, _key: &'a Key) -> BoxFuture<'a, ()> {
        let wait = Duration::from_millis(fastrand::u64(LOOK_AGAIN_MS));
        tokio::time::sleep(wait).boxed()
    }

    /// Redis drops what has ended by itself; this only takes over bans whose sweeper is gone.
    fn sweep(&self, now: Timestamp) -> u64 {
        self.0.adopt(now);
        0
    }

    fn summary(&self) -> Summary {
        Summary {
            kind: "redis",
            entries: 0,
            bytes: 0,
            capacity: 0,
        }
    }

    fn clock(&self) -> Option<Arc<dyn Clock>> {
        Some(self.0.link.clock())
    }

    fn health(&self) -> Health {
        self.0.link.health()
    }
}
