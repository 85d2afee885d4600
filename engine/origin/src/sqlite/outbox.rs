//! The outbox of a SQLite database.

#[cfg(test)]
mod contract;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use larder_core::Timestamp;
use parking_lot::Mutex;
use rusqlite::limits::Limit;
use rusqlite::{Connection, params};

use super::config::SqliteConfig;
use super::schema::{columns, find, tables};
use super::sql::quote;
use super::statement::{self, Limits};
use super::{check, connect};
use crate::outbox::{Page, Place, Row, TEXT_MAX};
use crate::{OpenError, OriginError, Outbox};

/// What creates the table.
const TABLE: &str = include_str!("outbox.sql");

const COLUMNS: [&str; 6] = ["id", "kind", "tenant", "namespace", "target", "mode"];

/// An outbox of a SQLite database; the guide has the SQL of the table. Its one writer at a time
/// commits rows in the order of their numbers.
pub struct SqliteOutbox {
    db: Arc<Mutex<Connection>>,
    statements: Arc<Statements>,
    limits: Limits,
    summary: String,
}

struct Statements {
    intact: String,
    read: String,
    remove: String,
}

impl SqliteOutbox {
    /// The outbox `table` of the database of `config`, on a connection of its own. This blocks:
    /// call it at start.
    ///
    /// # Errors
    /// Names the setting or file that is wrong, and what the table lacks with the SQL that makes
    /// it right.
    pub fn open(config: &SqliteConfig, table: &str) -> Result<Self, OpenError> {
        check(config)?;
        let broken = |error: rusqlite::Error| OpenError::Database {
            path: config.path.clone(),
            why: error.to_string(),
        };
        let db = connect(config).map_err(broken)?;
        // A row beyond the limit of values would keep back every row after it.
        db.set_limit(Limit::SQLITE_LIMIT_LENGTH, i32::MAX)
            .map_err(broken)?;
        let quoted = inspect(&db, table).map_err(broken)?;
        let quoted = quoted.map_err(|why| OpenError::Outbox {
            database: config.path.display().to_string(),
            table: table.to_owned(),
            why,
            fix: format!("create it by\n{}", created(table)),
        })?;
        Ok(Self {
            db: Arc::new(Mutex::new(db)),
            statements: Arc::new(Statements::of(&quoted)),
            limits: Limits {
                timeout_ms: u64::try_from(config.timeout.as_millis()).unwrap_or(u64::MAX),
                max_bytes: config.max_bytes,
            },
            summary: format!("sqlite {}, table {table}", config.path.display()),
        })
    }

    async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Connection, &Statements) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, OriginError> {
        let (db, statements) = (Arc::clone(&self.db), Arc::clone(&self.statements));
        let called = tokio::task::spawn_blocking(move || call(&mut db.lock(), &statements));
        let called = called.await.map_err(|_| ended())?;
        called.map_err(|error| statement::failure(&error, self.limits))
    }
}

impl Outbox for SqliteOutbox {
    fn read(&self, after: Place, limit: usize) -> BoxFuture<'_, Result<Page, OriginError>> {
        Box::pin(self.call(move |db, statements| page(db, statements, after, limit)))
    }

    fn remove(&self, before: Place, limit: usize) -> BoxFuture<'_, Result<u64, OriginError>> {
        Box::pin(self.call(move |db, statements| {
            let mut remove = db.prepare_cached(&statements.remove)?;
            let removed = remove.execute(params![before.id, limited(limit)])?;
            Ok(removed as u64)
        }))
    }

    fn summary(&self) -> String {
        self.summary.clone()
    }
}

impl Statements {
    fn of(table: &str) -> Self {
        let clipped = |name| format!("substr(CAST({name} AS TEXT), 1, {})", TEXT_MAX + 1);
        let texts = ["kind", "tenant", "namespace", "target", "mode"].map(clipped);
        Self {
            intact: format!("SELECT ?1 = 0 OR EXISTS (SELECT 1 FROM {table} WHERE id = ?1)"),
            read: format!(
                "SELECT id, {} FROM {table} WHERE id > ?1 ORDER BY id LIMIT ?2",
                texts.join(", ")
            ),
            remove: format!(
                "DELETE FROM {table} WHERE id IN \
                 (SELECT id FROM {table} WHERE id < ?1 ORDER BY id LIMIT ?2)"
            ),
        }
    }
}

/// The table's name, quoted, or what is wrong with it.
fn inspect(db: &Connection, table: &str) -> rusqlite::Result<Result<String, String>> {
    let tables = tables(db)?;
    let Some(name) = find(&tables, table) else {
        return Ok(Err("is not there".into()));
    };
    let has: Vec<String> = columns(db, name)?.into_iter().map(|one| one.name).collect();
    if let Some(missing) = COLUMNS.iter().find(|column| find(&has, column).is_none()) {
        return Ok(Err(format!("has no column `{missing}`")));
    }
    let sql: String = db.query_row(
        "SELECT coalesce(sql, '') FROM sqlite_schema WHERE name = ?1",
        [name],
        |row| row.get(0),
    )?;
    // Without it numbers of rows that were deleted are given to new ones.
    if !sql.to_ascii_uppercase().contains("AUTOINCREMENT") {
        return Ok(Err("has an `id` without AUTOINCREMENT".into()));
    }
    Ok(Ok(quote(name)))
}

fn created(table: &str) -> String {
    let name = match table == crate::outbox::TABLE {
        true => table.to_owned(),
        false => quote(table),
    };
    TABLE.replace(crate::outbox::TABLE, &name)
}

/// The time first: it may be no later than the moment that the rows are of.
fn page(
    db: &mut Connection,
    statements: &Statements,
    after: Place,
    limit: usize,
) -> rusqlite::Result<Page> {
    let now: i64 = db.query_row(
        "SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
        [],
        |row| row.get(0),
    )?;
    let snapshot = db.transaction()?;
    let intact = snapshot
        .prepare_cached(&statements.intact)?
        .query_row([after.id], |row| row.get(0))?;
    let rows = snapshot
        .prepare_cached(&statements.read)?
        .query_map(params![after.id, limited(limit)], |row| {
            Ok(Row {
                place: Place {
                    transaction: 0,
                    id: row.get(0)?,
                },
                kind: text(row, 1)?,
                tenant: text(row, 2)?,
                namespace: text(row, 3)?,
                target: text(row, 4)?,
                mode: text(row, 5)?,
            })
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(Page {
        rows,
        intact,
        now: Timestamp(u64::try_from(now).unwrap_or(0)),
        held_ms: None,
    })
}

/// A text that is none would keep back every row after it.
fn text(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<String> {
    let bytes = row.get_ref(at)?.as_bytes_or_null()?;
    Ok(String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned())
}

fn limited(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn ended() -> OriginError {
    OriginError::Failed("the reading of its outbox broke off".into())
}
