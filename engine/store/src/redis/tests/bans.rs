//! Bans: in place at once, everywhere, until nothing from before them is left.

use larder_core::dependency::Mode;
use larder_core::freshness::State;

use super::*;
use crate::store::StoreError;

#[tokio::test]
async fn a_ban_by_another_node_during_a_load_voids_its_fill() {
    let bench = Bench::shared().await;
    for mode in [Mode::Purge, Mode::Expire] {
        for swept in [false, true] {
            let ([loader, other], key) = (bench.two(), key());
            let begun = begin(&loader, &key).await;
            if swept {
                let sweep = other.ban(&pattern("k*"), mode, subject::NOW).await;
                assert!(sweep.expect("it answers").ended().await.complete);
            } else {
                place(&other, "k*", mode).await;
                let holds = loader.holds(&key, begun.0, &[], subject::NOW).await;
                assert_eq!(holds, Ok(false), "nobody may join the load");
            }
            assert_eq!(fill(&loader, &key, begun).await, Filled::Voided, "{swept}");
            assert!(get(&loader, &key).await.is_none());
        }
    }
}

#[tokio::test]
async fn a_ban_beside_a_fill_is_never_overlooked() {
    let bench = Bench::shared().await;
    let ([loader, other], ban) = (bench.two(), pattern("*"));
    for n in 0..40 {
        let key = subject::key(&n.to_string());
        let begun = begin(&loader, &key).await;
        let filling = fill(&loader, &key, begun);
        let banning = other.ban(&ban, Mode::Purge, subject::NOW);
        let (_, sweep) = futures_util::future::join(filling, banning).await;
        assert!(get(&loader, &key).await.is_none(), "in round {n}");
        assert!(sweep.expect("it answers").ended().await.complete);
        assert!(get(&loader, &key).await.is_none(), "swept, in round {n}");
        assert!(!exists(&loader, &loader.inner().names.entry(&key)).await);
    }
}

#[tokio::test]
async fn a_load_from_after_a_ban_is_served_while_it_is_swept_and_later() {
    let bench = Bench::shared().await;
    let ([store, other], key) = (bench.two(), key());
    stored(&store, &key).await;
    place(&other, "*", Mode::Purge).await;
    assert!(get(&store, &key).await.is_none());
    stored(&store, &key).await;
    assert!(get(&store, &key).await.is_some());
    forget_sweepers(&other).await;
    other.inner().adopt_all().await.expect("it answers");
    assert!(
        get(&store, &key).await.is_some(),
        "the sweep took a new entry"
    );
}

/// A ban by a node that dies before it sweeps.
async fn place(store: &RedisStore, glob: &str, mode: Mode) {
    let glob = pattern(glob);
    let placed = store.inner().place_ban(&glob, mode, subject::NOW);
    placed.await.expect("there is room");
}

/// As if every sweeper had been silent for long.
async fn forget_sweepers(store: &RedisStore) {
    let bans = store.inner().read_bans().await.expect("it answers");
    for ban in &bans.all {
        let lock = store.inner().names.ban_lock(&ban.id);
        raw::<u64>(store, cmd("DEL").arg(lock)).await;
    }
}

#[tokio::test]
async fn a_ban_whose_node_died_is_adopted() {
    let bench = Bench::shared().await;
    let ([dead, other], key) = (bench.two(), key());
    stored(&dead, &key).await;
    place(&dead, "*", Mode::Purge).await;
    other.inner().adopt_all().await.expect("it answers");
    let live = async || {
        other
            .inner()
            .read_bans()
            .await
            .expect("it answers")
            .all
            .len()
    };
    assert_eq!(live().await, 1, "its sweeper was heard of just now");
    assert!(get(&other, &key).await.is_none());
    forget_sweepers(&other).await;
    other.inner().adopt_all().await.expect("it answers");
    assert_eq!(live().await, 0);
    assert!(!exists(&other, &other.inner().names.entry(&key)).await);
}

