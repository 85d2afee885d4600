//! What SQLite says, as errors of an origin.

use rusqlite::{Error, ErrorCode};

use super::statement::Limits;
use crate::OriginError;

/// Why a read failed. Nothing that a row or a view holds is the reader's fault.
pub(super) fn of_reading(error: &Error, limits: Limits) -> OriginError {
    match error.sqlite_error_code() {
        Some(ErrorCode::TooBig) => OriginError::TooLarge {
            limit_bytes: limits.max_bytes,
        },
        code => common(code, error, limits),
    }
}

/// Why a write could not be begun, or a statement of it not be understood.
pub(super) fn of_preparing(error: &Error, limits: Limits) -> OriginError {
    let said = error.to_string();
    // A view without a trigger for it, or a table of SQLite's own: no write of it ever succeeds.
    match said.contains("cannot modify") || said.contains("may not be modified") {
        true => OriginError::Rejected(said),
        false => of_writing_code(error.sqlite_error_code(), error, limits),
    }
}

/// Why a write was not done. What its own values lead to is the writer's fault: constraints,
/// triggers that object, and expressions that fail on them.
pub(super) fn of_writing(error: &Error, limits: Limits) -> OriginError {
    match error.sqlite_error_code() {
        Some(ErrorCode::Unknown) => OriginError::Rejected(error.to_string()),
        code => of_writing_code(code, error, limits),
    }
}

fn of_writing_code(code: Option<ErrorCode>, error: &Error, limits: Limits) -> OriginError {
    match code {
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) => {
            OriginError::Rejected(error.to_string())
        }
        Some(ErrorCode::TooBig) => OriginError::WriteTooLarge {
            limit_bytes: limits.max_bytes,
        },
        code => common(code, error, limits),
    }
}

fn common(code: Option<ErrorCode>, error: &Error, limits: Limits) -> OriginError {
    let why = error.to_string();
    match code {
        Some(
            ErrorCode::OperationInterrupted | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked,
        ) => OriginError::Timeout {
            limit_ms: limits.timeout_ms,
        },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => OriginError::Broken(why),
        Some(ErrorCode::CannotOpen) => OriginError::Unreachable(why),
        _ => OriginError::Failed(why),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn what_a_code_means_to_a_read_and_to_a_write() {
        let limits = Limits {
            timeout_ms: 1,
            max_bytes: 1,
        };
        for (code, reading, preparing, writing) in [
            (
                ffi::SQLITE_CONSTRAINT_CHECK,
                "failed",
                "rejected",
                "rejected",
            ),
            (
                ffi::SQLITE_CONSTRAINT_TRIGGER,
                "failed",
                "rejected",
                "rejected",
            ),
            (ffi::SQLITE_MISMATCH, "failed", "rejected", "rejected"),
            (ffi::SQLITE_ERROR, "failed", "failed", "rejected"),
            (
                ffi::SQLITE_TOOBIG,
                "too_large",
                "write_too_large",
                "write_too_large",
            ),
            (ffi::SQLITE_BUSY, "timeout", "timeout", "timeout"),
            (ffi::SQLITE_INTERRUPT, "timeout", "timeout", "timeout"),
            (ffi::SQLITE_CORRUPT, "broken", "broken", "broken"),
            (
                ffi::SQLITE_CANTOPEN,
                "unreachable",
                "unreachable",
                "unreachable",
            ),
            (ffi::SQLITE_READONLY, "failed", "failed", "failed"),
            (ffi::SQLITE_FULL, "failed", "failed", "failed"),
            (ffi::SQLITE_IOERR, "failed", "failed", "failed"),
        ] {
            let error = Error::SqliteFailure(ffi::Error::new(code), None);
            assert_eq!(of_reading(&error, limits).as_str(), reading, "{error}");
            assert_eq!(of_preparing(&error, limits).as_str(), preparing, "{error}");
            assert_eq!(of_writing(&error, limits).as_str(), writing, "{error}");
        }
        let view = "cannot modify names because it is a view".to_owned();
        let view = Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_ERROR), Some(view));
        assert_eq!(of_preparing(&view, limits).as_str(), "rejected");
    }
}
