//! Steps of several nodes in the order in which they hurt.

use larder_core::dependency::Mode;

use super::*;

#[tokio::test]
async fn a_dead_loaders_token_fills_nothing_after_a_takeover() {
    let bench = Bench::shared().await;
    let ([dead, next], key) = (bench.two(), key());
    let old = begin(&dead, &key).await;
    let end = subject::NOW.plus(LEASE_MS);
    let Leased::Granted(token) = lease(&next, &key, end).await else {
        panic!("the lease ran out");
    };
    assert_eq!(fill(&dead, &key, old.clone()).await, Filled::Voided);
    let new = subject::entry(&key, "new", Vec::new(), end);
    let filled = next.fill(&key, token, new.clone(), end).await;
    assert_eq!(filled, Ok(Filled::Stored));
    assert_eq!(fill(&dead, &key, old).await, Filled::Voided);
    let found = get(&dead, &key).await.map(|found| found.entry);
    assert_eq!(found.as_deref(), Some(&new));
}

#[tokio::test]
async fn a_version_lost_during_a_load_voids_its_fill() {
    let bench = Bench::shared().await;
    let ([store, _], key) = (bench.two(), key());
    let begun = begin(&store, &key).await;
    let name = store.inner().names.version(&tags()[1]);
    assert_eq!(raw::<u64>(&store, cmd("DEL").arg(&name)).await, 1);
    assert_eq!(fill(&store, &key, begun).await, Filled::Voided);
    assert!(!exists(&store, &store.inner().names.entry(&key)).await);
}

#[tokio::test]
async fn a_version_lost_after_a_load_ends_its_entry_and_comes_back_different() {
    let bench = Bench::shared().await;
    let ([store, other], key) = (bench.two(), key());
    let before = store.versions(&tags()).await.expect("it answers");
    stored(&store, &key).await;
    assert!(get(&store, &key).await.is_some());
    for of in tags() {
        let name = store.inner().names.version(&of);
        raw::<u64>(&store, cmd("DEL").arg(&name)).await;
    }
    assert!(get(&store, &key).await.is_none(), "the version is lost");
    let after = other.versions(&tags()).await.expect("it answers");
    for (before, after) in before.iter().zip(&after) {
        assert_ne!(before.purge, after.purge);
    }
    assert!(get(&store, &key).await.is_none(), "it is another version");
    stored(&other, &key).await;
    assert!(get(&store, &key).await.is_some());
}

#[tokio::test]
async fn a_lost_version_has_no_step_that_a_write_could_pass_through() {
    let bench = Bench::shared().await;
    let [store, _] = bench.two();
    let read = store.versions(&tags()).await.expect("it answers");
    let name = store.inner().names.version(&tags()[0]);
    raw::<u64>(&store, cmd("DEL").arg(&name)).await;
    for mode in [Mode::Expire, Mode::Purge] {
        let steps = store.bump(&tags()[..1], mode, subject::NOW).await;
        let step = steps.expect("it answers")[0];
        assert_ne!(step.before, read[0]);
        assert!(step.after.purge >= subject::NOW.0 * 1000, "{step:?}");
    }
}

#[tokio::test]
async fn scripts_sent_twice_do_no_harm() {
    let bench = Bench::shared().await;
    let ([store, _], key) = (bench.two(), key());
    let (claims, entry) = (
        store.inner().names.claims(&key),
        store.inner().names.entry(&key),
    );
    let twice = async |script: &redis::Script, args: &[&str]| {
        for _ in 0..2 {
            let keys = [&*claims, &*entry];
            store
                .inner()
                .script(script, &keys, args)
                .await
                .expect("it answers");
        }
    };
    let scripts = &store.inner().scripts;
    let (now, end) = (
        subject::NOW.0.to_string(),
        subject::NOW.plus(LEASE_MS).0.to_string(),
    );
    let (token, fresh) = (Token(7).to_string(), Token(8).to_string());

    let args = [&*now, &fresh, &token, &end, "1", "", "", "0", "0"];
    twice(&scripts.lease, &args).await;
    store.release(&key, Token(7)).await.expect("it answers");
    assert!(!exists(&store, &claims).await, "a loader was counted twice");

    twice(&scripts.begin_write, &[&*now, &fresh, &token, &end, "0"]).await;
    let held = store.holds(&key, Token(7), &[], subject::NOW).await;
    assert_eq!(held, Ok(true), "a write was taken for two");

    let new = subject::entry(&key, "v", Vec::new(), subject::NOW);
    let (first, second) = (fill(&store, &key, (Token(7), new.clone())).await, {
        fill(&store, &key, (Token(7), new)).await
    });
    assert_eq!((first, second), (Filled::Stored, Filled::Voided));
    assert!(get(&store, &key).await.is_some());
}

#[tokio::test]
async fn a_write_whose_claim_a_hurried_clock_ended_cannot_fill() {
    let bench = Bench::shared().await;
    let ([store, hurried], key) = (bench.two(), key());
    let token = store.begin_write(&key, LEASE_MS, subject::NOW).await;
    let token = token.expect("it answers");
    let ahead = subject::NOW.plus(LEASE_MS);
    let Leased::Granted(load) = lease(&hurried, &key, ahead).await else {
        panic!("for it the write has run out");
    };
    let new = subject::entry(&key, "written", Vec::new(), subject::NOW);
    assert_eq!(fill(&store, &key, (token, new)).await, Filled::Voided);
    // As the engine does where a write could not fill.
    let gone = store.invalidate(&key, Mode::Purge, subject::NOW).await;
    assert_eq!(gone, Ok(false));
    let old = subject::entry(&key, "old", Vec::new(), ahead);
    let filled = hurried.fill(&key, load, old, ahead).await;
    assert_eq!(filled, Ok(Filled::Voided));
}
