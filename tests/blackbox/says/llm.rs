//! What the README of `llm` says.

use std::sync::Arc;
use std::time::Duration;

use larder::store::{MemoryConfig, MemoryStore};
use larder::wasm::{Host, HostConfig};
use larder::{BuildError, Engine, Request, Route, Value as Stored};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::every_claim_is_tried;
use crate::client::{Answer, send};
use crate::guests::shipped;
use crate::program::bad;
use crate::running::{Running, Setup, http_origin};
use crate::shop::Shop;

const README: &str = include_str!("../../../policies/llm/README.md");
const HERE: &str = include_str!("llm.rs");
const THERE: &str = include_str!("../../../policies/llm/src/lib.rs");

#[test]
fn every_claim_has_a_test() {
    every_claim_is_tried(
        README,
        &[HERE, THERE],
        &[
            (
                "For answers of language models",
                "equal_inputs_share_an_answer_in_any_order",
            ),
            (
                "The application asks the model.",
                "the_application_asks_and_the_next_is_a_hit",
            ),
            (
                "A `GET` is a hit",
                "the_application_asks_and_the_next_is_a_hit",
            ),
            (
                "A route to this policy",
                "no_origin_answers_what_it_was_never_asked",
            ),
            (
                "The key is",
                "whatever_shapes_the_answer_is_part_of_the_key",
            ),
            (
                "The id names the task",
                "whatever_shapes_the_answer_is_part_of_the_key",
            ),
            (
                "Not cached:",
                "what_is_not_known_is_no_hit_and_the_answer_says_why",
            ),
            (
                "`Larder-Reason` says",
                "what_is_not_known_is_no_hit_and_the_answer_says_why",
            ),
            ("Providers take 1", "answers_meant_to_vary_are_not_cached"),
            (
                "Tags are",
                "when_a_prompt_changes_its_version_is_invalidated",
            ),
            (
                "One caller in the cluster",
                "one_asks_and_the_others_wait_for_its_answer",
            ),
            (
                "| `strategy`",
                "settings_that_could_only_go_wrong_are_refused",
            ),
            ("| `ttl`", "the_application_asks_and_the_next_is_a_hit"),
            (
                "| `max_temperature`",
                "answers_meant_to_vary_are_not_cached",
            ),
            (
                "| `ignore`",
                "what_the_policy_does_not_know_keeps_a_request_out_of_the_cache",
            ),
            (
                "| `answer_within`",
                "the_application_asks_and_the_next_is_a_hit",
            ),
            (
                "| `wait`",
                "one_caller_may_take_as_long_as_a_model_does_and_others_wait",
            ),
            (
                "| `encrypt`",
                "prompts_can_be_kept_from_whoever_reads_the_store",
            ),
        ],
    );
}

async fn start(settings: Value) -> Running {
    let setup = Setup::new().policy("llm", shipped("llm"), settings);
    setup.route(Route::new("completion", "llm")).start().await
}

/// A question to a cold model, with further inputs.
fn question(running: &Running, prompt: &str, more: &[(&str, &str)]) -> RequestBuilder {
    let mut request = running
        .data
        .request(Method::GET, "/v1/entries/completion/summary")
        .header("larder-context-model", "small-2")
        .header("larder-context-prompt", prompt);
    if !more.iter().any(|(name, _)| *name == "temperature") {
        request = request.header("larder-context-temperature", "0");
    }
    for (name, value) in more {
        request = request.header(format!("larder-context-{name}"), *value);
    }
    request
}

async fn ask(running: &Running, prompt: &str, more: &[(&str, &str)]) -> Answer {
    send(question(running, prompt, more)).await
}

