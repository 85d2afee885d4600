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
use larder_core::Clock;

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

#[tokio::test]
async fn the_time_is_that_of_the_server() {
    let server = crate::testing::Server::start().await;
    let link = Link::connect(&single(&server.url())).await.unwrap();
    let clock = link.clock();
    let before = clock.now().0;
    let told = link.query(command(&["TIME"])).await.unwrap();
    let (seconds, micros) = <(u64, u64)>::from_redis_value(told).unwrap();
    let (told, after) = (seconds * 1_000 + micros / 1_000, clock.now().0);
    // Off by no more than half of the time for which the first question was under way.
    assert!(
        before <= told + 500 && told <= after + 500,
        "{before} {told} {after}"
    );
}
