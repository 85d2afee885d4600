//! A SQLite file for one test.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;

/// A new database file, removed when dropped.
#[derive(Debug)]
pub struct SqliteFile {
    path: PathBuf,
    _folder: TempDir,
}

impl SqliteFile {
    /// Makes one with these tables.
    #[must_use]
    pub fn create(schema: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let file = Self {
            path: folder.path().join("shop.db"),
            _folder: folder,
        };
        file.run(schema);
        file
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs statements, past the origin.
    pub fn run(&self, sql: &str) {
        let db = Connection::open(&self.path).expect("it opens");
        db.execute_batch(sql).expect("it runs");
    }
}
