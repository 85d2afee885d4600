//! What a tiered store promises beside the contract.

pub(super) mod far;
mod outage;
pub(super) mod over_redis;
pub(super) mod pair;
mod proxy;
mod races;

use std::sync::Arc;
use std::time::Duration;

use larder_core::dependency::Mode;
use larder_core::{Dependency, Key, Pattern, Placement, Timestamp, Value};
use tokio::time::Instant;

use self::far::Far;
use super::TieredStore;
use super::near::Near;
use crate::contract::subject::{NOW, entry, key};
use crate::store::{Expected, Filled, LeaseRequest, Leased, Store, StoreError, Token};

const BOUND: Duration = Duration::from_millis(1_500);
const FOR_EVER: Duration = Duration::from_secs(1 << 30);

/// One engine's store over what others share.
pub(super) struct Node {
    pub(super) store: TieredStore,
    near: Arc<Near>,
}

impl Node {
    /// A node that is sure to hear of every change for `bound`.
    fn sure_for(far: &Arc<Far>, bound: Duration) -> Self {
        let near = Arc::new(Near::new(8 << 20));
        near.follow(Instant::now(), bound);
        let far = Arc::clone(far);
        Self {
            store: TieredStore::over(far, Arc::clone(&near), None),
            near,
        }
    }

    pub(super) fn over(far: &Arc<Far>) -> Self {
        Self::sure_for(far, FOR_EVER)
    }

    async fn text(&self, key: &Key) -> Option<String> {
        text(&self.store, key, NOW).await
    }
}

async fn text(store: &dyn Store, key: &Key, now: Timestamp) -> Option<String> {
    let found = store
        .get(key, Expected::NOTHING, now)
        .await
        .expect("answers")?;
    let value: &Value = found.entry.value.as_ref()?;
    Some(String::from_utf8_lossy(&value.bytes).into_owned())
}

fn wish(key: &Key) -> LeaseRequest<'_> {
    LeaseRequest {
        key,
        ttl_ms: 10_000,
        share: false,
        seen: Some(NOW),
        now: NOW,
    }
}

async fn token(store: &dyn Store, key: &Key) -> Token {
    match store.lease(wish(key)).await.expect("answers") {
        Leased::Granted(token) => token,
        other => panic!("no lease was granted: {other:?}"),
    }
}

fn tag() -> Dependency {
    Dependency::tag("t", "a")
}

fn pattern() -> Pattern {
    Pattern::new("t", "n", "k*").expect("a pattern")
}

/// A whole load through `store`, stored.
async fn load(store: &dyn Store, key: &Key, value: &str) -> Filled {
    let token = token(store, key).await;
    let versions = store.versions(&[tag()]).await.expect("answers");
    let under = vec![(tag(), versions[0])];
    let mut entry = entry(key, value, under, NOW);
    entry.load_ms = 0;
    store.fill(key, token, entry, NOW).await.expect("answers")
}

#[tokio::test]
async fn a_copy_is_served_without_asking() {
    let (far, key) = (Far::new(), key("k"));
    let node = Node::over(&far);
    load(&node.store, &key, "v").await;
    assert_eq!(node.text(&key).await.as_deref(), Some("v"));
    let asked = far.asked();
    assert_eq!(node.text(&key).await.as_deref(), Some("v"));
    assert_eq!(far.asked(), asked);
    assert_eq!(node.store.summary().entries, 1);
}

#[tokio::test]
async fn what_is_placed_in_the_shared_tier_alone_has_no_copy() {
    let (far, key) = (Far::new(), key("k"));
    let node = Node::over(&far);
    let token = token(&node.store, &key).await;
    let mut shared = entry(&key, "v", Vec::new(), NOW);
    shared.placement = Placement::SharedOnly;
    let filled = node.store.fill(&key, token, shared, NOW).await;
    assert_eq!(filled, Ok(Filled::Stored));
    assert_eq!(node.text(&key).await.as_deref(), Some("v"));
    assert_eq!(node.store.summary().entries, 0);
}

