//! One connection, and the file that it has open.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::content::Content;
use super::file::Identity;

/// A connection keeps so many prepared statements: which fields are written is up to callers.
const PREPARED: usize = 100;

/// What has a meaning in the address of a file.
const ADDRESS: &AsciiSet = &CONTROLS.add(b'%').add(b'?').add(b'#');

/// Connections are told apart by number.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// How to open a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    pub(super) writes: bool,
    /// Whether the file is put into WAL mode; otherwise it stays as it is.
    pub(super) wal: bool,
    pub(super) timeout: Duration,
    /// No single value beyond is even read into memory.
    pub(super) largest: i32,
}

/// An open file.
pub(super) struct Link {
    pub(super) db: Connection,
    /// Which connection it is: what was learned on one may not hold on the next.
    pub(super) number: u64,
    pub(super) read_only: bool,
    log: PathBuf,
    /// The file as it was, where SQLite was told that nobody changes it.
    fixed: Option<Fixed>,
    path: PathBuf,
    content: Content,
    timeout: Duration,
}

/// Where a file is and how it looked.
struct Fixed {
    path: PathBuf,
    length: u64,
    changed: Option<SystemTime>,
}

impl Link {
    /// Opens the file; none is ever created.
    pub(super) fn open(path: &Path, how: How) -> rusqlite::Result<Self> {
        let db = connect(path, OpenFlags::empty(), how)?;
        let read_only = db.is_readonly("main")?;
        let asked = db.pragma_query_value(None, "schema_version", |_| Ok(()));
        let log = log_of(path);
        let (db, fixed) = match asked {
            Ok(()) => (db, None),
            // In WAL mode even readers need files beside it, which cannot be made where nothing may
            // be written. Without a log nobody has it open, and all there is is in the file.
            Err(error) if read_only && no_files(&error) && !log.exists() => {
                drop(db);
                let address = address(path);
                let db = connect(Path::new(&address), OpenFlags::SQLITE_OPEN_URI, how)?;
                db.pragma_query_value(None, "schema_version", |_| Ok(()))?;
                (db, Fixed::of(path))
            }
            Err(error) => return Err(error),
        };
        if how.wal && how.writes && !read_only {
            db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        }
        if !how.writes {
            db.pragma_update(None, "query_only", true)?;
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let content = Content::of(path, &db);
        Ok(Self {
            db,
            number,
            read_only,
            log,
            fixed,
            path: path.to_owned(),
            content,
            timeout: how.timeout,
        })
    }

    /// Whether it was to be a file that nobody changes, and somebody has, or one that SQLite takes
    /// for what it no longer is.
    pub(super) fn is_outdated(&mut self) -> bool {
        let fixed = self.fixed.as_ref();
        if fixed.is_some_and(|fixed| self.log.exists() || !fixed.is_same()) {
            return true;
        }
        if self.content.is_as_seen(&self.path) {
            return false;
        }
        // What is left of the call before ends none of this.
        let db = &mut self.db;
        let free = db.progress_handler(0, None::<fn() -> bool>);
        let free = free.and_then(|()| db.busy_timeout(Duration::ZERO));
        let same = self.content.follow(&self.path, db);
        free.and_then(|()| db.busy_timeout(self.timeout)).is_err() || !same
    }

    /// Takes what was written by this connection for known.
    pub(super) fn written(&mut self) {
        self.content.written(&self.path);
    }

    /// Closes a file that is no longer at its path. What its log holds goes into it, so that the
    /// log is not taken for that of the file which is there now; answered is the log where another
    /// program keeps that from being done.
    pub(super) fn leave(self) -> Option<(PathBuf, Identity)> {
        let whose = Identity::of(&self.log).ok();
        let _ = self.db.busy_timeout(Duration::ZERO);
        let emptied = self
            .db
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
        // In other modes there is no log, and nothing is busy.
        let is_busy = emptied.unwrap_or(1_i64) != 0;
        Some((self.log, whose?)).filter(|_| is_busy)
    }
}

impl Fixed {
    fn of(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        Some(Self {
            path: path.to_owned(),
            length: found.len(),
            changed: found.modified().ok(),
        })
    }

    fn is_same(&self) -> bool {
        let same = |now: Metadata| now.len() == self.length && now.modified().ok() == self.changed;
        std::fs::metadata(&self.path).is_ok_and(same)
    }
}

fn connect(path: &Path, more: OpenFlags, how: How) -> rusqlite::Result<Connection> {
    // Without CREATE a file that vanished stays absent.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let db = Connection::open_with_flags(path, flags)?;
    // In double quotes is a name, and never a text where there is no such column.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    db.busy_timeout(how.timeout)?;
    db.set_prepared_statement_cache_capacity(PREPARED);
    db.set_limit(Limit::SQLITE_LIMIT_LENGTH, how.largest)?;
    Ok(db)
}

fn no_files(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly)
    )
}

/// The file's log. SQLite keeps it beside the file itself, whatever links lead there.
fn log_of(path: &Path) -> PathBuf {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut log = path.into_os_string();
    log.push("-wal");
    log.into()
}

fn address(path: &Path) -> String {
    let path = path.to_string_lossy();
    format!("file:{}?immutable=1", utf8_percent_encode(&path, ADDRESS))
}
