//! What a run stands on: servers, the network in front of them, and a store for each engine.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use larder::store::{
    MemoryConfig, MemoryStore, RedisConfig, RedisStore, SentinelConfig, Store, TieredConfig,
    TieredStore,
};
use larder_store::testing::{Cluster, Sentinels, Server, until};
use tokio::sync::Mutex;

use crate::network::{Network, Scope};
use crate::proxy::Proxy;
use crate::servers::Servers;

/// How long a master of a Cluster may be silent before its replica takes over, where that is not
/// wanted, in milliseconds: longer than any pause or black hole.
const PATIENT_MS: &str = "15000";

/// What kind of store the engines have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One in memory, which all share.
    Memory,
    /// Redis.
    Redis,
    /// Memory in front of Redis.
    Tiered,
}

/// Servers, and how they are reached.
pub struct Ground {
    /// The configuration of a store.
    pub redis: RedisConfig,
    /// The servers.
    pub servers: Arc<Mutex<Servers>>,
    proxies: Vec<Arc<Proxy>>,
}

impl Ground {
    /// One Redis behind a network that can be broken.
    ///
    /// # Errors
    /// If no port can be opened.
    pub async fn single() -> Result<Self> {
        let server = Server::start().await;
        let proxy = Arc::new(Proxy::start(server.address()).await?);
        let redis = RedisConfig {
            url: Some(format!("redis://{}", proxy.address())),
            ..RedisConfig::default()
        };
        Ok(Self::new(redis, Servers::Single(server), vec![proxy]))
    }

    /// A Cluster behind a network that can be broken; no replica takes over.
    ///
    /// # Errors
    /// If no port can be opened.
    pub async fn cluster() -> Result<Self> {
        let all = Cluster::with(&["--cluster-node-timeout", PATIENT_MS]).await;
        let mut proxies = Vec::new();
        for node in &all.nodes {
            let proxy = Proxy::start(node.address()).await?;
            let port = proxy.address().port().to_string();
            // From now on the node names the proxy where it names itself.
            node.ask(&["CONFIG", "SET", "cluster-announce-port", &port])
                .await?;
            proxies.push(Arc::new(proxy));
        }
        until("all nodes are known by their proxies", async || {
            names_only(&all, &proxies).await
        })
        .await;
        let url = |proxy: &Arc<Proxy>| format!("redis://{}", proxy.address());
        let redis = RedisConfig {
            cluster: proxies.iter().map(url).collect(),
            ..RedisConfig::default()
        };
        Ok(Self::new(redis, Servers::cluster(all).await, proxies))
    }

    /// A Cluster whose replicas take over after a second.
    pub async fn failing_cluster() -> Self {
        let all = Cluster::start().await;
        let redis = RedisConfig {
            cluster: all.urls(),
            ..RedisConfig::default()
        };
        Self::new(redis, Servers::cluster(all).await, Vec::new())
    }

    /// A master under sentinels, which replace it after a second.
    pub async fn sentinels() -> Self {
        let all = Sentinels::start().await;
        let sentinel = SentinelConfig {
            urls: all.urls(),
            master: Sentinels::NAME.to_owned(),
            ..SentinelConfig::default()
        };
        let redis = RedisConfig {
            sentinel: Some(sentinel),
            ..RedisConfig::default()
        };
        let swapped = false;
        Self::new(redis, Servers::Sentinels { all, swapped }, Vec::new())
    }

    fn new(redis: RedisConfig, servers: Servers, proxies: Vec<Arc<Proxy>>) -> Self {
        Self {
            redis,
            servers: Arc::new(Mutex::new(servers)),
            proxies,
        }
    }

    /// A store for each of `count` engines.
    ///
    /// # Errors
    /// If the servers cannot be used.
    pub async fn stores(&self, kind: Kind, count: usize) -> Result<Vec<Arc<dyn Store>>> {
        if kind == Kind::Memory {
            let store = Arc::new(MemoryStore::new(MemoryConfig::default()));
            return Ok(vec![store; count]);
        }
        let mut all: Vec<Arc<dyn Store>> = Vec::new();
        for _ in 0..count {
            // Stores of another kind may be checked here after, against another truth.
            let redis = RedisConfig {
                prefix: format!("{kind:?}"),
                ..self.redis.clone()
            };
            all.push(match kind {
                Kind::Tiered => {
                    let config = TieredConfig {
                        redis,
                        ..TieredConfig::default()
                    };
                    Arc::new(TieredStore::connect(config).await.context("Redis")?)
                }
                _ => Arc::new(RedisStore::connect(redis).await.context("Redis")?),
            });
        }
        Ok(all)
    }

    /// Breaks the network, so often or until the run ends.
    #[must_use]
    pub fn network(&self, scope: Scope, times: Option<u64>) -> Network {
        Network {
            proxies: self.proxies.clone(),
            servers: Arc::clone(&self.servers),
            scope,
            times,
        }
    }
}

/// Whether every node names every proxy, and no node itself.
async fn names_only(all: &Cluster, proxies: &[Arc<Proxy>]) -> bool {
    for node in &all.nodes {
        let told = node.ask(&["CLUSTER", "NODES"]).await;
        let told = told.and_then(|told| Ok(redis::from_redis_value::<String>(told)?));
        let Ok(told) = told else { return false };
        let named = |port: u16| told.contains(&format!(":{port}@"));
        let right = proxies.iter().all(|proxy| named(proxy.address().port()));
        if !right || all.nodes.iter().any(|node| named(node.port())) {
            return false;
        }
    }
    all.is_whole().await
}
