//! The outbox of a SQLite database.

#[cfg(test)]
mod contract;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use larder_core::Timestamp;
use parking_lot::Mutex;
use rusqlite::{Connection, params};

use super::config::SqliteConfig;
use super::file::{File, Seat};
use super::link::{How, Link};
use super::schema::{columns, find, tables};
use super::sql::quote;
use super::statement::Limits;
use super::{check, failure};
use crate::outbox::{OF_ROWS, Page, Place, Row, TEXT_MAX, TEXTS};
use crate::{OpenError, OriginError, Outbox};

/// What creates the table.
const TABLE: &str = include_str!("outbox.sql");

const COLUMNS: [&str; 6] = ["id", "kind", "tenant", "namespace", "target", "mode"];

/// An outbox of a SQLite database; the guide has the SQL of the table. Its one writer at a time
/// commits rows in the order of their numbers.
pub struct SqliteOutbox {
    desk: Arc<Desk>,
    summary: String,
}

/// What calls of the outbox share.
struct Desk {
    seat: Seat,
    table: String,
    limits: Limits,
    /// The statements, of which connection and by which number of the schema.
    known: Mutex<Option<(u64, i64, Arc<Statements>)>>,
}

/// A table that fits.
struct Found {
    quoted: String,
    /// Whether it has the columns of rows that are named by resource and id.
    of_rows: bool,
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
        // A row beyond the limit of values would keep back every row after it.
        let how = How {
            writes: true,
            wal: config.wal,
            timeout: config.timeout,
            largest: i32::MAX,
        };
        let db = Link::open(&config.path, how).map_err(broken)?.db;
        let found = inspect(&db, table).map_err(broken)?;
        found.map_err(|why| OpenError::Outbox {
            database: config.path.display().to_string(),
            table: table.to_owned(),
            why,
            fix: format!("create it by\n{}", created(table)),
        })?;
        let limits = Limits::of(config);
        Ok(Self {
            desk: Arc::new(Desk {
                seat: File::at(&config.path).seat(how, limits),
                table: table.to_owned(),
                limits,
                known: Mutex::default(),
            }),
            summary: format!("sqlite {}, table {table}", config.path.display()),
        })
    }

    async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Connection, &Statements) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, OriginError> {
        let desk = Arc::clone(&self.desk);
        let called = tokio::task::spawn_blocking(move || {
            desk.seat.with(|link| {
                let statements = desk.statements(link)?;
                let called = call(&mut link.db, &statements);
                called.map_err(|error| failure::of_reading(&error, desk.limits))
            })
        });
        called.await.map_err(|_| ended())?
    }
}

impl Desk {
    /// The statements for the table as it is now.
    fn statements(&self, link: &Link) -> Result<Arc<Statements>, OriginError> {
        let failed = |error| failure::of_reading(&error, self.limits);
        let version = link
            .db
            .pragma_query_value(None, "schema_version", |row| row.get(0));
        let version: i64 = version.map_err(failed)?;
        let mut known = self.known.lock();
        if let Some((of, at, statements)) = &*known
            && (*of, *at) == (link.number, version)
        {
            return Ok(Arc::clone(statements));
        }
        *known = None;
        let found = inspect(&link.db, &self.table).map_err(failed)?;
        let found = found
            .map_err(|why| OriginError::Schema(format!("the outbox `{}` {why}", self.table)))?;
        let statements = Arc::new(Statements::of(&found));
        *known = Some((link.number, version, Arc::clone(&statements)));
        Ok(statements)
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
    fn of(found: &Found) -> Self {
        let table = &found.quoted;
        let clipped = |name| match OF_ROWS.contains(&name) && !found.of_rows {
            true => "''".to_owned(),
            false => format!("substr(CAST({name} AS TEXT), 1, {})", TEXT_MAX + 1),
        };
        let texts = TEXTS.map(clipped);
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

/// The table, or what is wrong with it.
fn inspect(db: &Connection, table: &str) -> rusqlite::Result<Result<Found, String>> {
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
    Ok(Ok(Found {
        quoted: quote(name),
        of_rows: OF_ROWS.iter().all(|column| find(&has, column).is_some()),
    }))
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
                resource: text(row, 3)?,
                row_id: text(row, 4)?,
                namespace: text(row, 5)?,
                target: text(row, 6)?,
                mode: text(row, 7)?,
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
