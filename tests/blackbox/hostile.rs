//! Policies that attack. Each is stopped, and a neighbour notices nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use larder::wasm::Limits;
use larder::{OnFailure, Route};
use serde_json::json;

use crate::guest::Guest;
use crate::guests::shipped;
use crate::running::{Running, Setup};
use crate::shop::Shop;

/// How a policy has to be stopped.
struct Stopped {
    failure: &'static str,
    words: &'static str,
}

fn setup(shop: &Shop, guest: &Guest) -> Setup {
    // Long enough for an attack to end by what it does, on a busy machine too.
    let limits = Limits {
        deadline_ms: 200,
        ..Limits::default()
    };
    Setup::standard_over(shop.origin(), json!({}))
        .policy_within("hostile", guest.build(), json!({}), limits)
        .route(Route::new("attacked", "hostile").origin("shop"))
}

/// Asks the neighbour until told to stop; answers how often it answered, and what went wrong.
fn neighbour(running: &Running) -> (Arc<AtomicBool>, tokio::task::JoinHandle<(u64, Vec<String>)>) {
    let done = Arc::new(AtomicBool::new(false));
    let (data, until) = (running.data.clone(), done.clone());
    let task = tokio::spawn(async move {
        let (mut good, mut failures) = (0, Vec::new());
        while good + failures.len() as u64 == 0 || !until.load(Ordering::Relaxed) {
            let decided = data.decide("product").await;
            let read = data.get("/v1/entries/product/7").await;
            let is_good = decided.status == 200
                && decided.json()["fallback"].is_null()
                && read.status == 200
                && !read.header("larder-policy").contains("fallback");
            match is_good {
                true => good += 1,
                false => failures.push(format!("{decided:?} {read:?}")),
            }
        }
        (good, failures)
    });
    (done, task)
}

/// Attacks by every verb while a neighbour is asked.
async fn attack(guest: Guest, stopped: Stopped) {
    let shop = Shop::new();
    let running = setup(&shop, &guest).start().await;
    let (done, neighbour) = neighbour(&running);
    for _ in 0..3 {
        let decided = running.data.decide("attacked").await.expect(200).json();
        assert_eq!(decided["decision"]["strategy"], "bypass", "{decided}");
        assert_eq!(decided["fallback"]["rule"], "bypass", "{decided}");
        assert_eq!(decided["fallback"]["failure"], stopped.failure, "{decided}");
        let message = decided["fallback"]["message"].as_str().unwrap();
        assert!(
            message.contains(stopped.words),
            "`{}` is not in `{message}`",
            stopped.words
        );

        let read = running.data.get("/v1/entries/attacked/7").await;
        assert_eq!(
            read.expect(200).json()["price"],
            7,
            "reads go past the cache"
        );
        assert!(
            read.header("larder-policy").ends_with("; fallback=bypass"),
            "{read:?}"
        );
        assert_eq!(
            read.header("cache-status"),
            "Larder; fwd=bypass; detail=bypass"
        );

        let written = running
            .data
            .put("/v1/entries/attacked/7", r#"{"price": 71}"#)
            .await;
        written.expect_problem(
            503,
            "write_undecided",
            "refused before it reached the origin",
        );
        let deleted = running.data.delete("/v1/entries/attacked/7").await;
        deleted.expect_problem(
            503,
            "write_undecided",
            "which entries this delete makes stale",
        );
        assert_eq!(shop.price(7), 7, "nothing was written");
    }
    done.store(true, Ordering::Relaxed);
    let (good, failures) = neighbour.await.unwrap();
    println!(
        "the neighbour answered {good} times, {} failed",
        failures.len()
    );
    assert_eq!(
        failures, [""; 0],
        "a neighbour noticed; {good} answers were good"
    );
    let current = &running.policy("hostile").await["current"];
    assert_eq!(
        (&current["calls"], &current["failures"]),
        (&json!(12), &json!(12))
    );
    let good = running.policy("standard").await;
    assert_eq!(good["current"]["failures"], 0, "{good}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loop_is_stopped() {
    let guest = Guest {
        decide: "(loop $again (br $again))",
        ..Guest::default()
    };
    attack(
        guest,
        Stopped {
            failure: "deadline",
            words: "200 ms",
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_is_stopped() {
    let guest = Guest {
        decide: "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
        ..Guest::default()
    };
    attack(
        guest,
        Stopped {
            failure: "trapped",
            words: "divide by zero",
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_memory_bomb_is_stopped() {
    let guest = Guest {
        decide: "(if (i32.eq (memory.grow (i32.const 1000)) (i32.const -1)) (then unreachable))",
        ..Guest::default()
    };
    attack(
        guest,
        Stopped {
            failure: "memory",
            words: "16777216",
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deep_recursion_is_stopped() {
    let guest = Guest {
        items: "(func $deeper (param i64) (result i64)
                  (i64.add (call $deeper (local.get 0)) (i64.const 1)))"
            .into(),
        decide: "(drop (call $deeper (i64.const 1)))",
        ..Guest::default()
    };
    attack(
        guest,
        Stopped {
            failure: "trapped",
            words: "endless recursion",
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_huge_answer_is_stopped() {
    let guest = Guest {
        decide: "(drop (memory.grow (i32.const 10))) (local.set $id (i32.const 4096))
                 (local.set $id_len (i32.const 307200))",
        ..Guest::default()
    };
    attack(
        guest,
        Stopped {
            failure: "output",
            words: "262144",
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_no_text_is_stopped() {
    let guest = Guest {
        data: "\\ff\\fe\\fd",
        decide: "(local.set $id (i32.const 4096)) (local.set $id_len (i32.const 3))",
        ..Guest::default()
    };
    attack(
        guest,
        Stopped {
            failure: "trapped",
            words: "utf-8",
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deny_refuses_reads_too() {
    let shop = Shop::new();
    let guest = Guest {
        decide: "unreachable",
        ..Guest::default()
    };
    let setup = setup(&shop, &guest).on_failure("hostile", OnFailure::Deny);
    let running = setup.start().await;
    let read = running.data.get("/v1/entries/attacked/7").await;
    read.expect_problem(503, "policy_denied", "the policy `hostile` failed");
    let decided = running.data.decide("attacked").await;
    decided.expect_problem(503, "policy_denied", "its on_failure is deny");
    running.data.get("/v1/entries/product/7").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_whose_policy_never_loaded_still_reads() {
    let shop = Shop::new();
    let running = Setup::new()
        .policy("standard", b"garbage".to_vec(), json!({}))
        .origin("shop", shop.origin())
        .route(Route::new("product", "standard").origin("shop"))
        .start()
        .await;
    let read = running.data.get("/v1/entries/product/7").await;
    assert_eq!(read.expect(200).json()["price"], 7);
    let decided = running.data.decide("product").await.expect(200).json();
    assert_eq!(decided["fallback"]["failure"], "unavailable", "{decided}");
    let ready = running.admin.get("/health/ready").await;
    ready.expect_problem(503, "not_ready", "no build serves for `standard`");
    std::fs::write(running.policies.join("standard.wasm"), shipped("standard")).unwrap();
    running
        .admin
        .post("/v1/policies/standard/reload", "")
        .await
        .expect(200);
    running.admin.get("/health/ready").await.expect(200);
}
