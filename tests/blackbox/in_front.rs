//! nginx and Varnish in front of Larder, as they are installed: neither keeps what it may not. Where one
//! is not installed its test says so and tries nothing; `tests/run --long` installs both.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use larder::Route;
use larder_servers::{Process, free_port};
use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;

use crate::client::{Answer, Client, send, try_send};
use crate::guests;
use crate::running::{Running, Setup, eventually, http_origin};
use crate::service::{Reply, Server, answer};

const ENTRY: &str = "/v1/entries/product/1";

/// A cache that answers until this is dropped.
struct Front {
    client: Client,
    _process: Process,
    _dir: TempDir,
}

type Start = fn(&Path, (&Path, u16), &Running) -> Process;

async fn front(program: &str, start: Start, behind: &Running) -> Option<Front> {
    let Some(program) = installed(program) else {
        eprintln!("left out: {program} is not installed");
        return None;
    };
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let process = start(&program, (dir.path(), port), behind);
    let client = Client::new(([127, 0, 0, 1], port).into());
    eventually("an answer of the cache in front", async || {
        let asked = try_send(client.request(Method::GET, "/openapi.json")).await;
        asked.ok().filter(|answer| answer.status == 200)
    })
    .await;
    Some(Front {
        client,
        _process: process,
        _dir: dir,
    })
}

/// Servers are installed where not everybody looks for programs.
fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    let programs = folders.iter().map(|folder| folder.join(program));
    programs.into_iter().find(|program| program.is_file())
}

fn nginx(program: &Path, (dir, port): (&Path, u16), behind: &Running) -> Process {
    let (folder, address) = (dir.display(), behind.address);
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary.map(|name| format!("{name}_temp_path {folder}/{name};\n"));
    let configuration = format!(
        "user root;\ndaemon off;\nworker_processes 1;\npid {folder}/pid;\nerror_log {folder}/log;\n\
         events {{}}\nhttp {{\naccess_log off;\n{}\
         proxy_cache_path {folder}/cache keys_zone=all:1m;\n\
         server {{\nlisten 127.0.0.1:{port};\nlocation / {{\n\
         proxy_pass http://{address};\nproxy_cache all;\n}}\n}}\n}}\n",
        temporary.concat()
    );
    let file = dir.join("nginx.conf");
    fs::write(&file, configuration).unwrap();
    let mut command = Command::new(program);
    command.arg("-c").arg(file).stderr(Stdio::null());
    Process::start(&mut command)
}

fn varnish(program: &Path, (dir, port): (&Path, u16), behind: &Running) -> Process {
    let mut command = Command::new(program);
    command.args(["-F", "-j", "none", "-s", "malloc,16m", "-n"]);
    command.arg(dir).arg("-a").arg(format!("127.0.0.1:{port}"));
    command.arg("-b").arg(behind.address.to_string());
    Process::start(command.stderr(Stdio::null()))
}

/// A service whose value is a number that grows, with words to the caches in front.
async fn service(version: &Arc<AtomicU32>) -> Server {
    let headers = "x-accel-expires: 3600\r\ncdn-cache-control: max-age=3600\r\n\
                   surrogate-control: max-age=3600\r\ncache-control: max-age=3600\r\n\
                   etag: \"same\"\r\nage: 300\r\n";
    let version = Arc::clone(version);
    Server::start(move |_| {
        let value = version.load(Ordering::SeqCst).to_string();
        Reply::Keep(answer("200 OK", headers, value.as_bytes()))
    })
    .await
}

async fn behind(service: &Server, shared: Duration) -> Running {
    let origin = http_origin(&service.base, Duration::from_secs(5));
    let mut setup = Setup::standard_over(origin, json!({"jitter_percent": 0}))
        .policy(
            "aside",
            guests::shipped("standard"),
            json!({"strategy": "cache_aside"}),
        )
        .route(Route::new("aside", "aside"));
    setup.settings.shared_max_age = shared;
    setup.start().await
}

/// Which answer of Larder's this is.
fn decision(answer: &Answer) -> &str {
    answer.expect(200).header("larder-decision-id")
}

async fn nothing_is_kept(program: &str, start: Start) {
    let version = Arc::new(AtomicU32::new(1));
    let service = service(&version).await;
    let larder = behind(&service, Duration::ZERO).await;
    let Some(front) = front(program, start, &larder).await else {
        return;
    };
    let client = &front.client;
    let (first, second) = (client.get(ENTRY).await, client.get(ENTRY).await);
    assert_eq!((first.text(), second.text()), ("1", "1"));
    assert_ne!(decision(&first), decision(&second), "each came from Larder");
    let second = second.header("cache-status");
    assert!(second.starts_with("Larder; hit"), "{second}");

    version.store(2, Ordering::SeqCst);
    let row = json!({"rows": [{"resource": "product", "id": "1"}]});
    larder
        .data
        .post_json("/v1/invalidate", &row)
        .await
        .expect(200);
    assert_eq!(
        client.get(ENTRY).await.text(),
        "2",
        "the invalidation holds"
    );

    for tenant in ["acme", "other", "acme"] {
        let asked = client.request(Method::GET, ENTRY);
        let read = send(asked.header("larder-tenant", tenant)).await;
        let kept = read.expect(200).header("cache-control");
        assert_eq!(kept, "private, no-store");
    }
    let known = client.request(Method::GET, ENTRY);
    let known = send(known.header("if-none-match", "\"same\"")).await;
    // nginx asks without, and hands out the whole of what it does not keep.
    assert!(known.status == 304 || known.text() == "2", "{known:?}");

    let aside = "/v1/entries/aside/1";
    let (lease, none) = (client.get(aside).await, client.get(aside).await);
    assert_ne!(lease.expect(404).header("larder-lease"), "");
    assert_eq!(
        none.expect(404).header("larder-lease"),
        "",
        "it is one client's"
    );
}

/// Five seconds, however old the answer is by its `Age`.
async fn is_kept_for_no_longer(program: &str, start: Start) {
    let version = Arc::new(AtomicU32::new(1));
    let service = service(&version).await;
    let larder = behind(&service, Duration::from_secs(5)).await;
    let Some(front) = front(program, start, &larder).await else {
        return;
    };
    let client = &front.client;
    let first = client.get(ENTRY).await;
    assert_eq!(
        (first.expect(200).text(), first.header("age")),
        ("1", "300")
    );
    let kept = client.get(ENTRY).await;
    assert_eq!(decision(&kept), decision(&first));
    let status = first.header("cache-status");
    assert_eq!(kept.header("cache-status"), status, "nobody says it anew");
    version.store(2, Ordering::SeqCst);
    let row = json!({"rows": [{"resource": "product", "id": "1"}]});
    larder
        .data
        .post_json("/v1/invalidate", &row)
        .await
        .expect(200);
    eventually("the new value", async || {
        (client.get(ENTRY).await.text() == "2").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_keeps_nothing_that_an_invalidation_would_not_reach() {
    nothing_is_kept("nginx", nginx).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_keeps_an_answer_as_long_as_it_is_let() {
    is_kept_for_no_longer("nginx", nginx).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn varnish_keeps_nothing_that_an_invalidation_would_not_reach() {
    nothing_is_kept("varnishd", varnish).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn varnish_keeps_an_answer_as_long_as_it_is_let() {
    is_kept_for_no_longer("varnishd", varnish).await;
}
