//! Readers, writers and invalidators on a few keys, on real threads. Values carry the number of
//! the write that made them; no read that starts after a write or an invalidation was answered
//! may show an older one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use larder::core::dependency::Mode;
use larder::core::{Admission, Stampede, Strategy};
use larder::origin::{Fetched, Origin, OriginError, Wanted, Written};
use larder::store::{MemoryConfig, MemoryStore};
use larder::{Engine, Invalidation, Request, Route, Value};
use tokio::sync::Mutex;

use crate::kit::{Native, Shelf, decide};

const KEYS: usize = 3;
const TASKS: u64 = 12;
const STEPS: u64 = 1_500;

/// One number for each key.
#[derive(Default)]
struct Ledger {
    /// What the origin holds.
    truth: [AtomicU64; KEYS],
    /// What every read that starts from now on must at least show.
    floor: [AtomicU64; KEYS],
    /// Keeps changes of one key apart, as a database does.
    row: [Mutex<()>; KEYS],
}

impl Ledger {
    /// A call that takes a while, so that others come in between.
    async fn dawdle() {
        for _ in 0..fastrand::u8(0..4) {
            tokio::task::yield_now().await;
        }
        if fastrand::u8(..) < 8 {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
    }

    async fn commit(&self, key: usize) -> Value {
        Self::dawdle().await;
        let number = {
            let _row = self.row[key].lock().await;
            self.truth[key].fetch_add(1, Ordering::SeqCst) + 1
        };
        Self::dawdle().await;
        value(number)
    }

    async fn change(&self, id: &str) -> Result<Written, OriginError> {
        let value = self.commit(key_of(id)).await;
        // Now and then the caller is not told, though it is done.
        if fastrand::u8(..) < 16 {
            return Err(OriginError::Timeout { limit_ms: 1 });
        }
        Ok(Written {
            value: Some(value),
            existed: Some(true),
            ..Written::default()
        })
    }
}

fn value(number: u64) -> Value {
    Value::new(number.to_le_bytes().to_vec())
}

fn number(value: &Value) -> u64 {
    u64::from_le_bytes(value.bytes[..].try_into().expect("is a number"))
}

fn key_of(id: &str) -> usize {
    id.parse().expect("is a key")
}

impl Origin for Ledger {
    fn load<'a>(&'a self, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Fetched, OriginError>> {
        Box::pin(async move {
            let key = key_of(wanted.id);
            Self::dawdle().await;
            let value = value(self.truth[key].load(Ordering::SeqCst));
            Self::dawdle().await;
            Ok(Fetched::of(Some(value)))
        })
    }

    fn write<'a>(
        &'a self,
        wanted: Wanted<'a>,
        _value: &'a Value,
    ) -> BoxFuture<'a, Result<Written, OriginError>> {
        Box::pin(self.change(wanted.id))
    }

    fn delete<'a>(&'a self, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Written, OriginError>> {
        Box::pin(self.change(wanted.id))
    }

    fn summary(&self) -> String {
        "a ledger".into()
    }
}

/// How the keys are cached: by resource, so that one run mixes them.
fn policy() -> Native {
    let native = Native::new(|request| {
        let strategy = match request.resource.as_str() {
            "through" => Strategy::ReadThrough,
            _ => Strategy::WriteThrough,
        };
        let mut decision = decide(strategy, request);
        decision.freshness.jitter_percent = 50;
        decision.freshness.early_refresh_beta = 1.0;
        if request.resource == "own" {
            decision.invalidates = vec![larder::core::Target::Tag(decision.key.clone())];
        }
        if request.id == "2" {
            decision.loading.stampede = Stampede::Unguarded;
        }
        Ok(decision)
    });
    native.admit(|decision, _| Ok(Admission::as_decided(decision)))
}

struct Bench {
    engine: Engine,
    ledger: Arc<Ledger>,
    resource: &'static str,
}

impl Bench {
    async fn read(&self, key: usize) {
        let floor = self.ledger.floor[key].load(Ordering::SeqCst);
        let request = Request::read(self.resource, key.to_string());
        let reading = self.engine.read(request).await.expect("is read");
        let shown = number(&reading.value.expect("is there"));
        assert!(
            shown >= floor,
            "{} {key}: a read that began after {floor} was answered shows {shown} ({:?}, \
             collapsed: {})",
            self.resource,
            reading.outcome,
            reading.collapsed
        );
    }

    async fn write(&self, key: usize) {
        let request = Request::write(self.resource, key.to_string());
        // Whatever was committed before the call must be shown after an answer, even an error.
        let before = self.ledger.truth[key].load(Ordering::SeqCst);
        let written = self.engine.write(request, Value::new("")).await;
        let floor = match written {
            Ok(writing) => number(&writing.value.expect("the origin says so")),
            Err(error) => {
                assert_eq!(error.code(), "origin_timeout");
                before
            }
        };
        self.ledger.floor[key].fetch_max(floor, Ordering::SeqCst);
    }

    /// Somebody changes the origin behind the engine's back, and then says so.
    async fn change_and_invalidate(&self, key: usize) {
        let value = self.ledger.commit(key).await;
        let (name, mut what) = (format!("{}:{key}", self.resource), Invalidation::default());
        match fastrand::u8(..4) {
            0 => what.tags.push(name),
            1 => what.tags.push(self.resource.into()),
            2 => what.namespaces.push(self.resource.into()),
            _ => what.keys.push((self.resource.into(), name)),
        }
        if fastrand::bool() {
            what.mode = Mode::Expire;
        }
        self.engine.invalidate(&what).await.expect("is invalidated");
        self.ledger.floor[key].fetch_max(number(&value), Ordering::SeqCst);
    }

    async fn run(&self) {
        for _ in 0..STEPS {
            let key = fastrand::usize(..KEYS);
            match fastrand::u8(..20) {
                0..5 => self.write(key).await,
                5..7 => self.change_and_invalidate(key).await,
                _ => self.read(key).await,
            }
        }
    }
}

async fn stress(resource: &'static str) {
    let policies = Arc::new(Shelf::default());
    policies.put(policy());
    let ledger = Arc::new(Ledger::default());
    let store = Arc::new(MemoryStore::new(MemoryConfig::default()));
    let engine = Engine::builder(policies, store)
        .route(Route::new("*", "native").origin("ledger"))
        .origin("ledger", ledger.clone())
        .build()
        .expect("the parts fit");
    let bench = Arc::new(Bench {
        engine,
        ledger,
        resource,
    });
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let bench = bench.clone();
            tokio::spawn(async move { bench.run().await })
        })
        .collect();
    for task in tasks {
        task.await.expect("no read shows an older value");
    }
}

mod no_read_after_an_answer_shows_an_older_value {
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn through() {
        super::stress("through").await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn written() {
        super::stress("written").await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn own() {
        super::stress("own").await;
    }
}
