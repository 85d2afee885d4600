//! What a connection takes the file for, and whether somebody has written it past SQLite.

use std::fs::Metadata;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::time::SystemTime;

use rusqlite::Connection;

/// A file as it was when it was last looked at. Who copies another one over it (`cp`, `rsync
/// --inplace`) changes neither its identity nor, where the new one was made in the same way, the
/// counters by which SQLite knows that its pages and its schema are outdated.
pub(super) struct Content {
    stamp: Option<Stamp>,
    schema: Option<Schema>,
}

/// Whatever writes a file changes it.
type Stamp = (u64, Option<SystemTime>);

/// SQLite's count of the changes of a schema, and what the schema says.
type Schema = (i64, u64);

impl Content {
    pub(super) fn of(path: &Path, db: &Connection) -> Self {
        Self {
            stamp: stamp(path),
            schema: schema(db).ok(),
        }
    }

    pub(super) fn is_as_seen(&self, path: &Path) -> bool {
        stamp(path) == self.stamp
    }

    /// Makes the connection read again what is in the file. False where it is another file by now
    /// that only looks the same to SQLite.
    pub(super) fn follow(&mut self, path: &Path, db: &Connection) -> bool {
        let now = stamp(path);
        if is_wal(db) {
            self.stamp = now;
            return true;
        }
        // Only what nobody uses at the moment is given up: all of it, between two transactions.
        let shrunk = db.execute_batch("PRAGMA shrink_memory");
        // Who writes by SQLite holds the file's lock: it is looked at again by the next call.
        let Ok(schema) = shrunk.and_then(|()| schema(db)) else {
            return true;
        };
        let is_same = self
            .schema
            .is_none_or(|known| known.0 != schema.0 || known == schema);
        self.stamp = now;
        self.schema = Some(schema);
        is_same
    }

    /// Takes what this connection itself has written for seen.
    pub(super) fn written(&mut self, path: &Path) {
        self.stamp = stamp(path);
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let of = |found: Metadata| (found.len(), found.modified().ok());
    std::fs::metadata(path).ok().map(of)
}

/// In WAL mode what was written is in the log, and the file changes when that is emptied into it.
fn is_wal(db: &Connection) -> bool {
    let mode = db.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0));
    mode.is_ok_and(|mode| mode.eq_ignore_ascii_case("wal"))
}

fn schema(db: &Connection) -> rusqlite::Result<Schema> {
    let version = db.pragma_query_value(None, "schema_version", |row| row.get(0))?;
    let mut asked = db.prepare_cached("SELECT rootpage, sql FROM sqlite_schema")?;
    let mut rows = asked.query([])?;
    let mut hasher = DefaultHasher::new();
    while let Some(row) = rows.next()? {
        let (root, sql): (Option<i64>, Option<String>) = (row.get(0)?, row.get(1)?);
        (root, sql).hash(&mut hasher);
    }
    Ok((version, hasher.finish()))
}
