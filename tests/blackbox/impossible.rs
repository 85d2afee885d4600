//! A configuration that can only go wrong does not start, or keeps the server from being ready.

use larder::Route;
use larder::core::Guard;
use serde_json::json;

use crate::guests::shipped;
use crate::program::{bad, good, larder};
use crate::running::Setup;
use crate::serving::{Place, serve_logging_to};
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
            other("llm", "").replace("\"shop\"", "\"web\"")
                + "[origin.web]\ntype = \"http\"\nbase_url = \"http://h\"\n",
            &[
                "the policy `other` says that values depend on `context.*`",
                "the origin `web` of the route for `other` is never sent that",
            ],
        ),
        (
            "[origin.web]\ntype = \"http\"\nbase_url = \"http://h\"\ntimeuot = \"1s\"\n".to_owned(),
            &["line 21, `[origin.web]`: unknown field `timeuot`"],
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
            "[guard]\ntags_max = 1\n".to_owned(),
            &[
                "no read of the route for `product` passes [guard]",
                "2 tags; the guard allows 1",
            ],
        ),
        (
            "[guard]\nkey_max = \"4B\"\n".to_owned(),
            &["no write of the route for `product` passes [guard]"],
        ),
        (
            "[origin.web]\ntype = \"http\"\nbase_url = \"shop.example\"\n".to_owned(),
            &["`[origin.web]`: `base_url`"],
        ),
        (
            "[origin.web]\ntype = \"http\"\nbase_url = \"http://h\"\nvalue_max = \"0B\"\n".to_owned(),
            &["`[origin.web]`: `value_max` must be at least 1"],
        ),
        (
            "[origin.pg]\ntype = \"postgres\"\nurl = \"mysql://h/d\"\ntable = \"t\"\nkey = \"id\"\n"
                .to_owned(),
            &["`[origin.pg]`: `url` is no address of a database"],
        ),
        (
            "[origin.file]\ntype = \"sqlite\"\npath = \"x\"\ntable = \"t\"\nkey = \"id\"\ntimeout = \"0s\"\n"
                .to_owned(),
            &["`[origin.file]`: `timeout` must be between 1 ms and 1 hour"],
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
        for more in ["session", "llm"] {
            let file = place.path().join(format!("policies/{more}.wasm"));
            std::fs::write(file, shipped(more)).unwrap();
        }
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
async fn what_works_and_is_probably_not_meant_is_a_warning_of_check_and_serve() {
    for (extra, words) in [
        (
            other("standard", "strategy = \"write_behind\"") + "[write_behind]\n",
            "`[origin.shop]` names no `sequence` column: a queued write that is handed over late",
        ),
        (
            "[[route]]\nresource = \"page\"\npolicy = \"catalogue\"\n".to_owned(),
            "the route for `page` chooses read_through, which loads from an origin",
        ),
        (
            format!("[policies]\nallow = [\"{}\"]\n", "0".repeat(64)),
            "is not on the allow-list",
        ),
    ] {
        let place = Place::new(&extra);
        let told = good(place.path(), &["config", "check", "larder.toml"]);
        let warning = told.lines().find(|line| line.contains(words));
        let warned = warning.is_some_and(|line| line.starts_with("warning: "));
        assert!(warned, "`{words}` is not in {told}");
        let log = place.path().join("log");
        let serving = serve_logging_to(place.path(), &log).await;
        drop(serving);
        let log = std::fs::read_to_string(log).unwrap();
        assert!(log.contains(words), "`{words}` is not in {log}");
    }
}

#[test]
fn a_file_in_another_encoding_is_named_with_what_to_do() {
    let place = Place::new("# \u{e4}\n");
    let text = std::fs::read_to_string(place.path().join("larder.toml")).unwrap();
    let marked = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    std::fs::write(place.path().join("larder.toml"), marked).unwrap();
    good(place.path(), &["config", "check", "larder.toml"]);
    let latin: Vec<u8> = text.chars().map(|one| u8::try_from(one).unwrap()).collect();
    let wide: Vec<u8> = std::iter::once(0xfeff)
        .chain(text.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    for (bytes, words) in [
        (latin, "is no UTF-8, from line 18 on; save it as UTF-8"),
        (wide, "is no UTF-8, from line 1 on; save it as UTF-8"),
    ] {
        std::fs::write(place.path().join("larder.toml"), bytes).unwrap();
        bad(place.path(), &["config", "check", "larder.toml"], 2, words);
    }
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
