//! The store under test, with the steps that checks are made of.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use larder_core::dependency::Mode;
use larder_core::freshness::{State, Windows};
use larder_core::{
    Dependency, Entry, Freshness, Identity, Key, Pattern, Placement, Timestamp, Value, Version,
};

use crate::store::{Expected, Filled, Found, LeaseRequest, Leased, Store, StoreError, Token};
use crate::sweep::Sweep;

/// When every check begins.
pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000);
/// How long entries are fresh, in milliseconds.
pub(super) const TTL_MS: u64 = 10_000;
/// How long they may be served while one refreshes them, in milliseconds.
pub(super) const REVALIDATE_MS: u64 = 1_000;
/// How long they may be served while the origin fails, in milliseconds.
pub(super) const ERROR_MS: u64 = 2_000;
/// How long leases and writes last, in milliseconds.
pub(super) const LEASE_MS: u64 = 500;

/// What a load began under.
pub(crate) type Under = Vec<(Dependency, Version)>;

/// The store under test.
#[derive(Clone)]
pub(super) struct Subject(Arc<dyn Store>, u32);

impl Subject {
    /// `rounds` is how long the stress test lasts.
    pub(super) fn new(store: Arc<dyn Store>, rounds: u32) -> Self {
        Self(store, rounds)
    }

    pub(super) fn rounds(&self) -> u32 {
        self.1
    }

    pub(super) fn store(&self) -> &dyn Store {
        &*self.0
    }

    pub(super) async fn get(&self, key: &Key, now: Timestamp) -> Option<Found> {
        done(self.0.get(key, Expected::NOTHING, now).await)
    }

    /// The value as text; "absent" for a negative entry, none without an entry.
    pub(super) async fn text(&self, key: &Key, now: Timestamp) -> Option<String> {
        let entry = self.get(key, now).await?.entry;
        let text = |value: &Value| String::from_utf8_lossy(&value.bytes).into_owned();
        Some(entry.value.as_ref().map_or("absent".to_owned(), text))
    }

    pub(super) async fn state(&self, key: &Key, now: Timestamp) -> Option<State> {
        let found = self.get(key, now).await?;
        Some(found.windows.state(now))
    }

    pub(super) async fn under(&self, of: &[Dependency]) -> Under {
        let versions = done(self.0.versions(of).await);
        assert_eq!(versions.len(), of.len());
        of.iter().cloned().zip(versions).collect()
    }

    pub(super) async fn ask(
        &self,
        key: &Key,
        now: Timestamp,
        share: bool,
        seen: Option<Timestamp>,
    ) -> Leased {
        let wish = LeaseRequest {
            key,
            ttl_ms: LEASE_MS,
            share,
            seen,
            now,
        };
        done(self.0.lease(wish).await)
    }

    /// A lease that nobody can refuse.
    #[track_caller]
    pub(super) fn granted(&self, key: &Key, now: Timestamp) -> impl Future<Output = Token> {
        let (asked, caller) = (self.ask(key, now, false, None), line());
        async move {
            match asked.await {
                Leased::Granted(token) => token,
                other => fail(&format!("no lease was granted: {other:?} {caller}")),
            }
        }
    }

    /// The holder who keeps a loader from its lease.
    #[track_caller]
    pub(super) fn held(&self, key: &Key, now: Timestamp) -> impl Future<Output = Token> {
        let (asked, caller) = (self.ask(key, now, false, None), line());
        async move {
            match asked.await {
                Leased::Held { by } => by,
                other => fail(&format!("the key is not held: {other:?} {caller}")),
            }
        }
    }

    pub(super) async fn holds(&self, key: &Key, token: Token, now: Timestamp) -> bool {
        done(self.0.holds(key, token, &[], now).await)
    }

    pub(super) async fn fill(&self, key: &Key, token: Token, entry: Entry) -> Filled {
        let now = entry.windows.created;
        done(self.0.fill(key, token, entry, now).await)
    }

    pub(super) async fn extend(&self, key: &Key, token: Token, now: Timestamp) -> bool {
        done(self.0.extend(key, token, LEASE_MS, now).await)
    }

    pub(super) async fn release(&self, key: &Key, token: Token) {
        done(self.0.release(key, token).await);
    }

    pub(super) async fn begin_write(&self, key: &Key, now: Timestamp) -> Token {
        done(self.0.begin_write(key, LEASE_MS, now).await)
    }

