//! The store that several engines share, on Redis or Valkey.

#[allow(dead_code, reason = "as `link`")]
mod config;
mod error;
#[allow(dead_code, reason = "the store that asks it is built upon this")]
mod link;

pub use config::{RedisConfig, SentinelConfig};
pub use error::ConnectError;
