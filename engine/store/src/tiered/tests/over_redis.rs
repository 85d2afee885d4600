//! Copies of what a real server keeps.

use redis::{FromRedisValue, Value as Reply};

use super::proxy::Network;
use super::*;
use crate::redis::link::Link;
use crate::redis::{RedisConfig, RedisStore, SentinelConfig};
use crate::store::Health;
use crate::testing::{Cluster, Sentinels, Server, until};
use crate::tiered::tracking::Tracking;

pub(in crate::tiered) fn config(url: String) -> RedisConfig {
    RedisConfig {
        url: Some(url),
        timeout_ms: 1_000,
        check_every_ms: 100,
        ..RedisConfig::default()
    }
}

/// A node over `link`, with copies below a prefix.
pub(in crate::tiered) fn node(link: &Link, config: &RedisConfig) -> Node {
    let near = Arc::new(Near::new(8 << 20));
    let far = Arc::new(RedisStore::over(link.clone(), config));
    let follow = (link.clone(), config.prefix.clone());
    let tracking = Tracking::start(follow.0, follow.1, Arc::clone(&near), BOUND);
    Node {
        store: TieredStore::over(far, Arc::clone(&near), Some(tracking)),
        near,
    }
}

/// A node of its own, once it hears of changes.
async fn followed(config: &RedisConfig) -> Node {
    let link = Link::connect(config).await.expect("it listens");
    let node = node(&link, config);
    follows(&node).await;
    node
}

async fn follows(node: &Node) {
    until("changes are heard of", async || node.near.lost().is_none()).await;
}

/// Redis ends entries by its own clock, so these begin now.
#[allow(clippy::disallowed_methods, reason = "the clock of these tests")]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp(since.expect("after 1970").as_millis() as u64)
}

/// Stores a value that lasts, and reads it until it is kept near `readers`.
async fn spread(writer: &Node, readers: &[&Node], key: &Key, value: &str) {
    let now = now();
    let wish = LeaseRequest { now, ..wish(key) };
    let Ok(Leased::Granted(token)) = writer.store.lease(wish).await else {
        panic!("nobody else holds {key}");
    };
    let versions = writer.store.versions(&[tag()]).await.expect("answers");
    let mut entry = entry(key, value, vec![(tag(), versions[0])], now);
    entry.windows.fresh_until = now.plus(600_000);
    let filled = writer.store.fill(key, token, entry, now).await;
    assert_eq!(filled, Ok(Filled::Stored));
    for reader in readers {
        until("a copy is kept", async || {
            reader
                .store
                .get(key, Expected::NOTHING, now)
                .await
                .expect("answers");
            // The push of the fill may still be under way, and takes the copy along.
            tokio::time::sleep(Duration::from_millis(50)).await;
            reader.near.get(key, now).is_some()
        })
        .await;
    }
}

#[tokio::test]
async fn what_one_node_changes_the_others_hear_of() {
    let server = Server::start().await;
    let config = config(server.url());
    let (a, b) = (followed(&config).await, followed(&config).await);
    let key = key();
    for way in 0..4 {
        spread(&a, &[&a, &b], &key, "v").await;
        let there = match way {
            0 => a.store.invalidate(&key, Mode::Purge, now()).await.err(),
            1 => a.store.bump(&[tag()], Mode::Purge, now()).await.err(),
            2 => a.store.ban(&pattern(), Mode::Purge, now()).await.err(),
            _ => server.ask(&["FLUSHALL"]).await.err().map(|e| panic!("{e}")),
        };
        assert_eq!(there, None);
        if way < 3 {
            assert!(
                a.near.get(&key, now()).is_none(),
                "at once where it was done"
            );
            assert_eq!(text(&a.store, &key, now()).await, None, "way {way}");
        }
        until("the other node has heard", async || {
            b.near.get(&key, now()).is_none()
        })
        .await;
        assert_eq!(text(&b.store, &key, now()).await, None, "way {way}");
    }
}

#[tokio::test]
async fn no_copy_outlives_the_database_that_it_is_from() {
    let server = Server::start().await;
    let config = config(server.url());
    let (a, b) = (followed(&config).await, followed(&config).await);
    let key = key();
    // There and back: the second time the database has a mark already.
    for n in 0..3 {
        spread(&a, &[&a, &b], &key, "v").await;
        server.ask(&["SWAPDB", "0", "1"]).await.expect("is done");
        for node in [&a, &b] {
            until("the copy is gone", async || {
                node.near.get(&key, now()).is_none()
            })
            .await;
        }
        server.ask(&["FLUSHDB"]).await.expect("is done");
        assert_eq!(text(&b.store, &key, now()).await, None, "time {n}");
    }
}

