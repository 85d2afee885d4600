//! What the Redis store promises, over a real server.

mod bans;
mod entries;
mod expiries;
mod races;
mod written;

use larder_core::{Dependency, Entry, Key, Pattern};
use redis::{Cmd, FromRedisValue, cmd};

use super::config::RedisConfig;
use super::link::Link;
use super::store::RedisStore;
use crate::contract::subject;
use crate::store::{Expected, Filled, Found, LeaseRequest, Leased, Store, Token};
use crate::testing::Server;

/// How long leases and writes last, in milliseconds.
const LEASE_MS: u64 = 500;

/// Stores on a server that know nothing of each other unless they share a prefix.
pub(super) struct Bench {
    link: Link,
}

impl Bench {
    /// On the server that all tests share.
    pub(super) async fn shared() -> Self {
        Self::at(Server::shared().await).await
    }

    async fn at(url: String) -> Self {
        let config = RedisConfig {
            url: Some(url),
            timeout_ms: 5_000,
            ..RedisConfig::default()
        };
        let link = Link::connect(&config).await.expect("it listens");
        Self { link }
    }

    pub(super) fn store(&self, prefix: &str) -> RedisStore {
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

pub(super) fn prefix() -> String {
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
