//! What the Redis store promises, over a real server.

use std::sync::Arc;

use futures_util::FutureExt;
use larder_core::Timestamp;

use super::config::RedisConfig;
use super::link::Link;
use super::store::RedisStore;
use crate::contract;
use crate::testing::Server;

/// A server, and stores on it that know nothing of each other unless they share a prefix.
struct Bench {
    server: Server,
    link: Link,
}

impl Bench {
    async fn start() -> Self {
        let server = Server::start().await;
        let config = RedisConfig {
            url: Some(server.url()),
            timeout_ms: 5_000,
            ..RedisConfig::default()
        };
        let link = Link::connect(&config).await.expect("it listens");
        Self { server, link }
    }

    fn store(&self, prefix: &str) -> RedisStore {
        let config = RedisConfig {
            prefix: prefix.to_owned(),
            max_entry_bytes: 100_000,
            ..RedisConfig::default()
        };
        RedisStore::over(self.link.clone(), &config)
    }
}

fn prefix() -> String {
    format!("p{:x}", fastrand::u64(..))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_keeps_the_contract() {
    let bench = Bench::start().await;
    contract::all(1_000, || Arc::new(bench.store(&prefix()))).await;
}
