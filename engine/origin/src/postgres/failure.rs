//! What the server and its driver say, as errors of an origin.

use std::error::Error as _;
use std::io;

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::Error;
use tokio_postgres::error::DbError;

use super::tls;
use crate::{OpenError, OriginError};

/// Why the server could not be asked about the table for want of a connection.
pub(super) fn of_connecting(error: &PoolError, database: &str) -> OpenError {
    let database = database.to_owned();
    match error {
        PoolError::Backend(error) => of_asking(error, &database),
        PoolError::Timeout(_) => OpenError::Unreachable {
            database,
            why: "connecting took too long".into(),
        },
        other => OpenError::Server {
            database,
            why: other.to_string(),
        },
    }
}

/// Why the server did not say what the table is.
pub(super) fn of_asking(error: &Error, database: &str) -> OpenError {
    let (database, why) = (database.to_owned(), text(error));
    match passes(error) {
        true => OpenError::Unreachable { database, why },
        false => OpenError::Server { database, why },
    }
}

/// Whether waiting may help, without anything being changed here or in the database.
fn passes(error: &Error) -> bool {
    if let Some(db) = error.as_db_error() {
        return passes_code(db.code().code()) && !is_of_pooler(db);
    }
    let source = error.source().and_then(|source| source.downcast_ref());
    error.is_closed() || source.is_some_and(|error: &io::Error| passes_kind(error.kind()))
}

/// Connections that broke or are too many, resources that ran out, statements that took too long,
/// a server that starts, stops or recovers.
fn passes_code(code: &str) -> bool {
    let classes = ["08", "53", "57P", "58"];
    code == "57014" || classes.iter().any(|class| code.starts_with(class))
}

/// A certificate that is not accepted arrives as invalid data.
const fn passes_kind(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, PermissionDenied, Unsupported};
    !matches!(
        kind,
        InvalidData | InvalidInput | Other | PermissionDenied | Unsupported
    )
}

/// What a statement is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Read,
    /// A write whose client waits for the answer.
    Write,
    /// Writes that wait in a queue until the origin takes them.
    Queued,
}

/// Why a statement brought nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no connection: nothing was sent.
    Connecting(PoolError),
    /// It could not be prepared: nothing was executed.
    Preparing(Error),
    /// It failed. Where the connection broke, nobody knows whether it was executed.
    Statement(Error),
}

impl Failure {
    /// What it is to the caller of the origin.
    pub(super) fn of(self, verb: Verb, limit_ms: u64) -> OriginError {
        match self {
            Self::Connecting(error) => of_pool(&error, limit_ms),
            Self::Preparing(error) => match error.as_db_error() {
                Some(db) => of_code(db, verb, limit_ms),
                None => OriginError::Unreachable(text(&error)),
            },
            Self::Statement(error) => match error.as_db_error() {
                Some(db) => of_code(db, verb, limit_ms),
                None => OriginError::Failed(format!("{}; its end is unknown", text(&error))),
            },
        }
    }

    /// Whether the rows of the statement may be to blame, so that it is worth while to look for the
    /// one that is: it was executed, and what the server says is not one of the few things that pass
    /// by themselves, whoever asks.
    pub(super) fn may_be_a_rows(&self) -> bool {
        match self {
            Self::Statement(error) => error
                .code()
                .is_some_and(|code| !PASSING.iter().any(|one| code.code().starts_with(one))),
            Self::Connecting(_) | Self::Preparing(_) => false,
        }
    }

    /// Whether a value could not be what it was to be: of its type, or within its bounds.
    pub(super) fn is_of_data(&self) -> bool {
        let (Self::Preparing(error) | Self::Statement(error)) = self else {
            return false;
        };
        let code = error.code().map_or("", |code| code.code());
        code.starts_with("22") || code.starts_with("23")
    }
}

fn of_pool(error: &PoolError, limit_ms: u64) -> OriginError {
    match error {
        PoolError::Timeout(TimeoutType::Wait) => OriginError::Timeout { limit_ms },
        PoolError::Timeout(_) => OriginError::Unreachable("connecting took too long".into()),
        PoolError::Backend(error) => OriginError::Unreachable(text(error)),
        other => OriginError::Failed(other.to_string()),
    }
}

/// The innermost reason; it carries no credentials.
pub(super) fn text(error: &Error) -> String {
    if let Some(db) = error.as_db_error() {
        return said(db);
    }
    match error.source() {
        Some(source) => match tls::advice(source) {
            Some(advice) => format!("{error}: {source}: {advice}"),
            None => format!("{error}: {source}"),
        },
        None => error.to_string(),
    }
}

fn said(db: &DbError) -> String {
    let code = db.code().code();
    if is_of_pooler(db) {
        return format!("{} (SQLSTATE {code}): {POOLER}", db.message());
    }
    match db.constraint().or(db.column()) {
        Some(name) => format!("{} ({name}, SQLSTATE {code})", db.message()),
        None => format!("{} (SQLSTATE {code})", db.message()),
    }
}

const POOLER: &str = "a pooler stands before the server: have it take what it does not know, with \
    `ignore_startup_parameters = options` in pgbouncer.ini";

/// Whether a pooler refuses what a connection begins with.
fn is_of_pooler(db: &DbError) -> bool {
    db.code().code() == "08P01" && db.message().contains("startup parameter")
}

fn of_code(db: &DbError, verb: Verb, limit_ms: u64) -> OriginError {
    let said = said(db);
    match meaning(db.code().code(), db.routine(), verb) {
        Meaning::Late => OriginError::Timeout { limit_ms },
        Meaning::Schema => OriginError::Schema(said),
        Meaning::Forbidden => OriginError::Failed(format!("{said}: {GRANT}")),
        Meaning::ReadOnly(advice) => OriginError::Rejected(format!("{said}: {advice}")),
        Meaning::Refused => OriginError::Rejected(said),
        Meaning::Failed => OriginError::Failed(said),
    }
}

