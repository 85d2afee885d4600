//! What operators call: metrics, health, state, the description, and the policies.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::guests::{changed_standard, shipped};
use crate::running::{Running, Setup};
use crate::shop::Shop;

const ROUTES: &str = include_str!("../../engine/server/src/routes.rs");

/// The value of a metric whose line begins so; 0 where there is none.
fn metric(text: &str, line: &str) -> f64 {
    let found = text.lines().find_map(|one| one.strip_prefix(line));
    found.map_or(0.0, |value| value.trim().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_count_what_happened() {
    let shop = Shop::new();
    // A name of its own, as all servers of a run share one recorder.
    let running = Setup::new()
        .policy("counted", shipped("standard"), json!({}))
        .origin("shop", shop.origin())
        .route(larder::Route::new("product", "counted").origin("shop"))
        .start()
        .await;
    let metrics = async || running.admin.get("/metrics").await.expect(200).clone();
    let before = metrics().await;
    assert_eq!(before.header("content-type"), "text/plain; version=0.0.4");
    let of = |name: &str, labels: &str| format!("{name}{{{labels}}} ");
    let hits = of("larder_reads_total", "outcome=\"hit\"");
    let hits_before = metric(before.text(), &hits);
    for _ in 0..3 {
        running.data.get("/v1/entries/product/7").await.expect(200);
    }
    running
        .data
        .put("/v1/entries/product/7", r#"{"price": 8}"#)
        .await
        .expect(200);
    let after = metrics().await;
    let after = after.text();
    assert!(metric(after, &hits) >= hits_before + 2.0, "{after}");
    let decisions = of(
        "larder_decisions_total",
        "policy=\"counted\",strategy=\"read_through\"",
    );
    assert_eq!(metric(after, &decisions), 4.0, "{after}");
    for name in [
        "larder_policy_seconds",
        "larder_loads_total",
        "larder_load_seconds",
        "larder_writes_total",
        "larder_invalidations_total",
        "larder_policy_reloads_total",
    ] {
        assert!(
            after.contains(&format!("# TYPE {name} ")),
            "{name} is not there:\n{after}"
        );
        assert!(
            after.contains(&format!("# HELP {name} ")),
            "{name} is not explained"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_and_status_say_what_there_is() {
    let shop = Shop::new();
    let running = Setup::standard_over(shop.origin(), json!({})).start().await;
    assert_eq!(
        running.admin.get("/health/live").await.expect(200).text(),
        "live\n"
    );
    assert_eq!(
        running.admin.get("/health/ready").await.expect(200).text(),
        "ready\n"
    );
    running.data.get("/v1/entries/product/7").await.expect(200);
    let status = running.admin.get("/v1/status").await.expect(200).json();
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["store"]["kind"], "memory");
    assert_eq!(status["store"]["entries"], 1, "{status}");
    assert!(status["store"]["bytes"].as_u64() > Some(0), "{status}");
    let route = &status["routes"][0];
    assert_eq!(
        (&route["resource"], &route["policy"], &route["origin"]),
        (&json!("product"), &json!("standard"), &json!("shop")),
        "{status}"
    );
    let summary = route["origin_summary"].as_str().unwrap();
    assert!(
        summary.contains("sqlite") && summary.contains("products"),
        "{summary}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_description_lists_every_route_and_nothing_else() {
    let running = Setup::standard(json!({})).start().await;
    let described = running.data.get("/openapi.json").await.expect(200).json();
    let admin = running.admin.get("/openapi.json").await.expect(200).json();
    assert_eq!(described, admin, "both planes describe both");
    assert!(described["openapi"].as_str().unwrap().starts_with("3."));
    let paths = described["paths"].as_object().unwrap();
    let listed: BTreeSet<String> = paths.keys().cloned().collect();
    let routed: BTreeSet<String> = routes().into_iter().collect();
    assert!(
        routed.len() > 10,
        "the routes are written otherwise now: {routed:?}"
    );
    assert_eq!(listed, routed);
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().unwrap() {
            let method = method.to_uppercase().parse().unwrap();
            let at = path.replace(['{', '}'], "");
            let tag = operation["tags"][0].as_str().unwrap();
            let plane = if tag == "data" {
                &running.data
            } else {
                &running.admin
            };
            let answer = crate::client::send(plane.request(method, &at)).await;
            let code = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
            let code = code["code"].as_str().unwrap_or_default();
            assert!(
                !["no_such_path", "wrong_method"].contains(&code),
                "{tag} {path}: {answer:?}"
            );
        }
    }
}

/// The paths in the routing table, as the description writes them.
fn routes() -> Vec<String> {
    let starts = ROUTES.split(".route(").skip(1);
    let paths = starts.map(|rest| rest.split('"').nth(1).unwrap().replace("{*", "{"));
    paths.collect()
}

fn revision(policy: &Value) -> String {
    policy["current"]["revision"].as_str().unwrap().to_owned()
}

async fn act(running: &Running, action: &str, body: &str) -> Value {
    let path = format!("/v1/policies/standard/{action}");
    running
        .admin
        .post(&path, body.to_owned())
        .await
        .expect(200)
        .json()
}

async fn ttl(running: &Running) -> u64 {
    let decided = running.data.decide("product").await.expect(200).json();
    decided["decision"]["freshness"]["ttl_ms"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_is_reloaded_rolled_back_and_pinned() {
    let running = Setup::standard(json!({})).start().await;
    let file = running.policies.join("standard.wasm");
    let first = revision(&running.policy("standard").await);
    let none = running
        .admin
        .post("/v1/policies/standard/rollback", "")
        .await;
    none.expect_problem(409, "policy_unchanged", "no earlier build");

    std::fs::write(&file, changed_standard()).unwrap();
    assert_eq!(ttl(&running).await, 3_600_000, "nothing is watched here");
    let second = revision(&act(&running, "reload", "").await);
    assert_ne!(second, first);
    assert_eq!(ttl(&running).await, 120_000);

    let back = act(&running, "rollback", "").await;
    assert_eq!(
        (revision(&back), &back["pinned"]),
        (first.clone(), &json!(first))
    );
    assert_eq!(ttl(&running).await, 3_600_000);
    let kept = act(&running, "reload", "").await;
    assert_eq!(revision(&kept), first, "a pin holds against the folder");
    assert_eq!(kept["candidate_error"]["stage"], "allow_list", "{kept}");

    let pinned = act(&running, "pin", &json!({"revision": second}).to_string()).await;
    assert_eq!(
        (revision(&pinned), ttl(&running).await),
        (second.clone(), 120_000)
    );
    let unpinned = act(&running, "pin", "{}").await;
    assert_eq!(
        (revision(&unpinned), &unpinned["pinned"]),
        (second, &Value::Null)
    );

    let unknown = json!({"revision": "sha256:00"}).to_string();
    let unknown = running
        .admin
        .post("/v1/policies/standard/pin", unknown)
        .await;
    unknown.expect_problem(409, "policy_unchanged", "has no build `sha256:00`");
    for action in ["reload", "rollback"] {
        let nobody = running
            .admin
            .post(&format!("/v1/policies/nobody/{action}"), "")
            .await;
        nobody.expect_problem(404, "no_policy", "there is no policy `nobody`");
    }
    let wrong = running
        .admin
        .post("/v1/policies/standard/pin", r#"{"revison": "x"}"#)
        .await;
    wrong.expect_problem(400, "invalid_body", "unknown field `revison`");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_policy_that_ships_loads_and_decides() {
    let mut setup = Setup::new();
    for name in ["standard", "session", "api", "llm"] {
        setup = setup
            .policy(name, shipped(name), json!({}))
            .route(larder::Route::new(name, name));
    }
    let running = setup.start().await;
    let all = running.admin.get("/v1/policies").await.expect(200).json();
    assert_eq!(all.as_array().unwrap().len(), 4);
    for name in ["standard", "session", "api", "llm"] {
        let policy = running.policy(name).await;
        assert_eq!(
            (&policy["state"], &policy["candidate_error"]),
            (&json!("serving"), &Value::Null)
        );
        let decided = running.data.decide(name).await.expect(200).json();
        assert_eq!(decided["fallback"], Value::Null, "{name}: {decided}");
        assert_ne!(decided["decision"]["reason"], "", "{name}: {decided}");
    }
}
