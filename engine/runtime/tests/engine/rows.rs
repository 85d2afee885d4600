//! Invalidation by the name of a row, which nobody has to translate into keys and tags.

use larder::core::dependency::Mode;
use larder::core::{Freshness, Outcome, PolicyFailure, Strategy, Target};
use larder::origin::outbox::contract::ODD_IDS;
use larder::{DefaultDecision, Error, Invalidated, Invalidation, OnFailure, Request, RowFound};

use crate::ground::Ground;
use crate::kit::{Native, Parts, Rig, decide, some, text};

/// Escapes as the policies that ship do, so that no id is spelled as it is.
fn escaped(id: &str) -> String {
    id.replace('%', "%25").replace(':', "%3A")
}

/// Rows and their fields under keys of their own, tagged by row and by resource; pages carry the tag
/// of a row that they show.
fn shop() -> Native {
    Native::new(|request| {
        let row = format!("{}:{}", request.resource, escaped(&request.id));
        let mut decision = decide(Strategy::ReadThrough, request);
        decision.key.clone_from(&row);
        decision.freshness.negative_ttl_ms = 10_000;
        let field = request
            .attributes
            .iter()
            .find(|(name, _)| name == "query.field");
        if let Some((_, field)) = field {
            decision.key = format!("{row}:{field}");
        }
        decision.tags = match request.resource.as_str() {
            "page" => vec![format!("product:{}", escaped(&request.id))],
            resource => vec![resource.to_owned(), row.clone()],
        };
        decision.invalidates = vec![Target::Tag(row)];
        Ok(decision)
    })
    .manifest(|manifest| manifest.request_attributes.push("query.field".into()))
}

fn row(id: &str) -> Invalidation {
    Invalidation {
        rows: vec![("product".to_owned(), id.to_owned())],
        ..Invalidation::default()
    }
}

async fn invalidated(rig: &Rig, what: &Invalidation) -> Invalidated {
    rig.engine.invalidate(what).await.expect("is invalidated")
}

async fn outcome(rig: &Rig, request: Request) -> Outcome {
    rig.engine.read(request).await.expect("is read").outcome
}

/// What requests can name.
fn ids() -> impl Iterator<Item = &'static str> {
    let fit = |id: &&str| Request::read("product", *id).validate().is_ok();
    ODD_IDS.into_iter().filter(fit)
}

async fn a_row_goes_with_all_that_a_write_of_it_would_make_stale(on: Ground) {
    let rig = on.build(Parts::new(shop())).await;
    assert!(ids().count() > 20);
    for id in ids() {
        let all = || {
            [
                Request::read("product", id),
                Request::read("product", id).with("query.field", "price"),
                Request::read("page", id),
            ]
        };
        let beside = || Request::read("product", format!("{id}x"));
        for request in all().into_iter().chain([beside()]) {
            rig.engine.read(request).await.expect("is read");
        }
        let done = invalidated(&rig, &row(id)).await;
        let found = RowFound {
            removed: 1,
            known: true,
        };
        assert_eq!(done.found.rows, [found], "{id:?}");
        for request in all() {
            let why = format!("{request:?}");
            assert_eq!(outcome(&rig, request).await, Outcome::Miss, "{why}");
        }
        assert_eq!(
            outcome(&rig, beside()).await,
            Outcome::NegativeHit,
            "{id:?}"
        );
    }
}

async fn an_expired_row_is_stale_and_no_more(on: Ground) {
    let mut parts = Parts::new(shop());
    parts.policy = Native::new(|request| {
        let mut decision = decide(Strategy::ReadThrough, request);
        decision.freshness.stale_while_revalidate_ms = 60_000;
        Ok(decision)
    });
    let rig = on.build(parts).await;
    rig.shop.set("50%", "one");
    rig.read("50%").await;
    let expire = Invalidation {
        mode: Mode::Expire,
        ..row("50%")
    };
    invalidated(&rig, &expire).await;
    assert_eq!(rig.look("50%").await, (Outcome::Stale, some("one")));
}

async fn what_nothing_is_known_of_is_said(on: Ground) {
    let rig = on.build(Parts::new(shop())).await;
    rig.shop.set("42", "one");
    rig.read("42").await;
    let mut what = row("42");
    what.rows.push(("product".into(), "43".into()));
    what.tags = vec!["product:42".into(), "product:50%".into()];
    what.namespaces = vec!["product".into(), "produkt".into()];
    let pair = |key: &str| ("product".to_owned(), key.to_owned());
    what.keys = vec![pair("product:42"), pair("product:44")];
    what.patterns = vec![pair("*:44")];
    let found = invalidated(&rig, &what).await.found;
    let known: Vec<(u64, bool)> = found
        .rows
        .iter()
        .map(|one| (one.removed, one.known))
        .collect();
    assert_eq!(known, [(1, true), (0, false)]);
    assert_eq!(found.tags, [true, false]);
    assert_eq!(found.namespaces, [true, false]);
    assert_eq!(found.keys, [true, false]);
    assert_eq!(found.patterns, [0]);
}

