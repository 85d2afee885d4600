//! Where the queue is, and how much it may hold.

use serde::Deserialize;

use super::super::config::RedisConfig;

/// How a [`RedisQueue`](super::RedisQueue) is made.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisQueueConfig {
    /// How to reach Redis. Its user needs CONFIG GET too, or what can be lost is not known.
    /// `accept_eviction` is not listened to: a queue is never evicted from.
    pub redis: RedisConfig,
    /// How many changes it may hold, dead letters among them. Default 100,000. What other nodes
    /// took within the last second may come on top.
    pub limit: u64,
    /// How many bytes of them, names included. Default 1 GiB.
    pub limit_bytes: u64,
    /// Takes writes although the server keeps nothing over a restart. Default false.
    pub accept_loss: bool,
}

impl Default for RedisQueueConfig {
    fn default() -> Self {
        Self {
            redis: RedisConfig::default(),
            limit: 100_000,
            limit_bytes: 1 << 30,
            accept_loss: false,
        }
    }
}
