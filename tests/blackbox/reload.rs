//! Policies that change under a steady load of requests.
//!
//! Saving a new build changes decisions within a second, saving garbage changes nothing but the
//! status, and no request fails in either case.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::client::{Answer, Client, try_send};
use crate::guests::{changed_standard, renamed, shipped};
use crate::running::{Running, Setup, eventually};
use crate::shop::Shop;

/// Of the policies that ship.
const VERSION: &str = env!("CARGO_PKG_VERSION");
const HOUR: u64 = 3_600_000;
const TWO_MINUTES: u64 = 120_000;
/// Between two requests of one task. Six tasks then send 600 a second, which leaves a core to the
/// compiler of policies: a load that leaves none measures the machine.
const PACE: Duration = Duration::from_millis(10);

/// What the load saw.
#[derive(Default)]
struct Seen {
    /// Good answers by kind of request and revision of the policy.
    answers: BTreeMap<(&'static str, String), u64>,
    failures: Vec<String>,
}

struct Load {
    seen: Arc<Mutex<Seen>>,
    done: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    /// Three tasks that ask for decisions, and three that read entries.
    fn start(data: &Client) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let done = Arc::new(AtomicBool::new(false));
        let tasks = (0..6).map(|task| {
            let (data, seen, done) = (data.clone(), seen.clone(), done.clone());
            tokio::spawn(async move {
                let mut ticks = tokio::time::interval(PACE);
                let mut id = task;
                while !done.load(Ordering::Relaxed) {
                    ticks.tick().await;
                    id = id % 50 + 1;
                    let (kind, result) = match task % 2 {
                        0 => ("decide", decide(&data, id).await),
                        _ => ("entries", read(&data, id).await),
                    };
                    let mut seen = seen.lock();
                    match result {
                        Ok(revision) => *seen.answers.entry((kind, revision)).or_default() += 1,
                        Err(failure) => seen.failures.push(format!("{kind}: {failure}")),
                    }
                }
            })
        });
        let tasks = tasks.collect();
        Self { seen, done, tasks }
    }

    fn count(&self, kind: &'static str, revision: &str) -> u64 {
        let key = (kind, revision.to_owned());
        self.seen.lock().answers.get(&key).copied().unwrap_or(0)
    }

    /// Waits until the load has come past `more` times with this revision, in both kinds.
    async fn passes(&self, revision: &str, more: u64) {
        let kinds = ["decide", "entries"];
        let goals = kinds.map(|kind| (kind, self.count(kind, revision) + more));
        eventually("the load", async || {
            let all = goals
                .iter()
                .all(|(kind, goal)| self.count(kind, revision) >= *goal);
            all.then_some(())
        })
        .await;
    }

    async fn end(self) -> Seen {
        self.done.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        std::mem::take(&mut self.seen.lock())
    }
}

/// Asks for a decision; answers the revision that decided, whose ttl has to be its own.
async fn decide(data: &Client, id: u32) -> Result<String, String> {
    let asked = json!({"operation": "read", "resource": "product", "id": id.to_string()});
    let request = data.request(reqwest::Method::POST, "/v1/decide");
    let request = request.body(json!({"request": asked}).to_string());
    let answer = try_send(request)
        .await
        .map_err(|error| format!("{error:?}"))?;
    let reply = good(&answer)?;
    if reply["fallback"] != Value::Null || reply["decision"]["key"] != format!("product:{id}") {
        return Err(reply.to_string());
    }
    Ok(reply["policy"]["revision"]
        .as_str()
        .unwrap_or_default()
        .to_owned())
}

/// Reads an entry; answers the revision that decided.
async fn read(data: &Client, id: u32) -> Result<String, String> {
    let request = data.request(reqwest::Method::GET, &format!("/v1/entries/product/{id}"));
    let answer = try_send(request)
        .await
        .map_err(|error| format!("{error:?}"))?;
    let reply = good(&answer)?;
    let policy = answer.header("larder-policy");
    if reply["id"] != id || policy.contains("fallback") {
        return Err(format!("{policy}: {reply}"));
    }
    // Where another build made the entry it comes first.
    let revision = policy.split("revision=\"").last().unwrap_or_default();
    Ok(revision.split('"').next().unwrap_or_default().to_owned())
}

fn good(answer: &Answer) -> Result<Value, String> {
    match answer.status {
        200 => serde_json::from_slice(&answer.body).map_err(|error| error.to_string()),
        _ => Err(format!("{answer:?}")),
    }
}

/// The ttl and the revision of a decision.
async fn decided(running: &Running) -> (u64, String) {
    let reply = running.data.decide("product").await.expect(200).json();
    let ttl = reply["decision"]["freshness"]["ttl_ms"].as_u64().unwrap();
    (
        ttl,
        reply["policy"]["revision"].as_str().unwrap().to_owned(),
    )
}

/// Saves, and answers how long it took until a decision came from another build.
async fn save(
    running: &Running,
    before: &str,
    save: impl FnOnce(&Path),
) -> (Duration, u64, String) {
    let path = running.policies.join("standard.wasm");
    let began = Instant::now();
    save(&path);
    eventually("a decision by the new build", async || {
        let (ttl, revision) = decided(running).await;
        (revision != before).then(|| (began.elapsed(), ttl, revision))
    })
    .await
}

