//! A running server whose configuration is read again.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::client::Client;
use crate::guests::{renamed, shipped};
use crate::program::{bad, good, larder};
use crate::running::eventually;
use crate::serving::{Place, Serving, client, serve_in};
use crate::workspace::output;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 3_600_000;

/// Settings of the policy, and a guard that lets them pass and nothing longer.
fn ttl(ttl: &str) -> String {
    format!(
        "[policy.settings]\ndefault_ttl = \"{ttl}\"\njitter_percent = 0\n[guard]\nttl_max = \"{ttl}\"\n"
    )
}

/// Writes what `extra` makes of a configuration with these settings.
fn configure(place: &Place, settings: &str, extra: &str) {
    let config = place
        .config()
        .replace("[[route]]", &format!("{settings}[[route]]"));
    let file = place.path().join("larder.toml");
    let new = file.with_extension("new");
    std::fs::write(&new, format!("{config}{extra}")).unwrap();
    std::fs::rename(new, file).unwrap();
}

fn hang_up(serving: &Serving) {
    output(Command::new("kill").args(["-HUP", &serving.pid()]));
}

async fn decided(data: &Client, resource: &str) -> (u64, Value) {
    let decided = data.decide(resource).await.expect(200).json();
    let ttl = decided["decision"]["freshness"]["ttl_ms"].as_u64().unwrap();
    (ttl, decided["clamped"].clone())
}

