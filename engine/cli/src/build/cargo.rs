//! Calls cargo.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::compiler::{Compiler, missing};
use super::remap;
use super::target::TARGET;
use crate::output::{is_watched, note};

/// The guest's stack lies in its memory, and a fresh instance has to clear it: the linker's
/// default of 1 MiB would be most of what it clears.
const STACK: &str = "link-arg=-zstack-size=65536";

/// What cargo built.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Artifact {
    pub(super) library: String,
    pub(super) file: PathBuf,
}

/// A line of cargo's JSON.
#[derive(Deserialize)]
struct Message {
    reason: String,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Compiles the library of the crate at `manifest` to WebAssembly.
pub(super) fn compile(manifest: &Path, compiler: &Compiler) -> Result<Artifact> {
    // cargo looks for rust-toolchain.toml and .cargo from where it runs.
    let folder = manifest
        .parent()
        .context("the manifest lies in no folder")?;
    let mut cargo = command(manifest, compiler);
    cargo
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = cargo.spawn().map_err(|error| missing("cargo", &error))?;
    let mut artifact = None;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line.context("cargo's output broke off")?;
            artifact = read(&line, manifest).or(artifact);
        }
    }
    let status = child.wait().context("cargo was lost")?;
    if !status.success() {
        bail!(
            "cargo could not build {}; its own messages are above",
            folder.display()
        );
    }
    artifact.with_context(|| {
        format!(
            "cargo built no .wasm file from {}; has the crate a library, src/lib.rs?",
            folder.display()
        )
    })
}

fn command(manifest: &Path, compiler: &Compiler) -> Command {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["rustc", "--release", "--lib", "--crate-type", "cdylib"])
        .args(["--target", TARGET])
        .arg("--message-format=json-render-diagnostics")
        .args([OsStr::new("--manifest-path"), manifest.as_os_str()]);
    if !is_watched() {
        cargo.arg("--quiet");
    }
    if let Err(error) = remap::apply(&mut cargo, manifest, compiler) {
        note(&format!(
            "panics of this module will name paths of this machine: {error:#}"
        ));
    }
    // After `--` stands what only the last step gets: as RUSTFLAGS it would compile every
    // dependency anew and push aside the user's own.
    cargo.args(["--", "-C", STACK]);
    cargo
}

fn read(line: &str, manifest: &Path) -> Option<Artifact> {
    let message: Message = serde_json::from_str(line).ok()?;
    if message.reason != "compiler-artifact" || message.manifest_path.as_deref() != Some(manifest) {
        return None;
    }
    let is_wasm = |file: &PathBuf| {
        file.extension()
            .is_some_and(|extension| extension == "wasm")
    };
    Some(Artifact {
        library: message.target?.name.replace('-', "_"),
        file: message.filenames.into_iter().find(is_wasm)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_wasm_file_of_the_crate_itself_counts() {
        let line = |manifest: &str, file: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","package_id":"p","manifest_path":"{manifest}","target":{{"kind":["cdylib"],"name":"my-policy"}},"filenames":["/t/deps/x.rlib","{file}"]}}"#
            )
        };
        let own = Path::new("/p/Cargo.toml");
        let expected = Artifact {
            library: "my_policy".to_owned(),
            file: "/t/my_policy.wasm".into(),
        };
        assert_eq!(
            read(&line("/p/Cargo.toml", "/t/my_policy.wasm"), own),
            Some(expected)
        );
        assert_eq!(read(&line("/other/Cargo.toml", "/t/other.wasm"), own), None);
        assert_eq!(
            read(&line("/p/Cargo.toml", "/t/libmy_policy.so"), own),
            None
        );
        assert_eq!(
            read(r#"{"reason":"build-finished","success":true}"#, own),
            None
        );
        assert_eq!(read("not json", own), None);
    }
}
