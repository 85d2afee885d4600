//! What the Redis store promises, over a real server.

mod bans;
mod entries;
mod races;

use std::sync::Arc;

use larder_core::{Dependency, Entry, Key, Pattern};
use redis::{Cmd, FromRedisValue, cmd};

use super::config::RedisConfig;
use super::link::Link;
use super::store::RedisStore;
use crate::contract::{self, subject};
use crate::store::{Expected, Filled, Found, LeaseRequest, Leased, Store, Token};
use crate::testing::{Cluster, Server};

/// How long leases and writes last, in milliseconds.
const LEASE_MS: u64 = 500;

/// A server, and stores on it that know nothing of each other unless they share a prefix.
struct Bench {
    _server: Server,
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
        Self {
            _server: server,
            link,
        }
    }

    fn store(&self, prefix: &str) -> RedisStore {
        let config = RedisConfig {
            prefix: prefix.to_owned(),
            max_entry_bytes: 100_000,
            ..RedisConfig::default()
        };
        RedisStore::over(self.link.clone(), &config)
    }

    /// Two nodes over one cache.
    fn two(&self) -> [RedisStore; 2] {
        let prefix = prefix();
        [self.store(&prefix), self.store(&prefix)]
    }
}

fn prefix() -> String {
    format!("p{:x}", fastrand::u64(..))
}

fn key() -> Key {
    subject::key("k")
}

fn tags() -> Vec<Dependency> {
    Dependency::of_entry("t", "n", &["a".to_owned()])
}

fn pattern(glob: &str) -> Pattern {
    Pattern::new("t", "n", glob).expect("a pattern")
}

/// One command, past the store.
async fn raw<T: FromRedisValue>(store: &RedisStore, command: &mut Cmd) -> T {
    let answer = store.inner().link.query(command.take()).await;
    super::reply::typed(answer.expect("it answers")).expect("as expected")
}

async fn exists(store: &RedisStore, name: &str) -> bool {
    raw(store, cmd("EXISTS").arg(name)).await
}

async fn lease(store: &RedisStore, key: &Key, now: larder_core::Timestamp) -> Leased {
    let wish = LeaseRequest {
        key,
        ttl_ms: LEASE_MS,
        share: false,
        seen: None,
        now,
    };
    store.lease(wish).await.expect("it answers")
}

/// A lease under the present versions, asked for as the engine does.
async fn begin(store: &RedisStore, key: &Key) -> (Token, Entry) {
    let versions = store.versions(&tags()).await.expect("it answers");
    let Leased::Granted(token) = lease(store, key, subject::NOW).await else {
        panic!("the key is held");
    };
    let under = tags().into_iter().zip(versions).collect();
    (token, subject::entry(key, "v", under, subject::NOW))
}

async fn fill(store: &RedisStore, key: &Key, (token, entry): (Token, Entry)) -> Filled {
    let filled = store.fill(key, token, entry, subject::NOW).await;
    filled.expect("it answers")
}

async fn stored(store: &RedisStore, key: &Key) {
    let begun = begin(store, key).await;
    assert_eq!(fill(store, key, begun).await, Filled::Stored);
}

async fn get(store: &RedisStore, key: &Key) -> Option<Found> {
    let found = store.get(key, Expected::NOTHING, subject::NOW).await;
    found.expect("it answers")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_keeps_the_contract() {
    let bench = Bench::start().await;
    contract::all(3_000, || Arc::new(bench.store(&prefix()))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_keeps_the_contract_on_a_cluster() {
    let cluster = Cluster::start().await;
    let config = RedisConfig {
        cluster: cluster.urls(),
        timeout_ms: 5_000,
        ..RedisConfig::default()
    };
    let link = Link::connect(&config).await.expect("it is whole");
    let store = || {
        let config = RedisConfig {
            prefix: prefix(),
            timeout_ms: 500,
            ..RedisConfig::default()
        };
        RedisStore::over(link.clone(), &config)
    };
    contract::all(300, || Arc::new(store())).await;
}
