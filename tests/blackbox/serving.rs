//! `larder serve` as a process, and the commands that talk to it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use crate::client::Client;
use crate::guests::{changed_standard, shipped};
use crate::program::{bad, good, larder};
use crate::running::eventually;
use crate::shop::Shop;
use crate::workspace::output;

/// A folder with a configuration, its policies and a shop.
pub(crate) struct Place {
    dir: TempDir,
    pub(crate) shop: Shop,
}

impl Place {
    pub(crate) fn new(extra: &str) -> Self {
        let (dir, shop) = (tempfile::tempdir().unwrap(), Shop::new());
        std::fs::create_dir(dir.path().join("policies")).unwrap();
        let module = dir.path().join("policies/standard.wasm");
        std::fs::write(module, shipped("standard")).unwrap();
        let config = format!("{}{extra}", config(&shop));
        std::fs::write(dir.path().join("larder.toml"), config).unwrap();
        Self { dir, shop }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The configuration without anything extra.
    pub(crate) fn config(&self) -> String {
        config(&self.shop)
    }
}

fn config(shop: &Shop) -> String {
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\
             [[policy]]\nname = \"catalogue\"\nmodule = \"standard\"\n\
             [policy.limits]\ndeadline = \"5s\"\n\
             [[route]]\nresource = \"product\"\npolicy = \"catalogue\"\norigin = \"shop\"\n\
             [origin.shop]\ntype = \"sqlite\"\npath = {:?}\ntable = \"products\"\nkey = \"id\"\n",
        shop.path
    )
}

/// A server in a process of its own, killed when this is dropped.
pub(crate) struct Serving {
    child: Child,
    pub(crate) data: String,
    pub(crate) admin: String,
}

impl Serving {
    pub(crate) fn pid(&self) -> String {
        self.child.id().unwrap().to_string()
    }

    /// How it ended, which it has to do within some seconds.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let ended = tokio::time::timeout(Duration::from_secs(15), self.child.wait()).await;
        ended.expect("it ends").unwrap().code()
    }

    /// Ends it as by `kill -9`.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}

async fn serve(place: &Place) -> Serving {
    serve_in(place.path()).await
}

/// Serves by the `larder.toml` of a folder, on ports of its own.
pub(crate) async fn serve_in(dir: &Path) -> Serving {
    serve_with(dir, &[], Stdio::inherit()).await
}

/// The same with its log in a file.
pub(crate) async fn serve_logging_to(dir: &Path, log: &Path) -> Serving {
    serve_under(dir, &[], log).await
}

/// The same with these variables set.
pub(crate) async fn serve_under(dir: &Path, env: &[(&str, &str)], log: &Path) -> Serving {
    serve_with(dir, env, std::fs::File::create(log).unwrap().into()).await
}

async fn serve_with(dir: &Path, env: &[(&str, &str)], log: Stdio) -> Serving {
    let mut command = larder(dir, &["serve", "--config", "larder.toml"]);
    for plane in ["LARDER__SERVER__LISTEN", "LARDER__SERVER__ADMIN"] {
        command.env(plane, "127.0.0.1:0");
    }
    command.envs(env.iter().copied());
    command.stdout(Stdio::piped()).stderr(log);
    let mut command = tokio::process::Command::from(command);
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = tokio::time::timeout(Duration::from_secs(20), lines.next_line());
    let line = first
        .await
        .expect("it says where it serves")
        .unwrap()
        .unwrap();
    let mut urls = line
        .split_whitespace()
        .filter(|word| word.starts_with("http://"));
    let mut next = || urls.next().unwrap().trim_end_matches([')', ',']).to_owned();
    Serving {
        child,
        data: next(),
        admin: next(),
    }
}

pub(crate) fn client(base: &str) -> Client {
    Client::new(base.trim_start_matches("http://").parse().unwrap())
}

