//! Notices that a database was exchanged for another one, of which Redis tells nobody.
//!
//! SWAPDB pushes nothing, and what was put aside by it is changed in vain: an invalidation finds no
//! entry there, so none is heard of either. A mark under a name of its own differs from one
//! database to the next, and is asked for along with each beat.

use redis::{FromRedisValue, Value};

use crate::redis::link::Node;
use crate::store::{StoreError, Token};

/// Where the mark is.
pub(super) struct Mark {
    name: String,
}

impl Mark {
    /// That of the database which holds what is below `prefix`.
    pub(super) fn below(prefix: &str) -> Self {
        let name = format!("{prefix}:d:{{data}}");
        Self { name }
    }

    /// What the database is marked with now; puts a mark there where there is none. None where
    /// that cannot be done, for want of memory perhaps.
    pub(super) async fn ask(&self, node: &Node) -> Result<Option<String>, StoreError> {
        let mut get = redis::cmd("GET");
        get.arg(&self.name);
        if let Some(found) = text(node.query(get).await)? {
            return Ok(Some(found));
        }
        let fresh = Token::fresh().to_string();
        let mut set = redis::cmd("SET");
        set.arg(&self.name).arg(&fresh).arg("NX");
        match node.query(set).await {
            Ok(Value::Okay) => Ok(Some(fresh)),
            // Somebody else was faster; the next beat reads it.
            answer => text(answer).map(|_| None),
        }
    }
}

/// The text, none where the server refuses: only that it answered matters to the beat.
fn text(answer: Result<Value, StoreError>) -> Result<Option<String>, StoreError> {
    match answer {
        Ok(value) => Ok(Option::from_redis_value(value).unwrap_or_default()),
        Err(StoreError::Refused(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
