//! `larder serve` over a real Redis that fails and comes back, or cannot be used at all.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use larder_store::testing::{Server as Redis, free_port};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::client::{Answer, Client};
use crate::guests::shipped;
use crate::program::bad;
use crate::running::eventually;
use crate::service::answer;
use crate::serving::{Serving, client, serve_in};

/// How many calls the origin takes at once, as the configuration has it.
const CAP: usize = 2;

/// An origin whose values are those of the moment, and which counts its callers.
#[derive(Default)]
struct Origin {
    base: String,
    edition: AtomicUsize,
    calls: AtomicUsize,
    inside: AtomicUsize,
    /// The most callers at a time.
    most: AtomicUsize,
}

impl Origin {
    async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = Arc::new(Self {
            base: format!("http://{}", listener.local_addr().unwrap()),
            ..Self::default()
        });
        let serving = origin.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(BufReader::new(stream)));
            }
        });
        origin
    }

    async fn serve(self: Arc<Self>, mut stream: BufReader<TcpStream>) {
        while read_request(&mut stream).await.is_some() {
            self.calls.fetch_add(1, Ordering::SeqCst);
            let callers = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(callers, Ordering::SeqCst);
            // Long enough that callers who are let in together are seen together.
            tokio::time::sleep(Duration::from_millis(10)).await;
            let body = format!("edition {}", self.edition.load(Ordering::SeqCst));
            self.inside.fetch_sub(1, Ordering::SeqCst);
            let whole = answer("200 OK", "", body.as_bytes());
            if stream.write_all(&whole).await.is_err() {
                return;
            }
        }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

/// Reads a request to its end; none when the connection ends.
async fn read_request(stream: &mut BufReader<TcpStream>) -> Option<()> {
    let (mut line, mut length) = (String::new(), 0);
    while line != "\r\n" {
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.to_ascii_lowercase();
        if let Some(text) = line.strip_prefix("content-length:") {
            length = text.trim().parse().ok()?;
        }
    }
    stream.read_exact(&mut vec![0; length]).await.ok()?;
    Some(())
}

/// A configuration over the store of `kind` at `url`.
fn folder(kind: &str, url: &str, origin: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("policies")).unwrap();
    let module = dir.path().join("policies/standard.wasm");
    std::fs::write(module, shipped("standard")).unwrap();
    let config = format!(
        "[store]\ntype = \"{kind}\"\nurl = \"{url}\"\n\
         [[policy]]\nname = \"catalogue\"\nmodule = \"standard\"\n\
         [policy.limits]\ndeadline = \"5s\"\n\
         [[route]]\nresource = \"product\"\npolicy = \"catalogue\"\norigin = \"shop\"\n\
         [origin.shop]\ntype = \"http\"\nbase_url = \"{origin}\"\n\
         [origin.shop.limits]\nconcurrency = {CAP}\nwait = \"10s\"\n"
    );
    std::fs::write(dir.path().join("larder.toml"), config).unwrap();
    dir
}

/// What is asked while Redis fails: both planes of a server.
struct Node {
    data: Client,
    admin: Client,
    _serving: Serving,
}

impl Node {
    async fn start(dir: &Path) -> Self {
        let serving = serve_in(dir).await;
        Self {
            data: client(&serving.data),
            admin: client(&serving.admin),
            _serving: serving,
        }
    }

    async fn read(&self, id: usize) -> Answer {
        let answer = self.data.get(&format!("/v1/entries/product/{id}")).await;
        answer.expect(200);
        answer
    }

    async fn is_hit(&self, id: usize) -> bool {
        self.read(id).await.header("cache-status").contains("; hit")
    }

    /// Reads `count` entries at once, and answers what each says of the cache.
    async fn crowd(&self, count: usize) -> Vec<Answer> {
        let read = |id| {
            let data = self.data.clone();
            tokio::spawn(async move { data.get(&format!("/v1/entries/product/{id}")).await })
        };
        let reads: Vec<_> = (100..100 + count).map(read).collect();
        let mut answers = Vec::new();
        for read in reads {
            answers.push(read.await.unwrap());
        }
        answers
    }

    async fn health(&self) -> Value {
        let status = self.admin.get("/v1/status").await.expect(200).json();
        status["store"]["health"].clone()
    }

    /// The value of an unlabelled metric; 0 where it has not been counted yet.
    async fn metric(&self, name: &str) -> f64 {
        let answer = self.admin.get("/metrics").await;
        let mut lines = answer.expect(200).text().lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }
}

/// Reads on while Redis dies, until the node says that it did; every read is answered.
async fn falls(node: &Node, redis: &mut Redis) {
    redis.kill();
    let mut id = 0;
    // The first calls that fail say so before it is known what is wrong with the address.
    eventually("the store is down, and the reason names it", async || {
        id += 1;
        node.read(id % 20).await;
        let status = node.admin.get("/v1/status").await.expect(200).json();
        let store = &status["store"];
        let why = store["why"].as_str().unwrap_or_default();
        (store["health"] == "down" && why.contains(&redis.address())).then_some(())
    })
    .await;
    let ready = node.admin.get("/health/ready").await;
    let words = "ready, with the store down: ";
    assert!(ready.expect(200).text().starts_with(words), "{ready:?}");
    assert!(node.metric("larder_store_up").await == 0.0);
}

/// Waits until the node says that Redis is back, reading on.
async fn heals(node: &Node, redis: &mut Redis) {
    redis.restart().await;
    eventually("the store is up", async || {
        node.read(1).await;
        (node.health().await == "up").then_some(())
    })
    .await;
    let ready = node.admin.get("/health/ready").await;
    assert_eq!(ready.expect(200).text(), "ready\n");
    assert!(node.metric("larder_store_up").await == 1.0);
}

