//! What the README of `session` says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use larder::core::Outcome;
use larder::store::{MemoryConfig, MemoryStore, Store, TieredConfig, TieredStore};
use larder::wasm::{Host, HostConfig, PolicyConfig};
use larder::{Engine, Invalidation, KeyRing, Request, Route, Value};
use tempfile::TempDir;

use super::every_claim_is_tried;
use crate::clock::StoppedClock;
use crate::guests::shipped;
use crate::race::redis;
use crate::running::patient;

const README: &str = include_str!("../../../policies/session/README.md");
const HERE: &str = include_str!("session.rs");
const THERE: &str = include_str!("../../../policies/session/src/lib.rs");

#[test]
fn every_claim_has_a_test() {
    let keys = "keys_and_tags_name_tenant_user_and_session";
    let ends = "a_session_ends_when_idle_and_is_never_stale";
    let real = "a_session_ends_when_nobody_reads_it_and_after_its_longest_time";
    every_claim_is_tried(
        README,
        &[HERE, THERE],
        &[
            ("For sessions: encrypted", keys),
            ("The key is", keys),
            ("Without it the id stands", keys),
            (
                "Each entry has the tags",
                "a_logout_that_names_no_user_ends_the_session_too",
            ),
            (
                "To end all sessions of a user",
                "all_sessions_of_a_user_end_and_nobody_elses",
            ),
            ("| `strategy`", ends),
            ("| `idle`", real),
            ("| `absolute`", real),
            (
                "| `placement`",
                "a_session_ended_on_one_node_has_ended_on_all_over_redis",
            ),
            ("There is no jitter", ends),
            ("`absolute` bounds", real),
            ("A write stores it anew", ends),
        ],
    );
}

/// A node, and how many sessions it had to load.
struct Node {
    engine: Engine,
    clock: Arc<StoppedClock>,
    loads: Arc<AtomicU32>,
    _dir: TempDir,
}

impl Node {
    fn over(store: Arc<dyn Store>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("session.wasm"), shipped("session")).unwrap();
        let host = Host::start(HostConfig {
            policies: vec![PolicyConfig {
                limits: patient(),
                ..PolicyConfig::new("session")
            }],
            watch: false,
            ..HostConfig::new(dir.path())
        });
        let clock = Arc::new(StoppedClock::new());
        let key = std::array::from_fn(|at| u8::try_from(at * 37 % 251).unwrap());
        let engine = Engine::builder(host.unwrap(), store)
            .clock(clock.clone())
            .key_ring(KeyRing::new("a", [("a", key)]).unwrap())
            .route(Route::new("session", "session"))
            .build()
            .unwrap();
        Self {
            engine,
            clock,
            loads: Arc::default(),
            _dir: dir,
        }
    }

    fn in_memory() -> Self {
        Self::over(Arc::new(MemoryStore::new(MemoryConfig::default())))
    }

    /// Reads, and answers whether it was there.
    async fn has(&self, tenant: &str, user: &str, id: &str) -> bool {
        let request = Request::read("session", id).tenant(tenant);
        let request = request.with("context.user", user);
        let loads = Arc::clone(&self.loads);
        let load = move || async move {
            loads.fetch_add(1, Ordering::SeqCst);
            Ok::<_, String>(Some(Value::new("a session")))
        };
        let reading = self.engine.get_or_load(request, load).await.unwrap();
        assert_eq!(reading.not_stored, None);
        reading.outcome == Outcome::Hit
    }

    async fn end(&self, tenant: &str, tag: &str) {
        let what = Invalidation {
            tenant: tenant.into(),
            tags: vec![tag.into()],
            ..Invalidation::default()
        };
        self.engine.invalidate(&what).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_sessions_of_a_user_end_and_nobody_elses() {
    let all = [
        ("acme", "ann", "s1"),
        ("acme", "ann", "s2"),
        ("acme", "bob", "s3"),
        ("acme", "ann:s1", "s4"),
        ("acme", "50%", "s5"),
        ("", "ann", "s1"),
        ("other", "ann", "s1"),
    ];
    for (tag, ended) in [
        ("user:ann", &[0_usize, 1] as &[usize]),
        ("user:ann%3As1", &[3]),
        ("user:50%25", &[4]),
        ("session:s1", &[0]),
    ] {
        let node = Node::in_memory();
        for (tenant, user, id) in all {
            assert!(!node.has(tenant, user, id).await);
            assert!(node.has(tenant, user, id).await);
        }
        node.end("acme", tag).await;
        for (at, (tenant, user, id)) in all.into_iter().enumerate() {
            let there = node.has(tenant, user, id).await;
            assert_eq!(there, !ended.contains(&at), "{tag}: {tenant} {user} {id}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_when_nobody_reads_it_and_after_its_longest_time() {
    const MINUTE: u64 = 60_000;
    let node = Node::in_memory();
    assert!(!node.has("acme", "ann", "s1").await);
    // Read every 20 minutes it lives on, for the eight hours that it may at most.
    for _ in 0..23 {
        node.clock.advance(20 * MINUTE);
        assert!(node.has("acme", "ann", "s1").await);
    }
    node.clock.advance(20 * MINUTE);
    assert!(!node.has("acme", "ann", "s1").await, "eight hours");
    node.clock.advance(29 * MINUTE);
    assert!(node.has("acme", "ann", "s1").await);
    node.clock.advance(31 * MINUTE);
    assert!(!node.has("acme", "ann", "s1").await, "nobody has read it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ended_on_one_node_has_ended_on_all_over_redis() {
    let redis = redis().await;
    let tiered = async || {
        let config = TieredConfig {
            redis: redis.clone(),
            ..TieredConfig::default()
        };
        let store: Arc<dyn Store> = Arc::new(TieredStore::connect(config).await.unwrap());
        Node::over(store)
    };
    let (one, two) = (tiered().await, tiered().await);
    assert!(!one.has("acme", "ann", "s1").await);
    assert!(two.has("acme", "ann", "s1").await);
    one.end("acme", "session:s1").await;
    assert!(
        !two.has("acme", "ann", "s1").await,
        "at once, not when it is heard of"
    );
}
