//! `[vault]`: where the keys of encrypted values come from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use larder::Vault;
use serde::Deserialize;

use super::{Problems, relative};

/// Where the keys of encrypted values come from: one of both.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    /// A key ring as `larder key` prints it, read again when it changes.
    file: Option<PathBuf>,
    /// A variable that holds the same text.
    env: Option<String>,
}

/// The vault, if one is configured and its ring can be used.
pub(super) fn read(
    table: Option<Table>,
    folder: &Path,
    problems: &mut Problems<'_>,
) -> Option<Arc<Vault>> {
    let opened = match table? {
        Table {
            file: Some(file),
            env: None,
        } => Vault::from_file(relative(folder, &file)),
        Table {
            file: None,
            env: Some(name),
        } => Vault::from_variable(&name),
        Table { .. } => {
            problems.add(
                "`[vault]` needs either `file`, a key ring as `larder key` prints it, or `env`, the \
                 name of a variable that holds the same text",
            );
            return None;
        }
    };
    let opened = opened.map_err(|error| problems.add(format!("`[vault]`: {error}")));
    opened.ok().map(Arc::new)
}
