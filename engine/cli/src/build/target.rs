//! The Rust target that policies are compiled for.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::output::note;

pub(super) const TARGET: &str = "wasm32-unknown-unknown";

/// Adds the target to the toolchain at `sysroot`, which is used in `folder`, if it is missing.
pub(super) fn ensure(folder: &Path, sysroot: &Path) -> Result<()> {
    if is_there(sysroot) {
        return Ok(());
    }
    note(&format!(
        "the Rust target {TARGET} is missing; adding it (`rustup target add {TARGET}`)"
    ));
    let added = Command::new("rustup")
        .args(["target", "add", TARGET])
        .current_dir(folder)
        .stdin(Stdio::null())
        // Standard output is for results.
        .stdout(io::stderr())
        .status();
    match added {
        Ok(status) if status.success() && is_there(sysroot) => Ok(()),
        Ok(status) if status.success() => bail!(
            "rustup added {TARGET} to another toolchain than the one in {}; is RUSTUP_TOOLCHAIN \
             set, or is there a rust-toolchain.toml?",
            sysroot.display()
        ),
        Ok(_) => bail!(
            "rustup could not add {TARGET}; its own message is above. Without a network, install \
             the target where there is one"
        ),
        Err(_) => bail!(
            "the Rust installation in {} lacks {TARGET}, and there is no rustup to add it. \
             Install Rust from https://rustup.rs, or your distribution's package for the target \
             (Debian: libstd-rust-dev-wasm32, Fedora: rust-std-static-{TARGET})",
            sysroot.display()
        ),
    }
}

fn is_there(sysroot: &Path) -> bool {
    sysroot
        .join("lib/rustlib")
        .join(TARGET)
        .join("lib")
        .is_dir()
}
