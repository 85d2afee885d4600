//! The outbox of a PostgreSQL database.

#[cfg(test)]
mod contract;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use deadpool_postgres::Client;
use futures_util::future::BoxFuture;
use larder_core::Timestamp;
use tokio::sync::Mutex;
use tokio_postgres::types::Type;
use tokio_postgres::{Error, Row as Answer};

use super::config::PostgresConfig;
use super::connect;
use super::failure::{self, Verb};
use super::listen::Listener;
use super::schema::{self, quote};
use super::session::Sessions;
use crate::outbox::{OF_ROWS, Page, Place, Row, TEXT_MAX, TEXTS};
use crate::{OpenError, OriginError, Outbox};

/// What creates the table.
const TABLE: &str = include_str!("outbox.sql");

/// Columns and the types that they may have.
const COLUMNS: [(&str, &[&str]); 8] = [
    ("xid", &["xid8"]),
    ("id", &["bigint"]),
    ("at", &["timestamp with time zone"]),
    ("kind", TEXT),
    ("tenant", TEXT),
    ("namespace", TEXT),
    ("target", TEXT),
    ("mode", TEXT),
];

const TEXT: &[&str] = &["text", "character varying"];

/// An outbox of a PostgreSQL database, version 13 or newer; the guide has the SQL of the table.
///
/// Numbers of a sequence are given out before the commit, so rows are read in the order of their
/// transactions, and only once every transaction that began before them has ended. One that stays
/// open keeps back what was written since.
pub struct PostgresOutbox {
    sessions: Sessions,
    /// For the table as it was when it was last looked at; none where that is to be done.
    statements: Mutex<Option<Arc<Statements>>>,
    listener: Option<Listener>,
    database: String,
    table: String,
}

struct Statements {
    read: String,
    remove: String,
}

/// A table that fits.
struct Found {
    quoted: String,
    /// Whether it has the columns of rows that are named by resource and id.
    of_rows: bool,
}

impl PostgresOutbox {
    /// The outbox `table` of the database of `config`, on a connection of its own, so that what is
    /// made stale does not wait behind loads; one more listens on `channel` where one is given. A
    /// server that cannot be reached now is asked again by each reading.
    ///
    /// # Errors
    /// Names the setting that is wrong, and what the table lacks with the SQL that makes it right.
    pub async fn open(
        config: &PostgresConfig,
        table: &str,
        channel: Option<&str>,
    ) -> Result<Self, OpenError> {
        config.check()?;
        let own = PostgresConfig {
            connections: 1,
            ..config.clone()
        };
        let (pool, database, new) = connect::pool(&own)?;
        let mut outbox = Self {
            sessions: Sessions::new(pool, config.timeout, new),
            statements: Mutex::default(),
            listener: None,
            database,
            table: table.to_owned(),
        };
        match tokio::time::timeout(config.timeout, outbox.statements()).await {
            Ok(Err(error)) if !matches!(error, OpenError::Unreachable { .. }) => return Err(error),
            Ok(_) | Err(_) => {}
        }
        if let Some(channel) = channel {
            let (target, tls, _) = connect::target(&own)?;
            outbox.listener = Some(Listener::start((target, tls), channel));
        }
        Ok(outbox)
    }

    async fn statements(&self) -> Result<Arc<Statements>, OpenError> {
        let mut known = self.statements.lock().await;
        if let Some(statements) = &*known {
            return Ok(Arc::clone(statements));
        }
        let database = &self.database;
        let session = self.sessions.connect().await;
        let session = session.map_err(|error| failure::of_connecting(&error, database))?;
        let inspected = self.inspect(session.client()?).await;
        session.keep();
        let found = inspected.map_err(|error| failure::of_asking(&error, database))??;
        let statements = Arc::new(Statements {
            read: reading(&found),
            remove: removing(&found.quoted),
        });
        *known = Some(Arc::clone(&statements));
        Ok(statements)
    }

