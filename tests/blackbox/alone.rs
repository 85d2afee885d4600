//! The program alone on a machine: no checkout beside it, and no Rust.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::serving::client;
use crate::workspace::{output, program, root};

/// A machine with the program and nothing else.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        assert!(
            !dir.path().starts_with(root()),
            "the folder is in the checkout"
        );
        // By another process: what this one writes may be open in a child that another test starts,
        // and is no program to start until that child has become one itself.
        output(Command::new("cp").args([program(), &dir.path().join("larder")]));
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// The program, which finds no other by its name.
    fn larder(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.path().join("larder"));
        command.current_dir(self.path()).args(args).env_clear();
        command.env("PATH", self.path()).env("HOME", self.path());
        command
    }

    fn ends(&self, args: &[&str], code: i32) -> String {
        let Output { status, stderr, .. } = self.larder(args).output().unwrap();
        let error = String::from_utf8_lossy(&stderr).into_owned();
        assert_eq!(status.code(), Some(code), "larder {args:?}: {error}");
        error
    }
}

#[tokio::test]
async fn the_demo_serves_and_its_policies_pass_the_check() {
    let machine = Machine::new();
    let any = "127.0.0.1:0";
    let mut demo = machine.larder(&["demo", "--listen", any, "--admin", any]);
    demo.stdout(Stdio::piped());
    let mut demo = tokio::process::Command::from(demo);
    let mut demo = demo.kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let mut greeting = async || loop {
        let line = lines.next_line().await.unwrap().expect("it serves");
        if let Some(rest) = line.strip_prefix("larder serves ") {
            return rest.split(' ').next().unwrap().to_owned();
        }
    };
    let greeted = tokio::time::timeout(Duration::from_secs(60), greeting());
    let server = client(&greeted.await.expect("it says where it serves"));
    let read = async || server.get("/v1/entries/product/42").await;
    assert!(read().await.expect(200).json()["price"].is_number());
    assert!(read().await.header("cache-status").contains("hit"));

    for name in ["standard", "session", "api", "llm"] {
        let module = format!("larder-demo/policies/{name}.wasm");
        let checked = output(&mut machine.larder(&["check", &module]));
        assert!(checked.contains(&format!("  {name} 0.")), "{checked}");
    }
}

#[test]
fn building_without_rust_says_what_to_install() {
    let machine = Machine::new();
    output(&mut machine.larder(&["new", "my-policy"]));
    let error = machine.ends(&["build", "my-policy", "--out", "policies"], 1);
    for expected in ["rustc cannot be started", "https://rustup.rs", "wasm32"] {
        assert!(error.contains(expected), "{error}");
    }
    assert!(!machine.path().join("policies").exists());
}

#[test]
fn what_stands_in_the_way_is_named() {
    let machine = Machine::new();
    output(&mut machine.larder(&["new", "my-policy"]));
    fs::write(machine.path().join("file"), "").unwrap();
    for (args, code, words) in [
        (
            &["new", "my-policy"][..],
            2,
            "my-policy is there and not empty",
        ),
        (&["new", "file"], 2, "file is there and is no folder"),
        (
            &["new", "file/policy"],
            1,
            "file/policy/Cargo.toml cannot be written",
        ),
        (
            &["demo", "--dir", "file"],
            1,
            "the folder file cannot be made",
        ),
        (
            &["new", "p", "--sdk", "nowhere"],
            2,
            "there is no SDK in nowhere",
        ),
        (
            &["new", "p", "--sdk-version", "latest"],
            2,
            "for example `0.1`",
        ),
        (
            &["new", "p", "--sdk", "s", "--sdk-version", "1"],
            2,
            "cannot be used with",
        ),
    ] {
        let error = machine.ends(args, code);
        assert!(error.contains(words), "`{words}` is not in `{error}`");
    }
}
