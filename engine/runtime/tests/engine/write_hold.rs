//! What is loaded within a write hold is answered and not stored, as a replica may have answered it.

use std::sync::Arc;

use larder::core::dependency::Mode;
use larder::core::{Admission, NotStored, Outcome, Strategy, Target};
use larder::store::queue::Queue;
use larder::{BuildError, Engine, QueueTuning, Request, Value};

use crate::ground::Ground;
use crate::kit::{
    Aim, Call, Native, Parts, Rig, STORED, Shelf, Shelter, join, policy, quiet, some, text,
};

races! {
    a_write_on_one_node_keeps_fills_out_on_all,
}

const HOLD: u64 = 300;
const HELD: Option<NotStored> = Some(NotStored::WriteHold);

/// Writes make the list stale, which carries its tag; each read asks for its strategy.
fn parts(strategy: Strategy) -> Parts {
    let mut parts = Parts::new(listing(strategy));
    parts.write_hold = HOLD;
    parts
}

fn listing(strategy: Strategy) -> Native {
    policy(strategy, |request, decision| {
        decision.freshness.negative_ttl_ms = 1_000;
        decision.invalidates = vec![Target::Tag("list".into())];
        if request.id == "list" {
            decision.tags = vec!["list".into()];
        }
    })
}

fn build(strategy: Strategy) -> Rig {
    parts(strategy).build()
}

/// Why what a read of `id` loaded was not stored.
async fn held(rig: &Rig, id: &str) -> Option<NotStored> {
    let reading = rig.read(id).await;
    assert_eq!(reading.outcome, Outcome::Miss, "{id}");
    reading.not_stored
}

