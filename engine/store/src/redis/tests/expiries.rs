//! The expiries of a tag, as scripts keep them.

use larder_core::dependency::Mode;
use larder_core::freshness::State;
use larder_core::{Expiries, Timestamp};

use super::*;

/// The expiries of a tag as they are kept.
async fn kept(store: &RedisStore, of: &Dependency) -> Option<String> {
    let name = store.inner().names.expiries(of);
    raw(store, cmd("GET").arg(name)).await
}

#[tokio::test]
async fn redis_notes_expiries_as_the_rule_does() {
    let bench = Bench::shared().await;
    let [store, _] = bench.two();
    let of = &tags()[0];
    let mut now = subject::NOW;
    let mut rule = Expiries::default();
    for n in 0_u64..60 {
        now = now.plus([3, 70, 5_000, 0, 900_000, 31][n as usize % 6] * (n % 7));
        let mode = if n == 25 { Mode::Purge } else { Mode::Expire };
        let step = store.bump(std::slice::from_ref(of), mode, now).await;
        let step = step.expect("it answers")[0];
        match mode {
            Mode::Purge => rule.clear(),
            Mode::Expire => rule.note(step.before.expire, step.after.expire),
        }
        let text = rule.to_string();
        let text = Some(text).filter(|text| !text.is_empty());
        assert_eq!(kept(&store, of).await, text, "step {n}");
    }
}

#[tokio::test]
async fn a_version_of_the_build_before_is_read_and_ends_entries_early_at_most() {
    let bench = Bench::shared().await;
    let ([store, _], key) = (bench.two(), key());
    let of = &tags()[0];
    let name = store.inner().names.version(of);
    let first = store.versions(std::slice::from_ref(of)).await;
    let purge = first.expect("it answers")[0].purge;
    let expire = |at: Timestamp| format!("{purge}:{}", at.0 * 1000);
    let set = async |at| {
        let answer: String = raw(&store, cmd("SET").arg(&name).arg(expire(at))).await;
        assert_eq!(answer, "OK");
    };
    set(subject::NOW).await;
    stored(&store, &key).await;
    assert!(get(&store, &key).await.is_some(), "the version is read");
    let state = async |now| {
        let found = store.get(&key, Expected::NOTHING, now).await;
        found.expect("it answers").map(|it| it.windows.state(now))
    };
    // It does not keep expiries, so this may be the second after the load.
    set(subject::NOW.plus(5_000)).await;
    assert_eq!(
        state(subject::NOW.plus(1_999)).await,
        Some(State::StaleIfError)
    );
    assert_eq!(state(subject::NOW.plus(2_000)).await, None);
    // An entry that was loaded under the last of them has its whole windows.
    let gone = store.invalidate(&key, Mode::Purge, subject::NOW).await;
    gone.expect("it answers");
    stored(&store, &key).await;
    let at = subject::NOW.plus(7_000);
    store
        .bump(std::slice::from_ref(of), Mode::Expire, at)
        .await
        .expect("it answers");
    assert_eq!(state(at.plus(999)).await, Some(State::Stale));
    assert_eq!(state(at.plus(1_999)).await, Some(State::StaleIfError));
    assert_eq!(state(at.plus(2_000)).await, None);
}

#[tokio::test]
async fn expiries_end_with_the_version_that_they_belong_to() {
    let bench = Bench::shared().await;
    let [store, _] = bench.two();
    let of = &tags()[..1];
    let expire = async || {
        store
            .bump(of, Mode::Expire, subject::NOW)
            .await
            .expect("it answers")
    };
    store.versions(of).await.expect("it answers");
    expire().await;
    assert!(kept(&store, &of[0]).await.is_some());
    let name = store.inner().names.expiries(&of[0]);
    let left: i64 = raw(&store, cmd("PTTL").arg(name)).await;
    assert!(left > 0, "it has an end");
    let version = store.inner().names.version(&of[0]);
    raw::<u64>(&store, cmd("DEL").arg(version)).await;
    store.versions(of).await.expect("it answers");
    assert_eq!(kept(&store, &of[0]).await, None, "another version began");
}
