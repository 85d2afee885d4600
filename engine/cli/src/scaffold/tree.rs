//! Files of a crate, on the disk.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::embedded::TOOLCHAIN;

const GITIGNORE: &str = "/target\n";

/// Writes `text` to the file `name` of `folder`, whose own folders are made.
pub(super) fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    let file = folder.join(name);
    let parent = file.parent().unwrap_or(folder);
    let written = fs::create_dir_all(parent).and_then(|()| fs::write(&file, text));
    written.with_context(|| format!("{} cannot be written", file.display()))
}

/// Writes what every crate has beside its sources: the compiler that the SDK was tested with, and
/// what git leaves alone.
pub(super) fn write_surroundings(folder: &Path) -> Result<()> {
    write(folder, ".gitignore", GITIGNORE)?;
    write(folder, "rust-toolchain.toml", TOOLCHAIN)
}
