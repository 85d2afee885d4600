//! Rows of a PostgreSQL table as an origin.

mod address;
mod batch;
mod config;
mod connect;
mod failure;
mod row;
mod schema;
mod session;
mod statement;
#[cfg(test)]
mod tests;
mod tls;

use futures_util::future::BoxFuture;
use larder_core::Value;
use larder_core::request::clip;

pub use config::PostgresConfig;
use schema::Table;
use session::Sessions;

use crate::{Change, Fetched, OpenError, Origin, OriginError, Wanted, Written};

/// One table of a PostgreSQL database, one row for each id.
///
/// A load answers the row as a JSON object, its columns in table order and as `row_to_json` has
/// them, or the one column that holds the value. Ids fit a key in its one spelling only, so `042`
/// is not row 42. The columns are those that the table had when it was opened; those that keep
/// version, sequence and deletion are no part of the value. Tenant, resource and attributes of
/// [`Wanted`] are ignored: give each resource its own table or view, and each tenant its own.
///
/// A write takes a JSON object whose fields are columns. It updates those columns of the row, the
/// others staying as they are, or inserts the row; what would be larger than values may be is not
/// written. In a row that is marked as deleted the others become what they would be in a new row.
pub struct PostgresOrigin {
    sessions: Sessions,
    table: Table,
    select: String,
    max_bytes: u64,
    summary: String,
}

impl PostgresOrigin {
    /// Connects and checks that table, columns and unique key exist, within the timeouts.
    ///
    /// # Errors
    /// Names the setting, server, table or column that is wrong, and what exists instead.
    pub async fn open(config: PostgresConfig) -> Result<Self, OpenError> {
        check(&config)?;
        let (pool, database) = connect::pool(&config)?;
        let sessions = Sessions::new(pool, config.timeout);
        let inspected = tokio::time::timeout(config.timeout, async {
            let session = sessions.get().await.map_err(|error| OpenError::Server {
                database: database.clone(),
                why: error.to_string(),
            })?;
            let table = Table::inspect(session.client()?, &config, &database).await?;
            session.keep();
            Ok(table)
        });
        let table = inspected.await.unwrap_or_else(|_| {
            Err(OpenError::Server {
                database: database.clone(),
                why: format!("no answer within {} ms", config.timeout.as_millis()),
            })
        })?;
        Ok(Self {
            sessions,
            select: statement::select(&table),
            table,
            max_bytes: config.max_bytes,
            summary: format!("postgres {database}, table {}", config.table),
        })
    }

    fn value(&self, bytes: Vec<u8>) -> Value {
        let column = self.table.column.and_then(|at| self.table.columns.get(at));
        match column {
            Some(column) if !column.kind.starts_with("json") => Value::new(bytes),
            _ => Value::json(bytes),
        }
    }

    async fn find(&self, id: &str) -> Result<Option<Value>, OriginError> {
        if !row::fits(id, &self.table.key) {
            return Ok(None);
        }
        let max = i64::try_from(self.max_bytes).unwrap_or(i64::MAX);
        let rows = match self.sessions.query(&self.select, &[&id, &max]).await {
            // The key's type has no such value, so no row has it.
            Err(OriginError::Rejected(_)) => return Ok(None),
            rows => rows?,
        };
        let Some(first) = rows.first() else {
            return Ok(None);
        };
        if rows.len() > 1 {
            return Err(OriginError::Failed(format!(
                "more than one row has the id `{}`: give column `{}` a unique index",
                clip(id),
                self.table.key.name
            )));
        }
        let broken = |error: tokio_postgres::Error| OriginError::Broken(error.to_string());
        let size: Option<i64> = first.try_get(0).map_err(broken)?;
        let bytes: Option<Vec<u8>> = first.try_get(1).map_err(broken)?;
        match (size, bytes) {
            (Some(_), None) => Err(OriginError::TooLarge {
                limit_bytes: self.max_bytes,
            }),
            (_, bytes) => Ok(bytes.map(|bytes| self.value(bytes))),
        }
    }
}

impl Origin for PostgresOrigin {
    fn load<'a>(&'a self, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Fetched, OriginError>> {
        Box::pin(async move {
            Ok(Fetched {
                value: self.sessions.bounded(self.find(wanted.id)).await?,
                attributes: Vec::new(),
            })
        })
    }

    fn write<'a>(
        &'a self,
        wanted: Wanted<'a>,
        value: &'a Value,
    ) -> BoxFuture<'a, Result<Written, OriginError>> {
        Box::pin(async move {
            let change = direct(wanted, Some(value));
            self.sessions.bounded(self.one(&change)).await
        })
    }

    fn delete<'a>(&'a self, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Written, OriginError>> {
        Box::pin(async move {
            let change = direct(wanted, None);
            self.sessions.bounded(self.one(&change)).await
        })
    }

    fn apply<'a>(
        &'a self,
        changes: &'a [Change<'a>],
    ) -> BoxFuture<'a, Vec<Result<Written, OriginError>>> {
        Box::pin(self.many(changes))
    }

    fn summary(&self) -> String {
        self.summary.clone()
    }
}

fn direct<'a>(wanted: Wanted<'a>, value: Option<&'a Value>) -> Change<'a> {
    Change {
        wanted,
        value,
        sequence: 0,
        operation: "",
    }
}

fn check(config: &PostgresConfig) -> Result<(), OpenError> {
    OpenError::check_time("timeout", config.timeout)?;
    OpenError::check_time("connect_timeout", config.connect_timeout)?;
    for (field, zero) in [
        ("connections", config.connections == 0),
        ("max_bytes", config.max_bytes == 0),
    ] {
        if zero {
            let why = "must be at least 1".into();
            return Err(OpenError::Setting { field, why });
        }
    }
    Ok(())
}