/// Asks, has to get the lease, and puts what the model said.
async fn ask_and_fill(running: &Running, prompt: &str, more: &[(&str, &str)], said: &str) {
    let miss = ask(running, prompt, more).await;
    miss.expect_problem(404, "leased", "load it");
    assert_eq!(miss.header("larder-lease-ttl-ms"), "60000");
    let lease = format!("/v1/leases/{}", miss.header("larder-lease"));
    let filled = running.data.put(&lease, said.to_owned()).await;
    assert_eq!(filled.expect(200).json()["stored"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_application_asks_and_the_next_is_a_hit() {
    let running = start(json!({})).await;
    ask_and_fill(&running, "Sum%20up.", &[], "tea").await;
    let hit = ask(&running, "Sum%20up.", &[]).await;
    assert_eq!(hit.expect(200).text(), "tea");
    let status = hit.header("cache-status");
    let ttl = status.split("ttl=").nth(1).unwrap().parse::<u64>().unwrap();
    assert!(
        ttl <= 86_400 && ttl > 70_000,
        "a day, less jitter: {status}"
    );
    ask(&running, "Sum%20it%20up.", &[])
        .await
        .expect_problem(404, "leased", "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_known_is_no_hit_and_the_answer_says_why() {
    let running = start(json!({})).await;
    ask_and_fill(&running, "Sum%20up.", &[], "tea").await;
    for (name, value) in [
        ("tool-choice", "none"),
        ("n", "2"),
        ("logit-bias", "%7B%7D"),
        ("reasoning-effort", "high"),
    ] {
        for _ in 0..2 {
            let answer = ask(&running, "Sum%20up.", &[(name, value)]).await;
            let name = format!("`context.{name}`");
            answer.expect_problem(404, "bypassed", &name);
            assert!(answer.header("larder-reason").contains(&name), "{answer:?}");
            assert_eq!(answer.header("larder-lease"), "", "nothing can be stored");
        }
    }
    let hot = ask(&running, "Sum%20up.", &[("temperature", "1")]).await;
    hot.expect_problem(404, "bypassed", "");
    let named = [("model", None), ("prompt", Some("small-2"))];
    for (missing, model) in named {
        let path = "/v1/entries/completion/summary";
        let mut request = running.data.request(Method::GET, path);
        if let Some(model) = model {
            request = request.header("larder-context-model", model);
        }
        let answer = send(request.header("larder-context-temperature", "0")).await;
        let name = format!("`context.{missing}`");
        assert!(answer.header("larder-reason").contains(&name), "{answer:?}");
    }
    assert_eq!(
        ask(&running, "Sum%20up.", &[]).await.expect(200).text(),
        "tea"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_prompt_changes_its_version_is_invalidated() {
    let running = start(json!({})).await;
    for version in ["7", "8"] {
        ask_and_fill(&running, "p", &[("prompt-version", version)], version).await;
    }
    let stale = json!({"tags": ["prompt-version:7"]});
    running
        .data
        .post_json("/v1/invalidate", &stale)
        .await
        .expect(200);
    let old = ask(&running, "p", &[("prompt-version", "7")]).await;
    old.expect_problem(404, "leased", "");
    let other = ask(&running, "p", &[("prompt-version", "8")]).await;
    assert_eq!(other.expect(200).text(), "8");
    let all = json!({"tags": ["model:small-2"]});
    running
        .data
        .post_json("/v1/invalidate", &all)
        .await
        .expect(200);
    let gone = ask(&running, "p", &[("prompt-version", "8")]).await;
    gone.expect_problem(404, "leased", "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_asks_and_the_others_wait_for_its_answer() {
    let running = start(json!({})).await;
    let miss = ask(&running, "p", &[]).await;
    miss.expect_problem(404, "leased", "");
    let waiting: Vec<_> = (0..3)
        .map(|_| tokio::spawn(send(question(&running, "p", &[]))))
        .collect();
    let lease = format!("/v1/leases/{}", miss.header("larder-lease"));
    running.data.put(&lease, "tea").await.expect(200);
    for answer in waiting {
        assert_eq!(answer.await.unwrap().expect(200).text(), "tea");
    }

    let hasty = start(json!({"wait": "10ms"})).await;
    ask(&hasty, "p", &[])
        .await
        .expect_problem(404, "leased", "");
    let answer = ask(&hasty, "p", &[]).await;
    answer.expect_problem(404, "leased_elsewhere", "load it for yourself");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prompts_can_be_kept_from_whoever_reads_the_store() {
    let decided = |answer: Answer| answer.expect(200).json()["decision"]["encrypt"].clone();
    let request = json!({"request": {"operation": "read", "resource": "completion", "id": "1",
        "attributes": {"context.model": "m", "context.prompt": "p", "context.temperature": "0"}}});
    for (settings, encrypt) in [(json!({}), false), (json!({"encrypt": true}), true)] {
        let running = start(settings).await;
        let answer = running.data.post_json("/v1/decide", &request).await;
        assert_eq!(decided(answer), encrypt);
    }
}

/// Engines of the library and the program, before a port opens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_origin_answers_what_it_was_never_asked() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("policies")).unwrap();
    std::fs::write(dir.path().join("policies/llm.wasm"), shipped("llm")).unwrap();
    let shop = Shop::new();
    let host = Host::start(HostConfig::new(dir.path().join("policies"))).unwrap();
    let service = http_origin("http://127.0.0.1:9", Duration::from_secs(1));
    for origin in [service, shop.origin()] {
        let store = Arc::new(MemoryStore::new(MemoryConfig::default()));
        let built = Engine::builder(host.clone(), store)
            .origin("model", origin)
            .route(Route::new("completion", "llm").origin("model"))
            .build();
        let Err(BuildError::Unseen(unseen)) = built else {
            panic!("an origin is never sent the prompt");
        };
        assert_eq!(
            (unseen.class, unseen.origin.as_str()),
            ("context.*", "model")
        );
    }
    let sqlite = format!(
        "type = \"sqlite\"\npath = {:?}\ntable = \"products\"\nkey = \"id\"",
        shop.path
    );
    let http = "type = \"http\"\nbase_url = \"http://127.0.0.1:9\"".to_owned();
    for origin in [http, sqlite] {
        let config = format!(
            "[[route]]\nresource = \"completion\"\npolicy = \"llm\"\norigin = \"model\"\n\
             [origin.model]\n{origin}\n"
        );
        std::fs::write(dir.path().join("larder.toml"), config).unwrap();
        let words = "`llm` says that values depend on `context.*`, and the origin `model`";
        bad(dir.path(), &["serve", "--config", "larder.toml"], 2, words);
    }
    let settings = "{\"strategy\": \"read_through\"}";
    let check = ["check", "policies/llm.wasm", "--settings", settings];
    bad(dir.path(), &check, 3, "no origin is sent prompt and model");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_program_get_or_load_asks_and_stores() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("llm.wasm"), shipped("llm")).unwrap();
    let host = Host::start(HostConfig::new(dir.path())).unwrap();
    let store = Arc::new(MemoryStore::new(MemoryConfig::default()));
    let engine = Engine::builder(host, store)
        .route(Route::new("completion", "llm"))
        .build()
        .unwrap();
    for (said, got) in [("tea", "tea"), ("coffee", "tea")] {
        let request = Request::read("completion", "summary")
            .with("context.model", "m")
            .with("context.prompt", "p")
            .with("context.temperature", "0");
        let load = move || async move { Ok::<_, String>(Some(Stored::new(said))) };
        let reading = engine.get_or_load(request, load).await.unwrap();
        assert_eq!(&reading.value.unwrap().bytes[..], got.as_bytes());
    }
}