#[tokio::test]
async fn a_server_that_takes_no_mark_is_followed_all_the_same() {
    let server = Server::start().await;
    let config = config(server.url());
    let (a, key) = (followed(&config).await, key());
    spread(&a, &[&a], &key, "v").await;
    for setting in ["1", "0"] {
        let full = ["CONFIG", "SET", "maxmemory", setting];
        server.ask(&full).await.expect("is done");
        server
            .ask(&["DEL", "larder:d:{data}"])
            .await
            .expect("is done");
        tokio::time::sleep(BOUND).await;
        assert_eq!(a.near.lost(), None);
    }
}

#[tokio::test]
async fn a_lease_that_is_given_up_on_one_node_wakes_the_others() {
    let server = Server::start().await;
    let config = config(server.url());
    let (a, b) = (followed(&config).await, followed(&config).await);
    let key = key();
    let wish = LeaseRequest {
        now: now(),
        ..wish(&key)
    };
    let Ok(Leased::Granted(token)) = a.store.lease(wish).await else {
        panic!("nobody else holds it");
    };
    // The push of the lease itself may still be under way; whoever wakes looks again.
    let gone = tokio::spawn(async move {
        let key = self::key();
        loop {
            let changed = b.store.changed(&key);
            let wish = LeaseRequest {
                now: now(),
                ..super::wish(&key)
            };
            match b.store.lease(wish).await {
                Ok(Leased::Held { .. }) => changed.await,
                other => return drop(other),
            }
        }
    });
    tokio::task::yield_now().await;
    a.store.release(&key, token).await.expect("answers");
    let limit = Duration::from_secs(5);
    tokio::time::timeout(limit, gone)
        .await
        .expect("woken")
        .expect("ends");
}

fn key() -> Key {
    super::key("k")
}

/// The connections that are told of changes.
async fn trackers(server: &Server) -> Vec<String> {
    let clients = server.ask(&["CLIENT", "LIST"]).await.expect("answers");
    let clients = String::from_redis_value(clients).expect("text");
    let field = |line: &str, name: &str| {
        let mut fields = line.split(' ');
        fields.find_map(|field| field.strip_prefix(name).map(str::to_owned))
    };
    let tracks = |line: &&str| field(line, "flags=").is_some_and(|flags| flags.contains('B'));
    clients
        .lines()
        .filter(tracks)
        .filter_map(|line| field(line, "id="))
        .collect()
}

