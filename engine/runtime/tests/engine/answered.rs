//! What an HTTP origin answers in the place of a value: told, hidden, heeded.

use std::sync::Arc;

use larder::core::{Decision, Head, Outcome, Strategy};
use larder::origin::{Answered, OriginError};
use larder::store::queue::Queue;
use larder::{Error, QueueTuning, Request, Value};

use crate::kit::{Parts, Rig, Shelter, TTL, policy, quiet, some};

fn answered(status: u16, retry_after_ms: Option<u64>) -> OriginError {
    let lines = [("x-why", "because".into())];
    OriginError::Answered {
        status,
        answer: Arc::new(Answered {
            what: format!("GET http://h answered {status}"),
            value: Value {
                head: Head::new(status, lines).expect("a header"),
                ..Value::json("{}")
            },
            whole: true,
            retry_after_ms,
        }),
    }
}

fn rig(change: impl Fn(&Request, &mut Decision) + Send + Sync + 'static) -> Rig {
    Parts::new(policy(Strategy::ReadThrough, change)).build()
}

fn stale_on_error(_: &Request, decision: &mut Decision) {
    decision.freshness.stale_if_error_ms = 60_000;
}

async fn told(rig: &Rig, id: &str) -> Error {
    rig.try_read(id).await.expect_err("is told")
}

#[tokio::test(start_paused = true)]
async fn refusals_are_told_and_failures_hidden_as_rfc_5861_has_it() {
    for (status, hidden, entry_stays) in [
        (400, false, false),
        (401, false, false),
        (403, false, false),
        (451, false, false),
        // These say nothing of the row.
        (408, false, true),
        (425, false, true),
        (429, false, true),
        (500, true, true),
        (502, true, true),
        (503, true, true),
        (504, true, true),
    ] {
        let rig = rig(stale_on_error);
        rig.shop.set("42", "one");
        rig.read("42").await;
        rig.clock.advance(TTL);
        rig.shop.fail_loads(Some(answered(status, None)));
        let read = rig.try_read("42").await;
        match hidden {
            true => assert_eq!(read.expect("is hidden").outcome, Outcome::StaleOnError),
            false => {
                let error = read.expect_err("is told");
                assert_eq!(error, Error::Origin(answered(status, None)), "{status}");
            }
        }
        let down = OriginError::Unreachable("down".into());
        rig.shop.fail_loads(Some(down));
        rig.pass(2_000).await;
        let read = rig.try_read("42").await;
        assert_eq!(read.is_ok(), entry_stays, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_behind_that_is_refused_takes_the_entry_and_one_too_many_waits() {
    for (status, entry_stays) in [(403, false), (429, true)] {
        let rig = rig(|_, decision| decision.freshness.stale_while_revalidate_ms = 60_000);
        rig.shop.set("42", "one");
        rig.read("42").await;
        rig.shop.fail_loads(Some(answered(status, None)));
        rig.clock.advance(TTL);
        assert_eq!(rig.look("42").await, (Outcome::Stale, some("one")));
        quiet().await;
        let loads = rig.shop.loads();
        let read = rig.try_read("42").await;
        quiet().await;
        assert_eq!(read.is_ok(), entry_stays, "{status}");
        let asked = rig.shop.loads() - loads;
        assert_eq!(asked, usize::from(!entry_stays), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_says_when_to_come_back_is_left_alone_until_then() {
    for status in [429, 503] {
        let rig = rig(stale_on_error);
        rig.shop.set("42", "one");
        rig.read("42").await;
        rig.clock.advance(TTL);
        rig.shop.fail_loads(Some(answered(status, Some(10_000))));
        let error = told(&rig, "7").await;
        assert_eq!(error.retry_after_ms(), Some(10_000));
        // Takes what was logged so far.
        rig.shop.log();
        rig.shop.fail_loads(None);
        rig.pass(4_000).await;

        assert_eq!(rig.look("42").await, (Outcome::StaleOnError, some("one")));
        let error = told(&rig, "8").await;
        assert_eq!(error.code(), "origin_resting");
        assert_eq!(error.retry_after_ms(), Some(6_000));
        let error = rig.try_write("9", "x").await.expect_err("is told");
        assert_eq!(error.code(), "origin_resting");
        let error = rig.try_delete("9").await.expect_err("is told");
        assert_eq!(error.code(), "origin_resting");
        assert_eq!(rig.shop.log(), [""; 0]);

        rig.pass(6_000).await;
        assert_eq!(rig.look("42").await, (Outcome::Expired, some("one")));
        rig.try_write("9", "x").await.expect("is written");
    }
}

#[tokio::test(start_paused = true)]
async fn one_write_too_many_is_heeded_by_reads_as_well() {
    let rig = rig(|_, _| {});
    rig.shop.fail_writes(Some(answered(429, Some(1_000))));
    let error = rig.try_write("9", "x").await.expect_err("is told");
    assert_eq!(error.code(), "origin_rejected");
    assert_eq!(told(&rig, "42").await.code(), "origin_resting");
    rig.pass(1_000).await;
    rig.read("42").await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_asks_too_often_with_his_own_credentials_keeps_no_others_out() {
    let native = policy(Strategy::Bypass, |_, _| {});
    let native = native.manifest(|manifest| {
        manifest.request_attributes = vec!["header.authorization".into()];
    });
    for (status, others) in [(429, true), (503, false)] {
        let rig = Parts::new(native.clone()).build();
        rig.shop.fail_loads(Some(answered(status, Some(10_000))));
        let request = Request::read("product", "42").with("header.authorization", "Bearer ann");
        let error = rig.engine.read(request).await.expect_err("is told");
        assert_eq!(error.retry_after_ms(), Some(10_000));
        rig.shop.fail_loads(None);
        assert_eq!(rig.try_read("42").await.is_ok(), others, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_flush_waits_as_long_as_it_is_asked_to_and_gives_no_row_up() {
    for status in [429, 503] {
        let mut parts = Parts::new(policy(Strategy::WriteBehind, |_, _| {}));
        let queue = Arc::new(Shelter::default());
        let shared = Arc::clone(&queue) as Arc<dyn Queue>;
        parts.queue = Some((shared, QueueTuning::default()));
        let rig = parts.build();
        let busy = answered(status, Some(20_000));
        rig.shop.refuse("42", Some(busy));
        rig.write("42", "one").await;
        rig.pass(5_000).await;
        assert_eq!(rig.shop.log().len(), 1, "{status}");
        rig.pass(14_000).await;
        assert_eq!(rig.shop.log(), [""; 0], "{status}");
        rig.shop.refuse("42", None);
        rig.pass(30_000).await;
        assert_eq!(rig.shop.holds("42"), some("one"), "{status}");
        assert!(queue.waiting().is_empty(), "{status}");
    }
}
