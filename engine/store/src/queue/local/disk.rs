//! The file: what is read of it when it is opened, and how it is written.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use larder_core::Timestamp;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior, params};

use super::config::QueueOpenError;
use super::grow::may_not_grow;
use super::operations::Mark;
use super::schema::{broken, migrate};
use crate::queue::QueueError;

/// Pages of the log after which they are copied into the file, which the commits that are waiting
/// then wait for: few enough that it takes some ten milliseconds.
const CHECKPOINT_PAGES: i32 = 2_000;

/// The only connection to the file.
pub(super) struct Disk {
    db: Connection,
    path: PathBuf,
}

/// What a file holds.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) changes: Vec<(u64, Bytes)>,
    pub(super) letters: Vec<(u64, Timestamp, String)>,
    pub(super) operations: Vec<(u64, Mark)>,
}

impl Disk {
    /// Opens the file, or makes it, and brings it to the format of this version.
    pub(super) fn open(path: PathBuf) -> Result<(Self, Contents), QueueOpenError> {
        let mut db = connect(&path).map_err(|error| broken(&path, &error))?;
        migrate(&mut db, &path)?;
        configure(&db).map_err(|why| QueueOpenError::Broken {
            path: path.clone(),
            why,
        })?;
        let contents = read(&db).map_err(|error| broken(&path, &error))?;
        Ok((Self { db, path }, contents))
    }

    #[cfg(test)]
    pub(super) fn pragma(&self, pragma: &str) {
        self.db.execute_batch(&format!("PRAGMA {pragma}")).unwrap();
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Does `work` in one transaction, which is on the disk when this answers.
    pub(super) fn write<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, QueueError> {
        let result = self.try_write(work);
        result.map_err(|error| {
            // Copying the log into the file lets the log be written from its beginning: on a
            // full disk the room for recording what was flushed comes from there.
            let _ = self.db.execute_batch("PRAGMA wal_checkpoint(RESTART)");
            self.failed(&error)
        })
    }

    fn try_write<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let all = Transaction::new(&mut self.db, TransactionBehavior::Immediate)?;
        let result = work(&all)?;
        all.commit()?;
        Ok(result)
    }

    fn failed(&self, error: &rusqlite::Error) -> QueueError {
        let path = self.path.display();
        // A log that could not be written ends before the commit, so nothing was taken.
        let unwritten = error
            .sqlite_error()
            .is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_WRITE);
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => QueueError::Full(format!(
                "the disk that {path} is on has no room left: make room there"
            )),
            _ if unwritten && may_not_grow(&self.log()) => QueueError::Full(format!(
                "the system lets {path} not grow: make room there, or raise the quota or the \
                 limit to the size of files"
            )),
            _ => QueueError::Failed(format!("{path} cannot be written: {error}")),
        }
    }

    fn log(&self) -> PathBuf {
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        log.into()
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    // Nobody else may look in: no locks are taken and no memory is shared for each commit.
    db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    Ok(db)
}

fn configure(db: &Connection) -> Result<(), String> {
    let words = |error: rusqlite::Error| error.to_string();
    let mode: String = db
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(words)?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(format!(
            "it cannot be put into WAL mode and stays in mode `{mode}`"
        ));
    }
    // FULL syncs the log at every commit. NORMAL would lose commits in a power loss.
    db.pragma_update(None, "synchronous", "FULL")
        .map_err(words)?;
    db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)
        .map_err(words)
}

fn read(db: &Connection) -> rusqlite::Result<Contents> {
    let mut contents = Contents::default();
    let mut changes = db.prepare("SELECT sequence, record FROM change ORDER BY sequence")?;
    let mut rows = changes.query([])?;
    while let Some(row) = rows.next()? {
        let record = bytes_of(row.get_ref(1)?).to_vec();
        contents
            .changes
            .push((row.get::<_, i64>(0)? as u64, record.into()));
    }
    let mut letters = db.prepare("SELECT sequence, died, why FROM letter ORDER BY sequence")?;
    let mut rows = letters.query([])?;
    while let Some(row) = rows.next()? {
        let died = row.get_ref(1)?.as_i64().unwrap_or_default();
        let why = String::from_utf8_lossy(bytes_of(row.get_ref(2)?)).into_owned();
        let sequence = row.get::<_, i64>(0)? as u64;
        contents
            .letters
            .push((sequence, Timestamp(died as u64), why));
    }
    let mut operations = db.prepare("SELECT sequence, fingerprint FROM operation")?;
    let mut rows = operations.query([])?;
    while let Some(row) = rows.next()? {
        let sequence = row.get::<_, i64>(0)? as u64;
        // One that is damaged keeps its place, so that numbers go on growing.
        let mark = Mark::read(bytes_of(row.get_ref(1)?));
        contents.operations.push((sequence, mark));
    }
    Ok(contents)
}

/// Whatever its type: a file that was damaged may say anything.
fn bytes_of(value: ValueRef<'_>) -> &[u8] {
    match value {
        ValueRef::Blob(bytes) | ValueRef::Text(bytes) => bytes,
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => &[],
    }
}

pub(super) fn put(
    all: &Transaction<'_>,
    sequence: u64,
    record: &[u8],
    mark: &Mark,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO change (sequence, record) VALUES (?, ?)";
    all.prepare_cached(sql)?
        .execute(params![sequence as i64, record])?;
    let (bytes, length) = mark.bytes();
    let sql = "INSERT INTO operation (sequence, fingerprint) VALUES (?, ?)";
    all.prepare_cached(sql)?
        .execute(params![sequence as i64, &bytes[..length]])?;
    Ok(())
}

pub(super) fn remove(all: &Transaction<'_>, sequence: u64) -> rusqlite::Result<()> {
    let sql = "DELETE FROM change WHERE sequence = ?";
    all.prepare_cached(sql)?.execute([sequence as i64])?;
    Ok(())
}

pub(super) fn bury(
    all: &Transaction<'_>,
    sequence: u64,
    died: Timestamp,
    why: &str,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO letter (sequence, died, why) VALUES (?, ?, ?)";
    all.prepare_cached(sql)?
        .execute(params![sequence as i64, died.0 as i64, why])?;
    Ok(())
}

pub(super) fn unbury(all: &Transaction<'_>, sequence: u64) -> rusqlite::Result<()> {
    let sql = "DELETE FROM letter WHERE sequence = ?";
    all.prepare_cached(sql)?.execute([sequence as i64])?;
    Ok(())
}

/// Removes the oldest operations below `horizon`, at most `limit`, and answers them.
pub(super) fn prune(
    all: &Transaction<'_>,
    horizon: u64,
    limit: usize,
) -> rusqlite::Result<Vec<(u64, Mark)>> {
    let sql = "SELECT sequence, fingerprint FROM operation WHERE sequence <= ? \
               ORDER BY sequence LIMIT ?";
    let mut old = all.prepare_cached(sql)?;
    let mut rows = old.query(params![horizon as i64, limit as i64])?;
    let mut pruned = Vec::new();
    while let Some(row) = rows.next()? {
        let mark = Mark::read(bytes_of(row.get_ref(1)?));
        pruned.push((row.get::<_, i64>(0)? as u64, mark));
    }
    drop(rows);
    if let Some((last, _)) = pruned.last() {
        let sql = "DELETE FROM operation WHERE sequence <= ?";
        all.prepare_cached(sql)?.execute([*last as i64])?;
    }
    Ok(pruned)
}
