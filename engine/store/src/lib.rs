//! What Larder itself keeps: entries, the leases to fill them, and the versions of tags and
//! namespaces. The [`Store`] trait says what a store promises. [`MemoryStore`] keeps it all in this
//! process, [`RedisStore`] where several processes share it, [`TieredStore`] there with copies
//! here. Writes that an origin does not have yet are kept by a [`queue::Queue`]: [`LocalQueue`] is
//! that of one process, in a folder, [`RedisQueue`] one that several share, and [`MirroredQueue`]
//! the first kind where other processes see what waits, through a [`Mirror`]. With the feature
//! `contract` the modules `contract` and `queue::contract` check the promises of any store and of
//! any queue. Which entries are made and how long they may be served is decided elsewhere; loading
//! values is left to `larder-origin`.

mod bounded;
mod clock;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod judge;
mod memory;
pub mod queue;
mod redis;
mod store;
mod sweep;
#[cfg(any(test, feature = "contract"))]
pub mod testing;
mod tiered;

pub use clock::{SteadyClock, SystemClock};
pub use memory::{MemoryConfig, MemoryStore};
pub use queue::{LocalQueue, LocalQueueConfig, MirroredQueue, QueueOpenError};
#[doc(hidden)]
pub use redis::envelope;
pub use redis::{
    ConnectError, Mirror, RedisConfig, RedisQueue, RedisQueueConfig, RedisStore, SentinelConfig,
};
pub use store::{
    Answer, Expected, Filled, Found, Health, LeaseRequest, Leased, Step, Store, StoreError,
    Summary, Token, later, ready,
};
pub use sweep::{Progress, Sweep, Sweeper};
pub use tiered::{TieredConfig, TieredStore};
