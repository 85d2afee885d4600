//! A load has read v1 and is not back yet. The source becomes v2, and the entry is invalidated; the
//! call is awaited. Then the load ends. Nothing here waits for a time but where a caller may have
//! joined the load and so never begins one: gates say when the load ends.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};

/// How long somebody who came later may take to begin a load before it is said that they joined.
const PATIENCE: Duration = Duration::from_millis(500);

/// What comes later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Loads the one value.
pub type Load = Later<'static, u32>;

/// A cache with one key, by its own way of loading what is missing.
pub trait Peer: Send + Sync + 'static {
    /// The value, loaded by `load` where it is missing. None where the library answers an error.
    fn get(&self, load: Load) -> Later<'_, Option<u32>>;

    /// Makes the value stale by the way of this number.
    fn invalidate(&self, way: usize) -> Later<'_, ()>;
}

/// The row of one way of invalidation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// What the next read after the load's end gets: 2, or 1 where the old value is back.
    pub next: Option<u32>,
    /// What somebody gets who asks after the invalidation, while the load runs.
    pub asks_after: Option<u32>,
    /// Whether that caller waited for the old load.
    pub joins: bool,
    /// What is read in the end, where such a caller's newer value was stored before the old load
    /// ended.
    pub last: Option<u32>,
    /// Loads for ten callers at once on a cold cache.
    pub ten_cold: u32,
}

impl Row {
    /// What a cache should do.
    pub const RIGHT: Self = Self {
        next: Some(2),
        asks_after: Some(2),
        joins: false,
        last: Some(2),
        ten_cold: 1,
    };
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = |value: Option<u32>| value.map_or("error".into(), |v| format!("v{v}"));
        let joins = if self.joins { "joins: " } else { "" };
        let late = match (self.joins, self.last) {
            (true, _) => "n/a",
            (false, Some(2)) => "no",
            (false, _) => "yes",
        };
        let (next, after) = (version(self.next), version(self.asks_after));
        write!(f, "{next} | {joins}{after} | {late} | {}", self.ten_cold)
    }
}

/// What is loaded from, with a gate before the end of the first load.
#[derive(Default)]
struct Source {
    version: AtomicU32,
    loads: AtomicU32,
    has_read: Notify,
    began: Notify,
}

impl Source {
    fn new() -> Arc<Self> {
        let source = Self::default();
        source.version.store(1, Ordering::SeqCst);
        Arc::new(source)
    }

    /// Reads at once and is back when the gate opens.
    fn slow(self: &Arc<Self>, gate: &Arc<Semaphore>) -> Load {
        let (source, gate) = (Arc::clone(self), Arc::clone(gate));
        Box::pin(async move {
            let value = source.read();
            source.has_read.notify_one();
            drop(gate.acquire().await);
            value
        })
    }

    fn fast(self: &Arc<Self>) -> Load {
        let source = Arc::clone(self);
        Box::pin(async move {
            let value = source.read();
            source.began.notify_one();
            value
        })
    }

    fn read(&self) -> u32 {
        self.loads.fetch_add(1, Ordering::SeqCst);
        self.version.load(Ordering::SeqCst)
    }
}

/// A load that has read v1 and was overtaken by an invalidation.
struct Overtaken {
    source: Arc<Source>,
    gate: Arc<Semaphore>,
    load: tokio::task::JoinHandle<Option<u32>>,
}

impl Overtaken {
    async fn new<P: Peer>(peer: &Arc<P>, way: usize) -> Self {
        let (source, gate) = (Source::new(), Arc::new(Semaphore::new(0)));
        let (reader, load) = (Arc::clone(peer), source.slow(&gate));
        let load = tokio::spawn(async move { reader.get(load).await });
        source.has_read.notified().await;
        source.version.store(2, Ordering::SeqCst);
        // Some libraries let an invalidation wait for the load.
        if tokio::time::timeout(PATIENCE, peer.invalidate(way))
            .await
            .is_err()
        {
            gate.add_permits(1);
            peer.invalidate(way).await;
        }
        Self { source, gate, load }
    }

    async fn end(self) -> Arc<Source> {
        self.gate.add_permits(1);
        // What the first caller gets is its own affair.
        let _ = self.load.await;
        self.source
    }
}

/// Runs the experiment once for each part, each on a cache of its own.
pub async fn run<P: Peer>(fresh: impl AsyncFn() -> P, way: usize) -> Row {
    let alone = Arc::new(fresh().await);
    let source = Overtaken::new(&alone, way).await.end().await;
    let next = alone.get(source.fast()).await;

    let asked = Arc::new(fresh().await);
    let overtaken = Overtaken::new(&asked, way).await;
    let (reader, load) = (Arc::clone(&asked), overtaken.source.fast());
    let later = tokio::spawn(async move { reader.get(load).await });
    let began = overtaken.source.began.notified();
    let joins = tokio::time::timeout(PATIENCE, began).await.is_err();
    let (later, source) = if joins {
        let source = overtaken.end().await;
        (later.await, source)
    } else {
        let later = later.await;
        (later, overtaken.end().await)
    };
    let last = asked.get(source.fast()).await;

    Row {
        next,
        asks_after: later.unwrap_or(None),
        joins,
        last,
        ten_cold: ten_cold(Arc::new(fresh().await)).await,
    }
}

async fn ten_cold<P: Peer>(peer: Arc<P>) -> u32 {
    let (source, gate) = (Source::new(), Arc::new(Semaphore::new(0)));
    let callers: Vec<_> = (0..10)
        .map(|_| {
            let (peer, load) = (Arc::clone(&peer), source.slow(&gate));
            tokio::spawn(async move { peer.get(load).await })
        })
        .collect();
    source.has_read.notified().await;
    // All ten have come by then, and those who would load have begun.
    tokio::time::sleep(PATIENCE / 5).await;
    gate.add_permits(10);
    for caller in callers {
        let _ = caller.await;
    }
    source.loads.load(Ordering::SeqCst)
}
