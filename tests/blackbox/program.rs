//! The program `larder` as a process: policies made, built, checked and asked.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::guests::shipped;
use crate::workspace::{cargo, kept, output, program, root};

/// The program with these arguments, in `dir`. What it builds is kept for the next run.
pub(crate) fn larder(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.current_dir(dir).args(args);
    command.env("CARGO_TARGET_DIR", kept("guests"));
    command
}

fn run(dir: &Path, args: &[&str]) -> Output {
    larder(dir, args).output().unwrap()
}

/// Runs to the end, which has to be a good one, and answers what was printed.
#[track_caller]
pub(crate) fn good(dir: &Path, args: &[&str]) -> String {
    output(&mut larder(dir, args))
}

/// Runs to the end, which has to be `code` with `words` on standard error.
#[track_caller]
pub(crate) fn bad(dir: &Path, args: &[&str], code: i32, words: &str) {
    let output = run(dir, args);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "larder {args:?}: {error}");
    assert!(error.contains(words), "`{words}` is not in `{error}`");
}

#[test]
fn a_new_policy_far_from_the_checkout_tests_builds_checks_and_decides() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    assert!(!dir.starts_with(root()), "the folder is in the checkout");
    good(dir, &["new", "my-policy"]);
    std::fs::create_dir(dir.join("some")).unwrap();
    let crate_dir = dir.join("some/where my policy is");
    std::fs::rename(dir.join("my-policy"), &crate_dir).unwrap();
    let mut test = cargo(&crate_dir);
    let tested = output(
        test.args(["test", "--quiet", "--locked"])
            .env("CARGO_TARGET_DIR", kept("guests")),
    );
    assert!(
        tested.contains("test result: ok") && !tested.contains(" 0 passed; 0 failed; 1"),
        "{tested}"
    );
    assert!(
        tested
            .lines()
            .any(|line| line.contains("passed") && !line.contains(" 0 passed")),
        "a new policy has tests: {tested}"
    );

    let built = good(
        dir,
        &["build", "some/where my policy is", "--out", "policies"],
    );
    assert!(built.contains("my_policy.wasm"), "{built}");
    let module = std::fs::read(dir.join("policies/my_policy.wasm")).unwrap();
    let has = |words: &str| {
        module
            .windows(words.len())
            .any(|part| part == words.as_bytes())
    };
    assert!(
        has("serde_json-") && !has("/serde_json-"),
        "paths of this machine are in the module"
    );
    let checked = good(dir, &["check", "policies/my_policy.wasm"]);
    for stage in [
        "read",
        "structure",
        "imports",
        "compile",
        "describe",
        "configure",
    ] {
        assert!(
            checked.contains(stage),
            "the stage {stage} is not shown: {checked}"
        );
    }
    let decided = good(
        dir,
        &[
            "decide",
            "--module",
            "policies/my_policy.wasm",
            "--resource",
            "product",
            "--id",
            "42",
            "--json",
        ],
    );
    let decided: Value = serde_json::from_str(&decided).unwrap();
    assert_eq!(decided["fallback"], Value::Null);
    assert!(
        decided["decision"]["key"].as_str().unwrap().contains("42"),
        "{decided}"
    );
    assert!(
        decided["policy"]["revision"]
            .as_str()
            .unwrap()
            .starts_with("sha256:")
    );
}

#[test]
fn a_new_policy_may_use_an_sdk_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    good(dir, &["new", "with an sdk", "--name", "other"]);
    good(dir, &["new", "my-policy", "--sdk", "with an sdk/sdk/rust"]);
    let mut metadata = cargo(&dir.join("my-policy"));
    metadata.args(["metadata", "--format-version=1", "--locked"]);
    let found = output(&mut metadata);
    let found: Value = serde_json::from_str(&found).unwrap();
    let packages = found["packages"].as_array().unwrap();
    let sdk = packages
        .iter()
        .find(|package| package["name"] == "larder-sdk");
    let sdk = Path::new(sdk.unwrap()["manifest_path"].as_str().unwrap());
    assert!(sdk.ends_with("with an sdk/sdk/rust/Cargo.toml"), "{sdk:?}");
}