#[tokio::test]
async fn what_an_expiring_ban_swept_is_stale_since_the_ban() {
    let bench = Bench::shared().await;
    let ([store, other], key) = (bench.two(), key());
    stored(&store, &key).await;
    let sweep = other.ban(&pattern("*"), Mode::Expire, subject::NOW).await;
    let ended = sweep.expect("it answers").ended().await;
    assert_eq!((ended.complete, ended.removed), (true, 1));
    let live = store.inner().read_bans().await.expect("it answers");
    assert!(live.all.is_empty());
    let found = get(&store, &key).await.expect("it has stale windows");
    assert_eq!(found.windows.state(subject::NOW), State::Stale);
}

#[tokio::test]
async fn entries_do_not_outlive_a_list_of_bans_that_was_lost() {
    let bench = Bench::shared().await;
    let ([store, other], key) = (bench.two(), key());
    let sweep = store
        .ban(&pattern("other*"), Mode::Purge, subject::NOW)
        .await;
    assert!(sweep.expect("it answers").ended().await.complete);
    stored(&store, &key).await;
    let name = store.inner().names.bans();
    assert_eq!(raw::<u64>(&store, cmd("DEL").arg(name)).await, 1);
    assert!(get(&other, &key).await.is_none());
    stored(&store, &key).await;
    assert!(get(&other, &key).await.is_some());
    let ban = other.ban(&pattern("*"), Mode::Purge, subject::NOW).await;
    ban.expect("it answers");
    assert!(get(&store, &key).await.is_none(), "the numbers began below");
}

#[tokio::test]
async fn too_many_bans_are_refused_and_say_what_to_do() {
    let bench = Bench::shared().await;
    let [store, _] = bench.two();
    for n in 0..64 {
        place(&store, &n.to_string(), Mode::Purge).await;
    }
    let refused = store.ban(&pattern("x"), Mode::Purge, subject::NOW).await;
    let Err(StoreError::Refused(why)) = refused else {
        panic!("{refused:?}");
    };
    assert!(why.contains("invalidate the namespace"), "{why}");
    forget_sweepers(&store).await;
    store.inner().adopt_all().await.expect("it answers");
    assert!(
        store
            .ban(&pattern("x"), Mode::Purge, subject::NOW)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_ban_of_another_build_makes_misses_of_all_that_is_older() {
    let bench = Bench::shared().await;
    let ([store, _], key) = (bench.two(), key());
    let sweep = store.ban(&pattern("x"), Mode::Purge, subject::NOW).await;
    sweep.expect("it answers").ended().await;
    stored(&store, &key).await;
    let names = &store.inner().names;
    let last: u64 = raw(&store, cmd("HGET").arg(names.bans()).arg("seq")).await;
    let mut place = cmd("HSET");
    place.arg(names.bans()).arg("seq").arg(last + 1);
    place.arg("new").arg(format!("{} in new words", last + 1));
    raw::<u64>(&store, &mut place).await;
    assert!(get(&store, &key).await.is_none());
    stored(&store, &key).await;
    assert!(get(&store, &key).await.is_some());
}

#[tokio::test]
async fn what_was_read_before_a_sweep_is_not_judged_by_the_list_from_after_it() {
    let bench = Bench::shared().await;
    let ([store, other], key) = (bench.two(), key());
    stored(&store, &key).await;
    place(&other, "*", Mode::Purge).await;
    // The reader has read the number of the bans and the entry, and not yet the list.
    let names = &store.inner().names;
    let number: u64 = raw(&store, cmd("HGET").arg(names.bans()).arg("seq")).await;
    forget_sweepers(&other).await;
    other.inner().adopt_all().await.expect("it answers");
    let bans = store.inner().bans_under(number).await.expect("it answers");
    assert!(bans.all.is_empty());
    assert_ne!(bans.number, number, "or it would pass for the list it read");
}
