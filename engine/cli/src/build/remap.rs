//! Keeps the paths of this machine out of modules, where panics would name them: a module is the
//! same wherever it is built, and does not tell who built it.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::compiler::Compiler;
use super::target::TARGET;

/// What `cargo metadata` says.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    source: Option<String>,
    manifest_path: PathBuf,
}

/// Has `cargo` compile so that the sources of dependencies are named without the folders of this
/// machine. Flags that the user has set stay, and those of `[target]` in a configuration of cargo's
/// are instead of these.
pub(super) fn apply(cargo: &mut Command, manifest: &Path, compiler: &Compiler) -> Result<()> {
    let flags = flags(&metadata(manifest)?, compiler);
    let variable = |name| env::var(name).ok();
    let given = given(variable("CARGO_ENCODED_RUSTFLAGS"), variable("RUSTFLAGS"));
    match given {
        Some(given) => {
            let all = [given, flags].concat();
            cargo.env("CARGO_ENCODED_RUSTFLAGS", all.join("\x1f"));
        }
        None => {
            let list = toml::Value::from(flags);
            cargo.arg("--config").arg(format!("build.rustflags={list}"));
        }
    }
    Ok(())
}

/// The flags of the environment: where there are some, cargo looks at no others.
fn given(encoded: Option<String>, plain: Option<String>) -> Option<Vec<String>> {
    let split = |flags: String, at: char| {
        let flags = flags.split(at).filter(|flag| !flag.is_empty());
        flags.map(str::to_owned).collect()
    };
    let encoded = encoded.map(|flags| split(flags, '\x1f'));
    encoded.or_else(|| plain.map(|flags| split(flags, ' ')))
}

/// Reads what the crate at `manifest` is made of, and fetches what is not there yet.
fn metadata(manifest: &Path) -> Result<Metadata> {
    let mut cargo = Command::new("cargo");
    cargo
        .args([
            "metadata",
            "--format-version=1",
            "--filter-platform",
            TARGET,
        ])
        .arg("--manifest-path")
        .arg(manifest)
        .stdin(Stdio::null());
    if let Some(folder) = manifest.parent() {
        cargo.current_dir(folder);
    }
    let output = cargo.output().context("cargo cannot be started")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout).context("`cargo metadata` cannot be read")
}

/// The flags after which a package's folder is called by its name and version. Those of a registry
/// are called so already, and share one flag; what lies in the workspace is named relative to it.
fn flags(metadata: &Metadata, compiler: &Compiler) -> Vec<String> {
    // Where the sources of Rust are installed, the compiler names what it inlines of them.
    let sources = compiler.sysroot.join("lib/rustlib/src/rust");
    let mut names = BTreeMap::from([(sources.as_path(), compiler.own_sources.clone())]);
    for package in &metadata.packages {
        let Some(folder) = package.manifest_path.parent() else {
            continue;
        };
        let is_local = package.source.is_none();
        if is_local && folder.starts_with(&metadata.workspace_root) {
            continue;
        }
        let name = format!("{}-{}", package.name, package.version);
        match folder.parent() {
            Some(above) if folder.ends_with(&name) => names.insert(above, String::new()),
            _ => names.insert(folder, name),
        };
    }
    // Of two that match the compiler takes the last: a folder stands before what lies in it.
    let names = names.iter();
    names
        .map(|(folder, name)| format!("--remap-path-prefix={}={name}", folder.display()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_outside_of_the_workspace_are_not_named() {
        let package = |name: &str, source: Option<&str>, folder: &str| Package {
            name: name.to_owned(),
            version: "1.2.3".to_owned(),
            source: source.map(str::to_owned),
            manifest_path: Path::new(folder).join("Cargo.toml"),
        };
        let registry = Some("registry+https://example.com/index");
        let metadata = Metadata {
            workspace_root: "/me/policy".into(),
            packages: vec![
                package("policy", None, "/me/policy"),
                package("larder-sdk", None, "/me/policy/sdk/rust"),
                package("near", None, "/me/near"),
                package("a", registry, "/cargo/src/index-1/a-1.2.3"),
                package("b", registry, "/cargo/src/index-1/b-1.2.3"),
                package("far", Some("git+https://example.com/far"), "/cargo/git/far"),
                package("c", registry, "/me/policy/vendor/c"),
            ],
        };
        let compiler = Compiler {
            sysroot: "/rust".into(),
            own_sources: "/rustc/5980".to_owned(),
        };
        let expected = [
            "--remap-path-prefix=/cargo/git/far=far-1.2.3",
            "--remap-path-prefix=/cargo/src/index-1=",
            "--remap-path-prefix=/me/near=near-1.2.3",
            "--remap-path-prefix=/me/policy/vendor/c=c-1.2.3",
            "--remap-path-prefix=/rust/lib/rustlib/src/rust=/rustc/5980",
        ];
        assert_eq!(flags(&metadata, &compiler), expected);
    }

    #[test]
    fn flags_of_the_environment_are_kept_and_the_encoded_ones_win() {
        let text = |text: &str| Some(text.to_owned());
        let expected = |flags: &[&str]| Some(flags.iter().map(ToString::to_string).collect());
        assert_eq!(given(None, None), None);
        assert_eq!(given(None, text(" -C  a ")), expected(&["-C", "a"]));
        assert_eq!(
            given(text("-C\x1fa b"), text("x")),
            expected(&["-C", "a b"])
        );
        assert_eq!(given(text(""), text("x")), expected(&[]));
    }
}