/// On a disk without room nobody reads the greeting, and those who ask are answered.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_greeting_cannot_be_written_serves() {
    let place = Place::new("");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    drop(taken);
    let log = place.path().join("log");
    let mut command = larder(place.path(), &["serve", "--config", "larder.toml"]);
    command.env("LARDER__SERVER__LISTEN", address.to_string());
    command.stdout(std::fs::File::create("/dev/full").unwrap());
    command.stderr(std::fs::File::create(&log).unwrap());
    let mut child = tokio::process::Command::from(command);
    let _child = child.kill_on_drop(true).spawn().unwrap();
    let said = eventually("the log to say it", async || {
        let log = std::fs::read_to_string(&log).unwrap();
        log.contains("it was to say").then_some(log)
    })
    .await;
    let words = format!(
        "the output cannot be written: No space left on device (os error 28); it was to say: larder serves http://{address}"
    );
    assert!(said.contains(&words), "{said}");
    let data = client(&format!("http://{address}"));
    data.get("/v1/entries/product/7").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_serves_is_asked_and_told_and_ends_with_its_signal() {
    let place = Place::new("");
    let mut serving = serve(&place).await;
    let (data, admin) = (client(&serving.data), client(&serving.admin));
    admin.get("/health/ready").await.expect(200);
    let price =
        async || data.get("/v1/entries/product/7").await.expect(200).json()["price"].clone();
    assert_eq!(price().await, 7);
    place.shop.set_price(7, 71);
    assert_eq!(price().await, 7, "cached");

    let dir = place.path();
    let named = [
        "invalidate",
        "--server",
        &serving.data,
        "--key",
        "product/product:7",
        "--json",
    ];
    let done: Value = serde_json::from_str(&good(dir, &named)).unwrap();
    assert_eq!(
        done,
        json!({
            "mode": "purge", "bumped": 0, "removed": 1,
            "banned": 0, "complete": true, "sweeps": [],
            "found": {
                "rows": [], "tags": [], "namespaces": [], "patterns": [],
                "keys": [{"namespace": "product", "key": "product:7", "removed": 1}],
            },
        })
    );
    assert_eq!(price().await, 71);
    place.shop.set_price(7, 72);
    let tagged = good(
        dir,
        &["invalidate", "--server", &serving.data, "--tag", "product"],
    );
    assert!(tagged.contains("1 tag or namespace"), "{tagged}");
    assert_eq!(price().await, 72);

    let listed = good(dir, &["policies", "--admin", &serving.admin]);
    assert!(
        listed.contains("catalogue") && listed.contains("serving"),
        "{listed}"
    );
    let module = dir.join("policies/standard.wasm");
    std::fs::write(&module, "garbage").unwrap();
    eventually("the garbage in `larder policies`", async || {
        let listed = good(dir, &["policies", "--admin", &serving.admin]);
        listed
            .contains("refused at the stage `structure`")
            .then_some(())
    })
    .await;
    std::fs::write(&module, changed_standard()).unwrap();
    eventually("the new ttl", async || {
        let decided = data.decide("product").await.expect(200).json();
        (decided["decision"]["freshness"]["ttl_ms"] == 120_000).then_some(())
    })
    .await;
    let json = good(dir, &["policies", "--admin", &serving.admin, "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["current"]["version"], "0.1.1", "{json}");

    let pid = serving.child.id().unwrap().to_string();
    output(Command::new("kill").args(["-TERM", &pid]));
    let ended = tokio::time::timeout(Duration::from_secs(15), serving.child.wait()).await;
    assert_eq!(ended.expect("it ends").unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_ends_the_program_in_words() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken_at = taken.local_addr().unwrap().to_string();
    let place = Place::new("");
    let mut command = larder(place.path(), &["serve", "--config", "larder.toml"]);
    let output = command
        .env("LARDER__SERVER__LISTEN", &taken_at)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(
        error.contains("the port is in use") && error.contains(&taken_at),
        "{error}"
    );
}

#[test]
fn a_wrong_configuration_ends_before_a_port_opens() {
    for (extra, words) in [
        ("[servr]\n", "unknown field `servr`"),
        (
            "[guard]\nttl_maximum = \"1d\"\n",
            "unknown field `ttl_maximum`",
        ),
        (
            "[[route]]\nresource = \"x\"\npolicy = \"catalogue\"\norigin = \"nowhere\"\n",
            "`nowhere`",
        ),
        ("[origin.other]\ntype = \"ftp\"\n", "ftp"),
        (
            "[origin.other]\ntype = \"sqlite\"\npath = \"no.db\"\ntable = \"t\"\nkey = \"id\"\n",
            "no.db",
        ),
        ("[guard]\nttl_max = \"a while\"\n", "`a while`"),
        ("[guard\n", "line"),
    ] {
        let place = Place::new(extra);
        bad(
            place.path(),
            &["serve", "--config", "larder.toml"],
            2,
            words,
        );
    }
    let empty = tempfile::tempdir().unwrap();
    bad(
        empty.path(),
        &["serve", "--config", "larder.toml"],
        2,
        "larder.toml",
    );
    std::fs::write(empty.path().join("larder.toml"), "").unwrap();
    bad(
        empty.path(),
        &["serve", "--config", "larder.toml"],
        2,
        "policies",
    );
    let place = Place::new("");
    std::fs::remove_file(&place.shop.path).unwrap();
    bad(
        place.path(),
        &["serve", "--config", "larder.toml"],
        2,
        "there is no database file",
    );
}
