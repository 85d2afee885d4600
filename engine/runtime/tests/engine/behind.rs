//! Write-behind: what is acknowledged is read at once, reaches the origin in order, and outlives
//! whatever happens to the cache, the origin and the engine in between.

use std::sync::Arc;
use std::time::Duration;

use larder::core::dependency::Mode;
use larder::core::{NotStored, Outcome, Strategy, Target};
use larder::origin::OriginError;
use larder::store::queue::{Letters, Queue};
use larder::{OnFull, QueueTuning, Request, Value};

use crate::ground::Ground;
use crate::kit::{
    Aim, Call, Native, Parts, Rig, STORED, Shelter, TTL, When, join, policy, rig, some, text,
};

races! {
    write_behind,
    an_unflushed_write_outlives_its_entry,
    an_unflushed_delete_is_absent,
    a_list_cached_before_the_flush_is_outdated_by_it,
    a_load_that_began_before_a_queued_write_is_not_stored,
    what_the_origin_makes_of_a_value_is_read_after_the_flush,
    a_bypass_read_sees_what_is_queued,
    an_application_that_misses_is_given_what_is_queued,
    a_direct_write_waits_for_the_queued_ones_of_its_row,
    a_direct_write_looks_again_when_it_holds_the_key,
    two_engines_over_one_queue,
    a_key_belongs_to_one_request,
}

/// Writes are queued, unless they ask for another strategy; reads go through the cache, unless
/// they do. `product` is the tag of all entries.
fn by_attribute() -> Native {
    policy(Strategy::WriteBehind, |request, decision| {
        decision.freshness.negative_ttl_ms = 1_000;
        decision.invalidates = vec![Target::Tag("list".into())];
        if request.id == "list" {
            decision.tags = vec!["list".into()];
        }
        let asked = request.attributes.iter().find(|(name, _)| name == "by");
        decision.strategy = match asked.map(|(_, by)| by.as_str()) {
            Some("bypass") => Strategy::Bypass,
            Some("aside") => Strategy::CacheAside,
            Some("through") => Strategy::WriteThrough,
            Some("read_through") => Strategy::ReadThrough,
            _ => Strategy::WriteBehind,
        };
    })
}

fn parts(queue: &Arc<Shelter>) -> Parts {
    over(Arc::clone(queue) as Arc<dyn Queue>)
}

fn over(queue: Arc<dyn Queue>) -> Parts {
    let mut parts = Parts::new(by_attribute());
    parts.queue = Some((queue, QueueTuning::default()));
    parts
}

fn in_memory() -> (Rig, Arc<Shelter>) {
    let queue = Arc::new(Shelter::default());
    (parts(&queue).build(), queue)
}

async fn on(ground: &Ground) -> (Rig, Arc<dyn Queue>) {
    let [queue] = ground.queues().await;
    (ground.build(over(Arc::clone(&queue))).await, queue)
}

fn down() -> Option<OriginError> {
    Some(OriginError::Unreachable("told to be".into()))
}

async fn waiting(queue: &dyn Queue) -> u64 {
    queue.depth().await.expect("is known").waiting
}

