//! Where a local queue is, and why it cannot be opened.

use std::path::PathBuf;

use serde::Deserialize;

/// A local queue.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalQueueConfig {
    /// The folder that it is kept in. Made where it is missing; for one process alone.
    pub dir: PathBuf,
    /// How many changes it holds, dead letters among them. By default 100,000.
    #[serde(default = "limit")]
    pub limit: u64,
    /// How many bytes of them, roughly, on the disk and in memory alike. By default 1 GiB.
    #[serde(default = "limit_bytes")]
    pub limit_bytes: u64,
}

const fn limit() -> u64 {
    100_000
}

const fn limit_bytes() -> u64 {
    1 << 30
}

impl LocalQueueConfig {
    /// A queue in `dir` with the limits that are usual.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            limit: limit(),
            limit_bytes: limit_bytes(),
        }
    }
}

/// Why a queue cannot be opened, in words that say what to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(
    missing_docs,
    reason = "the messages say it; the fields are what they name"
)]
pub enum QueueOpenError {
    #[error(
        "the folder {} of the write-behind queue cannot be used ({why}): give this process the right to write there, or name another folder in `write_behind.dir`", path.display()
    )]
    Folder { path: PathBuf, why: String },
    #[error(
        "another process has the write-behind queue in {} open: stop it, or give this one a folder of its own in `write_behind.dir`", path.display()
    )]
    InUse { path: PathBuf },
    #[error(
        "the write-behind queue {} has format {found}, and this version of larder knows those up to {known}: run the version that made it, or a newer one", path.display()
    )]
    Newer {
        path: PathBuf,
        found: i32,
        known: i32,
    },
    #[error(
        "{} is not a write-behind queue ({why}): move it away, or name another folder in `write_behind.dir`", path.display()
    )]
    Foreign { path: PathBuf, why: String },
    #[error("the write-behind queue {} cannot be opened: {why}", path.display())]
    Broken { path: PathBuf, why: String },
    #[error("`write_behind.{field}` {why}")]
    Setting {
        field: &'static str,
        why: &'static str,
    },
}