/// Codes that pass by themselves: lost connections, transactions that lost against others, want of
/// memory, disk or connections, locks, a server that ends, starts or is a standby, and its disk.
const PASSING: [&str; 9] = [
    "08", "40001", "40P01", "53", "55P03", "57P", "58", "25006", "25P",
];

/// What a code of the server says of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Late,
    /// The statement and the table are not made for each other, or no longer.
    Schema,
    Forbidden,
    /// Writes are not taken here, and reads are: no reason to leave the origin alone.
    ReadOnly(&'static str),
    /// What was to be written is wrong.
    Refused,
    Failed,
}

const GRANT: &str = "grant the origin's user what it needs";
const STANDBY: &str = "the server is a standby, or `default_transaction_read_only` is on: write \
    where the primary is, and ask again where it is being changed over";

/// The function of the server in which row security objects to a row, with the code that it has in
/// common with missing rights.
const ROW_SECURITY: &str = "ExecWithCheckOptions";

/// Codes of the server, its connections and its resources, and of foreign ones; of transactions
/// that lost against others; and of who may do what. No write is to blame for them.
const SERVERS: [&str; 16] = [
    "08", "0L", "0P", "25", "28", "2D", "3B", "3D", "40", "53", "55", "57", "58", "F0", "HV", "XX",
];

/// Of a read nothing is the reader's fault. Of a write everything is that is not known to be the
/// server's: constraints and bad data, and whatever an application's own triggers raise.
fn meaning(code: &str, routine: Option<&str>, verb: Verb) -> Meaning {
    match code {
        "57014" => Meaning::Late,
        "42501" if routine == Some(ROW_SECURITY) && verb != Verb::Read => Meaning::Refused,
        "42501" if verb == Verb::Write => Meaning::ReadOnly(GRANT),
        "42501" => Meaning::Forbidden,
        "25006" if verb == Verb::Write => Meaning::ReadOnly(STANDBY),
        "0A000" | "26000" | "3F000" => Meaning::Schema,
        code if code.starts_with("42") => Meaning::Schema,
        _ if verb == Verb::Read => Meaning::Failed,
        code if SERVERS.iter().any(|class| code.starts_with(class)) => Meaning::Failed,
        _ => Meaning::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_code_means_to_a_read_and_to_a_write() {
        use Meaning::{Failed, Forbidden, Late, ReadOnly, Refused, Schema};
        for (code, reading, writing) in [
            ("22012", Failed, Refused), // division by zero
            ("22P02", Failed, Refused), // no such value of the type
            ("23505", Failed, Refused), // not unique
            ("23503", Failed, Refused), // no such row in another table
            ("44000", Failed, Refused), // not a row of the view
            ("54000", Failed, Refused), // too large for an index
            ("27000", Failed, Refused), // a trigger changed the row before
            ("P0001", Failed, Refused), // raised without a code
            ("P0002", Failed, Refused), // no data found
            ("P0004", Failed, Refused), // an assertion failed
            ("SHOP1", Failed, Refused), // an application's own
            ("57014", Late, Late),      // it took too long
            ("42703", Schema, Schema),  // no such column
            ("42P01", Schema, Schema),  // no such table
            ("42883", Schema, Schema),  // no such operator: another type
            ("42P10", Schema, Schema),  // nothing keeps the key unique
            ("428C9", Schema, Schema),  // it is generated now
            ("3F000", Schema, Schema),  // no such schema
            ("0A000", Schema, Schema),  // the plan has another result
            ("26000", Schema, Schema),  // the statement is forgotten
            ("42501", Forbidden, ReadOnly(GRANT)),
            ("40001", Failed, Failed), // lost against another transaction
            ("40P01", Failed, Failed), // deadlock
            ("55P03", Failed, Failed), // locked
            ("25006", Failed, ReadOnly(STANDBY)),
            ("53100", Failed, Failed), // the disk is full
            ("57P01", Failed, Failed), // it is shutting down
            ("08006", Failed, Failed), // the connection failed
            ("58030", Failed, Failed), // input or output
            ("XX000", Failed, Failed), // a mistake of its own
        ] {
            assert_eq!(meaning(code, None, Verb::Read), reading, "{code}");
            assert_eq!(meaning(code, None, Verb::Write), writing, "{code}");
            // What is queued waits for the right to be written.
            let queued = match writing {
                ReadOnly(_) => reading,
                writing => writing,
            };
            assert_eq!(meaning(code, None, Verb::Queued), queued, "{code}");
        }
        for verb in [Verb::Write, Verb::Queued] {
            assert_eq!(meaning("42501", Some(ROW_SECURITY), verb), Refused);
        }
    }

    #[test]
    fn what_cures_itself_is_told_from_what_does_not() {
        for (code, cures) in [
            ("57P03", true),  // it is starting up
            ("57P01", true),  // it is shutting down
            ("53300", true),  // too many connections
            ("08006", true),  // the connection failed
            ("57014", true),  // the statement took too long
            ("28P01", false), // the password is wrong
            ("28000", false), // no such user, or not from here
            ("3D000", false), // no such database
            ("42501", false), // not allowed
        ] {
            assert_eq!(passes_code(code), cures, "{code}");
        }
        assert!(passes_kind(io::ErrorKind::ConnectionRefused));
        assert!(passes_kind(io::ErrorKind::TimedOut));
        assert!(!passes_kind(io::ErrorKind::InvalidData));
    }
}
