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
        return passes_code(db.code().code());
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

/// Why there is no connection: nothing was sent.
pub(super) fn of_pool(error: &PoolError, limit_ms: u64) -> OriginError {
    match error {
        PoolError::Timeout(TimeoutType::Wait) => OriginError::Timeout { limit_ms },
        PoolError::Timeout(_) => OriginError::Unreachable("connecting took too long".into()),
        PoolError::Backend(error) => OriginError::Unreachable(text(error)),
        other => OriginError::Failed(other.to_string()),
    }
}

/// Why a statement could not be prepared: nothing was executed.
pub(super) fn of_prepare(error: &Error, limit_ms: u64) -> OriginError {
    match error.as_db_error() {
        Some(db) => of_code(db, limit_ms),
        None => OriginError::Unreachable(text(error)),
    }
}

/// Why a statement failed. Where the connection broke, nobody knows whether it was executed.
pub(super) fn of_statement(error: &Error, limit_ms: u64) -> OriginError {
    match error.as_db_error() {
        Some(db) => of_code(db, limit_ms),
        None => OriginError::Failed(format!("{}; its end is unknown", text(error))),
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
    match db.constraint().or(db.column()) {
        Some(name) => format!("{} ({name}, SQLSTATE {code})", db.message()),
        None => format!("{} (SQLSTATE {code})", db.message()),
    }
}

fn of_code(db: &DbError, limit_ms: u64) -> OriginError {
    let said = said(db);
    match db.code().code() {
        "57014" => OriginError::Timeout { limit_ms },
        // Data, constraints, a row named twice, triggers that object, rows too large for an index.
        code if ["22", "23", "21", "44", "54"]
            .iter()
            .any(|class| code.starts_with(class)) =>
        {
            OriginError::Rejected(said)
        }
        "P0001" => OriginError::Rejected(said),
        "42501" => OriginError::Failed(format!("{said}: grant the origin's user what it needs")),
        code if code.starts_with("42") || code == "0A000" => OriginError::Failed(format!(
            "{said}: the table is no longer as it was at the start; restart after changing it"
        )),
        _ => OriginError::Failed(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