fn by_rename(path: &Path, bytes: &[u8]) {
    let new = path.with_extension("new");
    std::fs::write(&new, bytes).unwrap();
    std::fs::rename(new, path).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_names_the_build_that_made_the_entry_and_beside_it_the_one_that_decided() {
    // Before the entry is made: the first build of it takes longer than the entry may live then.
    let second = changed_standard();
    let shop = Shop::new();
    let mut setup = Setup::standard_over(shop.origin(), json!({"jitter_percent": 0}));
    setup.watch = true;
    let running = setup.start().await;
    let (_, one) = decided(&running).await;
    let read = async || running.data.get("/v1/entries/product/7").await;
    let made = format!(r#""standard"; version="{}"; revision="{one}""#, VERSION);
    assert_eq!(read().await.header("larder-policy"), made, "a miss");
    assert_eq!(read().await.header("larder-policy"), made, "its own entry");

    let (_, ttl, two) = save(&running, &one, |path| by_rename(path, &second)).await;
    assert_eq!(ttl, TWO_MINUTES);
    let hit = read().await;
    let policy = hit.header("larder-policy");
    let mut members = policy.split(", ");
    let (maker, decider) = (members.next().unwrap(), members.next().unwrap());
    assert_eq!(members.next(), None, "{policy}");
    assert!(
        maker.starts_with(&made) && maker.ends_with("; role=made"),
        "{policy}"
    );
    assert!(
        decider.contains(&two) && decider.ends_with("; role=decided"),
        "{policy}"
    );
    let status = hit.header("cache-status");
    let ttl: u64 = status.split("ttl=").nth(1).unwrap().parse().unwrap();
    assert!(
        status.starts_with("Larder; hit") && ttl <= TWO_MINUTES / 1000,
        "{status}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn builds_change_under_load_and_no_request_fails() {
    let (first, second) = (shipped("standard"), changed_standard());
    let third = renamed(&first, "third");
    let shop = Shop::new();
    let mut setup = Setup::standard_over(shop.origin(), json!({}));
    setup.watch = true;
    let running = setup.start().await;
    let (ttl, one) = decided(&running).await;
    assert_eq!(ttl, HOUR);
    let load = Load::start(&running.data);
    load.passes(&one, 50).await;

    let (renamed_took, ttl, two) = save(&running, &one, |path| by_rename(path, &second)).await;
    assert_eq!(ttl, TWO_MINUTES, "the new rule holds");
    load.passes(&two, 50).await;

    // Truncated and written in parts, any of which may be seen.
    let (written_took, ttl, three) = save(&running, &two, |path| {
        use std::io::Write as _;
        let mut file = std::fs::File::create(path).unwrap();
        for part in third.chunks(16 << 10) {
            file.write_all(part).unwrap();
            file.sync_data().unwrap();
        }
    })
    .await;
    assert_eq!(ttl, HOUR);
    load.passes(&three, 50).await;

    let seen = load.end().await;
    let total: u64 = seen.answers.values().sum();
    println!("requests: {total}, failures: {}", seen.failures.len());
    println!("save by rename to new decision: {renamed_took:?}; by writing: {written_took:?}");
    for ((kind, revision), count) in &seen.answers {
        println!("{kind:8} {:.19} {count}", revision);
    }
    assert_eq!(seen.failures, [""; 0], "of {total} requests");
    let revisions: Vec<_> = seen.answers.keys().map(|(_, revision)| revision).collect();
    assert!(
        revisions
            .iter()
            .all(|seen| [&one, &two, &three].contains(seen)),
        "nothing but the builds saved has decided: {revisions:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_under_load_changes_nothing_but_the_status() {
    let shop = Shop::new();
    let mut setup = Setup::standard_over(shop.origin(), json!({}));
    setup.watch = true;
    let running = setup.start().await;
    let (_, revision) = decided(&running).await;
    let good = shipped("standard");
    let load = Load::start(&running.data);
    load.passes(&revision, 20).await;
    let file = running.policies.join("standard.wasm");
    let native = b"\x7fELF\x02\x01\x01 not for here".to_vec();
    let mut before = Value::Null;
    for (garbage, stage, words) in [
        (
            b"this is no module".to_vec(),
            "structure",
            "not WebAssembly",
        ),
        (good[..good.len() / 2].to_vec(), "structure", "unexpected"),
        (native, "precompiled", "native code"),
        (vec![0; 3 << 20], "size", "2097152"),
        (b"\0asm\x01\0\0\0".to_vec(), "contract", ""),
    ] {
        by_rename(&file, &garbage);
        let error = eventually("the status of the garbage", async || {
            let error = running.policy("standard").await["candidate_error"].clone();
            (error["revision"] != before && !error.is_null()).then_some(error)
        })
        .await;
        assert_eq!(error["stage"], stage, "{error}");
        let reason = error["reason"].as_str().unwrap();
        assert!(reason.contains(words), "`{words}` is not in `{reason}`");
        before = error["revision"].clone();
        let policy = running.policy("standard").await;
        assert_eq!(policy["state"], "serving", "{policy}");
        assert_eq!(policy["current"]["revision"], revision, "{error}");
        load.passes(&revision, 20).await;
    }
    by_rename(&file, &good);
    eventually("a status without an error", async || {
        let policy = running.policy("standard").await;
        (policy["candidate_error"] == Value::Null).then_some(())
    })
    .await;
    let seen = load.end().await;
    let total: u64 = seen.answers.values().sum();
    println!("requests: {total}, failures: {}", seen.failures.len());
    assert_eq!(seen.failures, [""; 0], "of {total} requests");
    assert_eq!(
        seen.answers.len(),
        2,
        "one build decided all: {:?}",
        seen.answers
    );
}
