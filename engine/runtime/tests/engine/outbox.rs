//! Changes behind the engine's back, told by an outbox.

use std::sync::Arc;
use std::time::Duration;

use larder::core::{Outcome, Strategy};
use larder::store::{MemoryConfig, MemoryStore, Store};
use larder::{BuildError, Engine, OutboxTuning, Request};
use tokio::time::Instant;

use crate::ground::Ground;
use crate::kit::{Aim, Call, Hands, Ledger, Native, Parts, Rig, join, policy, quiet, some, text};

const POLL: u64 = 1_000;
const KEEP: u64 = 60_000;
const DAY: u64 = 86_400_000;

const TUNING: OutboxTuning = OutboxTuning {
    poll_ms: POLL,
    keep_ms: KEEP,
};

fn shop_policy() -> Native {
    policy(Strategy::ReadThrough, |_, decision| {
        decision.freshness.ttl_ms = DAY;
        decision.freshness.negative_ttl_ms = DAY;
    })
}

fn parts(ledger: &Arc<Ledger>, tuning: OutboxTuning) -> Parts {
    let mut parts = Parts::new(shop_policy());
    parts.outbox = Some((ledger.clone(), tuning));
    parts
}

struct Scene {
    rig: Rig,
    ledger: Arc<Ledger>,
}

impl Scene {
    /// The product 42 is in the cache as `one`, the product 7 as `seven`.
    async fn new() -> Self {
        let ledger = Arc::new(Ledger::default());
        let memory = Arc::new(MemoryStore::new(MemoryConfig::default()));
        Self::over(memory, ledger).await
    }

    /// One whose engine answers for this resource alone.
    async fn routed(resource: &'static str) -> Self {
        let ledger = Arc::new(Ledger::default());
        let mut parts = parts(&ledger, TUNING);
        parts.resource = resource;
        Self::of(parts.build(), ledger).await
    }

    async fn over(store: Arc<dyn Store>, ledger: Arc<Ledger>) -> Self {
        let rig = parts(&ledger, TUNING).build_over(store, Hands::default());
        Self::of(rig, ledger).await
    }

    async fn of(rig: Rig, ledger: Arc<Ledger>) -> Self {
        rig.shop.set("42", "one");
        rig.shop.set("7", "seven");
        quiet().await;
        let scene = Self { rig, ledger };
        scene.look("42").await;
        scene.look("7").await;
        scene
    }

    async fn look(&self, id: &str) -> (Outcome, Option<String>) {
        self.rig.look(id).await
    }

    /// Changes the product 42 and says so.
    fn change(&self, value: &str) {
        self.rig.shop.set("42", value);
        self.ledger.put("tag", "", "product:42");
    }

    /// Passes time on every clock, the database's too.
    async fn pass(&self, ms: u64) {
        self.ledger.clock.advance(ms);
        self.rig.pass(ms).await;
    }
}

fn hit(value: &str) -> (Outcome, Option<String>) {
    (Outcome::Hit, some(value))
}

fn miss(value: &str) -> (Outcome, Option<String>) {
    (Outcome::Miss, some(value))
}

