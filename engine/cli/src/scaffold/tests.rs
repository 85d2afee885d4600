use toml::Table;

use super::*;
use crate::embedded::WORKSPACE;

fn new<'a>(path: &'a Path, sdk: Sdk<'a>) -> New<'a> {
    New {
        path,
        name: None,
        sdk,
    }
}

fn manifest(folder: &Path) -> Table {
    toml::from_str(&fs::read_to_string(folder.join("Cargo.toml")).unwrap()).unwrap()
}

#[test]
fn a_new_crate_has_all_it_needs_and_a_ttl_in_plain_sight() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my-policy");
    assert_eq!(new(&path, Sdk::Carried).run().unwrap(), "my-policy");
    let read = |name: &str| fs::read_to_string(path.join(name)).unwrap();
    for file in [".gitignore", "README.md", "rust-toolchain.toml"] {
        assert!(!read(file).is_empty(), "{file}");
    }
    assert!(read("Cargo.lock").contains("name = \"my-policy\""));
    assert!(read("src/lib.rs").contains("const TTL: Duration = minutes(10);"));
    let manifest = manifest(&path);
    assert_eq!(manifest["package"]["name"].as_str(), Some("my-policy"));
    assert!(manifest["workspace"].as_table().unwrap().is_empty());
    for file in ["Cargo.toml", "src/lib.rs", "README.md"] {
        assert!(!read(file).contains("{{"), "{file}");
    }
}

#[test]
fn the_sdk_in_a_new_crate_is_whole_and_stands_on_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my-policy");
    new(&path, Sdk::Carried).run().unwrap();
    let dependency = manifest(&path)["dependencies"]["larder-sdk"].clone();
    let sdk = path.join(dependency["path"].as_str().unwrap());
    assert_eq!(sdk, path.join("sdk/rust"));
    let manifest = manifest(&sdk);
    assert_eq!(manifest["package"]["name"].as_str(), Some("larder-sdk"));
    assert!(!manifest.to_string().contains("workspace"), "{manifest}");
    assert!(sdk.join("src/guest.rs").is_file());
    for file in ["wit/v0.1.0/policy.wit", "LICENSE-MIT", "LICENSE-APACHE"] {
        assert!(path.join("sdk").join(file).is_file(), "{file}");
    }
}

#[test]
fn the_sdk_may_come_from_a_folder_or_a_registry() {
    let folder = tempfile::tempdir().unwrap();
    let (from, path) = (folder.path().join("with sdk"), folder.path().join("p"));
    new(&from, Sdk::Carried).run().unwrap_err();
    let named = New {
        name: Some("from"),
        ..new(&from, Sdk::Carried)
    };
    named.run().unwrap();
    let sdk = from.join("sdk/rust").canonicalize().unwrap();
    new(&path, Sdk::Path(&from.join("sdk/../sdk/rust")))
        .run()
        .unwrap();
    let dependency = manifest(&path)["dependencies"]["larder-sdk"].clone();
    assert_eq!(dependency["path"].as_str(), sdk.to_str());
    assert!(path.join("Cargo.lock").is_file() && !path.join("sdk").exists());

    let path = folder.path().join("q");
    new(&path, Sdk::Version("0.1")).run().unwrap();
    let dependency = manifest(&path)["dependencies"]["larder-sdk"].clone();
    assert_eq!(dependency.as_str(), Some("0.1"));
    assert!(!path.join("Cargo.lock").exists() && !path.join("sdk").exists());
}

#[test]
fn release_builds_are_those_of_the_checkout() {
    let root: Table = toml::from_str(WORKSPACE).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p");
    new(&path, Sdk::Version("0.1")).run().unwrap();
    let own = manifest(&path);
    assert_eq!(own["profile"]["release"], root["profile"]["release"]);
}

#[test]
fn nothing_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kept");
    fs::write(&file, "kept").unwrap();
    for (path, message) in [(folder.path(), "not empty"), (&file, "is no folder")] {
        let new = New {
            name: Some("x"),
            ..new(path, Sdk::Carried)
        };
        let error = new.run().unwrap_err().error.to_string();
        assert!(error.contains(message), "{error}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let path = folder.path().join("file/my-policy");
    let error = new(&path, Sdk::Carried).run().unwrap_err().error;
    let error = error.to_string();
    assert!(
        error.contains("file/my-policy/Cargo.toml cannot be written"),
        "{error}"
    );
}

#[test]
fn a_missing_sdk_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (path, sdk) = (folder.path().join("p"), folder.path().join("nowhere"));
    let error = new(&path, Sdk::Path(&sdk)).run().unwrap_err().error;
    let error = error.to_string();
    assert!(
        error.contains("there is no SDK in") && error.contains("sdk/rust"),
        "{error}"
    );
    assert!(!path.exists());
}

#[cfg(unix)]
#[test]
fn a_path_that_no_manifest_can_hold_is_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().unwrap();
    let sdk = folder.path().join(OsStr::from_bytes(b"sdk\xff"));
    // Not every file system takes such a name.
    if fs::create_dir(&sdk).is_err() {
        return;
    }
    fs::write(sdk.join("Cargo.toml"), "").unwrap();
    let path = folder.path().join("p");
    let error = new(&path, Sdk::Path(&sdk)).run().unwrap_err().error;
    assert!(error.to_string().contains("not UTF-8"), "{error}");
    assert!(!path.exists());
    let named = New {
        name: Some("p"),
        ..new(&sdk, Sdk::Carried)
    };
    fs::remove_file(sdk.join("Cargo.toml")).unwrap();
    assert_eq!(named.run().unwrap(), "p");
}

#[test]
fn a_shipped_policy_stands_on_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("standard");
    copy_standard(&path).unwrap();
    let manifest = manifest(&path);
    assert_eq!(manifest["package"]["name"].as_str(), Some("standard"));
    assert!(!manifest.to_string().contains("workspace = true"));
    let dependencies = manifest["dependencies"].as_table().unwrap();
    for (name, dependency) in dependencies {
        assert!(lock::has(name), "`{name}` is not in shipped/Cargo.lock");
        let path = dependency.get("path").and_then(toml::Value::as_str);
        assert!(path.is_none_or(|path| path == "sdk/rust"), "{path:?}");
    }
    assert!(path.join("sdk/rust/src/lib.rs").is_file() && path.join("Cargo.lock").is_file());
    let source = fs::read_to_string(path.join("src/lib.rs")).unwrap();
    assert!(
        source.contains("hours(1)"),
        "the line that the demo changes"
    );
}
