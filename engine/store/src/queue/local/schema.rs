//! The format of the file, and how older ones become it.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use super::config::QueueOpenError;

/// Tells a queue from other SQLite files: "LdrQ".
const APPLICATION: i32 = 0x4c64_7251;

/// What makes each format of the one before it, beginning with an empty file. Steps are added,
/// never edited: a file of any version is somebody's unflushed writes.
const STEPS: &[&str] = &[
    // `change`: all that the origin does not have yet, dead or alive. `letter`: which of them are
    // dead. `operation`: what was taken in the last minutes, flushed or not. All of them grow at
    // their end, so that a commit touches few pages.
    "CREATE TABLE change (
         sequence INTEGER PRIMARY KEY,
         record BLOB NOT NULL
     ) STRICT;
     CREATE TABLE letter (
         sequence INTEGER PRIMARY KEY,
         died INTEGER NOT NULL,
         why TEXT NOT NULL
     ) STRICT;
     CREATE TABLE operation (
         sequence INTEGER PRIMARY KEY,
         fingerprint BLOB NOT NULL
     ) STRICT;",
];

/// Brings the file at `path` to the format of this version.
pub(super) fn migrate(db: &mut Connection, path: &Path) -> Result<(), QueueOpenError> {
    migrate_by(STEPS, db, path)
}

fn migrate_by(steps: &[&str], db: &mut Connection, path: &Path) -> Result<(), QueueOpenError> {
    let known = steps.len() as i32;
    let found = version(db, path)?;
    if found > known {
        return Err(QueueOpenError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    let run = |db: &mut Connection| -> rusqlite::Result<()> {
        // One transaction: a process that dies here leaves the format that was there.
        let all = Transaction::new(db, TransactionBehavior::Immediate)?;
        for step in &steps[found as usize..] {
            all.execute_batch(step)?;
        }
        all.pragma_update(None, "application_id", APPLICATION)?;
        all.pragma_update(None, "user_version", known)?;
        all.commit()
    };
    if found < known {
        run(db).map_err(|error| broken(path, &error))?;
    }
    Ok(())
}

/// The format of the file; 0 where it is empty.
fn version(db: &Connection, path: &Path) -> Result<i32, QueueOpenError> {
    let number = |pragma: &str| db.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let foreign = |why: &str| QueueOpenError::Foreign {
        path: path.to_owned(),
        why: why.to_owned(),
    };
    let failed = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => foreign("it is not a SQLite file"),
        _ => broken(path, &error),
    };
    let (application, version) = (
        number("application_id").map_err(failed)?,
        number("user_version").map_err(failed)?,
    );
    let tables = "SELECT count(*) FROM sqlite_schema";
    let tables: i64 = db.query_row(tables, [], |row| row.get(0)).map_err(failed)?;
    match (application, version, tables) {
        (0, 0, 0) => Ok(0),
        (APPLICATION, 1.., _) => Ok(version),
        (APPLICATION, ..) => Err(foreign("it has no format")),
        _ => Err(foreign("another program made it")),
    }
}

pub(super) fn broken(path: &Path, error: &rusqlite::Error) -> QueueOpenError {
    QueueOpenError::Broken {
        path: path.to_owned(),
        why: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "queue.db";

    fn open() -> Connection {
        Connection::open_in_memory().unwrap()
    }

    fn migrate_to(steps: &[&str], db: &mut Connection) -> Result<(), QueueOpenError> {
        migrate_by(steps, db, Path::new(PATH))
    }

    #[test]
    fn older_formats_are_brought_forward_and_newer_ones_refused() {
        let mut db = open();
        let steps = ["CREATE TABLE a (x)", "INSERT INTO a VALUES (2)"];
        migrate_to(&steps[..1], &mut db).unwrap();
        db.execute_batch("INSERT INTO a VALUES (1)").unwrap();
        migrate_to(&steps, &mut db).unwrap();
        migrate_to(&steps, &mut db).unwrap();
        let sum = db.query_row("SELECT sum(x) FROM a", [], |row| row.get(0));
        assert_eq!(sum, Ok(3), "a step runs once, over what is there");

        let refused = migrate_to(&steps[..1], &mut db).unwrap_err();
        let (found, known) = (2, 1);
        let path = PATH.into();
        assert_eq!(refused, QueueOpenError::Newer { path, found, known });
    }

    #[test]
    fn a_step_that_fails_leaves_the_format_from_before() {
        let mut db = open();
        migrate_to(&["CREATE TABLE a (x)"], &mut db).unwrap();
        let steps = ["", "CREATE TABLE b (x); CREATE TABLE a (x)"];
        assert!(migrate_to(&steps, &mut db).is_err());
        assert_eq!(version(&db, Path::new(PATH)), Ok(1));
        assert!(db.prepare("SELECT * FROM b").is_err());
    }

    #[test]
    fn files_of_others_are_refused() {
        for (made, why) in [
            ("CREATE TABLE a (x)", "another program made it"),
            ("PRAGMA application_id = 7", "another program made it"),
            ("PRAGMA user_version = 1", "another program made it"),
        ] {
            let mut db = open();
            db.execute_batch(made).unwrap();
            let refused = migrate(&mut db, Path::new(PATH)).unwrap_err();
            assert!(refused.to_string().contains(why), "{refused}");
        }
    }
}