#[tokio::test]
async fn a_link_that_is_cut_is_made_anew_and_copies_from_before_are_not_served() {
    let server = Server::start().await;
    let config = config(server.url());
    let (a, b) = (followed(&config).await, followed(&config).await);
    let key = key();
    spread(&a, &[&b], &key, "old").await;
    let ids = trackers(&server).await;
    assert_eq!(ids.len(), 2);
    for id in ids {
        let killed = server.ask(&["CLIENT", "KILL", "ID", &id]).await;
        assert_eq!(killed, Ok(Reply::Int(1)));
    }
    let stored = a.store.invalidate(&key, Mode::Purge, now()).await;
    assert_eq!(stored, Ok(true));
    until("two links are there again", async || {
        trackers(&server).await.len() == 2
    })
    .await;
    follows(&b).await;
    assert_eq!(text(&b.store, &key, now()).await, None);
    spread(&a, &[&b], &key, "new").await;
    assert_eq!(text(&b.store, &key, now()).await.as_deref(), Some("new"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_off_serves_no_older_value_past_the_bound() {
    let server = Server::start().await;
    let config = config(server.url());
    let network = Network::to(server.port()).await;
    let behind = RedisConfig {
        url: Some(network.url()),
        ..config.clone()
    };
    let (a, b) = (followed(&config).await, followed(&behind).await);
    let key = key();
    for round in 0..3 {
        let value = format!("v{round}");
        spread(&a, &[&b], &key, &value).await;
        network.stop(true);
        let there = a.store.invalidate(&key, Mode::Purge, now()).await;
        let answered = Instant::now();
        assert_eq!(there, Ok(true));
        let mut last = Duration::ZERO;
        // As long as the bound that is published, and some more.
        while answered.elapsed() < Duration::from_millis(2_500) {
            let begun = answered.elapsed();
            if text(&b.store, &key, now()).await.is_some() {
                last = begun;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Or else the copy went for another reason, and the bound was not tried.
        assert!(last > Duration::ZERO, "round {round}: nothing was served");
        assert!(last <= BOUND, "round {round}: served after {last:?}");
        network.stop(false);
        until("all is well", async || {
            assert_eq!(text(&b.store, &key, now()).await, None, "round {round}");
            b.store.health() == Health::Up
        })
        .await;
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_ends_the_copies_within_the_bound() {
    let server = Server::start().await;
    let config = config(server.url());
    let node = followed(&config).await;
    let key = key();
    spread(&node, &[&node], &key, "v").await;
    server.stop_replying();
    let silent = Instant::now();
    let mut last = Duration::ZERO;
    until("no copy is served", async || {
        let begun = silent.elapsed();
        let served = node.near.get(&key, now()).is_some();
        last = if served { begun } else { last };
        !served
    })
    .await;
    server.go_on();
    assert!(last > BOUND / 3 && last <= BOUND, "{last:?}");
    follows(&node).await;
    spread(&node, &[&node], &super::key("other"), "v").await;
}

#[tokio::test]
async fn a_server_that_goes_and_comes_back_ends_in_the_same_state() {
    let mut server = Server::start().await;
    let config = config(server.url());
    let node = followed(&config).await;
    let key = key();
    spread(&node, &[&node], &key, "old").await;
    server.kill();
    until("no copy is served", async || {
        node.near.get(&key, now()).is_none()
    })
    .await;
    assert_eq!(
        text(&node.store, &key, now()).await,
        None,
        "from the island"
    );
    assert!(matches!(node.store.health(), Health::Down { .. }));
    let failed = node.store.invalidate(&key, Mode::Purge, now()).await;
    assert!(failed.is_err(), "{failed:?}");
    server.restart().await;
    until("all is well", async || {
        node.store
            .get(&key, Expected::NOTHING, now())
            .await
            .expect("answers");
        node.store.health() == Health::Up
    })
    .await;
    spread(&node, &[&node], &key, "new").await;
    assert_eq!(text(&node.store, &key, now()).await.as_deref(), Some("new"));
}

#[tokio::test]
async fn changes_on_every_master_of_a_cluster_are_heard_of() {
    let config = RedisConfig {
        cluster: Cluster::shared().await,
        prefix: format!("p{:x}", fastrand::u64(..)),
        timeout_ms: 1_000,
        ..RedisConfig::default()
    };
    let (a, b) = (followed(&config).await, followed(&config).await);
    for n in 0..12 {
        let key = super::key(&n.to_string());
        spread(&a, &[&b], &key, "v").await;
        a.store
            .invalidate(&key, Mode::Purge, now())
            .await
            .expect("answers");
        until("the other node has heard", async || {
            b.near.get(&key, now()).is_none()
        })
        .await;
    }
}

#[tokio::test]
async fn changes_are_heard_of_at_the_master_that_takes_over() {
    let mut sentinels = Sentinels::start().await;
    let config = RedisConfig {
        sentinel: Some(SentinelConfig {
            urls: sentinels.urls(),
            master: Sentinels::NAME.to_owned(),
            ..SentinelConfig::default()
        }),
        check_every_ms: 100,
        ..RedisConfig::default()
    };
    let (a, b) = (followed(&config).await, followed(&config).await);
    let key = key();
    spread(&a, &[&b], &key, "old").await;
    sentinels.master.kill();
    until("nobody hears of changes", async || b.near.lost().is_some()).await;
    follows(&a).await;
    follows(&b).await;
    for node in [&a, &b] {
        until("the new master answers", async || {
            let asked = node.store.invalidate(&key, Mode::Purge, now()).await;
            asked.is_ok() && node.store.health() == Health::Up
        })
        .await;
    }
    spread(&a, &[&b], &key, "new").await;
    a.store
        .invalidate(&key, Mode::Purge, now())
        .await
        .expect("answers");
    until("the other node has heard", async || {
        b.near.get(&key, now()).is_none()
    })
    .await;
}

#[tokio::test]
async fn a_store_connects_by_its_configuration() {
    let server = Server::start().await;
    let given = format!("silence_ms = 900\n[redis]\nurl = \"{}\"", server.url());
    let config: crate::TieredConfig = toml::from_str(&given).expect("is a configuration");
    let store = TieredStore::connect(config).await.expect("it listens");
    until("all is well", async || store.health() == Health::Up).await;
    let short: crate::TieredConfig = toml::from_str("silence_ms = 9").expect("parses");
    let error = short.validate().expect_err("is too short").to_string();
    assert!(error.contains("silence_ms"), "{error}");
    assert!(toml::from_str::<crate::TieredConfig>("capacity = 1").is_err());
}
