//! Servers that die, fall silent, and come back.

use std::time::Duration;

use redis::{FromRedisValue, Script, Value};
use tokio::time::{Instant, timeout};

use super::*;
use crate::testing::Server;

#[tokio::test]
async fn commands_pipelines_and_scripts_are_answered() {
    let server = Server::start().await;
    let link = Link::connect(&single(&server.url())).await.unwrap();
    assert_eq!(set(&link, "a", "1").await.unwrap(), Value::Okay);
    let all = vec![command(&["GET", "a"]), command(&["GET", "b"])];
    let all = link.query_all(all).await.unwrap();
    assert_eq!(all, [Value::BulkString(b"1".to_vec()), Value::Nil]);
    let script = Script::new("return redis.call('GET', KEYS[1]) .. ARGV[1]");
    for round in 0..2 {
        let value = link.script(&script, &["a"], &[b"x"]).await.unwrap();
        assert_eq!(String::from_redis_value(value).unwrap(), "1x", "{round}");
    }
    let found = link.found();
    assert!(found.contains("redis 7."), "{found}");
    assert!(
        found.ends_with("standalone, maxmemory-policy noeviction, no append-only file"),
        "{found}"
    );
    let masters = link.masters().await.unwrap();
    assert_eq!(masters.len(), 1);
    assert_eq!(masters[0].address().to_string(), server.address());
    assert_eq!(
        masters[0].query(command(&["DBSIZE"])).await.unwrap(),
        Value::Int(1)
    );
}

#[tokio::test]
async fn an_error_reply_is_the_answer_and_not_an_outage() {
    let server = Server::start().await;
    let link = Link::connect(&single(&server.url())).await.unwrap();
    set(&link, "a", "text").await.unwrap();
    let error = link.query(command(&["INCR", "a"])).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Refused(why) if why.contains("not an integer")),
        "{error}"
    );
    let all = vec![command(&["GET", "a"]), command(&["INCR", "a"])];
    assert_eq!(link.query_all(all).await.unwrap_err(), error);
    assert_eq!(link.health(), Health::Up);
}

#[tokio::test]
async fn a_killed_server_fails_calls_at_once_and_heals_when_it_is_back() {
    let mut server = Server::start().await;
    let link = Link::connect(&single(&server.url())).await.unwrap();
    set(&link, "a", "1").await.unwrap();
    for round in 0..3 {
        server.kill();
        let why = goes_down(&link).await;
        assert!(why.contains(&server.address()), "{why}");
        let begun = Instant::now();
        for _ in 0..100 {
            let error = get(&link, "a").await.unwrap_err();
            assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        }
        assert!(
            begun.elapsed() < Duration::from_millis(300),
            "{:?}",
            begun.elapsed()
        );
        server.restart().await;
        comes_up(&link).await;
        assert_eq!(get(&link, "a").await.unwrap(), None, "round {round}");
        set(&link, "a", "1").await.unwrap();
    }
}

#[tokio::test]
async fn a_silent_server_costs_each_call_its_limit_until_it_is_noticed() {
    let server = Server::start().await;
    let link = Link::connect(&single(&server.url())).await.unwrap();
    set(&link, "a", "1").await.unwrap();
    server.stop_replying();
    let first = timeout(Duration::from_secs(2), get(&link, "a")).await;
    let first = first.expect("every call is bounded").unwrap_err();
    assert_eq!(first, StoreError::Timeout { limit_ms: 300 });
    let why = goes_down(&link).await;
    let begun = Instant::now();
    for _ in 0..100 {
        let error = get(&link, "a").await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    }
    assert!(
        begun.elapsed() < Duration::from_millis(300),
        "{:?}: {why}",
        begun.elapsed()
    );
    server.go_on();
    comes_up(&link).await;
    assert_eq!(get(&link, "a").await.unwrap().as_deref(), Some("1"));
}

#[tokio::test]
async fn a_server_that_is_away_at_the_start_can_be_waited_for() {
    let mut server = Server::start().await;
    server.kill();
    let config = single(&server.url());
    assert!(Link::connect(&config).await.is_err());
    let link = Link::connect_or_wait(&config).await.unwrap();
    assert!(goes_down(&link).await.contains("nothing listens at"));
    server.restart().await;
    comes_up(&link).await;
    set(&link, "a", "1").await.unwrap();
}

#[tokio::test]
async fn a_server_that_comes_and_cannot_be_used_keeps_the_link_down_until_it_can() {
    let mut server = Server::with(&["--maxmemory-policy", "allkeys-lru"]).await;
    server.kill();
    let link = Link::connect_or_wait(&single(&server.url())).await.unwrap();
    goes_down(&link).await;
    server.restart().await;
    let advice = "CONFIG SET maxmemory-policy volatile-lru";
    until(
        "the reason is another",
        async || matches!(link.health(), Health::Down { why } if why.contains(advice)),
    )
    .await;
    assert!(set(&link, "a", "1").await.is_err(), "it is not used");
    let policy = ["CONFIG", "SET", "maxmemory-policy", "volatile-lru"];
    server.ask(&policy).await.expect("it can be set");
    comes_up(&link).await;
    set(&link, "a", "1").await.unwrap();
}

#[tokio::test]
async fn those_who_watch_hear_of_an_outage_and_its_end() {
    let mut server = Server::start().await;
    let link = Link::connect(&single(&server.url())).await.unwrap();
    let mut news = link.watch();
    assert!(news.borrow_and_update().is_up());
    server.kill();
    let down = timeout(Duration::from_secs(10), news.wait_for(|now| !now.is_up())).await;
    down.expect("in time").expect("the link lives");
    server.restart().await;
    let up = timeout(Duration::from_secs(10), news.wait_for(|now| now.is_up())).await;
    let masters: Vec<_> = up
        .unwrap()
        .unwrap()
        .masters()
        .map(ToString::to_string)
        .collect();
    assert_eq!(masters, [server.address()]);
}

#[tokio::test]
async fn pushes_come_on_a_connection_of_their_own() {
    let server = Server::start().await;
    let link = Link::connect(&single(&server.url())).await.unwrap();
    let address = link.watch().borrow().masters().next().cloned().unwrap();
    let (pushes, mut pushed) = tokio::sync::mpsc::unbounded_channel();
    let node = link.open(&address, Some(pushes)).await.unwrap();
    let tracking = ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "larder:"];
    node.query(command(&tracking)).await.unwrap();
    set(&link, "larder:a", "1").await.unwrap();
    let push = timeout(Duration::from_secs(10), pushed.recv()).await;
    assert_eq!(push.unwrap().unwrap().kind, redis::PushKind::Invalidate);
}