    pub(super) async fn invalidate(&self, key: &Key, mode: Mode, now: Timestamp) -> bool {
        done(self.0.invalidate(key, mode, now).await)
    }

    pub(super) async fn bump(&self, of: &Dependency, mode: Mode, now: Timestamp) {
        done(self.0.bump(std::slice::from_ref(of), mode, now).await);
    }

    /// For a minute.
    pub(super) async fn note_written(&self, names: &[Dependency], now: Timestamp) {
        done(self.0.note_written(names, 60_000, now).await);
    }

    pub(super) async fn written_ago(&self, names: &[Dependency]) -> Option<u64> {
        done(self.0.written_ago(names, NOW).await)
    }

    pub(super) async fn ban(&self, glob: &str, mode: Mode, now: Timestamp) -> Sweep {
        match Pattern::new("t", "n", glob) {
            Ok(pattern) => done(self.0.ban(&pattern, mode, now).await),
            Err(error) => fail(&error.to_string()),
        }
    }

    /// A whole load, stored.
    pub(super) async fn stored(&self, key: &Key, text: &str, of: &[Dependency]) {
        let token = self.granted(key, NOW).await;
        let under = self.under(of).await;
        let filled = self.fill(key, token, entry(key, text, under, NOW)).await;
        assert_eq!(filled, Filled::Stored);
    }
}

/// What makes entries stale.
pub(super) enum Way {
    Key,
    On(Dependency),
    Pattern,
}

impl Way {
    /// One of each kind.
    pub(super) fn each() -> [Self; 4] {
        [
            Self::Key,
            Self::On(Dependency::tag("t", "a")),
            Self::On(Dependency::namespace("t", "n")),
            Self::Pattern,
        ]
    }

    pub(super) async fn go(&self, on: &Subject, key: &Key, mode: Mode, now: Timestamp) {
        match self {
            Self::Key => {
                on.invalidate(key, mode, now).await;
            }
            Self::On(dependency) => on.bump(dependency, mode, now).await,
            Self::Pattern => {
                let own = key.logical().strip_prefix("t:n:").unwrap_or_default();
                let glob = format!("{}*", &own[..own.len() - 1]);
                on.ban(&glob, mode, now).await;
            }
        }
    }
}

/// The namespace and two tags, as most entries carry them.
pub(super) fn dependencies() -> Vec<Dependency> {
    Dependency::of_entry("t", "n", &["a".to_owned(), "b".to_owned()])
}

pub(crate) fn key(name: &str) -> Key {
    Key::new("t", "n", name)
}

/// An entry of `key` loaded under `under` and stored at `now`.
pub(crate) fn entry(key: &Key, text: &str, under: Under, now: Timestamp) -> Entry {
    let freshness = Freshness {
        ttl_ms: TTL_MS,
        stale_while_revalidate_ms: REVALIDATE_MS,
        stale_if_error_ms: ERROR_MS,
        ..Freshness::default()
    };
    Entry {
        logical: Arc::clone(key.logical()),
        value: Some(Value::new(text.to_owned())),
        absent: None,
        windows: Windows::of_value(&freshness, now, 0.0),
        time_to_idle_ms: 0,
        load_ms: 7,
        dependencies: under,
        placement: Placement::EveryTier,
        sealed: None,
        policy: Arc::new(Identity {
            name: "contract".to_owned(),
            version: "1.0.0".to_owned(),
            revision: "native".to_owned(),
            contract: "0.1.0".to_owned(),
            settings: String::new(),
        }),
    }
}

/// Fails the check unless the wait ends.
#[track_caller]
pub(super) fn woken(waiting: BoxFuture<'_, ()>) -> impl Future<Output = ()> {
    let caller = line();
    async move {
        let limit = Duration::from_secs(5);
        let ended = tokio::time::timeout(limit, waiting).await.is_ok();
        assert!(ended, "nobody woke the waiter {caller}");
    }
}

#[track_caller]
fn line() -> String {
    format!("at {}", std::panic::Location::caller())
}

#[track_caller]
fn done<T: Debug>(answer: Result<T, StoreError>) -> T {
    match answer {
        Ok(answer) => answer,
        Err(error) => fail(&format!("the store failed: {error}")),
    }
}

#[allow(
    clippy::panic,
    reason = "a failed check panics as a failed assertion does"
)]
#[track_caller]
fn fail(why: &str) -> ! {
    panic!("{why}")
}
