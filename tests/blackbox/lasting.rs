//! What an operator chooses of a policy's builds, over the end of the process.

use serde_json::{Value, json};

use crate::guests::{renamed, shipped};
use crate::program::{bad, good};
use crate::running::eventually;
use crate::serving::{Place, Serving, client, serve_in};

async fn policy(serving: &Serving) -> Value {
    let one = client(&serving.admin).get("/v1/policies/catalogue").await;
    one.expect(200).json()
}

fn revision(policy: &Value) -> String {
    policy["current"]["revision"].as_str().unwrap().to_owned()
}

/// Puts another build into the folder, and waits until it serves.
async fn put(place: &Place, serving: &Serving, tag: &str) -> String {
    let before = revision(&policy(serving).await);
    let file = place.path().join("policies/standard.wasm");
    let new = file.with_extension("new");
    std::fs::write(&new, renamed(&shipped("standard"), tag)).unwrap();
    std::fs::rename(new, file).unwrap();
    eventually("the new build", async || {
        let now = revision(&policy(serving).await);
        (now != before).then_some(now)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_by_the_program_holds_after_kill_9_until_it_is_unpinned() {
    let place = Place::new("");
    let dir = place.path();
    let mut serving = serve_in(dir).await;
    let first = revision(&policy(&serving).await);
    bad(
        dir,
        &[
            "policies",
            "rollback",
            "catalogue",
            "--admin",
            &serving.admin,
        ],
        1,
        "has no earlier build",
    );
    let second = put(&place, &serving, "second").await;
    let told = good(
        dir,
        &[
            "policies",
            "rollback",
            "catalogue",
            "--admin",
            &serving.admin,
        ],
    );
    let short = |revision: &str| revision[..19].to_owned();
    assert!(
        told.starts_with(&format!("catalogue: {} serves", short(&first))),
        "{told}"
    );

    serving.kill().await;
    let serving = serve_in(dir).await;
    let now = policy(&serving).await;
    assert_eq!(revision(&now), first);
    assert_eq!(
        (&now["pinned"], &now["rolled_back"]),
        (&json!(first), &json!(second))
    );
    let listed = good(dir, &["policies", "list", "--admin", &serving.admin]);
    assert!(listed.contains("serving, rolled back"), "{listed}");
    assert!(
        listed.contains(&format!("rolled back from {}", short(&second))),
        "{listed}"
    );

    let unpin = ["policies", "unpin", "catalogue", "--admin", &serving.admin];
    assert!(good(dir, &unpin).starts_with(&format!("catalogue: {} serves", short(&second))));
    let pin = [
        "policies",
        "pin",
        "catalogue",
        &short(&first),
        "--admin",
        &serving.admin,
        "--json",
    ];
    let pinned: Value = serde_json::from_str(&good(dir, &pin)).unwrap();
    assert_eq!(
        (&pinned["pinned"], &pinned["rolled_back"]),
        (&json!(first), &Value::Null)
    );
    bad(
        dir,
        &[
            "policies",
            "pin",
            "catalogue",
            "sha256:00000000",
            "--admin",
            &serving.admin,
        ],
        1,
        "has no build `sha256:00000000`",
    );
    bad(
        dir,
        &["policies", "unpin", "nobody", "--admin", &serving.admin],
        1,
        "there is no policy `nobody`",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_kept_though_the_process_is_killed_at_once() {
    let place = Place::new("");
    let mut serving = serve_in(place.path()).await;
    let mut builds = vec![revision(&policy(&serving).await)];
    for tag in ["second", "third"] {
        builds.push(put(&place, &serving, tag).await);
    }
    for chosen in [&builds[0], &builds[2], &builds[1]] {
        let admin = client(&serving.admin);
        let body = json!({"revision": chosen}).to_string();
        let answer = admin.post("/v1/policies/catalogue/pin", body).await;
        serving.kill().await;
        answer.expect(200);
        serving = serve_in(place.path()).await;
        let now = policy(&serving).await;
        assert_eq!((&revision(&now), &now["pinned"]), (chosen, &json!(chosen)));
        let all = eventually("the earlier builds", async || {
            let previous = policy(&serving).await["previous"].clone();
            (previous.as_array()?.len() == 2).then_some(previous)
        })
        .await;
        let earlier = all.as_array().unwrap().iter();
        for build in earlier {
            let revision = build["revision"].as_str().unwrap();
            assert!(builds.iter().any(|known| known == revision), "{all}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_cannot_be_written_is_said_and_serving_goes_on() {
    let place = Place::new("[policies]\nstate = \"taken\"\n");
    std::fs::write(place.path().join("taken"), "in the way").unwrap();
    let serving = serve_in(place.path()).await;
    put(&place, &serving, "second").await;
    client(&serving.data)
        .get("/v1/entries/product/7")
        .await
        .expect(200);
    let rollback = [
        "policies",
        "rollback",
        "catalogue",
        "--admin",
        &serving.admin,
    ];
    let told = good(place.path(), &rollback);
    assert!(
        told.contains("this ends with the process of the server: ") && told.contains("taken"),
        "{told}"
    );
}
