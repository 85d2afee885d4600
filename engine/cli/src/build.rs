//! A policy crate becomes a `.wasm` file that a server takes.

mod cargo;
mod compiler;
mod remap;
mod target;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use larder::core::Identity;
use larder::wasm::{Limits, Stage, inspect};

use crate::exit::Failure;
use crate::install::install;
use compiler::Compiler;

/// What is to be built.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job<'a> {
    /// The folder of the crate.
    pub(crate) path: &'a Path,
    /// The folder for the module.
    pub(crate) out: &'a Path,
    /// The stem of the module; without it the name of the crate's library.
    pub(crate) name: Option<&'a str>,
}

/// What was built.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) file: PathBuf,
    pub(crate) bytes: usize,
    /// None where the policy takes no empty settings, so that it could not be asked.
    pub(crate) identity: Option<Identity>,
    /// What to know before it is served.
    pub(crate) note: Option<String>,
    pub(crate) took: Duration,
}

impl Job<'_> {
    /// Builds, checks as a server would, and puts the module in place in one step, so that a
    /// server that watches the folder never sees half of it.
    ///
    /// # Errors
    /// Says what is missing, what cargo says, or which stage refuses the module; what was in its
    /// place before stays there.
    pub(crate) fn run(self) -> Result<Built, Failure> {
        let started = Instant::now();
        let manifest = manifest(self.path)?;
        let folder = manifest.parent().unwrap_or(self.path);
        let compiler = Compiler::of(folder)?;
        target::ensure(folder, &compiler.sysroot)?;
        let artifact = cargo::compile(&manifest, &compiler)?;
        let name = self.name.unwrap_or(&artifact.library);
        let bytes = fs::read(&artifact.file)
            .with_context(|| format!("{} cannot be read", artifact.file.display()))?;
        let (identity, note) = judge(name, &bytes)?;
        let file = self.out.join(format!("{name}.wasm"));
        install(&file, &bytes).with_context(|| format!("{} cannot be written", file.display()))?;
        Ok(Built {
            file,
            bytes: bytes.len(),
            identity,
            note,
            took: started.elapsed(),
        })
    }
}

fn manifest(path: &Path) -> Result<PathBuf, Failure> {
    let manifest = if path.is_dir() {
        path.join("Cargo.toml")
    } else {
        path.to_owned()
    };
    let is_manifest = manifest
        .file_name()
        .is_some_and(|name| name == "Cargo.toml");
    if !is_manifest || !manifest.is_file() {
        let message = format!(
            "there is no crate in {}: no Cargo.toml is there. `larder new {}` makes one",
            path.display(),
            path.display()
        );
        return Err(Failure::usage(message));
    }
    let absolute = manifest
        .canonicalize()
        .with_context(|| manifest.display().to_string());
    Ok(absolute?)
}

/// Takes the module through the stages of a server. That it wants settings is for its operator to
/// know and no reason to refuse it.
fn judge(name: &str, bytes: &[u8]) -> Result<(Option<Identity>, Option<String>), Failure> {
    let empty = serde_json::Value::Object(serde_json::Map::new());
    let inspection = inspect(name, bytes, &empty, &Limits::default());
    match (inspection.failure, inspection.policy) {
        (None, Some(policy)) => Ok((Some((**policy.identity()).clone()), None)),
        (Some(failure), _) if failure.stage == Stage::Configure => {
            let note = format!(
                "it does not take empty settings ({}); give it some under [[policy]]",
                failure.reason
            );
            Ok((None, Some(note)))
        }
        (Some(failure), _) => Err(Failure::policy(format!(
            "the module was built, and a server would refuse it at the stage `{}`: {}",
            failure.stage.as_str(),
            failure.reason
        ))),
        (None, None) => Err(Failure::policy("the module was built and cannot be judged")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_crate_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("nowhere")] {
            let error = manifest(&path).unwrap_err().error.to_string();
            assert!(error.contains("no Cargo.toml is there"), "{error}");
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
    }

    #[test]
    fn what_is_no_policy_is_refused_with_its_stage() {
        let failure = judge("x", b"\0asm\x01\0\0\0").unwrap_err();
        let text = failure.error.to_string();
        assert!(text.contains("refuse it at the stage `contract`"), "{text}");
    }
}
