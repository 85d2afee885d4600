//! The island: what happens while the shared store is away.

use tokio::time::advance;

use super::*;
use crate::store::Health;
use crate::tiered::island::BOUND_MS;

fn nodes() -> (Arc<Far>, Node, Key) {
    let far = Far::new();
    let node = Node::over(&far);
    (far, node, key("k"))
}

#[tokio::test]
async fn loads_are_kept_for_a_short_while() {
    let (far, node, key) = nodes();
    far.break_down(true);
    assert_eq!(node.text(&key).await, None);
    assert!(matches!(node.store.health(), Health::Down { .. }));
    assert_eq!(load(&node.store, &key, "v").await, Filled::Stored);
    for (after, there) in [(0, true), (BOUND_MS - 1, true), (BOUND_MS, false)] {
        let found = text(&node.store, &key, NOW.plus(after)).await;
        assert_eq!(found.is_some(), there, "after {after} ms");
    }
}

#[tokio::test]
async fn what_is_kept_does_not_outlive_its_bound_where_the_clock_is_set_back() {
    let (far, node, key) = nodes();
    far.break_down(true);
    assert_eq!(load(&node.store, &key, "v").await, Filled::Stored);
    let apart = Timestamp(NOW.0 - 500);
    assert!(
        text(&node.store, &key, apart).await.is_some(),
        "a late look"
    );
    let back = Timestamp(NOW.0 - 3_600_000);
    assert_eq!(text(&node.store, &key, back).await, None);
    assert_eq!(node.text(&key).await, None, "nor when it is set again");
    assert_eq!(load(&node.store, &key, "w").await, Filled::Stored);
    assert_eq!(node.text(&key).await.as_deref(), Some("w"));
}

#[tokio::test]
async fn the_bound_counts_from_the_beginning_of_the_load() {
    let (far, node, key) = nodes();
    far.break_down(true);
    for (load_ms, filled) in [
        (BOUND_MS as u32, Filled::Voided),
        (BOUND_MS as u32 - 1, Filled::Stored),
    ] {
        let token = token(&node.store, &key).await;
        let mut slow = entry(&key, "v", Vec::new(), NOW);
        slow.load_ms = load_ms;
        let answer = node.store.fill(&key, token, slow, NOW).await;
        assert_eq!(answer, Ok(filled), "{load_ms} ms");
    }
    assert!(text(&node.store, &key, NOW).await.is_some());
    assert_eq!(text(&node.store, &key, NOW.plus(1)).await, None);
}

#[tokio::test(start_paused = true)]
async fn one_call_in_a_while_tries_whether_the_store_is_back() {
    let (far, node, key) = nodes();
    far.break_down(true);
    node.text(&key).await;
    let asked = far.asked();
    for _ in 0..100 {
        node.text(&key).await;
    }
    assert_eq!(far.asked(), asked, "the others do not wait for it");
    advance(Duration::from_millis(100)).await;
    for _ in 0..100 {
        node.text(&key).await;
    }
    assert_eq!(far.asked(), asked + 1);
}

#[tokio::test(start_paused = true)]
async fn an_island_is_dropped_when_the_store_answers_again() {
    let (far, node, key) = nodes();
    load(&*far, &key, "shared").await;
    far.break_down(true);
    load(&node.store, &key, "island").await;
    assert_eq!(node.text(&key).await.as_deref(), Some("island"));
    let late = token(&node.store, &key).await;
    far.break_down(false);
    advance(Duration::from_millis(100)).await;
    assert_eq!(node.text(&key).await.as_deref(), Some("shared"));
    assert_eq!(node.store.health(), Health::Up);
    let filled = node
        .store
        .fill(&key, late, entry(&key, "late", Vec::new(), NOW), NOW);
    assert_eq!(filled.await, Ok(Filled::Voided));
    assert_eq!(node.store.holds(&key, late, &[], NOW).await, Ok(false));
    far.break_down(true);
    node.store
        .invalidate(&key, Mode::Purge, NOW)
        .await
        .expect_err("is away");
    assert_eq!(node.text(&key).await, None, "the next island is another");
}

/// Balancers ask for health and send nobody to an engine that is down.
#[tokio::test(start_paused = true)]
async fn an_engine_that_nobody_asks_is_well_again_when_the_store_is() {
    let (far, node, key) = nodes();
    far.break_down(true);
    node.text(&key).await;
    far.break_down(false);
    assert!(matches!(node.store.health(), Health::Down { .. }));
    advance(Duration::from_millis(BOUND_MS + 100)).await;
    assert_eq!(node.store.health(), Health::Up);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_goes_on_failing_stays_down() {
    let (far, node, key) = nodes();
    far.break_down(true);
    for _ in 0..50 {
        node.text(&key).await;
        assert!(matches!(node.store.health(), Health::Down { .. }));
        advance(Duration::from_millis(200)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_began_on_one_side_does_not_fill_the_other() {
    for begins_on_island in [false, true] {
        let (far, node, key) = nodes();
        far.break_down(begins_on_island);
        let versions = node.store.versions(&[tag()]).await.expect("answers");
        let under = vec![(tag(), versions[0])];
        far.break_down(!begins_on_island);
        advance(Duration::from_millis(100)).await;
        let token = token(&node.store, &key).await;
        let holds = node.store.holds(&key, token, &under, NOW).await;
        assert_eq!(holds, Ok(false), "{begins_on_island}");
        let mixed = entry(&key, "mixed", under, NOW);
        let filled = node.store.fill(&key, token, mixed, NOW).await;
        assert_eq!(filled, Ok(Filled::Voided), "{begins_on_island}");
        assert_eq!(node.text(&key).await, None);
    }
}

#[tokio::test]
async fn invalidations_fail_and_hold_here_all_the_same() {
    for way in 0..4 {
        let (far, node, key) = nodes();
        load(&node.store, &key, "copy").await;
        assert_eq!(node.text(&key).await.as_deref(), Some("copy"));
        far.break_down(true);
        for _ in 0..2 {
            let error = match way {
                0 => node.store.invalidate(&key, Mode::Purge, NOW).await.err(),
                1 => node.store.bump(&[tag()], Mode::Purge, NOW).await.err(),
                2 => node.store.ban(&pattern(), Mode::Purge, NOW).await.err(),
                _ => node.store.begin_write(&key, 500, NOW).await.err(),
            };
            assert!(matches!(error, Some(StoreError::Unavailable(_))), "{way}");
            assert_eq!(node.text(&key).await, None, "{way}");
            let filled = load(&node.store, &key, "island").await;
            assert_eq!(filled, Filled::Stored, "{way}");
        }
    }
}

#[tokio::test]
async fn an_invalidation_voids_a_load_of_the_island() {
    let (far, node, key) = nodes();
    far.break_down(true);
    let token = token(&node.store, &key).await;
    let waiting = node.store.changed(&key);
    node.store
        .invalidate(&key, Mode::Purge, NOW)
        .await
        .expect_err("is away");
    waiting.await;
    let filled = node
        .store
        .fill(&key, token, entry(&key, "v", Vec::new(), NOW), NOW);
    assert_eq!(filled.await, Ok(Filled::Voided));
}

#[tokio::test]
async fn copies_are_served_through_an_outage_while_changes_are_heard_of() {
    let (far, node, key) = nodes();
    load(&node.store, &key, "v").await;
    node.text(&key).await;
    far.break_down(true);
    assert_eq!(node.text(&key).await.as_deref(), Some("v"));
    node.near.lose("cut");
    assert_eq!(node.text(&key).await, None);
}
