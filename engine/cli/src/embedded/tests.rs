use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use larder::wasm::{Limits, inspect};
use sha2::{Digest as _, Sha256};

use super::*;

const DIGESTS: &str = include_str!("../../shipped/sources.sha256");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn each_module_is_the_policy_of_its_name() {
    let empty = serde_json::json!({});
    for (name, bytes) in MODULES {
        let inspection = inspect(name, bytes, &empty, &Limits::default());
        let policy = inspection.policy.expect(name);
        assert_eq!(policy.manifest().name, name);
    }
}

/// The sources that go into modules, as `policies/build` lists them.
fn sources() -> BTreeSet<String> {
    let mut folders = vec!["sdk/rust/src".to_owned(), "sdk/wit".to_owned()];
    let mut files = BTreeSet::from(["sdk/rust/Cargo.toml".to_owned()]);
    for (name, _) in MODULES {
        folders.push(format!("policies/{name}/src"));
        files.insert(format!("policies/{name}/Cargo.toml"));
    }
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{folder}/{}", entry.file_name().display());
            if entry.path().is_dir() {
                folders.push(path);
            } else {
                files.insert(path);
            }
        }
    }
    files
}

#[test]
fn the_modules_were_built_from_the_sources_as_they_are() {
    let mut listed = BTreeSet::new();
    for line in DIGESTS.lines() {
        let (digest, file) = line.split_once("  ").expect(line);
        let now = fs::read(root().join(file)).unwrap_or_default();
        let now: String = Sha256::digest(now)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            now, digest,
            "{file} has changed since the modules in engine/cli/shipped were built; run policies/build"
        );
        listed.insert(file.to_owned());
    }
    assert_eq!(
        listed,
        sources(),
        "sources came or went since the modules in engine/cli/shipped were built; run policies/build"
    );
}

#[test]
fn a_new_crate_gets_the_versions_of_the_checkout() {
    let packages = |text: &str| {
        let lock: toml::Table = toml::from_str(text).unwrap();
        let packages = lock["package"].as_array().unwrap().iter();
        let fields = |package: &toml::Value| {
            ["name", "version", "checksum"].map(|field| package.get(field).cloned())
        };
        packages.map(fields).collect::<Vec<_>>()
    };
    let checkout = packages(&fs::read_to_string(root().join("Cargo.lock")).unwrap());
    let carried = packages(LOCK);
    assert!(carried.len() > 10, "{carried:?}");
    for package in carried {
        assert!(
            checkout.contains(&package),
            "{package:?} is no longer in Cargo.lock; run policies/build"
        );
    }
}
