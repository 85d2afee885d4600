//! What a policy is shown, and what comes back.

use larder_core::{
    Decision, LoadStatus, Loaded, Policy, PolicyFailure, Request, Strategy, Timestamp,
};
use larder_wasm::{Limits, inspect};
use serde_json::json;
use std::sync::Arc;

use crate::guest::Guest;

fn load_with(guest: &Guest, limits: &Limits) -> Arc<dyn Policy> {
    let patient = Limits {
        deadline_ms: 5_000,
        ..limits.clone()
    };
    let inspection = inspect("test", &guest.build(), &json!({}), &patient);
    assert_eq!(inspection.failure, None);
    inspection.policy.unwrap()
}

fn load(guest: &Guest) -> Arc<dyn Policy> {
    load_with(guest, &Limits::default())
}

fn request() -> Request {
    Request::read("product", "42")
        .with("query.page", "2")
        .with("header.cookie", "secret")
        .with("query.sort", "price")
}

#[test]
fn a_policy_is_shown_only_what_it_declares() {
    let now = Timestamp(1_700_000_000_000);
    let closed = load(&Guest::default()).decide(&request(), now).unwrap();
    assert_eq!(closed.strategy, Strategy::ReadThrough);
    assert_eq!(closed.key, "42");
    assert_eq!(
        (closed.namespace.as_str(), closed.loading.soft_timeout_ms),
        ("", 0)
    );
    assert_eq!(closed.freshness.ttl_ms, 0);

    let open = Guest {
        request_attributes: &["query.sort", "query.absent"],
        uses_clock: true,
        ..Guest::default()
    };
    let open = load(&open).decide(&request(), now).unwrap();
    assert_eq!(
        (open.namespace.as_str(), open.loading.soft_timeout_ms),
        ("price", 1)
    );
    assert_eq!(open.freshness.ttl_ms, now.0);
}

#[test]
fn a_class_declared_as_a_whole_is_shown_whole() {
    for (declared, shown) in [
        (&["query.*"] as &[&str], 2),
        (&["query.*", "query.sort"], 2),
        (&["header.*", "query.sort"], 2),
        (&["context.*"], 0),
        (&["query*", "*", "que*"], 0),
    ] {
        let guest = Guest {
            request_attributes: Box::leak(declared.into()),
            ..Guest::default()
        };
        let decision = load(&guest).decide(&request(), Timestamp(0)).unwrap();
        assert_eq!(decision.loading.soft_timeout_ms, shown, "{declared:?}");
    }
}

#[test]
fn an_admission_is_shown_only_what_is_declared() {
    let loaded = Loaded {
        status: LoadStatus::Found,
        bytes: 1_234,
        cost_ms: 5,
        attributes: vec![
            ("header.cache-control".into(), "max-age=60".into()),
            ("header.set-cookie".into(), "secret".into()),
        ],
        body: Some("hello".into()),
    };
    let decision = Decision::new(Strategy::ReadThrough, "product:42");
    let admit = |guest: &Guest| {
        let admission = load(guest)
            .admit(&request(), &decision, &loaded, Timestamp(0))
            .unwrap();
        assert!(admission.store);
        let freshness = admission.freshness;
        (
            freshness.ttl_ms,
            freshness.negative_ttl_ms,
            freshness.time_to_idle_ms,
        )
    };
    assert_eq!(admit(&Guest::default()), (1_234, 0, 0));
    let open = Guest {
        response_attributes: &["header.cache-control"],
        reads_body: true,
        ..Guest::default()
    };
    assert_eq!(admit(&open), (1_234, 1, 5));
}

#[test]
fn an_instance_answers_again_and_again() {
    let limits = Limits {
        calls_per_instance: 7,
        instances: 1,
        ..Limits::default()
    };
    let policy = load_with(&Guest::default(), &limits);
    for n in 0..50 {
        let id = n.to_string();
        let decision = policy
            .decide(&Request::read("product", id.as_str()), Timestamp(0))
            .unwrap();
        assert_eq!(decision.key, id);
    }
}

/// Answers how often it was asked, which a policy must not know.
fn counting() -> Guest {
    Guest {
        items: "(global $calls (mut i32) (i32.const 0))".into(),
        decide: "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
                 (local.set $count (i32.const 0))
                 (local.set $now (i64.extend_i32_u (global.get $calls)))",
        ..Guest::default()
    }
}

fn asked(policy: &dyn Policy) -> u64 {
    policy
        .decide(&request(), Timestamp(0))
        .unwrap()
        .freshness
        .ttl_ms
}

#[test]
fn an_instance_is_replaced_after_its_calls() {
    let limits = Limits {
        calls_per_instance: 3,
        ..Limits::default()
    };
    let policy = load_with(&counting(), &limits);
    let seen: Vec<u64> = (0..7).map(|_| asked(&*policy)).collect();
    assert_eq!(seen, [1, 2, 3, 1, 2, 3, 1]);
}

#[test]
fn an_instance_is_replaced_when_it_leaks() {
    let leaking = Guest {
        decide: "(drop (memory.grow (i32.const 60)))
                 (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
                 (local.set $now (i64.extend_i32_u (global.get $calls)))",
        ..counting()
    };
    let policy = load_with(&leaking, &Limits::default());
    let seen: Vec<u64> = (0..5).map(|_| asked(&*policy)).collect();
    assert_eq!(
        seen,
        [1, 2, 3, 4, 1],
        "3/4 of 256 pages are passed by the fourth call"
    );
}

#[test]
fn an_error_of_the_policy_is_its_answer_and_keeps_the_instance() {
    let refusing = Guest {
        data: "no\\0arules\\1b",
        decide: "(i32.store8 offset=0 (local.get $r) (i32.const 1))
                 (i32.store offset=8 (local.get $r) (i32.const 4096))
                 (i32.store offset=12 (local.get $r) (i32.const 9))
                 (return (local.get $r))",
        ..Guest::default()
    };
    let error = load(&refusing)
        .decide(&request(), Timestamp(0))
        .unwrap_err();
    assert_eq!(error, PolicyFailure::Refused("no rules".into()));
}
