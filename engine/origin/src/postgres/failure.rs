//! What the server and its driver say, as errors of an origin.

use std::error::Error as _;

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::Error;
use tokio_postgres::error::DbError;

use super::tls;
use crate::OriginError;

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