async fn fails_and_heals(kind: &str) {
    let (mut redis, origin) = (Redis::start().await, Origin::start().await);
    let dir = folder(kind, &redis.url(), &origin.base);
    let node = Node::start(dir.path()).await;
    assert!(!node.is_hit(1).await);
    assert!(node.is_hit(1).await);
    assert_eq!(origin.calls(), 1);

    for round in 1..=2 {
        falls(&node, &mut redis).await;
        origin.edition.store(round, Ordering::SeqCst);
        origin.most.store(0, Ordering::SeqCst);
        let current = format!("edition {round}");
        let asked = origin.calls();
        for answer in node.crowd(40).await {
            answer.expect(200);
            if kind == "redis" {
                let said = answer.header("cache-status");
                assert!(said.contains("fwd=miss; detail=store_"), "{said}");
                assert_eq!(answer.text(), current);
            }
        }
        assert!(origin.calls() > asked, "nothing else has these values");
        let most = origin.most.load(Ordering::SeqCst);
        assert!((1..=CAP).contains(&most), "{most} calls at once");
        // Memory may stand in for a moment, and hears of nothing meanwhile.
        eventually("the value of now", async || {
            (node.read(1).await.text() == current).then_some(())
        })
        .await;
        let purge = json!({"tags": ["product"]});
        let purged = node.data.post_json("/v1/invalidate", &purge).await;
        purged.expect_problem(503, "store_failed", "");

        // The origin has it; that copies may be older is said, not hidden.
        let put = node.data.put("/v1/entries/product/1", "new").await;
        put.expect_problem(500, "not_invalidated", "Repeat");

        heals(&node, &mut redis).await;
        eventually("a hit", async || node.is_hit(1).await.then_some(())).await;
        assert_eq!(node.read(1).await.text(), current);
        let asked = origin.calls();
        node.read(1).await;
        assert_eq!(origin.calls(), asked, "a hit asks nobody");
    }
    if kind == "redis" {
        // Where memory stands in, reads do not fail at the store.
        assert!(node.metric("larder_store_errors_total").await > 0.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_that_fails_costs_hits_and_no_answer() {
    fails_and_heals("redis").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_that_fails_behind_memory_costs_hits_and_no_answer() {
    fails_and_heals("tiered").await;
}

/// Redis comes after the node has served for a while.
async fn comes_late(kind: &str) {
    let (mut redis, origin) = (Redis::start().await, Origin::start().await);
    let dir = folder(kind, &redis.url(), &origin.base);
    redis.kill();
    let node = Node::start(dir.path()).await;
    let status = node.admin.get("/v1/status").await.expect(200).json();
    assert_eq!(status["store"]["health"], "down");
    let why = status["store"]["why"].as_str().unwrap();
    assert!(why.contains("start Redis there"), "{status}");
    let ready = node.admin.get("/health/ready").await;
    let words = "ready, with the store down: ";
    assert!(ready.expect(200).text().starts_with(words), "{ready:?}");
    for answer in node.crowd(20).await {
        assert_eq!(answer.expect(200).text(), "edition 0");
    }
    let most = origin.most.load(Ordering::SeqCst);
    assert!((1..=CAP).contains(&most), "{most} calls at once");
    let purge = json!({"tags": ["product"]});
    let purged = node.data.post_json("/v1/invalidate", &purge).await;
    purged.expect_problem(503, "store_failed", "");

    heals(&node, &mut redis).await;
    eventually("a hit", async || node.is_hit(1).await.then_some(())).await;
    node.data
        .post_json("/v1/invalidate", &purge)
        .await
        .expect(200);
    origin.edition.store(1, Ordering::SeqCst);
    assert_eq!(node.read(1).await.text(), "edition 1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_that_is_not_there_at_the_start_is_waited_for() {
    comes_late("redis").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_that_is_not_there_at_the_start_behind_memory_is_waited_for() {
    comes_late("tiered").await;
}

#[tokio::test]
async fn redis_that_cannot_be_used_ends_the_program_in_words() {
    let locked = Redis::with(&["--requirepass", "sesame"]).await;
    let evicting = Redis::with(&["--maxmemory-policy", "allkeys-lru"]).await;
    let nobody = format!("redis://127.0.0.1:{}", free_port());
    let cases = [
        (locked.url(), 2, "wants a password: put it into the url"),
        (
            format!("redis://:wrong@{}", locked.address()),
            2,
            "the password is wrong",
        ),
        (
            evicting.url(),
            2,
            "run CONFIG SET maxmemory-policy volatile-lru there",
        ),
        (
            format!("redis://{}/99", evicting.address()),
            2,
            "has no database 99",
        ),
        ("http://127.0.0.1".to_owned(), 2, "redis://"),
    ];
    for kind in ["redis", "tiered"] {
        for (url, code, words) in &cases {
            let dir = folder(kind, url, "http://127.0.0.1:1");
            let serve = ["serve", "--config", "larder.toml"];
            bad(dir.path(), &serve, *code, words);
        }
        let dir = folder(kind, &nobody, "http://127.0.0.1:1");
        let path = dir.path().join("larder.toml");
        let queue = "\n[write_behind]\nlevel = \"redis\"\n";
        let config = std::fs::read_to_string(&path).unwrap() + queue;
        std::fs::write(path, config).unwrap();
        let words = "start Redis there, or correct the address";
        bad(dir.path(), &["serve", "--config", "larder.toml"], 4, words);
    }
}
