//! Where scenarios run: each store with an engine of its own upon it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder::core::{Decision, Strategy};
use larder::store::queue::Queue;
use larder::store::testing::{Cluster, Server};
use larder::store::{
    LocalQueue, LocalQueueConfig, MemoryConfig, MemoryStore, RedisConfig, RedisQueue,
    RedisQueueConfig, RedisStore, Store, TieredConfig, TieredStore,
};
use tempfile::TempDir;

use crate::kit::{Hands, Parts, Rig, Shelter, policy};

/// What each scenario's engines stand on; every engine gets a key space of its own.
#[derive(Clone, Debug)]
pub(crate) enum Ground {
    /// This process's memory.
    Memory,
    /// A Redis.
    Redis(RedisConfig),
    /// Memory in front of a Redis.
    Tiered(RedisConfig),
    /// This process's memory, and a folder for what is queued.
    Local(Arc<TempDir>),
}

/// Numbers key spaces.
static SPACES: AtomicU64 = AtomicU64::new(0);

fn apart(config: &RedisConfig) -> RedisConfig {
    // Other processes of the run have spaces on the same servers.
    let (process, space) = (std::process::id(), SPACES.fetch_add(1, Ordering::Relaxed));
    RedisConfig {
        prefix: format!("race-{process}-{space}"),
        // A server that a busy machine keeps waiting is none that fails, which is another story.
        timeout_ms: 10_000,
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
        let [store] = self.stores().await;
        parts.build_over(store, self.hands())
    }

    /// Two nodes that share what they store.
    pub(crate) async fn pair(&self, mut parts: impl FnMut() -> Parts) -> [Rig; 2] {
        let stores = self.stores::<2>().await;
        stores.map(|store| parts().build_over(store, self.hands()))
    }

    fn hands(&self) -> Hands {
        match self {
            Self::Memory | Self::Local(_) => Hands::default(),
            Self::Redis(_) | Self::Tiered(_) => Hands::from_now(),
        }
    }

    /// As many nodes' views of one new key space.
    async fn stores<const N: usize>(&self) -> [Arc<dyn Store>; N] {
        let mut all: Vec<Arc<dyn Store>> = Vec::new();
        match self {
            Self::Memory | Self::Local(_) => {
                let memory = Arc::new(MemoryStore::new(MemoryConfig::default()));
                all.resize(N, memory);
            }
            Self::Redis(config) => {
                let config = apart(config);
                for _ in 0..N {
                    let store = RedisStore::connect(config.clone()).await;
                    all.push(Arc::new(store.expect("connects")));
                }
            }
            Self::Tiered(config) => {
                let redis = apart(config);
                for _ in 0..N {
                    let redis = redis.clone();
                    let config = TieredConfig {
                        redis,
                        ..TieredConfig::default()
                    };
                    let store = TieredStore::connect(config).await;
                    all.push(Arc::new(store.expect("connects")));
                }
            }
        }
        all.try_into()
            .unwrap_or_else(|_| unreachable!("one for each"))
    }

    /// As many nodes' views of one new queue.
    pub(crate) async fn queues<const N: usize>(&self) -> [Arc<dyn Queue>; N] {
        let mut all: Vec<Arc<dyn Queue>> = Vec::new();
        match self {
            Self::Memory => all.resize(N, Arc::new(Shelter::default())),
            Self::Local(dir) => {
                let space = SPACES.fetch_add(1, Ordering::Relaxed).to_string();
                let config = LocalQueueConfig::new(dir.path().join(space));
                let queue = LocalQueue::open(config).expect("opens");
                all.resize(N, Arc::new(queue));
            }
            Self::Redis(config) | Self::Tiered(config) => {
                let config = RedisQueueConfig {
                    redis: apart(config),
                    // These servers end with the run.
                    accept_loss: true,
                    ..RedisQueueConfig::default()
                };
                for _ in 0..N {
                    let queue = RedisQueue::connect(config.clone()).await;
                    all.push(Arc::new(queue.expect("connects")));
                }
            }
        }
        all.try_into()
            .unwrap_or_else(|_| unreachable!("one for each"))
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

async fn server() -> RedisConfig {
    RedisConfig {
        url: Some(Server::shared().await),
        ..RedisConfig::default()
    }
}

async fn cluster() -> RedisConfig {
    RedisConfig {
        cluster: Cluster::shared().await,
        ..RedisConfig::default()
    }
}

pub(crate) async fn on_memory_with_a_local_queue() -> Ground {
    let dir = TempDir::new().expect("is made");
    Ground::Local(Arc::new(dir))
}

pub(crate) async fn on_redis() -> Ground {
    Ground::Redis(server().await)
}

pub(crate) async fn on_memory_in_front_of_redis() -> Ground {
    Ground::Tiered(server().await)
}

pub(crate) async fn on_a_cluster() -> Ground {
    Ground::Redis(cluster().await)
}

pub(crate) async fn on_memory_in_front_of_a_cluster() -> Ground {
    Ground::Tiered(cluster().await)
}
