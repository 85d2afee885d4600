//! What a PostgreSQL origin is told.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::connect;
use crate::OpenError;

/// Which table of which database holds the values.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresConfig {
    /// `postgres://user:password@host:port/database?sslmode=…`. `sslmode` is `disable` (no TLS),
    /// `prefer` (the default: TLS where the server has it, its certificate unchecked, which keeps
    /// nobody from posing as the server), `require` or `verify-full` (both: TLS always, with the
    /// chain and the name of the certificate checked, which for `require` is stricter than other
    /// clients are).
    pub url: String,
    /// The table that holds the values, one row each; `schema.table` where it is not in the
    /// search path. A view is only read.
    pub table: String,
    /// The column that ids are compared with. It needs a unique index of its own.
    pub key: String,
    /// The one column that holds the value: `json`, `jsonb`, `text` or `bytea`. None by default:
    /// the value is the row as a JSON object.
    pub column: Option<String>,
    /// A `bigint` column that every write and marked delete sets one higher, and answers.
    pub version: Option<String>,
    /// A `bigint` column with the place of the last queued write among those of its row: a queued
    /// write is taken only where its own is higher, so that handing it over again does no harm. A
    /// row that was not queued begins with 0; a direct write changes no place.
    pub sequence: Option<String>,
    /// A `boolean` column. With it a delete marks the row, which keeps its version and sequence;
    /// a marked row is absent until the next write, which finds every column that it does not name
    /// at its default. With `sequence` too, a queued delete of a row that is not there leaves a
    /// marked one, unless a column of the table needs a value or a constraint forbids it. The user
    /// needs the right to update every column, and triggers on single ones fire with every write.
    pub deleted: Option<String>,
    /// How many connections are open at most. 16 by default.
    pub connections: usize,
    /// How long a call may take, waiting for a connection included; the server gives up after the
    /// same time. 5 s by default.
    pub timeout: Duration,
    /// How long connecting may take. 2 s by default.
    pub connect_timeout: Duration,
    /// The largest value, in bytes. 8 MiB by default.
    pub max_bytes: u64,
    /// Certificates, as PEM, that the server's is checked against instead of the system's. An error
    /// with an `sslmode` that checks none.
    pub ca: Option<PathBuf>,
}

impl PostgresConfig {
    /// The rows of `table`, named by column `key`, with the default limits.
    pub fn new(url: impl Into<String>, table: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            table: table.into(),
            key: key.into(),
            column: None,
            version: None,
            sequence: None,
            deleted: None,
            connections: 16,
            timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
            max_bytes: 8 << 20,
            ca: None,
        }
    }

    /// Whether the settings make sense; nobody is called, and `ca` is read.
    ///
    /// # Errors
    /// Names the setting that is wrong.
    pub fn check(&self) -> Result<(), OpenError> {
        OpenError::check_time("timeout", self.timeout)?;
        OpenError::check_time("connect_timeout", self.connect_timeout)?;
        let connections = u64::try_from(self.connections).unwrap_or(u64::MAX);
        OpenError::check_size("connections", connections)?;
        OpenError::check_size("max_bytes", self.max_bytes)?;
        connect::target(self).map(drop)
    }
}

/// The address holds a password and is left out.
impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("table", &self.table)
            .field("key", &self.key)
            .field("connections", &self.connections)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