    /// Makes a table that turned out to be no longer how it was be looked at by the next call.
    async fn heed<T>(&self, answer: Result<T, OriginError>) -> Result<T, OriginError> {
        if matches!(answer, Err(OriginError::Schema(_))) {
            *self.statements.lock().await = None;
        }
        answer
    }

    async fn inspect(&self, client: &Client) -> Result<Result<Found, OpenError>, Error> {
        let wrong = |why: String, fix: String| OpenError::Outbox {
            database: self.database.clone(),
            table: self.table.clone(),
            why,
            fix,
        };
        let create = || format!("create it by\n{}", created(&self.table));
        let Some(found) = client
            .query_typed_opt(schema::FIND, &[(&self.table, Type::TEXT)])
            .await?
        else {
            return Ok(Err(wrong("is not there".into(), create())));
        };
        let oid: u32 = found.try_get(0)?;
        let (namespace, name): (&str, &str) = (found.try_get(1)?, found.try_get(2)?);
        let quoted = format!("{}.{}", quote(namespace), quote(name));
        let rows = client
            .query_typed(schema::COLUMNS, &[(&oid, Type::OID)])
            .await?;
        let has: Vec<(&str, &str)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let there = |name: &str, kinds: &[&str]| {
            let fits = |(one, kind): &(&str, &str)| *one == name && kinds.contains(kind);
            has.iter().any(fits)
        };
        for (name, kinds) in COLUMNS {
            if !there(name, kinds) {
                let kind = kinds.first().copied().unwrap_or_default();
                let why = format!("has no column `{name}` of type {kind}");
                return Ok(Err(wrong(why, create())));
            }
        }
        let may = client.query_typed_one(MAY, &[(&oid, Type::OID)]).await?;
        let (user, may): (&str, bool) = (may.try_get(0)?, may.try_get(1)?);
        if !may {
            let fix = format!("GRANT SELECT, DELETE ON {quoted} TO {}", quote(user));
            let why = format!("may not be read and cleared by `{user}`");
            return Ok(Err(wrong(why, fix)));
        }
        Ok(Ok(Found {
            quoted,
            of_rows: OF_ROWS.iter().all(|name| there(name, TEXT)),
        }))
    }

    async fn ready(&self) -> Result<Arc<Statements>, OriginError> {
        self.statements().await.map_err(|error| match error {
            OpenError::Unreachable { why, .. } => OriginError::Unreachable(why),
            OpenError::Outbox { .. } => OriginError::Schema(error.to_string()),
            error => OriginError::Failed(error.to_string()),
        })
    }
}

impl Outbox for PostgresOutbox {
    fn read(&self, after: Place, limit: usize) -> BoxFuture<'_, Result<Page, OriginError>> {
        Box::pin(self.sessions.bounded(async move {
            let statements = self.ready().await?;
            let (transaction, limit) = (after.transaction.to_string(), limited(limit));
            let rows = self
                .sessions
                .query(
                    Verb::Read,
                    &statements.read,
                    &[
                        (&transaction, Type::TEXT),
                        (&after.id, Type::INT8),
                        (&limit, Type::INT8),
                    ],
                )
                .await;
            let rows = self.heed(rows).await?;
            page(&rows).map_err(|error| OriginError::Broken(error.to_string()))
        }))
    }

    fn remove(&self, before: Place, limit: usize) -> BoxFuture<'_, Result<u64, OriginError>> {
        Box::pin(self.sessions.bounded(async move {
            let statements = self.ready().await?;
            let (transaction, limit) = (before.transaction.to_string(), limited(limit));
            let rows = self
                .sessions
                .query(
                    Verb::Read,
                    &statements.remove,
                    &[
                        (&transaction, Type::TEXT),
                        (&before.id, Type::INT8),
                        (&limit, Type::INT8),
                    ],
                )
                .await;
            let rows = self.heed(rows).await?;
            let removed = rows.first().map_or(Ok(0), |row| row.try_get::<_, i64>(0));
            let removed = removed.map_err(|error| OriginError::Broken(error.to_string()))?;
            Ok(u64::try_from(removed).unwrap_or(0))
        }))
    }

    fn hint(&self) -> BoxFuture<'_, ()> {
        match &self.listener {
            Some(listener) => Box::pin(listener.heard()),
            None => Box::pin(std::future::pending()),
        }
    }

    fn summary(&self) -> String {
        format!("postgres {}, table {}", self.database, self.table)
    }
}

