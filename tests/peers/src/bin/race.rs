//! Prints the rows of `docs/race.md` that can be made here: Larder on every store, moka and
//! quick_cache. Needs `redis-server`.

use std::sync::Arc;

use larder::store::{
    MemoryConfig, MemoryStore, RedisConfig, RedisStore, Store, TieredConfig, TieredStore,
};
use larder_peers::race::experiment::{Peer, run};
use larder_peers::race::larder::{Larder, WAYS};
use larder_peers::race::libraries::{Moka, Quick};
use larder_store::testing::Server;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    println!("| cache | invalidated by | next read | asks after it | late overwrites | ten cold |");
    println!("|---|---|---|---|---|--:|");
    for kind in ["memory", "redis", "tiered"] {
        for (way, name) in WAYS.iter().enumerate() {
            let fresh = async || {
                let server = Server::shared().await;
                Larder::over(store(kind, &server).await)
            };
            println!("| Larder, {kind} | {name} | {} |", run(fresh, way).await);
        }
    }
    library::<Moka>("moka, `get_with`").await;
    library::<Quick>("quick_cache, `get_or_insert_async`").await;
    Ok(())
}

async fn library<P: Peer + Default>(cache: &str) {
    for (way, name) in ["key", "all"].iter().enumerate() {
        let row = run(async || P::default(), way).await;
        println!("| {cache} | {name} | {row} |");
    }
}

#[allow(clippy::expect_used, reason = "there is no experiment without a store")]
async fn store(kind: &str, url: &str) -> Arc<dyn Store> {
    let redis = RedisConfig {
        url: Some(url.to_owned()),
        prefix: format!("race-{}", uuid::Uuid::now_v7()),
        timeout_ms: 20_000,
        ..RedisConfig::default()
    };
    match kind {
        "memory" => Arc::new(MemoryStore::new(MemoryConfig::default())),
        "redis" => Arc::new(RedisStore::connect(redis).await.expect("a Redis")),
        _ => {
            let config = TieredConfig {
                redis,
                ..TieredConfig::default()
            };
            Arc::new(TieredStore::connect(config).await.expect("a Redis"))
        }
    }
}
