//! The policies that ship, built once for each run.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::workspace::{cargo, kept, output, root};

const TARGET: &str = "wasm32-unknown-unknown";

/// The module of a policy that ships, for example `standard`.
pub(crate) fn shipped(name: &str) -> Vec<u8> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let dir = BUILT.get_or_init(|| {
        let packages = ["standard", "session", "api", "llm"];
        let packages = packages.map(|name| format!("--package=larder-policy-{name}"));
        build(&root(), &packages)
    });
    read(&dir.join(format!("{name}.wasm")))
}

/// Another build of `standard`, whose default ttl is two minutes instead of an hour.
pub(crate) fn changed_standard() -> Vec<u8> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let dir = BUILT.get_or_init(|| {
        let copy = kept("changed-standard");
        copy_standard(&copy);
        build(&copy, &[])
    });
    read(&dir.join("changed_standard.wasm"))
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

fn build(dir: &Path, packages: &[String]) -> PathBuf {
    let target_dir = kept("guests");
    let mut command = cargo(dir);
    command.args(["build", "--release", "--quiet", "--target", TARGET]);
    command.arg("--target-dir").arg(&target_dir).args(packages);
    // Flags for the tests themselves (coverage, sanitizers) are not for policies.
    command.env_remove("RUSTFLAGS");
    output(&mut command);
    target_dir.join(TARGET).join("release")
}

fn copy_standard(to: &Path) {
    let root = root();
    let source = fs::read_to_string(root.join("policies/standard/src/lib.rs")).unwrap();
    let changed = source.replace(
        "DEFAULT_TTL: Duration = hours(1)",
        "DEFAULT_TTL: Duration = minutes(2)",
    );
    assert_ne!(
        source, changed,
        "the default ttl of `standard` is written otherwise now"
    );
    fs::create_dir_all(to.join("src")).unwrap();
    write(&to.join("src/lib.rs"), &changed);
    let manifest = format!(
        "[package]\nname = \"changed-standard\"\nversion = \"0.1.1\"\nedition = \"2024\"\n\
         [lib]\ncrate-type = [\"cdylib\"]\n\
         [dependencies]\nlarder-sdk = {{ path = {:?} }}\nserde = {{ version = \"1\", features = [\"derive\"] }}\n\
         [profile.release]\ndebug = false\nlto = \"thin\"\ncodegen-units = 4\nstrip = \"debuginfo\"\n\
         [workspace]\n",
        root.join("sdk/rust")
    );
    write(&to.join("Cargo.toml"), &manifest);
    // The versions of the checkout, so that nothing is looked up.
    fs::copy(root.join("Cargo.lock"), to.join("Cargo.lock")).unwrap();
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
