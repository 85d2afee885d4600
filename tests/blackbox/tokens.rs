//! Tokens from the command line: made, configured, sent, replaced, and never shown.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use larder_server::access::TokenHash;
use larder_server::{Parts, Server};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::ChildStdout;

use crate::program::{bad, good, larder};
use crate::running::{Setup, metrics};
use crate::workspace::output;

/// A new token of `larder token`: its text and the table for the configuration.
fn new_token(dir: &Path, name: &str) -> (String, String) {
    let printed = good(dir, &["token", "--name", name]);
    let (token, table) = printed.split_once("[[server.token]]").unwrap();
    let token = token
        .lines()
        .find_map(|line| line.strip_prefix("  "))
        .unwrap();
    assert_eq!(token.len(), 43, "32 bytes in base64url: {printed}");
    assert_eq!(printed.matches(token).count(), 1, "{printed}");
    (token.to_owned(), format!("[[server.token]]{table}"))
}

const POLICIES: &str = "[policies]\ndir = \".\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_made_configured_used_replaced_and_never_logged() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (old, old_table) = new_token(dir, "old");
    let (new, new_table) = new_token(dir, "new");
    assert_ne!(old, new);
    let config = format!(
        "{POLICIES}[server]\nlisten = \"0.0.0.0:0\"\nadmin = \"0.0.0.0:0\"\n\
         {old_table}{new_table}[log]\nlevel = \"debug\"\n"
    );
    std::fs::write(dir.join("larder.toml"), config).unwrap();
    let mut command = larder(dir, &["serve", "--config", "larder.toml"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (data, admin) = ports(child.stdout.take().unwrap()).await;

    for token in [&old, &new] {
        let listed = good(dir, &["policies", "--admin", &admin, "--token", token]);
        assert!(listed.contains("runs no policies"), "{listed}");
        let mut purge = larder(dir, &["invalidate", "--server", &data, "--tag", "x"]);
        assert!(output(purge.env("LARDER_TOKEN", token)).contains("removed"));
    }
    bad(
        dir,
        &["policies", "--admin", &admin],
        1,
        "--token or LARDER_TOKEN",
    );
    let wrong = ["policies", "--admin", &admin, "--token", "-wrong-token"];
    bad(dir, &wrong, 1, "not one of this server's");

    let pid = child.id().unwrap().to_string();
    output(std::process::Command::new("kill").args(["-TERM", &pid]));
    let mut log = String::new();
    let mut stderr = child.stderr.take().unwrap();
    stderr.read_to_string(&mut log).await.unwrap();
    assert!(
        log.contains("refused: "),
        "the log has what is looked for: {log}"
    );
    for token in [&old, &new, "-wrong-token"] {
        assert!(!log.contains(token), "{log}");
    }
}

/// Where a server says that it serves, by way of loopback.
async fn ports(stdout: ChildStdout) -> (String, String) {
    let mut lines = BufReader::new(stdout).lines();
    let first = tokio::time::timeout(Duration::from_secs(20), lines.next_line());
    let line = first
        .await
        .expect("it says where it serves")
        .unwrap()
        .unwrap();
    let line = line.replace("0.0.0.0", "127.0.0.1");
    let words = line
        .split_whitespace()
        .filter(|word| word.starts_with("http://"));
    let urls: Vec<_> = words
        .map(|word| word.trim_end_matches(')').to_owned())
        .collect();
    (urls[0].clone(), urls[1].clone())
}

#[test]
fn serve_without_tokens_stays_on_loopback() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let config = format!("{POLICIES}[server]\nlisten = \"0.0.0.0:0\"\n");
    std::fs::write(dir.join("larder.toml"), config).unwrap();
    let serve = ["serve", "--config", "larder.toml"];
    bad(
        dir,
        &serve,
        2,
        "the data plane would answer anybody who reaches 0.0.0.0:0",
    );
    bad(dir, &serve, 2, "Make one with `larder token`");
}

#[test]
fn the_help_of_commands_does_not_show_the_token_of_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["policies", "invalidate"] {
        let mut help = larder(folder.path(), &[command, "--help"]);
        let help = output(help.env("LARDER_TOKEN", "hunter2"));
        assert!(
            help.contains("LARDER_TOKEN") && !help.contains("hunter2"),
            "{help}"
        );
    }
    let one = good(folder.path(), &["token", "--json"]);
    let one: Value = serde_json::from_str(&one).unwrap();
    let hash = TokenHash::of(one["token"].as_str().unwrap()).to_string();
    assert_eq!(one["sha256"], hash);
    assert_eq!(one["name"], format!("token-{}", &hash[..8]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_description_says_how_a_token_is_sent() {
    let running = Setup::standard(json!({})).start().await;
    let described = running.data.get("/openapi.json").await.expect(200).json();
    let scheme = &described["components"]["securitySchemes"]["token"];
    assert_eq!(
        (&scheme["type"], &scheme["scheme"]),
        (&json!("http"), &json!("bearer"))
    );
    assert_eq!(described["security"], json!([{}, {"token": []}]));
    let live = &described["paths"]["/health/live"]["get"]["security"];
    assert_eq!(live, &json!([{}]), "{described}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_user_cannot_listen_elsewhere_without_a_token_either() {
    let store = larder::store::MemoryStore::new(larder::store::MemoryConfig::default());
    struct Nobody;
    impl larder::core::Policies for Nobody {
        fn current(&self, _: &str) -> Option<std::sync::Arc<dyn larder::core::Policy>> {
            None
        }
    }
    let engine = larder::Engine::builder(std::sync::Arc::new(Nobody), std::sync::Arc::new(store));
    let parts = Parts {
        engine: engine.build().unwrap(),
        policies: None,
        metrics: metrics(),
        reload: None,
    };
    let mut settings = Setup::new().settings;
    settings.admin = Some("0.0.0.0:0".parse().unwrap());
    let error = Server::bind(settings, parts)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("the admin plane would answer anybody"),
        "{error}"
    );
}
