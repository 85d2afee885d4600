//! Which crate may know what. A fence is a dependency that one crate has and no other may take.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::workspace::{cargo, output, root};

/// What is fenced, and the one crate of the engine that may name it.
const FENCES: [(&str, &str); 11] = [
    ("wasmtime", "larder-wasm"),
    ("wasmparser", "larder-wasm"),
    ("wit-component", "larder-wasm"),
    ("notify", "larder-wasm"),
    ("notify-debouncer-full", "larder-wasm"),
    ("redis", "larder-store"),
    ("axum", "larder-server"),
    ("reqwest", "larder-origin"),
    ("tokio-postgres", "larder-origin"),
    ("deadpool-postgres", "larder-origin"),
    ("tokio-postgres-rustls", "larder-origin"),
];

/// What each package of the workspace needs to run, development and builds aside.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let mut command = cargo(&root());
    command.args(["metadata", "--format-version=1", "--no-deps"]);
    let metadata: Value = serde_json::from_str(&output(&mut command)).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let packages = packages.map(|package| {
        let all = package["dependencies"].as_array().unwrap().iter();
        let normal = all.filter(|one| one["kind"].is_null());
        (
            text(&package["name"]),
            normal.map(|one| text(&one["name"])).collect(),
        )
    });
    packages.collect()
}

#[test]
fn each_foreign_library_is_known_to_one_crate() {
    let all = dependencies();
    for (library, owner) in FENCES {
        let users = all
            .iter()
            .filter(|(_, needs)| needs.iter().any(|need| need == library));
        for (user, _) in users {
            // Samples and measurements beside the engine may use what they compare with.
            let beside = !user.starts_with("larder")
                || user.starts_with("larder-example")
                || user == "larder-checker"
                || user == "larder-durability"
                || user.contains("bench")
                || user.contains("peer");
            assert!(
                user == owner || beside,
                "`{user}` depends on `{library}`, which is for `{owner}` alone"
            );
        }
    }
    let known = &all["larder-wasm"];
    assert!(
        known.iter().any(|need| need == "wasmtime"),
        "the fences look at nothing: {known:?}"
    );
}

#[test]
fn arrows_between_crates_point_one_way() {
    let may: [(&str, &[&str]); 9] = [
        ("larder-core", &[]),
        ("larder-wasm", &["larder-core"]),
        // With the feature `contract` alone.
        ("larder-store", &["larder-core", "larder-servers"]),
        ("larder-origin", &["larder-core", "larder-servers"]),
        ("larder-servers", &[]),
        (
            "larder",
            &[
                "larder-core",
                "larder-wasm",
                "larder-store",
                "larder-origin",
            ],
        ),
        ("larder-server", &["larder"]),
        ("larder-cli", &["larder", "larder-server"]),
        ("larder-sdk", &[]),
    ];
    let all = dependencies();
    for (user, allowed) in may {
        let needs = all[user].iter().filter(|need| all.contains_key(*need));
        for need in needs {
            assert!(
                allowed.contains(&need.as_str()),
                "`{user}` depends on `{need}`; it may on {allowed:?}"
            );
        }
    }
    for (policy, needs) in all
        .iter()
        .filter(|(name, _)| name.starts_with("larder-policy-"))
    {
        let own: Vec<_> = needs
            .iter()
            .filter(|need| all.contains_key(*need))
            .collect();
        assert_eq!(own, ["larder-sdk"], "`{policy}`");
    }
}

#[test]
fn the_core_does_no_io() {
    let mut command = cargo(&root());
    command.args([
        "tree",
        "--package=larder-core",
        "--edges=normal",
        "--prefix=none",
        "--all-features",
    ]);
    let tree = output(&mut command);
    let names: Vec<_> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(
        names.contains(&"larder-core") && names.contains(&"sha2"),
        "{tree}"
    );
    for foreign in [
        "wasmtime", "redis", "axum", "tokio", "reqwest", "rusqlite", "hyper", "mio",
    ] {
        assert!(
            !names.contains(&foreign),
            "`larder-core` reaches `{foreign}`:\n{tree}"
        );
    }
}
