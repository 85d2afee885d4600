//! Changes that overtake answers, and changes that nobody hears of.

use tokio::time::advance;

use super::*;
use crate::tiered::change::Change;

/// What another node does between a read and its answer.
#[derive(Clone, Copy, Debug)]
enum Meanwhile {
    Invalidates,
    Bumps,
    Bans,
    /// Invalidates while the link is down, so that nobody hears of it.
    Unheard,
}

impl Meanwhile {
    async fn goes(self, far: &Far, key: &Key, here: &Near) {
        let name = match self {
            Self::Invalidates => {
                let there = far.memory.invalidate(key, Mode::Purge, NOW).await;
                assert_eq!(there, Ok(true));
                format!("larder:e:{{{key}}}")
            }
            Self::Bumps => {
                far.memory
                    .bump(&[tag()], Mode::Purge, NOW)
                    .await
                    .expect("answers");
                format!("larder:v:{{{}}}", tag())
            }
            Self::Bans => {
                far.memory
                    .ban(&pattern(), Mode::Purge, NOW)
                    .await
                    .expect("answers");
                "larder:b:{bans}".to_owned()
            }
            Self::Unheard => {
                here.lose("cut");
                let there = far.memory.invalidate(key, Mode::Purge, NOW).await;
                assert_eq!(there, Ok(true));
                here.follow(Instant::now(), FOR_EVER);
                return;
            }
        };
        Change::of("larder", name.as_bytes()).tell(here);
    }
}

/// A value that was read before, and whose answer arrives after, is not kept; and one that was
/// kept before is not served after.
async fn is_never_kept(what: Meanwhile) {
    for answered_before in [false, true] {
        let (far, key) = (Far::new(), key("k"));
        let node = Arc::new(Node::over(&far));
        load(&*far, &key, "old").await;
        let gate = far.stop_read();
        let reading = tokio::spawn({
            let (node, key) = (Arc::clone(&node), key.clone());
            async move { node.text(&key).await }
        });
        gate.reached().await;
        if answered_before {
            gate.open();
            assert_eq!(reading.await.expect("ends").as_deref(), Some("old"));
            assert_eq!(node.store.summary().entries, 1, "it is kept");
            what.goes(&far, &key, &node.near).await;
        } else {
            what.goes(&far, &key, &node.near).await;
            gate.open();
            assert_eq!(reading.await.expect("ends").as_deref(), Some("old"));
        }
        assert_eq!(node.text(&key).await, None, "{what:?} {answered_before}");
        load(&*far, &key, "new").await;
        assert_eq!(node.text(&key).await.as_deref(), Some("new"));
    }
}

#[tokio::test]
async fn a_value_read_before_an_invalidation_is_never_kept_after_it() {
    is_never_kept(Meanwhile::Invalidates).await;
}

#[tokio::test]
async fn a_value_read_before_a_bump_is_never_kept_after_it() {
    is_never_kept(Meanwhile::Bumps).await;
}

#[tokio::test]
async fn a_value_read_before_a_ban_is_never_kept_after_it() {
    is_never_kept(Meanwhile::Bans).await;
}

#[tokio::test]
async fn a_value_read_before_the_link_was_lost_is_never_kept_after_it() {
    is_never_kept(Meanwhile::Unheard).await;
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_not_served_past_the_bound_though_nobody_says_that_the_link_is_cut() {
    let (far, key) = (Far::new(), key("k"));
    let node = Node::sure_for(&far, BOUND);
    load(&*far, &key, "old").await;
    assert_eq!(node.text(&key).await.as_deref(), Some("old"));
    let gone = far.memory.invalidate(&key, Mode::Purge, NOW).await;
    assert_eq!(gone, Ok(true));
    advance(BOUND - Duration::from_millis(1)).await;
    assert_eq!(node.text(&key).await.as_deref(), Some("old"), "a copy");
    advance(Duration::from_millis(1)).await;
    assert_eq!(node.text(&key).await, None);
    load(&*far, &key, "new").await;
    assert_eq!(node.text(&key).await.as_deref(), Some("new"));
    assert_eq!(node.store.summary().entries, 0, "nothing is kept meanwhile");
    assert!(node.near.lost().is_some());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_under_way_for_long_proves_nothing() {
    let far = Far::new();
    let node = Node::sure_for(&far, BOUND);
    let asked = Instant::now();
    advance(BOUND).await;
    node.near.sign(asked, BOUND);
    assert!(node.near.lost().is_some());
    node.near.sign(Instant::now(), BOUND);
    assert!(node.near.lost().is_none());
}

#[tokio::test(start_paused = true)]
async fn copies_outlast_a_silence_that_ends_on_the_same_link() {
    let (far, key) = (Far::new(), key("k"));
    let node = Node::sure_for(&far, BOUND);
    load(&*far, &key, "v").await;
    node.text(&key).await;
    advance(BOUND).await;
    node.near.sign(Instant::now(), BOUND);
    let asked = far.asked();
    assert_eq!(node.text(&key).await.as_deref(), Some("v"));
    assert_eq!(far.asked(), asked);
}

#[tokio::test]
async fn pushes_and_the_loss_of_the_link_wake_those_who_wait() {
    let (far, key) = (Far::new(), key("k"));
    let node = Node::over(&far);
    for event in 0..3 {
        let waiting = node.store.changed(&key);
        match event {
            0 => Change::of("p", b"p:e:{t:n:k}").tell(&node.near),
            1 => Change::of("p", b"p:l:{t:n:k}").tell(&node.near),
            _ => node.near.lose("cut"),
        }
        let limit = Duration::from_secs(5);
        let woken = tokio::time::timeout(limit, waiting).await;
        assert!(woken.is_ok(), "event {event}");
    }
}
