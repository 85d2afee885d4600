//! Why an origin could not be opened.

use std::path::PathBuf;

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
    #[error("no table `{table}` in {path}; it has: {has}", path = path.display())]
    NoTable {
        /// Which file.
        path: PathBuf,
        /// The table that was configured.
        table: String,
        /// The tables that exist.
        has: String,
    },
    /// The table has no such column.
    #[error("no column `{column}` in table `{table}` of {path}; it has: {has}", path = path.display())]
    NoColumn {
        /// Which file.
        path: PathBuf,
        /// Which table.
        table: String,
        /// The column that was configured.
        column: String,
        /// The columns that exist.
        has: String,
    },
    /// The HTTP client could not be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
}
