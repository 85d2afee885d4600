//! Rows of a SQLite table as an origin.

mod batch;
mod config;
#[cfg(test)]
mod contract;
mod edit;
mod outbox;
mod row;
mod schema;
mod sql;
mod statement;
#[cfg(test)]
mod tests;
mod worker;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use larder_core::Value;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

pub use config::SqliteConfig;
use edit::Edit;
pub use outbox::SqliteOutbox;
use schema::Table;
use statement::Limits;
use worker::{Pool, Task};

use crate::{Change, Fetched, OpenError, Origin, OriginError, Wanted, Written};

/// A connection keeps so many prepared statements: which fields are written is up to callers.
const PREPARED: usize = 100;

/// Connections that read. Reads do not wait for the writer: the database is put into WAL mode.
const READERS: usize = 2;

/// One table of a SQLite database, one row for each id.
///
/// A load answers the row as a JSON object, its columns in table order: integers, reals, text and
/// null as they are, blobs as base64, and columns declared `BOOLEAN` as `true` and `false`. Ids
/// fit a key in its one spelling only, so `042` is not row 42. The columns are those that the
/// table had when it was opened; those that keep version, sequence and deletion are no part of the
/// value. Tenant, resource and attributes of [`Wanted`] are ignored: give each resource its own
/// table or view, and each tenant its own.
///
/// A write takes a JSON object whose fields are columns. It updates those columns of the row, the
/// others staying as they are, or inserts the row, and answers the row as it is then; what would
/// be larger than values may be is not written. In a row that is marked as deleted the others
/// become what they would be in a new row.
pub struct SqliteOrigin {
    reads: Pool,
    writes: Pool,
    summary: String,
}

impl SqliteOrigin {
    /// Opens the database and checks that table and columns exist. This blocks: call it at start.
    ///
    /// # Errors
    /// Names the setting, file, table or column that is wrong, and what exists instead.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the origin takes its configuration over, whatever it keeps of it"
    )]
    pub fn open(config: SqliteConfig) -> Result<Self, OpenError> {
        check(&config)?;
        let broken = |why: String| OpenError::Database {
            path: config.path.clone(),
            why,
        };
        let writer = connect(&config).map_err(|error| broken(error.to_string()))?;
        use_wal(&writer).map_err(broken)?;
        let table = Arc::new(Table::inspect(&writer, &config)?);
        let readers = (0..READERS)
            .map(|_| connect_reader(&config))
            .collect::<rusqlite::Result<Vec<_>>>()
            .map_err(|error| broken(error.to_string()))?;
        let timeout_ms = u64::try_from(config.timeout.as_millis()).unwrap_or(u64::MAX);
        let limits = Limits {
            timeout_ms,
            max_bytes: config.max_bytes,
        };
        let start = |name: &str, connections| {
            Pool::start(name, connections, &table, (config.timeout, limits))
                .map_err(|error| broken(format!("no thread can be started for it: {error}")))
        };
        Ok(Self {
            reads: start("read", readers)?,
            writes: start("write", vec![writer])?,
            summary: format!("sqlite {}, table {}", config.path.display(), config.table),
        })
    }
}

impl SqliteOrigin {
    /// Has one edit made that was not queued.
    async fn one(&self, id: &str, body: Option<Bytes>) -> Result<Written, OriginError> {
        let edit = Edit {
            id: id.into(),
            body,
            sequence: None,
        };
        let answers = self.writes.call(Task::Edit(vec![edit])).await?;
        only(answers)
    }
}

impl Origin for SqliteOrigin {
    fn load<'a>(&'a self, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Fetched, OriginError>> {
        Box::pin(async move {
            let id = wanted.id.into();
            let found = only(self.reads.call(Task::Load { id }).await?)?;
            Ok(Fetched {
                value: found.value,
                attributes: Vec::new(),
            })
        })
    }

    fn write<'a>(
        &'a self,
        wanted: Wanted<'a>,
        value: &'a Value,
    ) -> BoxFuture<'a, Result<Written, OriginError>> {
        Box::pin(self.one(wanted.id, Some(value.bytes.clone())))
    }

    fn delete<'a>(&'a self, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Written, OriginError>> {
        Box::pin(self.one(wanted.id, None))
    }

    /// All in one transaction, each in a savepoint of its own.
    fn apply<'a>(
        &'a self,
        changes: &'a [Change<'a>],
    ) -> BoxFuture<'a, Vec<Result<Written, OriginError>>> {
        let edits = changes.iter().map(|change| Edit {
            id: change.wanted.id.into(),
            body: change.value.map(|value| value.bytes.clone()),
            sequence: Some(change.sequence),
        });
        let edits = Task::Edit(edits.collect());
        Box::pin(async move {
            let answers = self.writes.call(edits).await;
            answers.unwrap_or_else(|error| vec![Err(error); changes.len()])
        })
    }

    /// A row is found by its key; a query may name one of its fields.
    fn sees(&self, class: &str) -> bool {
        class == "query.*"
    }

    fn summary(&self) -> String {
        self.summary.clone()
    }
}

/// The answer to a task that named one id.
fn only(mut answers: Vec<Result<Written, OriginError>>) -> Result<Written, OriginError> {
    let none = || {
        Err(OriginError::Broken(
            "its worker thread answered nothing".into(),
        ))
    };
    answers.pop().unwrap_or_else(none)
}

fn check(config: &SqliteConfig) -> Result<(), OpenError> {
    OpenError::check_time("timeout", config.timeout)?;
    if config.max_bytes == 0 {
        return Err(OpenError::Setting {
            field: "max_bytes",
            why: "must be at least 1".into(),
        });
    }
    if matches!(config.path.try_exists(), Ok(false)) {
        return Err(OpenError::NoFile {
            path: config.path.clone(),
        });
    }
    Ok(())
}

fn connect(config: &SqliteConfig) -> rusqlite::Result<Connection> {
    // Without CREATE a file that vanished since the check stays absent.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(&config.path, flags)?;
    db.busy_timeout(config.timeout)?;
    db.set_prepared_statement_cache_capacity(PREPARED);
    // No single value beyond the limit is even read into memory; below 1 MiB the schema itself
    // might no longer fit.
    let largest = config.max_bytes.max(1 << 20);
    let largest = i32::try_from(largest).unwrap_or(i32::MAX);
    db.set_limit(Limit::SQLITE_LIMIT_LENGTH, largest)?;
    Ok(db)
}

fn connect_reader(config: &SqliteConfig) -> rusqlite::Result<Connection> {
    let db = connect(config)?;
    db.pragma_update(None, "query_only", true)?;
    Ok(db)
}

fn use_wal(db: &Connection) -> Result<(), String> {
    let mode: String = db
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(|error| format!("it cannot be put into WAL mode: {error}"))?;
    if mode.eq_ignore_ascii_case("wal") {
        return Ok(());
    }
    Err(format!(
        "it cannot be put into WAL mode and stays in mode `{mode}`"
    ))
}
