//! Where scenarios run: each store with an engine of its own upon it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder::core::{Decision, Strategy};
use larder::store::testing::{Cluster, Server};
use larder::store::{RedisConfig, RedisStore, Store, TieredConfig, TieredStore};

use crate::kit::{Hands, Parts, Rig, policy};

/// What each scenario's engines stand on; every engine gets a key space of its own.
#[derive(Clone, Debug)]
pub(crate) enum Ground {
    /// This process's memory.
    Memory,
    /// A Redis.
    Redis(RedisConfig),
    /// Memory in front of a Redis.
    Tiered(RedisConfig),
}

/// Numbers key spaces.
static SPACES: AtomicU64 = AtomicU64::new(0);

fn apart(config: &RedisConfig) -> RedisConfig {
    RedisConfig {
        prefix: format!("race-{}", SPACES.fetch_add(1, Ordering::Relaxed)),
        ..config.clone()
    }
}

impl Ground {
    /// An engine with a policy of one strategy, its decisions as changed.
    pub(crate) async fn rig(&self, strategy: Strategy, change: fn(&mut Decision)) -> Rig {
        let policy = policy(strategy, move |_, decision| change(decision));
        self.build(Parts::new(policy)).await
    }

    /// An engine of `parts`. The clock agrees with those of servers until it is moved.
    pub(crate) async fn build(&self, parts: Parts) -> Rig {
        let store: Arc<dyn Store> = match self {
            Self::Memory => return parts.build(),
            Self::Redis(config) => {
                let store = RedisStore::connect(apart(config)).await;
                Arc::new(store.expect("connects"))
            }
            Self::Tiered(config) => {
                let config = TieredConfig {
                    redis: apart(config),
                    ..TieredConfig::default()
                };
                Arc::new(TieredStore::connect(config).await.expect("connects"))
            }
        };
        parts.build_over(store, Hands::from_now())
    }

    /// Lets every task run until it waits for something.
    pub(crate) async fn quiet(&self) {
        crate::kit::quiet().await;
        if !matches!(self, Self::Memory) {
            // Nobody can tell that an answer is still on its way; too short a wait makes the
            // scenario a milder one and never fails it.
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }
}

/// A scenario and its name.
pub(crate) type Race = (
    &'static str,
    fn(Ground) -> futures_util::future::BoxFuture<'static, ()>,
);

/// Makes a test of each scenario in memory, and a list of all for the stores that need a server.
#[macro_export]
macro_rules! races {
    ($($name:ident),+ $(,)?) => {
        pub(crate) const RACES: &[$crate::ground::Race] =
            &[$((stringify!($name), |on| Box::pin($name(on)))),+];

        mod in_memory {
            $(
                #[tokio::test(start_paused = true)]
                async fn $name() {
                    super::$name($crate::ground::Ground::Memory).await;
                }
            )+
        }
    };
}

/// Runs every scenario and names those that fail.
async fn run(on: Ground) {
    let mut broken = Vec::new();
    for (name, race) in crate::races::RACES {
        if tokio::spawn(race(on.clone())).await.is_err() {
            broken.push(*name);
        }
    }
    assert!(broken.is_empty(), "lost: {}", broken.join(", "));
}

fn at(server: &Server) -> RedisConfig {
    RedisConfig {
        url: Some(server.url()),
        ..RedisConfig::default()
    }
}

fn among(servers: &Cluster) -> RedisConfig {
    RedisConfig {
        cluster: servers.urls(),
        ..RedisConfig::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_race_on_redis() {
    let server = Server::start().await;
    run(Ground::Redis(at(&server))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_race_on_memory_in_front_of_redis() {
    let server = Server::start().await;
    run(Ground::Tiered(at(&server))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_race_on_a_cluster() {
    let servers = Cluster::start().await;
    run(Ground::Redis(among(&servers))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_race_on_memory_in_front_of_a_cluster() {
    let servers = Cluster::start().await;
    run(Ground::Tiered(among(&servers))).await;
}
