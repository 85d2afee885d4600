//! A configuration that can only go wrong does not start, or keeps the server from being ready.

use larder::Route;
use larder::core::Guard;
use serde_json::json;

use crate::guests::shipped;
use crate::program::{bad, good, larder};
use crate::running::Setup;
use crate::serving::Place;
use crate::shop::Shop;

/// A route to the policy that stands in `[[policy]]` as `other`.
const OTHER: &str = "[[policy]]\nname = \"other\"\nmodule = \"MODULE\"\n[policy.limits]\n\
    deadline = \"5s\"\n[policy.settings]\nSETTINGS\n\
    [[route]]\nresource = \"other\"\npolicy = \"other\"\norigin = \"shop\"\n";

fn other(module: &str, settings: &str) -> String {
    OTHER
        .replace("MODULE", module)
        .replace("SETTINGS", settings)
}

#[test]
fn serve_and_check_end_with_2_and_a_sentence_that_names_the_place() {
    let route =
        |resource: &str, rest: &str| format!("[[route]]\nresource = \"{resource}\"\n{rest}\n");
    let more = "[policy.default_decision]\nstrategy = \"write_behind\"\nttl = \"5s\"\n";
    for (extra, words) in [
        (
            route("page", "policy = \"catalog\""),
            &[
                "the route for `page` names the policy `catalog`",
                "there is `catalogue`",
            ][..],
        ),
        (
            route("product", "policy = \"catalogue\""),
            &["the route for `product` is never reached"],
        ),
        (
            route("*", "policy = \"catalogue\"") + &route("late", "policy = \"catalogue\""),
            &["the route for `late` is never reached: the one for `*`"],
        ),
        (
            other("session", ""),
            &[
                "the policy `other` of the route for `other` asks for values to be encrypted",
                "no [vault]",
            ],
        ),
        (
            "[guard]\nprotected = [\"prod*\"]\n".to_owned(),
            &[
                "`guard.protected`, which covers the route for `product`,",
                "no [vault]",
            ],
        ),
        (
            other("standard", "strategy = \"write_behind\""),
            &["chooses write_behind, and there is no [write_behind]"],
        ),
        (
            other("standard", "default_ttl = \"soon\""),
            &[
                "the policy `other` does not take its [policy.settings]",
                "default_ttl",
            ],
        ),
        (
            "[origin.web]\ntype = \"http\"\nbase_url = \"http://h\"\n[origin.web.outbox]\n"
                .to_owned(),
            &["`[origin.web]`", "only a database has one"],
        ),
        (
            format!(
                "[[policy]]\nname = \"p\"\nmodule = \"standard\"\non_failure = \"default_decision\"\n{more}"
            ),
            &[
                "the default decision of policy `p`",
                "write_behind needs a durable queue",
            ],
        ),
        (
            "[origin.shop.limits.breaker]\nfailure_percent = 101\n".to_owned(),
            &["`shop`", "failure_percent is 101"],
        ),
        (
            "[policies]\nallow = [\"abc\"]\n".to_owned(),
            &["`abc` in the allow-list is not a sha256"],
        ),
        (
            "[log]\nlevel = \"verbose\"\n".to_owned(),
            &["`log.level`: `verbose` is no level"],
        ),
        (
            "[vault]\nfile = \"keys.toml\"\n".to_owned(),
            &["keys.toml cannot be read"],
        ),
    ] {
        let place = Place::new(&extra);
        let session = place.path().join("policies/session.wasm");
        std::fs::write(session, shipped("session")).unwrap();
        for args in [
            ["serve", "--config", "larder.toml"],
            ["config", "check", "larder.toml"],
        ] {
            let ended = larder(place.path(), &args).output().unwrap();
            let error = String::from_utf8_lossy(&ended.stderr);
            assert_eq!(ended.status.code(), Some(2), "{args:?} {extra}: {error}");
            for words in words {
                assert!(
                    error.contains(words),
                    "{args:?}: `{words}` is not in `{error}`"
                );
            }
        }
    }
}

#[test]
fn a_check_says_everything_at_once_and_touches_no_database() {
    let place = Place::new("[guard]\nttl_maximum = \"1d\"\n[log]\nlevels = \"debug\"\n");
    std::fs::remove_file(&place.shop.path).unwrap();
    for words in [
        "line 19,",
        "`ttl_maximum`",
        "line 21,",
        "`levels`",
        "2 things",
    ] {
        bad(place.path(), &["config", "check", "larder.toml"], 2, words);
    }
    std::fs::write(place.path().join("larder.toml"), place.config()).unwrap();
    let told = good(place.path(), &["config", "check", "larder.toml"]);
    assert!(
        told.contains("is right") && told.contains("1 policy that loads"),
        "{told}"
    );
    assert!(!place.shop.path.exists());
    std::fs::remove_file(place.path().join("policies/standard.wasm")).unwrap();
    let told = good(place.path(), &["config", "check", "larder.toml"]);
    assert!(
        told.contains("warning: the policy `catalogue` has no module yet"),
        "{told}"
    );
    bad(
        place.path(),
        &["config", "check", "nowhere.toml"],
        2,
        "nowhere.toml cannot be read",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_policy_asks_for_keys_that_are_not_there_is_not_ready() {
    let shop = Shop::new();
    let mut setup = Setup::standard_over(shop.origin(), json!({}));
    setup.guard = Guard {
        protected: vec![larder_server::access::Pattern::new("product")],
        ..Guard::default()
    };
    let running = setup.start().await;
    running.admin.get("/health/ready").await.expect(200);
    running.data.get("/v1/entries/product/7").await.expect(200);
    let ready = running.admin.get("/health/ready").await;
    ready.expect_problem(
        503,
        "not_ready",
        "`standard` are to be encrypted, and there is no [vault]",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_a_route_to_a_policy_that_is_not_there_is_not_ready() {
    let setup = Setup::standard(json!({})).route(Route::new("page", "nobody"));
    let running = setup.start().await;
    let ready = running.admin.get("/health/ready").await;
    ready.expect_problem(503, "not_ready", "no build serves for `nobody`");
}
