//! The store that several engines share, on Redis or Valkey.
//!
//! | file | concept |
//! |---|---|
//! | `store` | the store, and what its parts share |
//! | `read` | entries are read and judged by what holds now |
//! | `hold` | leases, writes and what ends them |
//! | `claims` | who may fill a key, looked at without a script |
//! | `version` | the versions of tags and namespaces |
//! | `told` | what a version and its expiries say of an entry |
//! | `written` | what was written a while ago |
//! | `bans` | the live bans, and what they say of an entry |
//! | `ban` | puts bans in place |
//! | `ban_sweep` | gets rid of what was banned, and then of the ban |
//! | `envelope` | entries as bytes |
//! | `scripts` | the steps that nothing comes between |
//! | `names` | the names of keys |
//! | `reply` | what the server answered, as what was asked for |
//! | `link` | the connections |
//! | `queue` | the write-behind queue |
//! | `config` | where Redis is, and how long it may take |
//! | `error` | why it cannot be used |

mod ban;
mod ban_sweep;
mod bans;
mod claims;
mod config;
#[cfg(test)]
mod contract;
#[doc(hidden)]
pub mod envelope;
mod error;
mod hold;
#[allow(dead_code, reason = "the tier of memory in front uses the rest")]
pub(crate) mod link;
mod names;
mod queue;
mod read;
mod reply;
mod scripts;
mod store;
#[cfg(test)]
mod tests;
mod told;
mod version;
mod written;

pub use config::{RedisConfig, SentinelConfig};
pub use error::ConnectError;
pub use queue::mirror::Mirror;
pub(crate) use queue::mirror::News;
pub use queue::{RedisQueue, RedisQueueConfig};
pub use store::RedisStore;