async fn has_ttl(data: &Client, expected: u64) {
    eventually("the ttl of the new settings", async || {
        let (ttl, _) = decided(data, "product").await;
        (ttl == expected).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_takes_settings_routes_and_the_guard_over_and_the_process_lives() {
    let place = Place::new("");
    configure(&place, &ttl("1m"), "");
    let mut serving = serve_in(place.path()).await;
    let data = client(&serving.data);
    assert_eq!(decided(&data, "product").await, (MINUTE, json!([])));
    data.get("/v1/entries/product/7").await.expect(200);
    let page = "[[route]]\nresource = \"page\"\npolicy = \"catalogue\"\n";
    configure(&place, &ttl("1h"), page);
    hang_up(&serving);
    has_ttl(&data, HOUR).await;
    assert_eq!(decided(&data, "page").await, (HOUR, json!([])));
    let cached = data.get("/v1/entries/product/7").await;
    assert!(
        cached.expect(200).header("cache-status").contains("hit"),
        "the store stays"
    );
    // Two that come together, the second of which finds the newest file.
    configure(&place, &ttl("2h"), page);
    hang_up(&serving);
    configure(&place, &ttl("1m"), "");
    hang_up(&serving);
    has_ttl(&data, MINUTE).await;
    data.decide("page")
        .await
        .expect_problem(404, "no_route", "`page`");
    // One during the shutdown does not keep it from its end.
    output(Command::new("kill").args(["-TERM", &serving.pid()]));
    hang_up(&serving);
    assert_eq!(serving.ended().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_says_what_holds_now_and_what_needs_a_restart() {
    let place = Place::new("");
    let serving = serve_in(place.path()).await;
    let (data, admin) = (client(&serving.data), client(&serving.admin));
    let none = admin.post("/v1/reload", "").await.expect(200).json();
    assert_eq!(
        none,
        json!({"changed": [], "needs_restart": [], "warnings": []})
    );
    configure(
        &place,
        &ttl("1m"),
        "[origin.shop.limits]\nconcurrency = 7\n[store]\ncapacity = \"64MiB\"\n\
         [log]\nlevel = \"debug\"\n[write_behind]\n[origin.more]\ntype = \"http\"\n\
         base_url = \"http://127.0.0.1:1\"\n",
    );
    let told = good(place.path(), &["reload", "--admin", &serving.admin]);
    assert!(
        told.starts_with(
            "changed: guard, log.level, origin.shop.limits, policy\n\
             needs a restart: origin.more, store, write_behind\n"
        ),
        "{told}"
    );
    has_ttl(&data, MINUTE).await;
    data.get("/v1/entries/product/7").await.expect(200);
    let on_data = data.post("/v1/reload", "").await;
    on_data.expect_problem(404, "no_such_path", "admin listener");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_that_is_wrong_changes_nothing_and_says_everything() {
    let place = Place::new("");
    configure(&place, &ttl("1m"), "");
    let serving = serve_in(place.path()).await;
    let (data, admin) = (client(&serving.data), client(&serving.admin));
    let limits = "[origin.shop.limits.breaker]\nfailure_percent = 101\n";
    let new = "[origin.new]\ntype = \"http\"\nbase_url = \"http://127.0.0.1:1\"\n\
               [[route]]\nresource = \"new\"\npolicy = \"catalogue\"\norigin = \"new\"\n";
    for (settings, extra, words) in [
        (ttl("1h"), "[servr]\n", &["unknown field `servr`"][..]),
        (
            ttl("1h"),
            "[[route]]\nresource = \"a\"\npolicy = \"nobody\"\n\
             [[route]]\nresource = \"b\"\npolicy = \"catalogue\"\norigin = \"nowhere\"\n",
            &["`nobody`", "`nowhere`", "2 things"],
        ),
        (
            "[policy.settings]\ndefault_ttl = \"soon\"\n".to_owned(),
            "",
            &["does not take its [policy.settings]", "default_ttl"],
        ),
        (ttl("1h"), limits, &["failure_percent is 101"]),
        (ttl("1h"), new, &["the origin `new`, which is new"]),
        (
            ttl("1h"),
            "[vault]\nfile = \"keys.toml\"\n",
            &["keys.toml cannot be read"],
        ),
        (ttl("1h"), "[guard", &["line"]),
    ] {
        configure(&place, &settings, extra);
        let refused = admin.post("/v1/reload", "").await;
        for words in words {
            refused.expect_problem(422, "invalid_configuration", words);
        }
        let reload = ["reload", "--admin", &serving.admin];
        bad(place.path(), &reload, 2, words[0]);
        assert_eq!(decided(&data, "product").await, (MINUTE, json!([])));
        data.decide("new")
            .await
            .expect_problem(404, "no_route", "`new`");
    }
    admin.get("/health/ready").await.expect(200);
}

/// Asks for decisions until it is told to stop; answers what it saw.
fn ask(data: Client, done: Arc<AtomicBool>) -> JoinHandle<BTreeSet<(u64, String)>> {
    tokio::spawn(async move {
        let mut seen = BTreeSet::new();
        while !done.load(Ordering::Relaxed) {
            let (ttl, clamped) = decided(&data, "product").await;
            seen.insert((ttl, clamped.to_string()));
        }
        seen
    })
}

/// A file that is being written, or that a full disk cut off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_empty_for_a_moment_changes_nothing() {
    let place = Place::new("");
    let serving = serve_in(place.path()).await;
    for cut in ["", "# larder\n[server]\n"] {
        std::fs::write(place.path().join("larder.toml"), cut).unwrap();
        let reload = ["reload", "--admin", &serving.admin];
        bad(place.path(), &reload, 2, "there is no [[route]] any more");
    }
    let data = client(&serving.data);
    data.get("/v1/entries/product/7").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_meet_the_old_configuration_or_the_new_one_and_never_parts_of_both() {
    let place = Place::new("");
    configure(&place, &ttl("1m"), "");
    let serving = serve_in(place.path()).await;
    let (data, admin) = (client(&serving.data), client(&serving.admin));
    let done = Arc::new(AtomicBool::new(false));
    let asking = [(); 3].map(|()| ask(data.clone(), Arc::clone(&done)));
    for to in ["1h", "1m", "1h"] {
        configure(&place, &ttl(to), "");
        let reply = admin.post("/v1/reload", "").await.expect(200).json();
        assert_eq!(reply["changed"], json!(["guard", "policy"]));
    }
    done.store(true, Ordering::Relaxed);
    let whole = BTreeSet::from([(MINUTE, "[]".to_owned()), (HOUR, "[]".to_owned())]);
    for task in asking {
        let seen = task.await.unwrap();
        assert!(seen.is_subset(&whole), "{seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pin_holds_over_a_reload_and_so_do_the_builds() {
    let place = Place::new("");
    let serving = serve_in(place.path()).await;
    let admin = client(&serving.admin);
    let policy = async || admin.get("/v1/policies/catalogue").await.expect(200).json();
    let first = policy().await["current"]["revision"].clone();
    let module: PathBuf = place.path().join("policies/standard.wasm");
    std::fs::write(module, renamed(&shipped("standard"), "second")).unwrap();
    eventually("the second build", async || {
        (policy().await["current"]["revision"] != first).then_some(())
    })
    .await;
    admin
        .post("/v1/policies/catalogue/rollback", "")
        .await
        .expect(200);
    configure(&place, &ttl("1m"), "");
    admin.post("/v1/reload", "").await.expect(200);
    let now = policy().await;
    assert_eq!(
        (&now["current"]["revision"], &now["pinned"]),
        (&first, &first)
    );
    has_ttl(&client(&serving.data), MINUTE).await;
    let unpinned = admin.post("/v1/policies/catalogue/pin", "{}").await;
    assert_ne!(unpinned.expect(200).json()["current"]["revision"], first);
}

/// A token and its table of the configuration.
fn token(place: &Place, name: &str) -> (String, String) {
    let made = good(place.path(), &["token", "--name", name]);
    let table = &made[made.find("[[server.token]]").unwrap()..];
    let mut lines = made.lines();
    let token = lines.find_map(|line| line.strip_prefix("  ")).unwrap();
    (token.to_owned(), table.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_exchanged_without_a_restart() {
    let place = Place::new("");
    let ((one, first), (other, second)) = (token(&place, "one"), token(&place, "other"));
    configure(&place, "", &first);
    let serving = serve_in(place.path()).await;
    let reload = |token: &str| {
        let args = ["reload", "--admin", &serving.admin, "--token", token];
        larder(place.path(), &args).output().unwrap()
    };
    assert!(!reload(&other).status.success());
    configure(&place, "", &second);
    let done = reload(&one);
    let told = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(told, "changed: server.token\n", "{done:?}");
    assert!(!reload(&one).status.success(), "it is no token any more");
    assert!(reload(&other).status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_level_of_the_log_changes_and_each_line_is_one_object() {
    let place = Place::new("");
    let log = place.path().join("log");
    let serving = crate::serving::serve_logging_to(place.path(), &log).await;
    let lines = || {
        let text = std::fs::read_to_string(&log).unwrap();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect(line));
        lines.collect::<Vec<_>>()
    };
    let data = client(&serving.data);
    assert!(lines().iter().all(|line| line["level"] != "DEBUG"));
    configure(&place, "", "[log]\nlevel = \"debug\"\n");
    hang_up(&serving);
    eventually("the line that says so", async || {
        lines()
            .iter()
            .any(|line| {
                line["message"]
                    .as_str()
                    .is_some_and(|text| text.contains("read again"))
            })
            .then_some(())
    })
    .await;
    for id in 0..20 {
        data.get(&format!("/v1/entries/product/{id}")).await;
    }
    drop(data);
    tokio::task::yield_now().await;
    let targets = lines();
    assert!(
        targets
            .iter()
            .all(|line| line["target"].as_str().unwrap().starts_with("larder")),
        "{targets:#?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_fails_for_every_request_is_one_line_at_once() {
    let place = Place::new("");
    let log = place.path().join("log");
    std::fs::write(
        place.path().join("policies/standard.wasm"),
        crate::guest::Guest {
            decide: "unreachable",
            ..crate::guest::Guest::default()
        }
        .build(),
    )
    .unwrap();
    let serving = crate::serving::serve_logging_to(place.path(), &log).await;
    let data = client(&serving.data);
    for _ in 0..50 {
        data.decide("product").await.expect(200);
    }
    let text = std::fs::read_to_string(&log).unwrap();
    let failures: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("policy failed"))
        .collect();
    // Ten seconds may pass on a machine that has much to do.
    assert!((1..10).contains(&failures.len()), "{failures:#?}");
    let first: Value = serde_json::from_str(failures[0]).unwrap();
    assert_eq!(
        (&first["count"], &first["policy"]),
        (&json!(1), &json!("catalogue"))
    );
    let metrics = client(&serving.admin).get("/metrics").await;
    let counted = "larder_policy_failures_total{policy=\"catalogue\",failure=\"trapped\"} 50";
    assert!(
        metrics.expect(200).text().contains(counted),
        "{}",
        metrics.text()
    );
}