#[tokio::test]
async fn what_is_placed_in_memory_alone_is_refused_and_its_lease_given_up() {
    let (far, key) = (Far::new(), key("k"));
    let node = Node::over(&far);
    let first = token(&node.store, &key).await;
    let mut own = entry(&key, "v", Vec::new(), NOW);
    own.placement = Placement::MemoryOnly;
    let filled = node.store.fill(&key, first, own, NOW).await;
    assert!(matches!(filled, Err(StoreError::Refused(_))), "{filled:?}");
    assert_eq!(text(&*far, &key, NOW).await, None);
    token(&node.store, &key).await;
}

#[tokio::test]
async fn an_entry_in_use_here_does_not_idle_away_there() {
    let (far, key) = (Far::new(), key("k"));
    let node = Node::over(&far);
    let token = token(&node.store, &key).await;
    let mut idles = entry(&key, "v", Vec::new(), NOW);
    idles.time_to_idle_ms = 100;
    node.store
        .fill(&key, token, idles, NOW)
        .await
        .expect("answers");
    let mut asked = Vec::new();
    for after in 0..300 {
        let before = far.asked();
        let found = text(&node.store, &key, NOW.plus(after)).await;
        assert!(found.is_some(), "after {after} ms");
        if far.asked() > before {
            asked.push(after);
        }
    }
    assert_eq!(asked.len(), 300_usize.div_ceil(13), "{asked:?}");
    assert!(text(&*far, &key, NOW.plus(299 + 80)).await.is_some());
}

#[tokio::test]
async fn an_own_write_is_seen_at_once() {
    let (far, key) = (Far::new(), key("k"));
    let node = Node::over(&far);
    for (n, old) in ["v0", "v1", "v2"].into_iter().enumerate() {
        assert_eq!(load(&node.store, &key, old).await, Filled::Stored);
        assert_eq!(node.text(&key).await.as_deref(), Some(old));
        match n {
            0 => {
                let gone = node.store.invalidate(&key, Mode::Purge, NOW).await;
                assert_eq!(gone, Ok(true));
            }
            1 => {
                let write = node
                    .store
                    .begin_write(&key, 500, NOW)
                    .await
                    .expect("answers");
                assert_eq!(node.text(&key).await, None);
                node.store.release(&key, write).await.expect("answers");
            }
            _ => {
                node.store
                    .bump(&[tag()], Mode::Purge, NOW)
                    .await
                    .expect("answers");
            }
        }
        assert_eq!(node.text(&key).await, None, "{old}");
    }
    load(&node.store, &key, "old").await;
    assert_eq!(node.text(&key).await.as_deref(), Some("old"));
    load(&node.store, &key, "new").await;
    assert_eq!(node.text(&key).await.as_deref(), Some("new"));
    node.store
        .ban(&pattern(), Mode::Purge, NOW)
        .await
        .expect("answers");
    assert_eq!(node.text(&key).await, None);
}

#[tokio::test]
async fn an_expired_entry_is_told_by_the_shared_store() {
    let (far, key) = (Far::new(), key("k"));
    let node = Node::over(&far);
    load(&node.store, &key, "v").await;
    node.text(&key).await;
    node.store
        .bump(&[tag()], Mode::Expire, NOW)
        .await
        .expect("answers");
    for _ in 0..2 {
        let found = node.store.get(&key, Expected::NOTHING, NOW).await;
        let windows = found.expect("answers").expect("has stale windows").windows;
        assert_eq!(windows.fresh_until, NOW);
    }
    assert_eq!(node.store.summary().entries, 0);
}

#[tokio::test]
async fn a_sweep_drops_copies_that_are_of_no_more_use() {
    let (far, key) = (Far::new(), key("k"));
    let node = Node::over(&far);
    load(&node.store, &key, "v").await;
    node.text(&key).await;
    node.store.sweep(NOW);
    assert_eq!(node.store.summary().entries, 1);
    node.near.dependency_changed(tag().as_str());
    node.store.sweep(NOW);
    assert_eq!(node.store.summary().entries, 0);
}
