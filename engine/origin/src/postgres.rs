//! Rows of a PostgreSQL table as an origin.

mod address;
mod as_read;
mod batch;
mod config;
mod connect;
#[cfg(test)]
mod contract;
mod failure;
mod inspected;
mod listen;
mod outbox;
mod row;
mod rows;
mod schema;
mod session;
mod statement;
#[cfg(test)]
mod tests;
mod tls;
mod writes;

use futures_util::future::BoxFuture;
use larder_core::Value;

pub use config::PostgresConfig;
use inspected::Inspected;
pub use outbox::PostgresOutbox;
use session::Sessions;

use crate::{Change, Fetched, OpenError, Origin, OriginError, PutMeaning, Wanted, Written, whole};

/// One table of a PostgreSQL database, one row for each id.
///
/// A load answers the row as a JSON object, its columns in table order and as `row_to_json` has
/// them, or the one column that holds the value. Ids fit a key in its one spelling only, so `042`
/// is not row 42. The columns that keep version, sequence and deletion are no part of the value. The
/// attribute `query.field` names columns, and the value is an object of those alone; tenant,
/// resource and other attributes of [`Wanted`] are ignored: give each resource its own table or
/// view, and each tenant its own.
///
/// A write takes a JSON object whose fields are columns. It updates those columns of the row, the
/// others staying as they are, or inserts the row, and answers the row as a read brings it after the
/// commit; what would be larger than values may be is not written. Generated columns are left out,
/// so a row can be written as it was read. In a row that is marked as deleted the others become what
/// they would be in a new row.
///
/// The table is looked at again when a connection is new, every five seconds, and at once when a
/// statement no longer fits it; the call is then made once more. Where the table no longer fits the
/// configuration, calls are answered by [`OriginError::Schema`] until it does.
pub struct PostgresOrigin {
    sessions: Sessions,
    inspected: Inspected,
    meaning: PutMeaning,
    summary: String,
}

impl PostgresOrigin {
    /// Connects and checks that table, columns and unique key exist, within the timeouts. A server
    /// that cannot be reached now may be later: then this is logged, calls fail with
    /// [`OriginError::Unreachable`], and the first one that reaches it looks at the table. What is
    /// wrong with it then is the answer of every call until it is mended.
    ///
    /// # Errors
    /// Names the setting, server, table or column that is wrong, and what exists instead.
    pub async fn open(config: PostgresConfig) -> Result<Self, OpenError> {
        config.check()?;
        let (pool, database, new) = connect::pool(&config)?;
        let sessions = Sessions::new(pool, config.timeout, new);
        let summary = format!("postgres {database}, table {}", config.table);
        let meaning = match config.column {
            Some(_) => PutMeaning::Replace,
            None => PutMeaning::Merge,
        };
        let inspected = Inspected::open(config, sessions.clone(), database).await?;
        Ok(Self {
            sessions,
            inspected,
            meaning,
            summary,
        })
    }
}

impl Origin for PostgresOrigin {
    fn load<'a>(&'a self, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Fetched, OriginError>> {
        Box::pin(async move { Ok(Fetched::of(self.find(wanted).await?)) })
    }

    fn write<'a>(
        &'a self,
        wanted: Wanted<'a>,
        value: &'a Value,
    ) -> BoxFuture<'a, Result<Written, OriginError>> {
        Box::pin(self.change(wanted, Some(value)))
    }

    fn delete<'a>(&'a self, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Written, OriginError>> {
        Box::pin(self.change(wanted, None))
    }

    fn apply<'a>(
        &'a self,
        changes: &'a [Change<'a>],
    ) -> BoxFuture<'a, Vec<Result<Written, OriginError>>> {
        Box::pin(self.changes(changes))
    }

    fn put_meaning(&self) -> PutMeaning {
        self.meaning
    }

    fn whole(&self, wanted: Wanted<'_>, value: &Value) -> Option<Value> {
        match self.meaning {
            PutMeaning::Replace => Some(value.clone()),
            PutMeaning::Merge => {
                let table = self.inspected.known()?;
                row::whole(&table.table, &wanted, &value.bytes).map(Value::json)
            }
        }
    }

    fn computes(&self) -> bool {
        let Some(rows) = self.inspected.known() else {
            return true;
        };
        let table = &rows.table;
        let computed = |name: &str| name != table.key.name;
        let mut made = table.columns.iter().filter(|column| !column.settable);
        table.stirred || made.any(|column| computed(&column.name))
    }

    fn as_read(&self, value: &Value) -> Option<Value> {
        if self.meaning == PutMeaning::Replace {
            return Some(value.clone());
        }
        let rows = self.inspected.known()?;
        let (columns, key) = (&rows.table.columns, &rows.table.key.name);
        whole::fields(columns, key, &value.bytes).map(Value::json)
    }

    fn trouble(&self) -> Option<String> {
        self.inspected.trouble()
    }

    fn is_unfit(&self) -> bool {
        self.inspected.is_unfit()
    }

    fn sees(&self, class: &str) -> bool {
        crate::table_sees(class)
    }

    fn tells_resources(&self) -> bool {
        false
    }

    fn reads_query(&self) -> bool {
        false
    }

    fn summary(&self) -> String {
        self.summary.clone()
    }
}
