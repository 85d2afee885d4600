//! The store that several engines share, on Redis or Valkey.

mod ban;
mod ban_sweep;
mod bans;
mod claims;
mod config;
#[doc(hidden)]
pub mod envelope;
mod error;
mod hold;
#[allow(dead_code, reason = "the tier of memory in front uses the rest")]
pub(crate) mod link;
mod names;
mod read;
mod reply;
mod scripts;
mod store;
#[cfg(test)]
mod tests;
mod version;

pub use config::{RedisConfig, SentinelConfig};
pub use error::ConnectError;
pub use store::RedisStore;
