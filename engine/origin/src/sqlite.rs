//! Rows of a SQLite table as an origin.

mod as_read;
mod batch;
mod config;
mod content;
#[cfg(test)]
mod contract;
mod edit;
mod failure;
mod file;
mod link;
mod look;
mod outbox;
mod row;
mod schema;
mod sql;
mod statement;
#[cfg(test)]
mod tests;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use larder_core::Value;

pub use config::SqliteConfig;
use edit::Edit;
use file::File;
use link::{How, Link};
use look::{Look, Seen};
pub use outbox::SqliteOutbox;
use schema::Table;
use statement::Limits;
use worker::{Pool, Post, Task, Watch};

use crate::{
    Change, Fetched, OpenError, Origin, OriginError, PutMeaning, Wanted, Written, fields, whole,
};

/// Connections that read.
const READERS: usize = 2;

/// How often the table is looked at while nobody calls; each call looks by itself.
const LOOK: Duration = Duration::from_secs(1);

/// One table of a SQLite database, one row for each id.
///
/// A load answers the row as a JSON object, its columns in table order: integers, reals, text and
/// null as they are, blobs as base64, columns declared `BOOLEAN` as `true` and `false`, and JSON in
/// columns declared so as what it spells. Ids fit a key in its one spelling only, so `042` is not
/// row 42. The columns that keep version, sequence and deletion are no part of the value. The
/// attribute `query.field` names columns, and the value is an object of those alone; tenant,
/// resource and other attributes of [`Wanted`] are ignored: give each resource its own table or
/// view, and each tenant its own.
///
/// A write takes a JSON object whose fields are columns. It updates those columns of the row, the
/// others staying as they are, or inserts the row, and answers the row as its triggers leave it;
/// what would be larger than values may be is not written. Generated columns are left out, so a row
/// can be written as it was read. In a row that is marked as deleted the others become what they
/// would be in a new row.
///
/// Every call is about the file that is at the path then, and about the table as it is in the moment
/// of its transaction. Where that no longer fits the configuration, the call is answered by
/// [`OriginError::Schema`]. The file is left in the mode that it has, and one that may only be read
/// is only read.
pub struct SqliteOrigin {
    reads: Pool,
    writes: Pool,
    summary: String,
    seen: Arc<Seen>,
    _watch: Watch,
}

impl SqliteOrigin {
    /// Opens the database and checks that table and columns exist. This blocks: call it at start.
    ///
    /// # Errors
    /// Names the setting, file, table or column that is wrong, and what exists instead.
    pub fn open(config: SqliteConfig) -> Result<Self, OpenError> {
        check(&config)?;
        let table = Table::inspect(&open_first(&config)?, &config)?;
        let limits = Limits::of(&config);
        let summary = format!("sqlite {}, table {}", config.path.display(), config.table);
        let seen = Arc::new(Seen::default());
        seen.fits(&Arc::new(table));
        let config = Arc::new(config);
        let file = File::at(&config.path);
        let post = |writes| Post {
            seat: file.seat(how(&config, writes), limits),
            look: Look::new(&config, &seen),
        };
        let start = |name: &str, posts| {
            Pool::start(name, posts, (config.timeout, limits))
                .map_err(|error| no_thread(&config, &error))
        };
        let reads = start("read", (0..READERS).map(|_| post(false)).collect())?;
        let watch = reads
            .watch(LOOK)
            .map_err(|error| no_thread(&config, &error))?;
        Ok(Self {
            writes: start("write", vec![post(true)])?,
            reads,
            summary,
            seen,
            _watch: watch,
        })
    }

    /// Has one edit made that was not queued.
    async fn one(&self, wanted: Wanted<'_>, body: Option<Bytes>) -> Result<Written, OriginError> {
        let edit = Edit {
            id: wanted.id.into(),
            body,
            sequence: None,
            fields: fields::asked(&wanted),
        };
        let answers = self.writes.call(Task::Edit(vec![edit])).await?;
        only(answers)
    }
}

impl Origin for SqliteOrigin {
    fn load<'a>(&'a self, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Fetched, OriginError>> {
        Box::pin(async move {
            let (id, fields) = (wanted.id.into(), fields::asked(&wanted));
            let found = only(self.reads.call(Task::Load { id, fields }).await?)?;
            Ok(Fetched::of(found.value))
        })
    }

    fn write<'a>(
        &'a self,
        wanted: Wanted<'a>,
        value: &'a Value,
    ) -> BoxFuture<'a, Result<Written, OriginError>> {
        Box::pin(self.one(wanted, Some(value.bytes.clone())))
    }

    fn delete<'a>(&'a self, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Written, OriginError>> {
        Box::pin(self.one(wanted, None))
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
            fields: fields::asked(&change.wanted),
        });
        let edits = Task::Edit(edits.collect());
        Box::pin(async move {
            let answers = self.writes.call(edits).await;
            answers.unwrap_or_else(|error| vec![Err(error); changes.len()])
        })
    }

    fn sees(&self, class: &str) -> bool {
        crate::table_sees(class)
    }

    fn trouble(&self) -> Option<String> {
        self.seen.trouble()
    }

    fn is_unfit(&self) -> bool {
        self.seen.trouble().is_some()
    }

    fn put_meaning(&self) -> PutMeaning {
        PutMeaning::Merge
    }

    fn whole(&self, wanted: Wanted<'_>, value: &Value) -> Option<Value> {
        let table = self.seen.table()?;
        row::whole(&table, &wanted, &value.bytes).map(Value::json)
    }

    fn computes(&self) -> bool {
        let table = self.seen.table();
        table.is_none_or(|table| {
            table.stirred || table.columns.iter().any(|column| column.generated)
        })
    }

    fn as_read(&self, value: &Value) -> Option<Value> {
        let table = self.seen.table()?;
        whole::fields(&table.columns, table.key_name(), &value.bytes).map(Value::json)
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
    config.check()?;
    if matches!(config.path.try_exists(), Ok(false)) {
        return Err(OpenError::NoFile {
            path: config.path.clone(),
        });
    }
    Ok(())
}

/// The database, for a first look at what is in it.
fn open_first(config: &SqliteConfig) -> Result<rusqlite::Connection, OpenError> {
    let broken = |why| OpenError::Database {
        path: config.path.clone(),
        why,
    };
    let link = Link::open(&config.path, how(config, true));
    let link = link.map_err(|error| broken(error.to_string()))?;
    let mode = link
        .db
        .pragma_query_value(None, "journal_mode", |row| row.get(0));
    let mode: String = mode.map_err(|error| broken(error.to_string()))?;
    if config.wal && !mode.eq_ignore_ascii_case("wal") {
        return Err(broken(format!(
            "it cannot be put into WAL mode and stays in mode `{mode}`; leave `wal` out"
        )));
    }
    Ok(link.db)
}

fn how(config: &SqliteConfig, writes: bool) -> How {
    // Below 1 MiB the schema itself might no longer fit.
    let largest = config.max_bytes.max(1 << 20);
    How {
        writes,
        wal: config.wal,
        timeout: config.timeout,
        largest: i32::try_from(largest).unwrap_or(i32::MAX),
    }
}

fn no_thread(config: &SqliteConfig, error: &std::io::Error) -> OpenError {
    OpenError::Database {
        path: config.path.clone(),
        why: format!("no thread can be started for it: {error}"),
    }
}
