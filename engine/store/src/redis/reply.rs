//! What the server answered, as what was asked for.

use bytes::Bytes;
use larder_core::Version;
use redis::{FromRedisValue, Value};

use crate::store::{StoreError, Token};

/// The answer as a `T`.
pub(crate) fn typed<T: FromRedisValue>(answer: Value) -> Result<T, StoreError> {
    T::from_redis_value(answer).map_err(|error| {
        StoreError::Unavailable(format!(
            "it answered something else than what was asked ({error}); is its address that of a Redis server?"
        ))
    })
}

/// The answer as bytes, none where there is nothing.
pub(crate) fn bytes(answer: Value) -> Result<Option<Bytes>, StoreError> {
    match answer {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(bytes.into())),
        other => typed::<Vec<u8>>(other).map(|bytes| Some(bytes.into())),
    }
}

/// The answer as a number, 0 where there is nothing.
pub(crate) fn number(answer: Value) -> Result<u64, StoreError> {
    Ok(typed::<Option<u64>>(answer)?.unwrap_or(0))
}

/// The answer as a version; none where there is nothing, or nothing that is a version.
pub(crate) fn version(answer: Value) -> Result<Option<Version>, StoreError> {
    Ok(typed::<Option<String>>(answer)?.and_then(|text| parse_version(&text)))
}

/// A version from its text, the two numbers with a colon between.
pub(crate) fn parse_version(text: &str) -> Option<Version> {
    let (purge, expire) = text.split_once(':')?;
    Some(Version {
        purge: purge.parse().ok()?,
        expire: expire.parse().ok()?,
    })
}

/// A token from its text.
pub(crate) fn token(text: &str) -> Option<Token> {
    u64::from_str_radix(text, 16).ok().map(Token)
}

/// A number as scripts compare it: they are exact up to 2^53 only, so what is beyond is cut off.
pub(crate) fn exact(number: u64) -> String {
    number.min(1 << 53).to_string()
}