fn created(table: &str) -> String {
    let quoted: Vec<String> = table.split('.').map(quote).collect();
    let name = match table == crate::outbox::TABLE {
        true => table.to_owned(),
        false => quoted.join("."),
    };
    TABLE.replace(crate::outbox::TABLE, &name)
}

fn limited(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn page(rows: &[Answer]) -> Result<Page, Error> {
    let mut page = Page::default();
    for row in rows {
        let (now, held): (i64, Option<i64>) = (row.try_get(0)?, row.try_get(2)?);
        page.now = Timestamp(u64::try_from(now).unwrap_or(0));
        page.intact = row.try_get(1)?;
        page.held_ms = held.map(|ms| u64::try_from(ms).unwrap_or(0));
        let Some(transaction) = row.try_get::<_, Option<&str>>(3)? else {
            continue;
        };
        page.rows.push(Row {
            place: Place {
                transaction: transaction.parse().unwrap_or(u64::MAX),
                id: row.try_get(4)?,
            },
            kind: row.try_get(5)?,
            tenant: row.try_get(6)?,
            resource: row.try_get(7)?,
            row_id: row.try_get(8)?,
            namespace: row.try_get(9)?,
            target: row.try_get(10)?,
            mode: row.try_get(11)?,
        });
    }
    Ok(page)
}

/// The state of the table and its rows as of one moment. Transactions below the snapshot's xmin
/// have all ended, and no later one can get a number below it.
fn reading(found: &Found) -> String {
    let table = &found.quoted;
    let clipped = |name| match OF_ROWS.contains(&name) && !found.of_rows {
        // They may be added while it is read: no row that has them may be taken for one that has not.
        true => format!(
            "coalesce(left(to_jsonb(o)->>'{name}', {}), '')::text AS {name}",
            TEXT_MAX + 1
        ),
        false => format!(
            "coalesce(left({name}, {}), '')::text AS {name}",
            TEXT_MAX + 1
        ),
    };
    let (texts, names) = (TEXTS.map(clipped), TEXTS.map(|name| format!("page.{name}")));
    let (texts, names) = (texts.join(", "), names.join(", "));
    format!(
        "WITH page AS (
            SELECT xid, id, {texts} FROM {table} o
            WHERE (xid, id) > ($1::text::xid8, $2::bigint)
              AND xid < pg_snapshot_xmin(pg_current_snapshot())
            ORDER BY xid, id LIMIT $3
        ), state AS (
            SELECT (extract(epoch FROM statement_timestamp()) * 1000)::bigint AS now,
                $1::text::xid8 = '0' OR
                    EXISTS (SELECT FROM {table} WHERE xid = $1::text::xid8 AND id = $2) AS intact,
                (SELECT (extract(epoch FROM clock_timestamp() - at) * 1000)::bigint FROM {table}
                 WHERE xid >= pg_snapshot_xmin(pg_current_snapshot())
                 ORDER BY xid, id LIMIT 1) AS held
        )
        SELECT state.now, state.intact, state.held, page.xid::text, page.id, {names}
        FROM state LEFT JOIN page ON true ORDER BY page.xid, page.id"
    )
}

fn removing(table: &str) -> String {
    format!(
        "WITH gone AS (
            DELETE FROM {table} WHERE (xid, id) IN (
                SELECT xid, id FROM {table} WHERE (xid, id) < ($1::text::xid8, $2::bigint)
                ORDER BY xid, id LIMIT $3)
            RETURNING 1
        ) SELECT count(*) FROM gone"
    )
}

const MAY: &str = "
    SELECT current_user::text,
        has_table_privilege($1::oid, 'SELECT') AND has_table_privilege($1::oid, 'DELETE')";
