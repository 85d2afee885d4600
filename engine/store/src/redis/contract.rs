//! The contract, kept by the Redis store: on one server, and on a Cluster.

use std::sync::Arc;

use super::config::RedisConfig;
use super::link::Link;
use super::store::RedisStore;
use super::tests::{Bench, prefix};
use crate::store::Store;
use crate::testing::Cluster;

async fn on_one_server() -> Arc<dyn Store> {
    Arc::new(Bench::shared().await.store(&prefix()))
}

crate::store_contract!(on_one_server(), rounds: 3_000);

async fn among_many() -> Arc<dyn Store> {
    let config = RedisConfig {
        cluster: Cluster::shared().await,
        prefix: prefix(),
        timeout_ms: 5_000,
        ..RedisConfig::default()
    };
    let link = Link::connect(&config).await.expect("it is whole");
    let config = RedisConfig {
        timeout_ms: 500,
        ..config
    };
    Arc::new(RedisStore::over(link, &config))
}

mod on_a_cluster {
    use super::among_many;

    crate::store_contract!(among_many(), rounds: 300);
}
