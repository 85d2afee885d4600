//! Entries of older builds of a policy: for how long they are served, and whose they are called.

use larder::Older;
use larder::core::{Admission, Decision, Outcome, Strategy};

use crate::kit::{Native, Parts, Rig, TTL, policy, quiet, some};

fn build(ttl_ms: u64, change: impl Fn(&mut Decision) + Send + Sync + 'static) -> Native {
    policy(Strategy::ReadThrough, move |_, decision| {
        decision.freshness.ttl_ms = ttl_ms;
        change(decision);
    })
}

/// An entry that the first build gave ten seconds, and the second build in its place.
async fn replaced(older: Older, first: Native, second: Native) -> Rig {
    let mut parts = Parts::new(first);
    parts.older = older;
    let rig = parts.build();
    rig.shop.set("42", "one");
    rig.read("42").await;
    rig.shop.set("42", "two");
    rig.policies.put(second.revision("second"));
    rig
}

#[tokio::test(start_paused = true)]
async fn a_ttl_that_a_newer_build_shortens_holds_for_entries_of_the_older_one() {
    let rig = replaced(Older::default(), build(TTL, |_| ()), build(500, |_| ())).await;
    rig.clock.advance(499);
    let hit = rig.read("42").await;
    assert_eq!((hit.outcome, hit.ttl_ms), (Outcome::Hit, Some(1)));
    rig.clock.advance(1);
    assert_eq!(rig.look("42").await, (Outcome::Miss, some("two")));
    assert_eq!(rig.look("42").await.0, Outcome::Hit);
}

#[tokio::test(start_paused = true)]
async fn a_ttl_that_a_newer_build_lengthens_does_not() {
    let rig = replaced(
        Older::default(),
        build(TTL, |_| ()),
        build(10 * TTL, |_| ()),
    )
    .await;
    rig.clock.advance(TTL - 1);
    assert_eq!(rig.look("42").await.0, Outcome::Hit);
    rig.clock.advance(1);
    assert_eq!(rig.look("42").await.0, Outcome::Miss);
}

#[tokio::test(start_paused = true)]
async fn a_newer_build_that_caches_nothing_ends_entries_of_the_older_one_at_once() {
    let rig = replaced(Older::default(), build(TTL, |_| ()), build(0, |_| ())).await;
    assert_eq!(rig.look("42").await, (Outcome::Miss, some("two")));
}

#[tokio::test(start_paused = true)]
async fn stale_windows_and_the_ttl_of_absences_are_shortened_too() {
    let long = |decision: &mut Decision| {
        decision.freshness.stale_while_revalidate_ms = 5_000;
        decision.freshness.negative_ttl_ms = 5_000;
    };
    let short = |decision: &mut Decision| {
        decision.freshness.stale_while_revalidate_ms = 100;
        decision.freshness.negative_ttl_ms = 50;
    };
    let rig = replaced(Older::default(), build(TTL, long), build(TTL, short)).await;
    rig.policies.put(build(TTL, long));
    assert_eq!(rig.look("7").await, (Outcome::Miss, None));
    rig.policies.put(build(TTL, short).revision("second"));
    rig.clock.advance(49);
    assert_eq!(rig.look("7").await, (Outcome::NegativeHit, None));
    rig.clock.advance(1);
    assert_eq!(rig.look("7").await.0, Outcome::Miss);
    rig.clock.advance(TTL - 50);
    assert_eq!(rig.look("42").await.0, Outcome::Stale);
    quiet().await;
    let rig = replaced(Older::default(), build(TTL, long), build(TTL, short)).await;
    rig.clock.advance(TTL + 100);
    assert_eq!(rig.look("42").await.0, Outcome::Miss);
}