#[test]
fn a_file_that_is_no_policy_is_refused_at_its_stage() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    std::fs::write(dir.join("garbage.wasm"), "garbage").unwrap();
    std::fs::write(dir.join("empty.wasm"), "").unwrap();
    std::fs::write(dir.join("standard.wasm"), shipped("standard")).unwrap();
    bad(
        dir,
        &["check", "garbage.wasm"],
        3,
        "would be refused at the stage `structure`",
    );
    bad(
        dir,
        &["check", "empty.wasm"],
        3,
        "would be refused at the stage `structure`",
    );
    let settings = ["check", "standard.wasm", "--settings", r#"{"ttl": 1}"#];
    bad(
        dir,
        &settings,
        3,
        "would be refused at the stage `configure`: ",
    );
    bad(
        dir,
        &["check", "missing.wasm"],
        2,
        "missing.wasm cannot be read",
    );
    let decide = [
        "decide",
        "--module",
        "garbage.wasm",
        "--resource",
        "p",
        "--id",
        "1",
    ];
    bad(dir, &decide, 3, "garbage.wasm is refused");
    let decide = [
        "decide",
        "--module",
        "standard.wasm",
        "--resource",
        "p",
        "--id",
        "1",
        "--operation",
        "fetch",
    ];
    bad(dir, &decide, 2, "unknown operation `fetch`");
    bad(
        dir,
        &["build", "nowhere", "--out", "."],
        2,
        "there is no crate in nowhere",
    );
    bad(
        dir,
        &["policies", "--admin", "http://127.0.0.1:1"],
        4,
        "127.0.0.1:1",
    );
    bad(
        dir,
        &["invalidate", "--server", "http://127.0.0.1:1", "--tag", "x"],
        4,
        "127.0.0.1:1",
    );
    bad(dir, &["invalidate"], 2, "nothing to invalidate");
    bad(dir, &["frobnicate"], 2, "frobnicate");
}

#[test]
fn check_and_decide_take_the_limits_of_a_configuration_or_of_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    std::fs::create_dir(dir.join("policies")).unwrap();
    std::fs::write(dir.join("policies/standard.wasm"), shipped("standard")).unwrap();
    let config = "[[policy]]\nname = \"rows\"\nmodule = \"standard\"\n\
         [policy.settings]\ndefault_ttl = \"7m\"\n\
         [policy.limits]\ndeadline = \"5s\"\nfile = \"1KiB\"\nfunctions = 3\n";
    std::fs::write(dir.join("larder.toml"), config).unwrap();
    let module = "policies/standard.wasm";
    let check = ["check", module, "--config", "larder.toml"];
    bad(dir, &check, 3, "bytes of file where 1024 are allowed");
    let output = run(dir, &check);
    let printed = String::from_utf8(output.stdout).unwrap();
    let (_, lines) = printed.split_once("\n[policy.limits]\n").unwrap();
    assert!(
        lines.contains("file = \"") && lines.contains("\nfunctions = "),
        "{printed}"
    );
    // What was printed is pasted.
    let pasted = config.replace("file = \"1KiB\"\nfunctions = 3\n", lines);
    std::fs::write(dir.join("larder.toml"), pasted).unwrap();
    good(dir, &check);
    let decide = [
        "decide",
        "--module",
        module,
        "--resource",
        "product",
        "--id",
        "42",
    ];
    let decided = good(dir, &[&decide[..], &["--config", "larder.toml"]].concat());
    assert!(
        decided.contains("7 min"),
        "the settings of the configuration: {decided}"
    );

    let tight = ["--limit", "functions=3", "--limit", "body=1KiB"];
    bad(
        dir,
        &[&["check", module], &tight[..]].concat(),
        3,
        "bytes in one function",
    );
    bad(
        dir,
        &[&decide[..], &tight[..]].concat(),
        3,
        "write under `[policy.limits]`",
    );
    bad(
        dir,
        &["check", module, "--limit", "file_bytes=1"],
        2,
        "unknown field `file_bytes`",
    );
}