/// A replica answers the old value to a read after a write; it is answered and not kept.
#[tokio::test(start_paused = true)]
async fn reads_after_a_write_are_answered_and_not_stored_until_the_hold_is_over() {
    for strategy in [
        Strategy::ReadThrough,
        Strategy::CacheAside,
        Strategy::Bypass,
    ] {
        let rig = Parts {
            policy: policy(Strategy::ReadThrough, move |request, decision| {
                if request.operation != larder::core::Operation::Read {
                    decision.strategy = strategy;
                }
            }),
            ..parts(Strategy::ReadThrough)
        }
        .build();
        rig.write("42", "new").await;
        rig.shop.set("42", "old");
        rig.clock.advance(HOLD - 1);
        let reading = rig.read("42").await;
        assert_eq!(
            (reading.outcome, text(&reading.value)),
            (Outcome::Miss, some("old"))
        );
        assert_eq!(
            (reading.not_stored, reading.ttl_ms),
            (HELD, None),
            "{strategy:?}"
        );
        rig.shop.set("42", "new");
        rig.clock.advance(1);
        assert_eq!(held(&rig, "42").await, STORED, "{strategy:?}");
        assert_eq!(rig.look("42").await, (Outcome::Hit, some("new")));
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_origin_says_to_a_write_is_stored_at_once_and_lists_that_show_it_are_not() {
    let rig = build(Strategy::WriteThrough);
    rig.shop.set("list", "[old]");
    rig.read("list").await;
    assert_eq!(rig.look("list").await.0, Outcome::Hit);
    assert_eq!(rig.write("42", "new").await.not_stored, STORED);
    assert_eq!(rig.look("42").await, (Outcome::Hit, some("new")));
    assert_eq!(held(&rig, "list").await, HELD);
    assert_eq!(held(&rig, "7").await, STORED, "another row");
    rig.try_delete("42").await.expect("is deleted");
    assert_eq!(rig.look("42").await, (Outcome::NegativeHit, None));
    rig.clock.advance(HOLD);
    assert_eq!(held(&rig, "list").await, STORED);
}

#[tokio::test(start_paused = true)]
async fn a_slow_load_that_began_within_the_hold_is_not_stored_when_that_is_over() {
    let rig = build(Strategy::WriteThrough);
    rig.write("42", "new").await;
    rig.invalidate(Aim::Key, Mode::Purge).await;
    rig.clock.advance(HOLD - 1);
    let (reader, gate) = rig.stopped_read("42").await;
    rig.clock.advance(2_500);
    gate.open();
    assert_eq!(join(reader).await.not_stored, HELD);
    let (reader, gate) = rig.stopped_read("42").await;
    rig.clock.advance(2_500);
    gate.open();
    assert_eq!(join(reader).await.not_stored, STORED);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_outlasts_the_memory_of_writes_is_not_stored() {
    let rig = build(Strategy::ReadThrough);
    let (reader, gate) = rig.stopped_read("42").await;
    rig.clock.advance(3_600_000);
    gate.open();
    assert_eq!(join(reader).await.not_stored, HELD);
}

#[tokio::test(start_paused = true)]
async fn every_invalidation_holds_whoever_tells_of_the_write() {
    for mode in [Mode::Purge, Mode::Expire] {
        for aim in Aim::ALL {
            let rig = Parts {
                policy: policy(Strategy::ReadThrough, |_, _| ()),
                ..parts(Strategy::ReadThrough)
            }
            .build();
            rig.shop.set("42", "one");
            let neighbour = rig.neighbour();
            let told = rig.engine.invalidate(&aim.invalidation(mode)).await;
            told.expect("is invalidated");
            assert_eq!(held(&rig, "42").await, HELD, "{aim:?}");
            let other = neighbour.read(Request::read("product", "42")).await;
            let other = other.expect("is read");
            assert_eq!(other.not_stored, STORED, "its origin has no hold");
            rig.invalidate(aim, mode).await;
            rig.clock.advance(HOLD);
            assert_eq!(rig.read("42").await.not_stored, STORED, "{aim:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_only_the_admission_names_holds_too() {
    let rig = Parts {
        policy: listing(Strategy::ReadThrough).admit(|decision, _| {
            let mut admission = Admission::as_decided(decision);
            admission.tags = vec!["list".into()];
            Ok(admission)
        }),
        ..parts(Strategy::ReadThrough)
    }
    .build();
    rig.clock.advance(10_000);
    rig.read("7").await;
    rig.clock.advance(10_000);
    rig.write("42", "new").await;
    assert_eq!(rig.read("8").await.not_stored, Some(NotStored::Voided));
    // Clocks may differ by a second, which is longer than this hold.
    rig.clock.advance(1_001);
    assert_eq!(rig.read("8").await.not_stored, STORED);
    let mut longer = parts(Strategy::ReadThrough);
    longer.policy = listing(Strategy::ReadThrough).late_tag("list");
    longer.write_hold = 5_000;
    let rig = longer.build();
    rig.write("42", "new").await;
    rig.clock.advance(4_999);
    assert_eq!(rig.read("8").await.not_stored, HELD);
    rig.clock.advance(1);
    assert_eq!(rig.read("8").await.not_stored, STORED);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_within_the_hold_leaves_the_stale_value_to_its_windows() {
    let rig = Parts {
        policy: policy(Strategy::ReadThrough, |_, decision| {
            decision.freshness.stale_while_revalidate_ms = 10_000;
        }),
        ..parts(Strategy::ReadThrough)
    }
    .build();
    rig.shop.set("42", "one");
    rig.read("42").await;
    rig.clock.advance(1);
    rig.invalidate(Aim::Tag, Mode::Expire).await;
    for _ in 0..2 {
        assert_eq!(rig.look("42").await, (Outcome::Stale, some("one")));
        quiet().await;
    }
    rig.clock.advance(HOLD);
    rig.shop.set("42", "two");
    rig.read("42").await;
    quiet().await;
    assert_eq!(rig.look("42").await, (Outcome::Hit, some("two")));
}

#[tokio::test(start_paused = true)]
async fn a_queued_write_holds_from_its_flush_on() {
    let queue = Arc::new(Shelter::default());
    let mut parts = parts(Strategy::WriteBehind);
    parts.queue = Some((Arc::clone(&queue) as Arc<dyn Queue>, QueueTuning::default()));
    let rig = parts.build();
    let gate = rig.shop.stop(Call::Write);
    let written = rig.write("42", "new").await;
    assert_eq!(written.not_stored, STORED);
    assert_eq!(
        held(&rig, "list").await,
        STORED,
        "the origin has seen nothing yet"
    );
    gate.reached().await;
    rig.clock.advance(10_000);
    gate.open();
    for _ in 0..1_000 {
        if queue.depth().await.expect("is known").waiting == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    rig.invalidate(Aim::Key, Mode::Purge).await;
    assert_eq!(held(&rig, "42").await, HELD);
    assert_eq!(held(&rig, "list").await, HELD);
    rig.clock.advance(HOLD);
    assert_eq!(held(&rig, "42").await, STORED);
    assert_eq!(held(&rig, "list").await, STORED);
}

#[tokio::test(start_paused = true)]
async fn an_application_that_loads_by_itself_can_have_a_hold_for_its_policy() {
    let mut parts = parts(Strategy::CacheAside);
    parts.origin = false;
    let rig = parts.build();
    let written = rig
        .engine
        .write(Request::write("product", "42"), Value::new("new"));
    written.await.expect("is invalidated");
    for (wait, expected) in [(0, HELD), (HOLD, STORED)] {
        rig.clock.advance(wait);
        let lease = rig.read("42").await.lease.expect("nobody else has it");
        let filled = rig.engine.fill(lease, Some(Value::new("x")), &[]).await;
        assert_eq!(filled.expect("is answered").not_stored, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_hold_the_store_is_asked_and_told_nothing() {
    let mut parts = parts(Strategy::WriteThrough);
    parts.write_hold = 0;
    let rig = parts.build();
    let noted = rig.store.stop(crate::kit::When::Before("note_written"));
    let asked = rig.store.stop(crate::kit::When::Before("written_ago"));
    rig.write("42", "new").await;
    rig.invalidate(Aim::Tag, Mode::Purge).await;
    assert_eq!(held(&rig, "list").await, STORED);
    assert_eq!(held(&rig, "42").await, STORED);
    drop((noted, asked));
}

#[test]
fn a_hold_of_nothing_is_refused() {
    let store = larder::store::MemoryStore::new(larder::store::MemoryConfig::default());
    let built = Engine::builder(Arc::new(Shelf::default()), Arc::new(store))
        .write_hold("shopp", 300)
        .build();
    let error = built.err().expect("nothing bears that name");
    assert!(matches!(&error, BuildError::WriteHold { origin, .. } if origin == "shopp"));
    assert!(
        error
            .to_string()
            .contains("write hold of the origin `shopp`"),
        "{error}"
    );
}

/// A shared store counts by a clock of its own, so the hold is longer here than any test.
async fn a_write_on_one_node_keeps_fills_out_on_all(on: Ground) {
    let [writer, reader] = on
        .pair(|| {
            let mut parts = parts(Strategy::WriteThrough);
            parts.write_hold = 3_600_000;
            parts
        })
        .await;
    for id in ["42", "7", "list"] {
        reader.shop.set(id, "old");
    }
    assert_eq!(held(&reader, "list").await, STORED);
    writer.write("42", "new").await;
    assert_eq!(held(&reader, "list").await, HELD);
    writer.invalidate(Aim::Key, Mode::Purge).await;
    assert_eq!(held(&reader, "42").await, HELD);
    assert_eq!(held(&reader, "7").await, STORED, "another row");
    writer.invalidate(Aim::Pattern, Mode::Purge).await;
    assert_eq!(
        held(&reader, "8").await,
        HELD,
        "in the namespace of a pattern"
    );
}