#[tokio::test(start_paused = true)]
async fn a_time_to_idle_that_a_newer_build_shortens_or_begins_holds_too() {
    let idles = |idle_ms: u64| {
        build(TTL, move |decision| {
            decision.freshness.time_to_idle_ms = idle_ms;
        })
    };
    for first in [5_000, 0] {
        for (waited, outcome) in [(299, Outcome::Hit), (300, Outcome::Miss)] {
            let rig = replaced(Older::default(), idles(first), idles(300)).await;
            rig.clock.advance(waited);
            assert_eq!(rig.look("42").await.0, outcome, "{first}");
        }
        let rig = replaced(Older::default(), idles(first), idles(6_000)).await;
        rig.clock.advance(4_999);
        assert_eq!(rig.look("42").await.0, Outcome::Hit, "{first}");
    }
    let rig = replaced(Older::default(), idles(5_000), idles(300)).await;
    for _ in 0..10 {
        rig.clock.advance(299);
        assert_eq!(rig.look("42").await.0, Outcome::Hit, "it is in use");
    }
}

#[tokio::test(start_paused = true)]
async fn other_settings_of_one_build_count_as_another_build() {
    let first = build(TTL, |_| ()).settings("aa");
    let mut parts = Parts::new(first);
    parts.older = Older::default();
    let rig = parts.build();
    rig.shop.set("42", "one");
    rig.read("42").await;
    rig.policies.put(build(500, |_| ()).settings("bb"));
    rig.clock.advance(500);
    assert_eq!(rig.look("42").await.0, Outcome::Miss);
}

/// The same build decides less the later it is asked, as one does that caches until midnight.
#[tokio::test(start_paused = true)]
async fn the_build_that_made_an_entry_does_not_shorten_it() {
    let rig = Parts::new(build(TTL, |_| ())).build();
    rig.shop.set("42", "one");
    rig.read("42").await;
    rig.policies.put(build(500, |_| ()));
    rig.clock.advance(TTL - 1);
    assert_eq!(rig.look("42").await.0, Outcome::Hit);
}

#[tokio::test(start_paused = true)]
async fn what_a_policy_is_asked_for_after_loads_is_shortened_only_where_that_is_asked_for() {
    let admits = |ttl_ms: u64| {
        build(ttl_ms, |_| ()).admit(|decision, _| {
            let mut admission = Admission::as_decided(decision);
            admission.freshness.ttl_ms = TTL;
            Ok(admission)
        })
    };
    for (older, outcome) in [
        (Older::ShorterUnlessAdmitted, Outcome::Hit),
        (Older::Stored, Outcome::Hit),
        (Older::Shorter, Outcome::Miss),
    ] {
        let rig = replaced(older, admits(1_000), admits(500)).await;
        rig.clock.advance(TTL - 1);
        assert_eq!(rig.look("42").await.0, outcome, "{older:?}");
    }
    let rig = replaced(Older::Stored, build(TTL, |_| ()), build(500, |_| ())).await;
    rig.clock.advance(TTL - 1);
    assert_eq!(rig.look("42").await.0, Outcome::Hit);
}

#[tokio::test(start_paused = true)]
async fn an_application_is_given_the_lease_of_what_a_newer_build_shortens() {
    let aside = |ttl_ms| build(ttl_ms, |decision| decision.strategy = Strategy::CacheAside);
    let mut parts = Parts::new(aside(TTL));
    parts.origin = false;
    let rig = parts.build();
    let lease = rig.read("42").await.lease.expect("nobody else has it");
    let value = Some(larder::Value::new("one"));
    let filled = rig.engine.fill(lease, value, &[]).await;
    assert_eq!(filled.expect("is answered").not_stored, None);
    rig.policies.put(aside(500).revision("second"));
    assert_eq!(rig.look("42").await, (Outcome::Hit, some("one")));
    rig.clock.advance(500);
    let reading = rig.read("42").await;
    assert_eq!(reading.outcome, Outcome::Leased);
    assert!(reading.lease.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_reading_names_the_build_that_made_the_entry_beside_the_one_that_decided() {
    let rig = replaced(Older::default(), build(TTL, |_| ()), build(TTL, |_| ())).await;
    let hit = rig.read("42").await;
    let made_by = hit.made_by.expect("it comes from an entry");
    let revisions = (&*made_by.revision, &*hit.decided.policy.revision);
    assert_eq!(revisions, ("native", "second"));
    let miss = rig.read("7").await;
    assert_eq!((miss.outcome, miss.made_by), (Outcome::Miss, None));
    rig.shop.set("8", "eight");
    rig.read("8").await;
    let own = rig.read("8").await;
    assert_eq!(own.made_by, Some(own.decided.policy));
}
