//! Links that are switched and folders that are replaced are as fast as any other change.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use larder_core::Policies as _;
use larder_wasm::{Host, HostConfig, Limits};

use crate::reload::{build, eventually};

/// A host whose poll never comes: what it notices it was told of.
fn start(dir: &Path) -> Arc<Host> {
    Host::start(HostConfig {
        debounce: Duration::from_millis(20),
        poll: Duration::from_secs(3600),
        defaults: Limits {
            deadline_ms: 5_000,
            ..Limits::default()
        },
        ..HostConfig::new(dir)
    })
    .unwrap()
}

#[track_caller]
fn serves(host: &Host, version: &str) {
    eventually(|| {
        let current = host.current("p");
        current.is_some_and(|policy| policy.identity().version == version)
    });
}

fn folder(root: &Path, name: &str, version: &'static str) -> PathBuf {
    let folder = root.join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("p.wasm"), build(version)).unwrap();
    folder
}

/// As `ln -sfn`: the new link is renamed over the old one.
fn switch(link: &Path, target: impl AsRef<Path>) {
    let new = link.with_extension("new");
    symlink(target, &new).unwrap();
    fs::rename(&new, link).unwrap();
}

#[test]
fn a_folder_that_is_a_link_is_followed_when_it_is_switched() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    folder(root, "v1", "1");
    let second = folder(root, "v2", "2");
    folder(root, "v3", "3");
    let link = root.join("policies");
    symlink("v1", &link).unwrap();
    let host = start(&link);
    serves(&host, "1");
    switch(&link, "v2");
    serves(&host, "2");
    // Changes where it leads now.
    fs::write(second.join("p.wasm"), build("2b")).unwrap();
    serves(&host, "2b");
    // Several in a row, the last of which counts.
    for target in ["v1", "v3", "v2", "v1", "v3"] {
        switch(&link, root.join(target));
    }
    serves(&host, "3");
    fs::write(root.join("v3/p.wasm"), build("3b")).unwrap();
    serves(&host, "3b");
}

#[test]
fn a_link_on_the_way_to_the_folder_is_followed() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    folder(root, "releases/1/policies", "1");
    folder(root, "releases/2/policies", "2");
    let current = root.join("current");
    symlink("releases/1", &current).unwrap();
    let host = start(&current.join("policies"));
    serves(&host, "1");
    switch(&current, "releases/2");
    serves(&host, "2");
    fs::write(root.join("releases/2/policies/p.wasm"), build("2b")).unwrap();
    serves(&host, "2b");
}

#[test]
fn a_mounted_config_map_is_followed_through_its_data_link() {
    let root = tempfile::tempdir().unwrap();
    let mount = root.path().join("mount");
    folder(&mount, "..2026_01", "1");
    symlink("..2026_01", mount.join("..data")).unwrap();
    symlink("..data/p.wasm", mount.join("p.wasm")).unwrap();
    let host = start(&mount);
    serves(&host, "1");
    for (name, version) in [("..2026_02", "2"), ("..2026_03", "3")] {
        folder(&mount, name, version);
        symlink(name, mount.join("..data_tmp")).unwrap();
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
        serves(&host, version);
    }
    fs::remove_dir_all(mount.join("..2026_01")).unwrap();
}

#[test]
fn a_file_that_is_a_link_is_followed_to_where_it_is_written() {
    let root = tempfile::tempdir().unwrap();
    let (dir, elsewhere) = (root.path().join("policies"), root.path().join("elsewhere"));
    fs::create_dir(&dir).unwrap();
    folder(root.path(), "elsewhere", "1");
    symlink("../elsewhere/p.wasm", dir.join("p.wasm")).unwrap();
    let host = start(&dir);
    serves(&host, "1");
    fs::write(elsewhere.join("p.wasm"), build("2")).unwrap();
    serves(&host, "2");
    // Replaced there by a rename, as a build would.
    fs::write(elsewhere.join("p.new"), build("3")).unwrap();
    fs::rename(elsewhere.join("p.new"), elsewhere.join("p.wasm")).unwrap();
    serves(&host, "3");
}

#[test]
fn a_folder_that_is_replaced_by_a_rename_is_the_new_one() {
    let root = tempfile::tempdir().unwrap();
    let dir = folder(root.path(), "policies", "1");
    let next = folder(root.path(), "next", "2");
    let host = start(&dir);
    serves(&host, "1");
    fs::rename(&dir, root.path().join("before")).unwrap();
    fs::rename(&next, &dir).unwrap();
    serves(&host, "2");
    fs::write(dir.join("p.wasm"), build("3")).unwrap();
    serves(&host, "3");
    fs::write(root.path().join("before/p.wasm"), build("4")).unwrap();
    fs::write(dir.join("q.wasm"), build("5")).unwrap();
    eventually(|| host.current("q").is_some());
    serves(&host, "3");
}

#[test]
fn a_folder_that_goes_and_comes_back_is_followed_again() {
    let root = tempfile::tempdir().unwrap();
    let dir = folder(root.path(), "above/policies", "1");
    let host = start(&dir);
    serves(&host, "1");
    for version in ["2", "3"] {
        fs::remove_dir_all(&dir).unwrap();
        eventually(|| host.status()[0].state == larder_wasm::State::Missing);
        serves(&host, if version == "2" { "1" } else { "2" });
        folder(root.path(), "above/policies", version);
        serves(&host, version);
    }
    // And what was above it.
    fs::remove_dir_all(root.path().join("above")).unwrap();
    eventually(|| host.status()[0].state == larder_wasm::State::Missing);
    folder(root.path(), "above/policies", "4");
    serves(&host, "4");
}
