//! Links against real servers.

mod eviction;
mod failures;
mod messages;
mod moves;
mod tls;

use redis::{Cmd, FromRedisValue, Value};

use super::Link;
use crate::redis::config::{RedisConfig, SentinelConfig};
use crate::store::{Health, StoreError};
use crate::testing::{Cluster, Sentinels, until};

fn single(url: &str) -> RedisConfig {
    RedisConfig {
        url: Some(url.to_owned()),
        timeout_ms: 300,
        check_every_ms: 100,
        ..RedisConfig::default()
    }
}

fn of_cluster(cluster: &Cluster) -> RedisConfig {
    RedisConfig {
        url: None,
        cluster: cluster.urls(),
        ..single("")
    }
}

fn of_sentinels(sentinels: &Sentinels) -> RedisConfig {
    RedisConfig {
        url: None,
        sentinel: Some(SentinelConfig {
            urls: sentinels.urls(),
            master: Sentinels::NAME.to_owned(),
            ..SentinelConfig::default()
        }),
        ..single("")
    }
}

fn command(parts: &[&str]) -> Cmd {
    let mut command = redis::cmd(parts[0]);
    command.arg(&parts[1..]);
    command
}

async fn set(link: &Link, key: &str, value: &str) -> Result<Value, StoreError> {
    link.query(command(&["SET", key, value])).await
}

async fn get(link: &Link, key: &str) -> Result<Option<String>, StoreError> {
    let value = link.query(command(&["GET", key])).await?;
    Ok(Option::from_redis_value(value).expect("text or nothing"))
}

async fn goes_down(link: &Link) -> String {
    until("the link is down", async || link.health() != Health::Up).await;
    match link.health() {
        Health::Down { why } => why,
        Health::Up | Health::Degraded { .. } => panic!("it came up again at once"),
    }
}

async fn comes_up(link: &Link) {
    until("the link is up", async || link.health() == Health::Up).await;
}
