//! What survives, and what is said of the rest.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::{join, join_all};

use super::*;

const WRITERS: u64 = 8;
const ACKNOWLEDGED_BEFORE_A_KILL: u64 = 200;

/// Writes until `enough` says so, each change until it is acknowledged; answers the numbers with
/// what was written.
async fn write(
    queue: &RedisQueue,
    acknowledged: &AtomicU64,
    (writer, enough): (u64, u64),
) -> Vec<(u64, String)> {
    let mut written = Vec::new();
    while acknowledged.load(Ordering::Relaxed) < enough {
        let text = format!("{writer}:{}", written.len());
        let change = change(&row(&writer.to_string()), &text);
        let mut taken = None;
        crate::testing::until("a change is acknowledged", async || {
            taken = queue.enqueue(change.clone(), NOW).await.ok();
            taken.is_some()
        })
        .await;
        written.extend(taken.map(|taken| (taken.sequence, text)));
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    written
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_acknowledged_survives_a_kill_in_order_and_once() {
    let mut server = Server::with(&DURABLE).await;
    let mut spot = Spot::at(server.url());
    spot.0.timeout_ms = 500;
    let queue = spot.queue().await;
    let acknowledged = AtomicU64::new(0);
    let jobs = (0..WRITERS).map(|writer| (writer, 3 * ACKNOWLEDGED_BEFORE_A_KILL));
    let writers = join_all(jobs.map(|job| write(&queue, &acknowledged, job)));
    let kills = async {
        for kill in 1..=2 {
            crate::testing::until("the writers write", async || {
                acknowledged.load(Ordering::Relaxed) >= kill * ACKNOWLEDGED_BEFORE_A_KILL
            })
            .await;
            server.restart().await;
        }
    };
    let (all, ()) = join(writers, kills).await;
    let mut written = BTreeMap::new();
    for of_one in all {
        assert!(of_one.is_sorted_by(|a, b| a.0 < b.0), "numbers grow");
        for (sequence, text) in of_one {
            written.insert((partition_of(&text), sequence), text);
        }
    }
    let mut kept = BTreeMap::new();
    for partition in Partition::all(&"shop".into()) {
        let claim = claim(&queue, &partition).await;
        for queued in head(&queue, &claim, usize::MAX).await {
            let value = queued.change.value.as_ref().expect("it writes");
            let text = String::from_utf8_lossy(&value.bytes).into_owned();
            kept.insert((partition.number, queued.sequence), text);
        }
    }
    assert_eq!(kept, written);
}

fn partition_of(text: &str) -> u16 {
    let writer = text.split(':').next().unwrap_or_default();
    row(writer).partition().number
}

async fn refused(config: RedisQueueConfig) -> ConnectError {
    match RedisQueue::connect(config).await {
        Err(error) => error,
        Ok(_) => panic!("it was opened"),
    }
}

#[tokio::test]
async fn a_server_that_keeps_nothing_is_refused_unless_that_is_accepted() {
    let server = Server::start().await;
    let spot = Spot::at(server.url());
    let config = RedisQueueConfig {
        accept_loss: false,
        ..spot.config()
    };
    let error = refused(config).await;
    assert!(matches!(error, ConnectError::Forgets { .. }), "{error}");
    assert!(error.to_string().contains("accept_loss"), "{error}");
    let said = spot.queue().await.summary();
    assert!(
        said.can_lose.starts_with("everything that waits"),
        "{said:?}"
    );
    assert_eq!(said.place, format!("{}/0", server.url()));
}

#[tokio::test]
async fn what_can_be_lost_is_said_by_the_servers_settings() {
    let server = Server::with(&DURABLE).await;
    let config = RedisQueueConfig {
        accept_loss: false,
        ..Spot::at(server.url()).config()
    };
    let set = async |name: &str, value: &str| {
        let set = server.ask(&["CONFIG", "SET", name, value]).await;
        set.expect("it can be set");
    };
    let said = async || {
        let queue = RedisQueue::connect(config.clone()).await;
        queue.expect("it keeps something").summary().can_lose
    };
    assert!(said().await.starts_with("nothing when Redis crashes"));
    set("appendfsync", "everysec").await;
    assert!(said().await.starts_with("up to about two seconds"));
    set("appendfsync", "no").await;
    assert!(said().await.contains("appendfsync is no"));
    set("appendonly", "no").await;
    set("save", "3600 1").await;
    assert!(
        said()
            .await
            .starts_with("everything since the last snapshot")
    );
}

#[tokio::test]
async fn a_user_who_may_not_ask_for_settings_is_told_what_is_known() {
    let server = Server::with(&DURABLE).await;
    let rights = [
        "ACL", "SETUSER", "larder", "on", ">secret", "~*", "&*", "+@all", "-config",
    ];
    server.ask(&rights).await.expect("a user can be made");
    let config = RedisQueueConfig {
        accept_loss: false,
        ..Spot::new(RedisConfig {
            url: Some(format!("redis://larder:secret@{}", server.address())),
            ..RedisConfig::default()
        })
        .config()
    };
    let queue = RedisQueue::connect(config).await.expect("it is durable");
    let said = queue.summary();
    assert!(said.can_lose.contains("CONFIG GET"), "{said:?}");
    assert!(!said.place.contains("secret"), "{said:?}");
}

#[tokio::test]
async fn a_server_that_may_evict_the_queue_is_refused() {
    let evicts = [&DURABLE[..], &["--maxmemory-policy", "allkeys-lru"]].concat();
    let server = Server::with(&evicts).await;
    let mut config = Spot::at(server.url()).config();
    config.redis.accept_eviction = true;
    let error = refused(config).await;
    assert!(matches!(error, ConnectError::EvictsQueue { .. }), "{error}");
}

#[tokio::test]
async fn a_format_that_is_not_known_is_refused() {
    let spot = Spot::shared().await;
    let queue = spot.queue().await;
    let name = queue.0.names.format();
    raw::<()>(&queue, cmd("SET").arg(name).arg("2")).await;
    let error = refused(spot.config()).await;
    assert!(matches!(error, ConnectError::OtherFormat { .. }), "{error}");
}

#[tokio::test]
async fn without_memory_the_queue_is_full_and_nothing_is_taken() {
    let server = Server::start().await;
    let queue = Spot::at(server.url()).queue().await;
    let (first, second) = (change(&row("1"), "v"), change(&row("1"), "w"));
    queue.enqueue(first, NOW).await.expect("there is memory");
    let limit = async |bytes: &str| {
        let set = server.ask(&["CONFIG", "SET", "maxmemory", bytes]).await;
        set.expect("it can be set");
    };
    limit("1000").await;
    let full = queue.enqueue(second.clone(), NOW).await;
    assert!(matches!(full, Err(QueueError::Full(_))), "{full:?}");
    limit("0").await;
    let depth = queue.depth().await.expect("it answers");
    assert_eq!(depth.waiting, 1);
    let taken = queue.enqueue(second, NOW).await.expect("there is memory");
    assert!(!taken.repeated);
}

#[tokio::test]
async fn nothing_but_operations_and_claims_has_an_end_and_little_is_left_behind() {
    let server = Server::start().await;
    let queue = Spot::at(server.url()).queue().await;
    let row = row("1");
    let all = [put(&queue, &row, "1").await, put(&queue, &row, "2").await];
    let claim = claim(&queue, &row.partition()).await;
    let buried = queue.bury(&claim, all[0], "no", NOW).await;
    buried.expect("the claim holds");
    let names: Vec<String> = raw(&queue, cmd("KEYS").arg("*")).await;
    assert!(names.len() >= 11, "{names:?}");
    for name in &names {
        let left: i64 = raw(&queue, cmd("PTTL").arg(name)).await;
        let ends = name.contains(":op:") || name.ends_with(":claim");
        assert_eq!(left > 0, ends, "{name} ends in {left}");
    }
    let one = queue.retry(&Letters::All).await;
    assert_eq!(one, Ok(1));
    let flushed = queue.flushed(&claim, &all).await;
    flushed.expect("the claim holds");
    queue.let_go(&claim).await.expect("the claim holds");
    let names: Vec<String> = raw(&queue, cmd("KEYS").arg("*:q:*")).await;
    let kept = |name: &&String| !name.contains(":op:");
    let mut kept: Vec<_> = names.iter().filter(kept).collect();
    kept.retain(|name| {
        let last = name.rsplit(':').next().unwrap_or_default();
        !["format", "origins", "meta", "stream"].contains(&last)
    });
    assert!(kept.is_empty(), "{kept:?}");
}
