//! An invalidation while a load is under way, on every store: the row of `docs/race.md`.

#[path = "../peers/src/race/experiment.rs"]
#[allow(
    unreachable_pub,
    reason = "the rows of the peers are made by the same code"
)]
mod experiment;
#[path = "../peers/src/race/larder.rs"]
#[allow(unreachable_pub, reason = "as above")]
mod larder_peer;

use std::sync::Arc;

use larder::store::{
    MemoryConfig, MemoryStore, RedisConfig, RedisStore, Store, TieredConfig, TieredStore,
};
use larder_store::testing::Server;

use self::experiment::{Row, run};
use self::larder_peer::{Larder, WAYS};

/// By every way nothing old comes back, and nobody who asks later is given it.
async fn is_right(kind: &str, fresh: impl AsyncFn() -> Arc<dyn Store>) {
    let table = include_str!("../../docs/race.md");
    for (way, name) in WAYS.iter().enumerate() {
        let row = run(async || Larder::over(fresh().await), way).await;
        assert_eq!(row, Row::RIGHT, "{kind}, by {name}");
        let line = format!("| Larder, {kind} | {name} | {row} |");
        assert!(
            table.lines().any(|known| known == line),
            "not in the docs: {line}"
        );
    }
}

pub(crate) async fn redis() -> RedisConfig {
    RedisConfig {
        url: Some(Server::shared().await),
        prefix: format!("race-{}", unique()),
        timeout_ms: 20_000,
        ..RedisConfig::default()
    }
}

/// A prefix that no other test and no other part of this one has.
fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_value_stays_out_of_memory() {
    is_right("memory", async || {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(MemoryConfig::default()));
        store
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_value_stays_out_of_redis() {
    is_right("redis", async || {
        let store: Arc<dyn Store> = Arc::new(RedisStore::connect(redis().await).await.unwrap());
        store
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_value_stays_out_of_memory_before_redis() {
    is_right("tiered", async || {
        let config = TieredConfig {
            redis: redis().await,
            ..TieredConfig::default()
        };
        let store: Arc<dyn Store> = Arc::new(TieredStore::connect(config).await.unwrap());
        store
    })
    .await;
}