#[tokio::test(start_paused = true)]
async fn a_row_of_each_kind_is_applied_at_the_next_poll() {
    for aim in Aim::ALL {
        let scene = Scene::new().await;
        scene.rig.shop.set("42", "two");
        let (kind, namespace, target) = match aim {
            Aim::Row => {
                scene.ledger.change("product", "42");
                ("tag", "", "product:4")
            }
            Aim::Key => ("key", "product", "product:42"),
            Aim::Tag => ("tag", "", "product:42"),
            Aim::Namespace => ("namespace", "", "product"),
            Aim::Pattern => ("pattern", "product", "*:4?"),
        };
        scene.ledger.put(kind, namespace, target);
        assert_eq!(scene.look("42").await, hit("one"));
        scene.pass(POLL).await;
        assert_eq!(scene.look("42").await, miss("two"), "{aim:?}");
        assert_eq!(scene.look("42").await, hit("two"), "{aim:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hint_is_a_reason_to_read_at_once() {
    let scene = Scene::new().await;
    scene.change("two");
    scene.ledger.hint_now();
    quiet().await;
    scene.pass(10).await;
    assert_eq!(scene.look("42").await, miss("two"));
}

#[tokio::test(start_paused = true)]
async fn a_hint_that_comes_before_its_row_is_followed_by_a_look_soon_after() {
    let scene = Scene::new().await;
    scene.change("two");
    scene.ledger.hold(Some(3));
    scene.ledger.hint_now();
    quiet().await;
    scene.pass(10).await;
    assert_eq!(scene.look("42").await, hit("one"));
    scene.ledger.hold(None);
    scene.pass(10).await;
    assert_eq!(scene.look("42").await, miss("two"));
}

#[tokio::test(start_paused = true)]
async fn changes_from_while_no_engine_ran_are_applied_before_the_first_read() {
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new(MemoryConfig::default()));
    let ledger = Arc::new(Ledger::default());
    let before = Scene::over(memory.clone(), ledger.clone()).await;
    drop(before);
    quiet().await;
    assert_eq!(Arc::strong_count(&ledger), 1, "nobody reads it any more");
    ledger.put("tag", "", "product:42");
    let rig = parts(&ledger, TUNING).build_over(memory, Hands::default());
    rig.shop.set("42", "two");
    let unread = rig.engine.outboxes_read(Instant::now()).await;
    assert_eq!(unread.len(), 1, "not in no time");
    let soon = Instant::now() + Duration::from_secs(5);
    assert_eq!(rig.engine.outboxes_read(soon).await.len(), 0);
    assert_eq!(rig.look("42").await, miss("two"));
    assert_eq!(rig.look("7").await, hit("seven"));
}

#[tokio::test(start_paused = true)]
async fn a_row_that_makes_no_sense_keeps_no_other_back() {
    let scene = Scene::new().await;
    scene.ledger.put("table", "", "products");
    scene.ledger.put("pattern", "product", "");
    scene.change("two");
    scene.pass(POLL).await;
    assert_eq!(scene.look("42").await, miss("two"));
}

#[tokio::test(start_paused = true)]
async fn a_row_of_a_resource_without_a_route_keeps_no_other_back() {
    let scene = Scene::routed("product").await;
    scene.ledger.change("basket", "1");
    scene.rig.shop.set("42", "two");
    scene.ledger.change("product", "42");
    scene.pass(POLL).await;
    assert_eq!(scene.look("42").await, miss("two"));
    assert_eq!(scene.look("7").await, hit("seven"));
}

/// Whoever empties a table, or loads it anew, cannot name every row.
#[tokio::test(start_paused = true)]
async fn a_row_that_names_the_origin_is_of_everything_that_came_from_it() {
    for unnamed in [false, true] {
        let scene = Scene::new().await;
        scene.rig.shop.set("42", "two");
        match unnamed {
            false => scene.ledger.put("origin", "", ""),
            true => scene.ledger.change("", "42"),
        }
        scene.pass(POLL).await;
        assert_eq!(scene.look("42").await, miss("two"));
        assert_eq!(scene.look("7").await, miss("seven"));
        assert_eq!(scene.look("7").await, hit("seven"));
    }
}

/// The product 42 changes while its policy fails.
async fn undecided() -> Scene {
    let scene = Scene::new().await;
    scene.rig.policies.put(Native::failing());
    scene.rig.shop.set("42", "two");
    scene.ledger.change("product", "42");
    scene.pass(POLL).await;
    scene
}

#[tokio::test(start_paused = true)]
async fn a_row_whose_policy_fails_is_owed_until_the_policy_answers_and_keeps_no_other_back() {
    let scene = undecided().await;
    scene.rig.shop.set("7", "eight");
    scene.ledger.put("tag", "", "product:7");
    for _ in 0..3 {
        scene.pass(POLL).await;
    }
    scene.rig.policies.put(shop_policy());
    assert_eq!(scene.look("42").await, hit("one"), "for as long as a poll");
    assert_eq!(scene.look("7").await, miss("eight"));
    scene.pass(POLL).await;
    assert_eq!(scene.look("42").await, miss("two"));
    assert_eq!(scene.look("7").await, hit("eight"));
}

#[tokio::test(start_paused = true)]
async fn where_the_policy_never_says_what_a_row_makes_stale_everything_of_the_origin_goes() {
    let scene = undecided().await;
    for _ in 0..12 {
        scene.pass(POLL).await;
    }
    scene.rig.policies.put(shop_policy());
    assert_eq!(scene.look("42").await, miss("two"));
    assert_eq!(scene.look("7").await, miss("seven"));
    scene.pass(POLL).await;
    assert_eq!(scene.look("7").await, hit("seven"), "and no more than once");
}

#[tokio::test(start_paused = true)]
async fn rows_stay_in_the_table_while_one_of_them_is_owed() {
    let scene = Scene::new().await;
    for _ in 0..3 {
        scene.change("one");
    }
    scene.pass(POLL).await;
    scene.rig.policies.put(Native::failing());
    scene.ledger.change("product", "42");
    // The clocks of the database and of the node say that all of them may go.
    scene.pass(2 * KEEP).await;
    assert_eq!(scene.ledger.rows(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_is_owed_survives_a_store_that_fails() {
    let scene = undecided().await;
    scene.rig.store.break_down(true);
    scene.rig.policies.put(shop_policy());
    for _ in 0..3 {
        scene.pass(POLL).await;
    }
    scene.rig.store.break_down(false);
    scene.pass(5_000).await;
    assert_eq!(scene.look("42").await, miss("two"));
    assert_eq!(scene.look("7").await, hit("seven"));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_no_reason_to_skip_a_row() {
    let scene = Scene::new().await;
    scene.rig.store.break_down(true);
    scene.change("two");
    for _ in 0..20 {
        scene.pass(POLL).await;
    }
    scene.rig.store.break_down(false);
    assert_eq!(scene.look("42").await, hit("one"));
    scene.pass(5_000).await;
    assert_eq!(scene.look("42").await, miss("two"));
    assert_eq!(scene.look("7").await, hit("seven"));
}

#[tokio::test(start_paused = true)]
async fn an_outbox_that_is_away_for_a_while_is_read_on() {
    let scene = Scene::new().await;
    scene.ledger.break_down(true);
    scene.change("two");
    for _ in 0..15 {
        scene.pass(POLL).await;
    }
    let status = scene.rig.engine.outboxes().remove(0);
    assert_eq!((&*status.origin, status.lag_ms >= 14_000), ("shop", true));
    assert!(status.why.is_some_and(|why| why.contains("told to fail")));
    scene.ledger.break_down(false);
    scene.pass(5_000).await;
    assert_eq!(scene.look("42").await, miss("two"));
    assert_eq!(scene.look("7").await, hit("seven"));
    assert_eq!(scene.rig.engine.outboxes()[0].why, None);
}

#[tokio::test(start_paused = true)]
async fn after_longer_than_rows_are_kept_everything_of_the_origin_is_loaded_again() {
    let scene = Scene::new().await;
    let acme = || Request {
        tenant: "acme".to_owned(),
        ..Request::read("product", "9")
    };
    let read = async || {
        scene
            .rig
            .engine
            .read(acme())
            .await
            .expect("is read")
            .outcome
    };
    read().await;
    assert_eq!(read().await, Outcome::NegativeHit);
    let elsewhere = scene.rig.neighbour();
    let beside = async || {
        let reading = elsewhere.read(Request::read("page", "1")).await;
        reading.expect("is read").outcome
    };
    beside().await;

    scene.ledger.break_down(true);
    // Nobody says so: the row has come and gone in the meantime.
    scene.rig.shop.set("42", "two");
    for _ in 0..=KEEP / POLL {
        scene.pass(POLL).await;
    }
    scene.ledger.break_down(false);
    scene.pass(5_000).await;
    assert_eq!(scene.look("42").await, miss("two"));
    assert_eq!(scene.look("7").await, miss("seven"));
    assert_eq!(read().await, Outcome::Miss);
    assert_eq!(beside().await, Outcome::NegativeHit, "of no outbox");
    scene.change("three");
    scene.pass(POLL).await;
    assert_eq!(scene.look("42").await, miss("three"));
    assert_eq!(scene.look("7").await, hit("seven"));
}

#[tokio::test(start_paused = true)]
async fn a_long_outage_costs_nothing_where_the_last_row_read_is_still_there() {
    let scene = Scene::new().await;
    scene.change("two");
    scene.pass(POLL).await;
    assert_eq!(scene.look("42").await, miss("two"));
    scene.ledger.break_down(true);
    for _ in 0..=2 * KEEP / POLL {
        scene.pass(POLL).await;
    }
    scene.ledger.break_down(false);
    scene.change("three");
    scene.pass(5_000).await;
    assert_eq!(scene.look("42").await, miss("three"));
    assert_eq!(scene.look("7").await, hit("seven"));
}

#[tokio::test(start_paused = true)]
async fn rows_that_other_nodes_removed_unread_are_noticed() {
    let scene = Scene::new().await;
    scene.change("two");
    scene.pass(POLL).await;
    scene.ledger.break_down(true);
    scene.rig.shop.set("7", "eight");
    scene.ledger.put("tag", "", "product:7");
    scene.ledger.put("tag", "", "product:8");
    scene.ledger.remove_oldest(2);
    for _ in 0..5 {
        scene.pass(POLL).await;
    }
    scene.ledger.break_down(false);
    scene.pass(5_000).await;
    assert_eq!(scene.look("7").await, miss("eight"));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stood_still_trusts_the_clock_of_the_database() {
    let scene = Scene::new().await;
    scene.rig.shop.set("42", "two");
    scene.ledger.clock.advance(KEEP + 1);
    scene.pass(POLL).await;
    assert_eq!(scene.look("42").await, miss("two"));
}

#[tokio::test(start_paused = true)]
async fn a_purge_that_the_store_refuses_is_still_owed() {
    let scene = Scene::new().await;
    scene.rig.store.break_down(true);
    scene.rig.shop.set("42", "two");
    scene.ledger.clock.advance(KEEP + 1);
    for _ in 0..5 {
        scene.pass(POLL).await;
    }
    scene.rig.store.break_down(false);
    scene.pass(5_000).await;
    assert_eq!(scene.look("42").await, miss("two"));
}

#[tokio::test(start_paused = true)]
async fn a_table_that_was_emptied_is_read_from_its_start_and_nothing_is_believed() {
    let scene = Scene::new().await;
    scene.change("two");
    scene.pass(POLL).await;
    assert_eq!(scene.look("42").await, miss("two"));
    scene.ledger.clear();
    scene.rig.shop.set("7", "eight");
    scene.pass(POLL).await;
    assert_eq!(scene.look("7").await, miss("eight"));
    scene.change("three");
    scene.pass(POLL).await;
    assert_eq!(scene.look("42").await, miss("three"));
    assert_eq!(scene.look("7").await, hit("eight"));
}

#[tokio::test(start_paused = true)]
async fn what_an_engine_without_the_outbox_stored_is_not_served_with_it() {
    let scene = Scene::new().await;
    let elsewhere = scene.rig.neighbour();
    scene.rig.shop.set("8", "eight");
    let read = elsewhere.read(Request::read("product", "8")).await;
    assert_eq!(text(&read.expect("is read").value), some("eight"));
    assert_eq!(scene.look("8").await, miss("eight"));
    assert_eq!(scene.look("8").await, hit("eight"));
}

#[tokio::test(start_paused = true)]
async fn a_load_from_before_the_row_was_applied_is_not_stored() {
    let scene = Scene::new().await;
    scene.rig.shop.set("8", "old");
    let (reader, gate) = scene.rig.stopped_read("8").await;
    scene.rig.shop.set("8", "new");
    scene.ledger.put("tag", "", "product:8");
    scene.pass(POLL).await;
    gate.open();
    assert_eq!(text(&join(reader).await.value), some("old"));
    assert_eq!(scene.look("8").await, miss("new"));
}

#[tokio::test(start_paused = true)]
async fn a_load_from_before_a_purge_of_the_origin_is_not_stored() {
    let scene = Scene::new().await;
    scene.rig.shop.set("8", "old");
    let (reader, gate) = scene.rig.stopped_read("8").await;
    scene.rig.shop.set("8", "new");
    scene.ledger.clock.advance(KEEP + 1);
    scene.pass(POLL).await;
    gate.open();
    assert_eq!(text(&join(reader).await.value), some("old"));
    assert_eq!(scene.look("8").await, miss("new"));
}

#[tokio::test(start_paused = true)]
async fn rows_go_once_every_node_has_had_its_time_and_the_last_one_stays() {
    let scene = Scene::new().await;
    for _ in 0..3 {
        scene.change("two");
    }
    for _ in 0..KEEP / POLL {
        scene.pass(POLL).await;
    }
    assert_eq!(scene.ledger.rows(), 3);
    for _ in 0..KEEP / POLL / 4 {
        scene.pass(POLL).await;
    }
    assert_eq!(scene.ledger.rows(), 1);
    scene.change("three");
    scene.pass(POLL).await;
    assert_eq!(scene.look("42").await, miss("three"));
}

#[tokio::test(start_paused = true)]
async fn many_rows_are_read_without_waiting_in_between() {
    let scene = Scene::new().await;
    for n in 0..1_300 {
        scene.ledger.put("tag", "", &format!("other:{n}"));
    }
    scene.change("two");
    scene.pass(POLL).await;
    for _ in 0..3 {
        scene.pass(1).await;
    }
    assert_eq!(scene.look("42").await, miss("two"));
}

#[tokio::test(start_paused = true)]
async fn every_node_sees_every_row() {
    let ledger = Arc::new(Ledger::default());
    let memory = || Arc::new(MemoryStore::new(MemoryConfig::default()));
    let one = Scene::over(memory(), ledger.clone()).await;
    let other = Scene::over(memory(), ledger.clone()).await;
    other.rig.shop.set("42", "two");
    one.change("two");
    one.pass(POLL).await;
    for scene in [&one, &other] {
        assert_eq!(scene.look("42").await, miss("two"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_reading_ends_with_the_engine() {
    let ledger = Arc::new(Ledger::default());
    let slow = OutboxTuning {
        poll_ms: DAY,
        keep_ms: 10 * DAY,
    };
    let rig = parts(&ledger, slow).build();
    quiet().await;
    assert_eq!(ledger.reads(), 1);
    drop(rig);
    quiet().await;
    assert_eq!(Arc::strong_count(&ledger), 1);
}

#[tokio::test]
async fn an_outbox_of_no_origin_or_without_rest_is_refused() {
    let rig = parts(&Arc::default(), TUNING).build();
    let build = |name: &str, tuning| {
        let ledger = Arc::new(Ledger::default());
        Engine::builder(rig.policies.clone(), rig.store.clone())
            .origin("shop", rig.shop.clone())
            .outbox(name, ledger, tuning)
            .build()
            .err()
    };
    assert_eq!(build("shop", TUNING), None);
    let idle = OutboxTuning {
        poll_ms: 0,
        ..TUNING
    };
    for (name, tuning, words) in [
        ("shed", TUNING, "there is `shop`"),
        ("shop", idle, "`poll`"),
    ] {
        let error = build(name, tuning).expect("is refused");
        assert!(matches!(&error, BuildError::Outbox { origin, .. } if origin == name));
        assert!(error.to_string().contains(words), "{error}");
    }
}

/// Looks again until it is a miss; what is there before is a hit.
async fn gone(rig: &Rig, id: &str) -> Option<String> {
    for _ in 0..2_000 {
        let (outcome, value) = rig.look(id).await;
        if outcome == Outcome::Miss {
            return value;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    None
}

async fn busy(on: &Ground) -> (Rig, Arc<Ledger>) {
    let ledger = Arc::new(Ledger::default());
    let busy = OutboxTuning {
        poll_ms: 5,
        ..TUNING
    };
    let rig = on.build(parts(&ledger, busy)).await;
    for id in ["42", "7"] {
        rig.shop.set(id, "one");
        rig.look(id).await;
        rig.shop.set(id, "two");
    }
    assert_eq!(rig.look("42").await, hit("one"));
    (rig, ledger)
}

async fn a_row_of_an_outbox_is_an_invalidation(on: Ground) {
    let (rig, ledger) = busy(&on).await;
    ledger.put("tag", "", "product:42");
    assert_eq!(gone(&rig, "42").await, some("two"));
    assert_eq!(rig.look("7").await, hit("one"));
}

async fn an_outbox_that_missed_rows_invalidates_everything_of_its_origin(on: Ground) {
    let (rig, ledger) = busy(&on).await;
    ledger.clock.advance(KEEP + 1);
    assert_eq!(gone(&rig, "42").await, some("two"));
    assert_eq!(gone(&rig, "7").await, some("two"));
    assert_eq!(rig.look("7").await, hit("two"));
}

async fn a_load_stopped_by_a_purge_of_its_origin_is_not_stored(on: Ground) {
    let (rig, ledger) = busy(&on).await;
    rig.shop.set("8", "old");
    let gate = rig.shop.stop(Call::Load);
    let reader = rig.start_read("8");
    gate.reached().await;
    rig.shop.set("8", "new");
    ledger.clock.advance(KEEP + 1);
    assert_eq!(gone(&rig, "42").await, some("two"));
    gate.open();
    join(reader).await;
    assert_eq!(rig.look("8").await, miss("new"));
}

races![
    a_row_of_an_outbox_is_an_invalidation,
    an_outbox_that_missed_rows_invalidates_everything_of_its_origin,
    a_load_stopped_by_a_purge_of_its_origin_is_not_stored,
];