async fn rows_of_other_tenants_stay(on: Ground) {
    let rig = on.build(Parts::new(shop())).await;
    let of = |tenant: &str| Request::read("product", "42").tenant(tenant);
    for tenant in ["", "acme", "a:b"] {
        outcome(&rig, of(tenant)).await;
    }
    let acme = Invalidation {
        tenant: "acme".into(),
        ..row("42")
    };
    invalidated(&rig, &acme).await;
    assert_eq!(outcome(&rig, of("acme")).await, Outcome::Miss);
    for tenant in ["", "a:b"] {
        assert_eq!(
            outcome(&rig, of(tenant)).await,
            Outcome::NegativeHit,
            "{tenant}"
        );
    }
}

races![
    a_row_goes_with_all_that_a_write_of_it_would_make_stale,
    an_expired_row_is_stale_and_no_more,
    what_nothing_is_known_of_is_said,
    rows_of_other_tenants_stay,
];

#[tokio::test(start_paused = true)]
async fn where_the_policy_fails_nothing_is_done_and_that_is_said() {
    for on_failure in [OnFailure::Bypass, OnFailure::Deny] {
        let mut parts = Parts::new(shop());
        parts.on_failure = on_failure;
        let rig = parts.build();
        rig.shop.set("42", "one");
        rig.read("42").await;
        rig.policies.put(Native::failing());
        let mut what = row("42");
        what.tags.push("product".into());
        let error = rig
            .engine
            .invalidate(&what)
            .await
            .expect_err("nobody knows");
        assert_eq!(error.code(), "row_undecided");
        let words = error.to_string();
        assert!(
            words.contains("`product/42`") && words.contains("native"),
            "{words}"
        );
        rig.policies.put(shop());
        assert_eq!(rig.look("42").await, (Outcome::Hit, some("one")));
    }
}

/// What the default decision says that a write makes stale is the operator's word for that.
#[tokio::test(start_paused = true)]
async fn what_a_default_decision_has_stored_goes_with_its_row() {
    let mut parts = Parts::new(Native::failing());
    parts.on_failure = OnFailure::DefaultDecision(Box::new(DefaultDecision {
        strategy: Strategy::ReadThrough,
        freshness: Freshness {
            ttl_ms: 10_000,
            ..Freshness::default()
        },
        tags: Vec::new(),
        invalidates: vec![Target::Tag("product".into())],
    }));
    let rig = parts.build();
    rig.shop.set("50%", "one");
    let of_page = || Request::read("product", "50%").with("query.page", "2");
    for _ in 0..2 {
        rig.read("50%").await;
        rig.engine.read(of_page()).await.expect("is read");
    }
    rig.shop.set("50%", "two");
    assert_eq!(rig.look("50%").await, (Outcome::Hit, some("one")));
    invalidated(&rig, &row("50%")).await;
    assert_eq!(rig.look("50%").await, (Outcome::Miss, some("two")));
    let page = rig.engine.read(of_page()).await.expect("is read");
    assert_eq!(text(&page.value), some("two"));
}

#[tokio::test(start_paused = true)]
async fn a_delete_may_make_more_stale_than_a_write_and_both_go() {
    let policy = Native::new(|request| {
        let mut decision = decide(Strategy::ReadThrough, request);
        let also = match request.operation {
            larder::Operation::Read => return Ok(decision),
            larder::Operation::Write => "written",
            larder::Operation::Delete => "deleted",
        };
        decision.invalidates = vec![Target::Tag(also.into())];
        Ok(decision)
    });
    let rig = Parts::new(policy).build();
    let done = invalidated(&rig, &row("42")).await;
    assert_eq!(done.bumped, 2);
    let many = Invalidation {
        rows: (0..100)
            .map(|n| ("product".into(), n.to_string()))
            .collect(),
        ..Invalidation::default()
    };
    let done = invalidated(&rig, &many).await;
    assert_eq!(
        (done.bumped, done.found.rows.len()),
        (2, 100),
        "each name once"
    );
}

#[tokio::test(start_paused = true)]
async fn what_no_request_can_name_is_refused() {
    let rig = Parts::new(shop()).build();
    for id in ["", "line\nbreak", &"x".repeat(4097)] {
        let error = rig
            .engine
            .invalidate(&row(id))
            .await
            .expect_err("is refused");
        assert!(matches!(error, Error::Request(_)), "{error}");
    }
    let refusing = Native::new(|_| Err(PolicyFailure::Refused("not mine".into())));
    rig.policies.put(refusing);
    let error = rig
        .engine
        .invalidate(&row("42"))
        .await
        .expect_err("is refused");
    assert!(error.to_string().contains("not mine"), "{error}");
}
