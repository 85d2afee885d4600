//! The policies that ship, and another build of one.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::workspace::{kept, output, program, root};

/// The module of a policy that ships, for example `standard`, as the program carries it.
pub(crate) fn shipped(name: &str) -> Vec<u8> {
    read(&root().join(format!("engine/cli/shipped/{name}.wasm")))
}

/// Another build of `standard`, whose default ttl is two minutes instead of an hour.
pub(crate) fn changed_standard() -> Vec<u8> {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    let build = || {
        let copy = kept("changed-standard");
        copy_standard(&copy);
        let mut larder = Command::new(program());
        larder.arg("build").arg(&copy).arg("--out").arg(&copy);
        larder.env("CARGO_TARGET_DIR", kept("guests"));
        // Flags for the tests themselves (coverage, sanitizers) are not for policies.
        larder.env_remove("RUSTFLAGS");
        output(&mut larder);
        read(&copy.join("changed_standard.wasm"))
    };
    BUILT.get_or_init(build).clone()
}

/// The same module with another digest: a section that nobody reads is added.
pub(crate) fn renamed(module: &[u8], tag: &str) -> Vec<u8> {
    const NAME: &[u8] = b"larder-test";
    let mut section = vec![u8::try_from(NAME.len()).unwrap()];
    section.extend_from_slice(NAME);
    section.extend_from_slice(tag.as_bytes());
    let length = u8::try_from(section.len()).unwrap();
    assert!(length < 128, "the length is one byte of LEB128");
    let mut bytes = module.to_vec();
    bytes.extend_from_slice(&[0, length]);
    bytes.extend_from_slice(&section);
    bytes
}

/// Makes a crate of the changed source at `to`.
fn copy_standard(to: &Path) {
    let source = fs::read_to_string(root().join("policies/standard/src/lib.rs")).unwrap();
    let changed = source.replace(
        "DEFAULT_TTL: Duration = hours(1)",
        "DEFAULT_TTL: Duration = minutes(2)",
    );
    assert_ne!(
        source, changed,
        "the default ttl of `standard` is written otherwise now"
    );
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("changed-standard");
    output(Command::new(program()).arg("new").arg(&made));
    write(&made.join("src/lib.rs"), &changed);
    let manifest = fs::read_to_string(made.join("Cargo.toml")).unwrap();
    let serde = "[dependencies]\nserde = { version = \"1\", features = [\"derive\"] }";
    let manifest = manifest
        .replace("0.1.0", "0.1.1")
        .replace("[dependencies]", serde);
    write(&made.join("Cargo.toml"), &manifest);
    copy(&made, to);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target);
        } else {
            write(&target, &fs::read_to_string(source).unwrap());
        }
    }
}

/// Writes only what differs: a new date would mean a new build.
fn write(path: &Path, text: &str) {
    if fs::read_to_string(path).ok().as_deref() != Some(text) {
        fs::write(path, text).unwrap();
    }
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
