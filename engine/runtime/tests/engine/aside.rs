//! Cache-aside: leases that an application fills.

use larder::core::dependency::Mode;
use larder::core::{Admission, NotStored, Outcome, Strategy};
use larder::{Lease, Reading, Value};

use crate::kit::{Aim, Parts, Rig, STORED, TTL, join, pass, policy, quiet, rig, some, text};

fn aside() -> Rig {
    rig(Strategy::CacheAside, |_| ())
}

async fn lease(rig: &Rig) -> Lease {
    let reading = rig.read("42").await;
    assert_eq!(reading.outcome, Outcome::Leased);
    reading.lease.expect("the right to fill")
}

async fn fill(rig: &Rig, lease: Lease, value: &str) -> Option<NotStored> {
    let value = Some(Value::new(value.to_owned()));
    let filling = rig.engine.fill(lease, value, &[]).await;
    filling.expect("is answered").not_stored
}

fn seen(reading: &Reading) -> (Outcome, Option<String>) {
    (reading.outcome, text(&reading.value))
}

#[tokio::test(start_paused = true)]
async fn the_first_reader_gets_the_lease_and_the_second_what_it_fills() {
    let rig = aside();
    let lease = lease(&rig).await;
    assert_eq!(lease.ttl_ms(), 10_000);
    assert_eq!(lease.names(), ("product", "42"));
    let second = rig.start_read("42");
    quiet().await;
    assert!(!second.is_finished());
    let filling = rig.engine.fill(lease, Some(Value::new("one")), &[]).await;
    let filling = filling.expect("is answered");
    assert_eq!((filling.not_stored, filling.ttl_ms), (STORED, Some(TTL)));
    assert_eq!(seen(&join(second).await), (Outcome::Hit, some("one")));
    assert_eq!(rig.shop.log(), [""; 0], "the application loads");
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_is_told_to_load_by_itself() {
    let rig = aside();
    let _lease = lease(&rig).await;
    let second = rig.start_read("42");
    quiet().await;
    pass(999).await;
    assert!(!second.is_finished());
    pass(1).await;
    let second = join(second).await;
    assert_eq!(seen(&second), (Outcome::LeasedElsewhere, None));
    assert!(second.lease.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_given_up_goes_to_who_waits() {
    let rig = aside();
    let lease = lease(&rig).await;
    let second = rig.start_read("42");
    quiet().await;
    rig.engine.release(lease).await.expect("is released");
    let second = join(second).await;
    assert_eq!(second.outcome, Outcome::Leased);
    let filled = fill(&rig, second.lease.expect("has it"), "one").await;
    assert_eq!(filled, STORED);
}

#[tokio::test(start_paused = true)]
async fn a_fill_after_the_end_of_its_lease_is_refused() {
    let rig = aside();
    let late = lease(&rig).await;
    rig.clock.advance(10_000);
    let next = lease(&rig).await;
    assert_eq!(fill(&rig, late, "late").await, Some(NotStored::Voided));
    assert_eq!(fill(&rig, next, "next").await, STORED);
    assert_eq!(rig.look("42").await, (Outcome::Hit, some("next")));
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_voids_a_lease() {
    for aim in Aim::ALL {
        for mode in [Mode::Purge, Mode::Expire] {
            let rig = aside();
            let lease = lease(&rig).await;
            rig.invalidate(aim, mode).await;
            let filled = fill(&rig, lease, "old").await;
            assert_eq!(filled, Some(NotStored::Voided), "{aim:?} {mode:?}");
            assert_eq!(rig.look("42").await, (Outcome::Leased, None));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_voids_a_lease() {
    let rig = aside();
    let lease = lease(&rig).await;
    rig.write("42", "new").await;
    assert_eq!(fill(&rig, lease, "old").await, Some(NotStored::Voided));
    assert_eq!(rig.shop.holds("42"), some("new"));
}

#[tokio::test(start_paused = true)]
async fn a_lease_fills_once() {
    let rig = aside();
    let lease = lease(&rig).await;
    assert_eq!(fill(&rig, lease.clone(), "one").await, STORED);
    let again = fill(&rig, lease.clone(), "two").await;
    assert_eq!(again, Some(NotStored::Voided));
    rig.engine.release(lease).await.expect("changes nothing");
    assert_eq!(rig.look("42").await, (Outcome::Hit, some("one")));
}

#[tokio::test(start_paused = true)]
async fn absence_is_filled_as_well() {
    let rig = rig(Strategy::CacheAside, |d| d.freshness.negative_ttl_ms = 50);
    let lease = lease(&rig).await;
    let filling = rig.engine.fill(lease, None, &[]).await;
    assert_eq!(filling.expect("is answered").ttl_ms, Some(50));
    assert_eq!(rig.look("42").await, (Outcome::NegativeHit, None));
}

#[tokio::test(start_paused = true)]
async fn a_lease_survives_the_way_through_json() {
    let rig = Parts::new(
        policy(Strategy::CacheAside, |_, _| ())
            .admit(|decision, _| Ok(Admission::as_decided(decision))),
    )
    .build();
    let lease = lease(&rig).await;
    let text = serde_json::to_string(&lease).expect("is written");
    let back: Lease = serde_json::from_str(&text).expect("is read");
    assert_eq!(back, lease);
    assert_eq!(fill(&rig, back, "one").await, STORED);
    assert_eq!(rig.look("42").await, (Outcome::Hit, some("one")));
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_comes_with_the_lease_to_refresh_it() {
    let rig = rig(Strategy::CacheAside, |d| {
        d.freshness.stale_while_revalidate_ms = 5_000;
    });
    let first = lease(&rig).await;
    fill(&rig, first, "one").await;
    rig.clock.advance(TTL);
    let stale = rig.read("42").await;
    assert_eq!(seen(&stale), (Outcome::Stale, some("one")));
    let other = rig.read("42").await;
    assert_eq!(seen(&other), (Outcome::Stale, some("one")));
    assert!(other.lease.is_none(), "one refreshes");
    let lease = stale.lease.expect("comes with it");
    assert_eq!(fill(&rig, lease, "two").await, STORED);
    assert_eq!(rig.look("42").await, (Outcome::Hit, some("two")));
}

#[tokio::test(start_paused = true)]
async fn what_another_build_admits_is_not_stored() {
    let admits = || {
        policy(Strategy::CacheAside, |_, _| ())
            .admit(|decision, _| Ok(Admission::as_decided(decision)))
    };
    let rig = Parts::new(admits()).build();
    let lease = lease(&rig).await;
    rig.policies.put(admits().revision("sha256:other"));
    let filled = fill(&rig, lease, "one").await;
    assert_eq!(filled, Some(NotStored::AdmissionFailed));
    assert_eq!(rig.look("42").await, (Outcome::Leased, None), "it is free");
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_does_not_admit_may_change_while_the_application_loads() {
    let rig = aside();
    let lease = lease(&rig).await;
    rig.policies.clear();
    assert_eq!(fill(&rig, lease, "one").await, STORED);
}

/// The response attributes that the policy declares reach it, and no others.
#[tokio::test(start_paused = true)]
async fn a_fill_tells_the_policy_what_it_declares() {
    let admits = policy(Strategy::CacheAside, |_, _| ()).admit(|decision, loaded| {
        let names: Vec<_> = loaded.attributes.iter().map(|(name, _)| &**name).collect();
        let mut admission = Admission::as_decided(decision);
        admission.store = names == ["status"] && loaded.body.is_none() && loaded.bytes == 3;
        Ok(admission)
    });
    let rig = Parts::new(admits.manifest(|m| m.response_attributes = vec!["status".into()]));
    let rig = rig.build();
    let lease = lease(&rig).await;
    let attributes = [("status", "200"), ("header.set-cookie", "secret")];
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let value = Some(Value::new("one"));
    let filling = rig.engine.fill(lease, value, &attributes).await;
    assert_eq!(filling.expect("is answered").not_stored, STORED);
}
