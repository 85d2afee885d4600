//! Third-party crates are compiled once, whichever package is built: alone, all of them, or the
//! command line.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::workspace::{cargo, output, root};

/// Crates as they are built, one in a line, with their features.
fn built(arguments: &[&str]) -> BTreeSet<String> {
    let mut tree = cargo(&root());
    tree.args(["tree", "--prefix=none", "--no-dedupe", "--format={p} {f}"]);
    let lines = output(tree.args(arguments));
    let lines = lines.lines().map(|line| line.replace(" (*)", ""));
    // Without features and one line long itself.
    lines
        .filter(|line| !line.starts_with("workspace-hack "))
        .collect()
}

fn default_members() -> Vec<String> {
    let mut metadata: Command = cargo(&root());
    metadata.args(["metadata", "--format-version=1", "--no-deps"]);
    let metadata: Value = serde_json::from_str(&output(&mut metadata)).unwrap();
    let members = metadata["workspace_default_members"].as_array().unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let packages = packages.filter(|package| members.contains(&package["id"]));
    packages
        .map(|package| package["name"].as_str().unwrap().to_owned())
        .collect()
}

const ALL_KINDS: &str = "--edges=normal,build,dev";

#[test]
fn a_package_alone_is_built_as_among_all() {
    let all = built(&[ALL_KINDS]);
    for package in default_members() {
        let alone = built(&[ALL_KINDS, "--package", &package]);
        let other: Vec<&String> = alone.difference(&all).collect();
        assert!(
            other.is_empty(),
            "`cargo test -p {package}` compiles these once more, with fewer features than the \
             workspace has; name the missing ones in tests/workspace-hack/Cargo.toml: {other:#?}"
        );
    }
}

#[test]
fn the_command_line_is_built_as_for_tests() {
    let tests = built(&[ALL_KINDS]);
    let program = built(&["--edges=normal,build"]);
    let other: Vec<&String> = program.difference(&tests).collect();
    assert!(
        other.is_empty(),
        "`cargo run` compiles these otherwise than `cargo test`: {other:#?}"
    );
}
