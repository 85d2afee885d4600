//! What a SQLite origin is told.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::OpenError;

/// Which table of which database holds the values.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqliteConfig {
    /// The database file. It must exist; none is ever created.
    pub path: PathBuf,
    /// The table or view that holds the values, one row each.
    pub table: String,
    /// The column that ids are compared with. Its values should be unique: an id that fits two
    /// rows is an error.
    pub key: String,
    /// A column declared as integer that every write and marked delete sets one higher, and
    /// answers.
    #[serde(default)]
    pub version: Option<String>,
    /// A column declared as integer with the place of the last queued write among those of its
    /// row: a queued write is taken only where its own is higher, so that handing it over again
    /// does no harm. A row that was not queued begins with 0; a direct write changes no place.
    #[serde(default)]
    pub sequence: Option<String>,
    /// A column declared as boolean or integer. With it a delete marks the row, which keeps its
    /// version and sequence; a marked row is absent until the next write, which finds every
    /// column that it does not name at its default. With `sequence` too, a queued delete of a row
    /// that is not there leaves a marked one, unless a constraint forbids it.
    #[serde(default)]
    pub deleted: Option<String>,
    /// Whether the file is put into WAL mode, in which reads do not wait for a writer; it stays in
    /// it, and SQLite keeps two files beside it. Left as it is by default.
    #[serde(default)]
    pub wal: bool,
    /// How long a call may take, waiting for its turn and for locks included; a batch is one call.
    /// 2 s by default; read as `timeout_ms`.
    #[serde(
        default = "default_timeout",
        rename = "timeout_ms",
        deserialize_with = "milliseconds"
    )]
    pub timeout: Duration,
    /// The largest row, in bytes of its JSON form. 8 MiB by default.
    #[serde(default = "default_max_bytes")]
    pub max_bytes: u64,
}

impl SqliteConfig {
    /// The rows of `table`, named by column `key`, with the default limits.
    pub fn new(path: impl Into<PathBuf>, table: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            table: table.into(),
            key: key.into(),
            version: None,
            sequence: None,
            deleted: None,
            wal: false,
            timeout: default_timeout(),
            max_bytes: default_max_bytes(),
        }
    }

    /// Whether the settings make sense; no file is looked at.
    ///
    /// # Errors
    /// Names the setting that is wrong.
    pub fn check(&self) -> Result<(), OpenError> {
        OpenError::check_time("timeout", self.timeout)?;
        OpenError::check_size("max_bytes", self.max_bytes)
    }
}

fn default_timeout() -> Duration {
    Duration::from_secs(2)
}

fn default_max_bytes() -> u64 {
    8 << 20
}

fn milliseconds<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    u64::deserialize(from).map(Duration::from_millis)
}