/// Waits until the queue is empty but for dead letters.
async fn flushed(queue: &dyn Queue) {
    for _ in 0..6_000 {
        if waiting(queue).await == 0 {
            // What comes after the last change has left the queue.
            tokio::time::sleep(Duration::from_millis(50)).await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(waiting(queue).await, 0, "is flushed in time");
}

async fn letters(rig: &Rig) -> Vec<String> {
    let view = rig.engine.queue().expect("has a queue");
    let letters = view.letters(None, 100).await.expect("are listed");
    let text = |letter: &larder::store::queue::DeadLetter| text(&letter.queued.change.value);
    letters.iter().filter_map(text).collect()
}

async fn write_behind(ground: Ground) {
    let (rig, queue) = on(&ground).await;
    rig.shop.fail_writes(down());
    let writing = rig.write("42", "one").await;
    assert_eq!((writing.written, writing.not_stored), (false, STORED));
    let queued = writing.queued.expect("is queued");
    assert!(!queued.repeated);
    assert_eq!(rig.look("42").await, (Outcome::Hit, some("one")));
    assert_eq!(rig.shop.holds("42"), None, "not yet");
    assert_eq!(&*queued.id.partition.origin, "shop");
    assert_eq!(waiting(&*queue).await, 1);

    rig.shop.fail_writes(None);
    flushed(&*queue).await;
    assert_eq!(rig.shop.holds("42"), some("one"));
    // The origin took it as it was: the entry stays.
    assert_eq!(rig.look("42").await, (Outcome::Hit, some("one")));
    assert_eq!(rig.shop.loads(), 0);
}

async fn an_unflushed_write_outlives_its_entry(ground: Ground) {
    for gone in ["purged", "expired"] {
        let (rig, queue) = on(&ground).await;
        rig.shop.set("42", "zero");
        rig.shop.fail_writes(down());
        rig.write("42", "one").await;
        match gone {
            "purged" => drop(rig.invalidate(Aim::Tag, Mode::Purge).await),
            _ => rig.clock.advance(TTL),
        }
        assert_eq!(rig.look("42").await, (Outcome::Miss, some("one")), "{gone}");
        assert_eq!(rig.shop.loads(), 0, "the queue answered");
        rig.shop.fail_writes(None);
        flushed(&*queue).await;
        assert_eq!(rig.look("42").await.1, some("one"), "{gone}");
        assert_eq!(rig.shop.holds("42"), some("one"));
    }
}

async fn an_unflushed_delete_is_absent(ground: Ground) {
    let (rig, queue) = on(&ground).await;
    rig.shop.set("42", "zero");
    rig.read("42").await;
    rig.shop.fail_writes(down());
    let deleting = rig.try_delete("42").await.expect("is queued");
    assert!(deleting.queued.is_some());
    assert_eq!(rig.look("42").await, (Outcome::NegativeHit, None));
    rig.clock.advance(1_000);
    assert_eq!(rig.look("42").await, (Outcome::Miss, None));
    assert_eq!(rig.shop.holds("42"), some("zero"), "not yet");
    rig.shop.fail_writes(None);
    flushed(&*queue).await;
    assert_eq!(rig.shop.holds("42"), None);
    assert_eq!(rig.look("42").await.1, None);
}

async fn a_list_cached_before_the_flush_is_outdated_by_it(ground: Ground) {
    let (rig, queue) = on(&ground).await;
    rig.shop.set("list", "zero");
    rig.shop.fail_writes(down());
    rig.write("42", "one").await;
    assert_eq!(rig.look("list").await, (Outcome::Miss, some("zero")));
    assert_eq!(rig.look("list").await, (Outcome::Hit, some("zero")));
    rig.shop.fail_writes(None);
    flushed(&*queue).await;
    rig.shop.set("list", "one");
    assert_eq!(rig.look("list").await, (Outcome::Miss, some("one")));
}

async fn a_load_that_began_before_a_queued_write_is_not_stored(ground: Ground) {
    let (rig, queue) = on(&ground).await;
    rig.shop.set("42", "zero");
    rig.shop.fail_writes(down());
    let (reader, gate) = rig.stopped_read("42").await;
    rig.write("42", "one").await;
    gate.open();
    assert_ne!(join(reader).await.not_stored, STORED);
    assert_eq!(rig.look("42").await.1, some("one"));
    rig.shop.fail_writes(None);
    flushed(&*queue).await;
    assert_eq!(rig.look("42").await.1, some("one"));
}

async fn what_the_origin_makes_of_a_value_is_read_after_the_flush(ground: Ground) {
    let (rig, queue) = on(&ground).await;
    // It does not say what it holds, so it may hold something else.
    rig.shop.be_mute();
    rig.write("42", "one").await;
    assert_eq!(rig.look("42").await.1, some("one"));
    flushed(&*queue).await;
    rig.shop.set("42", "ONE");
    assert_eq!(rig.look("42").await, (Outcome::Miss, some("ONE")));
}

async fn a_bypass_read_sees_what_is_queued(ground: Ground) {
    let (rig, _queue) = on(&ground).await;
    rig.shop.set("42", "zero");
    rig.shop.fail_writes(down());
    rig.write("42", "one").await;
    let past = Request::read("product", "42").with("by", "bypass");
    let reading = rig.engine.read(past).await.expect("is read");
    assert_eq!(
        (reading.outcome, text(&reading.value)),
        (Outcome::Bypass, some("one"))
    );
    let request = Request::read("product", "43").with("by", "bypass");
    let load = async || Ok::<_, String>(Some(Value::new("loaded")));
    let other = rig.engine.get_or_load(request, load).await;
    assert_eq!(text(&other.expect("is read").value), some("loaded"));
}

async fn an_application_that_misses_is_given_what_is_queued(ground: Ground) {
    let (rig, _queue) = on(&ground).await;
    rig.shop.fail_writes(down());
    rig.write("42", "one").await;
    rig.invalidate(Aim::Key, Mode::Purge).await;
    let aside = || Request::read("product", "42").with("by", "aside");
    let reading = rig.engine.read(aside()).await.expect("is read");
    assert!(reading.lease.is_none(), "what it would load is older");
    assert_eq!(text(&reading.value), some("one"));
    let again = rig.engine.read(aside()).await.expect("is read");
    assert_eq!(
        (again.outcome, text(&again.value)),
        (Outcome::Hit, some("one"))
    );
}

async fn a_direct_write_waits_for_the_queued_ones_of_its_row(ground: Ground) {
    for by in ["bypass", "aside", "through", "read_through"] {
        let (rig, queue) = on(&ground).await;
        rig.shop.fail_writes(down());
        rig.write("42", "one").await;
        let engine = rig.engine.clone();
        let direct = Request::write("product", "42").with("by", by);
        let direct = tokio::spawn(async move { engine.write(direct, Value::new("two")).await });
        ground.quiet().await;
        assert!(!direct.is_finished(), "{by}");
        rig.shop.fail_writes(None);
        let writing = direct.await.expect("ends").expect("is written");
        assert!(writing.written && writing.queued.is_none());
        flushed(&*queue).await;
        assert_eq!(rig.shop.holds("42"), some("two"), "{by}");
        assert_eq!(rig.look("42").await.1, some("two"), "{by}");
    }
}

/// What was queued after its first look is flushed over it, and its value would stay in the cache.
async fn a_direct_write_looks_again_when_it_holds_the_key(ground: Ground) {
    let (rig, queue) = on(&ground).await;
    let gate = rig.store.stop(When::Before("begin_write"));
    let engine = rig.engine.clone();
    let direct = Request::write("product", "42").with("by", "through");
    let direct = tokio::spawn(async move { engine.write(direct, Value::new("direct")).await });
    gate.reached().await;
    rig.write("42", "queued").await;
    gate.open();
    direct.await.expect("ends").expect("is written");
    flushed(&*queue).await;
    assert_eq!(rig.look("42").await.1, rig.shop.holds("42"));
    assert_eq!(rig.shop.holds("42"), some("direct"));
}

async fn two_engines_over_one_queue(ground: Ground) {
    let queues = ground.queues::<2>().await;
    let [queue, _] = queues.clone();
    let shop = Arc::default();
    let mut queues = queues.into_iter();
    let parts = || Parts {
        shop: Some(Arc::clone(&shop)),
        ..over(queues.next().expect("there is one for each"))
    };
    let [here, there] = ground.pair(parts).await;
    shop.fail_writes(down());
    for (rig, value) in [(&here, "one"), (&there, "two"), (&here, "three")] {
        rig.write("42", value).await;
        for reader in [&here, &there] {
            assert_eq!(reader.look("42").await.1, some(value));
        }
    }
    shop.fail_writes(None);
    flushed(&*queue).await;
    assert_eq!(shop.holds("42"), some("three"));
    for reader in [&here, &there] {
        assert_eq!(reader.look("42").await.1, some("three"));
    }
}

async fn a_key_belongs_to_one_request(ground: Ground) {
    let (rig, queue) = on(&ground).await;
    let engine = &rig.engine;
    let put = async |request: Request, text: &'static str| {
        let writing = engine.write_once(request, Value::new(text), "key").await;
        writing.map(|writing| writing.queued.is_some_and(|queued| queued.repeated))
    };
    let row = || Request::write("product", "42");
    assert_eq!(put(row(), "one").await, Ok(false));
    assert_eq!(
        put(row(), "one").await,
        Ok(true),
        "the same, in other headers or none"
    );
    let header = row().with("header.date", "now");
    assert_eq!(put(header, "one").await, Ok(true));
    let typed = engine.write_once(row(), Value::json("one"), "key").await;
    let deleted = engine
        .delete_once(Request::delete("product", "42"), "key")
        .await;
    for (what, refused) in [
        ("body", put(row(), "two").await.map(drop)),
        (
            "row",
            put(Request::write("product", "43"), "one").await.map(drop),
        ),
        (
            "resource",
            put(Request::write("order", "42"), "one").await.map(drop),
        ),
        (
            "query",
            put(row().with("query.lang", "de"), "one").await.map(drop),
        ),
        ("type", typed.map(drop)),
        ("verb", deleted.map(drop)),
    ] {
        let error = refused.expect_err(what);
        assert_eq!(error.code(), "idempotency_key_reused", "{what}");
        assert!(error.to_string().contains("another request"), "{error}");
    }
    assert_eq!(
        put(row().tenant("acme"), "two").await,
        Ok(false),
        "of others"
    );
    flushed(&*queue).await;
    assert_eq!(rig.shop.holds("42"), some("one"));
    assert_eq!(rig.shop.holds("43"), None);
    assert_eq!(
        rig.look("42").await.1,
        some("one"),
        "nothing was lost of it"
    );
}

/// What the origin was asked to write, in order.
fn writes(rig: &Rig) -> Vec<String> {
    let log = rig.shop.log().into_iter();
    log.filter(|line| !line.starts_with("load")).collect()
}

#[tokio::test(start_paused = true)]
async fn of_several_writes_of_a_row_the_last_is_handed_over() {
    let (rig, queue) = in_memory();
    for value in ["one", "two", "three"] {
        rig.write("42", value).await;
        rig.write("7", value).await;
    }
    flushed(&*queue).await;
    assert_eq!(rig.shop.holds("42"), some("three"));
    assert_eq!(rig.shop.holds("7"), some("three"));
    let mut writes = writes(&rig);
    writes.sort();
    assert_eq!(writes, ["write /product/42", "write /product/7"]);
}

#[tokio::test(start_paused = true)]
async fn a_write_and_a_delete_keep_their_order() {
    let (rig, queue) = in_memory();
    rig.shop.fail_writes(down());
    rig.write("42", "one").await;
    rig.try_delete("42").await.expect("is queued");
    rig.try_delete("7").await.expect("is queued");
    rig.write("7", "one").await;
    rig.shop.fail_writes(None);
    flushed(&*queue).await;
    assert_eq!(
        (rig.shop.holds("42"), rig.shop.holds("7")),
        (None, some("one"))
    );
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_is_down_for_long_gets_everything_in_the_end() {
    let (rig, queue) = in_memory();
    rig.shop.fail_writes(down());
    rig.shop.fail_loads(down());
    for round in 0..20 {
        for id in 0..5 {
            rig.write(&id.to_string(), &format!("value {round}")).await;
        }
        rig.pass(30_000).await;
    }
    assert_eq!(queue.waiting().len(), 100, "nothing is lost");
    let tries = writes(&rig).len();
    assert!(tries < 5 * 100, "it is left alone meanwhile: {tries}");
    let view = rig.engine.queue().expect("has a queue");
    let why = view.failing("shop").expect("nothing can be flushed");
    assert!(why.contains("told to be"), "{why}");
    // Its breaker is open, and the entry is gone: the queue answers all the same.
    assert_eq!(rig.look("3").await, (Outcome::Miss, some("value 19")));
    rig.shop.fail_writes(None);
    rig.shop.fail_loads(None);
    flushed(&*queue).await;
    rig.pass(2_000).await;
    assert_eq!(view.failing("shop"), None);
    for id in 0..5 {
        assert_eq!(rig.shop.holds(&id.to_string()), some("value 19"));
    }
    assert!(letters(&rig).await.is_empty(), "it was nobody's own fault");
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_takes_the_origin_too_long_is_handed_over_in_parts() {
    let (rig, queue) = in_memory();
    rig.shop.get_through(3);
    let ids: Vec<String> = (0..200).map(|id| id.to_string()).collect();
    for id in &ids {
        rig.write(id, "one").await;
    }
    // The breaker opens meanwhile.
    for _ in 0..60 {
        rig.pass(1_000).await;
    }
    flushed(&*queue).await;
    for id in &ids {
        assert_eq!(rig.shop.holds(id), some("one"), "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_the_origin_refuses_parks_its_row_and_a_retry_heals_it_in_order() {
    let (rig, queue) = in_memory();
    rig.shop
        .refuse("42", Some(OriginError::Rejected("too blue".into())));
    rig.write("42", "one").await;
    rig.write("7", "one").await;
    flushed(&*queue).await;
    assert_eq!(rig.shop.holds("7"), some("one"), "others flow");
    rig.write("42", "two").await;
    flushed(&*queue).await;
    assert_eq!(letters(&rig).await, ["one", "two"], "later ones follow");
    assert_eq!(
        rig.look("42").await.1,
        some("two"),
        "they were acknowledged"
    );

    let view = rig.engine.queue().expect("has a queue");
    let letter = &view.letters(None, 1).await.expect("are listed")[0];
    assert!(letter.why.contains("too blue"), "{}", letter.why);
    let direct = Request::write("product", "42").with("by", "through");
    let error = rig.engine.write(direct, Value::new("three")).await;
    let error = error.expect_err("may not pass the dead letter");
    assert_eq!(error.code(), "row_parked");
    assert!(error.to_string().contains("larder queue"), "{error}");

    rig.shop.refuse("42", None);
    let which = Letters::One(letter.queued.letter_id());
    assert_eq!(view.retry(&which).await, Ok(2));
    flushed(&*queue).await;
    assert_eq!(rig.shop.holds("42"), some("two"));
    assert!(letters(&rig).await.is_empty());
}

/// The last of several writes stands for all, and was refused: those before it must not go with it.
#[tokio::test(start_paused = true)]
async fn a_refused_write_does_not_take_earlier_ones_of_its_row_along() {
    let (rig, queue) = in_memory();
    rig.shop.fail_writes(down());
    rig.write("42", "good").await;
    rig.write("42", "bad").await;
    rig.shop.fail_writes(None);
    rig.shop.refuse_value("bad");
    flushed(&*queue).await;
    assert_eq!(rig.shop.holds("42"), some("good"));
    assert_eq!(letters(&rig).await, ["bad"]);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_fails_while_others_pass_is_given_up_after_some_tries() {
    let (rig, queue) = in_memory();
    rig.shop
        .refuse("42", Some(OriginError::Failed("a trigger".into())));
    rig.write("42", "one").await;
    // Alone it may be the origin that fails.
    rig.pass(120_000).await;
    assert!(letters(&rig).await.is_empty());
    let mut others = 0;
    while letters(&rig).await.is_empty() {
        // Rows of the same partition, whichever that is.
        for id in 0..16 {
            rig.write(&format!("other {id}"), &others.to_string()).await;
        }
        rig.pass(1_000).await;
        others += 1;
        assert!(others < 2_000, "it is given up in the end");
    }
    assert!(others > 20, "not at once: {others}");
    flushed(&*queue).await;
    assert_eq!(letters(&rig).await, ["one"]);
}

/// Whatever the origin says, and whoever else is in the batch.
#[tokio::test(start_paused = true)]
async fn a_row_that_fails_its_whole_batch_is_found_and_given_up_and_others_arrive() {
    for error in [
        OriginError::Timeout { limit_ms: 1 },
        OriginError::Failed("40001".into()),
        OriginError::Schema("a trigger's own".into()),
        OriginError::Broken("cut".into()),
    ] {
        let (rig, queue) = in_memory();
        rig.shop.spoil("poison", error.clone());
        rig.write("poison", "one").await;
        let ids: Vec<String> = (0..60).map(|id| id.to_string()).collect();
        for id in &ids {
            rig.write(id, "one").await;
        }
        for _ in 0..60 {
            rig.pass(1_000).await;
        }
        let stored = ids.iter().filter(|id| rig.shop.holds(id).is_some());
        assert_eq!(stored.count(), 60, "{error}");
        let mut others = 0;
        while letters(&rig).await.is_empty() {
            // Rows of other partitions prove the origin too.
            rig.write("other", &others.to_string()).await;
            rig.pass(30_000).await;
            others += 1;
            assert!(others < 200, "it is given up in the end: {error}");
        }
        assert!(others > 5, "not at once: {others} {error}");
        flushed(&*queue).await;
        assert_eq!(letters(&rig).await, ["one"]);
    }
}

#[tokio::test(start_paused = true)]
async fn while_nothing_is_taken_nobody_is_to_blame() {
    for error in [
        OriginError::Timeout { limit_ms: 1 },
        OriginError::Schema("no table".into()),
        OriginError::Failed("permission denied".into()),
    ] {
        let (rig, queue) = in_memory();
        rig.shop.fail_writes(Some(error.clone()));
        for id in 0..40 {
            rig.write(&id.to_string(), "one").await;
        }
        for _ in 0..600 {
            rig.pass(30_000).await;
        }
        assert!(letters(&rig).await.is_empty(), "{error}");
        rig.shop.fail_writes(None);
        rig.pass(30_000).await;
        flushed(&*queue).await;
        assert!(letters(&rig).await.is_empty(), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_is_the_origins_again() {
    let (rig, queue) = in_memory();
    rig.shop.set("42", "zero");
    rig.shop.set("list", "zero");
    rig.shop
        .refuse("42", Some(OriginError::Rejected("no".into())));
    rig.write("42", "one").await;
    flushed(&*queue).await;
    assert_eq!(rig.look("42").await.1, some("one"));
    rig.read("list").await;
    let view = rig.engine.queue().expect("has a queue");
    assert_eq!(view.forget(&Letters::All).await, Ok(1));
    assert_eq!(rig.look("42").await, (Outcome::Miss, some("zero")));
    assert_eq!(rig.look("list").await.0, Outcome::Miss);
}

#[tokio::test(start_paused = true)]
async fn a_direct_write_waits_no_longer_than_its_deadline() {
    let (rig, _queue) = in_memory();
    rig.shop.fail_writes(down());
    rig.write("42", "one").await;
    let direct = Request::write("product", "42").with("by", "through");
    let error = rig.engine.write(direct, Value::new("two")).await;
    let error = error.expect_err("cannot wait for ever");
    assert_eq!(error.code(), "behind_queue");
    assert!(error.retry_after_ms().is_some());
    assert_eq!(rig.look("42").await.1, some("one"), "nothing was done");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_lets_writes_through_or_refuses_them() {
    for on_full in [OnFull::WriteThrough, OnFull::Refuse] {
        let queue = Arc::new(Shelter::of(1));
        let mut parts = parts(&queue);
        let tuning = QueueTuning {
            on_full,
            ..QueueTuning::default()
        };
        parts.queue = Some((queue.clone(), tuning));
        let rig = parts.build();
        let gate = rig.shop.stop(Call::Write);
        rig.write("42", "one").await;
        gate.reached().await;
        let other = rig.try_write("7", "two").await;
        match on_full {
            OnFull::WriteThrough => {
                let writing = other.expect("is written");
                assert!(writing.written && writing.queued.is_none());
                assert_eq!(rig.shop.holds("7"), some("two"));
            }
            OnFull::Refuse => {
                let error = other.expect_err("is refused");
                assert_eq!(error.code(), "queue_full");
                assert_eq!(rig.look("7").await.1, None, "nothing was done");
            }
        }
        gate.open();
        flushed(&*queue).await;
        assert!(rig.write("7", "three").await.queued.is_some(), "room again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeated_operation_is_answered_the_same_and_undoes_nothing() {
    let (rig, queue) = in_memory();
    rig.shop.fail_writes(down());
    let once = async |value: &str, operation| {
        let value = Value::new(value.to_owned());
        let request = Request::write("product", "42");
        let writing = rig.engine.write_once(request, value, operation).await;
        writing.expect("is queued").queued.expect("is queued")
    };
    let first = once("one", "a").await;
    let second = once("two", "b").await;
    let repeated = once("one", "a").await;
    assert_eq!((repeated.id == first.id, repeated.repeated), (true, true));
    assert!(second.id.sequence > first.id.sequence);
    assert_eq!(rig.look("42").await.1, some("two"), "the newer one holds");
    rig.shop.fail_writes(None);
    flushed(&*queue).await;
    assert_eq!(once("one", "a").await.id, first.id, "flushed or not");
    assert_eq!(rig.look("42").await.1, some("two"));
    flushed(&*queue).await;
    assert_eq!(rig.shop.holds("42"), some("two"));

    let request = Request::write("product", "7");
    let other = rig.engine.write_once(request, Value::new("one"), "a").await;
    let other = other.expect_err("a name is of one request");
    assert_eq!(other.code(), "idempotency_key_reused");
}

#[tokio::test(start_paused = true)]
async fn a_drain_flushes_what_it_can_and_says_what_is_left() {
    let (rig, queue) = in_memory();
    for id in 0..100 {
        rig.write(&id.to_string(), "one").await;
    }
    let soon = || tokio::time::Instant::now() + Duration::from_secs(5);
    let drained = rig.engine.drain(soon()).await.expect("drains");
    assert_eq!((drained.left, queue.waiting().len()), (0, 0));
    assert_eq!(rig.shop.holds("99"), some("one"));

    let (rig, queue) = in_memory();
    rig.shop.fail_writes(down());
    rig.write("42", "one").await;
    let began = tokio::time::Instant::now();
    let drained = rig.engine.drain(soon()).await.expect("gives up");
    assert_eq!((drained.left, queue.waiting().len()), (1, 1));
    assert!(began.elapsed() < Duration::from_secs(7));

    let none = crate::kit::rig(Strategy::ReadThrough, |_| ());
    assert_eq!(none.engine.drain(soon()).await.expect("does").left, 0);
}

#[tokio::test(start_paused = true)]
async fn what_an_engine_leaves_the_next_one_flushes() {
    for drained in [true, false] {
        let (first, queue) = in_memory();
        let shop = Arc::clone(&first.shop);
        shop.fail_writes(down());
        first.write("42", "one").await;
        if drained {
            let now = tokio::time::Instant::now();
            assert_eq!(first.engine.drain(now).await.expect("ends").left, 1);
        }
        drop(first);
        crate::kit::pass(1_000).await;
        assert_eq!(Arc::strong_count(&queue), 1, "its tasks have ended");
        let second = Parts {
            shop: Some(Arc::clone(&shop)),
            ..parts(&queue)
        };
        let second = second.build();
        assert_eq!(second.look("42").await.1, some("one"), "not flushed yet");
        shop.fail_writes(None);
        flushed(&*queue).await;
        assert_eq!(shop.holds("42"), some("one"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_node_that_died_was_flushing_another_flushes_later() {
    let queue = Arc::new(Shelter::default());
    let shop = Arc::default();
    let build = || {
        let shop = Some(Arc::clone(&shop));
        Parts {
            shop,
            ..parts(&queue)
        }
        .build()
    };
    let dead = build();
    // It never comes back from the origin, and has not told it anything.
    let gate = shop.stop(Call::Write);
    dead.write("42", "one").await;
    gate.reached().await;
    let alive = build();
    alive.write("42", "two").await;
    alive.pass(2_000).await;
    assert_eq!(shop.holds("42"), some("one"), "the claim holds");
    for _ in 0..20 {
        alive.pass(1_000).await;
    }
    assert_eq!(shop.holds("42"), some("two"));
    // What the dead one finds out when it wakes up is not its business any more.
    gate.open();
    flushed(&*queue).await;
    assert_eq!(shop.holds("42"), some("two"));
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_does_not_answer_is_no_reason_to_serve_the_origins_older_value() {
    let (rig, queue) = in_memory();
    rig.shop.set("42", "zero");
    rig.shop.fail_writes(down());
    rig.write("42", "one").await;
    rig.invalidate(Aim::Key, Mode::Purge).await;
    queue.break_down(true);
    let error = rig.try_read("42").await.expect_err("nobody knows");
    assert_eq!(error.code(), "queue_failed");
    let error = rig.try_write("42", "two").await.expect_err("is not taken");
    assert_eq!(error.code(), "queue_failed");
    queue.break_down(false);
    rig.clock.advance(6_000);
    assert_eq!(rig.look("42").await.1, some("one"));
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_fails_hides_nothing_that_is_queued() {
    let (rig, _queue) = in_memory();
    rig.shop.set("42", "zero");
    rig.shop.fail_writes(down());
    rig.write("42", "one").await;
    rig.policies.put(Native::failing());
    assert_eq!(rig.look("42").await, (Outcome::Bypass, some("one")));
}

#[tokio::test(start_paused = true)]
async fn without_a_queue_write_behind_is_refused() {
    let rig = rig(Strategy::WriteBehind, |_| ());
    let error = rig.try_write("42", "one").await.expect_err("is refused");
    assert_eq!(error.code(), "unsupported");
    assert!(rig.engine.queue().is_none());
    assert_eq!(rig.read("42").await.not_stored, Some(NotStored::ZeroTtl));
}
