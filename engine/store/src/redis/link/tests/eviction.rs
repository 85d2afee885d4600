//! Servers that may evict what has no end, and servers that do not say.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, tcp};

use super::messages::refused;
use super::*;
use crate::redis::error::ConnectError;
use crate::testing::Server;

#[tokio::test]
async fn a_server_that_may_evict_bans() {
    for (policy, taken) in [
        ("allkeys-lru", false),
        ("allkeys-random", false),
        ("volatile-lru", true),
    ] {
        let server = Server::with(&["--maxmemory-policy", policy]).await;
        let mut config = single(&server.url());
        if taken {
            Link::connect(&config).await.unwrap();
            continue;
        }
        let (_, text) = refused(&config).await;
        assert!(text.contains(policy), "{text}");
        assert!(
            text.contains("CONFIG SET maxmemory-policy volatile-lru"),
            "{text}"
        );
        config.accept_eviction = true;
        Link::connect(&config).await.unwrap();
    }
}

/// A server of the protocol that calls its policy otherwise: a real one, behind a relay that
/// replaces the name, which has to be as long as `noeviction`, in all that it says.
async fn calls_its_policy(server: &Server, name: [u8; 10]) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let own = listener.local_addr().unwrap();
    let port = server.port();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let (near_in, near_out) = near.into_split();
            let (far_in, far_out) = far.into_split();
            tokio::spawn(relay(near_in, far_out, None));
            tokio::spawn(relay(far_in, near_out, Some(name)));
        }
    });
    format!("redis://{own}")
}

async fn relay(mut from: tcp::OwnedReadHalf, mut to: tcp::OwnedWriteHalf, name: Option<[u8; 10]>) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let said = &mut bytes[..count];
        if let Some(name) = name {
            for at in 0..count.saturating_sub(9) {
                if said[at..at + 10] == *b"noeviction" {
                    said[at..at + 10].copy_from_slice(&name);
                }
            }
        }
        if to.write_all(said).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_policy_of_another_name_is_not_taken_for_a_safe_one() {
    let server = Server::start().await;
    for name in [b"eviction  ", b"cache-mode", b"lru-sample"] {
        let mut config = single(&calls_its_policy(&server, *name).await);
        let (error, text) = refused(&config).await;
        let policy = std::str::from_utf8(name).unwrap().trim();
        assert!(text.contains(&format!("is {policy})")), "{text}");
        assert!(text.contains("must not evict at all"), "{text}");
        assert!(!error.is_transient());
        config.accept_eviction = true;
        let link = Link::connect(&config).await.unwrap();
        assert!(link.found().contains(policy), "{}", link.found());
    }
}

#[tokio::test]
async fn a_server_that_does_not_tell_its_policy_is_refused_until_that_is_accepted() {
    let args = [
        "--rename-command",
        "INFO",
        "",
        "--rename-command",
        "CONFIG",
        "",
    ];
    let silent = Server::with(&args).await;
    let empty = Server::start().await;
    for url in [silent.url(), calls_its_policy(&empty, [b' '; 10]).await] {
        let mut config = single(&url);
        let (error, text) = refused(&config).await;
        assert!(
            matches!(error, ConnectError::EvictsPerhaps { .. }),
            "{text}"
        );
        assert!(text.contains("does not tell what it may evict"), "{text}");
        assert!(text.contains("CONFIG GET maxmemory-policy"), "{text}");
        assert!(!error.is_transient());
        config.accept_eviction = true;
        Link::connect(&config).await.unwrap();
    }
}

#[tokio::test]
async fn one_of_the_two_commands_is_enough_to_tell_the_policy() {
    for (renamed, policy, taken) in [
        ("CONFIG", "volatile-ttl", true),
        ("CONFIG", "allkeys-lfu", false),
        ("INFO", "volatile-ttl", true),
        ("INFO", "allkeys-lfu", false),
    ] {
        let args = [
            "--rename-command",
            renamed,
            "",
            "--maxmemory-policy",
            policy,
        ];
        let server = Server::with(&args).await;
        let connected = Link::connect(&single(&server.url())).await;
        match (taken, connected) {
            (true, Ok(link)) => assert!(link.found().contains(policy)),
            (false, Err(error)) => assert!(error.to_string().contains(policy), "{error}"),
            (_, other) => panic!("{renamed} {policy}: {:?}", other.map(|link| link.found())),
        }
    }
}

#[tokio::test]
async fn a_server_that_is_let_evict_bans_while_it_runs_is_down_until_it_may_not() {
    let server = Server::start().await;
    let link = Link::connect(&single(&server.url())).await.unwrap();
    let mut config = single(&server.url());
    config.accept_eviction = true;
    let direct = Link::connect(&config).await.unwrap();
    let allow = async |policy: &str| {
        let set = command(&["CONFIG", "SET", "maxmemory-policy", policy]);
        direct.query(set).await.unwrap();
    };
    allow("allkeys-lfu").await;
    let why = goes_down(&link).await;
    assert!(why.contains("allkeys-lfu"), "{why}");
    allow("volatile-lfu").await;
    until("it is up", async || link.health() == Health::Up).await;
    assert_eq!(direct.health(), Health::Up);
}
