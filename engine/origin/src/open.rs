//! Why an origin could not be opened.

use std::path::PathBuf;
use std::time::Duration;

/// What is wrong with the configuration of an origin, or with what it names. No message carries
/// credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// A setting makes no sense.
    #[error("`{field}` {why}")]
    Setting {
        /// The field of the configuration.
        field: &'static str,
        /// What is wrong with it and what it should be.
        why: String,
    },
    /// The database file does not exist; none is ever created.
    #[error("there is no database file {path}: create it first or correct `path`", path = path.display())]
    NoFile {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The database file cannot be used.
    #[error("{path} cannot be used as a SQLite database: {why}", path = path.display())]
    Database {
        /// Which file.
        path: PathBuf,
        /// What SQLite says.
        why: String,
    },
    /// The database has no such table.
    #[error("no table `{table}` in {database}; it has: {has}")]
    NoTable {
        /// Which file or server.
        database: String,
        /// The table that was configured.
        table: String,
        /// The tables that exist.
        has: String,
    },
    /// The table has no such column.
    #[error("no column `{column}` in table `{table}` of {database}; it has: {has}")]
    NoColumn {
        /// Which file or server.
        database: String,
        /// Which table.
        table: String,
        /// The column that was configured.
        column: String,
        /// The columns that exist.
        has: String,
    },
    /// The server cannot be reached now. Waiting may help.
    #[error("PostgreSQL at {database} cannot be reached: {why}")]
    Unreachable {
        /// Which server and database.
        database: String,
        /// What it or the system says.
        why: String,
    },
    /// The server does not let us in, or fails.
    #[error("PostgreSQL at {database} cannot be used: {why}")]
    Server {
        /// Which server and database.
        database: String,
        /// What it says.
        why: String,
    },
    /// Nothing keeps the key unique, so that a row could not be updated or inserted in one step.
    #[error(
        "column `{column}` of table `{table}` in {database} has no unique index of its own: {fix}"
    )]
    NoUnique {
        /// Which server and database.
        database: String,
        /// Which table.
        table: String,
        /// The key.
        column: String,
        /// The SQL that adds one.
        fix: String,
    },
    /// The user may not read the table at all.
    #[error("table `{table}` of {database} may not be read by `{user}`: {fix}")]
    Forbidden {
        /// Which server and database.
        database: String,
        /// Which table.
        table: String,
        /// As whom it was asked for.
        user: String,
        /// The SQL that allows it.
        fix: String,
    },
    /// The outbox is not there, or is not what it has to be.
    #[error("the outbox `{table}` in {database} {why}: {fix}")]
    Outbox {
        /// Which file or server.
        database: String,
        /// The table that was configured.
        table: String,
        /// What is wrong with it.
        why: String,
        /// The SQL that makes it right.
        fix: String,
    },
    /// The client could not be set up.
    #[error("the client cannot be set up: {0}")]
    Client(String),
}

impl OpenError {
    /// Refuses a time beyond what can be meant: timeouts above are taken for mistakes, and SQLite
    /// counts milliseconds in 32 bits.
    pub(crate) fn check_time(field: &'static str, time: Duration) -> Result<(), Self> {
        if time < Duration::from_millis(1) || time > Duration::from_secs(3600) {
            let why = "must be between 1 ms and 1 hour".into();
            return Err(Self::Setting { field, why });
        }
        Ok(())
    }

    /// Refuses a limit that nothing is within.
    pub(crate) fn check_size(field: &'static str, bytes: u64) -> Result<(), Self> {
        if bytes == 0 {
            let why = "must be at least 1".into();
            return Err(Self::Setting { field, why });
        }
        Ok(())
    }
}
