//! The Rust compiler that cargo will call.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, anyhow, bail};

use super::target::TARGET;

/// What the SDK needs.
const RUST_VERSION: &str = env!("CARGO_PKG_RUST_VERSION");

/// The compiler of one folder: which one that is, rustup and a `rust-toolchain.toml` may say.
#[derive(Debug)]
pub(super) struct Compiler {
    /// Where it is installed.
    pub(super) sysroot: PathBuf,
    /// How it calls the folder of its own sources.
    pub(super) own_sources: String,
}

impl Compiler {
    /// Asks the compiler that is used in `folder`.
    ///
    /// # Errors
    /// There is none, or it does not run.
    pub(super) fn of(folder: &Path) -> Result<Self> {
        let sysroot = ask(folder, &["--print", "sysroot"])?;
        let version = ask(folder, &["--version", "--verbose"])?;
        Ok(Self {
            sysroot: PathBuf::from(sysroot.trim()),
            own_sources: format!("/rustc/{}", commit(&version)),
        })
    }
}

fn ask(folder: &Path, args: &[&str]) -> Result<String> {
    let asked = Command::new("rustc")
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| missing("rustc", &error))?;
    if !asked.status.success() {
        let why = String::from_utf8_lossy(&asked.stderr);
        bail!("rustc does not run in {}: {}", folder.display(), why.trim());
    }
    Ok(String::from_utf8_lossy(&asked.stdout).into_owned())
}

/// The commit that it was built from, or its version where that is not known.
fn commit(version: &str) -> &str {
    let field = |name: &str| version.lines().find_map(|line| line.strip_prefix(name));
    let commit = field("commit-hash: ").filter(|commit| *commit != "unknown");
    commit.or(field("release: ")).unwrap_or("unknown")
}

/// A part of Rust that does not start.
pub(super) fn missing(program: &str, error: &io::Error) -> anyhow::Error {
    anyhow!(
        "{program} cannot be started ({error}): building a policy needs Rust {RUST_VERSION} or \
         newer. Install it from https://rustup.rs and open a new terminal; its target {TARGET} is \
         added by itself"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_is_read_or_stood_in_for() {
        for (version, expected) in [
            ("rustc 1.95.0\ncommit-hash: 5980\nrelease: 1.95.0\n", "5980"),
            ("commit-hash: unknown\nrelease: 1.95.0\n", "1.95.0"),
            ("", "unknown"),
        ] {
            assert_eq!(commit(version), expected);
        }
    }
}
